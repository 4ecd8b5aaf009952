"""Tell a second stream from a block header.

`cat a.bin b.bin` puts a stream header where a block header should be. Its type word reads as an
event id, which a real event may have, so the bytes after it decide. A block goes on with special
sidx, or with samples up to their number. A stream header is followed by a block header, whose ids,
read as an entry, are a sidx above 0 and a loss too small for a float.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from evstream.wire.columns import Array
from evstream.wire.header import StreamHeader

RARE = 1 << 24
"""Type words from here on are rare as event ids; lower ones (1 for cdf) are not."""

WORD = np.dtype(np.uint32)
"""A type word; it has four bytes in every format."""


class Openings:
    """The type words that may open a second stream in a stream of this header.

    Attributes:
        size: bytes from the start of a block that are enough to decide.
        limit: an entry with a sidx up to here does not open a stream.
    """

    def __init__(self, header: StreamHeader) -> None:
        self._header = header
        self.limit = max(header.samples or 0, RARE - 1)
        self._dtype = header.block_dtype
        self._entry = header.entry_dtype
        own = header.spec.type_word
        words = {
            s.type_word for s in header.format.streams.values() if s.type_word and own is not None
        }
        numbers = {int(np.frombuffer(word, WORD)[0]) for word in words}
        self.rare = np.array(sorted(n for n in numbers if n >= RARE), WORD)
        floats = self._entry is not None and self._entry[0].kind == "f"
        number = int(np.frombuffer(own, WORD)[0]) if own is not None and floats else RARE
        self.common = number if number < RARE else None
        self._own = header.to_bytes()[: self._dtype.itemsize]
        self.size = self._dtype.itemsize + (2 * self._entry.itemsize if self._entry else 0)

    def candidates(self, events: Array, odd: Callable[[Array], Array]) -> Array:
        """Numbers of the blocks that begin like a stream, by their event ids.

        `odd` takes indices of blocks; whether the first entry of each does not start with
        a float.
        """
        if not len(self.rare) and self.common is None:
            return np.empty(0, np.int64)
        words = low_words(events)
        found = np.isin(words, self.rare)
        if self.common is not None:
            alike = np.flatnonzero(words == self.common)
            others = (
                low_words(events[alike]) != events[alike] if events.dtype.kind in "iu" else False
            )
            found[alike[odd(alike) | others]] = True
        return np.flatnonzero(found)

    def odd_entries(self, buffer: Array, at: Array) -> Array:
        """Whether the entries of the blocks at these places do not start with a float, or are not
        there yet."""
        assert self._entry is not None
        dtype = self._entry[0]
        first = at[:, None] + self._dtype.itemsize + np.arange(dtype.itemsize)
        beyond: Array = (first[:, -1] >= len(buffer)) | (at < 0)
        if beyond.all():
            return beyond
        values = buffer[np.where(beyond[:, None], 0, first)].view(dtype)[:, 0]
        beyond |= (np.abs(values) < np.finfo(dtype).tiny) & (values != 0)
        return beyond

    def is_second(self, data: bytes, ended: bool) -> bool | None:
        """Whether `data`, which starts like a stream, is one and not a block; None if this needs
        more bytes, which can come unless the stream has `ended`."""
        dtype, entry = self._dtype, self._entry
        if entry is None or len(data) < dtype.itemsize + entry.itemsize:
            return self.is_word(data) if ended else None
        block = np.frombuffer(data, dtype, 1)[0]
        count = (len(data) - dtype.itemsize) // entry.itemsize
        entries = np.frombuffer(data, entry, count, dtype.itemsize)
        if self._header.block.match is not None:
            return self._is_before_blocks(data, block, entries, ended)
        if self.common is not None and _is_wide(block[0]):
            return True  # a wide event id that only begins like the word
        has_entries = self._header.block.count is None or block[self._header.block.count] != 0
        return bool(has_entries and _is_tiny(entries[0][0]))

    def _is_before_blocks(
        self, data: bytes, block: Any, entries: Array, ended: bool
    ) -> bool | None:
        """The same for blocks that a delimiter closes, by the sidx of their entries."""
        assert self._header.block.match is not None
        mark, end = self._header.block.match
        limit = self._header.samples
        first = entries[0][mark]
        if _is_odd(block):
            return True
        if first < 0 or first == end:
            return False
        is_above = limit is not None and first > limit
        if _is_odd(entries[0]) or data.startswith(self._own) or is_above:
            return True
        if len(entries) == 1 and not ended:
            return None
        return bool((entries[1:2][mark] < 0).any())

    def is_word(self, data: bytes) -> bool:
        """Whether `data` begins with the type word of a stream."""
        if len(data) < WORD.itemsize or not len(self.rare):
            return False
        return bool(np.frombuffer(data, WORD, 1)[0] in self.rare)


def low_words(values: Array) -> Array:
    """The first bytes of values in a stream, as many as a type word has."""
    whole: Array = np.ascontiguousarray(values)
    if whole.dtype.itemsize < WORD.itemsize:
        return np.zeros(len(whole), WORD) if whole.dtype.kind == "f" else whole.astype(WORD)
    return whole.view(WORD)[:: whole.dtype.itemsize // WORD.itemsize]


def _is_wide(event: Any) -> bool:
    """Whether an event is a number with more bytes than the type words that may look like it."""
    return event.dtype.kind in "iu" and bool(event > RARE)


def _is_odd(record: Any) -> bool:
    """Whether a float of a record is probably not a float: not finite, or too small."""
    floats = [record[name] for name in record.dtype.names if record.dtype[name].kind == "f"]
    return any(
        value != 0 and not np.finfo(value.dtype).tiny <= abs(value) < np.inf for value in floats
    )


def _is_tiny(value: Any) -> bool:
    """Whether a float is too small for one, as small integers are when they are read so. In a
    block of event 1, which is common, NaN and infinity prove nothing."""
    is_float = value.dtype.kind == "f"
    return bool(is_float and value != 0 and abs(value) < np.finfo(value.dtype).tiny)
