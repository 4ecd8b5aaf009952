"""The compiled form of `entries`: vectors of one line, or scalars where fields are not aligned.

A field whose size divides its offset and the size of the entry is taken out of a vector that spans
the whole line. The others, such as a float of eight bytes after an integer of four, and text, are
loaded one by one.
"""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
from __future__ import annotations

from functools import reduce
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
    is_plain,
    is_quiet,
    likely,
    up_to_first,
)
from evstream._support.entry_vectors import (
    I64,
    WIDEST,
    Entry,
    bits_of,
    compare_line,
    is_equal,
    is_outside,
    plus,
    repeated,
    store_all,
    store_one,
)
from evstream._support.intrinsics import _size


@intrinsic(prefer_literal=True)
def _find_marks(tc, buffer, at, entry, index, mark, limit):
    layout, place = Entry(entry), index.literal_value

    def generate(context, builder, signature, args):
        given = (signature.args[0], args[0]), args[1], args[4], args[5]
        found = compare_line(context, builder, layout, place, given)
        return cgutils.pack_array(builder, [bits_of(builder, layout, place, f) for f in found])

    result = types.UniTuple(types.uint64, 2)
    return result(buffer, types.uint64, entry, index, types.int64, types.int64), generate


@intrinsic(prefer_literal=True)
def _is_quiet(tc, buffer, at, entry, index, mark, limit, lines):
    layout, place, count = Entry(entry), index.literal_value, lines.literal_value

    def generate(context, builder, signature, args):
        anything: Any = None
        for k in range(count):
            start = plus(builder, args[1], k * layout.line * layout.size)
            given = (signature.args[0], args[0]), start, args[4], args[5]
            found = builder.or_(*compare_line(context, builder, layout, place, given))
            anything = found if anything is None else builder.or_(anything, found)
        return builder.icmp_unsigned("==", bits_of(builder, layout, place, anything), I64(0))

    words = types.int64, types.int64
    return types.boolean(buffer, types.uint64, entry, index, *words, lines), generate


@intrinsic(prefer_literal=True)
def _is_plain(tc, buffer, at, entry, index, mark, limits):
    layout, place = Entry(entry), index.literal_value
    number = layout.numbers[place]
    bounds = types.Tuple([number] * len(limits.types))

    def generate(context, builder, signature, args):
        given = signature.args[0], args[0]
        anything: Any = ir.Constant(ir.IntType(1), 0)
        for values in layout.load_narrow(context, builder, given, args[1], place):
            tests = []
            if not isinstance(mark, types.NoneType):
                tests.append(is_equal(builder, number, values, mark.literal_value))
            if limits.types:
                low, high = (builder.extract_value(args[5], k) for k in range(2))
                tests.append(is_outside(builder, number, values, low, high))
            found = reduce(builder.or_, tests)
            bits = builder.bitcast(found, ir.IntType(found.type.count))
            is_found = builder.icmp_unsigned("!=", bits, bits.type(0))
            anything = builder.or_(anything, is_found)
        return builder.not_(anything)

    return types.boolean(buffer, types.uint64, entry, index, mark, bounds), generate


@intrinsic(prefer_literal=True)
def _copy_entries(tc, buffer, at, entry, columns, row, lines):
    layout, count = Entry(entry), lines.literal_value

    def generate(context, builder, signature, args):
        given = signature.args[0], args[0]
        starts = [plus(builder, args[1], k * layout.line * layout.size) for k in range(count)]
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
                store_all(builder, context, column, args[4], vectors)
                continue
            for lane in range(count * layout.line):
                value = layout.load_one(context, builder, given, args[1], index, lane)
                store_one(builder, context, column, plus(builder, args[4], lane), value)
        return context.get_dummy_value()

    return types.void(buffer, types.uint64, entry, columns, types.uint64, lines), generate


@intrinsic(prefer_literal=True)
def _fill_entries(tc, column, row, value, entry, lines):
    rows = Entry(entry).line * lines.literal_value

    def generate(context, builder, signature, args):
        given = signature.args[0], args[0]
        is_number = isinstance(value, (types.Integer, types.Float))
        if is_number and column.layout == "C" and column.dtype == value:
            most = max(WIDEST // int(_size(value) or WIDEST), 1)
            vector = repeated(builder, args[2], min(rows, most))
            store_all(builder, context, given, args[1], [vector] * max(rows // most, 1))
            return context.get_dummy_value()
        for lane in range(rows):
            stored = context.cast(builder, args[2], value, column.dtype)
            store_one(builder, context, given, plus(builder, args[1], lane), stored)
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
    line = np.uint64(Entry(entry).line)
    return lambda entry: line


@overload(bytes_per_bit, prefer_literal=True)
def _bytes_per_bit_overload(entry, index):
    step = np.uint64(Entry(entry).step(index.literal_value))
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


@overload(is_plain, prefer_literal=True)
def _is_plain_overload(buffer, at, entry, index, mark, limits):
    place, size = index.literal_value, _line_size(entry)

    def checked(buffer, at, entry, index, mark, limits):
        if at + size > buffer.shape[0]:
            raise IndexError("load outside the buffer")
        return _is_plain(buffer, np.uint64(at), entry, place, mark, limits)

    def unchecked(buffer, at, entry, index, mark, limits):
        return _is_plain(buffer, np.uint64(at), entry, place, mark, limits)

    return checked if config.BOUNDSCHECK else unchecked


@overload(copy_entries, prefer_literal=True)
def _copy_entries_overload(buffer, at, entry, columns, row, lines):
    count = lines.literal_value
    size, rows = _line_size(entry) * count, Entry(entry).line * count

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
    rows = Entry(entry).line * count

    def checked(column, row, value, entry, lines):
        if row + rows > column.shape[0]:
            raise IndexError("store outside the column")
        _fill_entries(column, np.uint64(row), value, entry, count)

    def unchecked(column, row, value, entry, lines):
        _fill_entries(column, np.uint64(row), value, entry, count)

    return checked if config.BOUNDSCHECK else unchecked


def _line_size(entry: Any) -> np.uint64:
    return np.uint64(Entry(entry).line * Entry(entry).size)


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
