"""Read ranges of an object that lie close together by one request.

Each range of an object is a request, which takes as long as a megabyte does. So what lies between
two ranges is read too where it is short, and left out from memory.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import pairwise

from evstream.transport.range_file import RangeFile

GAP = 1 << 20
"""Bytes between two ranges that are read with them."""

SPAN = 1 << 23
"""Bytes to read by one request."""


class SpanBuffer:
    """A RangeFile of ranges that are read in ascending order, each once."""

    def __init__(self, file: RangeFile, starts: list[int], stops: list[int]) -> None:
        self.name, self.size, self.tag = file.name, file.size, file.tag
        self._file = file
        joins = [later - stop <= GAP for stop, later in zip(stops, starts[1:], strict=False)]
        self._starts = [start for start, joined in zip(starts, [False, *joins], strict=True)
                        if not joined]  # fmt: skip
        self._stops = [stop for stop, joined in zip(stops, [*joins, False], strict=True)
                       if not joined]  # fmt: skip
        assert all(a < b for a, b in pairwise(self._starts))
        self._buffer = memoryview(b"")
        self._first = 0  # offset of the buffer

    def read_at(self, offset: int, view: memoryview) -> None:
        """See RangeFile."""
        last = offset + len(view)
        if not self._first <= offset <= last <= self._first + len(self._buffer):
            row = bisect_right(self._starts, offset) - 1
            stop = max(min(self._stops[row], offset + SPAN), last) if row >= 0 else last
            self._first, self._buffer = offset, memoryview(bytearray(stop - offset))
            self._file.read_at(offset, self._buffer)
        at = offset - self._first
        view[:] = self._buffer[at : at + len(view)]

    def close(self) -> None:
        """See RangeFile."""
        self._file.close()
