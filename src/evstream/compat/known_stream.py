"""What is known of an open stream from one call to the next.

`read_stream_info` and `read_streams` are called one after the other with nothing in common but
the stream object; what the first learns, the second needs.
"""

from __future__ import annotations

import contextlib
import weakref
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from evstream.wire.header import StreamHeader

Value = TypeVar("Value")


class PerStream(Generic[Value]):
    """A value per stream object, by identity, for as long as the object lives.

    An object that takes no weak references is not remembered.
    """

    def __init__(self) -> None:
        self._values: dict[int, tuple[Any, Value]] = {}

    def get(self, stream: Any) -> Value | None:
        """The value of a stream, None if it has none."""
        reference, value = self._values.get(id(stream), (None, None))
        return value if reference is not None and reference() is stream else None

    def set(self, stream: Any, value: Value) -> None:
        """Remember a value of a stream in place of the one before."""
        key, values = id(stream), self._values
        with contextlib.suppress(TypeError):
            values[key] = (weakref.ref(stream, lambda _: values.pop(key, None)), value)

    def discard(self, stream: Any) -> None:
        """Forget the value of a stream."""
        self._values.pop(id(stream), None)


@dataclass
class KnownStream:
    """What reading a stream's header told.

    Attributes:
        header: None for a combination of type numbers that is no stream.
        offset: how many bytes it took.
        left: bytes of the stream header that are still to come.
        buffered: bytes that a BufferedReader held behind it then.
        ahead: the first of them, up to `left`.
        position: what the stream called this place, None where it has no positions.
        reached: where an EventReader left the stream at its end; None before.
    """

    header: StreamHeader | None
    offset: int
    left: int = 0
    buffered: int = 0
    ahead: bytes = b""
    position: int | None = None
    reached: int | None = None


KNOWN: PerStream[KnownStream] = PerStream()
"""What read_stream_info learnt of each stream."""


def position_of(stream: Any) -> int | None:
    """Where an open stream stands; None for pipes, sockets, and objects that do not tell."""
    try:
        return int(stream.tell())
    except (AttributeError, OSError, TypeError, ValueError):
        return None
