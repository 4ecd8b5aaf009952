"""The texts of one column of numbers: each printed after the other, with the length of each.

The idea: a step of the work at a time, over all numbers of a piece, so that each loop is short. A
processor looks some hundred instructions ahead. To print a number takes more, each of which waits
for the one before; but of a short loop many rounds are under way at once, and those that no number
takes another way through are compiled to instructions for several numbers. Twice as fast as one
loop of everything.

Steps pass integers of 64 bits in the rows of `numbers`: VALUES, WORDS and LASTS. Those that print
write into `texts` from `at` on, each number with `separator` after it, and the lengths of these
into bytes of `texts` from `lengths` on. They return how many numbers they have printed: fewer than
`count` where the next one is left to the caller.
"""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
# mypy: disable-error-code="assignment"
from __future__ import annotations

import numpy as np

from evstream._support.jit import jit_apart
from evstream._support.memory import load, store
from evstream.text.decimals import write_fixed
from evstream.text.digits import (
    E1,
    E8,
    ONE,
    U0,
    U1,
    U8,
    eight_digits,
    write_short_word,
    write_signed,
    write_unsigned,
)  # fmt: skip
from evstream.text.float32 import (
    EXPONENT_F8,
    IS_ROUNDED,
    LEFT,
    MANTISSA,
    SCALES,
    scaled_digits,
    scaled_or_left,
    shortest_digits,
    write_nine,
    write_scaled,
)
from evstream.text.limits import F8, FIRST_UNSIGNED, MOST_DECIMALS
from evstream.text.shortest import write_shortest
from evstream.text.wide import bits_of

U4, R4, R8 = (np.dtype(f"<{kind}") for kind in ("u4", "f4", "f8"))

LONGEST = 1 + 20 + 1 + MOST_DECIMALS + 1
"""Sign, whole part, point, decimals, and what separates it from the next."""

VALUES, WORDS, LASTS = 0, 1, 2
"""Digits as an integer; the characters of eight of them; the ninth, or the float itself."""

MINUS = np.uint8(ord("-"))
NAN, INF, ZERO = (np.uint32(int.from_bytes(text, "little")) for text in (b"nan", b"inf", b"0.0"))
SIGN_F4, SIGN_F8 = np.uint64(31), np.uint64(63)
ALL_F4 = (ONE << SIGN_F4) - ONE
"""The bits of a float32 without its sign."""
LOW_HALF = np.uint64(2**32 - 1)
TENTHS, BY_TEN = np.uint64(3435973837), np.uint64(35)
"""n * 3435973837 >> 35 is n // 10 for n < 2**32."""


@jit_apart
def write_integer(out, at, value, kind):
    """Print an integer of 64 bits; returns the end."""
    if kind < FIRST_UNSIGNED:
        return write_signed(out, at, np.int64(value))
    return write_unsigned(out, at, value)


@jit_apart
def print_integers(rows, start, kind, count, numbers, texts, at, lengths, separator):
    """Print a column of integers of 64 bits."""
    is_signed = kind < FIRST_UNSIGNED
    for i in range(count):
        magnitude = np.uint64(abs(np.int64(load(rows, start + i * 8, U8))))
        numbers[WORDS, i] = eight_digits(magnitude & LOW_HALF)
    for i in range(count):
        begin = at
        value = magnitude = load(rows, start + i * 8, U8)
        if is_signed:
            store(texts, at, U1, MINUS)
            at += np.int64(value >> SIGN_F8)
            magnitude = np.uint64(abs(np.int64(value)))
        if magnitude < E8:
            at = write_short_word(texts, at, numbers[WORDS, i])
        else:
            at = write_integer(texts, begin, value, kind)
        store(texts, at, U1, separator)
        at += 1
        store(texts, lengths + i, U1, at - begin)
    return count


@jit_apart
def print_shortest_f4(rows, start, kind, count, decimals, numbers, texts, at, lengths, separator):
    """Print a column of float32 with the fewest digits."""
    for i in range(count):
        bits = np.uint64(load(rows, start + i * 4, U4))
        numbers[VALUES, i] = shortest_digits(bits & ALL_F4)
    for i in range(count):
        digits = numbers[VALUES, i] & LOW_HALF
        eight = (digits * TENTHS) >> BY_TEN
        numbers[LASTS, i] = digits - eight * E1
        numbers[WORDS, i] = eight_digits(eight)
    for i in range(count):
        begin = at
        bits = np.uint64(load(rows, start + i * 4, U4))
        store(texts, at, U1, MINUS)
        at += np.int64(bits >> SIGN_F4)
        if numbers[VALUES, i] != LEFT:
            at = write_nine(texts, at, bits & ALL_F4, numbers[WORDS, i], numbers[LASTS, i])
        else:
            at = write_float(texts, begin, bits, kind, decimals)
        store(texts, at, U1, separator)
        at += 1
        store(texts, lengths + i, U1, at - begin)
    return count


@jit_apart
def print_scaled(rows, start, kind, count, decimals, numbers, texts, at, lengths, separator):
    """Print a column of floats with 1 to MOST_SCALED decimals."""
    scale = SCALES[decimals]
    if kind == F8:
        for i in range(count):
            number = load(rows, start + i * 8, R8)
            numbers[VALUES, i] = scaled_or_left(abs(number), scale)
            numbers[LASTS, i] = bits_of(number)
    else:
        for i in range(count):
            number = np.float64(load(rows, start + i * 4, R4))
            numbers[VALUES, i] = scaled_digits(abs(number), scale)
            numbers[LASTS, i] = bits_of(number)
    for i in range(count):
        numbers[WORDS, i] = eight_digits(numbers[VALUES, i] & LOW_HALF)
    for i in range(count):
        begin = at
        bits = numbers[LASTS, i]
        store(texts, at, U1, MINUS)
        at += np.int64(bits >> SIGN_F8)
        value = numbers[VALUES, i]
        if value >> EXPONENT_F8 == IS_ROUNDED:
            at = write_scaled(texts, at, value & MANTISSA, numbers[WORDS, i], decimals)
        else:
            at = write_float(texts, begin, bits, F8, decimals)
            if at < 0:
                return i
        store(texts, at, U1, separator)
        at += 1
        store(texts, lengths + i, U1, at - begin)
    return count


@jit_apart
def print_floats(rows, start, kind, count, decimals, texts, at, lengths, separator):
    """Print a column of floats of any kind in any way."""
    for i in range(count):
        begin = at
        if kind == F8:
            bits = load(rows, start + i * 8, U8)
        else:
            bits = np.uint64(load(rows, start + i * 4, U4))
        at = write_float(texts, at, bits, kind, decimals)
        if at < 0:
            return i
        store(texts, at, U1, separator)
        at += 1
        store(texts, lengths + i, U1, at - begin)
    return count


@jit_apart
def write_float(out, at, bits, kind, decimals):
    """Print a float of these bits, with the fewest digits where `decimals` is below 0; returns the
    end, or -1 for one that is left to the caller."""
    mantissa_bits = np.uint64(52 if kind == F8 else 23)
    mantissa = bits & ((ONE << mantissa_bits) - ONE)
    largest = 2047 if kind == F8 else 255
    exponent = np.int64(bits >> mantissa_bits)
    is_nan = exponent & largest == largest and mantissa != U0
    if exponent > largest and not is_nan:
        store(out, at, U1, MINUS)
        at += 1
        exponent &= largest
    if exponent & largest == largest:
        store(out, at, U4, NAN if is_nan else INF)
        return at + 3
    narrow = mantissa == U0 and exponent > 1
    if exponent > 0:
        mantissa |= ONE << mantissa_bits
    else:
        exponent = 1
    q = exponent - (1075 if kind == F8 else 150)
    if decimals >= 0:
        return write_fixed(out, at, mantissa, q, decimals)
    if mantissa == U0:
        store(out, at, U4, ZERO)
        return at + 3
    return write_shortest(out, at, mantissa, q, narrow)
