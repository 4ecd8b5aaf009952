"""EventReader: the documented base class of programs that read event streams.

A subclass brings `read_buffer`, usually an njit function, which parses the window it is
given and stops at the end of an event, when its own output is full, or when no whole record
is left. This class brings it the bytes, calls its hooks in the documented order, and keeps
what a subclass cannot know: whether the stream ended cleanly, where a block was interrupted,
and which of many streams has a whole event to give.
"""

from __future__ import annotations

import selectors
from collections.abc import Iterator, Sequence
from typing import Any

from evstream.conduct import check_move, check_yield
from evstream.environment import strict_of, timeout_of
from evstream.errors import EvstreamError, ReaderError
from evstream.feeds import Feed, feed_of, forget, wait_for_input
from evstream.input_selector import InputSelector
from evstream.registration import arguments, register, registered, takes
from evstream.waiting import wait_readable

PIPE_CAPACITY = 65536
"""Bytes in the window that read_buffer parses."""

READ_SIZE = 1 << 19
"""Bytes read at once, where there are that many: several windows, and still in the cache."""

READ_SIZES = 1 << 26
"""Bytes of them for all streams together."""


class EventReader:
    """Abstract class to read event streams.

    A subclass supplies `read_buffer` (see there) and whatever it stores events in; it need
    not call `super().__init__`. It may set:

        logger: a logging.Logger, which hears of errors before they are raised.
        strict: True makes a missing final delimiter an error, and a block of zero bytes alone;
            None takes EVSTREAM_STRICT from the environment, else False.
        buffer_size: bytes in the window, PIPE_CAPACITY by default.
        timeout: seconds that may go by without a byte from any stream. None takes
            EVSTREAM_TIMEOUT from the environment, else waits for ever, as math.inf does.

    Use:

        with ExitStack() as stack:
            streams_in, (source, aggregation, len_sample) = init_streams_in(files_in, stack)
            reader = MyReader(len_sample)
            for event_id in reader.read_streams(streams_in):
                ...
    """

    strict: bool | None = None
    buffer_size = PIPE_CAPACITY
    timeout: float | None = None

    @staticmethod
    def register_streams_in(
        selector_class: type[selectors.BaseSelector], streams_in: Sequence[Any]
    ) -> tuple[selectors.BaseSelector, list[dict[str, Any]]]:
        """Make one main selector and, for each stream, a selector and a window.

        Returns:
            The main selector, whose keys carry the data of their streams, and the list of
            these data: the keyword arguments of `read_event` but the first two.
        """
        return register(selector_class, streams_in, PIPE_CAPACITY)

    def read_streams(self, streams_in: Sequence[Any]) -> Iterator[int]:
        """Read the streams to their ends; an event id each time read_buffer has one.

        One event at a time is read, from the first stream in turn that has a whole one (or
        more of one than its window holds). An event may come several times, when the
        subclass's own output fills up. Where this is left before the ends, the next call
        with the same streams goes on from the first byte that read_buffer did not take.

        Args:
            streams_in: open streams past their headers: pipes, files, io.BytesIO.

        Yields:
            event_id, after event_read_log and finalize_event.

        Raises:
            TruncatedStreamError: a stream ends inside a record, after its whole events.
            ReaderError: read_buffer raised, or leaves bytes of the stream unread; or another
                reading of a stream is still under way.
            StallError: no stream gave a byte for `timeout` seconds.
        """
        timeout = timeout_of(self.timeout)
        main_selector, stream_data = _register_for(self, streams_in)
        feeds = [data["feed"] for data in stream_data]
        self._take_up(feeds)
        for feed in feeds:
            feed.others, feed.timeout = feeds, timeout
            if feed.tracker is not None:
                feed.tracker.checks.strict = strict_of(self.strict)
        under_way: dict[str, Any] | None = None
        try:
            while main_selector.get_map():
                keys = list(main_selector.get_map().values())
                startable = [key for key in keys if _has_event(**key.data)]
                if not startable:
                    self._read_some(keys)
                for key in startable:
                    under_way = key.data  # read_event itself gives back what it breaks off
                    event = self.read_event(key.fileobj, main_selector, **arguments(self, key.data))
                    if event is not None:
                        event_id, key.data["cursor"], key.data["valid_buff"] = event
                    under_way = None
                    if event is not None:
                        self.event_read_log(event_id)
                        self.finalize_event()
                        yield event_id
        finally:
            for data, feed in zip(stream_data, feeds, strict=True):
                if data is not under_way:
                    feed.give_back(data["mv"], data["cursor"], data["valid_buff"])
                feed.others = ()
                data["stream_selector"].close()
            main_selector.close()

    def _take_up(self, feeds: Sequence[Feed]) -> None:
        """Called when read_streams begins, or goes on where an earlier call left off."""
        for feed in feeds:
            feed.walk = None

    def read_event(
        self,
        stream_in: Any,
        main_selector: selectors.BaseSelector,
        stream_selector: selectors.BaseSelector,
        mv: memoryview,
        byte_mv: Any,
        cursor: int,
        valid_buff: int,
        file_idx: int | None = None,
        feed: Feed | None = None,
    ) -> tuple[int, int, int] | None:
        """Read one event from one stream; at its end, take it out of the main selector.

        Args:
            stream_in: the stream.
            main_selector, stream_selector: from register_streams_in.
            mv, byte_mv: the window, as memoryview and as int8 array.
            cursor, valid_buff: bytes cursor to valid_buff of the window are not yet parsed.
            file_idx, feed: number of the stream, handed to read_buffer, and its input; as
                registered when left out.

        Returns:
            (event_id, cursor, valid_buff), None at the end of the stream.
        """
        if feed is None or file_idx is None:
            data = registered(main_selector, stream_in)
            feed = feed or data.get("feed") or feed_of(stream_in)
            file_idx = data.get("file_idx", 0) if file_idx is None else file_idx
        try:
            return self._read_event(
                stream_in, main_selector, stream_selector, mv, byte_mv,
                cursor, valid_buff, file_idx, feed,
            )  # fmt: skip
        except EvstreamError as error:
            self._log_error(error)
            raise

    def _read_some(self, keys: Sequence[selectors.SelectorKey]) -> None:
        """Wait until some stream has input, and read it into its window."""
        try:
            ready = [key for key in keys if key.data["feed"].has_input]
            if not ready:
                by_descriptor = {key.data["feed"].descriptor: key for key in keys}
                feeds = [key.data["feed"] for key in keys]
                ready = [by_descriptor[fd] for fd in wait_for_input(feeds, feeds[0].timeout)]
            for key in ready:
                data, feed = key.data, key.data["feed"]
                if feed.tracker is None:
                    continue  # read_event will read
                data["cursor"], data["valid_buff"] = _to_front(
                    data["mv"], data["cursor"], data["valid_buff"], feed
                )
                data["valid_buff"] += feed.readinto(data["mv"][data["valid_buff"] :])
        except EvstreamError as error:
            self._log_error(error)
            raise

    def _log_error(self, error: EvstreamError) -> None:
        if hasattr(self, "logger"):
            self.logger.error(str(error))

    def _read_event(
        self,
        stream_in: Any,
        main_selector: selectors.BaseSelector,
        stream_selector: selectors.BaseSelector,
        mv: memoryview,
        byte_mv: Any,
        cursor: int,
        valid_buff: int,
        file_idx: int,
        feed: Feed,
    ) -> tuple[int, int, int] | None:
        event_id, item_id = feed.resume_ids(cursor)
        more = {"file_idx": file_idx} if takes(self, "read_buffer", "file_idx") else {}
        in_parts = len(byte_mv) > self.buffer_size
        moved = False
        try:
            while True:
                while cursor < valid_buff:
                    # A part of a larger buffer is a window that begins at 0.
                    start, end, window = 0, valid_buff, byte_mv
                    if in_parts:
                        start, end = cursor, min(valid_buff, cursor + self.buffer_size)
                        window = byte_mv[start:end]
                    before, feed.part = cursor, start
                    try:
                        taken, event_id, item_id, yield_event = self.read_buffer(
                            window, cursor - start, end - start, event_id, item_id, **more
                        )
                    except (EvstreamError, MemoryError):
                        raise
                    except Exception as error:
                        raise self._failed(error, feed, cursor, event_id, item_id) from error
                    cursor = start + int(taken)
                    check_move(self, feed, before, cursor, end)
                    # A yield that took nothing is a full output, or a subclass that yields per
                    # buffer and wants more bytes: the second in a row means the latter.
                    if cursor > before:
                        moved, feed.idle_yields = True, 0
                    elif yield_event:
                        feed.idle_yields += 1
                    if yield_event and feed.idle_yields < 2:
                        self._check_yield(feed, int(event_id), cursor)
                        return event_id, cursor, valid_buff
                    if cursor == before and end - cursor >= self.buffer_size:
                        raise ReaderError(
                            f"read_buffer takes nothing of a full window of {end - cursor} bytes",
                            source=feed.name,
                            offset=feed.base + cursor,
                        )
                    if end == valid_buff:
                        break
                cursor, valid_buff = _to_front(mv, cursor, valid_buff, feed)
                size = feed.readinto(mv[valid_buff:])
                valid_buff += size
                if size == 0:
                    feed.check_end(valid_buff - cursor, strict_of(self.strict))
                    forget(stream_in)
                    stream_selector.close()
                    main_selector.unregister(stream_in)
                    has_event = feed.tracker is not None and feed.tracker.has_blocks and moved
                    if event_id or has_event:
                        self._check_yield(feed, int(event_id), cursor)
                        self.item_exit()
                        return event_id, cursor, valid_buff
                    return None
        except BaseException:
            feed.give_back(mv, cursor, valid_buff)
            feed.interrupt(event_id, item_id)
            raise

    def _check_yield(self, feed: Feed, event_id: int, cursor: int) -> None:
        """Compare what read_buffer yielded with what the stream holds."""
        check_yield(self, feed, event_id, cursor)

    def _failed(
        self, error: Exception, feed: Feed, cursor: int, event_id: int, item_id: int
    ) -> ReaderError:
        reason = str(error).partition("\n")[0]
        return ReaderError(
            f"read_buffer of {type(self).__name__} raised {type(error).__name__}: {reason}",
            source=feed.name,
            offset=feed.base + cursor,
            ids={"event_id": event_id, "item_id": item_id} if event_id else {},
        )

    def read_buffer(
        self, byte_mv: Any, cursor: int, valid_buff: int, event_id: int, item_id: int, **kwargs: Any
    ) -> tuple[int, int, int, Any]:
        """Parse byte_mv[cursor:valid_buff]; supplied by the subclass.

        Args:
            byte_mv: the window, an int8 array that may be changed in place.
            cursor, valid_buff: the bytes to parse.
            event_id, item_id: the event and item that the cursor is inside of, 0 when a
                block header comes next and a new event may begin.
            **kwargs: file_idx, the number of the stream; a subclass that takes only the
                five positional arguments works too.

        Returns:
            (cursor, event_id, item_id, yield_event): how far it parsed, the ids that the
            cursor is inside of now, and whether an event is to be yielded.
        """
        raise NotImplementedError

    def item_exit(self) -> None:
        """Called when a stream has ended, before its last event is yielded: what read_buffer
        does at a delimiter, for a last item that has none. A no-op by default."""

    def finalize_event(self) -> None:
        """Called after event_read_log, before an event is yielded. A no-op by default."""

    def event_read_log(self, event_id: int) -> None:
        """Called when an event is read; to log what is worth it. A no-op by default."""


def _register_for(
    reader: EventReader, streams_in: Sequence[Any]
) -> tuple[selectors.BaseSelector, list[dict[str, Any]]]:
    """What register_streams_in gives, with larger windows unless a subclass has its own."""
    if type(reader).register_streams_in is EventReader.register_streams_in:
        room = min(READ_SIZE, READ_SIZES // max(len(streams_in), 1))
        return register(InputSelector, streams_in, max(room, reader.buffer_size))
    main_selector, stream_data = reader.register_streams_in(InputSelector, streams_in)
    for stream, data in zip(streams_in, stream_data, strict=True):
        data["feed"] = data.get("feed") or feed_of(stream)
    return main_selector, stream_data


def _has_event(mv: memoryview, cursor: int, valid_buff: int, feed: Feed, **_: Any) -> bool:
    """Whether reading an event can begin: it will not wait, or there is no use in waiting."""
    if feed.descriptor is None or feed.ended or valid_buff - cursor == len(mv):
        return True
    if feed.tracker is None:
        return feed.has_input or bool(wait_readable([feed.descriptor], 0))
    return feed.tracker.event_ends_after(feed.base + cursor)


def _to_front(mv: memoryview, cursor: int, valid_buff: int, feed: Feed) -> tuple[int, int]:
    """Move what is not parsed, usually less than a record, to the front of the window."""
    left = valid_buff - cursor
    if cursor:
        mv[:left] = mv[cursor:valid_buff]
        feed.base += cursor
    return 0, left
