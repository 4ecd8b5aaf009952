"""Wait for file descriptors, and enlarge pipes.

This uses poll(): select() breaks on descriptors of 1024 and more, and epoll refuses regular files
and takes a descriptor of its own.
"""

from __future__ import annotations

import io
import os
import select
import stat
import sys
from collections.abc import Iterable

from evstream._support.arguments import real_number

PIPE_SIZE = 1 << 20
"""Capacity to ask for a pipe, in bytes, instead of the usual 64 KiB."""

LONGEST = 2**31 - 1
"""The longest wait of poll(), in milliseconds."""


def is_waitable(descriptor: int) -> bool:
    """Whether a read can wait for data: pipes, sockets and terminals, not files."""
    mode = os.fstat(descriptor).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or stat.S_ISCHR(mode)


def wait_readable(descriptors: Iterable[int], timeout: float | None = None) -> list[int]:
    """Wait for one of the descriptors; those that can be read without blocking, or have ended."""
    return _poll(descriptors, select.POLLIN, timeout)


def check_timeout(timeout: float | None) -> None:
    """Raise TypeError or ValueError unless `timeout` is None or a number of seconds above 0."""
    if timeout is not None and not real_number("timeout", timeout) > 0:
        raise ValueError(f"timeout is {timeout}, expected seconds above 0")


def is_writable(descriptor: int) -> bool:
    """Whether a write can make progress now."""
    return bool(_poll([descriptor], select.POLLOUT, 0))


def wait_writable(descriptor: int) -> None:
    """Wait until a write can make progress or fails."""
    _poll([descriptor], select.POLLOUT, None)


def _poll(descriptors: Iterable[int], event: int, timeout: float | None) -> list[int]:
    poller = select.poll()
    for descriptor in descriptors:
        poller.register(descriptor, event)
    return [fd for fd, _ in poller.poll(None if timeout is None else min(timeout * 1000, LONGEST))]


def widen_pipe(descriptor: int) -> None:
    """Let a pipe hold a megabyte, if the system allows it, for fewer context switches."""
    try:
        import fcntl

        if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, PIPE_SIZE)
    except (ImportError, AttributeError, OSError):
        pass  # not on Linux, or the user's limit of pipe memory is reached


def bytes_waiting(descriptor: int) -> int:
    """Bytes that a pipe or socket holds; 0 where the system does not say."""
    try:
        import fcntl
        import termios

        found = fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4))
    except (ImportError, AttributeError, OSError, ValueError):
        return 0
    return int.from_bytes(found, sys.byteorder)


def take_buffered(stream: io.BufferedReader, descriptor: int) -> bytes:
    """Take the bytes that a buffered object has read ahead, which poll() does not see."""
    blocking = os.get_blocking(descriptor)
    os.set_blocking(descriptor, False)
    try:
        return stream.read1(len(stream.peek()))
    finally:
        os.set_blocking(descriptor, blocking)


def descriptor_of(stream: object) -> int | None:
    """The file descriptor of a file-like object, None if it has none."""
    try:
        return int(stream.fileno())  # type: ignore[attr-defined]
    except (AttributeError, OSError, ValueError):
        return None
