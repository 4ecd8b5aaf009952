"""A file that appears under its name when it is complete, or not at all.

The bytes go to a file without a name if the system has such files, so that nothing is left however
the process ends, else to a hidden file in the same folder. `commit` makes them durable and then
gives them the name in one step: a program that opens the name, even after a power cut, finds the
old file or the new one.

This module alone creates, names and removes the files that evstream writes.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Callable

from evstream._support import unfinished
from evstream._support.arguments import one_line
from evstream.transport.writeback import STRETCH, start_writeback


class WholeFile:
    """A file that is being written: `write`, then `commit` or `abort`.

    It takes the permissions of the file that has the name so far, and its owner and group if the
    system allows it, but never setuid and setgid bits.

    Attributes:
        is_in_place: whether the new file has the name.
    """

    is_in_place = False
    _has_name = False

    def __init__(self, path: str, *, durable: bool = True) -> None:
        self._descriptors: list[int] = []  # of the file, while it is open
        self._folders: list[int] = []
        self._process = os.getpid()
        self._path, self._durable = path, durable
        self._written = self._sent = 0  # bytes, and of these on their way to the disk
        self._final = os.path.realpath(path)
        folder, name = os.path.split(self._final)
        shorter = os.fsdecode(os.fsencode(name)[:200])  # a name has room for 255 bytes
        self._temporary = os.path.join(folder, f".{shorter}.{secrets.token_hex(4)}.part")
        try:
            standing = _standing(path)
            self._folders += _open_folder(folder)
            self._descriptors += [self._create(folder)]
            if standing is not None:
                _take_over(self.fileno(), standing)
        except OSError as error:
            self.abort()
            error.filename, error.filename2 = path, None  # the hidden name means nothing to users
            raise
        except BaseException:
            self.abort()
            raise

    def fileno(self) -> int:
        """The descriptor, as for file objects."""
        if not self._descriptors:
            raise ValueError(f"{one_line(self._path)}: the file is closed")
        return self._descriptors[0]

    def write(self, view: memoryview) -> int:
        """Write a part of `view`; its size. Raises OSError."""
        size = os.write(self.fileno(), view)
        self._written += size
        if self._durable and self._written - self._sent >= STRETCH:
            start_writeback(self.fileno(), self._sent, self._written - self._sent)
            self._sent = self._written
        return size

    def commit(self) -> None:
        """Give the file its name. Raises OSError; the old file then keeps the name, unless
        `is_in_place`."""
        if self._durable:
            os.fsync(self.fileno())
        if not self._has_name:
            self._take_name()
            _link(self.fileno(), self._temporary, *self._folders)
        self._close()
        os.replace(self._temporary, self._final)
        self.is_in_place = True
        self._drop_name()
        if self._durable and self._folders:
            _sync_folder(*self._folders)
        self._close_folder()

    def abort(self) -> None:
        """Remove the file, unless it `is_in_place`."""
        with contextlib.suppress(OSError):
            self._close()
        with contextlib.suppress(OSError):
            self._close_folder()
        # A forked process has a copy of this object, but the file is its parent's.
        if self._has_name and os.getpid() == self._process:
            with contextlib.suppress(OSError):
                os.unlink(self._temporary)
            self._drop_name()

    def _take_name(self) -> None:
        """Register the hidden name before the file exists: a signal may come in between."""
        unfinished.add(self._temporary)
        self._has_name = True

    def _drop_name(self) -> None:
        self._has_name = False
        unfinished.discard(self._temporary)

    def __del__(self) -> None:
        if hasattr(self, "_folders"):  # memory may run out before it has any attribute
            self.abort()

    def restorer(self) -> Callable[[], None]:
        """A function that restores, after `commit`, the file that has the name now; its bytes are
        kept in memory."""
        try:
            with open(self._final, "rb") as file:
                old: bytes | None = file.read()
        except FileNotFoundError:
            old = None

        def restore() -> None:
            if not self.is_in_place:
                return
            if old is None:
                os.unlink(self._final)
                return
            file = WholeFile(self._final, durable=self._durable)
            try:
                view = memoryview(old)
                while view:
                    view = view[file.write(view) :]
                file.commit()
            except BaseException:
                file.abort()
                raise

        return restore

    def _create(self, folder: str) -> int:
        nameless = getattr(os, "O_TMPFILE", None)
        if nameless is not None and self._folders and os.path.isdir(_DESCRIPTORS):
            try:
                return os.open(folder, os.O_WRONLY | nameless, 0o666)
            except OSError as error:
                if error.errno not in _WITHOUT_NAMELESS:
                    raise
        self._take_name()
        try:
            return os.open(self._temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        except OSError:
            self._drop_name()
            raise

    def _close(self) -> None:
        if self._descriptors:
            os.close(self._descriptors.pop())  # in one step, so that no error leaves it open

    def _close_folder(self) -> None:
        if self._folders:
            os.close(self._folders.pop())


_DESCRIPTORS = "/proc/self/fd"
"""The folder where a file without a name has a path."""

_WITHOUT_NAMELESS = {errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT}
"""Errors of systems without such files."""


def _standing(path: str) -> os.stat_result | None:
    """The file that has the name so far. Raises PermissionError if it may not be written."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    if not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
    return found


def _open_folder(folder: str) -> list[int]:
    """Open the folder; nothing if one may create files in it but not read it."""
    try:
        return [os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))]
    except PermissionError:
        return []


def _take_over(descriptor: int, standing: os.stat_result) -> None:
    """Take over owner, group and permissions of the old file, as far as allowed."""
    mode = stat.S_IMODE(standing.st_mode) & 0o777
    _change_owner(descriptor, standing.st_uid, -1)
    if not _change_owner(descriptor, -1, standing.st_gid):
        mode = mode & ~0o070 | (mode & 0o007) << 3  # another group gets the permissions of others
    os.fchmod(descriptor, mode)


def _change_owner(descriptor: int, user: int, group: int) -> bool:
    """Give the file an owner or group, which may need privileges; whether it has them now."""
    found = os.fstat(descriptor)
    if user in {-1, found.st_uid} and group in {-1, found.st_gid}:
        return True
    try:
        os.fchown(descriptor, user, group)
    except PermissionError:
        return False
    return True


def _link(descriptor: int, path: str, folder: int) -> None:
    """Give a file its first name. With folder descriptors the call follows the link in /proc."""
    os.link(
        f"{_DESCRIPTORS}/{descriptor}", os.path.basename(path),
        src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=True,
    )  # fmt: skip


def _sync_folder(folder: int) -> None:
    try:
        os.fsync(folder)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.EOPNOTSUPP}:  # some systems cannot sync folders
            raise
