"""The streams of an EventReader: what is registered of each, and which arguments a subclass takes.

Subclasses are older and newer than one another: `file_idx` came late, `feed` is ours alone.
"""

from __future__ import annotations

import inspect
import selectors
from collections.abc import Sequence
from typing import Any

import numpy as np

from evstream.compat.feed import feed_of


def register(
    selector_class: type[selectors.BaseSelector], streams_in: Sequence[Any], size: int
) -> tuple[selectors.BaseSelector, list[dict[str, Any]]]:
    """The main selector, and for each stream a selector, a window of `size` bytes and a feed."""
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


def registered(main_selector: selectors.BaseSelector, stream_in: Any) -> dict[str, Any]:
    """The data that a stream was registered with."""
    try:
        return (main_selector.get_map() or {})[stream_in].data or {}
    except (KeyError, ValueError):
        return {}


def arguments(reader: Any, data: dict[str, Any]) -> dict[str, Any]:
    """Of a stream's data what read_event takes; a subclass may have the reference's."""
    left_out = [name for name in ("file_idx", "feed") if not takes(reader, "read_event", name)]
    if not left_out:
        return data
    return {name: value for name, value in data.items() if name not in left_out}


def takes(reader: Any, method: str, name: str) -> bool:
    """Whether a method of a subclass takes an argument that older ones do not have."""
    known = reader.__dict__.setdefault("_evstream_takes", {})
    if (method, name) not in known:
        parameters = inspect.signature(getattr(reader, method)).parameters
        known[method, name] = name in parameters or any(
            p.kind is p.VAR_KEYWORD for p in parameters.values()
        )
    return bool(known[method, name])
