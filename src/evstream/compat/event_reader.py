"""EventReader: the documented base class of programs that read event streams.

A subclass supplies `read_buffer`, usually an njit function. It parses the window that it is given
and stops at the end of an event, when its own output is full, or when no whole record is left.
This class reads the bytes, calls the hooks in the documented order, and keeps what a subclass
cannot know: whether the stream ended cleanly, and where a block was interrupted.

Of several streams, it starts on one only when its window holds a whole event, or is full. So a
stream that stalls in the middle of an event does not hold up the others. While no stream can be
started on, it waits for all of them at once.

A window is read in one go, for fewer system calls, and parsed in parts of `buffer_size` bytes,
since subclasses may count on that limit.
"""

from __future__ import annotations

import selectors
from collections.abc import Iterator, Sequence
from typing import Any

from evstream.compat.conduct import check_yield, failure, wrong_move
from evstream.compat.feed import Feed, feed_of
from evstream.compat.parse_window import ParseWindow
from evstream.compat.registration import (
    Opened,
    missing_arguments,
    register,
    register_wide,
    registered,
    takes,
    window_of,
)
from evstream.compat.selector import InputSelector
from evstream.compat.stream_input import wait_for_input
from evstream.errors import EvstreamError, ReaderError
from evstream.transport.environment import strict_of, timeout_of

PIPE_CAPACITY = 65536
"""Bytes in the window that read_buffer parses."""


class EventReader:
    """Abstract class to read event streams.

    A subclass supplies `read_buffer` (see there) and its own storage for events; it need not
    call `super().__init__`. It may set:

        logger: a logging.Logger that errors are reported to before they are raised.
        strict: True makes a missing final delimiter an error, and a block of zero bytes alone;
            None takes EVSTREAM_STRICT from the environment, else False.
        buffer_size: bytes in the window, PIPE_CAPACITY by default.
        timeout: seconds to wait for a byte from any stream. None takes EVSTREAM_TIMEOUT from
            the environment, else waits forever, as math.inf does.

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
            (main selector, list of data). The data of a stream are the keyword arguments of
            `read_event` after the first two; the keys of the main selector carry them as well.
        """
        return register(selector_class, streams_in, PIPE_CAPACITY)

    def read_streams(self, streams_in: Sequence[Any]) -> Iterator[int]:
        """Read the streams to their ends, and yield an event id each time read_buffer has one.

        One event at a time is read, from each stream in turn that holds a whole one (or more of
        one than its window can hold). An event may come several times, when the subclass's own
        output fills up. If the caller leaves before the end, the next call with the same streams
        goes on from the first byte that read_buffer did not take.

        Args:
            streams_in: open streams past their headers: pipes, files, io.BytesIO.

        Yields:
            event_id, after event_read_log and finalize_event.

        Raises:
            TruncatedStreamError: a stream ends inside a record, after its whole events.
            ReaderError: read_buffer raised, or left bytes of the stream unread; or another
                reading of a stream is under way.
            StallError: no data received from any stream for `timeout` seconds.
        """
        timeout = timeout_of(self.timeout)
        main_selector, stream_data = self._register(streams_in)
        feeds = [data["feed"] for data in stream_data]
        self._take_up(feeds)
        inputs = [feed.input for feed in feeds]
        for feed in feeds:
            feed.input.others, feed.input.timeout = inputs, timeout
            if feed.tracker is not None:
                feed.tracker.checks.strict = strict_of(self.strict)
        opened = [self._opened(key, main_selector) for key in main_selector.get_map().values()]
        windows = [one.window for one in opened]
        is_inherited = type(self).read_event is EventReader.read_event
        has_own = not is_inherited or "read_event" in self.__dict__
        read = self._read_by_override if has_own else self._read_window
        under_way: ParseWindow | None = None
        try:
            while opened:
                # Without other streams and a timeout, reading the event can wait as well.
                is_alone = timeout is None and len(opened) == 1
                startable = [one for one in opened if is_alone or one.window.has_event()]
                if not startable:
                    self._read_some([one.window for one in opened])
                for one in startable:
                    one.window.feed.input.check_process()
                    under_way = one.window  # after an error, it was given back
                    event_id = read(one)
                    under_way = None
                    if event_id is not None:
                        self.event_read_log(event_id)
                        self.finalize_event()
                        yield event_id
                    if one.is_over:
                        opened.remove(one)
        finally:
            for window in windows:
                if window is not under_way:
                    window.give_back()
            for data, feed in zip(stream_data, feeds, strict=True):
                feed.input.others = ()
                data["stream_selector"].close()
            main_selector.close()

    def _register(
        self, streams_in: Sequence[Any]
    ) -> tuple[selectors.BaseSelector, list[dict[str, Any]]]:
        """Register the streams: with larger windows, unless a subclass has its own method."""
        if type(self).register_streams_in is EventReader.register_streams_in:
            return register_wide(streams_in, self.buffer_size)
        main_selector, stream_data = self.register_streams_in(InputSelector, streams_in)
        for stream, data in zip(streams_in, stream_data, strict=True):
            data["feed"] = data.get("feed") or feed_of(stream)
        return main_selector, stream_data

    def _take_up(self, feeds: Sequence[Feed]) -> None:
        """Called when read_streams starts, or goes on where an earlier call left off."""
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
            file_idx, feed: number of the stream, which is passed to read_buffer, and the feed
                of the stream; by default those that were registered.

        Returns:
            (event_id, cursor, valid_buff), None at the end of the stream.
        """
        if feed is None or file_idx is None:
            data = registered(main_selector, stream_in)
            feed = feed or data.get("feed") or feed_of(stream_in)
            file_idx = data.get("file_idx", 0) if file_idx is None else file_idx
        window = ParseWindow(feed, mv, byte_mv, cursor, valid_buff)
        data = {"stream_selector": stream_selector}
        event_id = self._read_window(
            Opened(stream_in, main_selector, data, window, self._more_arguments(file_idx))
        )
        return None if event_id is None else (event_id, window.cursor, window.valid)

    def _opened(self, key: selectors.SelectorKey, main_selector: selectors.BaseSelector) -> Opened:
        """A registered stream, to be read."""
        more = self._more_arguments(key.data.get("file_idx", 0))
        return Opened(key.fileobj, main_selector, key.data, window_of(key.data), more)

    def _more_arguments(self, file_idx: int) -> dict[str, Any]:
        return {"file_idx": file_idx} if takes(self, "read_buffer", "file_idx") else {}

    def _read_by_override(self, one: Opened) -> int | None:
        """Read one event by the read_event of a subclass; its id, None at the end."""
        data, window = one.data, one.window
        left_out = missing_arguments(self)
        arguments = {name: data[name] for name in data if name not in left_out}
        event = self.read_event(one.stream, one.main_selector, **arguments)
        one.is_over = not registered(one.main_selector, one.stream)
        if event is None:
            return None
        event_id, window.cursor, window.valid = event
        data["cursor"], data["valid_buff"] = window.cursor, window.valid
        return event_id

    def _read_window(self, one: Opened) -> int | None:
        """Read one event; its id, None at the end. The stream is over with its last event."""
        window = one.window
        feed = window.feed
        window.has_moved = False
        try:
            if not self._parse_event(window, one.more):
                feed.check_end(window.valid - window.cursor, strict_of(self.strict))
                one.close()
                has_blocks = feed.tracker is not None and feed.tracker.has_blocks
                if not window.event_id and not (has_blocks and window.has_moved):
                    return None
                self._check_yield(feed, int(window.event_id), window.cursor)
                self.item_exit()
        except BaseException as error:
            window.interrupt()
            if isinstance(error, EvstreamError):
                self._log_error(error)
            raise
        return window.event_id

    def _parse_event(self, window: ParseWindow, more: dict[str, Any]) -> bool:
        """Parse and read on until read_buffer yields; False at the end of the stream.

        This runs for each part of a window, with a cold cache after read_buffer: what is not
        needed for every part is elsewhere.
        """
        feed, byte_mv, size, read = window.feed, window.byte_mv, self.buffer_size, self.read_buffer
        is_wide = len(byte_mv) > size  # a part of it is a window that starts at 0
        event_id, item_id = window.event_id, window.item_id = feed.resume_ids(window.cursor)
        while True:
            before, valid = window.cursor, window.valid
            while before < valid:
                end = min(before + size, valid)
                start = feed.part = before if is_wide else 0
                try:
                    taken, event_id, item_id, yield_event = read(
                        byte_mv[before:end] if is_wide else byte_mv,
                        before - start, end - start, event_id, item_id, **more,
                    )  # fmt: skip
                    window.event_id, window.item_id = event_id, item_id
                    cursor = start + int(taken)
                    int(event_id), int(item_id), bool(yield_event)
                except (EvstreamError, MemoryError):
                    raise
                except Exception as error:
                    raise failure(self, error, window) from error
                window.cursor = cursor
                if not before < cursor <= end or yield_event:
                    if self._judge_part(window, before, end, bool(yield_event)):
                        return True
                else:
                    window.has_moved, feed.yields.idle = True, 0
                if end == valid:
                    break
                before = cursor
            if not window.refill():
                return False

    def _judge_part(self, window: ParseWindow, before: int, end: int, yield_event: bool) -> bool:
        """Check what read_buffer did from `before` on; whether it yields an event."""
        feed, cursor = window.feed, window.cursor
        if not before <= cursor <= end:
            raise wrong_move(self, feed, before, cursor, end)
        # A yield that took nothing is a full output, or a subclass that yields per buffer and
        # wants more bytes: the second in a row means the latter.
        if cursor > before:
            window.has_moved, feed.yields.idle = True, 0
        elif yield_event:
            feed.yields.idle += 1
        if yield_event and feed.yields.idle < 2:
            self._check_yield(feed, int(window.event_id), cursor)
            return True
        if end - cursor >= self.buffer_size:
            raise ReaderError(
                f"read_buffer takes nothing of a full window of {end - cursor} bytes",
                source=feed.name, offset=feed.base + cursor,
            )  # fmt: skip
        return False

    def _read_some(self, windows: Sequence[ParseWindow]) -> None:
        """Wait until some stream has input, and read it into its window."""
        inputs = [window.feed.input for window in windows]
        timeout = inputs[0].timeout
        try:
            ready = [window for window in windows if window.feed.input.has_input]
            if not ready and len(windows) == 1 and timeout is None and windows[0].feed.tracker:
                ready = list(windows)  # the read itself can wait
            if not ready:
                found = set(wait_for_input(inputs, timeout))
                ready = [window for window in windows if window.feed.input.descriptor in found]
            for window in ready:
                if window.feed.tracker is not None:  # else reading an event will read
                    window.refill()
        except EvstreamError as error:
            self._log_error(error)
            raise

    def _log_error(self, error: EvstreamError) -> None:
        if hasattr(self, "logger"):
            self.logger.error(str(error))

    def _check_yield(self, feed: Feed, event_id: int, cursor: int) -> None:
        """Compare what read_buffer yielded with what the stream holds."""
        check_yield(self, feed, event_id, cursor)

    def read_buffer(
        self, byte_mv: Any, cursor: int, valid_buff: int, event_id: int, item_id: int, **kwargs: Any
    ) -> tuple[int, int, int, Any]:
        """Parse byte_mv[cursor:valid_buff]; supplied by the subclass.

        Args:
            byte_mv: the window, an int8 array that may be changed in place.
            cursor, valid_buff: the bytes to parse.
            event_id, item_id: the event and item that the cursor is inside of, 0 when a
                block header comes next and a new event may start.
            **kwargs: file_idx, the number of the stream; a subclass that takes only the
                five positional arguments works too.

        Returns:
            (cursor, event_id, item_id, yield_event): how far it parsed, the ids that the
            cursor is inside of now, and whether to yield an event.
        """
        raise NotImplementedError

    def item_exit(self) -> None:
        """Called when a stream has ended, before its last event is yielded. A subclass does here
        for a last item without a delimiter what read_buffer does at one. A no-op by default."""

    def finalize_event(self) -> None:
        """Called after event_read_log, before an event is yielded. A no-op by default."""

    def event_read_log(self, event_id: int) -> None:
        """Called when an event is read, for logging. A no-op by default."""
