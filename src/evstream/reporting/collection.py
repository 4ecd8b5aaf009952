"""One pass over a stream: all numbers that a report is made of, in bounded memory.

Each part of a file is read alone, and parts merge in their order, so the result does not depend on
the number of threads. The losses of an item stream are added up to those of whole events, which
count as one summary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from evstream.checking.one_stream import Validation
from evstream.checking.reports import Report
from evstream.partition.each_part import each_part, joined
from evstream.reading.meter import Meter
from evstream.reading.sources import open_stream
from evstream.reading.stream import EventStream
from evstream.reporting.event_losses import EventLosses
from evstream.reporting.event_totals import EventTotals
from evstream.results.occurrences import Occurrences
from evstream.results.period_losses import PeriodLosses, warn_of_absent
from evstream.results.summaries import EVENT, SUMMARY
from evstream.transport.endpoints import SourcesLike
from evstream.wire.columns import Chunk, Columns
from evstream.wire.header import StreamHeader

ALL_ITEMS = 1
"""The summary that the items of a stream without summaries are added up to."""


class Collection:
    """Numbers of the parts of a stream.

    Attributes:
        header: of the stream.
        has_losses: whether it is of a type whose losses can be added up by event.
        is_summary: whether it has summaries.
        events: the losses of events; None without losses.
        periods: the losses of summaries in periods; None without occurrences or losses.
        blocks: number of blocks.
        reports: what validation found, where it was made in the same pass.
    """

    def __init__(self, header: StreamHeader, occurrences: Occurrences | None) -> None:
        self.header = header
        self.is_summary = header.stream == SUMMARY
        is_sampled = header.sidx is not None and header.samples is not None
        self.has_losses = is_sampled and len(header.entry_columns) == 2  # sidx and loss
        self.events = EventLosses(header) if self.has_losses else None
        self.periods = None
        if occurrences is not None and self.has_losses:
            self.periods = PeriodLosses(header, occurrences, False, True)
        self.blocks = 0
        self.reports: list[Report] = []
        self._totals = EventTotals(header) if self.has_losses else None

    def add(self, stream: EventStream, chunk: Chunk) -> None:
        """Add the blocks of the next chunk."""
        columns = chunk.columns
        if not len(columns.block[0]):
            return
        self.blocks += len(columns.block[0]) - int(chunk.continues)
        if self._totals is None:
            return
        if self.periods is not None and self.is_summary:
            self.periods.add(stream, columns)
        self._add_runs(stream, self._totals.add(stream, chunk))

    def follow(self, stream: Any, other: Collection) -> None:
        """Go on with the part that follows."""
        self.blocks += other.blocks
        self.reports += other.reports
        if self._totals is None or other._totals is None:
            return
        self._add_runs(stream, self._totals.follow(other._totals))
        assert self.events is not None
        assert other.events is not None
        self.events.merge(other.events)
        if self.periods is not None and other.periods is not None:
            self.periods.merge(other.periods)

    def finish(self, stream: Any) -> None:
        """Add what was held back for the next part."""
        if self._totals is not None:
            self._add_runs(stream, self._totals.finish())

    def _add_runs(self, stream: Any, runs: Columns) -> None:
        assert self.events is not None
        self.events.add(runs)
        if self.periods is not None and not self.is_summary and len(runs.block[EVENT]):
            events = runs.block[EVENT]
            ones = np.full(len(events), ALL_ITEMS, np.int64)
            block = events, ones, np.zeros(len(events))
            self.periods.add(stream, Columns(block, runs.offsets, runs.entry))


def collect(
    source: SourcesLike,
    occurrences: Occurrences | None,
    *,
    validates: bool,
    stream: str | None,
    threads: int,
    widths: Mapping[str, str] | None,
    strict: bool | None,
    timeout: float | None,
    progress: Callable[[int], object] | None,
) -> Collection:
    """Read a stream, or several, to the end. With `validates` every rule is checked on the way.

    Warns of events that are in no period. Raises the errors of evstream.open and of iterating.
    """
    meter = Meter(progress)

    def of_part(part: Any, **options: Any) -> tuple[str, Collection]:
        with open_stream(part, strict=strict, **options) as opened:
            found = Collection(opened.header, occurrences)
            for one in opened.streams():
                watched = _Watched(one, meter, found)
                if validates:
                    found.reports.append(watched.validate())
                else:
                    for _ in watched.chunks():
                        pass
            return opened.name, found

    parts: Iterator[tuple[str, Collection]] = each_part(
        of_part, source, threads=threads, stream=stream, widths=widths, timeout=timeout
    )
    name, files, whole = joined(
        parts, lambda whole, other, more: whole.follow(_Named(other, more.header), more)
    )
    whole.finish(_Named(name, whole.header))
    if whole.periods is not None and occurrences is not None:
        warn_of_absent(whole.periods.absent, name, files, occurrences.source)
    return whole


class _Named:
    """The name and header of a stream that was read, for errors."""

    def __init__(self, name: str, header: StreamHeader) -> None:
        self.name, self.header = name, header


class _Watched:
    """A stream for a Validation, whose chunks are collected too."""

    def __init__(self, stream: EventStream, meter: Meter, found: Collection) -> None:
        self._stream, self._meter, self._found = stream, meter, found
        self._error: BaseException | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def chunks(self) -> Iterator[Chunk]:
        try:
            for chunk in self._meter.chunks(self._stream):
                self._found.add(self._stream, chunk)
                yield chunk
        except BaseException as error:
            self._error = error
            raise

    def validate(self) -> Report:
        """What validation finds. A stream that cannot be read to its end is an error here."""
        report = Validation(self, 10).run()  # type: ignore[arg-type]
        if self._error is not None:
            raise self._error
        return report
