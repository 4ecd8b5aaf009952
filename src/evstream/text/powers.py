"""Powers of ten as 128-bit significands, computed at import with Python's integers.

10**k = significand * 2**e with 2**127 <= significand < 2**128, cut to an integer. The binary
exponent follows from k: floor(log2(10**k)) - 127. Both directions of the conversion need them:
Schubfach rounds them up, the algorithm of Eisel and Lemire down (see `shortest` and `parsing`).
"""

from __future__ import annotations

import numpy as np

LOWEST, HIGHEST = -342, 324
"""k of the first and last power. No double has a shorter decimal exponent, read or printed."""

EXACT = 55
"""10**k has no more than 128 bits after its last zero for 0 <= k <= EXACT."""


def _significand(k: int) -> int:
    power: int = 10 ** abs(k)
    bits = power.bit_length()
    if k < 0:
        return (1 << (bits + 127)) // power
    return power << (128 - bits) if bits <= 128 else power >> (bits - 128)


_SIGNIFICANDS = [_significand(k) for k in range(LOWEST, HIGHEST + 1)]

HIGH = np.array([s >> 64 for s in _SIGNIFICANDS], np.uint64)
"""The upper 64 bits of the power k at index k - LOWEST."""

LOW = np.array([s & (1 << 64) - 1 for s in _SIGNIFICANDS], np.uint64)
"""The lower 64 bits."""

SMALL = np.array([10**k for k in range(20)], np.uint64)
"""The powers that fit 64 bits, by k."""
