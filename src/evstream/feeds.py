"""The input of one stream under an EventReader.

A feed reads into the window that its reader's subclass parses. While a stream in the middle
of an event has nothing to give, the others' bytes are drawn into backlogs, so that one
program that feeds several FIFOs in turn is never left waiting for us while we wait for it.
"""

from __future__ import annotations

import copy
import io
import socket
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from evstream.backlog import Backlog
from evstream.endings import tell_unclosed
from evstream.environment import timeout_of
from evstream.errors import (
    ChangedSourceError,
    CorruptStreamError,
    ReaderError,
    StallError,
    TruncatedStreamError,
)
from evstream.guard import Guard, position_to_read_at
from evstream.known import KNOWN, KnownStream, PerStream, position_of
from evstream.sources import Source, name_of, reader_of
from evstream.tracker import BlockTracker
from evstream.waiting import (
    PIPE_SIZE,
    descriptor_of,
    is_waitable,
    take_buffered,
    wait_readable,
    widen_pipe,
)


class Feed:
    """Reads one stream, from its header on or from where an earlier reading left off.

    Attributes:
        name: for messages.
        base: stream offset of the first byte of the window.
        body: stream offset of the first block.
        tracker: None when nobody has read the stream's header here, or when it cannot be told
            whether the stream stands between header and blocks.
        ended: whether the end of the stream was reached.
        received: stream offset up to which bytes were read into the window.
        lent: whether bytes lie in a window that nobody has given back.
        part: where in the window the part begins that read_buffer parses now.
        walk: what a CallbackReader keeps of a block that it is inside of.
        yielded_at, yielded_event: stream offset and id of what read_buffer yielded last.
        yields_events: whether read_buffer yielded at the end of each event so far.
        refused: the error of a CallbackReader that goes no further.

    Raises:
        ReaderError: the stream stands inside its stream header.
    """

    def __init__(self, stream: Any) -> None:
        self.name = name_of(stream)
        self.ended = self.lent = False
        self.idle_yields = 0
        self.tracker: BlockTracker | None = None
        self.walk: Any = None
        self.refused: CorruptStreamError | None = None
        self.part = self.yielded_at = self.yielded_event = 0
        self.yields_events = False
        self.others: Sequence[Feed] = ()
        self.timeout = timeout_of(None)
        self.descriptor: int | None = None
        self._start = b""
        self._again = 0
        self._ids: tuple[int, int] | None = None
        self._corrupt: CorruptStreamError | None = None
        self._backlog: Backlog | None = None
        self._position, self._drawn = position_of(stream), 0
        descriptor = descriptor_of(stream)
        self._guard = Guard(stream, descriptor, self.name)
        self._is_plain_file = (
            self._guard.is_file and position_to_read_at(stream, descriptor) is not None
        )
        self._target = _weakly(self._open(stream))
        self.base = self.body = 0
        if (known := KNOWN.get(stream)) is not None:
            self._begin(known)
        self.received = self.yielded_at = self.base

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
        if is_buffered:
            # From here on only the raw stream is read: poll() knows nothing of bytes that lie
            # in a buffered object.
            self._start = take_buffered(stream, descriptor)
        return raw

    def _begin(self, known: KnownStream) -> None:
        """Find the place behind the stream header, and track the blocks from there."""
        taken = self._taken_since(known)
        if taken is not None and taken < 0:
            raise ReaderError(
                "the stream was set back to before the end of its stream header",
                source=self.name, expected="its header read again, or the place behind it",
            )  # fmt: skip
        if self._is_plain_file and (taken or 0) > known.left and self._position != known.reached:
            raise ChangedSourceError(
                f"the stream stands {taken} bytes past its stream header", source=self.name,
                expected="its first block: somebody else, maybe a forked process, has read on",
            )  # fmt: skip
        self.base = known.offset + (taken or 0)
        self.body = known.offset + known.left
        if known.header is not None and taken in {0, known.left}:
            self.tracker = BlockTracker(known.header, self.name, self.base, self.body - self.base)

    def _taken_since(self, known: KnownStream) -> int | None:
        """How many bytes a program took from the stream since its header was read, None if that
        cannot be told."""
        if known.position is not None and self._position is not None:
            return self._position - known.position
        if not known.buffered:
            return 0  # nothing shows it; programs as they are documented take none
        if len(self._start) == known.buffered and self._start.startswith(known.ahead):
            return 0
        return known.left if len(self._start) == known.buffered - known.left else None

    def is_elsewhere(self, stream: Any) -> bool:
        """Whether somebody else has moved the stream."""
        return self._position is not None and position_of(stream) != self._position + self._drawn

    @property
    def has_input(self) -> bool:
        """Whether a read gives something (or the end) at once, without asking the system."""
        return bool(self._start) or bool(self._backlog) or self.descriptor is None or self.ended

    def readinto(self, view: memoryview) -> int:
        """Read into `view`, waiting for at least one byte; 0 at the end. Of a corrupt stream
        the bytes before that place are given, and the next read raises."""
        self._guard.check_process()
        if self._corrupt is not None and not self._again:
            raise copy.copy(self._corrupt)
        while True:
            size = self._read_now(view)
            if size is not None:
                break
            self._wait()
        old = min(size, self._again)  # given before, and seen by the tracker then
        self._again -= old
        if size > old and self.tracker is not None:
            try:
                self.tracker.see(np.frombuffer(view[old:size], np.uint8), self.base)
            except CorruptStreamError as error:
                size = old + (error.offset or 0) - self.received
                if size <= 0:
                    raise
                # A copy has no traceback: that would keep alive all that is in its frames, and
                # this feed is remembered for as long as the stream lives.
                self._corrupt = copy.copy(error)
        if size:
            self.lent = True
        else:
            self.ended = True
        self.received += size - old
        return size

    def give_back(self, window: memoryview, cursor: int, valid_buff: int) -> None:
        """Take back the bytes of the window that nobody parsed; they are given again first."""
        self._start = bytes(window[cursor:valid_buff]) + self._start
        self._again += valid_buff - cursor
        self.base += cursor
        self.lent = False

    def interrupt(self, event_id: int, item_id: int) -> None:
        """Keep the ids that parsing has reached, where an error breaks it off."""
        self._ids = event_id, item_id

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
            return self._read_target(view)
        except BlockingIOError:
            return None

    def _read_target(self, view: memoryview) -> int | None:
        target = self._target()
        self._refuse_moved(target)
        size = reader_of(target)(view)
        self._drawn += size or 0
        self._refuse_moved(target)
        self._guard.check_file(self.received)
        return size

    def _refuse_moved(self, target: Any) -> None:
        """A file has one position for all that inherit it: compare it around each read."""
        if self._is_plain_file and self.is_elsewhere(target):
            place = (self._position or 0) + self._drawn
            raise ChangedSourceError(
                f"the file stands at byte {position_of(target)}, since another reader has moved it",
                source=self.name, offset=self.received,
                expected=f"byte {place}: each process opens the file itself",
            )  # fmt: skip

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

    def draw(self) -> None:
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

    def resume_ids(self, cursor: int) -> tuple[int, int]:
        """(event_id, item_id) of the block that the window's `cursor` is inside of, else 0s."""
        if self._ids is not None:
            kept, self._ids = self._ids, None
            return kept
        ids = self.tracker.ids_at(self.base + cursor) if self.tracker else {}
        event_id, item_id, *_ = [*ids.values(), 0, 0]
        return event_id, item_id

    def check_end(self, left: int, strict: bool) -> None:
        """At the end of the stream, with `left` bytes that read_buffer did not take."""
        if self.tracker is not None:
            try:
                missing = self.tracker.check_end()
            finally:
                self.tracker.checks.finish(strict)
            tell_unclosed(missing, strict)
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


_FEEDS: PerStream[Feed] = PerStream()


def feed_of(stream: Any) -> Feed:
    """The feed of a stream: the one of an earlier reading that left off before the end, with
    what it has read ahead; a new one where there is none, or somebody has moved the stream.

    Raises:
        ReaderError: bytes of it lie in the window of a reading that is still under way.
    """
    feed = _FEEDS.get(stream)
    if feed is None or feed.is_elsewhere(stream):
        feed = Feed(stream)
        _FEEDS.set(stream, feed)
    elif feed.lent:
        raise ReaderError(
            "the stream is being read already, and bytes of it wait in that reading's window",
            source=feed.name, offset=feed.base, expected="that one to be closed first",
        )  # fmt: skip
    return feed


def learn(stream: Any, known: KnownStream) -> None:
    """Remember what a stream's header told; reading starts behind it."""
    KNOWN.set(stream, known)
    _FEEDS.discard(stream)


def forget(stream: Any) -> None:
    """At the end of a stream: what is read of it later is read anew."""
    if (known := KNOWN.get(stream)) is not None:
        known.reached = position_of(stream)
    _FEEDS.discard(stream)


def _weakly(target: Any) -> Callable[[], Any]:
    """Not to keep a stream open that its owner has dropped."""
    try:
        return weakref.ref(target)
    except TypeError:
        return lambda: target
