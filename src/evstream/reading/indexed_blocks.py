"""Files whose blocks an index file places: read as a stream of whole blocks.

Some files have the entries of blocks alone, one block after the other and maybe each compressed; a
file beside it lists the ids of the blocks, and where the entries of each are. What reads streams
gets what the two say together: the header of the file, then each block with its own header, in the
order of the list. So nothing below has to know of the second file; a place in such a stream is
named by the file, the byte and the ids.

Nothing is read before the list is known to fit the file: entries inside of it, whole, and of one
block alone. Bytes of the file that no block has are a SuspectWarning, or an error where strict.
"""

from __future__ import annotations

import io
import os
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from evstream._support.format import Format
from evstream.errors import (
    ChangedSourceError,
    CorruptStreamError,
    EvstreamError,
    SuspectWarning,
    TruncatedStreamError,
    plain_id,
    warn,
)
from evstream.reading.block_places import BlockPlaces
from evstream.reading.index_files import (
    index_file_of,
    is_packed_name,
    is_path,
    is_placed,
    laid_out,
    refuse_placed,
)
from evstream.transport.compression import may_be_compressed
from evstream.transport.range_file import shown
from evstream.transport.source import Source
from evstream.wire.columns import Array, ids_at
from evstream.wire.header import StreamHeader
from evstream.wire.header_bytes import read_header

EXPANDED_SIZE = "expanded_size"
ORIGINAL_SIZE = "original_size"
"""Words of the spec language: the size of the entries before compression; the original size is 0 if
there is none."""

_ZLIB = 0x78
"""The first byte of what zlib compresses."""


def open_blocks(
    source: Any,
    format: Format,
    stream: str,
    widths: Mapping[str, str] | None = None,
    *,
    strict: bool,
) -> JoinedSource:
    """The stream that a file and its index file make.

    Raises OSError where a file is missing, CorruptStreamError and TruncatedStreamError where the
    two do not fit, EvstreamError for a source that has no file beside it, and what reading the
    header of the file raises.
    """
    if not is_path(source):
        raise EvstreamError(
            f"the index file of a {stream} file lies beside it, and this is not a path",
            source=str(getattr(source, "name", source)), expected="a path",
        )  # fmt: skip
    name = shown(os.fspath(source))
    with open(source, "rb", 0) as file:
        header = read_header(file.read, name, stream, widths, format)
    return JoinedSource(_Blocks(source, header, strict), header)


def open_source(
    source: Any,
    format: Format,
    stream: str | None,
    *,
    widths: Mapping[str, str] | None = None,
    strict: bool,
    timeout: float | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> tuple[Source, str | None]:
    """The bytes of a stream, of one file or two, and its type, which a file beside it may say."""
    if isinstance(source, Source):
        if not isinstance(source, JoinedSource):
            refuse_placed(format, stream, "one file", source.name)
        return source, stream
    stream = laid_out(format, stream, source)
    if is_placed(format, stream):
        return open_blocks(source, format, str(stream), widths, strict=strict), stream
    bare = stream is not None and format.stream(stream).type_word is None
    expand = may_be_compressed(source, bare)
    opened = Source(source, expand=expand, timeout=timeout, storage_options=storage_options)
    return opened, stream


class JoinedSource(Source):
    """A source whose bytes are made of a file and the index file beside it.

    Attributes:
        header: of the stream.
        places: where in the two files the bytes of the stream are.
    """

    def __init__(self, blocks: _Blocks, header: StreamHeader) -> None:
        super().__init__(blocks, expand=False)
        self.name, self.header = blocks.name, header
        self.places = blocks.places
        self._close = blocks.close


class _Blocks(io.RawIOBase):
    """The bytes of the stream, as a file object.

    The list is read whole, the entries a block at a time.
    """

    def __init__(self, source: Any, header: StreamHeader, strict: bool) -> None:
        self._header = header
        self.name = shown(os.fspath(source))
        self._index_name = index_file_of(source)
        self._entry_size = header.entry_size
        self._file = open(source, "rb", 0)  # noqa: SIM115 (`close` closes it)
        try:
            self._state = os.fstat(self._file.fileno())
            self._rows = self._placed(strict)
            self.places = BlockPlaces(
                header, self.name, self._index_name, self._rows, self._state.st_size
            )
            self._is_packed = self.places.is_packed = self._has_packed_blocks(source)
        except BaseException:
            self._file.close()
            raise
        self._pieces = self._all_pieces()
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, view: Any) -> int:
        target = memoryview(view).cast("B")
        while not self._rest:
            try:
                piece = next(self._pieces, None)
            except EvstreamError as error:
                self.places.error = error
                raise
            if piece is None:
                return 0
            self._rest = memoryview(piece)
        size = min(len(target), len(self._rest))
        target[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()

    def _placed(self, strict: bool) -> Array:
        """The records of the index file: the first of the lists that it may be which fits the file,
        or the error of the first."""
        with open(self._index_name, "rb") as file:
            data = file.read()
        first: EvstreamError | None = None
        for name in self._header.spec.index_file:
            index = StreamHeader(name, {}, self._header.widths, self._header.format)
            try:
                return self._checked(index, data, strict)
            except EvstreamError as error:
                first = first or error
        assert first is not None
        raise first

    def _checked(self, index: StreamHeader, data: bytes, strict: bool) -> Array:
        dtype = index.block_dtype
        if rest := len(data) % dtype.itemsize:
            at = len(data) - rest
            raise TruncatedStreamError(
                f"the stream ends inside record {index.block.header}, after {rest} of its "
                f"{dtype.itemsize} bytes", source=self._index_name, offset=at,
                expected="whole records",
            )  # fmt: skip
        rows: Array = np.frombuffer(data, dtype)
        start, end = self._header.size, self._state.st_size
        offsets, sizes = rows["offset"], rows["size"]
        self._refuse(
            index, rows, "offset", (offsets < start) | (offsets > end), f"{start} to {end}"
        )
        wrong = (sizes < 0) | (sizes > end - offsets)
        self._refuse(index, rows, "size", wrong, "bytes up to the end of the file")
        order = np.argsort(offsets, kind="stable")
        order = order[sizes[order] > 0]
        ends = offsets[order] + sizes[order]
        shared = np.zeros(len(rows), bool)
        shared[order[1:]] = offsets[order[1:]] < ends[:-1]
        self._refuse(index, rows, "offset", shared, "bytes that no other block has")
        covered = int(sizes.sum())
        if (name := _size_field(rows)) is not None:
            wrong = (rows[name] < 0) | (rows[name] % self._entry_size != 0)
            expected = f"whole records of {self._entry_size} bytes"
            self._refuse(index, rows, name, wrong, expected)
        if covered != end - start:
            problem = f"{end - start - covered} bytes belong to no block of {self._index_name}"
            if strict:
                raise CorruptStreamError(
                    problem, source=self.name, offset=self._first_gap(offsets, sizes),
                    expected="the index file of this file",
                )  # fmt: skip
            warn(problem, SuspectWarning, source=self.name)
        return rows

    def _first_gap(self, offsets: Array, sizes: Array) -> int:
        at = self._header.size
        for i in np.argsort(offsets, kind="stable"):
            if int(offsets[i]) > at:
                break
            at = max(at, int(offsets[i] + sizes[i]))
        return at

    def _refuse(
        self, index: StreamHeader, rows: Array, field: str, wrong: Array, expected: str
    ) -> None:
        if wrong.any():
            at = int(np.argmax(wrong))
            dtype: Any = index.block_dtype
            raise CorruptStreamError(
                f"{field} is {rows[field][at]}", source=self._index_name,
                offset=at * dtype.itemsize + int(dtype.fields[field][1]),
                ids=self._ids(rows, at), expected=expected,
            )  # fmt: skip

    def _ids(self, rows: Array, at: int) -> dict[str, Any]:
        columns = [rows[name] for name in self._header.block_columns]
        return {name: plain_id(v) for name, v in ids_at(self._header, columns, at).items()}

    def _has_packed_blocks(self, source: Any) -> bool:
        """Whether blocks are compressed: the name says it, or the first block is such data, which
        has a checksum of its own."""
        if is_packed_name(source):
            return True
        if (name := _size_field(self._rows)) is not None:
            original = self._rows[name]
            return bool(((original != self._rows["size"]) & (original != 0)).any())
        full = np.flatnonzero(self._rows["size"])
        if not len(full):
            return False
        data = self._stored(int(full[0]))
        return data[0] == _ZLIB and _expanded(data) is not None

    def _stored(self, at: int) -> bytes:
        """The bytes of a block as they are in the file."""
        size, offset = int(self._rows["size"][at]), int(self._rows["offset"][at])
        data = os.pread(self._file.fileno(), size, offset)
        now = os.fstat(self._file.fileno())
        same = (now.st_size, now.st_mtime_ns) == (self._state.st_size, self._state.st_mtime_ns)
        if len(data) < size or not same:
            raise ChangedSourceError(
                "the file was changed while it was read", source=self.name, offset=offset
            )
        return data

    def _all_pieces(self) -> Iterator[bytes]:
        """The header, then the blocks."""
        header = self._header
        yield header.to_bytes()
        opened = np.zeros(1, header.block_dtype)
        names = list(header.block_columns)
        for at in range(len(self._rows)):
            data = self._entries(at)
            for name in names:
                opened[name] = self._rows[name][at]
            opened[header.block.count] = len(data) // self._entry_size
            self.places.add(opened.nbytes + len(data))
            yield opened.tobytes() + data

    def _entries(self, at: int) -> bytes:
        """The entries of a block."""
        data = self._stored(at)
        name, offset = _size_field(self._rows), int(self._rows["offset"][at])
        wanted = None if name is None else int(self._rows[name][at])
        if self._is_packed and data:
            expanded = _expanded(data)
            if expanded is None:
                raise CorruptStreamError(
                    "the block is not whole zlib data", source=self.name, offset=offset,
                    ids=self._ids(self._rows, at), expected=f"{len(data)} bytes that zlib wrote",
                )  # fmt: skip
            data = expanded
        elif wanted == 0 and name == ORIGINAL_SIZE:
            wanted = None
        if wanted is not None and len(data) != wanted:
            raise CorruptStreamError(
                f"the block has {len(data)} bytes", source=self.name, offset=offset,
                ids=self._ids(self._rows, at),
                expected=f"{wanted}, as {self._index_name} says",
            )  # fmt: skip
        if len(data) % self._entry_size:
            raise CorruptStreamError(
                f"the block has {len(data)} bytes", source=self.name, offset=offset,
                ids=self._ids(self._rows, at),
                expected=f"whole records of {self._entry_size} bytes",
            )  # fmt: skip
        return data


def _size_field(rows: Array) -> str | None:
    """The field of the size before compression, if the list has one."""
    names = rows.dtype.names or ()
    return next((name for name in (EXPANDED_SIZE, ORIGINAL_SIZE) if name in names), None)


def _expanded(data: bytes) -> bytes | None:
    """What zlib compressed; None for other bytes, and for more or less than one such stream."""
    expander = zlib.decompressobj()
    try:
        expanded = expander.decompress(data)
    except zlib.error:
        return None
    return expanded if expander.eof and not expander.unused_data else None
