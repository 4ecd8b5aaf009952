"""Kernels that print and parse lines of numbers: CSV and JSON lines are templates with a
number in each gap.

They do what is ordinary, exactly: integers, and decimal numbers without an exponent whose
digits a double holds. At anything else they stop and say where, and slower code takes over.
Eight digits are handled at a time, as the bytes of one 64-bit number.
"""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
from __future__ import annotations

import numpy as np

from evstream._jit import jit, jit_inline
from evstream.memory import load, store

SIGNED, UNSIGNED, SHORTEST, FIXED, TEXT = range(5)
"""Kinds of columns to print: integers, f4 as short as it reads back, floats with fixed
decimals, and what is text already."""

WHOLE, SINGLE, DOUBLE = range(3)
"""Kinds of columns to parse: integers, f4, f8."""

MOST_DECIMALS = 12
"""An f4 times 10 to this power is exact as a double."""

MOST_NUMBER = 32
"""Bytes of the longest number that is printed, and more."""

SLACK = 8
"""Bytes that every array of bytes has beyond its end, to be read and written over."""

_POWERS = 10.0 ** np.arange(23)  # all exact as doubles
_EXACT = 2.0**53
_ROUND = 1.5 * 2.0**52  # added and taken away again, it rounds half to even
_SPLIT = 2.0**27 + 1
_SHORTEST_FROM, _SHORTEST_TO = 1e-5, 1e15

# Unsigned: a signed index would make numba test for wrap-around each time, and the bits of
# eight characters fill a word.
U8 = np.dtype("<u8")
ZERO, ONE, STEP = np.uint64(0), np.uint64(1), np.uint64(8)
_E1, _E2, _E3, _E4, _E5, _E6, _E7, _E8 = (np.uint64(10**n) for n in range(1, 9))
_B8, _B10, _B16, _B20, _B32, _B64 = (np.uint64(n) for n in (8, 10, 16, 20, 32, 64))
_NOUGHTS = np.uint64(0x3030303030303030)
_HUNDREDTH, _TENTH = np.uint64(10486), np.uint64(103)  # over 2**20 and 2**10
_LOW_7 = np.uint64(0x0000007F0000007F)
_LOW_4 = np.uint64(0x000F000F000F000F)
_NOUGHT, MOST_DIGITS = np.uint64(ord("0")), np.uint64(18)
MINUS, POINT, SPACE, NEWLINE, RETURN, NOUGHT = (np.uint8(ord(c)) for c in "-. \n\r0")


@jit_inline
def _eight_digits(number):
    """The characters of a number below 10**8, with leading zeros; the first is lowest."""
    high = number // _E4
    word = high | ((number - high * _E4) << _B32)
    high = ((word * _HUNDREDTH) >> _B20) & _LOW_7
    word = high | ((word - high * _E2) << _B16)
    high = ((word * _TENTH) >> _B10) & _LOW_4
    return (high | ((word - high * _E1) << _B8)) | _NOUGHTS


@jit_inline
def _put_below_e8(out, at, number):
    digits = (
        ONE
        + np.uint64(number >= _E1)
        + np.uint64(number >= _E2)
        + np.uint64(number >= _E3)
        + np.uint64(number >= _E4)
        + np.uint64(number >= _E5)
        + np.uint64(number >= _E6)
        + np.uint64(number >= _E7)
    )
    store(out, at, U8, _eight_digits(number) >> (_B64 - digits * _B8))
    return at + digits


@jit_inline
def _put_number(out, at, number):
    """Print an unsigned integer."""
    if number < _E8:
        return _put_below_e8(out, at, number)
    high = number // _E8
    if high < _E8:
        at = _put_below_e8(out, at, high)
    else:
        top = high // _E8
        at = _put_below_e8(out, at, top)
        store(out, at, U8, _eight_digits(high - top * _E8))
        at += STEP
    store(out, at, U8, _eight_digits(number - (number // _E8) * _E8))
    return at + STEP


@jit_inline
def _put_decimal(out, at, number, decimals):
    """Print a whole number, which a double holds, with a point before its last digits."""
    whole = np.floor(number / _POWERS[decimals])  # quicker than to divide integers
    at = _put_number(out, at, np.uint64(np.int64(whole)))
    if decimals == 0:
        return at
    out[at] = POINT
    at += ONE
    rest = np.uint64(np.int64(number - whole * _POWERS[decimals]))
    left = np.uint64(decimals)
    if left > STEP:
        left -= STEP
        high = rest // _E8
        store(out, at, U8, _eight_digits(high) >> (_B64 - left * _B8))
        at += left
        rest -= high * _E8
        left = STEP
    store(out, at, U8, _eight_digits(rest) >> (_B64 - left * _B8))
    return at + left


@jit_inline
def _reads_back(value, number, scaled, decimals):
    """Whether number / 10**decimals is the f4 `value`; `scaled` is value * 10**decimals.

    Half the distance to the next f4 is between 2**-26 and 2**-24 of the value. Only in
    between does it take a division to know.
    """
    away = abs(number - scaled)
    if away < scaled * 2.0**-27:
        return True
    if away > scaled * 2.0**-23:
        return False
    back = number / _POWERS[decimals] if decimals >= 0 else number * _POWERS[-decimals]
    return np.float32(back) == np.float32(value)


@jit_inline
def _put_shortest(out, at, value):
    """Print an f4 above or at 0 with the fewest digits that read back; nothing if it is not
    ordinary.

    Any six digits survive in an f4, so the shortest number is among its roundings to six,
    seven, eight and nine digits.
    """
    if value == 0.0:
        out[at] = NOUGHT
        return at + ONE
    if not _SHORTEST_FROM <= value < _SHORTEST_TO:
        return at
    whole = 0  # digits before the point, below 0 for zeros behind it
    if value >= 1.0:
        while whole < 15 and value >= _POWERS[whole]:
            whole += 1
    else:
        while value * _POWERS[-whole] < 0.1:
            whole -= 1
    decimals = 6 - whole
    while True:
        if decimals >= 0:
            scaled = value * _POWERS[decimals]
        else:
            scaled = value / _POWERS[-decimals]
        number = (scaled + _ROUND) - _ROUND
        if _reads_back(value, number, scaled, decimals):
            break
        decimals += 1
        if decimals > 9 - whole:
            return at
    while decimals > 0 and np.floor(number / 10.0) * 10.0 == number:
        number /= 10.0
        decimals -= 1
    at = _put_decimal(out, at, number, max(decimals, 0))
    while decimals < 0:
        out[at] = NOUGHT
        at += ONE
        decimals += 1
    return at


@jit_inline
def _put_fixed(out, at, value, decimals):
    """Print a float above or at 0 rounded as printf does; nothing if it is not ordinary."""
    power = _POWERS[decimals]
    scaled = value * power
    if not scaled < _EXACT / 4:
        return at
    number = np.floor(scaled)
    above = (scaled - number) - 0.5
    if above == 0.0:  # a tie, unless the product was rounded: by how much, by Dekker
        high = value * _SPLIT - (value * _SPLIT - value)
        power_high = power * _SPLIT - (power * _SPLIT - power)
        low, power_low = value - high, power - power_high
        above = ((high * power_high - scaled) + high * power_low + low * power_high) + (
            low * power_low
        )
    if above > 0.0 or (above == 0.0 and np.floor(number / 2.0) * 2.0 != number):
        number += 1.0
    return _put_decimal(out, at, number, decimals)


@jit_inline
def _put_copy(out, at, source, first, last):
    i = np.uint64(first)
    end = np.uint64(last)
    place = at
    while i < end:
        store(out, place, U8, load(source, i, U8))
        place += STEP
        i += STEP
    return at + end - np.uint64(first)


@jit
def print_lines(out, kinds, where, ints, floats, text, text_at, pieces, piece_at, decimals):
    """Print a line per row: piece, number, piece, number, ..., piece.

    Column c is row where[c] of `ints`, `floats` or `text_at`, as kinds[c] says. Returns
    (bytes, -1), or (0, c) when a value of column c is not ordinary.
    """
    columns = kinds.shape[0]
    rows = ints.shape[1]
    ends = np.zeros(columns, np.uint64)  # of each number in the line before
    leading = 0  # integer columns at the start: often the same as in the line before
    while leading < columns and kinds[leading] <= UNSIGNED:
        leading += 1
    at = ZERO
    before = ZERO
    for row in range(rows):
        start = at
        first = 0
        if row > 0:
            while first < leading and ints[where[first], row] == ints[where[first], row - 1]:
                first += 1
            if first > 0:
                at = _put_copy(out, at, out, before, before + ends[first - 1])
        for column in range(first, columns):
            at = _put_copy(out, at, pieces, piece_at[column], piece_at[column + 1])
            kind = kinds[column]
            source = where[column]
            if kind <= UNSIGNED:
                number = ints[source, row]
                whole = np.uint64(number)
                if kind == SIGNED and number < 0:
                    out[at] = MINUS
                    at += ONE
                    whole = ZERO - whole
                at = _put_number(out, at, whole)
            elif kind == TEXT:
                at = _put_copy(out, at, text, text_at[source, row], text_at[source, row + 1])
            else:
                value = floats[source, row]
                if value < 0.0 or (value == 0.0 and np.signbit(value)):
                    out[at] = MINUS
                    at += ONE
                    value = -value
                place = at
                if kind == SHORTEST:
                    at = _put_shortest(out, at, value)
                else:
                    at = _put_fixed(out, at, value, decimals)
                if at == place:
                    return 0, column
            ends[column] = at - start
        at = _put_copy(out, at, pieces, piece_at[columns], piece_at[columns + 1])
        before = start
    return np.int64(at), -1


@jit_inline
def _take_digits(block, at, number):
    """Append the digits at `at` to a number: (it, where they end)."""
    digit = np.uint64(block[at]) - _NOUGHT
    while digit < _E1:
        number = number * _E1 + digit
        at += ONE
        digit = np.uint64(block[at]) - _NOUGHT
    return number, at


@jit_inline
def _has_piece(block, at, pieces, first, last):
    """Whether a piece stands at `at`."""
    i = np.uint64(first)
    end = np.uint64(last)
    while i < end:
        differs = load(block, at, U8) ^ load(pieces, i, U8)
        if end - i < STEP:
            differs <<= _B64 - (end - i) * _B8
        if differs:
            return False
        i += STEP
        at += STEP
    return True


@jit_inline
def _is_tie(value):
    """Whether a double lies in the middle between two f4."""
    near = np.float64(np.float32(value))
    other = near + 2.0 * (value - near)
    return value != near and np.float64(np.float32(other)) == other


@jit
def parse_lines(block, size, kinds, where, low, high, ints, floats, pieces, piece_at):
    """Parse block[:size], which is whole lines each with its newline, into `ints` and
    `floats`; a float is the nearest one at its width.

    Returns (bytes, rows) of the lines before the first that is not ordinary.
    """
    columns = kinds.shape[0]
    end = np.uint64(size)
    at = ZERO
    row = 0
    while at < end:
        start = np.int64(at)
        for column in range(columns):
            if not _has_piece(block, at, pieces, piece_at[column], piece_at[column + 1]):
                return start, row
            at += np.uint64(piece_at[column + 1] - piece_at[column])
            while block[at] == SPACE:
                at += ONE
            negative = block[at] == MINUS
            if negative:
                at += ONE
            first = at
            number, at = _take_digits(block, at, ZERO)
            digits = at - first
            if digits == ZERO or digits > MOST_DIGITS:
                return start, row
            whole = np.int64(number)
            if kinds[column] == WHOLE:
                if negative:
                    whole = -whole
                if whole < low[column] or whole > high[column]:
                    return start, row
                ints[where[column], row] = whole
            else:
                decimals = ZERO
                if block[at] == POINT:
                    at += ONE
                    first = at
                    number, at = _take_digits(block, at, number)
                    decimals = at - first
                    if digits + decimals > MOST_DIGITS:
                        return start, row
                exact = np.float64(np.int64(number))
                if exact > _EXACT:
                    return start, row
                value = exact / _POWERS[decimals]
                if (
                    kinds[column] == SINGLE
                    and _is_tie(value)
                    and (decimals > np.uint64(MOST_DECIMALS) or value * _POWERS[decimals] != exact)
                ):
                    return start, row  # the division made the tie, which would round wrongly
                floats[where[column], row] = -value if negative else value
            while block[at] == SPACE:
                at += ONE
        if not _has_piece(block, at, pieces, piece_at[columns], piece_at[columns + 1]):
            return start, row
        at += np.uint64(piece_at[columns + 1] - piece_at[columns])
        if block[at] == RETURN:
            at += ONE
        if block[at] != NEWLINE:
            return start, row
        at += ONE
        row += 1
    return np.int64(at), row
