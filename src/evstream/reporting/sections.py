"""The sections of a report about losses: a chart, tables of its numbers, and what they mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evstream._support.words import counted
from evstream.reporting import charts
from evstream.reporting.event_losses import LargestEvents
from evstream.reporting.markup import Choice, figure, paragraph, section, table
from evstream.reporting.numbers import (
    CALCS,
    TYPES,
    Convergence,
    EventNumbers,
    Histogram,
    PeriodNumbers,
    averages_of,
    convergence_of,
    subset_names,
)
from evstream.reporting.text import NONE, amount, edge, percent, years
from evstream.reporting.vega import Chart, svg
from evstream.results.table import ANALYTICAL, SAMPLE

MOST_ROWS = 50
"""Summaries in the table of average annual losses, at most."""

MOST_BARS = 20


@dataclass(frozen=True)
class Section:
    """Its HTML, and what the script of the page needs to draw its chart."""

    html: str
    charts: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Words:
    """How a report calls things: what a summary is, and the unit of losses."""

    unit: str
    samples: int
    is_summary: bool

    def summary(self, number: int) -> str:
        """The name of a summary, e.g. in a table."""
        return str(number) if self.is_summary else "all items"

    def named(self, number: int) -> str:
        """The name of a summary in a sentence."""
        return f"summary {number}" if self.is_summary else "all items"


def exceedance(numbers: PeriodNumbers, words: Words) -> Section:
    """Curves, and tables at return periods, by summary and kind of curve."""
    calcs = [calc for calc in CALCS if any(calc in one for one in numbers.curves.values())]
    if not calcs:
        return Section("", {})
    rows: dict[str, Any] = {}
    tables = []
    for summary in numbers.shown:
        for calc in calcs:
            key = f"{summary}/{calc}"
            rows[key] = charts.curve_rows(numbers.curves[summary].get(calc, {}))
            caption = f"{CALCS[calc]}, {words.named(summary)}: losses by return period"
            found = _at_return_periods(numbers, summary, calc)
            tables.append(table(caption, ["Years", *TYPES.values()], found, texts=0, key=key))
    first = next(iter(rows))
    choices = [
        Choice("Summary", {str(one): words.summary(one) for one in numbers.shown}),
        Choice("Losses of", {str(calc): CALCS[calc] for calc in calcs}),
    ]
    label = f"Exceedance curves of {words.named(numbers.shown[0])}; the table has their values."
    note = (
        f"The loss that is reached or exceeded once in so many years, from {numbers.count:,}"
        f" {'weighted ' if numbers.is_weighted else ''}periods."
        " OEP: the largest event of a year. AEP: all events of a year. TVaR: the mean of that loss"
        " and all above."
    )
    if words.samples:
        note += (
            " Full uncertainty takes each sample as a year of its own, so its curves go on beyond"
            " the number of periods."
        )
    return _section(
        "exceedance", "Exceedance curves", note, charts.exceedance(rows[first], words.unit), label,
        tables, choices, rows, "curves",
    )  # fmt: skip


def _at_return_periods(numbers: PeriodNumbers, summary: int, calc: int) -> list[list[str]]:
    ept = numbers.ept
    chosen = (ept["summary_id"] == summary) & (ept["ep_calc"] == calc)
    columns = (ept[name][chosen].tolist() for name in ("ep_type", "return_period", "loss"))
    losses = {(kind, year): loss for kind, year, loss in zip(*columns, strict=True)}
    periods = numbers.return_periods.astype(ept["return_period"].dtype).tolist()
    return [
        [years(year), *(amount(losses.get((kind, year), np.nan)) for kind in TYPES)]
        for year in periods
    ]


def averages(numbers: PeriodNumbers, words: Words) -> Section:
    """Average annual losses by summary."""
    kind = SAMPLE if words.samples else ANALYTICAL
    found = {kind: averages_of(numbers, kind) for kind in (ANALYTICAL, kind)}
    of_samples, analytical = found[kind], found[ANALYTICAL]
    total = sum(mean for mean, _ in of_samples.values())
    listed = numbers.by_mean[:MOST_ROWS]
    heads = ["Summary", "Mean", "Standard deviation", "Analytical mean", "Share"]
    rows = [
        [words.summary(one), *map(amount, of_samples[one]), amount(analytical[one][0]),
         percent(of_samples[one][0] / total if total else np.nan)]
        for one in listed
    ]  # fmt: skip
    if len(numbers.by_mean) > 1:
        rows.append(
            ["Total", amount(total), "", amount(sum(m for m, _ in analytical.values())), ""]
        )
    bars = numbers.by_mean[:MOST_BARS]
    chart = charts.average(
        charts.average_rows(
            [words.summary(one) for one in bars], [of_samples[one][0] for one in bars],
            [of_samples[one][1] for one in bars],
        ),
        words.unit,
    )  # fmt: skip
    note = (
        "The bar is the mean loss of a year, the line ends one standard deviation of the losses of"
        " years above it. Summaries with the largest means come first."
    )
    left = len(numbers.by_mean) - len(listed)
    if left:
        note += f" {counted(left, 'smaller summary').replace('summarys', 'summaries')} not listed."
    return _section(
        "average", "Average annual loss", note, chart,
        "Average annual loss by summary; the table has the values.",
        [table("Average annual loss by summary", heads, rows)],
    )  # fmt: skip


def convergence(numbers: PeriodNumbers, words: Words) -> Section:
    """The average annual loss by number of samples, of each summary that is shown."""
    what, names = "Average annual loss", subset_names(words.samples)
    if words.samples < 2:
        return Section("", {})
    rows, tables = {}, []
    for summary in numbers.shown:
        found, key = convergence_of(numbers, summary), str(summary)
        rows[key] = charts.convergence_rows(found)
        caption = f"{what} by number of samples, {words.named(summary)}"
        tables.append(_convergence_table(caption, found, names, key))
    first = charts.convergence(rows[str(numbers.shown[0])], what, words.unit)
    note = (
        "The average annual loss from one sample, the next two, the next four and so on, and from"
        " all of them; lines reach one standard error to both sides. Where they still differ by"
        " much more, the losses need more samples."
    )
    choices = [Choice("Summary", {str(one): words.summary(one) for one in numbers.shown})]
    return _section(
        "convergence", "Convergence with the number of samples", note, first,
        "Average annual loss by number of samples; the table has the values.", tables, choices,
        rows, "convergence",
    )  # fmt: skip


def total_convergence(total: Convergence, words: Words) -> Section:
    """The sum of all events by number of samples, where there are no periods."""
    what = "Losses of all events"
    chart = charts.convergence(charts.convergence_rows(total), what, words.unit)
    names = [f"1 to {size}" for size in total.samples.tolist()]
    note = (
        "The sum of the losses of all events, as the mean over the first samples; lines reach one"
        " standard error to both sides."
    )
    caption = f"{what} by number of samples"
    return _section(
        "convergence", "Convergence with the number of samples", note, chart,
        f"{caption}; the table has the values.",
        [_convergence_table(caption, total, names, None)],
    )  # fmt: skip


def _convergence_table(
    caption: str, found: Convergence, names: Sequence[str], key: str | None
) -> str:
    errors = np.where(found.samples > 1, found.errors, np.nan)  # none of one sample
    columns = (column.tolist() for column in (found.means, errors))
    rows = [
        [name, amount(mean), amount(error), percent(error / mean if mean else np.nan)]
        for name, mean, error in zip(names, *columns, strict=True)
    ]
    heads = ["Samples", "Mean", "Standard error", "Relative"]
    return table(caption, heads, rows, key=key)


def largest(events: EventNumbers, words: Words) -> Section:
    """The largest events."""
    found = events.largest
    chart = charts.largest(charts.largest_rows(found), words.unit)
    plural = "Summaries" if words.is_summary else "Items"
    note = (
        f"The events with the largest mean losses, over all {plural.lower()}. The dot is the mean"
        + (", the band holds 9 of 10 samples, from 5 % to 95 %." if words.samples else ".")
    )
    if np.isnan(found.quantiles).any() and words.samples:
        note += f" {NONE} stands where the blocks of an event do not follow one another."
    heads = ["Event", "Mean", "Standard deviation", "5 %", "Median", "95 %", plural]
    rows = [
        [str(event), amount(mean), amount(sd), *map(amount, quantiles), f"{blocks:,}"]
        for event, mean, sd, quantiles, blocks in zip(*_columns(found), strict=True)
    ]
    return _section(
        "events", "Largest events", note, chart, "Largest events; the table has their losses.",
        [table("Largest events by mean loss", heads, rows)], is_wide=True,
    )  # fmt: skip


def _columns(found: LargestEvents) -> list[list[Any]]:
    means = np.where(np.isnan(found.mean), found.analytical, found.mean)
    columns = (found.event_id, means, found.sd, found.quantiles, found.blocks)
    return [column.tolist() for column in columns]


def distribution(events: EventNumbers, words: Words) -> Section:
    """How large events are."""
    found: Histogram = events.histogram
    if not len(found.counts):
        return Section("", {})
    chart = charts.histogram(charts.histogram_rows(found), words.unit)
    rows = [
        [f"{edge(low)} to {edge(high)}", f"{count:,}", percent(count / events.count)]
        for low, high, count in zip(
            found.edges.tolist(), found.edges[1:].tolist(), found.counts.tolist(), strict=False
        )
    ]
    note = f"How many of the {events.count:,} events have a mean loss of which size."
    if events.quiet:
        note += f" {counted(events.quiet, 'event')} without a finite mean loss above 0 not shown."
    return _section(
        "distribution", "Distribution of losses per event", note, chart,
        "Number of events by mean loss; the table has the numbers.",
        [table("Events by mean loss", ["Mean loss", "Events", "Share"], rows)],
    )  # fmt: skip


def _section(
    name: str,
    title: str,
    note: str,
    chart: Chart,
    label: str,
    tables: Sequence[str],
    choices: Sequence[Choice] = (),
    rows: dict[str, Any] | None = None,
    data: str = "",
    is_wide: bool = False,
) -> Section:
    body = figure(name, label, svg(chart, f"{name}-"), tables, choices, is_wide=is_wide)
    html = section(name, title, paragraph(note, "quiet"), body)
    more = {key: charts.grouped(one) for key, one in (rows or {}).items()}
    return Section(html, {name: {"spec": chart, "data": data, "rows": more}})
