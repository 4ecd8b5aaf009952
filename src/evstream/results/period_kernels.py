"""The loops that add losses to periods, over decoded columns.

A row of `sums` and `maxima` is of a summary in a period, a column of a sample; column 0 is of the
analytical mean. The maximum is never below zero, and starts at zero. A cell that has an entry but
no maximum above zero holds -0.0, so that no further array says which cells were used.
"""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
from __future__ import annotations

import math

from evstream._support.jit import jit


@jit
def add_losses(offsets, sidx, losses, blocks, rows, samples, mean_sidx, is_positive, sums, maxima):
    """Add the losses of each block to a row; a block comes once per period that it is in.

    With `is_positive` only losses above zero count. `maxima` may have no rows: then none are made.
    Returns the first entry that cannot be counted, as one whose sidx is above `samples`; -1 if all
    can.
    """
    has_maxima = maxima.shape[0] > 0
    for pair in range(blocks.shape[0]):
        block, row = blocks[pair], rows[pair]
        for i in range(offsets[block], offsets[block + 1]):
            at = sidx[i]
            loss = float(losses[i])
            if at > samples or math.isnan(loss):
                return i
            if at == mean_sidx:
                at = 0
            elif at < 1:
                continue
            if is_positive and not loss > 0:
                continue
            sums[row, at] += loss
            if has_maxima:
                high = maxima[row, at]
                if loss > high:
                    maxima[row, at] = loss
                elif high == 0:
                    maxima[row, at] = -0.0
    return -1


@jit
def merge_rows(rows, sums, maxima, more_sums, more_maxima):
    """Add rows of other blocks to these."""
    for i in range(rows.shape[0]):
        row = rows[i]
        for j in range(more_sums.shape[1]):
            sums[row, j] += more_sums[i, j]
        for j in range(more_maxima.shape[1] if maxima.shape[0] else 0):
            high = more_maxima[i, j]
            if high > maxima[row, j] or (maxima[row, j] == 0 and math.copysign(1.0, high) < 0):
                maxima[row, j] = high
