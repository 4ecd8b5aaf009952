"""`evstream.ept`: exceedance curves of summary streams."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from evstream._support.arguments import flag
from evstream.partition.threads import in_order, threads_of
from evstream.results.curves import AEP, OEP, Curve, Summary
from evstream.results.occurrences import Occurrences, return_periods_from
from evstream.results.period_losses import PeriodLosses, period_losses
from evstream.results.table import ResultTable, result_header
from evstream.transport.endpoints import SourcesLike
from evstream.transport.watching import one_bar
from evstream.wire.columns import Array


@one_bar
def ept(
    summary: SourcesLike,
    occurrence: Any,
    *,
    periods: Any = None,
    return_periods: Any = None,
    per_sample: bool = False,
    threads: int | None = None,
    widths: Mapping[str, str] | None = None,
    strict: bool | None = None,
    timeout: float | None = None,
    progress: Callable[[int], object] | None = None,
) -> ResultTable:
    """The exceedance curves of each summary of a summary stream, or of several.

    Args:
        summary: what evstream.open takes, of type summary: a path, a pattern, a folder, a pipe.
        occurrence: the path of an occurrence file (occurrence.bin): in which periods events are.
        periods: weights of the periods: a file (periods.bin) or numbers; None for equal ones.
        return_periods: where to give the curves: a file (returnperiods.bin) or numbers; None for
            all points, as many as there are losses of a sample in a period.
        per_sample: the curve of each sample (a psept) in place of the table of all (an ept).
        threads: how many read parts of large files and make curves; None for the cores of this
            process. The result does not depend on it.
        widths, strict, timeout: as for evstream.open.
        progress: called now and then, by one thread at a time, with the number of bytes read.

    Returns:
        The columns as a ResultTable: by summary, then kind of curve (or sample), then type, then
        return period from the highest. docs/results.md has the definitions.

    Memory holds two float64 per sample for each summary in each period that has an event of it.
    Warns with a WithoutPeriodWarning of events that are in no period, which count nowhere.

    Raises:
        The errors of evstream.open and of iterating over it; StreamMismatchError for a stream of
        another type; CorruptStreamError for a loss that is NaN.
        EvstreamError: the periods do not fit the occurrences, or the table is larger than the
            memory of this machine.
        ValueError: a return period is not 0 or a number from 1, or there twice.
    """
    is_psept = flag("per_sample", per_sample)
    number = threads_of(threads)
    targets = return_periods_from(return_periods)
    occurrences = Occurrences(occurrence, periods)
    losses = period_losses(
        summary, occurrences, is_positive=targets is None, threads=number, widths=widths,
        strict=strict, timeout=timeout, progress=progress,
    )  # fmt: skip
    return curve_table(losses, occurrences, targets, is_psept=is_psept, threads=number)


def curve_table(
    losses: PeriodLosses,
    occurrences: Occurrences,
    targets: Array | None,
    *,
    is_psept: bool = False,
    threads: int = 1,
    only: Array | None = None,
) -> ResultTable:
    """The table of `ept`, from the losses of periods; of the summaries `only`, None for all."""
    header = result_header("psept" if is_psept else "ept", losses.header)

    def curves(found: Summary) -> list[Curve]:
        return list(found.sample_curves() if is_psept else found.curves())

    columns: dict[str, list[Array]] = {name: [] for name in header.row_columns}
    for summary_id, made in curves_of_each(losses, occurrences, targets, curves, threads, only):
        for curve in made:
            for type, years, points in (
                (curve.type, curve.years, curve.losses),
                (curve.type + 1, curve.tail_years, curve.tail_losses),
            ):
                fields = (summary_id, curve.kind, type)
                repeated = [np.full(len(years), value) for value in fields]
                for name, column in zip(columns, [*repeated, years, points], strict=True):
                    columns[name].append(column)
    joined = {name: np.concatenate(found) if found else np.empty(0)
              for name, found in columns.items()}  # fmt: skip
    return ResultTable(header, joined, len(losses.absent))


def curves_of_each(
    losses: PeriodLosses,
    occurrences: Occurrences,
    targets: Array | None,
    curves: Callable[[Summary], list[Curve]],
    threads: int,
    only: Array | None = None,
) -> Iterator[tuple[int, list[Curve]]]:
    """The curves of each summary, in ascending order; `only` of some, None for all."""
    order = np.lexsort([losses.periods, losses.summaries])
    summaries, starts = np.unique(losses.summaries[order], return_index=True)
    ends = np.append(starts[1:], len(order))
    if only is not None:
        wanted = np.isin(summaries, only)
        summaries, starts, ends = summaries[wanted], starts[wanted], ends[wanted]

    def work(number: int) -> list[Curve]:
        rows = order[starts[number] : ends[number]]
        maxima, periods = losses.maxima[rows], losses.periods[rows]
        return curves(Summary(
            {OEP: np.abs(maxima), AEP: losses.sums[rows]},
            (maxima != 0) | np.signbit(maxima),
            periods, occurrences.weights, occurrences.count, losses.samples, targets,
        ))  # fmt: skip

    found = in_order(work, range(len(summaries)), threads)
    yield from zip(summaries.tolist(), found, strict=True)
