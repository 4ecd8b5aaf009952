"""The index file next to a stream: where it is, and reading it without trust."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Mapping
from contextlib import closing
from typing import Any

from evstream._support.format import Format
from evstream.errors import StaleIndexError
from evstream.indexing.index import EXPECTED, SUFFIX, Index, most_bytes, parse
from evstream.transport.range_file import beside, is_url, local_path, open_range_file

_ABSENT = {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG}


_NOT_TOLD = {errno.ENOENT, errno.EACCES, errno.EOPNOTSUPP}
"""Errors of a store for an object that is not there, some say so only to those who may list it; and
of a server that gives no ranges."""


def index_path(path: str) -> str:
    """Where the index of a file is kept: next to it, with .evx after its name."""
    return beside(path, SUFFIX)


def find_index(
    path: str | os.PathLike[str],
    storage_options: Mapping[str, Any] | None = None,
    format: Format | None = None,
    *,
    keep: bool = False,
) -> Index | None:
    """The index next to a file, None if there is none. It is not compared with the file yet; see
    `indexed_file.refuse_stale`. With `keep` it is kept for the next part of the same file.

    Raises StaleIndexError for anything in its place that is not an index of a file of this size,
    OSError if it cannot be read: an index that cannot be used is not the same as none.
    """
    file: str = local_path(os.fspath(path))
    if not is_url(file):
        return _local_index(file, format, keep)
    if "?" in file:  # a signed URL is of one object
        return None
    try:
        return _read(index_path(file), file, storage_options, format, keep)
    except OSError as error:
        if error.errno in _NOT_TOLD:
            return None
        raise


def _local_index(file: str, format: Format | None, keep: bool) -> Index | None:
    place = index_path(file)
    try:
        os.lstat(place)
    except (OSError, ValueError) as error:
        if isinstance(error, ValueError) or error.errno in _ABSENT:
            return None
        raise
    _refuse_irregular(place)
    return _read(place, file, None, format, keep)


def _read(
    place: str,
    file: str,
    storage_options: Mapping[str, Any] | None,
    format: Format | None,
    keep: bool,
) -> Index:
    with closing(open_range_file(place, storage_options)) as file_beside:
        key = (place, file_beside.size, file_beside.tag, format)
        if keep and (kept := _KEPT.get("last")) is not None and kept[0] == key:
            return kept[1]
        with closing(open_range_file(file, storage_options)) as stream:
            size = stream.size
        if file_beside.size > most_bytes(size):
            raise StaleIndexError(
                f"the index has {file_beside.size} bytes, more than a stream of {size} bytes needs",
                source=place, expected=EXPECTED,
            )  # fmt: skip
        data = bytearray(file_beside.size)
        file_beside.read_at(0, memoryview(data))
    index = parse(data, place, format)
    if keep:
        _KEPT["last"] = key, index
    return index


_KEPT: dict[str, tuple[Any, Index]] = {}
"""The index that was read last for a part: the parts of a file come one after the other."""


def refuse_irregular_target(place: str) -> None:
    """Raise StaleIndexError for a FIFO, device or folder where an index is to be written."""
    with contextlib.suppress(FileNotFoundError):
        _refuse_irregular(place, dangling=False)


def _refuse_irregular(place: str, dangling: bool = True) -> None:
    try:
        is_regular = stat.S_ISREG(os.stat(place).st_mode)
    except FileNotFoundError:
        if not dangling:
            raise
        raise StaleIndexError(
            "the index is a link that leads nowhere", source=place, expected="an index, or no link"
        ) from None
    if not is_regular:
        raise StaleIndexError("the index is not a regular file", source=place, expected="an index")
