"""Digits of integers, eight at a time.

The idea: eight decimal digits fit the eight bytes of a word. The number is divided in halves, each
half in halves again, until every byte holds one digit; the divisions by constants are
multiplications of all parts at once. No table, no loop, and one store of eight bytes. In the
word the first digit is the lowest byte, so leading zero digits are trailing zero bits.
(Known as SWAR, "SIMD within a register".)

Functions store whole words: the output needs rows.SLACK bytes after the text.
"""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
from __future__ import annotations

import numpy as np

from evstream._support.jit import jit_inline
from evstream._support.memory import store
from evstream.text.wide import leading_zeros, trailing_zeros

U1, U8 = np.dtype("<u1"), np.dtype("<u8")
U0, ONE, THREE, EIGHT = (np.uint64(n) for n in (0, 1, 3, 8))
E1, E2, E4, E8, E16 = (np.uint64(10**k) for k in (1, 2, 4, 8, 16))
ZEROS = np.uint64(0x3030303030303030)
"""Eight times the character 0."""

TEN_THOUSANDTHS, BY_TEN_THOUSAND = np.uint64(3518437209), np.uint64(45)
"""n * 3518437209 >> 45 is n // 10,000 for n < 2**32."""
HUNDREDTHS, BY_HUNDRED = np.uint64(10486), np.uint64(20)
"""n * 10486 >> 20 is n // 100 for n < 10,000."""
TENTHS, BY_TEN = np.uint64(103), np.uint64(10)
"""n * 103 >> 10 is n // 10 for n < 100."""
TWO_PAIRS = np.uint64(0x0000007F0000007F)
FOUR_PAIRS = np.uint64(0x000F000F000F000F)
HALF, QUARTER = np.uint64(32), np.uint64(16)

ABOVE_NINE, HIGHEST_BITS = np.uint64(0x4646464646464646), np.uint64(0x8080808080808080)
PAIRS = np.uint64(0x000000FF000000FF)
HUNDRED_AND_MILLION = np.uint64(100 + (1000000 << 32))
ONE_AND_TEN_THOUSAND = np.uint64(1 + (10000 << 32))


@jit_inline
def eight_digits(value):
    """The digits 0 to 9 of value < 10**8 as bytes, the first digit lowest."""
    upper = (value * TEN_THOUSANDTHS) >> BY_TEN_THOUSAND
    word = upper | ((value - upper * E4) << HALF)
    upper = ((word * HUNDREDTHS) >> BY_HUNDRED) & TWO_PAIRS
    word = upper | ((word - upper * E2) << QUARTER)
    upper = ((word * TENTHS) >> BY_TEN) & FOUR_PAIRS
    return upper | ((word - upper * E1) << EIGHT)


@jit_inline
def store_eight(out, at, word):
    """Store eight digits of a word."""
    store(out, at, U8, word + ZEROS)


@jit_inline
def write_short(out, at, value):
    """Print value < 10**8 without leading zeros; returns the end."""
    return write_short_word(out, at, eight_digits(value))


@jit_inline
def write_short_word(out, at, word):
    """Print the eight digits of a word without leading zeros; returns the end."""
    zeros = trailing_zeros(word | (ONE << np.uint64(56))) & ~np.uint64(7)
    store(out, at, U8, (word + ZEROS) >> zeros)
    return at + 8 - np.int64(zeros >> THREE)


@jit_inline
def write_unsigned(out, at, value):
    """Print a uint64; returns the end."""
    if value < E8:
        return write_short(out, at, value)
    if value < E16:
        upper = value // E8
        at = write_short(out, at, upper)
        store_eight(out, at, eight_digits(value - upper * E8))
        return at + 8
    upper = value // E16
    at = write_short(out, at, upper)
    value -= upper * E16
    upper = value // E8
    store_eight(out, at, eight_digits(upper))
    store_eight(out, at + 8, eight_digits(value - upper * E8))
    return at + 16


@jit_inline
def write_signed(out, at, value):
    """Print an int64; returns the end."""
    magnitude = np.uint64(value)
    if value < 0:
        store(out, at, U1, 45)  # -
        at += 1
        magnitude = U0 - magnitude
    return write_unsigned(out, at, magnitude)


@jit_inline
def write_places(out, at, value, places):
    """Print value < 10**16 with all of its sixteen digits; the end after the first `places`."""
    upper = value // E8
    store_eight(out, at, eight_digits(upper))
    store_eight(out, at + 8, eight_digits(value - upper * E8))
    return at + places


@jit_inline
def write_trimmed(out, at, value):
    """Print 0 < value < 10**16 as sixteen digits without trailing zeros; returns the end."""
    upper = value // E8
    first, second = eight_digits(upper), eight_digits(value - upper * E8)
    store_eight(out, at, first)
    store_eight(out, at + 8, second)
    if second == U0:
        return at + 8 - np.int64(leading_zeros(first) >> THREE)
    return at + 16 - np.int64(leading_zeros(second) >> THREE)


@jit_inline
def count_leading_digits(word):
    """How many of the eight characters of a word are digits before the first that is not."""
    # Adding 0x46 to a byte above 9 sets its highest bit, as subtracting 0x30 does below 0. What
    # is carried into the next byte comes after the first byte that is not a digit.
    others = ((word + ABOVE_NINE) | (word - ZEROS)) & HIGHEST_BITS
    return np.int64(trailing_zeros(others) >> THREE)


@jit_inline
def value_of_digits(word, count):
    """The number that the first `count` characters of a word are."""
    if count == 0:
        return U0
    word = (word - ZEROS) << np.uint64(64 - 8 * count)  # zeros come before the first digit
    word = word * E1 + (word >> EIGHT)
    upper = (word & PAIRS) * HUNDRED_AND_MILLION
    lower = ((word >> QUARTER) & PAIRS) * ONE_AND_TEN_THOUSAND
    return (upper + lower) >> HALF
