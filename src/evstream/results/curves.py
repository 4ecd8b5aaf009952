"""Exceedance curves of one summary: from the losses of its periods to points.

A curve is of losses with weights. What differs between the kinds of curves is which losses these
are: docs/results.md has the definitions.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from evstream.results.curve_kernels import falling, points_of
from evstream.wire.columns import Array

ANALYTICAL, FULL, PER_SAMPLE_MEAN, SAMPLE_MEAN = 1, 2, 3, 4
"""What the losses of a curve are (EPCalc)."""

OEP, AEP = 1, 3
"""Losses of a period: the largest of an event, or the sum (EPType); the next number is of the
tail value at risk."""


class Curve(NamedTuple):
    """Points of a curve, and of its tail value at risk, by return periods that fall."""

    kind: int
    type: int
    years: Array
    losses: Array
    tail_years: Array
    tail_losses: Array


class Summary:
    """The losses of one summary in its periods.

    Args:
        losses: type -> float64, shape (rows, columns), a row per period that has an event; column 0
            is the analytical mean, the others are samples.
        used: bool, the same shape: which losses there are.
        periods: the period of each row, from 1.
        weights: float64, of all periods; None where they weigh the same.
        count, samples: number of periods and of samples.
        targets: return periods, falling; None for all points.
    """

    def __init__(
        self, losses: dict[int, Array], used: Array, periods: Array, weights: Array | None,
        count: int, samples: int, targets: Array | None,
    ) -> None:  # fmt: skip
        self._losses, self._used = losses, used
        self._weights = None if weights is None else weights[periods - 1]
        self._count, self._targets = count, targets
        self._samples = samples
        self._with_losses = 1 + np.flatnonzero(used[:, 1:].any(axis=0))
        self._unused = dict.fromkeys((False, True), np.empty(0))
        if weights is not None:
            for is_sample, some in ((False, used[:, 0]), (True, used[:, 1:].any(axis=1))):
                is_used = np.zeros(count, bool)
                is_used[periods[some] - 1] = True
                self._unused[is_sample] = weights[~is_used]

    def curves(self) -> Iterator[Curve]:
        """The curves of a table of exceedance probabilities, in its order."""
        for kind, make in (
            (ANALYTICAL, self._analytical), (FULL, self._full),
            (PER_SAMPLE_MEAN, self._per_sample_mean), (SAMPLE_MEAN, self._sample_mean),
        ):  # fmt: skip
            if kind != ANALYTICAL and not self._samples:
                continue
            for type in (OEP, AEP):
                curve = make(type, self._losses[type])
                if curve is not None:
                    yield curve._replace(kind=kind)

    def sample_curves(self) -> Iterator[Curve]:
        """The curves of each sample; `kind` is the sample."""
        for sample in self._with_losses.tolist():
            for type in (OEP, AEP):
                curve = self._of_sample(type, sample)
                if curve is not None:
                    yield curve._replace(kind=sample)

    def _analytical(self, type: int, losses: Array) -> Curve | None:
        used = self._used[:, 0]
        return self._curve(type, losses[used, 0], self._of_rows(used), False)

    def _full(self, type: int, losses: Array) -> Curve | None:
        """Each sample is as many periods more."""
        used = self._used[:, 1:]
        weights = None
        if self._weights is not None:
            weights = np.broadcast_to(self._weights[:, None], used.shape)[used] / self._samples
        return self._curve(type, losses[:, 1:][used], weights, True, self._samples)

    def _of_sample(self, type: int, sample: int) -> Curve | None:
        used = self._used[:, sample]
        return self._curve(type, self._losses[type][used, sample], self._of_rows(used), True)

    def _per_sample_mean(self, type: int, losses: Array) -> Curve | None:
        """The mean over the samples of the losses of one rank; with weights, of one return
        period, as far as the curves of the samples have it."""
        if self._weights is None:
            ranked = np.where(self._used[:, 1:], losses[:, 1:], -np.inf)
            ranked.sort(axis=0)
            ranked = ranked[::-1]
            held = ranked > -np.inf
            means = np.where(held, ranked, 0).sum(axis=1) / self._samples
            return self._curve(type, means[held.any(axis=1)], None, True)
        if self._targets is None:
            return None
        total, number = np.zeros(len(self._targets)), np.zeros(len(self._targets))
        for sample in self._with_losses.tolist():
            curve = self._of_sample(type, sample)
            if curve is not None:
                at = np.isin(self._targets, curve.years)
                total[at] += curve.losses
                number[at] += 1
        there = number > 0
        if not there.any():
            return None
        none = np.empty(0)
        means = total[there] / number[there]
        return Curve(0, type, self._targets[there], means, none, none)

    def _sample_mean(self, type: int, losses: Array) -> Curve | None:
        used = self._used[:, 1:]
        means = np.where(used, losses[:, 1:], 0).sum(axis=1) / self._samples
        some = np.flatnonzero(used.any(axis=1))
        return self._curve(type, means[some], self._of_rows(some), True)

    def _of_rows(self, rows: Array) -> Array | None:
        return None if self._weights is None else self._weights[rows]

    def _curve(
        self, type: int, losses: Array, weights: Array | None, is_sample: bool, copies: int = 1
    ) -> Curve | None:
        """The curve of some losses; None if there is none of any weight. `copies` is how often
        each period counts."""
        years = float(self._count * copies) if weights is None else 0.0
        unused = self._unused[is_sample] / copies
        if weights is None:
            losses = np.sort(losses)[::-1]
            weights = np.empty(0)
        else:
            order = falling(np.ascontiguousarray(losses))
            order = order[weights[order] > 0]
            losses, weights = losses[order], weights[order]
        if not len(losses):
            return None
        if self._targets is not None:
            points, tails = np.empty((2, len(self._targets)))
            # Of one layout, since numba compiles a kernel for each.
            arrays = map(np.ascontiguousarray, (losses, weights, unused))
            targets = np.ascontiguousarray(self._targets)
            points_of(*arrays, years, targets, points, tails)
            has_point, has_tail = ~np.isnan(points), ~np.isnan(tails)
            return Curve(
                0, type, self._targets[has_point], points[has_point], self._targets[has_tail],
                tails[has_tail],
            )  # fmt: skip
        ranks = np.arange(1, len(losses) + 1)
        at = 1 / np.cumsum(weights) if len(weights) else years / ranks
        return Curve(0, type, at, losses, at, np.cumsum(losses) / ranks)
