"""The loop that adds up the losses of an event, over decoded columns."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
from __future__ import annotations

import math

from evstream._support.jit import jit


@jit
def add_up_runs(
    offsets, sidx, losses, starts, samples, mean_sidx, slots, ends, total_sidx, total_losses
):
    """The losses of each run of blocks by sidx: of samples, and of the analytical mean.

    Run r has the blocks from starts[r] to starts[r + 1]; its totals end at ends[r + 1]. `slots`
    holds for each sample where its total is, and -1 at first: a place before those of the run means
    that the run has no total of it yet, so nothing is cleared between two runs. Returns the first
    entry that cannot be counted; -1 if all can.
    """
    used = 0
    for run in range(starts.shape[0] - 1):
        first = used
        for i in range(offsets[starts[run]], offsets[starts[run + 1]]):
            at = sidx[i]
            loss = float(losses[i])
            if at > samples or math.isnan(loss):
                return i
            if at == mean_sidx:
                at = 0
            elif at < 1:
                continue
            place = slots[at]
            if place < first:
                place = used
                slots[at] = place
                total_sidx[place] = at if at > 0 else mean_sidx
                total_losses[place] = 0.0
                used += 1
            total_losses[place] += loss
        ends[run + 1] = used
    return -1
