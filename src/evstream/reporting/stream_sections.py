"""The sections of a report that say what a stream is, whether it is whole, and what is left out."""

from __future__ import annotations

from collections.abc import Sequence

from evstream._support.words import counted
from evstream.checking.reports import Report
from evstream.reporting.collection import Collection
from evstream.reporting.markup import code, facts, paragraph, section, table
from evstream.reporting.numbers import EventNumbers, PeriodNumbers
from evstream.reporting.text import bytes_of, short
from evstream.results.summaries import sample_count
from evstream.results.table import ANALYTICAL, SAMPLE

_SHOWN = 100
"""Files and places that are listed, at most."""


def state_of(reports: Sequence[Report]) -> tuple[str, str]:
    """Whether streams are whole, in words, and how good that is."""
    errors = sum(report.errors for report in reports)
    others = sum(sum(report.counts.values()) for report in reports) - errors
    what = "The stream is" if len(reports) == 1 else f"All {len(reports)} files are"
    if errors:
        more = f" and {counted(others, 'warning')}" if others else ""
        verb = "breaks" if errors == 1 else "break"
        return f"{counted(errors, 'place')} {verb} rules of the format{more}: see below", "bad"
    if others:
        return f"{what} readable to the end, with {counted(others, 'warning')}: see below", "warn"
    return f"{what} whole, and no rule of the format is broken", "good"


def headline(
    found: Collection, reports: Sequence[Report], periods: PeriodNumbers | None,
    events: EventNumbers | None, unit: str,
) -> str:  # fmt: skip
    """The few numbers at the top."""
    pairs = []
    in_unit = f" {unit}" if unit else ""
    if periods is not None and len(periods.aal["mean_loss"]):
        kind = SAMPLE if sample_count(found.header) else ANALYTICAL
        means = periods.aal["mean_loss"][periods.aal["sample_type"] == kind].astype(float)
        name = counted(len(means), "summary").replace("summarys", "summaries")
        of = f"of {name}" if found.is_summary else "of all items"
        pairs.append(("Average annual loss", short(float(means.sum())), f"{unit} {of}".strip()))
    if events is not None and len(events.largest.event_id):
        largest = events.largest
        mean = largest.mean[0] if sample_count(found.header) else largest.analytical[0]
        note = f"mean{in_unit and f',{in_unit}'}, event {largest.event_id[0]}"
        pairs.append(("Largest event", short(float(mean)), note))
    count = events.count if events is not None else reports[0].events
    if len(reports) > 1 and events is None:
        count = sum(report.events for report in reports)
    without = periods.events_without_period if periods is not None else 0
    pairs.append(("Events", f"{count:,}", f"{without:,} in no period" if without else ""))
    if periods is not None:
        note = "with weights" if periods.is_weighted else "of equal weight"
        pairs.append(("Periods", f"{periods.count:,}", note))
    if sample_count(found.header):
        pairs.append(("Samples", f"{sample_count(found.header):,}", "per event"))
    size = sum(report.bytes for report in reports)
    pairs.append(("Size", bytes_of(size), "" if len(reports) == 1 else f"{len(reports)} files"))
    return facts(pairs)


def stream_section(reports: Sequence[Report]) -> str:
    """What the stream is, file by file, and what validation found."""
    first = reports[0]
    type_word = "" if first.source_type is None else f" ({first.source_type}/{first.aggregation})"
    header = [["Type", f"{first.stream}{type_word}"]]
    header += [[name, f"{value:,}" if isinstance(value, int) else str(value)]
               for name, value in first.header.items()]  # fmt: skip
    header.append(["Widths", ", ".join(f"{k} {v}" for k, v in first.widths.items())])
    files = [
        [report.source, f"{report.bytes:,}", f"{report.events:,}", f"{report.blocks:,}",
         f"{report.records:,}", _judged(report)]
        for report in reports[:_SHOWN]
    ]  # fmt: skip
    heads = ["File", "Bytes", "Events", "Blocks", "Records", "Findings"]
    left = len(reports) - _SHOWN
    return section(
        "stream", "The stream",
        table("Stream header", ["Field", "Value"], header, texts=2),
        table("Files", heads, files),
        paragraph(f"{counted(left, 'more file')}.", "quiet") if left > 0 else "",
        _findings(reports),
    )  # fmt: skip


def _judged(report: Report) -> str:
    return "none" if report.clean else f"{sum(report.counts.values()):,}"


def _findings(reports: Sequence[Report]) -> str:
    """The places that break rules, and what to do about them."""
    if all(report.clean for report in reports):
        return ""
    places = [
        [finding.severity, finding.text, report.source]
        for report in reports
        for finding in report.findings
    ]
    places.sort(key=lambda place: place[0] != "error")
    fixes = {rule: fix for report in reports for rule, fix in report.fixes.items()}
    counts = dict.fromkeys(fixes, 0)
    for report in reports:
        for rule, count in report.counts.items():
            counts[rule] += count
    rules = [[rule, f"{counts[rule]:,}", fix] for rule, fix in fixes.items()]
    return table("Rules that are broken", ["Rule", "Places", "What to do"], rules, texts=3) + table(
        "First places", ["Severity", "Place", "File"], places[:_SHOWN], texts=3
    )


def left_out(
    found: Collection, periods: PeriodNumbers | None, events: EventNumbers | None, file: str
) -> str:
    """What the report cannot show, why, and how to get it."""
    parts = []
    if not found.has_losses:
        parts.append(paragraph(
            f"A {found.header.stream} stream has no losses by event and sample, so there are no"
            " results. evstream cat and evstream convert show what it holds."
        ))  # fmt: skip
    elif periods is None:
        parts.append(paragraph(
            "Average annual loss, exceedance curves and convergence by period need to know in which"
            " periods (years) the events are. The file that has this is occurrence.bin, in the"
            " folder input of a run:"
        ))  # fmt: skip
        parts.append(code(f"evstream report {file} --occurrence occurrence.bin -o report.html"))
    elif not periods.shown:
        parts.append(paragraph(
            "No event of the stream is in a period, so there are no average annual losses and no"
            " exceedance curves."
        ))  # fmt: skip
    if found.has_losses and not found.is_summary:
        parts.append(paragraph(
            f"A {found.header.stream} stream has items and no summaries, so its losses are added up"
            " over all of them. For results by region, line of business or the like, make a summary"
            " stream of it first (summarycalc, summarypy)."
        ))  # fmt: skip
    if periods is not None and len(periods.by_mean) > len(periods.shown):
        parts.append(paragraph(
            f"Curves and convergence are of the {len(periods.shown)} summaries with the largest"
            f" average annual loss, of {len(periods.by_mean):,}. All of them:"
        ))  # fmt: skip
        parts.append(code(f"evstream ept {file} --occurrence occurrence.bin -o ept.csv"))
    if periods is not None and periods.events_without_period:
        number = periods.events_without_period
        parts.append(paragraph(
            f"{counted(number, 'event')} of the stream {'is' if number == 1 else 'are'} in no"
            " period of the occurrence file. Results by period do not count them; largest events"
            " and the distribution do."
        ))  # fmt: skip
    if events is not None and events.repeated:
        parts.append(paragraph(
            f"The blocks of {counted(events.repeated, 'event')} do not follow one another, or lie"
            " in several files. Means and sums are of all blocks; where an item stream has such"
            " events, an OEP counts each run of blocks as an event."
        ))  # fmt: skip
    return section("left-out", "What is left out", *parts) if parts else ""
