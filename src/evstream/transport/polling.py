"""Wait for file descriptors, and make pipes wide: what sources, sinks and feeds share.

poll() is used instead of select(), which breaks on descriptors of 1024 and more, and
instead of epoll, which refuses regular files and costs a descriptor of its own.
"""

from __future__ import annotations

import io
import os
import select
import stat
from collections.abc import Iterable

PIPE_SIZE = 1 << 20
"""Bytes that a pipe is asked to hold, in place of its usual 64 KiB."""

LONGEST = 2**31 - 1
"""Milliseconds that poll() can wait for."""


def is_waitable(descriptor: int) -> bool:
    """Whether a read can block for want of data: pipes, sockets and terminals, not files."""
    mode = os.fstat(descriptor).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or stat.S_ISCHR(mode)


def wait_readable(descriptors: Iterable[int], timeout: float | None = None) -> list[int]:
    """The descriptors that can be read without blocking (or have ended), waiting for one."""
    return _poll(descriptors, select.POLLIN, timeout)


def check_timeout(timeout: float | None) -> None:
    """Raise ValueError unless `timeout` is None or a number of seconds above 0."""
    if timeout is not None and not timeout > 0:
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
    """Let a pipe hold a megabyte, where the system allows it: fewer switches of process."""
    try:
        import fcntl

        if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, PIPE_SIZE)
    except (ImportError, AttributeError, OSError):
        pass  # another system, or the user's share of pipe memory is used up


def take_buffered(stream: io.BufferedReader, descriptor: int) -> bytes:
    """The bytes that a buffered object has read ahead, of which poll() knows nothing."""
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
