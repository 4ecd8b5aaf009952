"""Sums of values as float64, in all and per kind of sidx."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from evstream._support.jit import is_enabled
from evstream.wire.columns import Array


def sum_of(values: Array) -> float:
    """The sum; infinities of both signs give NaN."""
    with np.errstate(invalid="ignore"):
        return float(values.sum(dtype=np.float64))


def sums_by_kind(sidx: Array, values: Array, specials: Sequence[int]) -> tuple[Array, Array]:
    """How many values there are and what they sum up to, int64 and float64: of samples, of each of
    the special sidx, and of other sidx below 0."""
    counts, sums = np.zeros(len(specials) + 2, np.int64), np.zeros(len(specials) + 2)
    if is_enabled():
        from evstream.wire.sum_kernels import sum_by_kind

        sum_by_kind(sidx, values, np.array(specials, np.int64), counts, sums)
        return counts, sums
    others = (sidx < 0) & ~np.isin(sidx, specials)
    for kind, chosen in enumerate([sidx > 0, *(sidx == special for special in specials), others]):
        counts[kind], sums[kind] = chosen.sum(), sum_of(values[chosen])
    return counts, sums
