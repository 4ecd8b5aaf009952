"""How far one stream of an EventReader has come.

The bytes come from a `StreamInput`. A feed follows them: a tracker looks at each byte once, before
the subclass may change it in place, so that the feed knows where blocks start and end although the
subclass does the parsing.

A feed outlives its reader. A program may leave `read_streams` at any event or by an error, and go
on later: unparsed bytes of the window go back to the input and are read again, and the
ids that an error interrupted are kept. The feed is found by the identity of the stream object, and
forgotten at the end of the stream, or when its header is read again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from evstream.compat.known_stream import KNOWN, KnownStream, PerStream, position_of
from evstream.compat.stream_input import StreamInput
from evstream.errors import (
    ChangedSourceError,
    CorruptStreamError,
    ReaderError,
    TruncatedStreamError,
    without_traceback,
)
from evstream.reading.block_tracker import BlockTracker
from evstream.reading.stream_end import report_unclosed


@dataclass
class Yields:
    """The events that read_buffer yielded.

    Attributes:
        offset, event_id: stream offset and event of the last one.
        every_event: whether each event so far was yielded at its end.
        at_end: whether the last one was.
        idle: how many in a row took no byte.
    """

    offset: int
    event_id: int = 0
    every_event: bool = False
    at_end: bool = False
    idle: int = 0


class EventEnds:
    """The next ends of events in the window, a number of them at once: to search the table of the
    tracker for each event would cost more than most events."""

    def __init__(self) -> None:
        self.tracker: BlockTracker | None = None
        self._offsets: list[int] = []
        self._events: list[Any] = []
        self._at = 0
        self._passed = 0

    def is_ahead(self, offset: int) -> bool:
        """Whether an event is known to end after `offset`, which rises from call to call."""
        offsets, at = self._offsets, self._at
        while at < len(offsets) and offsets[at] <= offset:
            self._passed = offsets[at]
            at += 1
        if at == len(offsets) and self.tracker is not None:
            self._offsets, self._events = self.tracker.ends_after(offset)
            self._at, self._passed = 0, offset
            return bool(self._offsets)
        self._at = at
        return at < len(offsets)

    def is_next(self, first: int, event: Any, last: int) -> bool:
        """Whether `last` is the next end of an event after `first`, and the one of `event`. If
        `first` is lower than offsets before, the answer may be False for a next end."""
        if not self.is_ahead(first) or self._passed > first:
            return False
        return bool(self._offsets[self._at] == last and self._events[self._at] == event)


class Feed:
    """The progress of one stream, from its header or from where an earlier reading left off.

    Attributes:
        input: where the bytes come from.
        name: of the stream, for messages.
        base: stream offset of the first byte of the window.
        body: stream offset of the first block.
        received: stream offset up to which bytes were read into the window.
        lent: whether bytes lie in a window that was not given back.
        part: index in the window where the part starts that read_buffer parses now.
        tracker: None when the stream's header was not read here, or when it is not known whether
            the stream stands between header and blocks.
        yields: the events that read_buffer yielded.
        ends: the ends of events that the tracker knows.
        walk: state of the block that a CallbackReader is inside of.
        refused: error of a CallbackReader that goes no further.

    Raises:
        ReaderError: the stream stands inside its stream header.
    """

    def __init__(self, stream: Any) -> None:
        self.input = StreamInput(stream)
        self.name = self.input.name
        self.base = self.body = self.part = 0
        self.lent = False
        self.tracker: BlockTracker | None = None
        self.ends = EventEnds()
        if (known := KNOWN.get(stream)) is not None:
            self._begin(known)
        self.input.offset = self.received = self.base
        self.yields = Yields(self.base)
        self.walk: Any = None
        self.refused: CorruptStreamError | None = None
        self._interrupted: tuple[int, int] | None = None
        self._corrupt: CorruptStreamError | None = None

    def _begin(self, known: KnownStream) -> None:
        """Find the place after the stream header, and track the blocks from there."""
        taken = self.input.taken_since(known)
        if taken is not None and taken < 0:
            raise ReaderError(
                "the stream was moved back to before the end of its stream header",
                source=self.name, expected="its header read again, or the place after it",
            )  # fmt: skip
        is_past_header = self.input.is_plain_file and (taken or 0) > known.left
        if is_past_header and not self.input.has_reached(known.reached):
            raise ChangedSourceError(
                f"the stream stands {taken} bytes after its stream header", source=self.name,
                expected="its first block: another reader, maybe a forked process, has read on",
            )  # fmt: skip
        self.base = known.offset + (taken or 0)
        self.body = known.offset + known.left
        if known.header is not None and taken in {0, known.left}:
            self.tracker = BlockTracker(known.header, self.name, self.base, self.body - self.base)
            self.ends.tracker = self.tracker

    def readinto(self, view: memoryview) -> int:
        """Read into `view`, waiting for at least one byte; 0 at the end. The bytes of a corrupt
        stream before the error are given first, and the next read raises."""
        self.input.check_process()
        start = self.input.offset
        if self._corrupt is not None:
            view = view[: self.received - start]
            if not view:
                raise without_traceback(self._corrupt)
        size = self.input.readinto(view)
        seen = min(size, self.received - start)  # bytes that were given back and come again
        if size > seen and self.tracker is not None:
            try:
                self.tracker.see(np.frombuffer(view[seen:size], np.uint8), self.base)
            except CorruptStreamError as error:
                # A copy has no traceback, which would keep everything in its frames alive for
                # as long as this feed is remembered.
                self._corrupt = without_traceback(error)
                good = max(seen + (error.offset or 0) - self.received, 0)
                self.input.push_back(bytes(view[good:size]))
                size = good
                if not size:
                    raise
        self.lent = self.lent or size > 0
        self.received += size - seen
        return size

    def give_back(self, window: memoryview, cursor: int, valid_buff: int) -> None:
        """Take back the unparsed bytes of the window; they are given again first."""
        self.input.push_back(bytes(window[cursor:valid_buff]))
        self.base += cursor
        self.lent = False

    def interrupt(self, event_id: int, item_id: int) -> None:
        """Keep the ids that parsing has reached when an error interrupts it."""
        self._interrupted = event_id, item_id

    def resume_ids(self, cursor: int) -> tuple[int, int]:
        """(event_id, item_id) of the block that the window's `cursor` is inside of, else 0s."""
        if self._interrupted is not None:
            kept, self._interrupted = self._interrupted, None
            return kept
        if self.yields.at_end and self.yields.offset == self.base + cursor:
            return 0, 0
        ids = self.tracker.ids_at(self.base + cursor) if self.tracker else {}
        event_id, item_id, *_ = [*ids.values(), 0, 0]
        return event_id, item_id

    def check_end(self, left: int, strict: bool) -> None:
        """Judge the end of the stream, with `left` bytes that read_buffer did not take."""
        if self.tracker is not None:
            try:
                missing = self.tracker.check_end()
            finally:
                self.tracker.checks.finish(strict)
            report_unclosed(missing, strict)
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


_FEEDS: PerStream[Feed] = PerStream()


def feed_of(stream: Any) -> Feed:
    """The feed that an earlier reading of the stream left before the end, with its bytes; a new
    one where there is none, or where the stream was moved.

    Raises:
        ReaderError: bytes of the stream lie in the window of another reading.
    """
    feed = _FEEDS.get(stream)
    if feed is None or feed.input.is_elsewhere(stream):
        feed = Feed(stream)
        _FEEDS.set(stream, feed)
    elif feed.lent:
        raise ReaderError(
            "another reading of the stream is under way and holds bytes of it",
            source=feed.name, offset=feed.base, expected="the other reading to be closed first",
        )  # fmt: skip
    return feed


def learn(stream: Any, known: KnownStream) -> None:
    """Remember what the header of a stream says; reading starts after it."""
    KNOWN.set(stream, known)
    _FEEDS.discard(stream)


def forget(stream: Any) -> None:
    """Drop the feed of a stream that has ended; reading it again starts anew."""
    if (known := KNOWN.get(stream)) is not None:
        known.reached = position_of(stream)
    _FEEDS.discard(stream)
