"""Files that are read at any offset: local ones here, objects of a store in `transport.remote`.

Two readers that cut a file into parts must see the same bytes. So a RangeFile knows the state of
its file (size and tag), compares it after each read, and carries it along when it is pickled: a
worker that opens it again finds the file of the planner, or raises ChangedSourceError.
"""

from __future__ import annotations

import errno
import importlib
import os
import re
import stat
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from evstream._support.arguments import checked_path, one_line, refuse_other_options
from evstream.errors import ChangedSourceError, EvstreamError, TruncatedStreamError


class RangeFile(Protocol):
    """A file that is read at any offset, by several threads at once.

    Attributes:
        name: the path or URL, for messages.
        size: bytes.
        tag: text that changes when the file does.
    """

    name: str
    size: int
    tag: str

    def read_at(self, offset: int, view: memoryview) -> None:
        """Fill `view` with the bytes from `offset` on.

        Raises ChangedSourceError if the file is not the one that was opened, TruncatedStreamError
        for bytes beyond its end, OSError with a name if it cannot be read.
        """
        ...

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        ...


class FileFacts(NamedTuple):
    """The state of a file in which it was planned to be read."""

    size: int
    tag: str


class LocalFile:
    """A RangeFile of a regular file. It pickles by its path, and must then be the same file.

    The comparison is as fine as the clock of the file system; see `transport.guard`.
    """

    def __init__(self, path: str | os.PathLike[str], facts: FileFacts | None = None) -> None:
        self.name = checked_path(path)
        self._descriptor: int | None = os.open(self.name, os.O_RDONLY | os.O_NONBLOCK)
        try:
            found = _facts(os.fstat(self._descriptor), self.name)
            self.size, self.tag = facts or found
            refuse_other_file(facts, found, self.name)
        except BaseException:
            self.close()
            raise

    def __reduce__(self) -> tuple[Any, ...]:
        return LocalFile, (self.name, FileFacts(self.size, self.tag))

    def __del__(self) -> None:
        self.close()

    def read_at(self, offset: int, view: memoryview) -> None:
        """See RangeFile."""
        if self._descriptor is None:
            raise ValueError(f"{one_line(self.name)}: the file is closed")
        done = 0
        try:
            while done < len(view):
                got = os.preadv(self._descriptor, [view[done:]], offset + done)
                if not got:
                    break
                done += got
            found = _facts(os.fstat(self._descriptor), self.name)
        except OSError as error:
            error.filename = self.name
            raise
        refuse_other_file(FileFacts(self.size, self.tag), found, self.name, offset)
        if done < len(view):
            raise TruncatedStreamError(
                "the file ends here", source=self.name, offset=offset + done,
                expected=f"{len(view) - done} more bytes",
            )  # fmt: skip

    def close(self) -> None:
        """See RangeFile."""
        descriptor, self._descriptor = getattr(self, "_descriptor", None), None
        if descriptor is not None:
            os.close(descriptor)


def local_facts(path: str) -> FileFacts:
    """The state of a regular file that is not opened. Raises as LocalFile does."""
    return _facts(os.stat(path), path)


def tag_of(descriptor: int) -> str:
    """The tag of an open regular file."""
    return _facts(os.fstat(descriptor), "").tag


def _facts(found: os.stat_result, name: str) -> FileFacts:
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), name)
    if not stat.S_ISREG(found.st_mode):
        raise EvstreamError(
            "this is not a regular file", source=name, expected="a file that keeps its bytes"
        )
    return FileFacts(found.st_size, f"{found.st_ino:x}-{found.st_mtime_ns:x}")


def refuse_other_file(
    expected: FileFacts | None, found: FileFacts, name: str, offset: int | None = None
) -> None:
    """Raise ChangedSourceError if a file is not in the state in which it was first seen; `offset`
    is the byte that was to be read."""
    if expected is None or expected == found:
        return
    if expected.size != found.size:
        verb = "grew" if found.size > expected.size else "was cut"
        problem = f"the file {verb} from {expected.size} to {found.size} bytes"
    else:
        problem = "the file was replaced or written to"
    raise ChangedSourceError(
        f"{problem} since it was first opened", source=name, offset=offset,
        expected="a file that does not change until it is read",
    )  # fmt: skip


_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


def is_url(source: Any) -> bool:
    """Whether a source is the URL of an object, such as "s3://bucket/gul.bin"; `file://` names a
    path."""
    return isinstance(source, str) and _URL.match(source) is not None and not _is_file(source)


def local_path(source: Any) -> Any:
    """The path that a `file://` URL names; anything else as it is."""
    return source[len(_FILE) :] if isinstance(source, str) and _is_file(source) else source


def is_there(source: str, storage_options: Mapping[str, Any] | None = None) -> bool:
    """Whether a path or URL names a regular file or an object. Raises OSError if a store cannot
    say."""
    if not is_url(source):
        return os.path.isfile(local_path(source))
    remote = importlib.import_module("evstream.transport.remote")
    try:
        remote.list_facts(source, storage_options)
    except FileNotFoundError:
        return False
    return True


def shown(source: str) -> str:
    """A source for messages: without the passwords and signatures that a URL may have."""
    if not is_url(source):
        return source
    scheme, mark, rest = source.partition("://")
    store, slash, name = rest.partition("/")
    if ":" in store.rpartition("@")[0]:  # user:password@
        store = store.rpartition("@")[2]
    if scheme.lower() in {"http", "https"}:
        name = name.partition("?")[0]
    return f"{scheme}{mark}{store}{slash}{name}"


def beside(source: str, suffix: str) -> str:
    """The name of a small file that belongs to another: its name with a suffix, which in the URL of
    a web server stands before the query."""
    if source[:4].lower() == "http" and is_url(source):
        path, mark, query = source.partition("?")
        return f"{path}{suffix}{mark}{query}"
    return source + suffix


_FILE = "file://"


def _is_file(url: str) -> bool:
    return url[: len(_FILE)].lower() == _FILE


def open_range_file(
    source: str | os.PathLike[str], storage_options: Mapping[str, Any] | None = None
) -> RangeFile:
    """Open a path or URL; `storage_options` are those of an object store.

    Raises OSError with a name, MissingExtraError for a URL without the extra evstream[remote].
    """
    refuse_other_options(storage_options)
    if not is_url(source):
        return LocalFile(local_path(source))
    remote = importlib.import_module("evstream.transport.remote")
    file: RangeFile = remote.RemoteFile(source, storage_options)
    return file
