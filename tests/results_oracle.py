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
