"""`evstream.plot`: charts of a stream as pictures, for papers and slides."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from itertools import combinations
from pathlib import PurePath
from typing import Any

from evstream._support.arguments import checked_path, described, integer, real_number, whole_number
from evstream.errors import EvstreamError
from evstream.partition.threads import threads_of
from evstream.reporting import charts
from evstream.reporting.collection import Collection, collect
from evstream.reporting.numbers import (
    CALCS,
    EventNumbers,
    PeriodNumbers,
    averages_of,
    convergence_of,
    event_numbers,
    period_numbers,
)
from evstream.reporting.vega import Chart, picture, require
from evstream.results.occurrences import Occurrences
from evstream.results.summaries import sample_count
from evstream.results.table import ANALYTICAL, SAMPLE
from evstream.transport.endpoints import SourcesLike
from evstream.transport.same_file import is_same_place
from evstream.transport.sink import Sink
from evstream.transport.watching import one_bar

KINDS = (".png", ".svg", ".pdf")
"""How names of pictures end."""

MOST_PIXELS = 100_000_000
"""Of a picture: a library that has no memory for them ends the process."""

CALC_NAMES = {"full": 2, "analytical": 1, "per-sample": 3, "sample-mean": 4}
"""What the losses of exceedance curves are -> EPCalc."""


@one_bar
def plot(
    source: SourcesLike,
    *,
    ep: Any = None,
    aal: Any = None,
    convergence: Any = None,
    largest: Any = None,
    distribution: Any = None,
    occurrence: Any = None,
    periods: Any = None,
    summary: int | None = None,
    calc: str = "full",
    title: str | None = None,
    unit: str = "",
    width: int = 640,
    height: int | None = None,
    scale: float = 2.0,
    stream: str | None = None,
    threads: int | None = None,
    widths: Mapping[str, str] | None = None,
    strict: bool | None = None,
    timeout: float | None = None,
    progress: Callable[[int], object] | None = None,
) -> None:
    """Draw charts of a stream, or of several that are parts of one result, in one pass.

        evstream.plot("summary.bin", ep="ep.pdf", occurrence="occurrence.bin")

    Each of the first five names a file for a chart: .png, .svg or .pdf. The losses of items (gul,
    fm) are added up over all of them; so `ep` of an item stream is that of the whole portfolio.

    Args:
        ep: exceedance curves, OEP and AEP and their TVaR; needs `occurrence`.
        aal: average annual losses of summaries; needs `occurrence`.
        convergence: the mean by number of samples: of the average annual loss, or without
            `occurrence` of the losses of all events.
        largest: the largest events.
        distribution: the number of events by mean loss.
        source, stream, widths, strict, timeout: as for evstream.open.
        occurrence, periods: as for evstream.ept.
        summary: which summary `ep` and `convergence` are of; None for the one with the largest
            average annual loss.
        calc: what the losses of `ep` are: "full" uncertainty, "analytical" means, "per-sample"
            means or "sample-mean".
        title: above the charts.
        unit: of losses, e.g. "EUR".
        width, height: in pixels of a screen, 96 to the inch.
        scale: pixels of a PNG for each of these.
        threads, progress: as for evstream.ept.

    Raises:
        The errors of evstream.open, evstream.ept and of iterating over a stream; MissingExtraError
        without vl-convert (`pip install 'evstream[report]'`).
        EvstreamError: the stream has nothing to show in a chart.
        ValueError: no chart is asked for, or one that needs an occurrence; a name without one of
            the suffixes; two charts in one file; more than 100 million pixels.
    """
    wanted = {
        name: target
        for name, target in (
            ("ep", ep), ("aal", aal), ("convergence", convergence), ("largest", largest),
            ("distribution", distribution),
        )
        if target is not None
    }  # fmt: skip
    kinds = {name: _kind(name, target) for name, target in wanted.items()}
    if not wanted:
        raise ValueError("no chart is asked for, expected ep, aal, convergence, ...")
    for name in ("ep", "aal"):
        if name in wanted and occurrence is None:
            raise ValueError(
                f"{name} needs an occurrence, which says in which periods the events are;"
                " largest and distribution do not"
            )
    if calc not in CALC_NAMES:
        raise ValueError(f"calc is {described(calc)}, expected {', '.join(CALC_NAMES)}")
    size: dict[str, Any] = {"width": whole_number("width", width, 100), "title": title}
    if height is not None:
        size["height"] = whole_number("height", height, 50)
    pixels = real_number("scale", scale)
    if not 0 < pixels <= 20:
        raise ValueError(f"scale is {pixels:g}, expected a number above 0, at most 20")
    area = size["width"] * size.get("height", charts.HEIGHT) * pixels**2
    if area > MOST_PIXELS:
        raise ValueError(
            f"a picture would have {area:,.0f} pixels, expected at most {MOST_PIXELS:,}:"
            " a smaller width, height or scale"
        )
    _refuse_same_picture(wanted)
    number = threads_of(threads)
    require()
    chosen = None if summary is None else integer("summary", summary)
    occurrences = None if occurrence is None else Occurrences(occurrence, periods)
    with ExitStack() as stack:
        # Opened first: a folder that does not exist is known before a long reading.
        sinks = {name: stack.enter_context(Sink(target)) for name, target in wanted.items()}
        found = collect(
            source, occurrences, validates=False, stream=stream, threads=number, widths=widths,
            strict=strict, timeout=timeout, progress=progress,
        )  # fmt: skip
        if not found.has_losses:
            raise EvstreamError(
                f"a {found.header.stream} stream has no losses to plot",
                expected="a stream of losses",
            )
        drawn = _Charts(found, occurrences, chosen, calc, unit, size, number)
        for name, chart in drawn.of(wanted):
            sinks[name].write(memoryview(picture(chart, kinds[name], pixels)))


def _kind(name: str, target: Any) -> str:
    """The kind of a picture, as its name says."""
    if not isinstance(target, (str, os.PathLike)):
        raise TypeError(f"{name} is {described(target)}, expected a path")
    suffix = PurePath(checked_path(target)).suffix.lower()
    if suffix not in KINDS:
        raise ValueError(f"{name} is {described(target)}, expected a name with {', '.join(KINDS)}")
    return suffix[1:]


def _refuse_same_picture(targets: Mapping[str, Any]) -> None:
    """Raise ValueError where one picture would replace another."""
    for (name, target), (other, again) in combinations(targets.items(), 2):
        if is_same_place(target, again):
            raise ValueError(
                f"{name} and {other} are both {described(again)}, expected a file for each chart"
            )


class _Charts:
    """Makes the charts of a stream that was read."""

    def __init__(
        self, found: Collection, occurrences: Occurrences | None, summary: int | None, calc: str,
        unit: str, size: dict[str, Any], threads: int,
    ) -> None:  # fmt: skip
        self._found, self._unit, self._size = found, unit, size
        self._calc = CALC_NAMES[calc]
        self._periods: PeriodNumbers | None = None
        if occurrences is not None:
            self._periods = period_numbers(found, occurrences, None, 1, threads, first=summary)
        self._events: EventNumbers | None = event_numbers(found, 20)

    def of(self, names: Mapping[str, Any]) -> Iterator[tuple[str, Chart]]:
        """The charts with these names."""
        for name in names:
            yield name, getattr(self, f"_{name}")()

    def _ep(self) -> Chart:
        curves = self._by_period().curves[self._summary()].get(self._calc)
        if curves is None:
            raise EvstreamError(
                f"there is no curve of {CALCS[self._calc].lower()} losses",
                expected="another calc, e.g. analytical for a stream without samples",
            )
        return charts.exceedance(charts.curve_rows(curves), self._unit, **self._size)

    def _aal(self) -> Chart:
        numbers = self._by_period()
        kind = SAMPLE if sample_count(self._found.header) else ANALYTICAL
        found = averages_of(numbers, kind)
        shown = numbers.by_mean[:20]
        names = [str(one) if self._found.is_summary else "all items" for one in shown]
        means, deviations = zip(*(found[one] for one in shown), strict=True)
        rows = charts.average_rows(names, means, deviations)
        return charts.average(rows, self._unit, **self._size)

    def _convergence(self) -> Chart:
        if self._periods is not None:
            found, what = convergence_of(self._by_period(), self._summary()), "Average annual loss"
        else:
            total = self._by_event().total
            if total is None:
                raise EvstreamError("the stream has no samples", expected="two or more")
            found, what = total, "Losses of all events"
        return charts.convergence(charts.convergence_rows(found), what, self._unit, **self._size)

    def _largest(self) -> Chart:
        rows = charts.largest_rows(self._by_event().largest)
        return charts.largest(rows, self._unit, **self._size)

    def _distribution(self) -> Chart:
        rows = charts.histogram_rows(self._by_event().histogram)
        if not rows:
            raise EvstreamError("no event has a mean loss above 0")
        return charts.histogram(rows, self._unit, **self._size)

    def _by_event(self) -> EventNumbers:
        if self._events is None or not self._events.count:
            raise EvstreamError("the stream has no events to plot")
        return self._events

    def _by_period(self) -> PeriodNumbers:
        if self._periods is None or not self._periods.shown:
            raise EvstreamError("no event of the stream is in a period, so nothing can be plotted")
        return self._periods

    def _summary(self) -> int:
        return self._by_period().shown[0]
