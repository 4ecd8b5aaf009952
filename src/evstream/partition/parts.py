"""`evstream.parts`: plan the parts of many files by their sizes, without opening them."""

from __future__ import annotations

import importlib
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, overload

import numpy as np

from evstream._support.arguments import (
    byte_size,
    checked_path,
    described,
    refuse_other_options,
)
from evstream._support.format import Format
from evstream._support.known_formats import find_format, formats_beside
from evstream.indexing.files import find_index, index_path
from evstream.partition.cuts import self_splitting
from evstream.partition.part import BLOCKS, EVENTS, Part
from evstream.reading.dataset import is_several, sources_of
from evstream.reading.first_bytes import OPENING, refuse_content
from evstream.reading.ids import Ids, wanted_of
from evstream.reading.index_files import laid_out, refuse_placed
from evstream.reading.record_variants import FIRST, fitting_variant, has_variants
from evstream.transport import watching
from evstream.transport.compression import compression_by_name, may_be_compressed
from evstream.transport.endpoints import SourcesLike
from evstream.transport.file_objects import read_fully
from evstream.transport.range_file import FileFacts, is_url, local_facts, local_path, shown
from evstream.transport.source import Source
from evstream.wire.header import StreamHeader
from evstream.wire.header_bytes import read_header

SIZE = "256 MiB"
"""Bytes of a part: a second or two of work, and small compared with the memory of a worker."""


class Parts(Sequence[Part]):
    """The parts of several files, in order; each is made when it is asked for.

    Attributes:
        header: the stream header of the first file, which all must have.
        files: paths, URLs, or names of pipes.
    """

    def __init__(
        self,
        header: StreamHeader,
        files: Sequence[Any],
        facts: Sequence[FileFacts],
        size: int,
        whole: str,
        events: Sequence[Any] | None = None,
        storage_options: Mapping[str, Any] | None = None,
        like: str = "",
        indexed: Sequence[int] = (),
    ) -> None:
        self.header, self._sources, self._size, self._whole = header, files, size, whole
        self._events, self._options, self._like = events, storage_options, like
        self._tags = [tag for _, tag in facts]
        self._sizes = np.array([found.size for found in facts], np.int64)
        cuts = np.maximum(-(-self._sizes // size), 1)
        self._indexed = frozenset(indexed)
        if not self_splitting(header):
            cuts[[n for n in range(len(cuts)) if n not in self._indexed]] = 1
        for number, file in enumerate(files):
            if compression_by_name(file) is not None:
                cuts[number] = 1
        self._last = np.cumsum(cuts)

    @property
    def files(self) -> list[str]:
        return [_name_of(source) for source in self._sources]

    @property
    def sizes(self) -> list[int]:
        """Bytes of each file; -1 for a pipe."""
        return [int(size) for size in self._sizes]

    @property
    def counts(self) -> list[int]:
        """Number of parts of each file."""
        counts: list[int] = np.diff(self._last, prepend=0).tolist()
        return counts

    @property
    def part_size(self) -> int:
        """Bytes of a part."""
        return self._size

    @property
    def size(self) -> int | None:
        """Bytes of all files; None with a pipe among them."""
        return int(self._sizes.sum()) if (self._sizes >= 0).all() else None

    def __len__(self) -> int:
        return int(self._last[-1])

    @overload
    def __getitem__(self, index: int) -> Part: ...
    @overload
    def __getitem__(self, index: slice) -> list[Part]: ...

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        number = range(len(self))[index]
        file = int(np.searchsorted(self._last, number, side="right"))
        first = int(self._last[file - 1]) if file else 0
        is_last = number + 1 == self._last[file]
        source, size = self._sources[file], int(self._sizes[file])
        start = (number - first) * self._size
        return Part(
            _name_of(source), start, size if is_last else start + self._size, size,
            self._tags[file], self.header, self._whole, self._events, self._like, self._options,
            None if isinstance(source, str) else source, file in self._indexed,
        )  # fmt: skip

    def __iter__(self) -> Iterator[Part]:
        return (self[number] for number in range(len(self)))

    def __repr__(self) -> str:
        return f"<{len(self)} parts of {len(self._sources)} files>"


def parts(
    sources: SourcesLike,
    size: int | str = SIZE,
    *,
    whole: str = BLOCKS,
    events: Ids = None,
    index: str | None = "auto",
    storage_options: Mapping[str, Any] | None = None,
    stream: str | None = None,
    widths: Mapping[str, str] | None = None,
    format: Format | None = None,
) -> Parts:
    """Plan how one or many files are read in parts.

    Each block of the files is in exactly one part. Only the first file is opened, for the stream
    header; the parts find their first and last blocks when they are opened, wherever that is.

    Args:
        sources: a path, a pattern ("out/*.bin"), a folder, a URL, or a list of these.
        size: bytes of a part, as a number or as text ("256 MiB", "1 GB").
        whole: "block", or "event" where an event must not be divided between two parts. An event
            that is far larger than `size` stays whole, with a LargeEventWarning.
        events: only these event ids; a number or several.
        index: "auto" uses the index of a file where there is one and the layout of the stream
            needs it; None uses none.
        storage_options: of the store of URLs, see docs/scale.md. They go with the parts to the
            workers; credentials of the environment do not.
        stream, widths, format: as for evstream.open.

    Loss and ground-up streams whose ids and values have the same width, and lists of event ids,
    can be cut at any size. Of the other streams, of compressed files and of pipes, a file without
    an index is one part.

    Raises:
        OSError: a file does not exist; StreamHeaderError: the first one is not a stream.
        ValueError: `size`, `whole` or `index` is not one of the above.
    """
    if not isinstance(whole, str) or whole not in (BLOCKS, EVENTS):
        raise ValueError(f"whole is {described(whole)}, expected {BLOCKS!r} or {EVENTS!r}")
    if index is not None and (not isinstance(index, str) or index != "auto"):
        raise ValueError(f"index is {described(index)}, expected 'auto' or None")
    refuse_other_options(storage_options)
    number = byte_size("size", size)
    if isinstance(sources, Parts):
        raise TypeError("these are parts already")
    known: dict[str, FileFacts] = {}
    files = [_path(sources)]
    if is_several(sources):
        files = list(sources_of(sources, storage_options, known))
    urls = [file for file in files if is_url(file) and file not in known]
    if urls:
        remote = importlib.import_module("evstream.transport.remote")
        known |= remote.object_facts(urls, storage_options)
    facts = [known[file] if is_url(file) else _facts_of(file) for file in files]
    watching.expect_sizes(zip(files, (found.size for found in facts), strict=True))
    first = next((at for at, found in enumerate(facts) if found.size >= 0), 0)
    header, files[first] = _header(files[first], stream, widths, format, storage_options)
    chosen = wanted_of("events", events, header.block_columns[header.event_column])
    wanted = None if chosen is None else chosen.plain()
    uses_index = index is not None and not self_splitting(header)
    indexed = [
        n for n, file in enumerate(files) if uses_index and _has_index(file, storage_options)
    ]
    like = _name_of(files[first])
    return Parts(header, files, facts, number, whole, wanted, storage_options, like, indexed)


def _has_index(file: Any, storage_options: Mapping[str, Any] | None) -> bool:
    """Whether there is an index next to a file; it is read by the parts."""
    if not isinstance(file, str) or compression_by_name(file) is not None:
        return False
    if is_url(file):
        return find_index(file, storage_options) is not None
    return os.path.lexists(index_path(file))


def _path(source: Any) -> Any:
    return local_path(checked_path(source) if isinstance(source, (str, os.PathLike)) else source)


def _facts_of(source: Any) -> FileFacts:
    """Size and tag; a size of -1 for what can be read only once."""
    if not isinstance(source, (str, os.PathLike)) or source == "-":
        return FileFacts(-1, "")
    if stat.S_ISREG(os.stat(source).st_mode):
        return local_facts(os.fspath(source))
    return FileFacts(-1, "")


def _header(
    source: Any,
    stream: str | None,
    widths: Mapping[str, str] | None,
    format: Format | None,
    storage_options: Mapping[str, Any] | None,
) -> tuple[StreamHeader, Any]:
    """The stream header of a file; and the file, or in place of a pipe what can still be read."""
    guessed = formats_beside(format) if stream is None else ()
    format, stream = find_format(format, stream, source)
    stream = laid_out(format, stream, source)
    refuse_placed(format, stream, "parts", shown(str(source)))
    bare = stream is not None and format.stream(stream).type_word is None
    expands = may_be_compressed(source, bare)
    opened = Source(source, expand=expands, storage_options=storage_options)
    taken = bytearray()

    def read(size: int) -> bytes:
        data = read_fully(opened.readinto, size)
        taken.extend(data)
        return data

    try:
        header = read_header(read, opened.name, stream, widths, format)
        if guessed and header.spec.type_word is None:
            first = read(max(OPENING, *(known.type_word.size for known in guessed)))
            refuse_content(first, header, guessed, opened.name)
        if has_variants(header):
            read(FIRST)
            size = opened.content_size if len(taken) >= FIRST else len(taken)
            header = fitting_variant(header, bytes(taken), size)
    except BaseException:
        opened.close()
        raise
    if isinstance(source, str) and (is_url(source) or os.path.isfile(source)):
        opened.close()
        return header, source
    return header, _Begun(opened, bytes(taken))


class _Begun:
    """A source whose first bytes were read."""

    def __init__(self, source: Source, taken: bytes) -> None:
        self.name, self._source, self._taken = source.name, source, taken

    def readinto(self, view: memoryview) -> int:
        if not self._taken:
            got = self._source.readinto(view) if view else 0
            if not got:
                self._source.close()
            return got
        size = min(len(view), len(self._taken))
        view[:size], self._taken = self._taken[:size], self._taken[size:]
        return size


def _name_of(source: Any) -> str:
    if isinstance(source, str) and source == "-":
        return "<stdin>"
    return source if isinstance(source, str) else str(getattr(source, "name", source))
