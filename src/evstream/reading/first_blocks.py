"""The blocks of the first bytes of a stream, at any widths, in plain numpy.

The kernels are not used: a program may not need those that decode, and those of other widths
would have to be compiled. To find where blocks end, all entries that may be a delimiter are
looked up at once, one numpy comparison per byte that an entry can begin at within its own size.
"""

from __future__ import annotations

import copy
from bisect import bisect_left
from typing import Any

import numpy as np

from evstream.wire.columns import Array, Columns
from evstream.wire.header import StreamHeader

ENOUGH = 8
"""Entries of a single block, or blocks without entries, that say something about the widths."""


FLOAT_BITS = 1 << 29
"""As an f4, 1e-19; the bits of losses and probabilities are above it."""


class FirstBlocks:
    """The blocks of the first bytes of a stream, at most so many if a number is given: `starts` of
    their headers, `counts` of entries.

    Attributes:
        parses: whether no count is negative.
        is_open: whether the last block goes on after these bytes.
        is_whole: whether the stream may end here.
    """

    def __init__(self, header: StreamHeader, data: bytes, blocks: int | None = None) -> None:
        self.header, self._data, self._most = header, data, blocks
        self._size, self._entry = header.block_dtype.itemsize, header.entry_size
        self._ends: dict[int, list[int]] = {}
        self.starts: list[int] = []
        self.counts: list[int] = []
        self.parses, self.is_open = True, False
        self.is_whole = self._walk()

    def _walk(self) -> bool:
        at, size, entry, end = self.header.size, self._size, self._entry, len(self._data)
        closing = entry if self.header.block.delimiter else 0
        while at + size <= end and len(self.starts) != self._most:
            body = at + size
            stop = self._end_of_entries(body)
            if stop < body:
                self.parses = False
                return False
            self.starts.append(at)
            if stop + closing > end:
                self.is_open = True
                count, rest = divmod(end - body, entry)
                self.counts.append(count)
                return bool(closing and count and not rest)
            self.counts.append((stop - body) // entry if entry else 0)
            at = stop + closing
        return at == end

    def _end_of_entries(self, body: int) -> int:
        """Where the entries of the block end whose header ends at `body`; beyond the data if it
        ends there, before `body` for a negative count."""
        block = self.header.block
        if block.count is not None:
            field = self.header.block_dtype.fields[block.count]  # type: ignore[index]
            count = np.frombuffer(self._data, field[0], 1, body - self._size + field[1])[0]
            return body + int(count) * self._entry
        if block.match is None:
            return body
        places = self._delimiters(body % self._entry)
        found = bisect_left(places, body)
        return places[found] if found < len(places) else len(self._data)

    def _delimiters(self, rest: int) -> list[int]:
        """Where the bytes would be a delimiter, of the places with this remainder modulo the
        size of an entry."""
        if rest not in self._ends:
            assert self.header.block.match is not None
            field, value = self.header.block.match
            dtype, size = self.header.entry_dtype, self._entry
            entries = np.frombuffer(self._data, dtype, (len(self._data) - rest) // size, rest)
            self._ends[rest] = (np.flatnonzero(entries[field] == value) * size + rest).tolist()
        return self._ends[rest]

    def first(self, blocks: int) -> FirstBlocks:
        """The first blocks of these."""
        if len(self.starts) <= blocks:
            return self
        fewer = copy.copy(self)
        fewer.starts, fewer.counts = self.starts[:blocks], self.counts[:blocks]
        fewer.parses, fewer.is_open = True, False
        return fewer

    @property
    def closed(self) -> int:
        """Number of blocks that end in these bytes."""
        return len(self.starts) - self.is_open

    @property
    def says_enough(self) -> bool:
        """Whether there are several blocks or many entries, and no block is empty.

        The entries of an open block that has a count do not matter: any high number would be such
        a count, and the rest of the bytes its entries.
        """
        if not self._entry:
            return self.closed >= ENOUGH or self._ascend
        closed = self.counts[: self.closed]
        entries = closed if self.header.block.count is not None else self.counts
        return 0 not in closed and (self.closed > 1 or sum(entries) >= ENOUGH)

    def has_likely_events(self, in_use: StreamHeader) -> bool:
        """Whether the event ids would fit the width in use, and are not the bits of a float: two
        small ids read as one wide one do not, and losses read as ids are."""
        dtype = in_use.block_dtype[0]
        if dtype.kind not in "iu":
            return True
        highest = min(np.iinfo(dtype).max, FLOAT_BITS)
        return bool(np.all(self.events <= highest))

    @property
    def events(self) -> Array:
        """The event of each block."""
        blocks = self._gather(np.array(self.starts), self.header.block_dtype)
        found: Array = blocks[blocks.dtype.names[0]]  # type: ignore[index]
        return found

    @property
    def _ascend(self) -> bool:
        """Whether there are several events, in ascending order."""
        events = self.events
        return len(events) > 1 and bool(np.all(events[1:] > events[:-1]))

    def columns(self) -> Columns:
        """The blocks and their entries."""
        header, counts = self.header, np.array(self.counts, np.int64)
        offsets = np.concatenate([[0], np.cumsum(counts)])
        starts = np.array(self.starts, np.int64)
        blocks = self._gather(starts, header.block_dtype)
        entry: tuple[Array, ...] = ()
        if header.entry_dtype is not None:
            first = starts + self._size - offsets[:-1] * self._entry
            places = np.repeat(first, counts) + np.arange(offsets[-1]) * self._entry
            entries = self._gather(places, header.entry_dtype)
            entry = tuple(entries[name] for name in header.entry_columns)
        columns = {name: blocks[name] for name in blocks.dtype.names or ()}
        if header.block.row is not None:
            columns[header.block.row.name] = np.arange(1, len(blocks) + 1)
        return Columns(tuple(columns[name] for name in header.block_columns), offsets, entry)

    def _gather(self, places: Array, dtype: np.dtype[Any]) -> Array:
        """The records at these places."""
        raw = np.frombuffer(self._data, np.uint8)
        found: Array = raw[places.astype(np.int64)[:, None] + np.arange(dtype.itemsize)]
        return found.view(dtype)[:, 0]
