"""Print a float with the fewest digits that read back to the same float.

The method is Schubfach (Raffaello Giulietti, "The Schubfach way to render doubles", 2020). All
decimals that read back to v = c * 2**q lie in an interval around v, half a unit of its last
place to each side. The idea: choose the largest power of ten 10**k that is not longer than it.
Then at least one multiple of 10**k lies in it, by the pigeonhole principle, and at most one
multiple of 10**(k+1); so it is enough to look at four candidates: the neighbours of v among the
multiples of each. The ends of the interval and v are scaled by 10**-k with a 128-bit power
rounded up; what is cut off is kept as a sticky bit ("round to odd"), which proves all comparisons
exact. Of two that qualify the closer one wins, then the even one.
"""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
from __future__ import annotations

import numpy as np

from evstream._support.jit import jit_inline
from evstream._support.memory import store
from evstream.text.digits import (
    E1,
    E16,
    ONE,
    U0,
    U1,
    write_trimmed,
    write_unsigned,
)  # fmt: skip
from evstream.text.powers import EXACT, HIGH, LOW, LOWEST, SMALL
from evstream.text.wide import leading_zeros, multiply_high

TWO, FOUR, FORTY = (np.uint64(n) for n in (2, 4, 40))


@jit_inline
def scaled(high, low, value):
    """value * (high, low) / 2**128, its lowest bit set where something was cut off."""
    below = high * value
    carry = multiply_high(low, value)
    total = below + carry
    whole = multiply_high(high, value) + (ONE if total < below else U0)
    return whole | (ONE if total > ONE else U0)


@jit_inline
def shortest(c, q, narrow):
    """(digits, k): digits * 10**k is the shortest decimal that reads back to c * 2**q.

    `narrow`: whether the neighbour below is half as far as the one above, as at powers of two.
    """
    odd = c & ONE
    # floor(log10(2**q)), or floor(log10(3/4 * 2**q)) for the narrow interval
    k = (q * 1262611 - (524031 if narrow else 0)) >> 22
    # floor(log2(10**-k)), and the shift that makes the scaled interval fit
    shift = np.uint64(q + ((-k * 1741647) >> 19) + 1)
    high, low = HIGH[-k - LOWEST], LOW[-k - LOWEST]
    if -k < 0 or -k > EXACT:
        low += ONE
    centre = c << TWO
    lower = scaled(high, low, (centre - (ONE if narrow else TWO)) << shift) + odd
    upper = scaled(high, low, (centre + TWO) << shift) - odd
    value = scaled(high, low, centre << shift)
    below = value >> TWO
    if below >= E1:
        tens = below // E1
        below_fits = lower <= FORTY * tens
        above_fits = FORTY * (tens + ONE) <= upper
        if below_fits != above_fits:
            return (tens if below_fits else tens + ONE), k + 1
    below_fits = lower <= FOUR * below
    above_fits = FOUR * (below + ONE) <= upper
    if below_fits != above_fits:
        return (below if below_fits else below + ONE), k
    middle = FOUR * below + TWO
    goes_up = value > middle or (value == middle and below & ONE != U0)
    return (below + ONE if goes_up else below), k


@jit_inline
def count_digits(value):
    """How many decimal digits value > 0 has."""
    about = ((64 - np.int64(leading_zeros(value))) * 1233) >> 12
    return about + (1 if value >= SMALL[about] else 0)


@jit_inline
def write_shortest(out, at, c, q, narrow):
    """Print c * 2**q > 0; returns the end.

    From 0.00001 to below 10**16 with a point and at least one decimal, which keeps a column of
    whole numbers a column of floats for those who guess its type; else with an exponent.
    """
    if -64 < q <= 0:
        whole = c >> np.uint64(-q)
        if whole << np.uint64(-q) == c and whole < E16:  # an integer needs no search
            at = write_unsigned(out, at, whole)
            store(out, at, U1, 46)  # .
            store(out, at + 1, U1, 48)
            return at + 2
    digits, k = shortest(c, q, narrow)
    point = count_digits(digits) + k
    if point < -4 or point > 16:
        return write_exponent(out, at, digits, k)
    if k >= 0:
        at = write_unsigned(out, at, digits * SMALL[k])
        store(out, at, U1, 46)
        store(out, at + 1, U1, 48)
        return at + 2
    if k >= -16:
        # An integer between v and its shortest decimal would be the shorter one.
        whole = digits // SMALL[-k]
        at = write_unsigned(out, at, whole)
        store(out, at, U1, 46)
        fraction = (digits - whole * SMALL[-k]) * SMALL[16 + k]
        return write_trimmed(out, at + 1, fraction)
    # Below 1, with more than sixteen decimals: 0.000 and all digits.
    store(out, at, U1, 48)
    store(out, at + 1, U1, 46)
    for zero in range(-point):
        store(out, at + 2 + zero, U1, 48)
    return write_mantissa(out, at + 2 - point, digits)


@jit_inline
def write_mantissa(out, at, digits):
    """Print digits without trailing zeros."""
    while digits % E1 == U0:
        digits //= E1
    return write_unsigned(out, at, digits)


@jit_inline
def write_exponent(out, at, digits, k):
    """Print digits * 10**k as Python does: 1.5e-07."""
    end = write_mantissa(out, at + 1, digits)
    exponent = count_digits(digits) + k - 1
    store(out, at, U1, out[at + 1])
    if end > at + 2:
        store(out, at + 1, U1, 46)
    else:
        end = at + 1
    store(out, end, U1, 101)  # e
    store(out, end + 1, U1, 45 if exponent < 0 else 43)
    exponent = abs(exponent)
    if exponent < 10:
        store(out, end + 2, U1, 48)
        store(out, end + 3, U1, 48 + exponent)
        return end + 4
    return write_unsigned(out, end + 2, np.uint64(exponent))
