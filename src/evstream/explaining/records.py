"""Bytes as the fields that they are, in plain Python: the same for a good stream and a broken one.

A record is taken field by field. What is left at the end of the bytes is shown as far as it goes,
so that a cut is seen where it is.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from evstream._support.schema import Field
from evstream.wire.columns import plain
from evstream.wire.header import StreamHeader

TYPE_WORD = "type word"
CLOSES = "closes the block"


@dataclass(frozen=True)
class Line:
    """The bytes of one field.

    Attributes:
        offset: of the first byte in the stream.
        data: the bytes, fewer than the field has where the stream ends in it.
        record: name of the record; "delimiter" for the record that closes a block.
        begins: whether this is the first field of the record.
        field: name of the field; "" for bytes of no field.
        value: None for a field that is cut.
        text: the value as the shortest text that reads back at its width.
        meaning: what this value stands for, e.g. of a special sidx; "" for most.
        doc: what the field is.
        problems: what is wrong here, each in one line.
    """

    offset: int
    data: bytes
    record: str
    field: str
    begins: bool = False
    value: Any = None
    text: str = ""
    meaning: str = ""
    doc: str = ""
    problems: list[str] = dataclasses.field(default_factory=list)


@dataclass(frozen=True)
class Gap:
    """Bytes that are not shown.

    Attributes:
        offset, size: of the bytes.
        text: what they are, e.g. "1,200 entries".
    """

    offset: int
    size: int
    text: str


def header_lines(header: StreamHeader) -> Iterator[Line]:
    """The lines of the type word and the stream header."""
    data = header.to_bytes()
    spec, at = header.spec, 0
    if spec.type_word is not None:
        numbers = header.format.type_word.unpack(spec.type_word)
        for name, size in header.format.type_word.parts:
            meaning = f"a {spec.name} stream" if at == 0 else ""
            number, part = numbers[name], data[at : at + size]
            yield Line(at, part, TYPE_WORD, name, at == 0, number, str(number), meaning)
            at += size
    if spec.header is not None:
        yield from record_lines(header, spec.header, header.header_fields, data, at, at)


def record_lines(
    header: StreamHeader,
    record: str,
    fields: tuple[Field, ...],
    data: bytes,
    at: int,
    offset: int,
    title: str | None = None,
) -> Iterator[Line]:
    """The lines of the record at `data[at:]`, which has this offset in the stream."""
    dtype = header.record_dtype(record)
    for one in fields:
        kind, start = dtype.fields[one.name][:2]  # type: ignore[index]
        part = data[at + start : at + start + kind.itemsize]
        if not part:
            return
        value, text = None, "(cut)"
        if len(part) == kind.itemsize:
            number = np.frombuffer(part, kind)[0]
            value = plain(number)
            text = ascii(value)[1:] if kind.kind == "S" else str(number)
        meaning = CLOSES if title else _meaning(header, one, value)
        yield Line(
            offset + start, part, title or record, one.name, start == 0, value, text, meaning,
            one.doc,
        )  # fmt: skip


def _meaning(header: StreamHeader, one: Field, value: Any) -> str:
    if one.name == header.sidx:
        return next((s.doc for s in header.spec.specials if s.sidx == value), "")
    return ""


def raw_lines(data: bytes) -> Iterator[Line]:
    """Eight bytes a line, as the bytes of no record."""
    for at in range(0, len(data), 8):
        part = data[at : at + 8]
        yield Line(at, part, "", "", text=ascii(part)[1:])


def block_lines(
    header: StreamHeader, data: bytes, offset: int, skip: int = 0
) -> Iterator[Line | Gap]:
    """The lines of the blocks in `data`, which begins with a block header at `offset`.

    Args:
        skip: leave out so many entries of the first block; `data` does not have them.
    """
    at = 0
    while at < len(data):
        start = at
        yield from record_lines(
            header, header.block.header, header.block_fields, data, at, offset + at
        )
        at += header.block_dtype.itemsize
        if skip:
            size = skip * header.entry_size
            yield Gap(offset + at, size, f"{skip:,} entries")
            offset += size
        at = yield from _entries(header, data, at, offset, _count(header, data, start), skip)
        skip = 0


def _count(header: StreamHeader, data: bytes, at: int) -> int | None:
    """The number of entries that a block header names; None where a delimiter ends them."""
    name, dtype = header.block.count, header.block_dtype
    if header.block.entry is None:
        return 0
    if name is None or at + dtype.itemsize > len(data):
        return None
    return max(int(np.frombuffer(data, dtype, 1, at)[0][name]), 0)


def _entries(
    header: StreamHeader, data: bytes, at: int, offset: int, count: int | None, taken: int
) -> Generator[Line, None, int]:
    """The lines of the entries at `data[at:]` and of what closes them; returns where they end."""
    entry = header.block.entry
    while at < len(data) and (count is None or taken < count):
        assert entry is not None
        fields = header.format.fields[entry]
        closes = _is_delimiter(header, data, at)
        title = header.block.delimiter if closes else None
        yield from record_lines(header, entry, fields, data, at, offset + at, title)
        at += header.entry_size
        taken += 1
        if closes:
            break
    return at


def _is_delimiter(header: StreamHeader, data: bytes, at: int) -> bool:
    match, dtype = header.block.match, header.entry_dtype
    if match is None or dtype is None or at + dtype.itemsize > len(data):
        return False
    name, value = match
    return bool(np.frombuffer(data, dtype, 1, at)[0][name] == value)
