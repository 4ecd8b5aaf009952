"""The window of one stream, which `read_event` parses."""

from __future__ import annotations

from typing import Any

from evstream.compat.feed import Feed
from evstream.transport.polling import wait_readable


class ParseWindow:
    """Bytes `cursor` to `valid` of the window are read and not yet parsed.

    Attributes:
        feed: the progress of the stream; `feed.base` is the stream offset of the window.
        mv, byte_mv: the window, as memoryview and as int8 array.
        event_id, item_id: where `cursor` is, 0 when a block header comes next.
        has_moved: whether read_buffer has taken a byte of this event.
    """

    __slots__ = ("byte_mv", "cursor", "event_id", "feed", "has_moved", "item_id", "mv", "valid")

    def __init__(
        self, feed: Feed, mv: memoryview, byte_mv: Any, cursor: int, valid_buff: int
    ) -> None:
        self.feed = feed
        self.mv = mv
        self.byte_mv = byte_mv
        self.cursor = cursor
        self.valid = valid_buff
        self.has_moved = False
        self.event_id = self.item_id = 0

    def has_event(self) -> bool:
        """Whether to start on an event: reading it will not wait, or waiting first is of no
        use."""
        feed, cursor = self.feed, self.cursor
        one = feed.input
        if one.descriptor is None or one.ended or self.valid - cursor == len(self.mv):
            return True
        if feed.tracker is None:
            return one.has_input or bool(wait_readable([one.descriptor], 0))
        return feed.ends.is_ahead(feed.base + cursor)

    def refill(self) -> int:
        """Move the rest, usually less than a record, to the front and read on after it; the
        number of bytes read, 0 at the end of the stream."""
        cursor, left = self.cursor, self.valid - self.cursor
        if cursor:
            self.mv[:left] = self.mv[cursor : self.valid]
            self.feed.base += cursor
            self.cursor, self.valid = 0, left
        size = self.feed.readinto(self.mv[left:])
        self.valid += size
        return size

    def give_back(self) -> None:
        """Give the rest back to the feed."""
        self.feed.give_back(self.mv, self.cursor, self.valid)

    def interrupt(self) -> None:
        """Give the rest back to the feed, with the ids that parsing has reached."""
        self.give_back()
        self.feed.interrupt(self.event_id, self.item_id)
