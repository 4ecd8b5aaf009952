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
    Only the samples that a block has are sorted: the others are zeros, between those below zero
    and those above. Returns the first entry that cannot be counted; -1 if all can.
    """
    longest = 0
    for block in range(offsets.shape[0] - 1):
        longest = max(longest, offsets[block + 1] - offsets[block])
    room = np.empty(longest)
    for block in range(offsets.shape[0] - 1):
        present = below = 0
        for i in range(offsets[block], offsets[block + 1]):
            loss = np.float64(losses[i])
            if sidx[i] > samples or math.isnan(loss):
                return i
            if sidx[i] > 0:
                room[present] = loss
                present += 1
                below += 1 if loss < 0 else 0
        found = room[:present]
        found.sort()
        zeros = max(samples - present, 0)
        for k in range(places.shape[0]):
            low = int(places[k])
            loss = _ranked(found, below, zeros, low)
            if low < samples:
                loss += (_ranked(found, below, zeros, low + 1) - loss) * (places[k] - low)
            table[block, k] = loss
    return -1


@jit
def _ranked(found, below, zeros, rank):
    """The loss with a rank from 1, of sorted ones with zeros among them."""
    if rank <= below:
        return found[rank - 1]
    if rank <= below + zeros:
        return 0.0
    return found[rank - 1 - zeros]
