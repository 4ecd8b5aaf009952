"""Instructions that numba has no word for: the upper half of a product, counting bits, a quotient,
the bits of a float, and comparisons of 64 characters at once."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
# (numba compares the parameters of an intrinsic and its implementation)
from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from evstream._support.intrinsics import _address
from evstream.text.limits import CHARACTERS

_WIDE = ir.IntType(128)
_BITS = ir.IntType(64)

_LINE = ir.VectorType(ir.IntType(8), CHARACTERS)


@intrinsic
def multiply_high(typing_context: Any, a: Any, b: Any) -> Any:
    """The upper 64 bits of a product of two uint64."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        first, second = (builder.zext(value, _WIDE) for value in arguments)
        product = builder.mul(first, second)
        return builder.trunc(builder.lshr(product, ir.Constant(_WIDE, 64)), _BITS)

    return types.uint64(types.uint64, types.uint64), generate


@intrinsic
def leading_zeros(typing_context: Any, value: Any) -> Any:
    """How many zero bits a uint64 has above its highest one; 64 for 0."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctlz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.uint64(types.uint64), generate


@intrinsic
def trailing_zeros(typing_context: Any, value: Any) -> Any:
    """How many zero bits a uint64 has below its lowest one; 64 for 0."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.uint64(types.uint64), generate


@intrinsic
def count_ones(typing_context: Any, value: Any) -> Any:
    """How many bits of a uint64 are set."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), generate


@intrinsic
def quotient(typing_context: Any, whole: Any, divisor: Any) -> Any:
    """A uint64 below 2**63, as float64, by a float64 that is not 0, which numba would look at."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        dividend = builder.sitofp(arguments[0], ir.DoubleType())
        return builder.fdiv(dividend, arguments[1])

    return types.float64(types.uint64, types.float64), generate


def _characters(context: Any, builder: Any, array_type: Any, array: Any, offset: Any) -> Any:
    value = builder.load(_address(context, builder, array_type, array, offset, _LINE))
    value.align = 1
    return value


def _all(character: int) -> Any:
    return ir.Constant(_LINE, [character] * CHARACTERS)


@intrinsic
def find_marks(typing_context: Any, text: Any, at: Any) -> Any:
    """Which of the 64 characters at `at` are not digits, and which are newlines, as bits: the
    first character is the lowest bit."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        line = _characters(context, builder, text, *arguments)
        others = builder.icmp_unsigned(">", builder.sub(line, _all(ord("0"))), _all(9))
        newlines = builder.icmp_unsigned("==", line, _all(ord("\n")))
        bits = [builder.bitcast(found, _BITS) for found in (others, newlines)]
        return context.make_tuple(builder, signature.return_type, bits)

    return types.UniTuple(types.uint64, 2)(text, types.uint64), generate


@intrinsic
def find_differences(typing_context: Any, text: Any, first: Any, second: Any) -> Any:
    """Which of the 64 characters at two places are not the same, as bits."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array, *places = arguments
        lines = [_characters(context, builder, text, array, place) for place in places]
        return builder.bitcast(builder.icmp_unsigned("!=", *lines), _BITS)

    return types.uint64(text, types.uint64, types.uint64), generate


@intrinsic
def bits_of(typing_context: Any, value: Any) -> Any:
    """The bits of a float64 as a uint64."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], _BITS)

    return types.uint64(types.float64), generate
