"""`evstream.aal`: average annual loss, its deviation, and its convergence."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from evstream._support.arguments import described, did_you_mean, real_number
from evstream.results.occurrences import Occurrences
from evstream.results.period_losses import PeriodLosses, period_losses
from evstream.results.table import ANALYTICAL, SAMPLE, ResultTable, result_header
from evstream.transport.endpoints import SourcesLike
from evstream.transport.watching import one_bar
from evstream.wire.columns import Array


@one_bar
def aal(
    summary: SourcesLike,
    occurrence: Any,
    table: str = "aal",
    *,
    periods: Any = None,
    confidence: float = 0.95,
    threads: int | None = None,
    widths: Mapping[str, str] | None = None,
    strict: bool | None = None,
    timeout: float | None = None,
    progress: Callable[[int], object] | None = None,
) -> ResultTable:
    """The average annual loss of each summary of a summary stream, or of several.

    Args:
        summary: what evstream.open takes, of type summary: a path, a pattern, a folder, a pipe.
        occurrence: the path of an occurrence file (occurrence.bin): in which periods events are.
        table: "aal", means and standard deviations; "aalmeanonly", means; or "alct", convergence
            with the number of samples. docs/results.md has the definitions.
        periods: weights of the periods: a file (periods.bin) or numbers; None for equal ones.
        confidence: of the interval of an alct, between 0 and 1.
        threads: how many read parts of large files; None for the cores of this process. The
            result does not depend on it.
        widths, strict, timeout: as for evstream.open.
        progress: called now and then, by one thread at a time, with the number of bytes read.

    Returns:
        The columns as a ResultTable, by summary in ascending order.

    Memory holds a float64 per sample for each summary in each period that has an event of it.
    Warns with a WithoutPeriodWarning of events that are in no period, which count nowhere.

    Raises:
        The errors of evstream.open and of iterating over it; StreamMismatchError for a stream of
        another type; CorruptStreamError for a loss that is NaN.
        EvstreamError: the periods do not fit the occurrences, or the table is larger than the
            memory of this machine.
        ValueError: `table` or `confidence` is not one of the above.
    """
    if not isinstance(table, str) or table not in TABLES:
        hint = did_you_mean(table, TABLES)
        raise ValueError(f"table is {described(table)}, expected {', '.join(TABLES)}{hint}")
    level = real_number("confidence", confidence)
    if not 0 < level < 1:
        raise ValueError(f"confidence is {level:g}, expected a number between 0 and 1")
    occurrences = Occurrences(occurrence, periods)
    losses = period_losses(
        summary, occurrences, has_maxima=False, threads=threads, widths=widths, strict=strict,
        timeout=timeout, progress=progress,
    )  # fmt: skip
    return average_table(losses, occurrences, table, level)


def average_table(
    losses: PeriodLosses, occurrences: Occurrences, table: str, level: float = 0.95
) -> ResultTable:
    """The table of `aal`, from the losses of periods."""
    with np.errstate(all="ignore"):  # one period, or a mean of zero
        columns = (
            _alct(losses, occurrences, level) if table == "alct" else _aal(losses, occurrences)
        )
    if table != "alct":
        columns = {name: column[_order(columns, table)] for name, column in columns.items()}
    header = result_header(table, losses.header)
    return ResultTable(header, columns, len(losses.absent))


TABLES = ("aal", "aalmeanonly", "alct")


class _Annual:
    """Sums over the periods of each summary, with weights whose mean is 1.

    Attributes:
        summaries: in ascending order.
        count: number of periods; those without a row have no loss.
    """

    def __init__(self, losses: PeriodLosses, occurrences: Occurrences) -> None:
        self.count = occurrences.count
        self.sums = losses.sums
        self._order = np.lexsort([losses.periods, losses.summaries])
        self.summaries, self._starts = np.unique(losses.summaries[self._order], return_index=True)
        weights = occurrences.weights
        self.weights = (
            np.ones(len(self.sums))
            if weights is None
            else weights[losses.periods - 1] * occurrences.count
        )

    def total(self, rows: Array) -> Array:
        """The sum of a value per row, over the rows of each summary."""
        ordered = rows[self._order]
        return np.add.reduceat(ordered, self._starts) if len(ordered) else ordered

    def moments(self, first: int, last: int) -> tuple[Array, Array, Array]:
        """Weighted sums over some columns, last exclusive: of the losses, of their squares, and of
        the squares of the weighted sum of each period."""
        some = self.sums[:, first:last]
        rows = self.weights * some.sum(axis=1)
        squares = self.weights * np.einsum("ij,ij->i", some, some)
        return self.total(rows), self.total(squares), self.total(rows * rows)


def _deviation(total: Array, squares: Array, count: int) -> Array:
    """The standard deviation of so many numbers, from their sum and the sum of their squares."""
    variance = (squares - total * total / count) / np.float64(count - 1)
    return np.sqrt(np.maximum(variance, 0))


def _aal(losses: PeriodLosses, occurrences: Occurrences) -> dict[str, Array]:
    annual = _Annual(losses, occurrences)
    samples = losses.samples
    kinds = [(ANALYTICAL, 0, 1), (SAMPLE, 1, 1 + samples)][: 2 if samples else 1]
    means, deviations = [], []
    for _, first, last in kinds:
        total, squares, _ = annual.moments(first, last)
        count = annual.count * (last - first)
        means.append(total / count)
        deviations.append(_deviation(total, squares, count))
    summaries = annual.summaries
    return {
        "summary_id": np.tile(summaries, len(kinds)),
        "sample_type": np.repeat([kind for kind, _, _ in kinds], len(summaries)),
        "mean_loss": np.concatenate(means),
        "sd_loss": np.concatenate(deviations),
    }


def _order(columns: dict[str, Array], table: str) -> Array:
    """The order of rows of the reference: by sample type first, of means alone by summary."""
    names = ["summary_id", "sample_type"] if table == "aal" else ["sample_type", "summary_id"]
    return np.lexsort([columns[name] for name in names])


def _alct(losses: PeriodLosses, occurrences: Occurrences, level: float) -> dict[str, Array]:
    """A row per summary and subset of its samples."""
    annual, periods = _Annual(losses, occurrences), occurrences.count
    rows: list[list[Array]] = []
    for first, last in subsets(losses.samples):
        size = last - first
        total, squares, by_period = annual.moments(first, last)
        mean = total / (size * periods)
        deviation = _deviation(total, squares, size * periods)
        spread = by_period / size**2
        vuln = (squares - size * spread) / (size * periods - size) / (size * periods)
        haz = size * (spread - periods * mean**2) / np.float64(periods - 1) / (size * periods)
        error_vuln, error_haz = np.sqrt(vuln), np.sqrt(haz)
        half = error_vuln * normal_quantile((1 + level) / 2)
        rows.append([
            annual.summaries, mean, deviation, np.full(len(mean), size),
            np.where(half > 0, mean - half, 0), np.where(half > 0, mean + half, 0),
            error_vuln, error_vuln / mean, haz, error_haz, error_haz / mean,
            vuln, error_vuln, error_vuln / mean,
        ])  # fmt: skip
    names = (
        "summary_id", "mean_loss", "sd_loss", "sample_size", "lower_ci", "upper_ci",
        "standard_error", "relative_error", "var_element_haz", "standard_error_haz",
        "relative_error_haz", "var_element_vuln", "standard_error_vuln", "relative_error_vuln",
    )  # fmt: skip
    if not rows:
        return {name: np.empty(0) for name in names}
    columns = [np.stack(column, axis=1).ravel() for column in zip(*rows, strict=True)]
    return dict(zip(names, columns, strict=True))


def subsets(samples: int) -> list[tuple[int, int]]:
    """The samples that convergence looks at, first and last exclusive: sample 1, the next 2, the
    next 4, as long as they are there; then all."""
    found = []
    size = 1
    while samples > 1 and 2 * size - 1 <= samples:
        found.append((size, 2 * size))
        size *= 2
    return [*found, (1, samples + 1)] if samples else []


def normal_quantile(probability: float) -> float:
    """The quantile of the normal distribution above 0.5, by the approximation 26.2.23 of
    Abramowitz and Stegun, which is off by less than 4.5e-4."""
    t = math.sqrt(-2 * math.log(1 - probability))
    upper = 2.515517 + 0.802853 * t + 0.010328 * t * t
    lower = 1 + 1.432788 * t + 0.189269 * t * t + 0.001308 * t * t * t
    return t - upper / lower
