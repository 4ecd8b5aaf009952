"""Compare the blocks that were found in ranges with what the index says of them.

The ranges were decoded as if they were one stream. `virtual` has the offsets in it at which they
start. A block must start at each of them, so each range has whole blocks, and starts with one.
"""

from __future__ import annotations

import itertools
import zlib
from abc import ABC, abstractmethod
from typing import NoReturn

import numpy as np

from evstream.errors import CorruptStreamError
from evstream.indexing.builder import lowest_and_highest
from evstream.indexing.index import Index, has_order
from evstream.indexing.lookup import Ranges
from evstream.wire.columns import Array, Chunk, differ


class RangeCheck(ABC):
    """Checks the chunks of some ranges; a subclass looks at their blocks.

    Errors have offsets of the virtual stream: the caller knows where that is in the file.
    """

    def __init__(self, index: Index, ranges: Ranges, virtual: Array) -> None:
        self.index, self.ranges, self.virtual = index, ranges, virtual
        header = index.header
        self._header_size = header.block_dtype.itemsize
        self._entry_size = header.entry_size
        self._closed_size = self._header_size + (header.entry_size if header.block.delimiter else 0)
        self._started = 0  # number of ranges that were found
        self._open_range = 0  # of the block that is open

    def checked(self, chunk: Chunk) -> Chunk:
        """The chunk, if it fits."""
        columns, continues = chunk.columns, int(chunk.continues)
        blocks = len(columns.block[0])
        if not blocks:
            return chunk
        starts, events = self.starts(chunk), columns.block[0]
        numbers = np.searchsorted(self.virtual[:-1], starts, side="right") - 1
        at_start = self.virtual[numbers] == starts
        begun = self._started + np.cumsum(at_start)
        if (wrong := begun != numbers + 1).any():
            self.refuse("no block starts here", int(self.virtual[begun[np.argmax(wrong)]]))
        if continues:
            numbers = np.append(self._open_range, numbers)
        if len(begun):
            self._started = int(begun[-1])
        entries = np.diff(columns.offsets)
        entries[0] += chunk.skipped
        closed = blocks - int(chunk.is_open)
        self._open_range = int(numbers[-1])
        self.look_at(numbers[continues:], events[continues:], starts)
        self.count(numbers[:closed], events[:closed], entries[:closed])
        self._open = (events[closed:], entries[closed:])
        return chunk

    def starts(self, chunk: Chunk) -> Array:
        """Offsets of the blocks that start in a chunk."""
        columns, continues = chunk.columns, int(chunk.continues)
        starts = chunk.offset + columns.offsets[:-1] * self._entry_size
        starts += np.arange(len(starts)) * self._closed_size - continues * self._header_size
        return starts[continues:]

    def finish(self, is_closed: bool) -> None:
        """At the end of the ranges; `is_closed` is whether the last block was."""
        if self._started < len(self.ranges.rows):
            self.refuse("no block starts here", int(self.virtual[self._started]))
        reaches_end = len(self.ranges.rows) and self.ranges.stops[-1] == self.index.size
        if is_closed != (self.index.closed or not reaches_end):
            self.refuse("the last block ends otherwise", int(self.virtual[-1]))
        if not is_closed:
            self.count(np.array([self._open_range]), *self._open)

    def refuse(self, problem: str, offset: int) -> NoReturn:
        """Raise the error for a place of the virtual stream."""
        raise CorruptStreamError(problem, offset=offset)

    @abstractmethod
    def look_at(self, numbers: Array, events: Array, starts: Array) -> None:
        """Look at blocks as they start: the range, event and offset of each."""

    @abstractmethod
    def count(self, numbers: Array, events: Array, entries: Array) -> None:
        """Count blocks that ended."""


class RunCheck(RangeCheck):
    """All blocks of a run have its event."""

    def look_at(self, numbers: Array, events: Array, starts: Array) -> None:
        runs = self.index.runs
        assert runs is not None
        wrong = differ(events, runs[self.ranges.rows[numbers]])
        if wrong.any():
            self.refuse("another event starts here", int(starts[np.argmax(wrong)]))

    def count(self, numbers: Array, events: Array, entries: Array) -> None:
        pass


class StretchCheck(RangeCheck):
    """The blocks of a stretch have the events and counts of its record."""

    def __init__(self, index: Index, ranges: Ranges, virtual: Array) -> None:
        super().__init__(index, ranges, virtual)
        self._is_ordered = has_order(index.header)
        self._number: int | None = None  # of the range that is being counted
        self._clear()

    def _clear(self) -> None:
        self._first: list[Array] = []
        self._limits: list[Array] = []
        self._blocks = self._entries = self._ids = 0

    def look_at(self, numbers: Array, events: Array, starts: Array) -> None:
        pass

    def count(self, numbers: Array, events: Array, entries: Array) -> None:
        edges = [*np.flatnonzero(np.diff(numbers, prepend=-1)).tolist(), len(numbers)]
        for first, last in itertools.pairwise(edges):
            if self._number != numbers[first]:
                self._compare()
                self._number = int(numbers[first])
            ids = events[first:last]
            if not self._first:
                self._first.append(ids[:1])
            if self._is_ordered:
                self._limits.append(lowest_and_highest(ids))
            self._blocks += last - first
            self._entries += int(entries[first:last].sum())
            self._ids = zlib.crc32(ids.tobytes(), self._ids)

    def finish(self, is_closed: bool) -> None:
        super().finish(is_closed)
        self._compare()

    def _compare(self) -> None:
        """Compare what was counted with the record of the stretch."""
        if self._number is None:
            return
        row, s = int(self.ranges.rows[self._number]), self.index.stretches
        found = [self._blocks, self._entries, self._ids]
        same = found == [int(column[row]) for column in (s.blocks, s.entries, s.ids)]
        same &= not differ(self._first[0][0], s.first[row])
        if self._is_ordered:
            limits = lowest_and_highest(np.concatenate(self._limits))
            known = np.array([s.lowest[row], s.highest[row]], limits.dtype)
            same &= not differ(limits, known).any()
        if not same:
            self.refuse(
                f"the blocks from here on are not those that were indexed ({self._blocks} with"
                f" {self._entries} entries)",
                int(self.virtual[self._number]),
            )
        self._clear()
