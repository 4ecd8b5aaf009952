"""`assert_equal`: two streams, event by event, and what a test says when they differ."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np

from evstream._support.arguments import described
from evstream._support.format import Format
from evstream._support.words import counted
from evstream.comparison import Comparison, Difference, compare
from evstream.comparison.text import line as line_of
from evstream.indexing.opening import open as open_stream
from evstream.reading.stream import EventStream
from evstream.testing.stream_bytes import StreamBytes
from evstream.wire.event import Event
from evstream.wire.header import StreamHeader
from evstream.writing.writer import Writer


def assert_equal(
    a: Any,
    b: Any,
    *,
    rtol: float = 0.0,
    atol: float = 0.0,
    ignore_order: bool = False,
    zeros: bool = False,
    first: int = 10,
    stream: str | None = None,
    widths: Mapping[str, str] | None = None,
    format: Format | None = None,
) -> None:
    """Raise AssertionError unless two streams have the same header, events, items and values.

    The message names the first event, item and sidx that differ, by their ids, both values, and the
    totals of both streams.

    Args:
        a, b: paths, bytes, StreamBytes, open streams, events, lists of events, or anything else
            that evstream.open takes.
        rtol, atol: values are equal when they differ by at most atol + rtol * max(|a|, |b|).
        ignore_order: let the order of events, items and records differ.
        zeros: let a sample that is left out equal a loss of 0.
        first: number of differences to list.
        stream, widths, format: as for evstream.open, where `a` and `b` do not say it themselves.

    Raises what reading them raises: a broken stream equals nothing.
    """
    __tracebackhide__ = True
    how: dict[str, Any] = {"stream": stream, "widths": widths, "format": format}
    options: dict[str, Any] = {
        "relative": rtol, "absolute": atol, "ignore_order": ignore_order, "zeros": zeros,
        "first": first,
    }  # fmt: skip
    sides = [_Side(name, one, how) for name, one in (("A", a), ("B", b))]
    headers = [side.header for side in sides if side.header is not None]
    for side in sides:
        side.header = side.header or (headers[0] if headers else None)
    if not all(side.reads for side in sides):  # two lists of no events
        return
    with ExitStack() as stack:
        one, other = (side.opened(stack) for side in sides)
        report = compare(one, other, **options)
        types = one.header, other.header
    if not report.equal:
        raise AssertionError("\n".join(explained(report, types, [side.again for side in sides])))


def explained(
    report: Comparison, headers: Sequence[StreamHeader], again: Sequence[Callable[[], Any] | None]
) -> Iterator[str]:
    """Lines about two streams that differ; `again` opens each once more, for its totals."""
    count = counted(report.found, "difference")
    levels = []
    for level, counts in report.counts.items():
        lonely = counts.only_in_a + counts.only_in_b
        differ, total = counts.differ + lonely, counts.compared + lonely
        if differ and level != "header":
            levels.append(f"{differ:,} of {counted(total, level)}")
    yield f"the streams have {count}{', in ' if levels else ''}{', '.join(levels)}"
    lines = [f"  {line_of(difference)}" for difference in sorted(report.differences, key=_place)]
    yield from lines[:1]
    for name, source, header, opens in zip("AB", (report.a, report.b), headers, again, strict=True):
        named = name if source == name else f"{name} ({source})"
        if named != name or opens is not None:
            yield named if opens is None else f"{named}: {_totals(header, opens)}"
    if report.max_absolute:
        yield f"values differ by up to {report.max_absolute:g}, relative {report.max_relative:.3g}"
    yield from report.notes
    yield from lines[1:]
    if (more := report.found - len(lines)) > 0:
        yield f"  and {more:,} more"


def _place(difference: Difference) -> tuple[Any, ...]:
    """Differences of the stream header come first, others by their ids."""
    return tuple(difference.ids.values())


def _totals(header: StreamHeader, opens: Callable[[], EventStream]) -> str:
    """Numbers of events, items and records, and the sum of each kind of value of the samples."""
    values = [name for name, dtype in header.entry_columns.items() if dtype.kind == "f"]
    sums, events, blocks, records = dict.fromkeys(values, 0.0), 0, 0, 0
    with opens() as stream:
        for event in stream:
            columns = event.own_columns()
            entries = dict(zip(header.entry_columns, columns.entry, strict=True))
            events, blocks, records = (
                events + 1,
                blocks + len(event),
                records + int(columns.offsets[-1]),
            )
            samples = slice(None) if header.sidx is None else entries[header.sidx] > 0
            for name in values:
                sums[name] += float(entries[name][samples].sum(dtype=np.float64))
    of = " of samples" if header.sidx is not None else ""
    counts = {"event": events, "item": blocks, "record": records}
    parts = [counted(number, word) for word, number in counts.items()]
    return ", ".join([*parts, *(f"{name}{of} {value:,.10g}" for name, value in sums.items())])


class _Side:
    """One of two sides: what it reads, and whether it can be read again.

    Attributes:
        header: of events that are given; None where the source says it.
        reads: whether there is something to read, which a list of no events has only with the
            header of the other side.
        again: opens it once more; None where it can be read only once.
    """

    def __init__(self, name: str, given: Any, how: Mapping[str, Any]) -> None:
        self._name, self._given, self._how = name, given, dict(how)
        self._events = _as_events(given)
        self.header = given.header if isinstance(given, StreamBytes) else None
        if self._events:
            self.header = self._events[0].header
        self.again: Callable[[], EventStream] | None = None
        if isinstance(given, (bytes, bytearray, str, os.PathLike)) and given != "-":
            self.again = self._open
        if self._events is not None:
            self.again = self._open

    @property
    def reads(self) -> bool:
        return self._events is None or self.header is not None

    def opened(self, stack: ExitStack) -> EventStream:
        if isinstance(self._given, EventStream):
            return self._given
        return stack.enter_context(self._open())

    def _open(self) -> EventStream:
        source, how = self._given, self._how
        if self.header is not None:
            how = {"stream": self.header.stream, "widths": dict(self.header.widths),
                   "format": self.header.format}  # fmt: skip
        if self._events is not None:
            assert self.header is not None
            source = written(self._events, self.header)
        if isinstance(source, (bytes, bytearray)):
            source = _Named(source)
            source.name = self._name
        return open_stream(source, **how)


class _Named(io.BytesIO):
    """Bytes with a name for messages."""

    name = "bytes"


def _as_events(given: Any) -> list[Event] | None:
    """A side that is one event or several; None for another."""
    if isinstance(given, Event):
        return [given]
    if not isinstance(given, (list, tuple)):
        return None
    if not all(isinstance(one, Event) for one in given):
        raise TypeError(f"{described(given)} is not a list of events")
    return list(given)


def written(events: Sequence[Event], header: StreamHeader) -> bytes:
    """The stream of some events as they are, whatever rules they break."""
    target = io.BytesIO()
    with Writer(target, header, validate=False) as out:
        for event in events:
            out.write(event)
    return target.getvalue()
