"""The files that a caller means by a path, a pattern, a folder, URLs, or a list of these."""

from __future__ import annotations

import errno
import glob
import importlib
import os
from collections.abc import Iterable, Mapping
from typing import Any

from evstream._support.arguments import checked_path
from evstream.errors import EvstreamError
from evstream.transport.compression import SUFFIXES
from evstream.transport.range_file import FileFacts, is_url, local_path

STREAM_ENDINGS = (".bin", *(f".bin.{suffix}" for suffix in SUFFIXES))
"""How the names of streams end in a folder."""


def names_several(source: Any) -> bool:
    """Whether a source may stand for several files: a list, a folder, a pattern.

    A file whose name looks like a pattern is that file. A URL is a pattern if it has a "*", and a
    folder if it ends with "/".
    """
    if isinstance(source, (list, tuple)):
        return True
    if not isinstance(source, (str, os.PathLike)) or source == "-":
        return False
    path = local_path(checked_path(source))
    if is_url(path):
        return "*" in path or path.endswith("/")  # a "?" begins the query of a URL
    return os.path.isdir(path) or (glob.has_magic(path) and not _exists(path))


def expand_sources(
    sources: Any,
    storage_options: Mapping[str, Any] | None = None,
    known: dict[str, FileFacts] | None = None,
) -> list[str]:
    """The paths and URLs of the files that are meant.

    A list keeps its order; the matches of a pattern (`**` for all folders below) and the streams
    in a folder are sorted by name. A folder stands for its own files *.bin, *.bin.gz and *.bin.zst
    that are not hidden, not for those of the folders in it. The states of objects that a store
    lists are added to `known`.

    Raises FileNotFoundError if a path does not exist, or nothing matches a pattern; EvstreamError
    for a folder without streams, and for a file that is named twice; TypeError for what is not a
    path, pattern, folder or URL.
    """
    several = sources if isinstance(sources, (list, tuple)) else [sources]
    if not several:
        raise EvstreamError("there is no file in the list", expected="at least one")
    found = [path for source in several for path in _expanded(source, storage_options, known)]
    seen = set()
    for path in found:
        place = path if is_url(path) else os.path.abspath(path)
        if place in seen:
            raise EvstreamError("the file is named twice", source=path, expected="each file once")
        seen.add(place)
    return found


def files_named(name: str) -> list[str]:
    """The files that an argument of a command stands for: itself, unless it names several."""
    return expand_sources(name) if names_several(name) else [name]


def _expanded(
    source: Any,
    storage_options: Mapping[str, Any] | None,
    known: dict[str, FileFacts] | None = None,
) -> Iterable[str]:
    if not isinstance(source, (str, os.PathLike)):
        raise TypeError(f"{source!r} is not a path, pattern, folder or URL")
    path = local_path(checked_path(source))
    if not isinstance(path, str):
        raise TypeError(f"{source!r} is bytes, expected a path as text")
    if is_url(path):
        if not names_several(path):
            return [path]
        remote = importlib.import_module("evstream.transport.remote")
        listed: dict[str, FileFacts] = remote.list_facts(path, storage_options)
        if known is not None:
            known.update(listed)
        return list(listed)
    if os.path.isdir(path):
        return _streams_of(path)
    if _exists(path):
        return [path]
    if not glob.has_magic(path):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
    matches = [name for name in sorted(glob.glob(path, recursive=True)) if not os.path.isdir(name)]
    if not matches:
        raise FileNotFoundError(errno.ENOENT, "No file matches the pattern", path)
    return matches


def _streams_of(folder: str) -> list[str]:
    with os.scandir(folder) as entries:
        names = sorted(
            entry.name
            for entry in entries
            if entry.name.endswith(STREAM_ENDINGS) and not entry.name.startswith(".")
            if not entry.is_dir()
        )
    if not names:
        raise EvstreamError(
            "the folder has no streams", source=folder,
            expected=f"files *{', *'.join(STREAM_ENDINGS)}",
        )  # fmt: skip
    return [os.path.join(folder, name) for name in names]


def _exists(path: str) -> bool:
    try:
        return os.path.exists(path)
    except ValueError:  # of a path with a zero byte
        return False
