"""Lines of CSV to rows of numbers: one kernel for rows of any columns.

A block of rows is as in `column_blocks`. The kernel stops at a row that it does not understand and
returns its number; the caller has `exact` parse that row, and goes on after it.
"""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
# mypy: disable-error-code="assignment"
from __future__ import annotations

import numpy as np

from evstream._support.jit import jit_inline, jit_uncounted
from evstream._support.memory import load, store
from evstream.text.column_blocks import DONE, FULL, ODD
from evstream.text.digits import U0, U1, U8, count_leading_digits, value_of_digits
from evstream.text.limits import F4, F8, KINDS, SIZES
from evstream.text.parsing import nearest_f4, nearest_f8
from evstream.text.powers import SMALL

U2, U4 = np.dtype("<u2"), np.dtype("<u4")

HIGHEST = np.array([np.iinfo(kind).max if kind[0] in "iu" else 0 for kind in KINDS], np.uint64)
LOWEST = np.array([-int(np.iinfo(kind).min) if kind[0] in "iu" else 0 for kind in KINDS], np.uint64)
"""The magnitudes of the largest and smallest integer of each kind."""
INFINITE_F4, INFINITE_F8 = np.uint64(0xFF << 23), np.uint64(0x7FF << 52)

MOST_DIGITS = 19
"""As many digits always fit 64 bits."""

COMMA, NEWLINE, RETURN, SPACE, QUOTE = (np.uint8(ord(c)) for c in ',\n\r "')
MINUS, PLUS, POINT = (np.uint8(ord(c)) for c in "-+.")
ZERO = np.uint8(ord("0"))
LETTER_E, TO_LOWER = np.uint8(ord("e")), np.uint8(0x20)


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
