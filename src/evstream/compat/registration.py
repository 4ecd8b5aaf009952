"""Register the streams of an EventReader, and find out which arguments a subclass takes.

Subclasses were written for different versions of the reference: older ones do not take
`file_idx`, and none but ours takes `feed`.
"""

from __future__ import annotations

import inspect
import selectors
from collections.abc import Sequence
from typing import Any

import numpy as np

from evstream.compat.feed import feed_of, forget
from evstream.compat.parse_window import ParseWindow
from evstream.compat.selector import InputSelector

READ_SIZE = 1 << 19
"""Bytes of a stream that are read at once: several windows, which still fit in the cache."""

READ_SIZES = 1 << 26
"""Limit for the windows of all streams together, in bytes."""


def register(
    selector_class: type[selectors.BaseSelector], streams_in: Sequence[Any], size: int
) -> tuple[selectors.BaseSelector, list[dict[str, Any]]]:
    """Make the main selector, and for each stream a selector, a window of `size` bytes, a feed."""
    main_selector = selector_class()
    stream_data = []
    for file_idx, stream_in in enumerate(streams_in):
        stream_selector = selector_class()
        stream_selector.register(stream_in, selectors.EVENT_READ)
        mv = memoryview(bytearray(size))
        data = {
            "mv": mv,
            "byte_mv": np.frombuffer(mv, np.int8),
            "cursor": 0,
            "valid_buff": 0,
            "stream_selector": stream_selector,
            "file_idx": file_idx,
            "feed": feed_of(stream_in),
        }
        stream_data.append(data)
        main_selector.register(stream_in, selectors.EVENT_READ, data)
    return main_selector, stream_data


def register_wide(
    streams_in: Sequence[Any], smallest: int
) -> tuple[selectors.BaseSelector, list[dict[str, Any]]]:
    """Register the streams with windows for large reads, of `smallest` bytes or more."""
    size = min(READ_SIZE, READ_SIZES // max(len(streams_in), 1))
    return register(InputSelector, streams_in, max(size, smallest))


class Opened:
    """A stream while `read_streams` reads it.

    Attributes:
        stream, main_selector, data, window: as registered.
        more: keyword arguments for read_buffer.
        is_over: whether its last event was read.
    """

    __slots__ = ("data", "is_over", "main_selector", "more", "stream", "window")

    def __init__(
        self,
        stream: Any,
        main_selector: selectors.BaseSelector,
        data: dict[str, Any],
        window: ParseWindow,
        more: dict[str, Any],
    ) -> None:
        self.stream = stream
        self.main_selector = main_selector
        self.data = data
        self.window = window
        self.more = more
        self.is_over = False

    def close(self) -> None:
        """Take the stream, which has ended, out of the main selector."""
        self.is_over = True
        forget(self.stream)
        self.data["stream_selector"].close()
        self.main_selector.unregister(self.stream)


def window_of(data: dict[str, Any]) -> ParseWindow:
    """The window of a registered stream."""
    return ParseWindow(
        data["feed"], data["mv"], data["byte_mv"], data["cursor"], data["valid_buff"]
    )


def registered(main_selector: selectors.BaseSelector, stream_in: Any) -> dict[str, Any]:
    """The data that a stream was registered with."""
    try:
        return (main_selector.get_map() or {})[stream_in].data or {}
    except (KeyError, ValueError):
        return {}


def missing_arguments(reader: Any) -> list[str]:
    """The registered data that the read_event of a subclass does not take."""
    return [name for name in ("file_idx", "feed") if not takes(reader, "read_event", name)]


def takes(reader: Any, method: str, name: str) -> bool:
    """Whether a method of a subclass takes an argument; looked up once per reader."""
    known = reader.__dict__.setdefault("_evstream_takes", {})
    if (method, name) not in known:
        parameters = inspect.signature(getattr(reader, method)).parameters
        known[method, name] = name in parameters or any(
            p.kind is p.VAR_KEYWORD for p in parameters.values()
        )
    return bool(known[method, name])
