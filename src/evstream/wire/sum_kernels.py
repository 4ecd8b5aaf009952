"""Sums of values per kind of sidx, in one pass over a stretch."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
from __future__ import annotations

from evstream._support.jit import jit


@jit
def sum_by_kind(sidx, values, specials, counts, sums):
    """Add the number of values and their sum per kind of sidx to `counts` and `sums`: of samples
    first, then of each of the `specials`, last of other sidx below 0.

    Samples are added to four sums in turn, since an addition waits for the one before it.
    """
    a = b = c = d = 0.0
    n = 0
    whole = len(sidx) - len(sidx) % 4
    for start in range(0, len(sidx), 4):
        if (
            start < whole
            and sidx[start] > 0
            and sidx[start + 1] > 0
            and sidx[start + 2] > 0
            and sidx[start + 3] > 0
        ):
            a += values[start]
            b += values[start + 1]
            c += values[start + 2]
            d += values[start + 3]
            n += 4
            continue
        for at in range(start, min(start + 4, len(sidx))):
            if sidx[at] > 0:
                a += values[at]
                n += 1
            elif sidx[at] < 0:
                kind = 0
                while kind < len(specials) and specials[kind] != sidx[at]:
                    kind += 1
                counts[kind + 1] += 1
                sums[kind + 1] += values[at]
    counts[0] += n
    sums[0] += (a + b) + (c + d)
