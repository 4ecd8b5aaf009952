"""The length of lines, 64 characters at once."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
# mypy: disable-error-code="assignment"
from __future__ import annotations

import numpy as np

from evstream._support.jit import jit_uncounted
from evstream._support.memory import load
from evstream.text.digits import U0, U1
from evstream.text.limits import CHARACTERS
from evstream.text.wide import count_ones, find_marks, leading_zeros, trailing_zeros

NEWLINE = np.uint8(ord("\n"))


@jit_uncounted
def measure(text, before, most):
    """As `lines.measure_lines`, for `most` of at least CHARACTERS: of two newlines among these no
    line between them is too long."""
    size = text.shape[0]
    last = -1 - before
    lines = at = 0
    while at + CHARACTERS <= size:
        _, newlines = find_marks(text, np.uint64(at))
        if newlines != U0:
            if at + np.int64(trailing_zeros(newlines)) - last - 1 > most:
                return lines, 0, lines
            lines += np.int64(count_ones(newlines))
            last = at + CHARACTERS - 1 - np.int64(leading_zeros(newlines))
        at += CHARACTERS
    while at < size:
        if load(text, at, U1) == NEWLINE:
            if at - last - 1 > most:
                return lines, 0, lines
            lines += 1
            last = at
        at += 1
    rest = size - 1 - last
    return lines, rest, lines if rest > most else -1
