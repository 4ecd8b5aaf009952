"""The way of a stream's bytes out: a reused buffer, the sink behind it, the seal beside it.

What is left after a failure never looks complete: a file does not appear, and a pipe or
other object gets a stream that ends inside a record, which a reader refuses.
"""

from __future__ import annotations

import contextlib
import math
import os
import time
import weakref
from typing import Any

import numpy as np

from evstream.checking.seal import Sealer, refuse_irregular, seal_path
from evstream.errors import warn
from evstream.transport.compression import compression_by_name, compressor
from evstream.transport.same_file import is_same_place
from evstream.transport.sink import Sink, SinkFile
from evstream.wire.header import StreamHeader

BUFFER = 1 << 18
"""Bytes collected before they are written."""

FLUSH_SECONDS = 0.1
"""A pipe gets what is collected at the next write after this long."""


class Outlet:
    """Where an encoder puts its bytes: at `cursor` of `buffer`, with a `drain` when it is full.

    Attributes:
        name: of the target, for messages.
        buffer: uint8, shape (BUFFER,).
        cursor: bytes of it that wait to be written.
        closed: whether the stream is complete, or given up.
    """

    def __init__(self, target: Any, header: StreamHeader, seal: str | bool) -> None:
        self._seal = _seal_path(target, seal)
        if self._seal and is_same_place(self._seal, target):
            raise ValueError(f"{self._seal}: the seal would take the place of the stream")
        self._sink = Sink(target)
        kind = compression_by_name(target)
        self._file: Any = self._sink
        if kind is not None:
            try:
                self._file = compressor(kind, SinkFile(self._sink))
            except BaseException:
                self._sink.abort()
                raise
        self._handed_on = 0
        self._header = header
        self._sealer = Sealer(self._sink.name, header) if self._seal else None
        self._flushed = time.monotonic()
        self._process = os.getpid()
        self._abandoned = weakref.finalize(self, _abandon, self._sink, header, self._process)
        self.name = self._sink.name
        self.buffer = np.empty(BUFFER, np.uint8)
        self.closed = False
        start = header.to_bytes()
        self.buffer[: len(start)] = np.frombuffer(start, np.uint8)
        self.cursor = len(start)

    @property
    def offset(self) -> int:
        """Bytes of the stream so far, those included that wait."""
        return self._handed_on + self.cursor

    def refuse_closed(self) -> None:
        """Raise ValueError if nothing can be written any more, or not by this process."""
        if self.closed:
            raise ValueError(f"{self.name}: the stream is closed")
        if os.getpid() != self._process:
            raise ValueError(f"{self.name}: the stream is another process's, this one was forked")

    def drain(self) -> None:
        """Write what waits; a failure gives the stream up, since what was not taken is gone."""
        view = self.buffer.data[: self.cursor]
        self.cursor = 0
        try:
            self._file.write(view)
        except BaseException:
            self.abort()
            raise
        self._handed_on += len(view)
        if self._sealer is not None:
            self._sealer.update(view)

    def append(self, data: memoryview) -> None:
        """Take bytes of the stream as they are."""
        while data:
            room = len(self.buffer) - self.cursor
            piece = data[:room]
            self.buffer.data[self.cursor : self.cursor + len(piece)] = piece
            self.cursor += len(piece)
            data = data[room:]
            if data:
                self.drain()

    def flush(self) -> None:
        """Hand everything so far to the target; a failure gives the stream up, as in `drain`."""
        self.drain()
        try:
            if self._file is not self._sink:
                self._file.flush()
            self._sink.flush()
        except BaseException:
            self.abort()
            raise
        self._flushed = time.monotonic()

    def flush_if_due(self) -> None:
        """Let a pipe's reader not wait for a full buffer."""
        if not self._sink.is_file and time.monotonic() - self._flushed > FLUSH_SECONDS:
            self.flush()

    def close(self) -> None:
        """Complete the stream; a file appears under its name, behind its seal."""
        self.refuse_closed()
        try:
            self.drain()
            if self._file is not self._sink:
                self._file.close()
            self._sink.flush()
            if self._sealer is not None:  # when all but the name is there
                self._sealer.finish().write(self._seal)
            self._sink.close()
        except BaseException:
            self.abort()
            raise
        self.closed = True
        self._abandoned.detach()

    def abort(self) -> None:
        """Give up: no file appears, and any other target ends inside a record."""
        if self.closed:
            return
        self.closed = True
        self.cursor = 0
        self._abandoned.detach()
        if os.getpid() == self._process:
            give_up(self._sink, self._header)
        else:
            _disown(self._sink)


def _abandon(sink: Sink, header: StreamHeader, process: int) -> None:
    """A writer that was neither closed nor aborted, at its end or the program's: what it has
    collected is lost, so what it wrote must not look whole."""
    if os.getpid() != process:
        _disown(sink)
        return
    if sink.takes_now:
        give_up(sink, header)
    else:
        sink.abort()  # the end of a program must not wait for a reader
    warn(f"{sink.name}: the stream was not closed, and is given up", ResourceWarning)


def _disown(sink: Sink) -> None:
    """In a forked process: what a compressor still holds is the parent's to write."""
    sink.given_up = True


def give_up(sink: Sink, header: StreamHeader) -> None:
    """Leave a sink that holds part of a stream so that nobody takes it for the whole."""
    try:
        if not sink.is_file:
            sink.write(memoryview(_cut(sink.written, header)))
            sink.flush()
    except Exception:
        pass  # the target is gone already, and the first failure is the one to report
    finally:
        sink.abort()


def _cut(written: int, header: StreamHeader) -> bytes:
    """Bytes that leave a stream inside a record, after so many that were written.

    Every boundary between two records lies on a grid of the greatest common divisor of
    their sizes, counted from the end of the stream header. Off the grid is inside.
    """
    block = header.block
    records = [block.header] if block.entry is None else [block.header, block.entry]
    grid = math.gcd(*(header.record_dtype(record).itemsize for record in records))
    inside = written - header.size
    on_boundary = inside >= 0 and inside % grid == 0
    return b"\xff" * (grid - 1) if on_boundary or written == 0 else b""


def _seal_path(target: Any, seal: str | bool) -> str | None:
    if seal is True:
        place = _place(target)
        if place is None:
            raise TypeError("the seal of a target without a path needs a path: seal='out.seal'")
        with contextlib.suppress(FileNotFoundError):
            refuse_irregular(seal_path(place))
        return seal_path(place)
    return os.path.abspath(seal) if seal else None


def _place(target: Any) -> str | None:
    """The absolute path of a target, wherever the program goes; None for what is no path."""
    is_path = isinstance(target, (str, os.PathLike)) and target != "-"
    return os.path.abspath(target) if is_path else None
