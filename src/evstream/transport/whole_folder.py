"""A folder that appears under its name when all its files are complete, or not at all.

The files go to a hidden folder next to the target, which gets its name at the end. A folder that is
replaced moves to a hidden name first, and back if the new one cannot take its place.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import shutil
import stat
from types import TracebackType

from evstream._support import unfinished
from evstream._support.arguments import checked_path
from evstream.errors import EvstreamError
from evstream.transport.environment import durable_of
from evstream.transport.range_file import is_url, local_path, shown
from evstream.transport.sink import Sink


class WholeFolder:
    """A folder that is being written: `sink` for each file, then `commit` or `abort`.

    Args:
        target: a path. Its parent must exist.
        replaces: whether a folder with this name is replaced, if all in it looks like files of
            partitions.
        durable: as for evstream.create.

    Raises:
        FileExistsError: something has the name.
        EvstreamError: a folder that would be replaced has other files; the target is not a path.
        OSError: the folder cannot be created.
    """

    def __init__(
        self, target: object, *, replaces: bool = False, durable: bool | None = None
    ) -> None:
        path = local_path(target)
        if not isinstance(path, (str, os.PathLike)) or path == "-" or is_url(path):
            raise EvstreamError(
                "a dataset of partitions goes to a folder of this machine",
                source=shown(str(path)), expected="a path",
            )  # fmt: skip
        self.name = os.fspath(checked_path(path))
        self._durable = durable_of(durable)
        self._final = os.path.realpath(self.name)
        self._replaces = replaces
        self._refuse_standing()
        parent, name = os.path.split(self._final)
        shorter = os.fsdecode(os.fsencode(name)[:200])  # a name has room for 255 bytes
        hidden = os.path.join(parent, f".{shorter}.{secrets.token_hex(4)}")
        self._hidden, self._old = f"{hidden}.part", f"{hidden}.old"
        self._process = os.getpid()
        unfinished.add(self._hidden)
        try:
            os.mkdir(self._hidden)
        except OSError as error:
            unfinished.discard(self._hidden)
            error.filename = self.name  # the hidden name means nothing to users
            raise

    def sink(self, name: str) -> Sink:
        """A new file; `name` is a path in the folder, whose folders are created."""
        path = os.path.join(self._hidden, name)
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            sink = Sink(path, durable=self._durable)
        except OSError as error:
            error.filename = os.path.join(self.name, name)
            raise
        sink.name = os.path.join(self.name, name)
        return sink

    def commit(self) -> None:
        """Give the folder its name. Raises OSError; what had the name before then keeps it."""
        if self._durable:
            for folder, _, _ in os.walk(self._hidden):
                _sync(folder)
        self._refuse_standing()  # again: another process may have been faster
        replaced = os.path.lexists(self._final)
        try:
            if replaced:
                os.rename(self._final, self._old)
            try:
                os.rename(self._hidden, self._final)
            except BaseException:
                if replaced:
                    os.rename(self._old, self._final)
                raise
        except OSError as error:
            error.filename, error.filename2 = self.name, None
            raise
        unfinished.discard(self._hidden)
        if self._durable:
            _sync(os.path.dirname(self._final))
        if replaced:
            shutil.rmtree(self._old)

    def abort(self) -> None:
        """Remove the incomplete folder."""
        if os.getpid() == self._process:  # a forked process has a copy, but the folder is not its
            shutil.rmtree(self._hidden, ignore_errors=True)
        unfinished.discard(self._hidden)

    def __enter__(self) -> WholeFolder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self.commit()
        finally:
            if os.path.lexists(self._hidden):
                self.abort()

    def _refuse_standing(self) -> None:
        """Raise for what has the name, unless it may be replaced."""
        try:
            found = os.stat(self._final)
        except FileNotFoundError:
            return
        if not stat.S_ISDIR(found.st_mode):
            raise NotADirectoryError(errno.ENOTDIR, "a file has the name of the folder", self.name)
        if not self._replaces:
            raise FileExistsError(
                errno.EEXIST, "The folder exists (--force or force=True replaces it)", self.name
            )
        other = _other_file(self._final)
        if other is not None:
            raise EvstreamError(
                f"the folder has {other}, which is not a file of partitions", source=self.name,
                expected="a new folder, or one that convert has written",
            )  # fmt: skip


_FOLDER = re.compile(r"[^=/]+=[^/]*", re.DOTALL)
_FILE = re.compile(r"part-[0-9]+\.[a-z]+", re.ASCII)


def _other_file(folder: str) -> str | None:
    """A file or folder that does not look like partitions, so that it must not be removed."""
    for place, folders, files in os.walk(folder):
        strange = [name for name in folders if not _FOLDER.fullmatch(name)]
        strange += [name for name in files if not _FILE.fullmatch(name)]
        strange += [name for name in folders if os.path.islink(os.path.join(place, name))]
        if strange:
            return os.path.relpath(os.path.join(place, strange[0]), folder)
    return None


def _sync(folder: str) -> None:
    with contextlib.ExitStack() as stack:
        descriptor = os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
        stack.callback(os.close, descriptor)
        try:
            os.fsync(descriptor)
        except OSError as error:
            if error.errno not in {errno.EINVAL, errno.EOPNOTSUPP}:  # as in whole_file
                raise
