"""Detect that somebody else reads or changes a source while it is read.

A file is compared with what it was when it was opened: device, inode, size and modification time.
The comparison comes after each read and before its bytes are used, so bytes written later never
pass for those of the file that was opened. It sees what the clock of the file system tells
apart: a write of the same size within one tick of the opening (about 4 ms on local Linux file
systems, 1 to 2 s on some network and removable ones), or one whose author sets the time back,
stays unseen. So does a write through a memory map until the system records its time.

A pipe, socket or descriptor that a process inherits at a fork is one place for two readers: what
one takes the other does not get. Only the process that began to read goes on.
"""

from __future__ import annotations

import io
import os
import stat
from typing import Any

from evstream.errors import ChangedSourceError


class Guard:
    """What is compared of one source.

    Attributes:
        is_file: whether it is a regular file.
        size: its bytes when it was opened; None for what is not a regular file.
    """

    def __init__(self, stream: Any, descriptor: int | None, name: str) -> None:
        self._name = name
        self._process = os.getpid()
        self._is_shared = not isinstance(stream, io.BytesIO)  # which a fork copies
        self._descriptor = descriptor
        self._state: tuple[int, int, int, int] | None = None
        if descriptor is not None:
            found = os.fstat(descriptor)
            if stat.S_ISREG(found.st_mode):
                self._state = _state(found)
        self.is_file = self._state is not None
        self.size = None if self._state is None else self._state[2]

    def check_process(self) -> None:
        """Raise ChangedSourceError in a process that was forked from the one that opened it."""
        if self._process != os.getpid() and self._is_shared:
            raise ChangedSourceError(
                "the stream was opened by another process, from which this one was forked",
                source=self._name,
                expected="each process to open the stream itself",
            )

    def check_file(self, offset: int | None = None) -> None:
        """Raise ChangedSourceError if a regular file is not what it was; `offset` is the byte
        that reading has reached."""
        if self._state is None or self._descriptor is None:
            return
        found = _state(os.fstat(self._descriptor))
        if found == self._state:
            return
        before, now = self._state[2], found[2]
        if found[:2] != self._state[:2]:
            problem = "the descriptor stands for another file than before"
        elif now > before:
            problem = f"the file grew from {before} to {now} bytes while it was read"
        elif now < before:
            problem = f"the file was cut from {before} to {now} bytes while it was read"
        else:
            problem = "the file was written to while it was read"
        raise ChangedSourceError(
            problem, source=self._name, offset=offset,
            expected="a file that nobody writes to until it is read",
        )  # fmt: skip


def _state(found: os.stat_result) -> tuple[int, int, int, int]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def position_to_read_at(stream: Any, descriptor: int | None) -> int | None:
    """Where an open file stands, if it can be read there without its shared position (pread);
    None if not, and for objects with a way to read of their own."""
    raw = stream.raw if type(stream) is io.BufferedReader else stream
    if type(raw) is not io.FileIO or descriptor is None or not hasattr(os, "preadv"):
        return None
    try:
        position = int(stream.tell())
        os.preadv(descriptor, [bytearray()], position)
    except OSError:  # some files that the system makes up have no positions
        return None
    return position
