"""Print float32 values with the fewest digits or with fixed decimals, in two steps; most float64
values with fixed decimals as well.

A float32 has 24 bits, so words of 64 hold exactly what `shortest` and `decimals` need 128 for. Both
ways the first step makes one integer of the value, its digits, and the second lays these out
around the point, from the eight of them that `digits.eight_digits` makes in between. No step
branches on the value. What is rare is left to the two modules named.

The fewest digits are found as in `shortest`, with one multiplication: v is scaled to multiples of
10**k, as a number with BITS after its point. Half a unit of the last place is the same to each
side, save at powers of two, which are left out. So the nearest multiple of 10**k reads back in any
case, and of the multiples of 10**(k+1) around v it is enough to compare the distance with that
half. `benchmarks/verify_numbers` has compared all float32 with `shortest`.
"""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from evstream._support.jit import jit_inline
from evstream._support.memory import store
from evstream.text.digits import E1, E8, ONE, THREE, U0, U1, U8, ZEROS, eight_digits
from evstream.text.wide import bits_of, leading_zeros, multiply_high, trailing_zeros

TWO, SEVEN, TEN, CHARACTER_ZERO = (np.uint64(n) for n in (2, 7, 10, ord("0")))

LEFT = np.uint64(2**64 - 1)
"""In place of the digits of a value that is left to others."""

ONE_F4, SMALLEST, LARGE = (np.uint64(np.float32(f).view(np.uint32)) for f in (1, 0.00001, 1e8))
"""The bits of 1, and of the limits of what is printed without an exponent in one word."""
EXPONENT = np.uint64(23)
HIDDEN, FRACTION = ONE << EXPONENT, (ONE << EXPONENT) - ONE

MOST_DIGITS = 9
"""As many digits a float32 may need."""

BITS = 36
"""Bits after the point of multiples of 10**k, of which 28 are before it."""
POINT, TO_POWER, TO_HALF = np.uint64(BITS), np.uint64(40), np.uint64(25)
"""c << TO_POWER times a power is such a multiple, in the upper word; power >> TO_HALF is half the
distance from one float to the next."""
NEARLY_HALF, TEN_MULTIPLES = np.uint64((1 << (BITS - 1)) - 2), np.uint64(10 << BITS)
"""A power is rounded up, so that what is exactly between two multiples may seem 1 above it."""

MOST_SCALED = 7
"""As many decimals are printed here."""
SCALES = np.array([10.0**k for k in range(MOST_SCALED + 1)])
MANTISSA, EXPONENT_F8 = np.uint64((1 << 52) - 1), np.uint64(52)
ROUNDING, IS_ROUNDED = 2.0**52, np.uint64(1023 + 52)
"""A double from 2**52 to 2**53 has no bits after its point: the sum with 2**52 is rounded to an
integer, ties to even, which is its mantissa. Its exponent shows that there was room."""
MOST_SURE, SURE = 2.0**40, 0.5 - 2.0**-12
"""Below 2**40 a double is less than 2**-13 from what it was rounded from."""


def _tables():
    """For each exponent in the range: the power that scales c to multiples of 10**k, what makes
    nine digits of these, and how many of the nine are before the point."""
    powers, units, points = (
        np.zeros(256, np.uint64),
        np.zeros(256, np.uint64),
        np.ones(256, np.int64),
    )
    for exponent in range(int(SMALLEST >> EXPONENT), int(LARGE >> EXPONENT) + 1):
        q = exponent - 150
        k = math.floor(q * math.log10(2))
        scale = Fraction(2) ** (q + BITS + 64 - int(TO_POWER)) / Fraction(10) ** k
        powers[exponent] = int(scale) + 1
        # A decimal at least, and none before the point below 1.
        unit = min(k, -1 if exponent >= ONE_F4 >> EXPONENT else -MOST_DIGITS)
        units[exponent] = 10 ** (k - unit)
        points[exponent] = MOST_DIGITS + unit
    return powers, units, points


POWERS, UNITS, POINTS = _tables()


@jit_inline
def shortest_digits(bits):
    """The fewest digits of a float32 >= 0, with zeros after them where there are less than nine.

    LEFT for powers of two and for what is out of the range, except 0.
    """
    fraction = bits & FRACTION
    exponent = np.int64(bits >> EXPONENT)
    power = POWERS[exponent]
    value = multiply_high((fraction | HIDDEN) << TO_POWER, power)
    reach = (power >> TO_HALF) + TWO - ((bits & ONE) << TWO)  # an odd float does not own its ends
    below = value >> POINT
    nearest = (value + NEARLY_HALF + ((below & ONE) << ONE)) >> POINT
    tens = below // E1 * E1
    rest = value - (tens << POINT)
    below_fits = rest <= reach
    above_fits = TEN_MULTIPLES - rest <= reach
    digits = tens + (TEN if above_fits else U0) if below_fits != above_fits else nearest
    is_left = ((bits - SMALLEST >= LARGE - SMALLEST) | (fraction == U0)) & (bits != U0)
    return LEFT if is_left else digits * UNITS[exponent]


@jit_inline
def write_nine(out, at, bits, word, last):
    """Print the float32 of `bits` from its nine digits: a word of eight, and the last one."""
    text = word + ZEROS
    point = POINTS[np.int64(bits >> EXPONENT)]
    dropped = np.int64(leading_zeros(word) >> THREE) + 1 if last == U0 else 0
    if bits - ONE >= ONE_F4 - ONE:  # at least 1, or 0
        one_digit = ONE << np.uint64(8 * (point - 1) & 63)
        zeros = trailing_zeros(word | one_digit) & ~SEVEN
        store(out, at, U8, text >> zeros)
        at -= np.int64(zeros >> THREE)
        store(out, at + point, U1, 46)  # .
        store(out, at + point + 1, U8, text >> np.uint64(8 * point & 63))
        store(out, at + 9, U1, CHARACTER_ZERO + last)
        return at + 10 - min(dropped, 8 - point)
    store(out, at, U8, 0x3030303030302E30)  # 0.000000
    at -= point
    store(out, at + 2, U8, text)
    store(out, at + 10, U1, CHARACTER_ZERO + last)
    return at + 11 - dropped


@jit_inline
def scaled_digits(value, scale):
    """A float32 >= 0 times a power of ten, rounded to an integer: the bits in MANTISSA. Those above
    are IS_ROUNDED, unless it is too large.

    24 bits times 10**MOST_SCALED fit the 53 of a double, so that the product is exact.
    """
    return bits_of(value * scale + ROUNDING)


@jit_inline
def scaled_or_left(value, scale):
    """The same of a float64, of which the product may be inexact: LEFT where it is so close to half
    way between two integers that the exact one may be on the other side, or large."""
    scaled = value * scale
    rounded = scaled + ROUNDING
    is_sure = (scaled < MOST_SURE) & (abs(scaled - (rounded - ROUNDING)) < SURE)
    return bits_of(rounded) if is_sure else LEFT


@jit_inline
def write_scaled(out, at, n, word, decimals):
    """Print n / 10**decimals, with 1 to MOST_SCALED of them; word has the digits of n < 10**8."""
    places = np.uint64(8 - decimals)
    if n < E8:
        zeros = min(trailing_zeros(word | (ONE << np.uint64(56))) >> THREE, places - ONE)
        store(out, at, U8, (word + ZEROS) >> (zeros << THREE))
        at -= np.int64(zeros)
    else:
        upper = n // E8
        word = eight_digits(upper)
        zeros = trailing_zeros(word) >> THREE
        store(out, at, U8, (word + ZEROS) >> (zeros << THREE))
        at += 8 - np.int64(zeros)
        word = eight_digits(n - upper * E8)
        store(out, at, U8, word + ZEROS)
    point = at + np.int64(places)
    store(out, point, U1, 46)  # .
    store(out, point + 1, U8, (word + ZEROS) >> (places << THREE))
    return at + 9
