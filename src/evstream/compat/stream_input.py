"""The bytes of one open stream, in order, from wherever they lie.

They lie in up to three places, and are taken in this order: bytes that were pushed back or that a
buffered object had read ahead, then the backlog, then the stream itself. poll() knows only of the
last, so `has_input` knows whether a read can be answered without asking the system.

While one stream waits, the bytes of the others are drawn into their backlogs. A program that feeds
several FIFOs in turn would otherwise wait for us while we wait for it.
"""

from __future__ import annotations

import io
import socket
import weakref
from collections.abc import Callable, Sequence
from typing import Any

from evstream.compat.backlog import Backlog
from evstream.compat.known_stream import KnownStream, position_of
from evstream.errors import ChangedSourceError, ReaderError, StallError
from evstream.transport.environment import timeout_of
from evstream.transport.file_objects import name_of, reader_of, refuse_closed
from evstream.transport.guard import Guard, position_to_read_at
from evstream.transport.polling import (
    PIPE_SIZE,
    descriptor_of,
    is_waitable,
    take_buffered,
    wait_readable,
    widen_pipe,
)
from evstream.transport.source import Source


class StreamInput:
    """Reads one stream, from the place where it stands.

    Attributes:
        name: of the stream, for messages.
        descriptor: to wait on before a read; None where a read never has to wait.
        offset: stream offset of the next byte.
        ended: whether the end of the stream was reached.
        others: the inputs that the same reader reads, this one included.
        timeout: seconds to wait for a byte from any of them; None waits forever.
        is_plain_file: whether the stream is a regular file whose position Python keeps.
    """

    def __init__(self, stream: Any) -> None:
        refuse_closed(stream)
        self.name = name_of(stream)
        self.offset = 0
        self.ended = False
        self.others: Sequence[StreamInput] = ()
        self.timeout = timeout_of(None)
        self.descriptor: int | None = None
        self._pushed_back = b""
        self._backlog: Backlog | None = None
        self._position, self._drawn = position_of(stream), 0
        descriptor = descriptor_of(stream)
        self._guard = Guard(stream, descriptor, self.name)
        self.is_plain_file = (
            self._guard.is_file and position_to_read_at(stream, descriptor) is not None
        )
        self._target = _weakly(self._open(stream))

    def _open(self, stream: Any) -> Any:
        """Find out what to wait on; the object to read."""
        if isinstance(stream, Source):
            self.descriptor = stream.waitable
            return stream
        is_buffered = isinstance(stream, io.BufferedReader)
        raw = stream.raw if is_buffered else stream
        descriptor = descriptor_of(stream)
        plain = isinstance(raw, (io.FileIO, socket.SocketIO))
        if not plain or descriptor is None or not is_waitable(descriptor):
            return stream
        widen_pipe(descriptor)
        self.descriptor = descriptor
        if is_buffered:  # from here on only the raw stream is read
            self._pushed_back = take_buffered(stream, descriptor)
        return raw

    def taken_since(self, known: KnownStream) -> int | None:
        """Bytes that the program took from the stream after its header was read; None where
        nothing shows how many."""
        if known.position is not None and self._position is not None:
            return self._position - known.position
        if not known.buffered:
            return 0  # nothing shows it; programs that follow the documentation take none
        ahead = self._pushed_back
        if len(ahead) == known.buffered and ahead.startswith(known.ahead):
            return 0
        return known.left if len(ahead) == known.buffered - known.left else None

    def has_reached(self, position: int | None) -> bool:
        """Whether the stream stood at this position when it was opened here."""
        return self._position == position

    def is_elsewhere(self, stream: Any) -> bool:
        """Whether the stream was moved from outside."""
        return self._position is not None and position_of(stream) != self._position + self._drawn

    def check_process(self) -> None:
        """Raise ChangedSourceError in a process that was forked since the stream was opened."""
        self._guard.check_process()

    @property
    def has_input(self) -> bool:
        """Whether a read returns at once, with bytes or the end, without asking the system."""
        return (
            bool(self._pushed_back) or bool(self._backlog) or self.descriptor is None or self.ended
        )

    def push_back(self, data: bytes) -> None:
        """Give these bytes again first: they are the last ones that were read."""
        self._pushed_back = data + self._pushed_back
        self.offset -= len(data)

    def readinto(self, view: memoryview) -> int:
        """Read into `view`, waiting for at least one byte; 0 at the end."""
        while (size := self._read_now(view)) is None:
            self._wait()
        self.offset += size
        return size

    def _read_now(self, view: memoryview) -> int | None:
        """Read what is there; None when there is nothing yet."""
        if self._pushed_back:
            size = min(len(view), len(self._pushed_back))
            view[:size] = self._pushed_back[:size]
            self._pushed_back = self._pushed_back[size:]
            return size
        if self._backlog:
            return self._backlog.readinto(view)
        if self.ended:
            return 0
        # With no other stream to draw from, and no timeout, the read itself can wait.
        may_wait = self.timeout is None and len(self.others) < 2
        if self.descriptor is not None and not may_wait and not wait_readable([self.descriptor], 0):
            return None
        try:
            size_read = self._read_target(view)
        except BlockingIOError:
            return None
        self.ended = size_read == 0
        return size_read

    def _read_target(self, view: memoryview) -> int | None:
        target = self._target()
        self._refuse_moved(target)
        try:
            size = reader_of(target)(view)
        except ValueError:
            refuse_closed(target, f"{self.name}: byte {self.offset}")
            raise
        self._drawn += size or 0
        self._refuse_moved(target)
        self._guard.check_file(self.offset)
        return size

    def _refuse_moved(self, target: Any) -> None:
        """A file has one position for all that inherit it: compare it around each read."""
        if self.is_plain_file and self.is_elsewhere(target):
            place = (self._position or 0) + self._drawn
            raise ChangedSourceError(
                f"another reader moved the file to byte {position_of(target)}",
                source=self.name, offset=self.offset,
                expected=f"byte {place}: each process must open the file itself",
            )  # fmt: skip

    def _wait(self) -> None:
        """Wait for input of this stream; draw what comes from the others meanwhile."""
        if self.descriptor is None:
            raise ReaderError("no data and nothing to wait on", source=self.name)
        others = {
            other.descriptor: other
            for other in self.others
            if other is not self and other.descriptor is not None and not other.ended
        }
        for descriptor in wait_for_input([self, *others.values()], self.timeout):
            if descriptor in others:
                others[descriptor]._draw()

    def _draw(self) -> None:
        """Move what the system has for this stream into the backlog."""
        piece = bytearray(PIPE_SIZE)
        try:
            size = self._read_target(memoryview(piece))
        except BlockingIOError:
            return
        if size == 0:
            self.ended = True
        elif size:
            if self._backlog is None:
                self._backlog = Backlog()
            self._backlog.append(memoryview(piece)[:size])


def wait_for_input(inputs: Sequence[StreamInput], timeout: float | None) -> list[int]:
    """Wait for one of the inputs; the descriptors of those that have bytes or have ended.

    Raises:
        StallError: no input had any for `timeout` seconds; it names them all.
    """
    ready = wait_readable([one.descriptor for one in inputs if one.descriptor is not None], timeout)
    if ready:
        return ready
    problem = f"no data received for {timeout:g} s"
    if len(inputs) > 1:
        places = ", ".join(f"{one.name} at byte {one.offset}" for one in inputs)
        problem += f" from any of the {len(inputs)} open streams: {places}"
    first = inputs[0]
    raise StallError(
        problem, source=first.name, offset=first.offset, streams=[one.name for one in inputs]
    )


def _weakly(target: Any) -> Callable[[], Any]:
    """Hold a weak reference, so that a dropped stream can close."""
    try:
        return weakref.ref(target)
    except TypeError:
        return lambda: target
