"""Instructions that numba has no word for: the upper half of a product, and counting zero bits."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
# (numba compares the parameters of an intrinsic and its implementation)
from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

_WIDE = ir.IntType(128)
_BITS = ir.IntType(64)


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
