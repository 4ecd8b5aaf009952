"""Where in a file the blocks of some events are, by its index."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from evstream.indexing.index import Index
from evstream.wire.columns import Array, differ

MOST_CANDIDATES = 1 << 24
"""Ids to try a condition on."""


class Ranges(NamedTuple):
    """Ranges of whole blocks of a file, in the order of the file.

    Attributes:
        rows: numbers of the runs, or of the stretches.
        starts, stops: int64, stream offsets.
        are_runs: whether the ranges are runs, each of one event; else they are stretches.
    """

    rows: Array
    starts: Array
    stops: Array
    are_runs: bool


def stretches_of(index: Index, wanted: Array, start: int, stop: int) -> Ranges:
    """The stretches that have bytes from `start` to `stop` and may have some events."""
    found = ranges_of(index, wanted, stretches=True)
    inside = (found.starts < stop) & (found.stops > start)
    return Ranges(found.rows[inside], found.starts[inside], found.stops[inside], are_runs=False)


def ranges_of(index: Index, wanted: Array, *, stretches: bool = False) -> Ranges:
    """The ranges that hold all blocks of some events, given in ascending order: their runs where
    these are listed, else, or with `stretches`, the stretches that may have them."""
    runs, offsets = index.runs, index.run_offsets
    if runs is None or offsets is None:
        bounds, rows = index.bounds(), _stretches_of(index, wanted)
        return Ranges(rows, bounds[rows], bounds[rows + 1], are_runs=False)
    rows = _found(runs, wanted)
    if not stretches:
        bounds = np.append(offsets, index.size)
        return Ranges(rows, bounds[rows], bounds[rows + 1], are_runs=True)
    bounds = index.bounds()
    firsts = np.searchsorted(bounds, offsets[rows], side="right") - 1
    lasts = np.searchsorted(bounds, np.append(offsets, index.size)[rows + 1])
    # The stretches that some run touches, where their number goes from 0 to 1.
    depth = np.zeros(len(bounds), np.int64)
    np.add.at(depth, firsts, 1)
    np.subtract.at(depth, lasts, 1)
    rows = np.flatnonzero(np.cumsum(depth)[:-1])
    return Ranges(rows, bounds[rows], bounds[rows + 1], are_runs=False)


def candidates(index: Index) -> Array | None:
    """The events that the file may have, ascending: all that it has where runs are listed, else
    all between the lowest and highest of a stretch. None if these are too many to list."""
    if index.runs is not None:
        return np.unique(index.runs)
    lowest, highest = index.stretches.lowest, index.stretches.highest
    if index.stretches.first.dtype.kind not in "iu" or not len(lowest):
        return index.stretches.first[:0] if not len(index.stretches.first) else None
    # In Python's numbers, which do not overflow.
    order = np.argsort(lowest, kind="stable")
    merged: list[list[int]] = []
    for low, high in zip(lowest[order].tolist(), highest[order].tolist(), strict=True):
        if merged and low <= merged[-1][1] + 1:
            merged[-1][1] = max(merged[-1][1], high)
        else:
            merged.append([low, high])
    if sum(high - low + 1 for low, high in merged) > MOST_CANDIDATES:
        return None
    dtype = lowest.dtype
    spans = [low + np.arange(high - low + 1, dtype=dtype) for low, high in merged]
    return np.concatenate(spans).astype(dtype)


def _found(runs: Array, wanted: Array) -> Array:
    """Numbers of the runs of the wanted events."""
    if not len(runs) or not len(wanted):
        return np.empty(0, np.intp)
    if runs.dtype.kind in "iu" and bool((runs[1:] > runs[:-1]).all()):
        rows = np.minimum(np.searchsorted(runs, wanted), len(runs) - 1)
        return np.unique(rows[~differ(runs[rows], wanted)])
    return np.flatnonzero(np.isin(runs, wanted))


def _stretches_of(index: Index, wanted: Array) -> Array:
    lowest, highest = index.stretches.lowest, index.stretches.highest
    if not len(lowest):  # events that are text
        return np.arange(len(index.stretches.first) if len(wanted) else 0)
    before = np.searchsorted(wanted, lowest, side="left")
    until = np.searchsorted(wanted, highest, side="right")
    return np.flatnonzero(before < until)
