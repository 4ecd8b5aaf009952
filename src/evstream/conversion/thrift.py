"""Structs in the compact protocol of Thrift, which the metadata of Parquet files are.

A struct is a dict of its fields: number -> (type, value). A list is (type, items), a struct in a
list or field is a dict, text is bytes. What is read and written again is the same bytes, so that
fields that nobody here knows stay as they are. It reads what pyarrow has just written;
`batch_guard` is for files of others.
"""

from __future__ import annotations

import struct
from typing import Any

TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(1, 13)

Struct = dict[int, tuple[int, Any]]

_SHORT = 15
"""A list of more items, or a field further on, has a number of its own."""


def read_struct(data: bytes, at: int = 0) -> tuple[Struct, int]:
    """(the struct at a place, its end)."""
    fields: Struct = {}
    number = 0
    while head := data[at]:
        at += 1
        if head >> 4:
            number += head >> 4
        else:
            number, at = _read_integer(data, at)
        value, at = _read(data, at, head & 15)
        fields[number] = head & 15, value
    return fields, at + 1


def write_struct(fields: Struct) -> bytes:
    """The bytes of a struct."""
    out = bytearray()
    before = 0
    for number, (kind, value) in sorted(fields.items()):
        step = number - before
        if 0 < step <= _SHORT:
            out.append(step << 4 | kind)
        else:
            out.append(kind)
            out += _integer(number)
        out += _bytes(kind, value)
        before = number
    out.append(0)
    return bytes(out)


def _read(data: bytes, at: int, kind: int) -> tuple[Any, int]:  # noqa: PLR0911 (one for each type)
    if kind in (TRUE, FALSE):
        return kind == TRUE, at
    if kind == BYTE:
        return data[at], at + 1
    if kind in (I16, I32, I64):
        return _read_integer(data, at)
    if kind == DOUBLE:
        return struct.unpack_from("<d", data, at)[0], at + 8
    if kind == BINARY:
        size, at = _read_varint(data, at)
        return data[at : at + size], at + size
    if kind in (LIST, SET):
        count, of = data[at] >> 4, data[at] & 15
        at += 1
        if count == _SHORT:
            count, at = _read_varint(data, at)
        items = []
        for _ in range(count):
            if of in (TRUE, FALSE):  # in a list each is a byte
                item, at = data[at], at + 1
            else:
                item, at = _read(data, at, of)
            items.append(item)
        return (of, items), at
    if kind == STRUCT:
        return read_struct(data, at)
    raise ValueError(f"Thrift type {kind}")


def _bytes(kind: int, value: Any) -> bytes:  # noqa: PLR0911 (one for each type)
    if kind in (TRUE, FALSE):
        return b""
    if kind == BYTE:
        return bytes([value])
    if kind in (I16, I32, I64):
        return _integer(value)
    if kind == DOUBLE:
        return struct.pack("<d", value)
    if kind == BINARY:
        return varint(len(value)) + bytes(value)
    if kind in (LIST, SET):
        of, items = value
        head = bytes([len(items) << 4 | of]) if len(items) < _SHORT else (
            bytes([_SHORT << 4 | of]) + varint(len(items))
        )  # fmt: skip
        if of in (TRUE, FALSE):
            return head + bytes(items)
        return head + b"".join(_bytes(of, item) for item in items)
    return write_struct(value)


def varint(number: int) -> bytes:
    """A number of 0 or more, seven bits to a byte."""
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def _integer(number: int) -> bytes:
    return varint(number << 1 if number >= 0 else (-number << 1) - 1)


def _read_integer(data: bytes, at: int) -> tuple[int, int]:
    number, at = _read_varint(data, at)
    return (number >> 1) ^ -(number & 1), at


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[at]
        number |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return number, at
