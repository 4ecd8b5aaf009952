"""The input of one stream under an EventReader.

A feed reads into the window that its reader's subclass parses. While a stream in the middle
of an event has nothing to give, the others' bytes are drawn into backlogs, so that one
program that feeds several FIFOs in turn is never left waiting for us while we wait for it.
"""

from __future__ import annotations

import io
import socket
import tempfile
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evstream.endings import tell_unclosed
from evstream.errors import CorruptStreamError, ReaderError, StallError, TruncatedStreamError
from evstream.header import StreamHeader
from evstream.sources import Source, name_of
from evstream.tracker import BlockTracker
from evstream.waiting import (
    PIPE_SIZE,
    descriptor_of,
    is_waitable,
    take_buffered,
    wait_readable,
    widen_pipe,
)

BACKLOG_IN_MEMORY = 16 << 20
"""Bytes of a backlog kept in memory; what is more goes to a temporary file."""


@dataclass
class KnownStream:
    """What reading a stream's header told: the header (None for an unknown type), how many
    bytes it took, how many of the stream header are left, and how many bytes the stream
    object has buffered behind it."""

    header: StreamHeader | None
    offset: int
    left: int
    buffered: int


KNOWN: weakref.WeakKeyDictionary[Any, KnownStream] = weakref.WeakKeyDictionary()
"""Stream object -> what read_stream_info learnt of it."""


class Feed:
    """Reads one stream.

    Attributes:
        name: for messages.
        base: stream offset of the first byte of the window.
        tracker: None when nobody has read the stream's header here.
        ended: whether the end of the stream was reached.
        received: stream offset up to which bytes were read into the window.
    """

    def __init__(self, stream: Any) -> None:
        known = _known(stream)
        self.name = name_of(stream)
        self.base = known.offset if known else 0
        self.ended = False
        self.received = self.base
        self.idle_yields = 0
        self.tracker: BlockTracker | None = None
        if known is not None and known.header is not None:
            self.tracker = BlockTracker(known.header, self.name, known.offset, known.left)
        self.others: Sequence[Feed] = ()
        self.timeout: float | None = None
        self._start = b""
        self._corrupt: CorruptStreamError | None = None
        self._backlog: _Backlog | None = None
        raw = getattr(stream, "raw", None)
        if known is not None and isinstance(raw, (io.FileIO, socket.SocketIO)):
            # Past the header only the raw stream is read: poll() knows nothing of bytes
            # that lie in a buffered object.
            if known.buffered:
                self._start = stream.read1(known.buffered)
            stream = raw
        self._read_into = getattr(stream, "readinto1", None) or stream.readinto
        self.descriptor: int | None = None
        if isinstance(stream, Source):
            self.descriptor = stream.waitable
            return
        descriptor = descriptor_of(stream)
        plain = isinstance(stream, (io.BufferedReader, io.FileIO, socket.SocketIO))
        if plain and descriptor is not None and is_waitable(descriptor):
            widen_pipe(descriptor)
            self.descriptor = descriptor
            if isinstance(stream, io.BufferedReader):  # its header was read elsewhere
                self._start = take_buffered(stream, descriptor)
                self._read_into = stream.raw.readinto

    @property
    def has_input(self) -> bool:
        """Whether a read gives something (or the end) at once, without asking the system."""
        return bool(self._start) or bool(self._backlog) or self.descriptor is None or self.ended

    def readinto(self, view: memoryview) -> int:
        """Read into `view`, waiting for at least one byte; 0 at the end. Of a corrupt stream
        the bytes before that place are given, and the next read raises."""
        if self._corrupt is not None:
            raise self._corrupt
        while True:
            size = self._read_now(view)
            if size is not None:
                break
            self._wait()
        if size and self.tracker is not None:
            try:
                self.tracker.see(np.frombuffer(view[:size], np.uint8), self.base)
            except CorruptStreamError as error:
                size = int(self.tracker.state["start"]) - self.received
                if size <= 0:
                    raise
                self._corrupt = error
        if not size:
            self.ended = True
        self.received += size
        return size

    def _read_now(self, view: memoryview) -> int | None:
        """What is there at once; None when that is nothing."""
        if self._start:
            size = min(len(view), len(self._start))
            view[:size] = self._start[:size]
            self._start = self._start[size:]
            return size
        if self._backlog:
            return self._backlog.readinto(view)
        if self.ended:
            return 0
        # Where nobody else may have something to say, the read itself can wait.
        may_wait = self.timeout is None and len(self.others) < 2
        if self.descriptor is not None and not may_wait and not wait_readable([self.descriptor], 0):
            return None
        try:
            return self._read_into(view)  # type: ignore[no-any-return]
        except BlockingIOError:
            return None

    def _wait(self) -> None:
        """Until this stream has input; what other streams have goes to their backlogs."""
        if self.descriptor is None:
            raise ReaderError("no data and nothing to wait on", source=self.name)
        others = {
            feed.descriptor: feed
            for feed in self.others
            if feed is not self and feed.descriptor is not None and not feed.ended
        }
        for descriptor in wait_for_input([self, *others.values()], self.timeout):
            if descriptor in others:
                others[descriptor].draw()

    def close(self) -> None:
        """Forget the backlog; the stream itself belongs to who opened it."""
        if self._backlog is not None:
            self._backlog.close()
            self._backlog = None

    def draw(self) -> None:
        """Move what the system has for this stream into the backlog."""
        piece = bytearray(PIPE_SIZE)
        try:
            size = self._read_into(memoryview(piece))
        except BlockingIOError:
            return
        if size == 0:
            self.ended = True
        elif size:
            if self._backlog is None:
                self._backlog = _Backlog()
            self._backlog.append(memoryview(piece)[:size])

    def resume_ids(self, cursor: int) -> tuple[int, int]:
        """(event_id, item_id) of the block that the window's `cursor` is inside of, else 0s."""
        ids = self.tracker.ids_at(self.base + cursor) if self.tracker else {}
        event_id, item_id, *_ = [*ids.values(), 0, 0]
        return event_id, item_id

    def check_end(self, left: int, strict: bool) -> None:
        """At the end of the stream, with `left` bytes that read_buffer did not take."""
        if self.tracker is not None:
            tell_unclosed(self.tracker.check_end(), strict)
            if left and self.tracker.has_blocks:
                raise ReaderError(
                    f"read_buffer left the last {left} bytes unread",
                    source=self.name, offset=self.tracker.offset - left,
                )  # fmt: skip
        elif left:
            raise TruncatedStreamError(
                f"the stream ends with {left} bytes that read_buffer cannot use",
                source=self.name, expected="a whole record",
            )  # fmt: skip


def wait_for_input(feeds: Sequence[Feed], timeout: float | None) -> list[int]:
    """The descriptors of the feeds that have input, or have ended, waiting for one.

    Raises:
        StallError: after `timeout` seconds without any; names all the feeds.
    """
    ready = wait_readable(
        [feed.descriptor for feed in feeds if feed.descriptor is not None], timeout
    )
    if ready:
        return ready
    problem = f"no byte came for {timeout:g} s"
    if len(feeds) > 1:
        places = ", ".join(f"{feed.name} at byte {feed.received}" for feed in feeds)
        problem += f", nor from any of the {len(feeds)} streams still open: {places}"
    first = feeds[0]
    raise StallError(
        problem, source=first.name, offset=first.received, streams=[feed.name for feed in feeds]
    )


class _Backlog:
    """Bytes in order of arrival, the first 16 MiB in memory, the rest in an unnamed file."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(BACKLOG_IN_MEMORY)  # noqa: SIM115
        self._read = self._written = 0

    def close(self) -> None:
        self._file.close()

    def __bool__(self) -> bool:
        return self._read < self._written

    def append(self, data: memoryview) -> None:
        self._file.seek(self._written)
        self._file.write(data)
        self._written += len(data)

    def readinto(self, view: memoryview) -> int:
        self._file.seek(self._read)
        data = self._file.read(len(view))
        view[: len(data)] = data
        self._read += len(data)
        if not self:
            self._file.seek(0)
            self._file.truncate()
            self._read = self._written = 0
        return len(data)


def _known(stream: Any) -> KnownStream | None:
    try:
        return KNOWN.get(stream)
    except TypeError:  # an object without hash or weak references
        return None
