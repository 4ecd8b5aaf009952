"""The files of a run folder, and the type of each.

A type word or the usual name of a file gives its type. A file with neither is not known: a
folder may hold anything, and to guess from bytes would make an event of any number. So a type word
of source 0, which is a small number like an id, counts only if the file can be read as that stream.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from evstream._support.format import Format
from evstream._support.known_formats import find_format, formats_beside
from evstream.checking.seal import SUFFIX as SEAL
from evstream.errors import EvstreamError
from evstream.indexing.index import SUFFIX as INDEX
from evstream.reading.stream import EventStream
from evstream.transport.range_file import is_url, local_path
from evstream.transport.source import Source
from evstream.wire.rules import Checker

TRIED = 1 << 20
"""Bytes of a file that are read to see whether a type word of source 0 is one."""

BESIDE = {SEAL: "seal", INDEX: "index"}
"""Endings of evstream's own files next to a stream."""


@dataclass(frozen=True)
class FolderFile:
    """A file of a folder.

    Attributes:
        path: to open it by.
        name: below the folder, with slashes.
        size: in bytes.
        format, stream: its type; None where it is not known.
        note: why it is not read, e.g. "not known", or what it is next to a stream.
    """

    path: str
    name: str
    size: int
    format: Format | None = None
    stream: str | None = None
    note: str = ""

    @property
    def place(self) -> tuple[str, ...]:
        """The folders that it is in, from the top."""
        return tuple(self.name.split("/")[:-1])

    def widths_of(self, widths: Mapping[str, str] | None) -> dict[str, str]:
        """Those of the widths that its format has."""
        known = {} if self.format is None else self.format.scalars
        return {name: width for name, width in (widths or {}).items() if name in known}


def is_run_folder(source: Any, stream: str | None, format: Format | None) -> bool:
    """Whether a source is a folder of files of several types, or of files without a type word. A
    folder of streams of one type is a dataset instead, and so is one whose type is named."""
    if stream is not None or not isinstance(source, (str, os.PathLike)) or is_url(source):
        return False
    if not os.path.isdir(local_path(source)):
        return False
    types = set()
    for file in folder_files(source, format):
        if file.format is not None and file.stream is not None:
            types.add((file.format.name, file.stream))
            if len(types) > 1 or file.format.streams[file.stream].type_word is None:
                return True
    return False


def folder_files(folder: Any, format: Format | None = None) -> Iterator[FolderFile]:
    """The files of a folder and of those below it, by name; hidden ones are left out.

    Raises OSError for a folder that cannot be read.
    """
    top = str(local_path(folder))
    for path, below in _walk(top, ""):
        yield _typed(path, below, format)


def _walk(folder: str, below: str) -> Iterator[tuple[str, str]]:
    with os.scandir(folder) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(entry.path, f"{below}{entry.name}/")
        else:
            yield entry.path, f"{below}{entry.name}"


def _typed(path: str, name: str, format: Format | None) -> FolderFile:
    beside = next((kind for end, kind in BESIDE.items() if name.endswith(end)), None)
    if beside is not None or not os.path.isfile(path):
        note = beside or ("not a regular file" if os.path.exists(path) else "a broken link")
        return FolderFile(path, name, _size(path), note=note)
    known, stream = find_format(format, None, path)
    try:
        if stream is None:
            known, stream = _by_type_word(path, format)
    except (EvstreamError, OSError) as error:
        text = error.problem if isinstance(error, EvstreamError) else error.strerror
        return FolderFile(path, name, _size(path), note=f"not readable: {text or error}")
    if stream is None:
        return FolderFile(path, name, _size(path), note="not known")
    return FolderFile(path, name, _size(path), known, stream)


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def _by_type_word(path: str, format: Format | None) -> tuple[Format, str | None]:
    """The format and stream whose type word a file begins with; None for the stream if there is
    none."""
    formats = formats_beside(format)
    for known in formats:
        word = _first_bytes(path, known.type_word.size)
        if word is None:
            continue
        numbers = known.type_word.unpack(word)
        found = known.find_stream(numbers["source"], numbers["aggregation"])
        if found is not None and (numbers["source"] or _begins_well(path, found.name, known)):
            return known, found.name
    return formats[0], None


def _first_bytes(path: str, size: int) -> bytes | None:
    """The first bytes of a file, after its compression; None where there are not as many."""
    view = memoryview(bytearray(size))
    done = 0
    if size:
        with closing(Source(path)) as source:
            while done < size and (count := source.readinto(view[done:])):
                done += count
    return bytes(view) if done == size and size else None


def _begins_well(path: str, stream: str, format: Format) -> bool:
    """Whether a file can be read as a stream, as far as TRIED, and breaks no rule of severity
    error."""
    found = 0
    try:
        with EventStream(path, stream, format=format, warn=False) as opened:
            checker = Checker(opened.header, ("error",))
            for chunk in opened.chunks():
                columns = chunk.columns
                found += len(columns.block[0])
                if any(checker.broken(columns, chunk.continues, chunk.is_open)):
                    return False
                checker.remember()
                if opened.offset > TRIED:
                    break
    except EvstreamError:
        return False
    return found > 0
