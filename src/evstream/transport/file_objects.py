"""Read from and write to file objects of any kind.

An object that counts its bytes wrongly would lose or invent some, so every count is checked. Only
the objects of Python itself are trusted.
"""

from __future__ import annotations

import errno
import io
import operator
import os
import socket
from collections.abc import Callable
from typing import Any

from evstream._support.arguments import described, one_line
from evstream.errors import EvstreamError, WriteError
from evstream.transport.polling import descriptor_of, is_waitable, wait_writable

MOST_IDLE = 1000
"""Reads or writes without progress on a pipe that is ready: others may be faster each time."""


def reader_of(stream: Any) -> Callable[[memoryview], int | None]:
    """The method of an object that fills a view with what is there, without waiting for more.

    It returns the number of bytes, 0 at the end, None where nothing is there yet, and raises
    EvstreamError if the object returns anything else.
    """
    for method in ("readinto1", "recv_into", "readinto"):
        if hasattr(stream, method):
            fill = getattr(stream, method)
            return fill if type(stream).__module__ in _OWN else _checked(fill, stream, method)
    if not hasattr(stream, "read"):
        raise TypeError(
            f"cannot read {described(stream)}: expected a path, descriptor or binary file"
        )

    def read_into(view: memoryview) -> int | None:
        data = checked_read(stream, len(view))
        if data is None:
            return None
        view[: len(data)] = data
        return len(data)

    return read_into


_OWN = {"_io", "io", "socket", "evstream.transport.source"}  # a Source checks counts itself


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

    Raises TypeError for anything but bytes, EvstreamError for too many of them.
    """
    read = getattr(stream, "read", None)
    if read is None:
        raise TypeError(f"cannot read {described(stream)}, expected a binary file")
    data = read(size)
    if data is None:
        return None
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise TypeError(f"{described(stream)} reads {type(data).__name__}, expected bytes")
    data = memoryview(data).cast("B")
    if len(data) > size:
        raise EvstreamError(
            f"read({size}) returned {len(data)} bytes", source=name_of(stream),
            expected=f"{size} or fewer",
        )  # fmt: skip
    return data


def write_all(
    write: Callable[[memoryview], int | None],
    view: memoryview,
    stream: Any,
    count: Callable[[int], None] = lambda size: None,
) -> None:
    """Write every byte of `view`, waiting on `stream` where a write takes only a part.

    `write` returns the number of bytes taken. None means "would block, nothing was taken" for the
    raw streams of `io`, whose contract this is, and "all was taken" for any other object, since
    many wrappers have no return statement.

    `count` is called with the size of each part that was taken. Raises WriteError for a result
    that cannot be a number of bytes.
    """
    would_block = isinstance(stream, io.RawIOBase)
    idle = 0
    while view:
        try:
            size = write(view)
        except BlockingIOError as full:
            size = getattr(full, "characters_written", 0)
        else:
            if size is None:
                size = 0 if would_block else len(view)
        if isinstance(size, bool) or not is_count(size, len(view)):
            raise WriteError(
                f"write returned {size!r}", source=name_of(stream),
                expected=f"the number of bytes taken, 0 to {len(view)}",
            )  # fmt: skip
        if size:
            count(size)
            view = view[size:]
            idle = 0
        else:
            idle += 1
            _wait(stream, idle)


def flush_all(stream: Any) -> None:
    """Flush a buffered stream completely, also a non-blocking one."""
    while True:
        try:
            stream.flush()
            return
        except BlockingIOError:
            _wait(stream)


def _wait(stream: Any, idle: int = 0) -> None:
    """Wait until `stream` takes bytes. Raises BlockingIOError if it cannot be waited for, or if it
    was ready but took no bytes `idle` times."""
    descriptor = descriptor_of(stream)
    if descriptor is None or not is_waitable(descriptor) or idle > MOST_IDLE:
        raise BlockingIOError(f"{name_of(stream)} takes no data and there is nothing to wait on")
    wait_writable(descriptor)


def refuse_closed(stream: Any, name: str | None = None) -> None:
    """Raise ValueError with the name of an object that is closed: Python's own error has none."""
    is_socket = isinstance(stream, socket.socket)
    if getattr(stream, "closed", False) is True or (is_socket and stream.fileno() < 0):
        raise ValueError(f"{one_line(name or name_of(stream))}: it is closed") from None


def is_count(size: object, limit: int) -> bool:
    """Whether `size` is a whole number from 0 to `limit`."""
    try:
        return 0 <= operator.index(size) <= limit  # type: ignore[arg-type]
    except TypeError:
        return False


def opened_descriptor(number: int, mode: str) -> io.FileIO:
    """The file of a descriptor, which stays open. Raises OSError with a name."""
    try:
        if not 0 <= number <= _LAST_DESCRIPTOR:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return io.FileIO(number, mode, closefd=False)
    except OSError as error:
        error.filename = f"<fd {number}>"
        raise


_LAST_DESCRIPTOR = 2**31 - 1


def name_of(stream: Any) -> str:
    """The name of an open stream in messages: its path, else its kind."""
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
