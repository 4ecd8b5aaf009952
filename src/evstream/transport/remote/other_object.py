"""One object of a file system that fsspec serves: memory, sftp, hdfs and many more.

There are no requests on a condition, so the state of the object is compared after each range, as
for local files.
"""

from __future__ import annotations

import importlib
import os
import secrets
from collections.abc import Iterator, Mapping
from typing import Any

from evstream.errors import MissingExtraError, TruncatedStreamError
from evstream.extras import import_extra
from evstream.transport.range_file import FileFacts, refuse_other_file
from evstream.transport.remote.failures import named_failures
from evstream.transport.remote.urls import Url


class OtherObject:
    """An object, read by requests for ranges."""

    def __init__(self, url: str, options: Mapping[str, Any] | None) -> None:
        self._name, self._options = Url.of(url).shown, options
        self._system, self._path = system_of(url, options)

    def first(self, size: int) -> tuple[FileFacts, bytes]:
        """The state of the object and its first bytes."""
        facts = self.facts()
        view = memoryview(bytearray(min(size, facts.size)))
        self.read(facts, 0, view)
        return facts, bytes(view)

    def facts(self) -> FileFacts:
        """The state of the object now."""
        with named_failures(self._name, self._options):
            self._system.invalidate_cache(self._system._parent(self._path))
            return _facts(self._system, self._path)

    def read(self, facts: FileFacts, offset: int, view: memoryview) -> None:
        """Fill `view` with the bytes from `offset` on; see RangeFile."""
        with named_failures(self._name, self._options, offset):
            data = self._system.cat_file(self._path, start=offset, end=offset + len(view))
        refuse_other_file(facts, self.facts(), self._name, offset)
        if len(data) != len(view):
            raise TruncatedStreamError(
                "the file system gave a short range", source=self._name, offset=offset + len(data),
                expected=f"{len(view) - len(data)} more bytes",
            )  # fmt: skip
        view[:] = data

    def whole(self) -> tuple[FileFacts, Iterator[Any]]:
        """The state of the object, and all its bytes."""
        facts, data = self.first(self.facts().size)
        return facts, iter([data])


class OtherWriter:
    """Writes an object under a hidden name, which it keeps until it is complete."""

    def __init__(self, url: str, options: Mapping[str, Any] | None) -> None:
        self._name, self._options = Url.of(url).shown, options
        self._system, self._path = system_of(url, options)
        folder, name = os.path.split(self._path)
        self._hidden = f"{folder}/.{name}.{secrets.token_hex(4)}.part"
        with self._named():
            self._file = self._system.open(self._hidden, "wb")

    def write(self, data: bytes) -> None:
        with self._named():
            self._file.write(data)

    def commit(self) -> None:
        with self._named():
            self._file.close()
            self._system.mv(self._hidden, self._path)

    def abort(self) -> None:
        with self._named():
            self._file.close()
            if self._system.exists(self._hidden):
                self._system.rm_file(self._hidden)

    def _named(self) -> Any:
        return named_failures(self._name, self._options)


def system_of(url: str, options: Mapping[str, Any] | None) -> tuple[Any, str]:
    """The file system of a URL, and the path in it."""
    import_extra("fsspec")
    core = importlib.import_module("fsspec.core")
    with named_failures(Url.of(url).shown, options):
        try:
            system, path = core.url_to_fs(url, **(options or {}))
        except ImportError as error:  # fsspec names the package that the scheme needs
            text = f"{Url.of(url).shown}: {' '.join(str(error).split())}"
            raise MissingExtraError(text) from None
        return system, path


def listed(url: str, options: Mapping[str, Any] | None, recursive: bool) -> dict[str, FileFacts]:
    """The files in a folder by their paths in it; with `recursive` those of its folders too."""
    system, path = system_of(url, options)
    with named_failures(Url.of(url).shown, options):
        system.invalidate_cache()
        depth = None if recursive else 1
        found = system.find(path, maxdepth=depth, detail=True)
        start = len(path.rstrip("/")) + 1
        return {name[start:]: _facts(system, name, info) for name, info in found.items()}


def _facts(system: Any, path: str, info: Mapping[str, Any] | None = None) -> FileFacts:
    info = system.info(path) if info is None else info
    if info.get("type") == "directory":
        raise IsADirectoryError("this is a folder")
    tags = ("ETag", "etag", "mtime", "modified", "last_modified", "LastModified", "created")
    tag = next((info[name] for name in tags if info.get(name)), "")
    return FileFacts(int(info["size"]), str(tag))
