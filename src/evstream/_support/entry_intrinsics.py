"""The compiled form of `entries`: vectors of one line, or scalars where fields are not aligned.

A field whose size divides its offset and the size of the entry is taken out of a vector that spans
the whole line. The others, such as a float of eight bytes after an integer of four, and text, are
loaded one by one.
"""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils, config
from numba.extending import intrinsic, overload

from evstream._support.entries import (
    bytes_per_bit,
    copy_entries,
    entries_in_line,
    fill_entries,
    find_marks,
    first_bit,
    is_quiet,
    likely,
    line_of,
    up_to_first,
)
from evstream._support.intrinsics import _address, _number, _size

I32, I64 = ir.IntType(32), ir.IntType(64)
WIDEST = 64
"""Bytes of the largest vector that one store writes."""


class _Entry:
    """The layout of an entry, from the types of its fields.

    Attributes:
        numbers, sizes, offsets: one per field.
        size: bytes of an entry.
        line: entries in a line.
    """

    def __init__(self, entry: Any) -> None:
        self.numbers = [_number(number) for number in entry.types]
        self.sizes = [int(_size(number) or 0) for number in self.numbers]
        self.offsets = [sum(self.sizes[:i]) for i in range(len(self.sizes))]
        self.size = sum(self.sizes)
        self.line = line_of(self.sizes)

    def step(self, index: int) -> int:
        """Bytes from one number of a vector of a field to the next."""
        return self.sizes[index] if self.is_vector(index) else self.size

    def is_vector(self, index: int) -> bool:
        """Whether the field can be taken out of a vector of numbers of its size."""
        size = self.sizes[index]
        is_number = isinstance(self.numbers[index], (types.Integer, types.Float))
        return is_number and self.size % size == 0 and self.offsets[index] % size == 0

    def load_line(self, context: Any, builder: Any, buffer: Any, at: Any, index: int) -> Any:
        """The vector that spans the line at offset `at`."""
        kind = context.get_data_type(self.numbers[index])
        vector = ir.VectorType(kind, self.line * self.size // self.sizes[index])
        value = builder.load(_address(context, builder, buffer[0], buffer[1], at, vector))
        value.align = 1
        return value

    def load_one(
        self, context: Any, builder: Any, buffer: Any, at: Any, index: int, lane: int
    ) -> Any:
        kind = context.get_data_type(self.numbers[index])
        place = _plus(builder, at, lane * self.size + self.offsets[index])
        value = builder.load(_address(context, builder, buffer[0], buffer[1], place, kind))
        value.align = 1
        return value

    def load_field(self, context: Any, builder: Any, buffer: Any, at: Any, index: int) -> Any:
        """A vector of the field in the entries of the line at offset `at`."""
        if self.is_vector(index):
            line = self.load_line(context, builder, buffer, at, index)
            step, first = self.size // self.sizes[index], self.offsets[index] // self.sizes[index]
            return _picked(builder, line, range(first, self.line * step, step))
        kind = context.get_data_type(self.numbers[index])
        values = ir.Constant(ir.VectorType(kind, self.line), ir.Undefined)
        for lane in range(self.line):
            value = self.load_one(context, builder, buffer, at, index, lane)
            values = builder.insert_element(values, value, I32(lane))
        return values


def _plus(builder: Any, number: Any, more: int) -> Any:
    return builder.add(number, I64(more)) if more else number


def _picked(builder: Any, vector: Any, lanes: Any) -> Any:
    mask = ir.Constant(ir.VectorType(I32, len(lanes)), list(lanes))
    return builder.shuffle_vector(vector, ir.Constant(vector.type, ir.Undefined), mask)


def _repeated(builder: Any, value: Any, count: int) -> Any:
    one = ir.Constant(ir.VectorType(value.type, count), ir.Undefined)
    return _picked(builder, builder.insert_element(one, value, I32(0)), [0] * count)


def _compare(builder: Any, number: Any, values: Any, mark: Any, limit: Any) -> tuple[Any, Any]:
    """(is `mark`, is above `limit`) of each value of a vector; both are int64."""
    kind, count = values.type.element, values.type.count
    if isinstance(number, types.Float):
        mark, limit = (builder.sitofp(value, kind) for value in (mark, limit))
        mark, limit = (_repeated(builder, value, count) for value in (mark, limit))
        return builder.fcmp_ordered("==", values, mark), builder.fcmp_ordered(">", values, limit)
    if kind.width < I64.width:
        most = I64(int(number.maxval))
        limit = builder.select(builder.icmp_signed(">", limit, most), most, limit)
        mark, limit = (builder.trunc(value, kind) for value in (mark, limit))
    mark, limit = (_repeated(builder, value, count) for value in (mark, limit))
    above = builder.icmp_signed if number.signed else builder.icmp_unsigned
    return builder.icmp_signed("==", values, mark), above(">", values, limit)


def _bits(builder: Any, entry: _Entry, index: int, found: Any) -> Any:
    """A vector of truth values as bits of an int64, only those of the field itself."""
    count = found.type.count
    bits = builder.bitcast(found, ir.IntType(count))
    bits = builder.zext(bits, I64) if count < I64.width else bits
    if entry.is_vector(index):
        step, first = entry.size // entry.sizes[index], entry.offsets[index] // entry.sizes[index]
        own = sum(1 << lane for lane in range(first, count, step))
        bits = builder.lshr(builder.and_(bits, I64(own)), I64(first))
    return bits


def _found(context: Any, builder: Any, entry: _Entry, index: int, args: Any) -> tuple[Any, Any]:
    """The comparisons of the line at offset `at`. Other fields in a vector are compared too: it
    is faster to drop their bits than to take the vector apart before."""
    buffer, at, mark, limit = args
    load = entry.load_line if entry.is_vector(index) else entry.load_field
    values = load(context, builder, buffer, at, index)
    return _compare(builder, entry.numbers[index], values, mark, limit)


@intrinsic(prefer_literal=True)
def _find_marks(tc, buffer, at, entry, index, mark, limit):
    layout, place = _Entry(entry), index.literal_value

    def generate(context, builder, signature, args):
        given = (signature.args[0], args[0]), args[1], args[4], args[5]
        found = _found(context, builder, layout, place, given)
        return cgutils.pack_array(builder, [_bits(builder, layout, place, f) for f in found])

    result = types.UniTuple(types.uint64, 2)
    return result(buffer, types.uint64, entry, index, types.int64, types.int64), generate


@intrinsic(prefer_literal=True)
def _is_quiet(tc, buffer, at, entry, index, mark, limit, lines):
    layout, place, count = _Entry(entry), index.literal_value, lines.literal_value

    def generate(context, builder, signature, args):
        anything: Any = None
        for k in range(count):
            start = _plus(builder, args[1], k * layout.line * layout.size)
            given = (signature.args[0], args[0]), start, args[4], args[5]
            found = builder.or_(*_found(context, builder, layout, place, given))
            anything = found if anything is None else builder.or_(anything, found)
        return builder.icmp_unsigned("==", _bits(builder, layout, place, anything), I64(0))

    words = types.int64, types.int64
    return types.boolean(buffer, types.uint64, entry, index, *words, lines), generate


def _store_all(builder: Any, context: Any, column: Any, row: Any, vectors: list[Any]) -> None:
    """Store vectors one after the other in a contiguous column, in pieces as wide as can be."""
    while len(vectors) > 1 and 2 * vectors[0].type.count * _width(vectors[0]) <= 8 * WIDEST:
        pairs = zip(vectors[::2], vectors[1::2], strict=True)
        vectors = [_joined(builder, first, second) for first, second in pairs]
    for k, vector in enumerate(vectors):
        place = _plus(builder, row, k * vector.type.count)
        pointer = builder.gep(_data(context, builder, *column), [place], inbounds=True)
        builder.store(vector, builder.bitcast(pointer, vector.type.as_pointer())).align = 1


def _width(vector: Any) -> int:
    kind = vector.type.element
    return {"float": 32, "double": 64}.get(str(kind)) or int(kind.width)


def _joined(builder: Any, first: Any, second: Any) -> Any:
    count = 2 * first.type.count
    return builder.shuffle_vector(
        first, second, ir.Constant(ir.VectorType(I32, count), list(range(count)))
    )


def _data(context: Any, builder: Any, kind: Any, array: Any) -> Any:
    return context.make_array(kind)(context, builder, array).data


def _store_one(builder: Any, context: Any, column: Any, row: Any, value: Any) -> None:
    kind, array = column
    structure = context.make_array(kind)(context, builder, array)
    pointer = cgutils.get_item_pointer(context, builder, kind, structure, [row], False)
    builder.store(value, pointer).align = 1


@intrinsic(prefer_literal=True)
def _copy_entries(tc, buffer, at, entry, columns, row, lines):
    layout, count = _Entry(entry), lines.literal_value

    def generate(context, builder, signature, args):
        given = signature.args[0], args[0]
        starts = [_plus(builder, args[1], k * layout.line * layout.size) for k in range(count)]
        # All vectors are loaded before one is stored: the columns might be the buffer, for all
        # the compiler knows, so it would load them again.
        loaded = [
            [layout.load_field(context, builder, given, start, index) for start in starts]
            if layout.is_vector(index) and column.layout == "C"
            else None
            for index, column in enumerate(columns.types)
        ]
        for index, (kind, vectors) in enumerate(zip(columns.types, loaded, strict=True)):
            column = kind, builder.extract_value(args[3], index)
            if vectors is not None:
                _store_all(builder, context, column, args[4], vectors)
                continue
            for lane in range(count * layout.line):
                value = layout.load_one(context, builder, given, args[1], index, lane)
                _store_one(builder, context, column, _plus(builder, args[4], lane), value)
        return context.get_dummy_value()

    return types.void(buffer, types.uint64, entry, columns, types.uint64, lines), generate


@intrinsic(prefer_literal=True)
def _fill_entries(tc, column, row, value, entry, lines):
    rows = _Entry(entry).line * lines.literal_value

    def generate(context, builder, signature, args):
        given = signature.args[0], args[0]
        is_number = isinstance(value, (types.Integer, types.Float))
        if is_number and column.layout == "C" and column.dtype == value:
            most = max(WIDEST // int(_size(value) or WIDEST), 1)
            vector = _repeated(builder, args[2], min(rows, most))
            _store_all(builder, context, given, args[1], [vector] * max(rows // most, 1))
            return context.get_dummy_value()
        for lane in range(rows):
            stored = context.cast(builder, args[2], value, column.dtype)
            _store_one(builder, context, given, _plus(builder, args[1], lane), stored)
        return context.get_dummy_value()

    return types.void(column, types.uint64, value, entry, lines), generate


@intrinsic
def _first_bit(tc, bits):
    def generate(context, builder, signature, args):
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.uint64(types.uint64), generate


@intrinsic
def _likely(tc, condition):
    def generate(context, builder, signature, args):
        bit = ir.IntType(1)
        expect = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(bit, [bit, bit]), "llvm.expect.i1"
        )
        return builder.call(expect, [args[0], bit(1)])

    return types.boolean(types.boolean), generate


@overload(entries_in_line)
def _entries_in_line_overload(entry):
    line = np.uint64(_Entry(entry).line)
    return lambda entry: line


@overload(bytes_per_bit, prefer_literal=True)
def _bytes_per_bit_overload(entry, index):
    step = np.uint64(_Entry(entry).step(index.literal_value))
    return lambda entry, index: step


@overload(find_marks, prefer_literal=True)
def _find_marks_overload(buffer, at, entry, index, mark, limit):
    place, size = index.literal_value, _line_size(entry)

    def checked(buffer, at, entry, index, mark, limit):
        if at + size > buffer.shape[0]:
            raise IndexError("load outside the buffer")
        return _find_marks(buffer, np.uint64(at), entry, place, np.int64(mark), np.int64(limit))

    def unchecked(buffer, at, entry, index, mark, limit):
        return _find_marks(buffer, np.uint64(at), entry, place, np.int64(mark), np.int64(limit))

    return checked if config.BOUNDSCHECK else unchecked


@overload(is_quiet, prefer_literal=True)
def _is_quiet_overload(buffer, at, entry, index, mark, limit, lines):
    place, count = index.literal_value, lines.literal_value
    size = _line_size(entry) * np.uint64(count)

    def checked(buffer, at, entry, index, mark, limit, lines):
        if at + size > buffer.shape[0]:
            raise IndexError("load outside the buffer")
        words = np.int64(mark), np.int64(limit)
        return _is_quiet(buffer, np.uint64(at), entry, place, words[0], words[1], count)

    def unchecked(buffer, at, entry, index, mark, limit, lines):
        words = np.int64(mark), np.int64(limit)
        return _is_quiet(buffer, np.uint64(at), entry, place, words[0], words[1], count)

    return checked if config.BOUNDSCHECK else unchecked


@overload(copy_entries, prefer_literal=True)
def _copy_entries_overload(buffer, at, entry, columns, row, lines):
    count = lines.literal_value
    size, rows = _line_size(entry) * count, _Entry(entry).line * count

    def checked(buffer, at, entry, columns, row, lines):
        if at + size > buffer.shape[0] or row + rows > columns[0].shape[0]:
            raise IndexError("copy outside the buffer or the columns")
        _copy_entries(buffer, np.uint64(at), entry, columns, np.uint64(row), count)

    def unchecked(buffer, at, entry, columns, row, lines):
        _copy_entries(buffer, np.uint64(at), entry, columns, np.uint64(row), count)

    return checked if config.BOUNDSCHECK else unchecked


@overload(fill_entries, prefer_literal=True)
def _fill_entries_overload(column, row, value, entry, lines):
    count = lines.literal_value
    rows = _Entry(entry).line * count

    def checked(column, row, value, entry, lines):
        if row + rows > column.shape[0]:
            raise IndexError("store outside the column")
        _fill_entries(column, np.uint64(row), value, entry, count)

    def unchecked(column, row, value, entry, lines):
        _fill_entries(column, np.uint64(row), value, entry, count)

    return checked if config.BOUNDSCHECK else unchecked


def _line_size(entry: Any) -> np.uint64:
    return np.uint64(_Entry(entry).line * _Entry(entry).size)


@overload(first_bit)
def _first_bit_overload(bits):
    return lambda bits: _first_bit(bits)  # noqa: PLW0108 (an overload gives a function)


@overload(up_to_first)
def _up_to_first_overload(bits):
    one = np.uint64(1)
    return lambda bits: bits ^ (bits - one)


@overload(likely)
def _likely_overload(condition):
    return lambda condition: _likely(condition)  # noqa: PLW0108 (an overload gives a function)
