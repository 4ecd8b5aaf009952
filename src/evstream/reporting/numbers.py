"""What a report shows, as numbers: result tables, curves with few points, a histogram of events."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from evstream.errors import EvstreamError
from evstream.reporting.collection import Collection
from evstream.reporting.event_losses import LargestEvents
from evstream.results.average import average_table, subsets
from evstream.results.curves import Curve
from evstream.results.exceedance import curve_table, curves_of_each
from evstream.results.occurrences import Occurrences
from evstream.results.summaries import sample_count
from evstream.results.table import ANALYTICAL, SAMPLE, ResultTable
from evstream.wire.columns import Array

CALCS = {
    2: "Full uncertainty",
    1: "Analytical mean",
    3: "Per sample mean",
    4: "Sample mean",
}  # fmt: skip
"""EPCalc -> its name, in the order of a report."""

TYPES = {1: "OEP", 3: "AEP", 2: "OEP TVaR", 4: "AEP TVaR"}
"""EPType -> its name, in the order of a report."""

USUAL = (2, 5, 10, 20, 25, 50, 100, 200, 250, 500, 1000, 2000, 5000, 10000)
"""Return periods where none are given, as far as there are periods."""

POINTS = 64
"""Points of a curve in a chart, at most."""

Points = dict[int, tuple[Array, Array]]
"""EPType -> return periods, falling, and losses."""


@dataclass(frozen=True)
class Histogram:
    """Numbers of events by mean loss, above 0; a bin has its lower edge, the last one both."""

    edges: Array
    counts: Array


@dataclass(frozen=True)
class Convergence:
    """Means over some of the samples, and their standard errors; arrays of one length."""

    samples: Array
    means: Array
    errors: Array


@dataclass(frozen=True)
class PeriodNumbers:
    """Results by period.

    Attributes:
        count: number of periods.
        is_weighted: whether they have weights of their own.
        aal: of all summaries.
        alct: of the summaries in `shown`.
        ept: of the summaries in `shown`, at `return_periods`.
        curves: summary -> EPCalc -> points of its curves.
        shown: the summaries with the largest average annual loss, largest first.
        by_mean: all summaries in this order.
        return_periods: falling.
    """

    count: int
    is_weighted: bool
    aal: ResultTable
    alct: ResultTable
    ept: ResultTable
    curves: dict[int, dict[int, Points]]
    shown: list[int]
    by_mean: list[int]
    return_periods: Array
    events_without_period: int


@dataclass(frozen=True)
class EventNumbers:
    """Results by event, whatever their periods.

    Attributes:
        count: number of events.
        repeated: of these, how many have blocks that do not follow one another.
        quiet: of these, how many have no finite mean loss above 0.
        largest, histogram: see their types.
        total: of the losses of all events, by number of samples; None where it is not known.
    """

    count: int
    repeated: int
    quiet: int
    largest: LargestEvents
    histogram: Histogram
    total: Convergence | None = field(default=None)


def event_numbers(found: Collection, largest: int) -> EventNumbers | None:
    """Results by event; None for a stream without losses."""
    losses = found.events
    if losses is None:
        return None
    means = losses.means
    quiet = int((~((means > 0) & np.isfinite(means))).sum())
    return EventNumbers(
        len(losses), losses.repeated, quiet, losses.largest(largest), histogram(means),
        _total(losses.by_sample, sample_count(found.header)),
    )  # fmt: skip


def histogram(means: Array) -> Histogram:
    """Bins whose edges are 1, 2 and 5 times a power of ten, or powers of ten where that is too
    many."""
    some = means[(means > 0) & np.isfinite(means)]
    if not len(some):
        return Histogram(np.empty(0), np.empty(0, np.int64))
    low, high = int(np.floor(np.log10(some.min()))), int(np.floor(np.log10(some.max()))) + 1
    steps: tuple[int, ...] = (1, 2, 5) if high - low <= 10 else (1,)
    every = max(1, -(-(high - low) // 40))
    powers = np.arange(low, high + every, every)
    with np.errstate(over="ignore"):
        edges = np.multiply.outer(np.power(10.0, powers), steps).ravel()
    edges = np.unique(np.minimum(edges, np.finfo(float).max))
    edges[0] = min(edges[0], some.min())
    first = int(np.searchsorted(edges, some.min(), side="right")) - 1
    last = int(np.searchsorted(edges, some.max(), side="right")) + 1
    edges = edges[first:last]
    bins = np.minimum(np.searchsorted(edges, some, side="right") - 1, len(edges) - 2)
    return Histogram(edges, np.bincount(bins, minlength=len(edges) - 1))


def _total(by_sample: Array | None, samples: int) -> Convergence | None:
    """The mean over the first samples of the losses of all events, for growing numbers of them."""
    if by_sample is None or not 1 < samples <= len(by_sample) + _MORE:
        return None
    losses = np.append(by_sample, np.zeros(samples - len(by_sample)))
    sizes = [2**n for n in range(1, samples.bit_length()) if 2**n < samples] + [samples]
    with np.errstate(all="ignore"):
        return Convergence(
            np.array(sizes), np.array([losses[:size].mean() for size in sizes]),
            np.array([losses[:size].std(ddof=1) / np.sqrt(size) for size in sizes]),
        )  # fmt: skip


_MORE = 1 << 20
"""Samples without any loss that a header may announce."""


def period_numbers(
    found: Collection,
    occurrences: Occurrences,
    targets: Array | None,
    shown: int,
    threads: int,
    first: int | None = None,
) -> PeriodNumbers | None:
    """Results by period; None for a stream without losses. `shown`: how many summaries have curves;
    `targets` are return periods, falling, None for usual ones. `first`: the summary to show alone.

    Raises EvstreamError if there is no such summary.
    """
    losses = found.periods
    if losses is None:
        return None
    if targets is None:
        usual = [number for number in USUAL if number <= occurrences.count]
        targets = np.array(usual[::-1] or [1], np.float64)
    aal = average_table(losses, occurrences, "aal")
    kind = SAMPLE if sample_count(found.header) else ANALYTICAL
    of_kind = aal["sample_type"] == kind
    summaries, means = aal["summary_id"][of_kind], aal["mean_loss"][of_kind]
    by_mean = summaries[np.lexsort([summaries, -means])].tolist()
    if first is not None and first not in by_mean:
        raise EvstreamError(
            f"no event of summary {first} is in a period", expected=_some_of(sorted(by_mean))
        )
    names = by_mean[:shown] if first is None else [first]
    chosen = np.array(names, np.int64)
    curves = {
        summary: _by_calc(made)
        for summary, made in curves_of_each(
            losses, occurrences, None, lambda one: [_thinned(c) for c in one.curves()], threads,
            chosen,
        )
    }  # fmt: skip
    alct = average_table(losses, occurrences, "alct")
    wanted = np.isin(alct["summary_id"], chosen)
    alct = ResultTable(alct.header, {name: column[wanted] for name, column in alct.items()})
    ept = curve_table(losses, occurrences, targets, threads=threads, only=chosen)
    _add_from_table(curves, ept)
    return PeriodNumbers(
        occurrences.count, occurrences.weights is not None, aal, alct, ept, curves,
        names, by_mean, targets, len(losses.absent),
    )  # fmt: skip


def _some_of(summaries: list[int]) -> str:
    more = ", ..." if len(summaries) > 10 else ""
    return f"one of {', '.join(map(str, summaries[:10]))}{more}"


def _thinned(curve: Curve) -> Curve:
    """Some points of a curve, at ranks whose distances grow; first and last among them."""

    def some(count: int) -> Array:
        if count <= POINTS:
            return np.arange(count)
        return np.unique(np.round(np.geomspace(1, count, POINTS)).astype(np.int64)) - 1

    here, tail = some(len(curve.years)), some(len(curve.tail_years))
    return curve._replace(
        years=curve.years[here], losses=curve.losses[here],
        tail_years=curve.tail_years[tail], tail_losses=curve.tail_losses[tail],
    )  # fmt: skip


def _by_calc(curves: list[Curve]) -> dict[int, Points]:
    found: dict[int, Points] = {}
    for curve in curves:
        points = found.setdefault(curve.kind, {})
        points[curve.type] = curve.years, curve.losses
        if len(curve.tail_years):
            points[curve.type + 1] = curve.tail_years, curve.tail_losses
    return found


def averages_of(numbers: PeriodNumbers, kind: int) -> dict[int, tuple[float, float]]:
    """Summary -> the mean and the standard deviation of a sample type in the AAL."""
    aal = numbers.aal
    chosen = aal["sample_type"] == kind
    columns = (aal[name][chosen].tolist() for name in ("summary_id", "mean_loss", "sd_loss"))
    return {summary: (mean, sd) for summary, mean, sd in zip(*columns, strict=True)}


def _add_from_table(curves: dict[int, dict[int, Points]], ept: ResultTable) -> None:
    """Add the curves that are known at return periods alone: per sample means of weighted
    periods."""
    columns = [ept[name] for name in ("summary_id", "ep_calc", "ep_type")]
    known = {(summary, calc) for summary, calcs in curves.items() for calc in calcs}
    for summary, calc, type in dict.fromkeys(zip(*(c.tolist() for c in columns), strict=True)):
        if (summary, calc) not in known:
            rows = (columns[0] == summary) & (columns[1] == calc) & (columns[2] == type)
            points = curves.setdefault(summary, {}).setdefault(calc, {})
            points[type] = ept["return_period"][rows], ept["loss"][rows]


def convergence_of(numbers: PeriodNumbers, summary: int) -> Convergence:
    """The rows of one summary in the ALCT."""
    rows = np.flatnonzero(numbers.alct["summary_id"] == summary)
    table = numbers.alct
    return Convergence(
        table["sample_size"][rows], table["mean_loss"][rows], table["standard_error"][rows]
    )


def subset_names(samples: int) -> list[str]:
    """The samples of each row of an ALCT."""
    return [
        f"{first} to {last - 1}" if last - first > 1 else str(first)
        for first, last in subsets(samples)
    ]
