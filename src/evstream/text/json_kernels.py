"""JSON lines that are all alike to lines of CSV: the values without what stands between them."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
# mypy: disable-error-code="assignment"
from __future__ import annotations

import numpy as np

from evstream._support.jit import jit_uncounted
from evstream._support.memory import load, store
from evstream.text.digits import ONE, U0, U1, U8
from evstream.text.wide import find_character, find_marks, trailing_zeros

I8 = np.dtype("<i8")
COMMA, NEWLINE, RETURN = (np.uint8(ord(c)) for c in ",\n\r")
MINUS, POINT, ZERO = (np.uint8(ord(c)) for c in "-.0")

LONGEST = 32
"""As many characters a value may have."""

WORD, LENGTH, WORDS, PIECE = 0, 8, 16, 24
"""Offsets in the plan of a piece, int64 each: its first word, characters, words."""


@jit_uncounted
def keep_values(text, at, end, pieces, masks, plan, out):
    """Copy the values of the lines text[at:end], with commas and newlines, to `out`.

    `pieces` has the text before each value, and after the last, in whole words, `masks` what
    counts of these. Returns the end of the copy; -1 if a line is not made of these pieces, or a
    value does not begin as a number of JSON does. What follows is for the parser of CSV to refuse.
    """
    last = np.int64(plan.shape[0]) - PIECE
    to = 0
    while at < end:
        for piece in range(0, last + PIECE, PIECE):
            word = load(plan, piece + WORD, I8)
            for k in range(load(plan, piece + WORDS, I8)):
                found = load(text, at + 8 * k, U8) & load(masks, word + 8 * k, U8)
                if found != load(pieces, word + 8 * k, U8):
                    return -1
            at += load(plan, piece + LENGTH, I8)
            if piece == last:
                break
            follows = load(pieces, load(plan, piece + PIECE + WORD, I8), U1)
            length = np.int64(trailing_zeros(find_character(text, np.uint64(at), follows)))
            marks, newlines = find_marks(text, np.uint64(at))
            if length > LONGEST or length > np.int64(trailing_zeros(newlines)):
                return -1
            sign = np.int64(load(text, at, U1) == MINUS)
            marks >>= np.uint64(sign)
            digits = np.int64(trailing_zeros(marks))
            if digits == 0 or (digits > 1 and load(text, at + sign, U1) == ZERO):
                return -1
            has_point = load(text, at + sign + digits, U1) == POINT
            if has_point and marks >> np.uint64(digits + 1) & ONE != U0:
                return -1
            for k in range(0, LONGEST, 8):
                store(out, to + k, U8, load(text, at + k, U8))
            at += length
            to += length
            store(out, to, U1, COMMA)
            to += 1
        if load(text, at, U1) == RETURN:
            at += 1
        if load(text, at, U1) != NEWLINE:
            return -1
        store(out, to - 1, U1, NEWLINE)
        at += 1
    return to
