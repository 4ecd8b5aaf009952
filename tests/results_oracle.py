"""Result tables worked out slowly, by the definitions of docs/results.md, in plain Python.

It shares no code with evstream. Blocks are ((event_id, summary_id, exposure), [(sidx, loss), ...]).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

Entries = Sequence[tuple[int, float]]
Block = tuple[tuple[int, int, float], Entries]

MEAN, MAX = -1, -5


def samples_of(entries: Entries, count: int) -> list[float]:
    """The losses of all samples; those that a block does not have are 0."""
    found = dict(entries)
    return [found.get(sidx, 0.0) for sidx in range(1, count + 1)]


def selt(blocks: Sequence[Block]) -> list[tuple[float, ...]]:
    return [
        (event, summary, sidx, loss, exposure if loss else 0)
        for (event, summary, exposure), entries in blocks
        for sidx, loss in entries
        if sidx != MAX
    ]


def melt(
    blocks: Sequence[Block], count: int, rates: dict[int, float] | None = None
) -> list[tuple[float, ...]]:
    rows: list[tuple[float, ...]] = []
    for (event, summary, exposure), entries in blocks:
        if exposure <= 0:
            continue
        rate = (rates or {}).get(event, math.nan)
        special = dict(entries)
        largest = special.get(MAX, 0.0)
        losses = samples_of(entries, count)
        chance = sum(loss > 0 for loss in losses) / count
        mean = sum(losses) / count
        squares = sum((loss - mean) ** 2 for loss in losses)
        deviation = math.sqrt(squares / (count - 1)) if count > 1 else 0.0
        rows.append((event, summary, 1, rate, 0, special.get(MEAN, 0.0), 0, largest,
                     exposure, exposure, exposure))  # fmt: skip
        rows.append((event, summary, 2, rate, chance, mean, deviation, largest,
                     exposure, exposure * chance, exposure if chance else 0))  # fmt: skip
    return rows


def qelt(
    blocks: Sequence[Block], count: int, quantiles: Sequence[float]
) -> list[tuple[float, ...]]:
    rows: list[tuple[float, ...]] = []
    for (event, summary, exposure), entries in blocks:
        losses = sorted(samples_of(entries, count))
        for quantile in quantiles if exposure > 0 else ():
            place = (count - 1) * quantile
            low = min(int(place), count - 1)
            high = min(low + 1, count - 1)
            loss = losses[low] + (losses[high] - losses[low]) * (place - low)
            rows.append((event, summary, quantile, loss))
    return rows


# By period. Occurrences are (event_id, period), the weights of periods sum to 1.

Occurrence = tuple[int, int]


def period_losses(
    blocks: Sequence[Block], occurrences: Sequence[Occurrence], *, positive: bool = False
) -> dict[tuple[int, int, int], list[float]]:
    """(summary, period, column) -> the losses of the events there, one each; column 0 is the
    analytical mean, the others are samples."""
    found: dict[tuple[int, int, int], list[float]] = {}
    for (event, summary, _), entries in blocks:
        for occurring, period in occurrences:
            for sidx, loss in entries if occurring == event else ():
                column = 0 if sidx == MEAN else sidx
                if column >= 0 and (loss > 0 or not positive):
                    found.setdefault((summary, period, column), []).append(loss)
    return found


def summaries_of(blocks: Sequence[Block], occurrences: Sequence[Occurrence]) -> list[int]:
    """The summaries that have an event in a period."""
    events = {event for event, _ in occurrences}
    return sorted({summary for (event, summary, _), _ in blocks if event in events})


class Years:
    """The losses of one summary in all periods, those without an event too."""

    def __init__(
        self, blocks: Sequence[Block], occurrences: Sequence[Occurrence], count: int,
        summary: int, weights: Sequence[float] | None,
    ) -> None:  # fmt: skip
        self.losses = period_losses(blocks, occurrences)
        self.count, self.summary = count, summary
        self.weights = [w * count for w in weights or [1 / count] * count]

    def sums(self, columns: Sequence[int]) -> tuple[float, float, float]:
        """Weighted sums of losses, of their squares, and of the squares of the sum per period."""
        total = squares = by_period = 0.0
        for period, weight in enumerate(self.weights, 1):
            losses = [sum(self.losses.get((self.summary, period, c), [])) for c in columns]
            total += weight * sum(losses)
            squares += weight * sum(loss**2 for loss in losses)
            by_period += (weight * sum(losses)) ** 2
        return total, squares, by_period

    def moments(self, columns: Sequence[int]) -> tuple[float, float]:
        total, squares, _ = self.sums(columns)
        number = self.count * len(columns)
        if number == 1:
            return total, math.nan
        return total / number, math.sqrt(max(0.0, (squares - total**2 / number) / (number - 1)))


def aal(
    blocks: Sequence[Block], occurrences: Sequence[Occurrence], count: int, samples: int,
    weights: Sequence[float] | None = None,
) -> list[tuple[float, ...]]:  # fmt: skip
    columns = {1: range(1), 2: range(1, samples + 1)}
    return [
        (summary, kind, *Years(blocks, occurrences, count, summary, weights).moments(columns[kind]))
        for kind in ((1, 2) if samples else (1,))
        for summary in summaries_of(blocks, occurrences)
    ]


def alct(
    blocks: Sequence[Block], occurrences: Sequence[Occurrence], count: int, samples: int,
    weights: Sequence[float] | None = None, z: float = 1.9603949,
) -> list[tuple[float, ...]]:  # fmt: skip
    """`z` is the quantile of the confidence 0.95, by the approximation of the definition."""
    rows: list[tuple[float, ...]] = []
    sets = []
    size = 1
    while samples > 1 and size + size - 1 <= samples:
        sets.append(range(size, 2 * size))
        size *= 2
    for summary in summaries_of(blocks, occurrences):
        years = Years(blocks, occurrences, count, summary, weights)
        for subset in [*sets, range(1, samples + 1)]:
            n = len(subset)
            _, squares, by_period = years.sums(subset)
            mean, deviation = years.moments(subset)
            spread = by_period / n**2
            vuln = (squares - n * spread) / (n * count - n) / (n * count)
            haz = n * (spread - count * mean**2) / (count - 1) / (n * count)
            error_vuln = math.sqrt(vuln) if vuln >= 0 else math.nan
            error_haz = math.sqrt(haz) if haz >= 0 else math.nan
            half = z * error_vuln
            low, high = (mean - half, mean + half) if half > 0 else (0, 0)
            rows.append((
                summary, mean, deviation, n, low, high, error_vuln, error_vuln / mean, haz,
                error_haz, error_haz / mean, vuln, error_vuln, error_vuln / mean,
            ))  # fmt: skip
    return rows
