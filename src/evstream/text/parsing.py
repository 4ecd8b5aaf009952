"""The nearest float to a decimal.

The method is Eisel and Lemire's (Daniel Lemire, "Number parsing at a gigabyte per second", 2021;
Noble Mushtak and Daniel Lemire, "Fast number parsing without fallback", 2023). The idea: digits *
10**k is digits * significand * 2**e for a 128-bit significand of the power. The upper half of that
product holds all bits of the float and those that round it. The lower half of the significand is
multiplied only when what it adds could carry into these; the papers prove that 128 bits always
decide, but for exact ties, which happen for small |k| alone and are seen by the bits that are left.
"""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
from __future__ import annotations

import numpy as np

from evstream._support.jit import jit_inline
from evstream.text.powers import HIGH, LOW, LOWEST
from evstream.text.wide import leading_zeros, multiply_high

U0, ONE, THREE, TOP, ALL = (np.uint64(n) for n in (0, 1, 3, 63, 2**64 - 1))

LARGEST = 308
"""Above this power of ten every float overflows."""

ROUNDED_UP = -27
"""Significands of 10**k are rounded up from here to -1: as 1/10**-k they divide exactly."""


@jit_inline
def nearest_float(digits, k, mantissa_bits, bias, tie_from, tie_to):
    """The bits of the float nearest to digits * 10**k, ties to even, without its sign.

    `mantissa_bits`: without the hidden one. Ties are possible for tie_from <= k <= tie_to.
    Values too large give infinity, those too small 0.
    """
    infinity = np.uint64(2 * bias + 1) << np.uint64(mantissa_bits)
    if digits == U0 or k < LOWEST:
        return U0
    if k > LARGEST:
        return infinity
    zeros = leading_zeros(digits)
    digits <<= zeros
    power_high, power_low = HIGH[k - LOWEST], LOW[k - LOWEST]
    if ROUNDED_UP <= k < 0:
        power_low += ONE
    high, low = multiply_high(power_high, digits), power_high * digits
    undecided = ALL >> np.uint64(mantissa_bits + 3)
    if high & undecided == undecided:
        more = low + multiply_high(power_low, digits)
        if more < low:
            high += ONE
        low = more
    top = np.int64(high >> TOP)
    shift = np.uint64(top + 64 - mantissa_bits - 3)
    mantissa = high >> shift
    # floor(log2(10**k)) + 63 for the power, less what was shifted out
    exponent = ((k * 217706) >> 16) + 63 + top - np.int64(zeros) + bias
    if exponent <= 0:  # subnormal
        if exponent <= -63:
            return U0
        mantissa >>= np.uint64(1 - exponent)
        return (mantissa + (mantissa & ONE)) >> ONE
    may_be_tie = low <= ONE and tie_from <= k <= tie_to and mantissa & THREE == ONE
    if may_be_tie and mantissa << shift == high:
        mantissa &= ~ONE  # down to the even one
    mantissa = (mantissa + (mantissa & ONE)) >> ONE
    if mantissa >> np.uint64(mantissa_bits + 1) != U0:
        mantissa >>= ONE
        exponent += 1
    if exponent > 2 * bias:
        return infinity
    hidden = ONE << np.uint64(mantissa_bits)
    return (mantissa & ~hidden) | (np.uint64(exponent) << np.uint64(mantissa_bits))


@jit_inline
def nearest_f4(digits, k):
    """The bits of the float32 nearest to digits * 10**k."""
    return nearest_float(digits, k, 23, 127, -17, 10)


@jit_inline
def nearest_f8(digits, k):
    """The bits of the float64 nearest to digits * 10**k."""
    return nearest_float(digits, k, 52, 1023, -4, 23)
