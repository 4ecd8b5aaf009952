"""LLVM values for `entry_intrinsics`: the layout of an entry, vectors of one line of entries."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from evstream._support.entries import line_of
from evstream._support.intrinsics import _address, _number, _size

I32, I64 = ir.IntType(32), ir.IntType(64)
WIDEST = 64
"""Bytes of the largest vector that one store writes."""

NARROW = 32
"""Bytes of a vector whose use does not keep a processor from other work with floats."""

GROUP_BYTES = 16
"""Bytes within which a processor picks numbers from two vectors at once."""


class Entry:
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
        count = self.line * self.size // self.sizes[index]
        return self.load_numbers(context, builder, buffer, at, index, count)

    def load_numbers(
        self, context: Any, builder: Any, buffer: Any, at: Any, index: int, count: int
    ) -> Any:
        """A vector of `count` numbers like the field from offset `at` on, of whatever fields."""
        vector = ir.VectorType(context.get_data_type(self.numbers[index]), count)
        value = builder.load(_address(context, builder, buffer[0], buffer[1], at, vector))
        value.align = 1
        return value

    def load_one(
        self, context: Any, builder: Any, buffer: Any, at: Any, index: int, lane: int
    ) -> Any:
        kind = context.get_data_type(self.numbers[index])
        place = plus(builder, at, lane * self.size + self.offsets[index])
        value = builder.load(_address(context, builder, buffer[0], buffer[1], place, kind))
        value.align = 1
        return value

    def load_field(self, context: Any, builder: Any, buffer: Any, at: Any, index: int) -> Any:
        """A vector of the field in the entries of the line at offset `at`."""
        if self.is_vector(index):
            line = self.load_line(context, builder, buffer, at, index)
            step, first = self.size // self.sizes[index], self.offsets[index] // self.sizes[index]
            return picked(builder, line, range(first, self.line * step, step))
        kind = context.get_data_type(self.numbers[index])
        values = ir.Constant(ir.VectorType(kind, self.line), ir.Undefined)
        for lane in range(self.line):
            value = self.load_one(context, builder, buffer, at, index, lane)
            values = builder.insert_element(values, value, I32(lane))
        return values

    def load_narrow(
        self, context: Any, builder: Any, buffer: Any, at: Any, index: int
    ) -> list[Any]:
        """The field in the entries of the line at offset `at`, in any order, as vectors of at most
        NARROW bytes."""
        if not self.is_vector(index):
            return [self.load_field(context, builder, buffer, at, index)]
        size = self.sizes[index]
        step, first = self.size // size, self.offsets[index] // size
        count, most = self.line * step, NARROW // size
        found = []
        for start in range(0, count, 2 * most):
            pair, lanes = [], []
            for place in range(start, min(start + 2 * most, count), most):
                width = min(most, count - place)
                numbers = plus(builder, at, place * size)
                pair.append(self.load_numbers(context, builder, buffer, numbers, index, width))
                lanes.append([n for n in range(width) if (place + n) % step == first])
            found += both_picked(builder, pair, lanes, GROUP_BYTES // size)
        return found


def both_picked(builder: Any, pair: list[Any], lanes: list[list[int]], group: int) -> list[Any]:
    """Some lanes of one vector or two, in one vector if these are of one type. What is in the same
    `group` lanes of both comes together, since this is what processors do in one step."""
    if len(pair) < 2 or pair[0].type != pair[1].type:
        return [picked(builder, v, own) for v, own in zip(pair, lanes, strict=True) if own]
    places = [(lane // group, k, lane) for k, own in enumerate(lanes) for lane in own]
    mask = [lane + k * pair[0].type.count for _, k, lane in sorted(places)]
    if not mask:
        return []
    return [builder.shuffle_vector(*pair, ir.Constant(ir.VectorType(I32, len(mask)), mask))]


def plus(builder: Any, number: Any, more: int) -> Any:
    return builder.add(number, I64(more)) if more else number


def picked(builder: Any, vector: Any, lanes: Any) -> Any:
    mask = ir.Constant(ir.VectorType(I32, len(lanes)), list(lanes))
    return builder.shuffle_vector(vector, ir.Constant(vector.type, ir.Undefined), mask)


def repeated(builder: Any, value: Any, count: int) -> Any:
    one = ir.Constant(ir.VectorType(value.type, count), ir.Undefined)
    return picked(builder, builder.insert_element(one, value, I32(0)), [0] * count)


def compare(builder: Any, number: Any, values: Any, mark: Any, limit: Any) -> tuple[Any, Any]:
    """(is `mark`, is above `limit`) of each value of a vector; both are int64."""
    kind, count = values.type.element, values.type.count
    if isinstance(number, types.Float):
        mark, limit = (builder.sitofp(value, kind) for value in (mark, limit))
        mark, limit = (repeated(builder, value, count) for value in (mark, limit))
        return builder.fcmp_ordered("==", values, mark), builder.fcmp_ordered(">", values, limit)
    if kind.width < I64.width:
        most = I64(int(number.maxval))
        limit = builder.select(builder.icmp_signed(">", limit, most), most, limit)
        mark, limit = (builder.trunc(value, kind) for value in (mark, limit))
    mark, limit = (repeated(builder, value, count) for value in (mark, limit))
    above = builder.icmp_signed if number.signed else builder.icmp_unsigned
    return builder.icmp_signed("==", values, mark), above(">", values, limit)


def is_outside(builder: Any, number: Any, values: Any, low: Any, high: Any) -> Any:
    """Whether each value of a vector is below `low` or above `high`, which are of its type."""
    low, high = (repeated(builder, value, values.type.count) for value in (low, high))
    if isinstance(number, types.Float):
        test: Any = builder.fcmp_ordered
    else:
        test = builder.icmp_signed if number.signed else builder.icmp_unsigned
    return builder.or_(test("<", values, low), test(">", values, high))


def is_equal(builder: Any, number: Any, values: Any, mark: int) -> Any:
    """Whether each value of a vector is this number."""
    marks = ir.Constant(values.type, [mark] * values.type.count)
    test = builder.fcmp_ordered if isinstance(number, types.Float) else builder.icmp_signed
    return test("==", values, marks)


def bits_of(builder: Any, entry: Entry, index: int, found: Any) -> Any:
    """A vector of truth values as bits of an int64, only those of the field itself."""
    count = found.type.count
    bits = builder.bitcast(found, ir.IntType(count))
    bits = builder.zext(bits, I64) if count < I64.width else bits
    if entry.is_vector(index):
        step, first = entry.size // entry.sizes[index], entry.offsets[index] // entry.sizes[index]
        own = sum(1 << lane for lane in range(first, count, step))
        bits = builder.lshr(builder.and_(bits, I64(own)), I64(first))
    return bits


def compare_line(
    context: Any, builder: Any, entry: Entry, index: int, args: Any
) -> tuple[Any, Any]:
    """The comparisons of the line at offset `at`. Other fields in a vector are compared too: it
    is faster to drop their bits than to take the vector apart before."""
    buffer, at, mark, limit = args
    load = entry.load_line if entry.is_vector(index) else entry.load_field
    values = load(context, builder, buffer, at, index)
    return compare(builder, entry.numbers[index], values, mark, limit)


def store_all(builder: Any, context: Any, column: Any, row: Any, vectors: list[Any]) -> None:
    """Store vectors one after the other in a contiguous column, in pieces as wide as can be."""
    while len(vectors) > 1 and 2 * vectors[0].type.count * width_of(vectors[0]) <= 8 * WIDEST:
        pairs = zip(vectors[::2], vectors[1::2], strict=True)
        vectors = [joined(builder, first, second) for first, second in pairs]
    for k, vector in enumerate(vectors):
        place = plus(builder, row, k * vector.type.count)
        pointer = builder.gep(data_of(context, builder, *column), [place], inbounds=True)
        builder.store(vector, builder.bitcast(pointer, vector.type.as_pointer())).align = 1


def width_of(vector: Any) -> int:
    kind = vector.type.element
    return {"float": 32, "double": 64}.get(str(kind)) or int(kind.width)


def joined(builder: Any, first: Any, second: Any) -> Any:
    count = 2 * first.type.count
    return builder.shuffle_vector(
        first, second, ir.Constant(ir.VectorType(I32, count), list(range(count)))
    )


def data_of(context: Any, builder: Any, kind: Any, array: Any) -> Any:
    return context.make_array(kind)(context, builder, array).data


def store_one(builder: Any, context: Any, column: Any, row: Any, value: Any) -> None:
    kind, array = column
    structure = context.make_array(kind)(context, builder, array)
    pointer = cgutils.get_item_pointer(context, builder, kind, structure, [row], False)
    builder.store(value, pointer).align = 1
