"""Lines of CSV to rows of numbers: one kernel for rows of any columns.

A block of rows is as in `column_blocks`. The kernel stops at a row that it does not understand and
returns its number; the caller has `exact` parse that row, and goes on after it.
"""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
# mypy: disable-error-code="assignment"
from __future__ import annotations

from typing import Any

import numpy as np

from evstream._support.entries import likely
from evstream._support.jit import jit_inline, jit_uncounted
from evstream._support.memory import load, store
from evstream.text.column_blocks import DONE, FULL, ODD
from evstream.text.digits import U0, U1, U8, count_leading_digits, value_of_digits
from evstream.text.limits import F4, F8, KINDS, SIZES
from evstream.text.parsing import nearest_f4, nearest_f8
from evstream.text.powers import SMALL
from evstream.text.wide import (
    find_differences,
    find_marks,
    quotient,
    trailing_zeros,
)  # fmt: skip

U2, U4, SINGLE, DOUBLE = (np.dtype(f"<{kind}") for kind in ("u2", "u4", "f4", "f8"))
I8 = np.dtype("<i8")

HIGHEST = np.array([np.iinfo(kind).max if kind[0] in "iu" else 0 for kind in KINDS], np.uint64)
LOWEST = np.array([-int(np.iinfo(kind).min) if kind[0] in "iu" else 0 for kind in KINDS], np.uint64)
"""The magnitudes of the largest and smallest integer of each kind."""
INFINITE_F4, INFINITE_F8 = np.uint64(0xFF << 23), np.uint64(0x7FF << 52)

MOST_DIGITS = 19
"""As many digits always fit 64 bits."""

COMMA, NEWLINE, RETURN, SPACE, QUOTE = (np.uint8(ord(c)) for c in ',\n\r "')
MINUS, PLUS, POINT = (np.uint8(ord(c)) for c in "-+.")
ZERO = np.uint8(ord("0"))

EXACT_POWERS = np.array([10.0**k for k in range(9)]).view(np.uint8)
SMALL_POWERS = SMALL.view(np.uint8)
EXACT_DIGITS = np.uint64(2**53)
"""Up to here integers are doubles."""

KIND, START, SIZE, FORM, SEPARATOR, END, COLUMN = range(0, 56, 8)
"""Offsets in what `plan_of` has for a column, int64 each. END is where it ends in the line
above."""
WHOLE_4, WHOLE_8, FLOAT_4, FLOAT_8, OTHER = range(5)
FORMS = {
    "i4": WHOLE_4, "u4": WHOLE_4, "i8": WHOLE_8, "u8": WHOLE_8, "f4": FLOAT_4, "f8": FLOAT_8
}  # fmt: skip
FAR = 127
"""More than the characters that are compared with the line above."""
FAR_ON = 36
"""Numbers from here on may not end within the 64 characters."""
LETTER_E, TO_LOWER = np.uint8(ord("e")), np.uint8(0x20)


def plan_of(described: Any) -> Any:
    """The plan for columns of `described_columns`, as bytes."""
    plan = np.zeros((len(described), COLUMN // 8), np.int64)
    plan[:, :2] = described
    plan[:, SIZE // 8] = SIZES[described[:, 0]]
    plan[:, FORM // 8] = [FORMS.get(KINDS[kind], OTHER) for kind in described[:, 0]]
    plan[:, SEPARATOR // 8] = COMMA
    plan[-1, SEPARATOR // 8] = NEWLINE
    return plan.reshape(-1).view(np.uint8)


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


@jit_inline
def parse_field(text, at, kind, rows, target):
    """Parse a number with blanks and quotes around it; as `parse_number`."""
    quoted = load(text, at, U1) == QUOTE
    if quoted:
        at += 1
    while load(text, at, U1) == SPACE:
        at += 1
    at = parse_number(text, at, kind, rows, target)
    if at < 0:
        return -1
    while load(text, at, U1) == SPACE:
        at += 1
    if quoted:
        if load(text, at, U1) != QUOTE:
            return -1
        at += 1
    return at


@jit_inline
def repeat_numbers(rows, plan, end, first, row):
    """Fill rows first to row - 1 of the columns before `end` with the numbers above them."""
    for column in range(0, end, COLUMN):
        size = load(plan, column + SIZE, I8)
        base = load(plan, column + START, I8)
        if size == 4:
            four = load(rows, base + 4 * (first - 1), U4)
            for k in range(first, row):
                store(rows, base + 4 * k, U4, four)
        elif size == 8:
            eight = load(rows, base + 8 * (first - 1), U8)
            for k in range(first, row):
                store(rows, base + 8 * k, U8, eight)
        elif size == 2:
            two = load(rows, base + 2 * (first - 1), U2)
            for k in range(first, row):
                store(rows, base + 2 * k, U2, two)
        else:
            one = load(rows, base + first - 1, U1)
            for k in range(first, row):
                store(rows, base + k, U1, one)


@jit_uncounted
def parse_rows(text, at, end, plan, rows, row, most):
    """Parse the lines of text[at:end], which ends with a newline, into rows from `row` on.

    The digits of 64 characters are found at once, so that a number of usual length takes no loop
    and no branch that depends on it. What is the same as in the line above, from its start on, is
    repeated once the next change is known. What is unusual goes to `parse_field`.

    LOOKAHEAD bytes have to follow the text. No loop passes the newline.
    `plan` is that of `plan_of`. Returns (row, offset of the next line, status); ODD for a line that
    is left to the caller.
    """
    after = np.int64(plan.shape[0])
    last = after - COLUMN
    above = at
    repeated, first = 0, row  # columns that are the same since the first of these rows
    status = DONE
    store(plan, END, I8, FAR)
    while at < end:
        if row >= most:
            status = FULL
            break
        marks, newlines = find_marks(text, np.uint64(at))
        following = at + np.int64(trailing_zeros(newlines)) + 1
        same = np.int64(trailing_zeros(find_differences(text, np.uint64(above), np.uint64(at))))
        above = place = base = at
        column = 0
        while column < after and load(plan, column + END, I8) <= same:
            place = at + load(plan, column + END, I8)
            column += COLUMN
        if column != repeated:
            repeat_numbers(rows, plan, repeated, first, row)
            repeated, first = column, row
        while column < after:
            size = load(plan, column + SIZE, I8)
            target = load(plan, column + START, I8) + row * size
            if place - base > FAR_ON:
                base = place
                marks, more = find_marks(text, np.uint64(place))
                if newlines == U0:
                    newlines = more
                    following = base + np.int64(trailing_zeros(newlines)) + 1
            rest = marks >> np.uint64(place - base)
            length = np.int64(trailing_zeros(rest))
            stop = -1
            if likely(0 < length <= 8):
                form = load(plan, column + FORM, I8)
                if form <= WHOLE_8:
                    value = value_of_digits(load(text, place, U8), length)
                    if form == WHOLE_4:
                        store(rows, target, U4, np.uint32(value))
                    else:
                        store(rows, target, U8, value)
                    stop = place + length
                elif form <= FLOAT_8:
                    point = place + length
                    places = np.int64(trailing_zeros(rest >> np.uint64(length + 1)))
                    if likely(load(text, point, U1) == POINT and 0 < places <= 8):
                        digits = value_of_digits(load(text, place, U8), length)
                        digits *= load(SMALL_POWERS, places << 3, U8)
                        digits += value_of_digits(load(text, point + 1, U8), places)
                        # Both are exact as doubles, so their quotient is the nearest double. It
                        # rounds to the nearest float32: a number of so few places is half way
                        # between two of them, or further from there (2**-24 / 10**8 of it) than
                        # the double is from the number (2**-53 of it).
                        value = quotient(digits, load(EXACT_POWERS, places << 3, DOUBLE))
                        if form == FLOAT_8:
                            store(rows, target, DOUBLE, value)
                        else:
                            store(rows, target, SINGLE, np.float32(value))
                        if likely(digits <= EXACT_DIGITS):
                            stop = point + 1 + places
            separator = load(plan, column + SEPARATOR, U1)
            if not likely(stop >= 0 and load(text, stop, U1) == separator):
                is_usual = stop >= 0 and column == last and load(text, stop, U1) == RETURN
                if not is_usual or load(text, stop + 1, U1) != NEWLINE:
                    kind = load(plan, column, I8)
                    stop = parse_field(text, place, kind, rows, target)
                    if stop < 0:
                        status = ODD
                        break
                if column == last and load(text, stop, U1) == RETURN:
                    stop += 1
                if load(text, stop, U1) != separator:
                    status = ODD
                    break
            place = stop + 1
            store(plan, column + END, I8, place - at)
            column += COLUMN
        if status == ODD:
            break
        row += 1
        if newlines == U0:
            at = place
            store(plan, END, I8, FAR)  # what is stored here keeps the line above apart from `place`
        else:
            at = following  # known from the first look at the line: its numbers need not be through
    repeat_numbers(rows, plan, repeated, first, row)
    return row, at, status
