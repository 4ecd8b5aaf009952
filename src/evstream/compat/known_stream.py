"""Remember facts about an open stream from one call to the next.

`read_stream_info` and `read_streams` have only the stream object in common, and the second needs
the header that the first has read.
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

    Objects that allow no weak references are not remembered.
    """

    def __init__(self) -> None:
        self._values: dict[int, tuple[Any, Value]] = {}

    def get(self, stream: Any) -> Value | None:
        """The value of a stream; None if it has none."""
        reference, value = self._values.get(id(stream), (None, None))
        return value if reference is not None and reference() is stream else None

    def set(self, stream: Any, value: Value) -> None:
        """Remember a value of a stream, in place of an earlier one."""
        key, values = id(stream), self._values
        with contextlib.suppress(TypeError):
            values[key] = (weakref.ref(stream, lambda _: values.pop(key, None)), value)

    def discard(self, stream: Any) -> None:
        """Forget the value of a stream."""
        self._values.pop(id(stream), None)


@dataclass
class KnownStream:
    """A stream whose header was read.

    Attributes:
        header: None if no stream of the format has these type numbers.
        offset: number of bytes that were read.
        left: bytes of the stream header that are still to come.
        buffered: bytes after them that a BufferedReader held then.
        ahead: the first of these bytes, up to `left`.
        position: the position of the stream then; None if it has no positions.
        reached: the position where an EventReader left the stream at its end; None before.
    """

    header: StreamHeader | None
    offset: int
    left: int = 0
    buffered: int = 0
    ahead: bytes = b""
    position: int | None = None
    reached: int | None = None


KNOWN: PerStream[KnownStream] = PerStream()
"""The streams whose headers were read."""


def position_of(stream: Any) -> int | None:
    """The position of an open stream; None for pipes, sockets, and objects without `tell`."""
    try:
        return int(stream.tell())
    except (AttributeError, OSError, TypeError, ValueError):
        return None
