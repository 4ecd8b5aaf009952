"""The fold of `checksum`, in compiled code.

A piece of bytes is a polynomial over bits, its first bit the highest power; its CRC is the
remainder by a polynomial P. If D bits follow, the 64 bits a at the front stand for a * x^D, and
have the same remainder as a * (x^D mod P), which has 96 bits. So a vector of 128 bits moves D bits
further by two products of 64 bits, which are added (xor) to what is there. Eight vectors at a time
are enough to hide how long a product takes.
"""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.core.registry import cpu_target
from numba.extending import intrinsic

from evstream._support.jit import jit

LANES = 8
"""Vectors at a time."""

FOLDED = LANES * 16
"""Bytes of them."""

_POLYNOMIAL = 0x104C11DB7  # of CRC-32, x^32 the highest bit

_I8, _I32, _I64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)
_VECTOR = ir.VectorType(_I64, 2)
_LOW, _HIGH = 0x00, 0x11  # which halves of two vectors are multiplied


def is_native() -> bool:
    """Whether code is compiled for a processor that has the instruction."""
    _, _, features = cpu_target.target_context.codegen().magic_tuple()
    return "+pclmul" in features.split(",")


def _power(exponent: int) -> int:
    """x^exponent mod P as a factor: CRC-32 has its lowest power first, so the bits are reversed,
    and a product of two such numbers is one place too low."""
    remainder = 1
    for _ in range(exponent):
        remainder <<= 1
        remainder ^= _POLYNOMIAL * (remainder >> 32)
    return int(f"{remainder:032b}"[::-1], 2) << 1


@intrinsic
def _fold(tc, source, count, register, target):
    def generate(context, builder, signature, args):
        source, count, register, target = args
        multiply = builder.module.declare_intrinsic(
            "llvm.x86.pclmulqdq", (), ir.FunctionType(_VECTOR, [_VECTOR, _VECTOR, _I8])
        )
        bits = 8 * FOLDED
        factor = ir.Constant(_VECTOR, [_power(bits + 32), _power(bits - 32)])

        def place(base, block, lane):
            offset = builder.add(
                builder.mul(block, ir.Constant(_I64, FOLDED)), ir.Constant(_I64, 16 * lane)
            )
            return builder.inttoptr(builder.add(base, offset), _VECTOR.as_pointer())

        def load(block, lane):
            return builder.load(place(source, block, lane), align=1)

        zero, one = ir.Constant(_I64, 0), ir.Constant(_I64, 1)
        first = [load(zero, lane) for lane in range(LANES)]
        low = builder.insert_element(
            ir.Constant(_VECTOR, [0, 0]), builder.zext(register, _I64), ir.Constant(_I32, 0)
        )
        first[0] = builder.xor(first[0], low)
        before, head = builder.block, builder.append_basic_block("head")
        body, end = builder.append_basic_block("body"), builder.append_basic_block("end")
        builder.branch(head)
        builder.position_at_end(head)
        number = builder.phi(_I64)
        number.add_incoming(one, before)
        sums = [builder.phi(_VECTOR) for _ in range(LANES)]
        for lane, begin in zip(sums, first, strict=True):
            lane.add_incoming(begin, before)
        builder.cbranch(builder.icmp_unsigned("<", number, count), body, end)
        builder.position_at_end(body)
        for lane, value in enumerate(sums):
            parts = [
                builder.call(multiply, [value, factor, ir.Constant(_I8, half)])
                for half in (_LOW, _HIGH)
            ]
            moved = builder.xor(builder.xor(*parts), load(number, lane))
            value.add_incoming(moved, body)
        number.add_incoming(builder.add(number, one), body)
        builder.branch(head)
        builder.position_at_end(end)
        for lane, value in enumerate(sums):
            builder.store(value, place(target, zero, lane), align=1)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.uint32, types.int64), generate


@jit
def fold(source, count, register, target):
    """Fold `count` stretches of FOLDED bytes at the address `source`, with the register of the CRC
    before them, into one at `target`."""
    _fold(source, count, register, target)
