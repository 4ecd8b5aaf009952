"""Points of an exceedance curve at given return periods.

The losses of a curve are sorted, largest first. The i-th of them is exceeded, or reached, once in
r(i) years: all periods divided by i, or one divided by the sum of the first i weights. Periods
without a loss follow as zeros. A return period t lies between two of the r(i), and so does its
loss, on a line. Its tail value at risk is the mean of the losses before it and of its own.
"""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
from __future__ import annotations

import math

import numpy as np

from evstream._support.jit import jit

SLACK = 0.0001
"""What a weighted curve reaches beyond its largest return period: sums of weights are rounded."""


@jit
def falling(losses):
    """The order of losses from the largest. Equal ones, as of an event in several periods, come as
    numba's sort leaves them, since the reference takes their weights in that order."""
    return np.argsort(losses)[::-1]


@jit
def points_of(losses, weights, unused, years, targets, points, tails):
    """Loss and tail value at risk at return periods, which fall; NaN where the curve has none.

    `weights` are those of the losses, and `unused` those of the periods without a loss. With
    `years` above 0 they are not looked at: all losses and zeros weigh one by `years`.
    """
    points[:] = math.nan
    tails[:] = math.nan
    is_weighted = years == 0
    count = losses.shape[0]
    longest = years
    i = at = 0
    mean = weight = last_years = last_loss = 0.0
    while at < targets.shape[0]:
        i += 1
        if not is_weighted and i > count + 1 and targets[at] > 0:
            nearest = int(years / targets[at]) - 1  # zeros that no return period lies between
            if nearest > i:
                mean *= (i - 1) / (nearest - 1)
                i = nearest
        loss = losses[i - 1] if i <= count else 0.0
        if not is_weighted:
            now = years / i
            if i > count and targets[at] <= 0:
                now = 0.0
        elif i <= count:
            weight += weights[i - 1]
            now = 1 / weight
            if i == 1:
                longest = now + SLACK
        elif i <= count + unused.shape[0]:
            weight += unused[i - count - 1]
            now = 1 / weight if weight > 0 else math.inf
        else:
            now = 0.0
        tail, number = mean, i
        while at < targets.shape[0] and now <= targets[at]:
            target = targets[at]
            at += 1
            if target > longest:
                continue
            if now == 0 or loss == 0:
                found = 0.0
            elif now == target:
                found = loss
            else:
                slope = (last_loss - loss) / (last_years - now)
                found = (target - now) * slope + loss
            points[at - 1] = found
            if now != 0:
                tail -= (tail - found) / number
                tails[at - 1] = tail
            number += 1
        if now > 0:
            last_years, last_loss = now, loss
        mean -= (mean - loss) / i
