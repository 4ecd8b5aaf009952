"""Rows of numbers to lines of CSV: one kernel for rows of any columns.

A block of rows is as in `column_blocks`. The kernel stops at a row that it does not understand and
returns its number; the caller has `exact` print that row, and goes on after it.

Numbers of one block repeat the same ids in row after row: a number equal to the one above it is
copied from there, which costs less than printing it.
"""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
# mypy: disable-error-code="assignment"
from __future__ import annotations

import numpy as np

from evstream._support.jit import jit_inline, jit_uncounted
from evstream._support.memory import load, store
from evstream.text.column_blocks import DONE, FULL, ODD
from evstream.text.decimals import write_fixed
from evstream.text.digits import (
    U0,
    U1,
    U8,
    write_signed,
    write_unsigned,
)  # fmt: skip
from evstream.text.limits import F4, F8, FIRST_UNSIGNED, MOST_DECIMALS, SIZES, SLACK
from evstream.text.shortest import write_shortest

I1, I2, I4, U2, U4 = (np.dtype(f"<{kind}") for kind in ("i1", "i2", "i4", "u2", "u4"))

LONGEST = 24
"""The longest text of a number without fixed decimals, e.g. -1.7976931348623157e-308."""

LONGEST_FIXED = 1 + 20 + 1 + MOST_DECIMALS + 1
"""Sign, whole part, point, decimals, and the comma after it."""

COMMA, NEWLINE = np.uint8(ord(",")), np.uint8(ord("\n"))


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
