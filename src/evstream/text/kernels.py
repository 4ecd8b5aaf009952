"""Rows of numbers to lines of CSV and back: one kernel each way for rows of any columns.

A block of rows is one buffer of bytes with the columns one after the other; `columns` has a row
(kind, where the column begins) for each column of the text, in its order. The kind of a number is
its place in KINDS. Both kernels stop at a row that they do not understand and return its
number; the caller has `exact` print or parse that row, and goes on after it.

Numbers of one block repeat the same ids in row after row: a number equal to the one above it is
copied from there, which costs less than printing it.
"""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
# mypy: disable-error-code="assignment"
from __future__ import annotations

import numpy as np

from evstream._support.jit import jit_inline, jit_uncounted
from evstream._support.memory import load, store
from evstream.text.decimals import write_fixed
from evstream.text.digits import (
    U0,
    U1,
    U8,
    count_leading_digits,
    value_of_digits,
    write_signed,
    write_unsigned,
)  # fmt: skip
from evstream.text.limits import KINDS, MOST_DECIMALS, SLACK
from evstream.text.parsing import nearest_f4, nearest_f8
from evstream.text.powers import SMALL
from evstream.text.shortest import write_shortest

I1, I2, I4, U2, U4 = (np.dtype(f"<{kind}") for kind in ("i1", "i2", "i4", "u2", "u4"))
SIZES = np.array([np.dtype(kind).itemsize for kind in KINDS], np.int64)
FIRST_UNSIGNED, F4, F8 = KINDS.index("u1"), KINDS.index("f4"), KINDS.index("f8")

HIGHEST = np.array([np.iinfo(kind).max if kind[0] in "iu" else 0 for kind in KINDS], np.uint64)
LOWEST = np.array([-int(np.iinfo(kind).min) if kind[0] in "iu" else 0 for kind in KINDS], np.uint64)
"""The magnitudes of the largest and smallest integer of each kind."""
INFINITE_F4, INFINITE_F8 = np.uint64(0xFF << 23), np.uint64(0x7FF << 52)

MOST_DIGITS = 19
"""As many digits always fit 64 bits."""

LONGEST = 24
"""The longest text of a number without fixed decimals, e.g. -1.7976931348623157e-308."""

LONGEST_FIXED = 1 + 20 + 1 + MOST_DECIMALS + 1
"""Sign, whole part, point, decimals, and the comma after it."""

COMMA, NEWLINE, RETURN, SPACE, QUOTE = (np.uint8(ord(c)) for c in ',\n\r "')
MINUS, PLUS, POINT = (np.uint8(ord(c)) for c in "-+.")
ZERO = np.uint8(ord("0"))
LETTER_E, TO_LOWER = np.uint8(ord("e")), np.uint8(0x20)

DONE, FULL, ODD = 0, 1, 2
"""Status: all rows are through, the output is full, a row is left to the caller."""


@jit_inline
def load_bits(buffer, at, kind):
    """A number as 64 bits: integers extended with their sign, floats as they are."""
    size = SIZES[kind]
    is_signed = kind < FIRST_UNSIGNED
    if size == 8:
        bits = load(buffer, at, U8)
    elif size == 4:
        bits = np.uint64(load(buffer, at, I4)) if is_signed else np.uint64(load(buffer, at, U4))
    elif size == 2:
        bits = np.uint64(load(buffer, at, I2)) if is_signed else np.uint64(load(buffer, at, U2))
    else:
        bits = np.uint64(load(buffer, at, I1)) if is_signed else np.uint64(load(buffer, at, U1))
    return bits


@jit_inline
def write_float(out, at, bits, is_wide, decimals):
    """Print a float from its bits; returns the end, or -1 for one that is left to the caller."""
    mantissa_bits = 52 if is_wide else 23
    sign = bits >> np.uint64(63 if is_wide else 31)
    mantissa = bits & ((np.uint64(1) << np.uint64(mantissa_bits)) - np.uint64(1))
    highest = 2047 if is_wide else 255
    exponent = np.int64(bits >> np.uint64(mantissa_bits)) & highest
    if exponent == highest:
        return -1
    if sign != U0:
        store(out, at, U1, 45)  # -
        at += 1
    narrow = mantissa == U0 and exponent > 1
    if exponent > 0:
        mantissa |= np.uint64(1) << np.uint64(mantissa_bits)
    else:
        exponent = 1
    q = exponent - (1075 if is_wide else 150)
    if decimals >= 0:
        return write_fixed(out, at, mantissa, q, decimals)
    if mantissa == U0:
        store(out, at, U1, 48)
        store(out, at + 1, U1, 46)
        store(out, at + 2, U1, 48)
        return at + 3
    return write_shortest(out, at, mantissa, q, narrow)


@jit_uncounted
def format_rows(rows, columns, first, last, decimals, out, at, above):
    """Print rows first to last - 1 as lines into `out` from `at` on.

    `decimals` below 0 prints floats with the fewest digits.
    `above` has a row (bits, start, length) for each column: the last text printed of it.
    Returns (row, end of the text, status). `out` needs room for a row and SLACK bytes.
    """
    count = columns.shape[0]
    room = out.shape[0] - SLACK - count * LONGEST_FIXED
    for row in range(first, last):
        if at > room:
            return row, at, FULL
        start = at
        for j in range(count):
            kind = columns[j, 0]
            bits = load_bits(rows, columns[j, 1] + row * SIZES[kind], kind)
            length = above[j, 2]
            if np.int64(bits) == above[j, 0] and 0 < length <= LONGEST:
                text = above[j, 1]
                store(out, at, U8, load(out, text, U8))
                if length > 8:
                    store(out, at + 8, U8, load(out, text + 8, U8))
                    store(out, at + 16, U8, load(out, text + 16, U8))
                end = at + length
            elif kind >= F4:
                end = write_float(out, at, bits, kind == F8, decimals)
                if end < 0:
                    return row, start, ODD
            elif kind >= FIRST_UNSIGNED:
                end = write_unsigned(out, at, bits)
            else:
                end = write_signed(out, at, np.int64(bits))
            above[j, 0] = np.int64(bits)
            above[j, 1] = at
            above[j, 2] = end - at
            store(out, end, U1, COMMA)
            at = end + 1
        store(out, at - 1, U1, NEWLINE)
    return last, at, DONE


@jit_inline
def store_integer(rows, at, kind, magnitude, negative):
    """Store an integer; returns whether its kind holds it."""
    if magnitude > (LOWEST[kind] if negative else HIGHEST[kind]):
        return False
    value = U0 - magnitude if negative else magnitude
    size = SIZES[kind]
    if size == 4:
        store(rows, at, U4, np.uint32(value))
    elif size == 8:
        store(rows, at, U8, value)
    elif size == 1:
        store(rows, at, U1, np.uint8(value))
    else:
        store(rows, at, U2, np.uint16(value))
    return True


@jit_inline
def parse_digits(text, at, value):
    """Append the digits at `at` to a value, modulo 2**64; returns the value and their end."""
    while True:
        word = load(text, at, U8)
        count = count_leading_digits(word)
        value = value * SMALL[count] + value_of_digits(word, count)
        at += count
        if count < 8:
            return value, at


@jit_inline
def parse_number(text, at, kind, rows, target):  # noqa: PLR0911 (one for each way to fail)
    """Parse one number and store it; returns its end, or -1 for what is left to the caller."""
    negative = load(text, at, U1) == MINUS
    if negative or load(text, at, U1) == PLUS:
        at += 1
    start = at
    digits, at = parse_digits(text, at, U0)
    if kind < F4:
        if at == start or at - start > MOST_DIGITS:
            return -1
        return at if store_integer(rows, target, kind, digits, negative) else -1
    k = 0
    count = at - start
    if load(text, at, U1) == POINT:
        digits, end = parse_digits(text, at + 1, digits)
        k = at + 1 - end
        count -= k
        at = end
    if count > MOST_DIGITS:
        while load(text, start, U1) == ZERO or load(text, start, U1) == POINT:
            count -= load(text, start, U1) == ZERO
            start += 1
        if count > MOST_DIGITS:
            return -1
    elif count == 0:
        return -1
    if load(text, at, U1) | TO_LOWER == LETTER_E:
        at += 1
        below = load(text, at, U1) == MINUS
        if below or load(text, at, U1) == PLUS:
            at += 1
        exponent, end = parse_digits(text, at, U0)
        if end == at or end - at > 8:
            return -1
        at = end
        k += -np.int64(exponent) if below else np.int64(exponent)
    # A number that is 0 or infinite only at its width is for the caller to refuse.
    if kind == F8:
        bits = nearest_f8(digits, k)
        if (bits == U0 and digits != U0) or bits >= INFINITE_F8:
            return -1
        store(rows, target, U8, bits | (np.uint64(negative) << np.uint64(63)))
    else:
        bits = nearest_f4(digits, k)
        if (bits == U0 and digits != U0) or bits >= INFINITE_F4:
            return -1
        store(rows, target, U4, np.uint32(bits | (np.uint64(negative) << np.uint64(31))))
    return at


@jit_uncounted
def parse_rows(text, at, end, columns, rows, row, most):
    """Parse the lines of text[at:end], which ends with a newline, into rows from `row` on.

    Words are loaded whole: SLACK bytes have to follow the text. No loop passes the newline.
    Returns (row, offset of the next line, status); ODD for a line that is left to the caller.
    """
    count = columns.shape[0]
    while at < end:
        if row >= most:
            return row, at, FULL
        line = at
        for j in range(count):
            quoted = load(text, at, U1) == QUOTE
            if quoted:
                at += 1
            while load(text, at, U1) == SPACE:
                at += 1
            kind = columns[j, 0]
            at = parse_number(text, at, kind, rows, columns[j, 1] + row * SIZES[kind])
            if at < 0:
                return row, line, ODD
            while load(text, at, U1) == SPACE:
                at += 1
            if quoted:
                if load(text, at, U1) != QUOTE:
                    return row, line, ODD
                at += 1
            if j < count - 1:
                if load(text, at, U1) != COMMA:
                    return row, line, ODD
            else:
                if load(text, at, U1) == RETURN:
                    at += 1
                if load(text, at, U1) != NEWLINE:
                    return row, line, ODD
            at += 1
        row += 1
    return row, at, DONE
