"""The edge of a stream that is still being written.

A stream has no end mark, so one that is cut exactly between two blocks looks complete. So a writer
never stops where a stream could end. All boundaries between
records lie on a grid, the greatest common divisor of the record sizes, counted from the end of the
stream header; a position off the grid is inside a record, and every reader refuses a stream that
ends there. Before the end of the stream the last byte is held back if it would complete a record.
A killed writer therefore leaves a stream that is visibly cut. Nobody waits for that byte: an event
is complete when the next one begins.

The kernel may take only a part of a write whose process is killed, and cuts it at multiples of the
page size from its start or its end. Those are off the grid too if both ends of the write are,
since the record sizes of the format divide a page.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from evstream.transport.sink import Sink
from evstream.wire.header import StreamHeader

ATOMIC = 4096
"""Bytes of a write that a pipe takes whole or not at all."""


def record_sizes(header: StreamHeader) -> list[int]:
    """Sizes of the records between the stream header and the end, in bytes."""
    block = header.block
    records = [block.header] if block.entry is None else [block.header, block.entry]
    return [header.record_dtype(record).itemsize for record in records]


def given_up_mark(header: StreamHeader) -> bytes:
    """What a writer that gives up leaves after the last whole record: the beginning of a record
    whose first number is `Format.given_up`. Empty where a record has no room for it."""
    size = min(record_sizes(header)) - 1
    return header.format.given_up.to_bytes(size, "little", signed=True) if size >= 4 else b""


class Edge:
    """Hands the bytes of a stream on, and never stops at a place where the stream could end.

    `write` takes all of a view. With `ends_records` each view that is handed on ends with a whole
    record; otherwise it ends anywhere.

    Attributes:
        header: the StreamHeader; None until it is known, and then all bytes pass.
        position: bytes of the stream that were handed on.
        ends_records: may be switched off, not on again.
    """

    def __init__(
        self,
        write: Callable[[memoryview], object],
        header: StreamHeader | None = None,
        *,
        ends_records: bool = False,
    ) -> None:
        self.header = header
        self.position = 0
        self._write = write
        self.ends_records = ends_records
        self._start = 0  # position of the last view
        self._held: bytes | None = b""  # of the last view; None while it is being written

    def hand_on(self, view: memoryview, *, whole: bool = False) -> int:
        """Write `view` up to a place inside a record, or with `whole` all of it.

        The number of bytes written; what is left begins the next view.
        """
        end = len(view)
        self._start = self.position
        ends_inside = not end or self._is_inside(self.position + end)
        size = end if ends_inside or whole else end - 1
        for piece in self._pieces(view[:size], ends_inside or not whole):
            self._write(piece)
            self.position += len(piece)
            self._held = None
        self._held = bytes(view[size:])
        return size

    def _pieces(self, view: memoryview, ends_inside: bool) -> list[memoryview]:
        """The writes to make: those that the kernel may cut begin and end inside records."""
        if len(view) <= ATOMIC:
            return [view] if view else []
        begins_inside = self._is_inside(self.position)
        first = 0 if begins_inside else self._opening()
        last = len(view) if ends_inside else len(view) - 1
        return [piece for piece in (view[:first], view[first:last], view[last:]) if piece]

    def _is_inside(self, position: int) -> bool:
        """Whether no stream could end at this position."""
        header = self.header
        if header is None or position < header.size:
            return position > 0
        return (position - header.size) % self._grid(header) != 0

    def _opening(self) -> int:
        """Bytes from the start of a stream, or of its blocks, to a place inside a record."""
        if self.header is None:
            return 0
        if self.position < self.header.size:
            return self.header.size - 1
        return self._grid(self.header) - 1

    @staticmethod
    def _grid(header: StreamHeader) -> int:
        return math.gcd(*record_sizes(header))

    def ending(self, written: int, unwritten: memoryview | bytes = b"") -> bytes:
        """Bytes after which no reader takes the stream for whole.

        `written` is how many bytes the target has, more than `position` after a write that failed
        half way; `unwritten` is the view that was being written then.
        """
        header = self.header
        if header is None:
            return b""
        mark, rest = given_up_mark(header), None
        sizes, grid = record_sizes(header), self._grid(header)
        if written < header.size:
            rest = header.to_bytes()[written:]
        elif written == self.position and self.ends_records and self._held is not None:
            rest = self._held
        elif len(set(sizes)) == 1:  # all boundaries are known
            missing = (header.size - written) % grid
            following = (
                bytes(unwritten[written - self._start :]) if unwritten else self._held or b""
            )
            rest = following[:missing] if len(following) >= missing else None
        if rest is not None and mark:
            return rest + mark
        # Less than a record, so that it completes none.
        return b"" if self._is_inside(written) else b"\xff" * (grid - 1)


def give_up(sink: Sink, edge: Edge, unwritten: memoryview | bytes = b"") -> None:
    """Leave a sink that holds part of a stream so that no reader takes it for the whole: a file
    does not appear, any other target gets the mark of a writer that gave up."""
    try:
        if not sink.is_file:
            sink.write(memoryview(edge.ending(sink.written, unwritten)))
            sink.flush()
    except Exception:
        pass  # the target is gone already, and the first failure is the one to report
    finally:
        sink.abort()
