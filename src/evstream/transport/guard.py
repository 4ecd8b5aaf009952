"""Detect that another process reads or changes a source while it is read.

The state of a file when it was opened (device, inode, size, modification time) is compared with its
state after each read, before the bytes are used. So bytes that were written later never pass for
those of the file that was opened. The comparison is as fine as the clock of the file system. It
does not detect a write of the same size within one tick of the opening (about 4 ms on local Linux
file systems, 1 to 2 s on some network and removable ones), one whose author sets the time back, or
one through a memory map, until the system records its time.

Two processes that inherit a pipe, socket or descriptor at a fork take bytes from each other. Only
the process that opened the source may read it.
"""

from __future__ import annotations

import io
import os
import stat
from typing import Any, NamedTuple

from evstream.errors import ChangedSourceError


class FileState(NamedTuple):
    """What shows that an open file is another one, or was changed."""

    device: int
    inode: int
    size: int
    modified: int

    @classmethod
    def of(cls, descriptor: int) -> FileState | None:
        """The state of a regular file; None for a pipe, socket or device."""
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            return None
        return cls(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def refuse_change(
    before: FileState, now: FileState | None, source: str, offset: int | None
) -> None:
    """Raise ChangedSourceError if a file is not in the state that it was in before; `offset` is
    the byte that reading has reached."""
    if now == before:
        return
    if now is None or now[:2] != before[:2]:
        problem = "the descriptor now refers to another file"
    elif now.size > before.size:
        problem = f"the file grew from {before.size} to {now.size} bytes while it was read"
    elif now.size < before.size:
        problem = f"the file was cut from {before.size} to {now.size} bytes while it was read"
    else:
        problem = "the file was written to while it was read"
    raise ChangedSourceError(
        problem,
        source=source,
        offset=offset,
        expected="a file that does not change until it is read",
    )


class Guard:
    """Watches one source for changes.

    Attributes:
        is_file: whether it is a regular file.
        size: bytes of the file when it was opened; None if it is not a regular file.
    """

    def __init__(self, stream: Any, descriptor: int | None, name: str) -> None:
        self._name = name
        self._process = os.getpid()
        self._is_shared = not isinstance(stream, io.BytesIO)  # which a fork copies
        self._descriptor = descriptor
        self._state = None if descriptor is None else FileState.of(descriptor)
        self.is_file = self._state is not None
        state = self._state
        self._unchanged = state and (state.size, state.modified, state.inode, state.device)
        self.size = None if self._state is None else self._state.size

    def check_process(self) -> None:
        """Raise ChangedSourceError in a process that was forked from the one that opened it."""
        if self._process != os.getpid() and self._is_shared:
            raise ChangedSourceError(
                "the stream was opened before this process was forked",
                source=self._name,
                expected="each process to open the stream itself",
            )

    def check_file(self, offset: int | None = None) -> None:
        """Raise ChangedSourceError if a regular file was changed since it was opened; `offset` is
        the byte that reading has reached."""
        if self._state is None or self._descriptor is None:
            return
        now = os.fstat(self._descriptor)  # compared as they are, since this follows each read
        if (now.st_size, now.st_mtime_ns, now.st_ino, now.st_dev) != self._unchanged:
            refuse_change(self._state, FileState.of(self._descriptor), self._name, offset)


def position_to_read_at(stream: Any, descriptor: int | None) -> int | None:
    """The position of an open file that can be read with pread, which leaves the shared position
    alone; None for other objects, and for those that read in their own way."""
    raw = stream.raw if type(stream) is io.BufferedReader else stream
    if type(raw) is not io.FileIO or descriptor is None or not hasattr(os, "preadv"):
        return None
    try:
        position = int(stream.tell())
        os.preadv(descriptor, [bytearray()], position)
    except OSError:  # e.g. of some files in /proc
        return None
    return position
