"""`evstream.explain`: what the bytes at a place of a stream are.

The stream is read several times, in bounded memory. The place is a byte, an event, or the first
finding, for which one pass checks all rules. The next pass finds the block that has the place, and
the last keeps the bytes around it and what breaks rules there.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from evstream._support.arguments import checked_path, described, whole_number
from evstream._support.format import Format
from evstream.checking.one_stream import Validation
from evstream.checking.places import Places
from evstream.checking.reports import Finding
from evstream.errors import (
    AbsentEventError,
    EvstreamError,
    StreamHeaderError,
    StreamMismatchError,
)
from evstream.explaining import html, text
from evstream.explaining.records import Gap, Line, block_lines, header_lines, raw_lines
from evstream.reading.index_files import refuse_placed
from evstream.reading.stream import EventStream
from evstream.transport.endpoints import SourceLike
from evstream.transport.file_objects import read_fully
from evstream.transport.range_file import is_url
from evstream.transport.source import Source
from evstream.transport.watching import one_bar
from evstream.wire.columns import Chunk
from evstream.wire.header import StreamHeader

BEFORE = 4
"""Entries shown before the place."""

ALL = 1 << 62


@dataclass
class Explanation:
    """The bytes at one place of a stream.

    `print` shows it as text, a notebook as a table.

    Attributes:
        source: name of the source.
        header: of the stream; None where it cannot be read.
        place: the byte that was looked for.
        lines: the stream header and the records around the place, a Line per field and a Gap for
            what lies between.
    """

    source: str
    header: StreamHeader | None
    place: int
    lines: list[Line | Gap] = field(default_factory=list)

    @property
    def title(self) -> str:
        """The source, the type of the stream and its widths."""
        if self.header is None:
            return self.source
        widths = ", ".join(f"{name} {width}" for name, width in self.header.used_widths.items())
        return ": ".join([self.source, ", ".join(filter(None, [self.header.stream, widths]))])

    @property
    def problems(self) -> list[str]:
        """What is wrong in the lines."""
        return [text for one in self.lines if isinstance(one, Line) for text in one.problems]

    def to_text(self, color: bool = False) -> str:
        """A line per field: offset, bytes, record, field, value, and what it means."""
        return text.page(self.title, self.lines, color)

    def to_html(self) -> str:
        """A page that needs no other file."""
        return html.page(self.title, self.lines)

    def __str__(self) -> str:
        return self.to_text()

    def _repr_html_(self) -> str:
        return html.table(self.title, self.lines)


@one_bar
def explain(
    source: SourceLike,
    *,
    at: int | None = None,
    event: Any = None,
    records: int = 12,
    stream: str | None = None,
    widths: Mapping[str, str] | None = None,
    timeout: float | None = None,
    format: Format | None = None,
) -> Explanation:
    """Show a stretch of a stream byte by byte, with the rules that it breaks.

    Args:
        source, stream, widths, timeout, format: as for evstream.open. What is no path is copied
            to a temporary file, since it is read several times.
        at: a byte of the stream; of compressed data, a byte of what was compressed.
        event: an event id: show it from its first block on.
        records: how many records to show from the place on.

    Without `at` and `event` the place is the first that breaks a rule of severity error, else
    the first that breaks another, else the beginning.

    Raises:
        TypeError, ValueError: both `at` and `event`, or what is no number or out of range.
        AbsentEventError: the event is not in the stream.

    What is wrong in the stream, its header too, is part of the result.
    """
    if at is not None and event is not None:
        raise ValueError("both at and event, expected one of them")
    at = None if at is None else whole_number("at", at)
    records = whole_number("records", records, least=1)
    if event is not None and not isinstance(event, (int, float, np.integer, np.floating)):
        raise TypeError(f"event is {described(event)}, expected an event id")
    options = {"stream": stream, "widths": widths, "timeout": timeout, "format": format}
    with _reopenable(source, timeout) as opened:
        try:
            if at is None and event is None:
                at = _first_finding(opened, options)
            return _around(opened, *_find(opened, at, event, options), records, options)
        except (StreamHeaderError, StreamMismatchError) as error:
            return _beginning(opened, error, timeout)


def _beginning(opened: Any, error: EvstreamError, timeout: float | None) -> Explanation:
    """The first bytes of what is no stream, and why not."""
    with contextlib.closing(Source(opened(), timeout=timeout)) as source:
        data = read_fully(source.readinto, 64)
        lines: list[Line | Gap] = list(raw_lines(data))
        lines.append(Line(len(data), b"", "", "", problems=[f"error: {error}"]))
        return Explanation(source.name, None, 0, lines)


@contextlib.contextmanager
def _reopenable(source: SourceLike, timeout: float | None) -> Iterator[Any]:
    """What can be opened several times: a path as it is, anything else as a copy of its bytes."""
    if isinstance(source, (str, os.PathLike)) and source != "-":
        path = checked_path(source)
        if is_url(path) or not os.path.exists(path) or os.path.isfile(path):
            yield lambda: path
            return
    given = Source(source, timeout=timeout)
    with tempfile.TemporaryFile() as copy:
        buffer = memoryview(bytearray(1 << 20))
        with contextlib.closing(given):
            while size := given.readinto(buffer):
                copy.write(buffer[:size])
        copy.flush()

        def again() -> Source:
            copy.seek(0)
            opened = Source(copy)
            opened.name = given.name
            return opened

        yield again


def _stream(opened: Any, options: Mapping[str, Any], tap: Any = None) -> EventStream:
    stream = EventStream(opened(), tap=tap, warn=False, **options)
    try:
        refuse_placed(stream.header.format, stream.header.stream, "the bytes", stream.name)
    except BaseException:
        stream.close()
        raise
    return stream


def _first_finding(opened: Any, options: Mapping[str, Any]) -> int:
    """The byte of the first finding, of an error if there is one; 0 for a good stream."""
    with _stream(opened, options) as stream:
        found = [
            one for one in Validation(stream, first=1).run().findings if one.offset is not None
        ]
    errors = [one for one in found if one.severity == "error"]
    return min((one.offset or 0 for one in errors or found), default=0)


def _find(
    opened: Any, at: int | None, event: Any, options: Mapping[str, Any]
) -> tuple[StreamHeader, int, int]:
    """The stream header, the byte to show, and the start of the block that has it: the last that
    could be read."""
    with _stream(opened, options) as stream:
        places, start = Places(stream), stream.header.size
        with contextlib.suppress(EvstreamError):  # what lies after it is shown as bytes
            for chunk in stream.chunks():
                if not len(chunk.columns.block[0]):
                    continue
                places.enter(chunk)
                if event is not None:
                    found = np.flatnonzero(chunk.columns.block[0] == event)
                    if len(found):
                        start = places.of_block(int(found[0]))
                        return stream.header, start, start
                elif (start_here := _start_in(places, chunk, at or 0)) is not None:
                    start = start_here
                    if (at or 0) < stream.offset:
                        break
        if event is not None:
            name = stream.header.event_column
            raise AbsentEventError(f"{name} {event} is not in the stream", source=stream.name)
        return stream.header, at or 0, start


def _start_in(places: Places, chunk: Chunk, at: int) -> int | None:
    """The start of the last block that begins at or before a byte; None if none does."""
    low, high = 0, len(chunk.columns.block[0])
    while low < high:
        middle = (low + high) // 2
        if places.of_block(middle) <= at:
            low = middle + 1
        else:
            high = middle
    return places.of_block(low - 1) if low else None


def _around(
    opened: Any,
    header: StreamHeader,
    place: int,
    start: int,
    records: int,
    options: Mapping[str, Any],
) -> Explanation:
    """Read the block header at `start`, the records around the place, and what breaks rules
    there."""
    body, size = start + header.block_dtype.itemsize, header.entry_size
    skipped = max((place - body) // size - BEFORE, 0) if size else 0
    first = body + skipped * size
    last = max(place, body) + records * max(size, header.block_dtype.itemsize)
    data = bytearray()
    position = 0

    def tap(view: memoryview) -> None:
        nonlocal position
        for low, high in ((start, body), (first, last)):
            data.extend(view[max(low - position, 0) : max(high - position, 0)])
        position += len(view)

    with _stream(opened, options, tap) as stream:
        validation = Validation(stream, first=ALL, since=start)
        validation.run(until=last)
        name = stream.name
    lines: list[Line | Gap] = list(header_lines(header))
    if start > header.size:
        lines.append(Gap(header.size, start - header.size, "earlier blocks"))
    lines += block_lines(header, bytes(data), start, skipped)
    end = start + len(data) + skipped * size
    for finding in validation.report.findings:
        _attach(lines, finding, end)
    return Explanation(name, header, place, lines)


def _attach(lines: list[Line | Gap], finding: Finding, end: int) -> None:
    """Put a finding on the line of its byte, if that is shown; one at the end gets its own."""
    if finding.offset is None:
        return
    text = f"{finding.severity}: {finding.text}"
    for one in lines:
        if isinstance(one, Line) and one.offset <= finding.offset < one.offset + len(one.data):
            one.problems.append(text)
            return
    if finding.offset == end:
        lines.append(Line(end, b"", "", "", problems=[text]))
