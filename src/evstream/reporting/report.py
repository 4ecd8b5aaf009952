"""`evstream.report`: what a stream of losses holds, on one page."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from evstream._support.arguments import described, function, whole_number
from evstream._support.words import counted
from evstream.checking.reports import Report
from evstream.checking.validated_sources import validate
from evstream.errors import ChangedSourceError
from evstream.partition.threads import threads_of
from evstream.reading.dataset import is_several, sources_of
from evstream.reading.section import Sectioned
from evstream.reporting import sections
from evstream.reporting.collection import Collection, collect
from evstream.reporting.markup import escape
from evstream.reporting.numbers import EventNumbers, PeriodNumbers, event_numbers, period_numbers
from evstream.reporting.page import page
from evstream.reporting.sections import Section, Words
from evstream.reporting.stream_sections import headline, left_out, state_of, stream_section
from evstream.results.occurrences import Occurrences, return_periods_from
from evstream.results.summaries import sample_count
from evstream.results.table import ResultTable
from evstream.transport.endpoints import SourcesLike, TargetLike
from evstream.transport.range_file import is_url
from evstream.transport.sink import Sink
from evstream.transport.watching import expect, one_bar
from evstream.wire.header import StreamHeader


@dataclass(frozen=True)
class LossReport:
    """The numbers of a report, and the page that shows them. Notebooks display it.

    Attributes:
        title: of the page.
        validation: the Report of each file.
        header: the StreamHeader.
        aal, alct, ept: ResultTables; None without occurrences. `ept` and `alct` have the summaries
            that the page has curves of.
        events: number of events.
    """

    title: str
    validation: Sequence[Report]
    _found: Collection = field(repr=False)
    _periods: PeriodNumbers | None = field(repr=False)
    _events: EventNumbers | None = field(repr=False)
    _unit: str = field(repr=False, default="")
    _date: str | None = field(repr=False, default=None)

    @property
    def header(self) -> StreamHeader:
        return self._found.header

    @property
    def events(self) -> int:
        if self._events is not None:
            return self._events.count
        return sum(report.events for report in self.validation)

    @property
    def aal(self) -> ResultTable | None:
        return None if self._periods is None else self._periods.aal

    @property
    def alct(self) -> ResultTable | None:
        return None if self._periods is None else self._periods.alct

    @property
    def ept(self) -> ResultTable | None:
        return None if self._periods is None else self._periods.ept

    def to_html(self) -> str:
        """The page: one HTML file that needs no other and no network.

        Raises MissingExtraError without vl-convert (`pip install 'evstream[report]'`).
        """
        reports, found, file = self.validation, self._found, self.validation[0].source
        words = Words(self._unit, sample_count(found.header), found.is_summary)
        subtitle = f"A {found.header.stream} stream: {file}"
        if len(reports) > 1:
            subtitle += f" and {counted(len(reports) - 1, 'more file')}"
        import evstream

        made = f"Made by evstream {evstream.__version__}"
        return page(
            self.title, subtitle, state_of(reports),
            headline(found, reports, self._periods, self._events, self._unit),
            self._sections(words),
            [stream_section(reports), left_out(found, self._periods, self._events, file)],
            f"{made}, {self._date}." if self._date else f"{made}.",
        )  # fmt: skip

    def _sections(self, words: Words) -> list[Section]:
        """The sections with charts."""
        periods, events, made = self._periods, self._events, []
        if periods is not None and periods.shown:
            made.append(sections.exceedance(periods, words))
            made.append(sections.averages(periods, words))
        if events is not None and events.count:
            made.append(sections.largest(events, words))
            made.append(sections.distribution(events, words))
        if periods is not None and periods.shown:
            made.append(sections.convergence(periods, words))
        elif events is not None and events.total is not None:
            made.append(sections.total_convergence(events.total, words))
        return made

    def write(self, target: TargetLike, *, durable: bool | None = None) -> None:
        """Write the page to what evstream.create takes; a file appears when it is complete.

        Raises the errors of `to_html` and of writing.
        """
        data = self.to_html().encode("utf-8", "backslashreplace")
        with Sink(target, durable=durable) as sink:
            sink.write(memoryview(data))

    def _repr_html_(self) -> str:
        page = escape(self.to_html().encode("utf-8", "backslashreplace").decode())
        return (
            f'<iframe title="{escape(self.title)}" srcdoc="{page}"'
            ' style="width: 100%; height: 80vh; border: 0"></iframe>'
        )


@one_bar
def report(
    source: SourcesLike,
    *,
    occurrence: Any = None,
    periods: Any = None,
    return_periods: Any = None,
    title: str | None = None,
    unit: str = "",
    date: str | None = None,
    summaries: int = 10,
    largest: int = 20,
    stream: str | None = None,
    threads: int | None = None,
    widths: Mapping[str, str] | None = None,
    strict: bool | None = None,
    timeout: float | None = None,
    progress: Callable[[int], object] | None = None,
) -> LossReport:
    """A report about a stream, or several that are parts of one result: what they are, whether
    they are whole, and what losses they hold.

        evstream.report("summary.bin", occurrence="occurrence.bin").write("report.html")

    A summary stream gives results by summary. The losses of items (gul, fm) are added up over all
    of them. Without `occurrence` there are no results by period; the page says so.

    Args:
        source, stream, widths, strict, timeout: as for evstream.open.
        occurrence, periods, return_periods: as for evstream.ept; usual return periods without the
            latter.
        title: of the page; the name of the file without one.
        unit: of losses, e.g. "EUR".
        date: a text for the end of the page. Without it the same input gives the same page.
        summaries: how many have curves, those with the largest average annual loss.
        largest: how many of the largest events are listed.
        threads: how many read large files, with the same result; None for the cores of this
            process.
        progress: called now and then, by one thread at a time, with the number of bytes read, in
            both passes.

    Files are read twice: to check their rules, and for their numbers; pipes once. Memory holds a
    few numbers per event, and what evstream.ept needs.

    Raises:
        The errors of evstream.open, evstream.ept and of iterating over a stream: a stream that
        cannot be read to its end has no report.
        ChangedSourceError: a file changed between the two times.
    """
    _refuse_text("title", title)
    _refuse_text("unit", unit)
    _refuse_text("date", date)
    shown, listed = whole_number("summaries", summaries, 1), whole_number("largest", largest, 1)
    if progress is not None:
        function("progress", progress)
    number, targets = threads_of(threads), return_periods_from(return_periods)
    if occurrence is None and (periods is not None or return_periods is not None):
        raise ValueError("periods and return_periods go with an occurrence")
    occurrences = None if occurrence is None else Occurrences(occurrence, periods)
    sources = list(sources_of(source)) if is_several(source) else [source]
    reads_twice = all(map(_is_file, sources))
    reports: list[Report] = []
    several: Any = sources if is_several(source) else source
    before = 0  # bytes of the first pass

    def advance(done: int) -> None:
        nonlocal before
        before = done
        if progress is not None:
            progress(done)

    expect(sources * (2 if reads_twice else 1))
    if reads_twice:
        checked = validate(
            several, threads=number, stream=stream, widths=widths, timeout=timeout,
            progress=None if progress is None else advance,
        )  # fmt: skip
        reports = checked.reports or [checked]
    found = collect(
        several, occurrences, validates=not reads_twice, stream=stream, threads=number,
        widths=widths, strict=strict, timeout=timeout,
        progress=None if progress is None else lambda done: progress(before + done),
    )  # fmt: skip
    reports = reports or found.reports
    if found.blocks != sum(one.blocks for one in reports):
        raise ChangedSourceError(
            "the stream changed while it was read", source=reports[0].source,
            expected=f"{sum(one.blocks for one in reports):,} blocks, as before, and not"
            f" {found.blocks:,}",
        )  # fmt: skip
    by_period = None
    if occurrences is not None:
        by_period = period_numbers(found, occurrences, targets, shown, number)
    name = os.path.basename(reports[0].source) or reports[0].source
    return LossReport(
        name if title is None else title, reports, found, by_period, event_numbers(found, listed),
        unit, date,
    )  # fmt: skip


def _is_file(source: Any) -> bool:
    """Whether a source can be read twice."""
    if isinstance(source, Sectioned):
        return True
    if not isinstance(source, (str, os.PathLike)) or source == "-":
        return False
    return is_url(source) or not os.path.exists(source) or os.path.isfile(source)


def _refuse_text(name: str, value: Any) -> None:
    if value is not None and not isinstance(value, str):
        raise TypeError(f"{name} is {described(value)}, expected text")
