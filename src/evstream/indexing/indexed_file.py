"""Read some events of a file by its index, and refuse an index that is stale.

The wanted ranges of whole blocks are read one after the other into one window, as if they were a
stream, and decoded together: a range costs a read, not a decoder. What the index says of each range
is compared with what the kernel found in it: of a run its event, its first block and the event of
the block after it; of a stretch its first block, events and counts, and its checksum if wanted.

Whether there are blocks of these events elsewhere in the file, only the index knows. So the file
must be the one that was indexed. If its tag is the same, it was not written to. If it is the
same file with another tag, it was, and the index is stale. Otherwise it is a copy, or another
file in its place: then the checksums of stretches from all over the file decide.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any, NoReturn

import numpy as np

from evstream._support.checksum import crc32
from evstream.errors import (
    CorruptStreamError,
    EvstreamError,
    StaleIndexError,
    TruncatedStreamError,
)
from evstream.indexing.files import find_index
from evstream.indexing.index import EXPECTED, Index
from evstream.indexing.lookup import Ranges, ranges_of, stretches_of
from evstream.indexing.range_check import RangeCheck, RunCheck, StretchCheck
from evstream.indexing.range_reader import RangeReader
from evstream.reading.decoder import Decoder
from evstream.reading.section import Section
from evstream.reading.stream import EventStream
from evstream.reading.stream_end import report_unclosed
from evstream.reading.window import Window
from evstream.transport.range_file import (
    FileFacts,
    LocalFile,
    RangeFile,
    open_range_file,
    refuse_other_file,
)
from evstream.transport.source import CHUNK
from evstream.wire.columns import Array, Chunk, keep_blocks
from evstream.wire.header import StreamHeader

SAMPLE = 16
"""Stretches of a file that may be a copy whose checksums are compared."""

SAMPLE_BYTES = 1 << 26
"""Bytes of these at most, but for the first stretch."""


class IndexedFile:
    """An open file with its index, which fits it.

    Attributes:
        header: the StreamHeader.
        name: of the file, for messages.
        index: the Index.
    """

    def __init__(
        self,
        path: str,
        index: Index,
        header: StreamHeader,
        storage_options: Mapping[str, Any] | None = None,
        section: Section | None = None,
    ) -> None:
        """`section`: read only blocks that start in it."""
        self.header, self.name, self.index = header, path, index
        self._section = section
        self._file = open_range_file(path, storage_options)
        try:
            if section is not None:
                found = FileFacts(self._file.size, self._file.tag)
                refuse_other_file(section.facts, found, self._file.name)
            refuse_stale(self._file, index, header)
        except BaseException:
            self.close()
            raise

    def chunks(
        self,
        wanted: Array,
        *,
        verify: bool = False,
        strict: bool = False,
        warn: bool = True,
        chunk: int = CHUNK,
    ) -> Iterator[Chunk]:
        """The blocks of some events, given in ascending order, in the order of the file; others
        may be among them. Offsets of chunks do not count what is left out.

        Args:
            verify: compare the checksums of all that is read, which is whole stretches then.
            strict, warn: whether a missing final delimiter, wherever the events are, is an error
                or a warning.
            chunk: bytes to decode at once.

        Raises StaleIndexError where the file is not what the index says, ChangedSourceError if it
        is changed meanwhile.
        """
        section = self._section
        if section is None:
            ranges = ranges_of(self.index, wanted, stretches=verify)
        else:
            ranges = stretches_of(self.index, wanted, section.start, section.stop)
        places = _Places(ranges, self.header.size)
        check = (RunCheck if ranges.are_runs else StretchCheck)(self.index, ranges, places.virtual)
        inside = _Inside(check, places, section)
        window = Window(RangeReader(self._file, self.index, ranges, verify), chunk)
        window.base = self.header.size
        decoder = Decoder(self.header, self.name, strict=self.header.block.entry is not None)
        try:
            while window.fill():
                yield inside.blocks(check.checked(decoder.decode(window)))
                decoder.refuse()
            if window.left:
                yield inside.blocks(check.checked(decoder.decode(window, True)))
                decoder.refuse()
            missing = decoder.finish(window)
            check.finish(is_closed=missing is None)
        except (CorruptStreamError, TruncatedStreamError) as error:
            self._refuse(error, places)
        has_end = section is None or section.is_judged
        if not self.index.closed and has_end and (strict or warn):
            report_unclosed(
                TruncatedStreamError(
                    "the stream ends without the final delimiter",
                    source=self.name, offset=self.index.size,
                ),
                strict,
            )  # fmt: skip

    def _refuse(self, error: EvstreamError, places: _Places) -> NoReturn:
        """Raise StaleIndexError for what was found at an offset of the virtual stream."""
        offset = None if error.offset is None else places.of(error.offset)
        raise StaleIndexError(
            f"the index is stale: {error.problem}", source=self.name, offset=offset,
            ids=error.ids, expected=EXPECTED,
        ) from None  # fmt: skip

    def read(self, stream: EventStream, wanted: Array, chunk: int = CHUNK) -> Iterator[Chunk]:
        """The chunks as `stream` is to be read, then close the file."""
        with closing(self):
            for found in self.chunks(
                wanted, verify=stream.verify, strict=stream.strict, warn=stream.warns, chunk=chunk
            ):
                yield stream.wanted_blocks(found)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> IndexedFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Places:
    """Where the bytes of the ranges, read one after the other, are in the file.

    Attributes:
        virtual: int64, shape (ranges + 1,): where the ranges start, and where the last one ends,
            if nothing lay between them.
    """

    def __init__(self, ranges: Ranges, size: int) -> None:
        self._starts, self._stops = ranges.starts, ranges.stops
        self.virtual = size + np.concatenate([[0], np.cumsum(ranges.stops - ranges.starts)])

    def of(self, offset: int) -> int:
        """The stream offset of a byte, or of the end of what was read."""
        if not len(self._starts):
            return offset
        return int(self.of_all(np.array([offset]))[0])

    def of_all(self, offsets: Array) -> Array:
        """The same of several, where there are ranges."""
        rows = np.maximum(np.searchsorted(self.virtual[:-1], offsets, side="right") - 1, 0)
        found: Array = self._starts[rows] + offsets - self.virtual[rows]
        return found


class _Inside:
    """Which blocks of the ranges start in a section of the file, if only these are wanted."""

    def __init__(self, check: RangeCheck, places: _Places, section: Section | None) -> None:
        self._check, self._places, self._section = check, places, section
        self._is_open_inside = False  # the block that is open

    def blocks(self, chunk: Chunk) -> Chunk:
        """Those of a chunk."""
        section = self._section
        if section is None or not len(chunk.columns.block[0]):
            return chunk
        starts = self._places.of_all(self._check.starts(chunk))
        inside = (starts >= section.start) & (starts < section.stop)
        if chunk.continues:
            inside = np.concatenate([[self._is_open_inside], inside])
        self._is_open_inside = bool(inside[-1])
        return keep_blocks(chunk, inside)


def indexed_file(
    path: str,
    header: StreamHeader,
    storage_options: Mapping[str, Any] | None = None,
    section: Section | None = None,
) -> IndexedFile | None:
    """A file with its index, None if it has none; or a section of the file.

    Raises StaleIndexError for an index that cannot be read or does not fit, OSError.
    """
    index = find_index(path, storage_options, header.format, keep=section is not None)
    return None if index is None else IndexedFile(path, index, header, storage_options, section)


def refuse_stale(file: RangeFile, index: Index, header: StreamHeader) -> None:
    """Raise StaleIndexError if the index is not of this file and stream header."""
    problem = _difference(file, index, header)
    if problem is not None:
        raise StaleIndexError(f"the index is stale: {problem}", source=file.name, expected=EXPECTED)
    if file.tag == index.tag:
        return
    inode, dash, _ = index.tag.partition("-")
    if isinstance(file, LocalFile) and dash and inode == file.tag.partition("-")[0]:
        raise StaleIndexError(
            "the index is stale: the file was written to since it was indexed", source=file.name,
            expected=EXPECTED,
        )  # fmt: skip
    for row in _sample(index):
        _verify(file, index, row)


def _difference(file: RangeFile, index: Index, header: StreamHeader) -> str | None:
    if file.size != index.size:
        return f"the file has {file.size} bytes, not {index.size}"
    theirs = index.header
    if (theirs.stream, dict(theirs.values)) != (header.stream, dict(header.values)):
        return f"the stream header is {header.stream} {dict(header.values)}"
    if theirs.used_widths != header.used_widths:
        return f"the widths are {header.used_widths}, not {theirs.used_widths}"
    found = bytearray(header.size)
    file.read_at(0, memoryview(found))
    return None if found == header.to_bytes() else "the file has another stream header"


def _sample(index: Index) -> Iterator[int]:
    """Numbers of stretches from all over the file, the last one first."""
    sizes = np.diff(index.bounds())
    rows = np.unique(np.linspace(0, len(sizes) - 1, SAMPLE).astype(int)) if len(sizes) else ()
    left = SAMPLE_BYTES
    for number, row in enumerate(reversed(rows)):
        if number == 0 or sizes[row] <= left:
            left -= int(sizes[row])
            yield int(row)


def _verify(file: RangeFile, index: Index, row: int) -> None:
    """Raise StaleIndexError if the checksum of a stretch is wrong."""
    at, stop = index.bounds()[row : row + 2].tolist()
    start, checksum = at, 0
    buffer = memoryview(bytearray(min(CHUNK, stop - at)))
    while at < stop:
        piece = buffer[: stop - at]
        file.read_at(at, piece)
        checksum = crc32(piece, checksum)
        at += len(piece)
    if checksum != index.stretches.checksum[row]:
        raise StaleIndexError(
            "the index is stale: the bytes here are not those that were indexed",
            source=file.name, offset=start, expected=EXPECTED,
        )  # fmt: skip
