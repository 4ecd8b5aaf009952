"""The loops of event loss tables, over decoded columns. Sums are in f8, whatever losses are."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
from __future__ import annotations

import math

import numpy as np

from evstream._support.jit import jit


@jit
def moments_of(offsets, sidx, losses, samples, mean_sidx, max_sidx, table):
    """Mean, deviation, hits, analytical mean and maximum of each block, in the columns of `table`.

    Samples that a block does not have are losses of 0: the mean is the sum over their number, and
    each of them adds the square of the mean to the deviation. Returns the first entry that cannot
    be counted; -1 if all can.
    """
    for block in range(offsets.shape[0] - 1):
        total = 0.0
        present = hits = 0
        analytical = largest = 0.0
        for i in range(offsets[block], offsets[block + 1]):
            s = sidx[i]
            loss = np.float64(losses[i])
            if s > samples or math.isnan(loss):
                return i
            if s > 0:
                total += loss
                present += 1
                hits += 1 if loss > 0 else 0
            elif s == mean_sidx:
                analytical = loss
            elif s == max_sidx:
                largest = loss
        mean = total / samples if samples else np.nan
        squares = (samples - present) * mean * mean
        for i in range(offsets[block], offsets[block + 1]):
            if sidx[i] > 0:
                distance = np.float64(losses[i]) - mean
                squares += distance * distance
        table[block, 0] = mean
        table[block, 1] = math.sqrt(max(squares, 0.0) / (samples - 1)) if samples > 1 else 0.0
        table[block, 2] = hits / samples if samples else np.nan
        table[block, 3] = analytical
        table[block, 4] = largest
    return -1


@jit
def quantiles_of(offsets, sidx, losses, samples, places, table):
    """The loss at each place of the sorted samples of each block, in a row of `table`.

    A place is a number from 1 to `samples`; between two samples it lies on the line through them.
    Returns the first entry that cannot be counted; -1 if all can.
    """
    found = np.empty(samples)
    for block in range(offsets.shape[0] - 1):
        found[:] = 0.0
        for i in range(offsets[block], offsets[block + 1]):
            if sidx[i] > samples or math.isnan(losses[i]):
                return i
            if sidx[i] > 0:
                found[sidx[i] - 1] = losses[i]
        found.sort()
        for k in range(places.shape[0]):
            low = int(places[k])
            loss = found[low - 1]
            if low < samples:
                loss += (found[low] - loss) * (places[k] - low)
            table[block, k] = loss
    return -1
