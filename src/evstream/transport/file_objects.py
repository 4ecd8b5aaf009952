"""Read from the file objects of others, and trust no count that they return.

An object that counts wrongly would lose or invent bytes, so what it returns is checked. Only the
objects of Python itself are trusted.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from evstream.errors import EvstreamError


def reader_of(stream: Any) -> Callable[[memoryview], int | None]:
    """The object's way to fill a view with what is there, without waiting for all of it.

    The result is the number of bytes, 0 at the end, None where nothing is there yet. Raises
    EvstreamError for another result: an object that counts wrongly would lose or invent bytes.
    """
    for method in ("readinto1", "recv_into", "readinto"):
        if hasattr(stream, method):
            fill = getattr(stream, method)
            # Those of Python itself are believed.
            return fill if type(stream).__module__ in _OWN else _checked(fill, stream, method)
    if not hasattr(stream, "read"):
        raise TypeError(f"cannot read {stream!r}: expected a path, descriptor or binary file")

    def read_into(view: memoryview) -> int | None:
        data = checked_read(stream, len(view))
        if data is None:
            return None
        view[: len(data)] = data
        return len(data)

    return read_into


_OWN = {"_io", "io", "socket"}


def _checked(
    fill: Callable[[memoryview], int | None], stream: Any, method: str
) -> Callable[[memoryview], int | None]:
    def fill_checked(view: memoryview) -> int | None:
        size = fill(view)
        if size is None or (not isinstance(size, bool) and is_count(size, len(view))):
            return size
        raise EvstreamError(
            f"{method} returned {size!r}", source=name_of(stream),
            expected=f"the number of bytes read, 0 to {len(view)}",
        )  # fmt: skip

    return fill_checked


def checked_read(stream: Any, size: int) -> Any:
    """`stream.read(size)`: up to `size` bytes, or None where nothing is there yet.

    Raises TypeError for what is not bytes, EvstreamError for more of them.
    """
    data = stream.read(size)
    if data is None:
        return None
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise TypeError(f"{stream!r} reads {type(data).__name__}, expected bytes")
    data = memoryview(data).cast("B")
    if len(data) > size:
        raise EvstreamError(
            f"read({size}) returned {len(data)} bytes", source=name_of(stream),
            expected=f"{size} or fewer",
        )  # fmt: skip
    return data


def is_count(size: object, limit: int) -> bool:
    """Whether `size` is a whole number from 0 to `limit`."""
    try:
        return 0 <= operator.index(size) <= limit  # type: ignore[arg-type]
    except TypeError:
        return False


def name_of(stream: Any) -> str:
    """What an open stream is called in messages: its path, else its kind."""
    name = getattr(stream, "name", None)
    if isinstance(name, int) and not isinstance(name, bool):
        return f"<fd {name}>"
    return name if isinstance(name, str) and name else f"<{type(stream).__name__}>"


def read_fully(readinto: Callable[[memoryview], int], size: int) -> bytes:
    """Read `size` bytes, fewer only at the end; `readinto` returns 0 there."""
    data = bytearray(size)
    view = memoryview(data)
    done = 0
    while done < size and (got := readinto(view[done:])):
        done += got
    return bytes(view[:done])
