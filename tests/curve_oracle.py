"""Exceedance curves worked out slowly, by the definitions of docs/results.md, in plain Python."""

from __future__ import annotations

import math
from collections.abc import Sequence

from results_oracle import Block, Occurrence, period_losses, summaries_of

OEP, AEP = 1, 3
Row = tuple[float, ...]
Item = tuple[float, float]
"""A loss and its weight, which is 1 where periods weigh the same."""


class Curve:
    """One curve: its losses from the largest, then zeros; `years` is the return period of the
    first of equal ones, None with weights."""

    def __init__(self, items: Sequence[Item], zeros: Sequence[float], years: float | None) -> None:
        self.items = sorted((item for item in items if item[1] > 0), reverse=True)
        self.zeros, self.years = zeros, years

    def place(self, rank: int) -> tuple[float, float]:
        """The return period and the loss of a rank from 1; a period of 0 beyond all of them."""
        loss = self.items[rank - 1][0] if rank <= len(self.items) else 0.0
        if rank == 0:
            return 0.0, 0.0
        if self.years is not None:
            return self.years / rank, loss
        weights = [weight for _, weight in self.items] + list(self.zeros)
        return (1 / math.fsum(weights[:rank]) if rank <= len(weights) else 0.0), loss

    def points(self) -> list[tuple[float, float, float]]:
        """All (return period, loss, tail value at risk)."""
        found, total = [], 0.0
        for rank in range(1, len(self.items) + 1):
            years, loss = self.place(rank)
            total += loss
            found.append((years, loss, total / rank))
        return found

    def at(self, targets: Sequence[float]) -> list[tuple[float, float, float]]:
        """(return period, loss, tail value at risk) at some, which fall; NaN where there is no
        tail."""
        found: list[tuple[float, float, float]] = []
        between: dict[int, list[float]] = {}
        for target in targets if self.items else ():
            if target > self.place(1)[0] + (0.0 if self.years is not None else 0.0001):
                continue
            if target <= 0:
                found.append((target, 0.0, math.nan))
                continue
            rank = 1
            while self.place(rank)[0] > target:
                rank += 1
            years, loss = self.place(rank)
            before, higher = self.place(rank - 1)
            if loss and years != target:
                loss += (target - years) * (higher - loss) / (before - years)
            tail = math.nan
            if years:
                values = [self.place(one)[1] for one in range(1, rank)] + between.get(rank, [])
                tail = (math.fsum(values) + loss) / (len(values) + 1)
            between.setdefault(rank, []).append(loss)
            found.append((target, loss, tail))
        return found


class Curves:
    """The curves of one summary."""

    def __init__(
        self, blocks: Sequence[Block], occurrences: Sequence[Occurrence], count: int, samples: int,
        weights: Sequence[float] | None, targets: Sequence[float] | None, summary: int,
    ) -> None:  # fmt: skip
        losses = period_losses(blocks, occurrences, positive=targets is None)
        self.cells = {
            (period, column): found
            for (one, period, column), found in losses.items() if one == summary
        }  # fmt: skip
        self.count, self.samples, self.weights, self.targets = count, samples, weights, targets
        self.summary = summary

    def losses(self, type: int, column: int) -> dict[int, float]:
        """Period -> loss of a column, where it has an entry."""
        return {
            period: sum(found) if type == AEP else max(0.0, *found)
            for (period, one), found in self.cells.items() if one == column
        }  # fmt: skip

    def curve(
        self, items: Sequence[tuple[int, float]], *, analytical: bool, copies: int = 1
    ) -> Curve:
        """A curve of (period, loss)."""
        if self.weights is None:
            return Curve([(loss, 1.0) for _, loss in items], [], self.count * copies)
        used = {period for period, column in self.cells if (column == 0) == analytical}
        zeros = [w / copies for period, w in enumerate(self.weights, 1) if period not in used]
        return Curve([(x, self.weights[period - 1] / copies) for period, x in items], zeros, None)

    def rows(self, kind: int, type: int, curve: Curve) -> list[Row]:
        points = curve.points() if self.targets is None else curve.at(self.targets)
        losses = [(self.summary, kind, type, years, loss) for years, loss, _ in points]
        tails = [(self.summary, kind, type + 1, years, tail) for years, _, tail in points]
        return losses + [row for row in tails if not math.isnan(row[4])]

    def of_sample(self, type: int, sample: int) -> Curve:
        return self.curve(list(self.losses(type, sample).items()), analytical=False)

    def per_sample_mean(self, type: int) -> list[Row]:
        columns = range(1, self.samples + 1)
        if self.weights is None:
            sorted_losses = [sorted(self.losses(type, s).values(), reverse=True) for s in columns]
            ranks = max(map(len, sorted_losses))
            means = [
                (rank, sum(one[rank] for one in sorted_losses if rank < len(one)) / self.samples)
                for rank in range(ranks)
            ]  # fmt: skip
            return self.rows(3, type, self.curve(means, analytical=False))
        rows: list[Row] = []
        for target in self.targets or ():
            curves = [self.of_sample(type, s).at(self.targets or ()) for s in columns]
            found = [loss for curve in curves for at, loss, _ in curve if at == target]
            if found:
                rows.append((self.summary, 3, type, target, sum(found) / len(found)))
        return rows

    def table(self) -> list[Row]:
        samples = range(1, self.samples + 1)
        rows: list[Row] = []
        for type in (OEP, AEP):
            mean = self.curve(list(self.losses(type, 0).items()), analytical=True)
            rows += self.rows(1, type, mean)
            if not self.samples:
                continue
            items = [item for s in samples for item in self.losses(type, s).items()]
            copies = self.samples
            rows += self.rows(2, type, self.curve(items, analytical=False, copies=copies))
            rows += self.per_sample_mean(type)
            total: dict[int, float] = {}
            for period, loss in items:
                total[period] = total.get(period, 0.0) + loss / self.samples
            rows += self.rows(4, type, self.curve(list(total.items()), analytical=False))
        return rows

    def sample_table(self) -> list[Row]:
        return [
            row for type in (OEP, AEP) for s in range(1, self.samples + 1)
            for row in self.rows(s, type, self.of_sample(type, s))
        ]  # fmt: skip


def ept(
    blocks: Sequence[Block], occurrences: Sequence[Occurrence], count: int, samples: int,
    weights: Sequence[float] | None = None, targets: Sequence[float] | None = None,
    per_sample: bool = False,
) -> list[Row]:  # fmt: skip
    """The rows by summary, kind (or sample) and type, return periods falling."""
    rows: list[Row] = []
    for summary in summaries_of(blocks, occurrences):
        curves = Curves(blocks, occurrences, count, samples, weights, targets, summary)
        rows += curves.sample_table() if per_sample else curves.table()
    return sorted(rows, key=lambda row: (*row[:3], -row[3]))
