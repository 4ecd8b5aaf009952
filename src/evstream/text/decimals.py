"""Print a float with a fixed number of decimals, rounded as printf does.

printf rounds the exact binary value, ties to even. The idea: v = c * 2**q with c < 2**53, so
where q is negative the whole part is c >> -q, and the fraction is c's lower bits f over 2**-q. Then
f * 10**decimals has at most 53 + 54 bits for up to 16 decimals, so that 128 bits hold it
exactly: the quotient by 2**-q are the decimals, the remainder says how to round. No division.
"""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
from __future__ import annotations

import numpy as np

from evstream._support.jit import jit_inline
from evstream._support.memory import store
from evstream.text.digits import ONE, U0, U1, write_places, write_unsigned
from evstream.text.limits import MOST_DECIMALS
from evstream.text.powers import SMALL
from evstream.text.wide import leading_zeros, multiply_high

WORD = 64


@jit_inline
def rounded(f, places, scale):
    """(quotient, comparison): f * scale / 2**places, and how the rest compares with a half:
    below 0, 0 or above 0."""
    high, low = multiply_high(f, scale), f * scale
    if places >= 2 * WORD:
        return U0, -1  # f * scale is below 2**107
    if places > WORD:
        shift = np.uint64(places - WORD)
        quotient = high >> shift
        rest, half, sticky = high - (quotient << shift), ONE << (shift - ONE), low
    elif places == WORD:
        quotient, rest, half, sticky = high, low, ONE << np.uint64(63), U0
    else:
        shift = np.uint64(places)
        quotient = (low >> shift) | (high << np.uint64(WORD - places))
        rest, half, sticky = low & ((ONE << shift) - ONE), ONE << (shift - ONE), U0
    if rest == half:
        return quotient, (0 if sticky == U0 else 1)
    return quotient, (1 if rest > half else -1)


@jit_inline
def write_fixed(out, at, c, q, decimals):
    """Print c * 2**q >= 0 with up to MOST_DECIMALS decimals.

    Returns the end, or -1 for a value of 2**64 or more.
    """
    fraction = U0
    if q >= 0:
        if np.uint64(q) > leading_zeros(c):
            return -1
        whole = c << np.uint64(q)
    else:
        whole = c >> np.uint64(-q) if q > -WORD else U0
        f = c - (whole << np.uint64(-q)) if q > -WORD else c
        scale = SMALL[decimals]
        fraction, rest = rounded(f, -q, scale)
        last = fraction if decimals > 0 else whole
        if rest > 0 or (rest == 0 and last & ONE == ONE):
            fraction += ONE
        if fraction == scale:
            fraction = U0
            whole += ONE
    at = write_unsigned(out, at, whole)
    if decimals == 0:
        return at
    store(out, at, U1, 46)  # .
    return write_places(out, at + 1, fraction * SMALL[MOST_DECIMALS - decimals], decimals)
