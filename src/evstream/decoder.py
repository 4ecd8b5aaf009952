"""Bytes -> columns -> events, without any I/O: feed it windows, it gives whole events.

An event ends where the next event id begins, or at the end of the stream. Until then its
parts are kept; an event that lies in one part shares that part's memory, one that spans
several is put together once, when it is complete.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from evstream._generated.events import EVENT_CLASSES
from evstream._jit import BAD_COUNT, ENTRIES
from evstream.endings import block_ids, check_end
from evstream.errors import CorruptStreamError
from evstream.event import Array, Columns, Event
from evstream.header import StreamHeader, record_dtype
from evstream.kernels import block_kernels
from evstream.window import Window


@dataclass(frozen=True)
class _Part:
    """Blocks first:last of some columns; with `continues`, block `first` is the rest of
    the last block of the part before."""

    columns: Columns
    first: int
    last: int
    continues: bool

    def entry(self, index: int) -> Array:
        offsets = self.columns.offsets
        return self.columns.entry[index][offsets[self.first] : offsets[self.last]]


class Decoder:
    """The state of one stream between two windows."""

    def __init__(self, header: StreamHeader, source: str) -> None:
        self.header = header
        self._source = source
        self.closed: bool | None = None
        self._kernels = block_kernels(header.block, header.widths)
        self.state = np.zeros(1, self._kernels.STATE)[0]
        self._event_class = EVENT_CLASSES[header.block.name]
        self._parts: list[_Part] = []
        self._header_dtype = record_dtype(header.block.header, header.widths)
        entry = header.block.entry
        self._entry_dtype = record_dtype(entry, header.widths) if entry else np.dtype([])

    def events(self, window: Window) -> Iterator[Event]:
        """Decode what the window holds; the events that are complete by then.

        Raises CorruptStreamError at a negative count, after the events before it.
        """
        continues = bool(self.state["phase"] == ENTRIES)
        columns, status = self._decode(window)
        ids = columns.block[0]
        if len(ids):
            if self._parts and not continues and self._event_id() != ids[0]:
                yield self._complete()
            edges = [0, *(np.flatnonzero(ids[1:] != ids[:-1]) + 1).tolist(), len(ids)]
            for first, last in zip(edges[:-2], edges[1:-1], strict=True):
                self._parts.append(_Part(columns, first, last, continues))
                yield self._complete()
                continues = False
            self._parts.append(_Part(columns, edges[-2], edges[-1], continues))
        if status == BAD_COUNT:
            raise self._bad_count(window)

    def finish(self, window: Window, strict: bool) -> Iterator[Event]:
        """Judge the end of the stream, then give the last event."""
        self.closed = check_end(
            self.header, self.state, window.offset, window.left, self._source, strict
        )
        if self._parts:
            yield self._complete()

    def _event_id(self) -> int:
        part = self._parts[-1]
        return int(part.columns.block[0][part.first])

    def _decode(self, window: Window) -> tuple[Columns, int]:
        """All whole records of the window, as the columns of the blocks they belong to."""
        room = window.left
        entries = room // max(self._entry_dtype.itemsize, 1)
        blocks = room // self._header_dtype.itemsize + 1
        block = tuple(np.empty(blocks, self._header_dtype[n]) for n in self._block_names)
        entry = tuple(np.empty(entries, self._entry_dtype[n]) for n in self._entry_names)
        offsets = np.empty(blocks + 1, np.int64)
        cursor, b, n, status = self._kernels.decode_blocks(
            window.buffer, window.cursor, window.valid, window.base,
            self.state, *block, offsets, *entry, 0, 0,
        )  # fmt: skip
        window.cursor = cursor
        columns = Columns(_kept(block, b), _kept((offsets,), b + 1)[0], _kept(entry, n))
        return columns, status

    @property
    def _block_names(self) -> list[str]:
        return self._kernels.HEADER_COLUMNS  # type: ignore[no-any-return]

    @property
    def _entry_names(self) -> list[str]:
        return list(self._entry_dtype.names or ())

    def _bad_count(self, window: Window) -> CorruptStreamError:
        size = self._header_dtype.itemsize
        record = window.buffer[window.cursor : window.cursor + size].view(self._header_dtype)[0]
        name = self.header.block.count
        ids = block_ids(self.header, record)
        count = ids.pop(str(name))
        return CorruptStreamError(
            f"{name} is {count}", source=self._source, offset=window.offset, ids=ids,
            expected="0 or more",
        )  # fmt: skip

    def _complete(self) -> Event:
        parts, self._parts = self._parts, []
        if len(parts) == 1:
            return self._event_class(self.header, parts[0].columns, parts[0].first, parts[0].last)
        columns = _joined(parts)
        return self._event_class(self.header, columns, 0, len(columns.block[0]))


def _kept(arrays: tuple[Array, ...], used: int) -> tuple[Array, ...]:
    """The used part of each array; a copy where the view would hold on to much more."""
    return tuple(a[:used] if 2 * used > len(a) else a[:used].copy() for a in arrays)


def _joined(parts: list[_Part]) -> Columns:
    """The parts of one event as one; a part that continues goes on with an open block."""
    counts = [np.diff(p.columns.offsets[p.first : p.last + 1]) for p in parts]
    skipped = [int(p.continues) for p in parts]
    skipped[0] = 0
    for i, skip in enumerate(skipped):
        if skip:
            open_block = next(c for c in reversed(counts[:i]) if len(c))
            open_block[-1] += counts[i][0]
            counts[i] = counts[i][1:]
    offsets = np.concatenate([[0], np.cumsum(np.concatenate(counts))])

    def block_column(index: int) -> Array:
        pieces = zip(parts, skipped, strict=True)
        return np.concatenate([p.columns.block[index][p.first + s : p.last] for p, s in pieces])

    def entry_column(index: int) -> Array:
        return np.concatenate([p.entry(index) for p in parts])

    first = parts[0].columns
    return Columns(
        tuple(block_column(i) for i in range(len(first.block))),
        offsets.astype(np.int64),
        tuple(entry_column(i) for i in range(len(first.entry))),
    )
