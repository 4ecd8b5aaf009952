"""Read ranges of a file one after the other, as if nothing lay between them."""

from __future__ import annotations

import numpy as np

from evstream._support.checksum import crc32
from evstream.errors import StaleIndexError
from evstream.indexing.index import EXPECTED, Index
from evstream.indexing.lookup import Ranges
from evstream.indexing.span_buffer import SpanBuffer
from evstream.transport import watching
from evstream.transport.range_file import LocalFile, RangeFile
from evstream.wire.columns import differ


class RangeReader:
    """What a Window reads from: the bytes of the ranges.

    Ranges that follow one another are read in one go. After a run, the event of the block after
    it is compared with the index; with `verify`, the checksum of each stretch is.
    """

    def __init__(self, file: RangeFile, index: Index, ranges: Ranges, verify: bool) -> None:
        self._file: RangeFile = file
        self._index, self._verify = index, verify
        self._peek = index.header.block_dtype.itemsize if ranges.are_runs else 0
        self._spare = memoryview(bytearray(self._peek))
        self._checksum = 0
        ends_here = np.ones(len(ranges.rows), bool)
        if not verify:
            ends_here[:-1] = ranges.starts[1:] != ranges.stops[:-1]
        starts_here = np.concatenate([[True], ends_here[:-1]])[: len(ends_here)]
        starts, stops = ranges.starts[starts_here].tolist(), ranges.stops[ends_here].tolist()
        if not isinstance(file, LocalFile):
            ends = [min(stop + self._peek, index.size) for stop in stops]
            self._file = SpanBuffer(file, starts, ends)
        rows = ranges.rows[ends_here].tolist()
        self._left = list(zip(starts, stops, rows, strict=True))[::-1]
        self._at = starts[0] if starts else 0
        self._read, self.name = 0, file.name
        size = sum(stops) - sum(starts)
        self._watched = watching.opened(self, size, watching.SOME) if size else None

    def readinto(self, view: memoryview) -> int:
        """Fill `view`, or what the ranges have left of it; the number of bytes."""
        done, room = 0, len(view)
        while done < room and self._left:
            _, stop, row = self._left[-1]
            size = min(stop - self._at, room - done)
            is_end = self._at + size == stop
            peek = self._peek if is_end and stop < self._index.size else 0
            if done + size + peek <= room:
                self._file.read_at(self._at, view[done : done + size + peek])
                behind = view[done + size : done + size + peek]
            else:
                self._file.read_at(self._at, view[done : done + size])
                behind = self._spare[:peek]
                self._file.read_at(stop, behind)
            if peek:
                self._check_next(behind, stop, row)
            if self._verify:
                self._checksum = crc32(view[done : done + size], self._checksum)
            done, self._at = done + size, self._at + size
            if is_end:
                self._end(row)
        self._read += done
        if self._watched is not None and not self._left:
            self._watched(True)
            self._watched = None
        return done

    def offset(self) -> int:
        """Bytes of the ranges read so far; for progress."""
        return self._read

    def _end(self, row: int) -> None:
        """Go on to the next range."""
        start = self._left.pop()[0]
        if self._verify and self._checksum != self._index.stretches.checksum[row]:
            self._refuse("the bytes here are not those that were indexed", start)
        self._checksum = 0
        if self._left:
            self._at = self._left[-1][0]

    def _check_next(self, behind: memoryview, offset: int, row: int) -> None:
        header, runs = self._index.header, self._index.runs
        found = np.frombuffer(behind, header.block_dtype)[header.event_column]
        if runs is not None and (row + 1 >= len(runs) or differ(found[0], runs[row + 1])):
            self._refuse("another event starts here", offset)

    def _refuse(self, problem: str, offset: int) -> None:
        raise StaleIndexError(
            f"the index is stale: {problem}", source=self._file.name, offset=offset,
            expected=EXPECTED,
        )  # fmt: skip
