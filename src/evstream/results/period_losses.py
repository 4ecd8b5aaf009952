"""Losses per summary, period and sample: what average annual losses and curves are made of.

The events of a period come in any order and from any file, so the whole table has to stay in
memory until the end: a row per summary and period that has an event, a column per sample. That is
what bounds the memory; the size of the files does not.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from evstream._support.words import counted
from evstream.aggregation.keys import KeyTable
from evstream.errors import EvstreamError, WithoutPeriodWarning, warn
from evstream.partition.each_part import each_part, joined
from evstream.reading.meter import Meter
from evstream.reading.sources import open_stream
from evstream.reading.stream import EventStream
from evstream.results.occurrences import Occurrences
from evstream.results.period_kernels import add_losses, merge_rows
from evstream.results.summaries import (
    EVENT,
    SUMMARY,
    SUMMARY_ID,
    refuse_value,
    sample_count,
    special,
)
from evstream.transport.endpoints import SourcesLike
from evstream.wire.columns import Array, Columns
from evstream.wire.header import StreamHeader

_PAIRS = 1 << 18
"""Blocks in periods to work on at once."""


class PeriodLosses:
    """Sums and maxima of the losses of each summary, period and sample.

    Attributes:
        header: of the summary stream.
        samples: number of samples of the stream.
        sums: float64, shape (rows, columns), of the events in the period; column 0 is the
            analytical mean, column s is sample s, as far as there are losses. A row is a summary
            in a period.
        maxima: the same of the largest loss, 0 or above; shape (0, 0) if not wanted. A cell that
            never had an entry is 0.0, any other one is -0.0 or above 0.
        absent: ids of the events that are in no period.
    """

    def __init__(
        self, header: StreamHeader, occurrences: Occurrences, is_positive: bool, has_maxima: bool
    ) -> None:
        self.header = header
        self.absent: Array = np.empty(0, np.int64)
        self._occurrences, self._is_positive = occurrences, is_positive
        self._keys = KeyTable(2)
        self.samples = sample_count(header)
        self._sums: Array = np.zeros((0, 1))
        self._has_maxima = has_maxima
        self._maxima: Array = np.zeros((0, int(has_maxima)))

    @property
    def sums(self) -> Array:
        return self._sums[: self._keys.used]

    @property
    def maxima(self) -> Array:
        return self._maxima[: self._keys.used]

    @property
    def summaries(self) -> Array:
        """The summary of each row."""
        return self._keys.keys[:, 0]

    @property
    def periods(self) -> Array:
        """The period of each row, from 1."""
        return self._keys.keys[:, 1]

    def add(self, stream: EventStream, columns: Columns) -> None:
        """Add blocks, which may be divided."""
        events = columns.block[EVENT]
        counts = self._occurrences.counts(events)
        if not counts.all():
            self.absent = np.union1d(self.absent, events[counts == 0])
        ends = np.cumsum(counts)
        highest = int(columns.entry[0].max()) if len(columns.entry[0]) else 0
        self._widen(min(highest, self.samples) + 1)
        first = 0
        while first < len(events):  # an event may be in many periods
            before = int(ends[first - 1]) if first else 0
            last = max(int(np.searchsorted(ends, before + _PAIRS)), first + 1)
            blocks, periods = self._occurrences.pairs(events[first:last])
            blocks += first
            summaries = columns.block[SUMMARY_ID][blocks].astype(np.int64)
            rows = self._rows_of(np.stack([summaries, periods], axis=1))
            odd = add_losses(
                columns.offsets, *columns.entry, blocks, rows, self.samples,
                special(self.header, "mean"), self._is_positive, self._sums, self._maxima,
            )  # fmt: skip
            if odd >= 0:
                raise refuse_value(stream, columns, odd, self.samples)
            first = last

    def merge(self, other: PeriodLosses) -> None:
        """Add what is known of other blocks."""
        self._widen(other.sums.shape[1])
        rows = self._rows_of(other._keys.keys)
        merge_rows(rows, self._sums, self._maxima, other.sums, other.maxima)
        self.absent = np.union1d(self.absent, other.absent)

    def _rows_of(self, keys: Array) -> Array:
        """The row of each summary and period; there is room for all of them afterwards."""
        rows = self._keys.groups_of(keys)
        (have, width), needed = self._sums.shape, self._keys.used
        if needed > have:
            self._refuse_size(needed, width)
            self._extend(max(needed, min(2 * have, have + _MOST_NEW // width)), width)
        return rows

    def _widen(self, width: int) -> None:
        """Make room for so many columns. Not for all that the header announces, which costs no
        program more than a number."""
        if width > self._sums.shape[1]:
            self._refuse_size(self._keys.used, width)
            self._extend(len(self._sums), width)

    def _extend(self, rows: int, width: int) -> None:
        self._sums = _extended(self._sums, rows, width)
        if self._has_maxima:
            self._maxima = _extended(self._maxima, rows, width)

    def _refuse_size(self, rows: int, width: int) -> None:
        """Raise EvstreamError for a table that this machine has no memory for."""
        size = 8 * rows * width * (2 if self._has_maxima else 1)
        memory = _memory()
        if memory is not None and size > memory:
            raise EvstreamError(
                f"{rows} pairs of summary and period with {width - 1} samples each take"
                f" {size / 1e9:.1f} GB of memory",
                expected=f"at most {memory / 1e9:.1f} GB, which this machine has: make a summary"
                " stream of fewer summaries",
            )  # fmt: skip


_MOST_NEW = 1 << 27
"""Cells to make room for beyond what is needed."""


def _extended(table: Array, rows: int, width: int) -> Array:
    """The table with room for so many rows and columns. New pages are zero, and take no memory
    until they are used."""
    larger = np.zeros((rows, width))
    larger[: len(table), : table.shape[1]] = table
    return larger


def _memory() -> int | None:
    """Bytes of memory of this machine; None where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def period_losses(
    summary: SourcesLike,
    occurrences: Occurrences,
    *,
    is_positive: bool = False,
    has_maxima: bool = True,
    threads: int | None = None,
    widths: Any = None,
    timeout: float | None = None,
    strict: bool | None = None,
    progress: Callable[[int], object] | None = None,
) -> PeriodLosses:
    """The losses of all summaries and periods of a summary stream, or of several.

    Each part is read alone, and parts merge in their order, so that the result does not depend on
    the number of threads. Warns of events that are in no period.
    """

    meter = Meter(progress)

    def of_part(part: Any, **options: Any) -> tuple[str, PeriodLosses]:
        options["stream"] = SUMMARY
        with open_stream(part, strict=strict, **options) as stream:
            found = PeriodLosses(stream.header, occurrences, is_positive, has_maxima)
            for one in stream.streams():
                for chunk in meter.chunks(one):
                    found.add(one, chunk.columns)
            return stream.name, found

    parts: Iterator[tuple[str, PeriodLosses]] = each_part(
        of_part, summary, threads=threads, stream=SUMMARY, widths=widths, timeout=timeout
    )
    name, files, losses = joined(parts, lambda whole, _, more: whole.merge(more))
    warn_of_absent(losses.absent, name, files, occurrences.source)
    return losses


def warn_of_absent(absent: Array, first_name: str, files: int, source: str) -> None:
    """Warn of events of one file or several that are in no period of an occurrence file."""
    if not len(absent):
        return
    first = ", ".join(map(str, absent[:5].tolist()))
    events = "1 event is" if len(absent) == 1 else f"{len(absent)} events are"
    more = f" and {counted(files - 1, 'more file')}" if files > 1 else ""
    warn(
        f"{events} in no period of {source} and left out: {first}"
        f"{', ...' if len(absent) > 5 else ''}",
        WithoutPeriodWarning, source=first_name + more,
    )  # fmt: skip
