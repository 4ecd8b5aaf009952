"""How much memory a Parquet or Arrow file may ask for, found out before any of it is given.

Both formats say in small headers how large the next piece is once it is expanded, and their
libraries take as much memory at once, whatever the size of the file. Here only those headers are
read: a footer by its length, the pages of Parquet by their headers (Thrift), the batches of Arrow
by their messages (Flatbuffers) and the sizes before their compressed buffers. A header that cannot
be followed is refused, so that what is measured is what the library reads.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from evstream.errors import TableError

MAX_BATCH = 1 << 30
"""Bytes of a batch, or of the pages of all columns that are open at once, when expanded."""

MAX_METADATA = 1 << 26
"""Bytes of a footer, a schema or the metadata of a batch."""

_MESSAGE_HEADERS = {"dictionary": 2, "batch": 3}
_WIDEST = 8  # bytes of a number


class BatchGuard:
    """The limits of one file. Raises TableError where the file asks for more."""

    def __init__(self, source: str, max_batch: int, max_metadata: int) -> None:
        self._source, self._max_batch, self._max_metadata = source, max_batch, max_metadata

    def check_parquet_footer(self, file: Any) -> None:
        self._check_footer(file, 4)

    def check_parquet_pages(self, file: Any, metadata: Any) -> None:
        """The pages of a file whose footer was read."""
        for group in range(metadata.num_row_groups):
            row_group = metadata.row_group(group)
            largest = 0
            for number in range(row_group.num_columns):
                column = row_group.column(number)
                starts = [column.data_page_offset]
                if column.has_dictionary_page and column.dictionary_page_offset:
                    starts.append(column.dictionary_page_offset)
                largest += self._largest_page(file, min(starts), column.total_compressed_size)
                self._refuse(largest, self._max_batch, f"pages of row group {group}", "max_batch")
        file.seek(0)

    def _largest_page(self, file: Any, at: int, size: int) -> int:
        end = min(at + size, _size(file))
        largest = 0
        while at < end:
            header = _page_header(file, at) if at >= 0 else None
            if header is None or min(header) < 0:
                raise self._broken("Parquet", f"a page header at byte {at}")
            length, expanded, compressed = header
            largest = max(largest, expanded)
            at += length + compressed
        return largest

    def check_arrow(self, file: Any, *, is_file: bool) -> None:
        """All batches of an IPC file by its footer, or of an IPC stream one after the other."""
        try:
            if is_file:
                footer = self._check_footer(file, 6)
                for offset in _blocks(footer):
                    self._check_message(file, offset)
            else:
                at: int | None = 0
                while at is not None:
                    at = self._check_message(file, at)
        except (struct.error, IndexError):
            raise self._broken("Arrow", "the header of a batch") from None
        file.seek(0)

    def _check_footer(self, file: Any, magic: int) -> bytes:
        """The footer, which stands before its length and the magic at the end."""
        end = _size(file)
        tail = _read(file, max(end - magic - 4, 0), 4)
        length = struct.unpack("<i", tail)[0] if len(tail) == 4 else 0
        footer = b""
        if 0 < length <= end - magic - 4:  # otherwise the library says what is wrong
            self._refuse(length, self._max_metadata, "a footer", "max_metadata")
            footer = _read(file, end - magic - 4 - length, length)
        file.seek(0)
        return footer

    def _check_message(self, file: Any, at: int) -> int | None:
        """Where the next message is, None after the last one."""
        start = _read(file, at, 8)
        if len(start) < 4:
            return None
        first, second = struct.unpack("<ii", start.ljust(8, b"\0"))
        length, prefix = (second, 8) if first == -1 else (first, 4)
        if length == 0:
            return None
        self._refuse(length, self._max_metadata, "the metadata of a batch", "max_metadata")
        data = _read(file, at + prefix, length)
        message = _Table.root(data)
        body = message.number(3, "<q", 0)
        self._refuse(body, self._max_batch, "a batch", "max_batch")
        kind, header = message.number(1, "<B", 0), message.table(2)
        if kind == _MESSAGE_HEADERS["dictionary"] and header is not None:
            header = header.table(1)
        if kind in _MESSAGE_HEADERS.values() and header is not None:
            rows = header.number(0, "<q", 0)
            self._refuse(rows * _WIDEST, self._max_batch, f"a batch of {rows:,} rows", "max_batch")
            if header.table(3) is not None:
                self._check_buffers(file, at + prefix + length, header)
        return int(at + prefix + length + body)

    def _check_buffers(self, file: Any, body: int, batch: _Table) -> None:
        """Each compressed buffer begins with its expanded size, -1 where it is not compressed."""
        total = 0
        for offset, length in batch.structs(2, "<qq"):
            size = length
            if length > 0:
                size = struct.unpack("<q", _read(file, body + offset, 8))[0]
            total += length if size == -1 else size
            self._refuse(size if size != -1 else 0, self._max_batch, "a batch", "max_batch")
        self._refuse(total, self._max_batch, "a batch", "max_batch")

    def _refuse(self, size: int, limit: int, what: str, option: str) -> None:
        if size < 0:
            raise self._broken("Parquet or Arrow", f"the size of {what}")
        if size > limit:
            raise TableError(
                f"{what} asks for {size:,} bytes", source=self._source,
                expected=f"{limit:,} or less ({option} allows more)",
            )  # fmt: skip

    def _broken(self, kind: str, what: str) -> TableError:
        return TableError(f"not a valid {kind} file: {what} is broken", source=self._source)


class _Table:
    """A table of Flatbuffers: fields by number, found through a table of offsets."""

    def __init__(self, data: bytes, at: int) -> None:
        if not 0 <= at <= len(data) - 4:
            raise IndexError(at)
        self._data, self._at = data, at

    @classmethod
    def root(cls, data: bytes) -> _Table:
        return cls(data, struct.unpack_from("<I", data)[0])

    def _field(self, number: int) -> int | None:
        offsets = self._at - struct.unpack_from("<i", self._data, self._at)[0]
        if offsets < 0:
            raise IndexError(offsets)
        size = struct.unpack_from("<H", self._data, offsets)[0]
        if 4 + 2 * number + 2 > size:
            return None
        offset = struct.unpack_from("<H", self._data, offsets + 4 + 2 * number)[0]
        return self._at + offset if offset else None

    def number(self, field: int, form: str, default: int) -> int:
        at = self._field(field)
        return default if at is None else int(struct.unpack_from(form, self._data, at)[0])

    def table(self, field: int) -> _Table | None:
        at = self._field(field)
        if at is None:
            return None
        return _Table(self._data, at + struct.unpack_from("<I", self._data, at)[0])

    def structs(self, field: int, form: str) -> Iterator[tuple[int, ...]]:
        at = self._field(field)
        if at is None:
            return
        at += struct.unpack_from("<I", self._data, at)[0]
        count = struct.unpack_from("<I", self._data, at)[0]
        for i in range(count):
            yield struct.unpack_from(form, self._data, at + 4 + i * struct.calcsize(form))


def _blocks(footer: bytes) -> Iterator[int]:
    """Where the dictionaries and batches of an IPC file are; their sizes stand there again."""
    if not footer:
        return
    table = _Table.root(footer)
    for field in (2, 3):
        for offset, _, _ in table.structs(field, "<qi4xq"):
            yield offset


def _page_header(file: Any, at: int) -> tuple[int, int, int] | None:
    """(its length, expanded size, compressed size) of the page there; None for a broken one."""
    for size in (1 << 9, 1 << 16, 1 << 20):
        data = _read(file, at, size)
        try:
            end, numbers = _struct(data, 0, 0)
        except IndexError:
            if len(data) < size:
                return None
            continue
        except ValueError:
            return None
        if 2 not in numbers or 3 not in numbers:
            return None
        return end, numbers[2], numbers[3]
    return None


def _struct(data: bytes, at: int, depth: int) -> tuple[int, dict[int, int]]:
    """(end, integer fields) of a struct in the compact protocol of Thrift."""
    if depth > 8:
        raise ValueError("too deep")
    numbers: dict[int, int] = {}
    field = 0
    while True:
        head = data[at]
        at += 1
        if head == 0:
            return at, numbers
        if head >> 4:
            field += head >> 4
        else:
            field, at = _integer(data, at)
        if head & 15 in _INTEGERS:
            numbers[field], at = _integer(data, at)
        else:
            at = _skipped(data, at, head & 15, depth)


_INTEGERS = (4, 5, 6)
_FIXED = {1: 0, 2: 0, 3: 1, 7: 8}  # type -> bytes; booleans are in the head of their field


def _skipped(data: bytes, at: int, kind: int, depth: int) -> int:
    """The end of a value that is of no interest."""
    if kind in _FIXED:
        return at + _FIXED[kind]
    if kind in _INTEGERS:
        return _integer(data, at)[1]
    if kind == 8:
        length, at = _varint(data, at)
        return at + length
    if kind in (9, 10):
        count, of = data[at] >> 4, data[at] & 15
        at += 1
        if count == 15:
            count, at = _varint(data, at)
        for _ in range(min(count, len(data))):
            at = at + 1 if of in (1, 2) else _skipped(data, at, of, depth + 1)
        return at
    if kind == 12:
        return _struct(data, at, depth + 1)[0]
    raise ValueError(f"type {kind}")


def _integer(data: bytes, at: int) -> tuple[int, int]:
    number, at = _varint(data, at)
    return (number >> 1) ^ -(number & 1), at


def _varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while shift < 70:
        byte = data[at]
        number |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return number, at
    raise ValueError("a number of more than ten bytes")


def _size(file: Any) -> int:
    return int(file.seek(0, 2))


def _read(file: Any, at: int, size: int) -> bytes:
    if not 0 <= at <= _size(file):
        raise IndexError(at)
    file.seek(at)
    return bytes(file.read(size))
