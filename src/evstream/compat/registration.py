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

from evstream.compat.feed import feed_of


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
