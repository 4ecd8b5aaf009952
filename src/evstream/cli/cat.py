"""`evstream cat`: the records of a stream as CSV or JSON lines.

JSON lines have the columns in wire order; CSV has those that the tools of the field read, which
are the same but for a summary stream. A number is printed as the shortest text that reads back
to the same value at its width.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from evstream._support.format import Format
from evstream.cli import log
from evstream.cli.arguments import add_selection, add_stream_arguments, event_id, open_stream
from evstream.cli.progress import Progress, add_progress
from evstream.cli.standard import Output, silence
from evstream.errors import EvstreamError

if TYPE_CHECKING:
    from evstream.reading.selection import Selection

Rows = dict[str, Any]

ROWS = 1 << 15
"""Rows that are text at once: an event may be large, and its text takes 50 times its bytes."""


def add_parser(commands: Any, format: Format) -> None:
    parser = commands.add_parser(
        "cat",
        help="print the records of a stream",
        description="Print the records of a stream to stdout, one per line. A loss stream has "
        "the columns event_id,item_id,sidx,loss, a summary stream those of other tools.",
    )
    parser.add_argument("file", metavar="FILE", help="a stream, - for stdin")
    parser.add_argument("--format", choices=["csv", "jsonl"], default="csv")
    events = parser.add_mutually_exclusive_group()
    events.add_argument(
        "--event",
        metavar="N",
        type=event_id,
        action="append",
        help="print only this event; may be repeated",
    )
    add_selection(parser, events)
    parser.add_argument("--head", metavar="N", type=_count, help="print only the first N records")
    add_progress(parser)
    add_stream_arguments(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print until the stream ends, the reader goes away, or the head is reached."""
    output = Output()
    try:
        try:
            _print(options, output)
        finally:
            output.flush()
    except BrokenPipeError:
        silence()  # the reader has seen enough
    return 0


def _print(options: argparse.Namespace, output: Output) -> None:
    from evstream.conversion.parallel import in_order
    from evstream.conversion.value_rows import has_value_rows, lines_of, refuse_columns
    from evstream.text.json import json_lines
    from evstream.text.rows import RowPrinter
    from evstream.wire.dates import TextDates

    with (
        open_stream(options.file, options) as stream,
        Progress(options, [options.file], prints=True) as progress,
    ):
        selection = _selection(stream, options)
        if options.format == "jsonl":
            for rows in _pieces(stream, options, selection, progress):
                output.write(json_lines(rows, stream.name))
            return
        refuse_columns(stream.header, selection.order)
        dates = TextDates(stream.header, selection.order)
        printer = RowPrinter(dates.dtypes, source=stream.name)
        output.write(",".join(dates.titles.values()) + "\n")
        pieces = (dates.split(rows) for rows in _pieces(stream, options, selection, progress))
        # Several at once; but what comes through a pipe is printed before the next is waited for.
        if has_value_rows(stream.header):
            values = lines_of(
                stream.header, _pieces(stream, options, selection, progress), stream.name
            )
            for line in islice(values, options.head):
                output.write(line)
            return
        several = in_order(printer.text, pieces, None) if stream.size is not None else (
            (rows, printer.text(rows)) for rows in pieces
        )  # fmt: skip
        for _, text in several:
            output.write_ascii(text)


def _selection(stream: Any, options: argparse.Namespace) -> Selection:
    """What the options ask for."""
    from evstream.reading.selection import Selection

    events = options.events if options.event is None else options.event
    if options.event and stream.header.block_columns[stream.header.event_column].kind != "f":
        for event in options.event:
            if isinstance(event, float):
                raise EvstreamError(
                    f"--event {event:g} is not a whole number", source=stream.name,
                    expected=f"{stream.header.event_column} as `evstream cat` prints it",
                )  # fmt: skip
    return Selection(stream.header, events, options.sidx, options.items, options.columns)


def _pieces(
    stream: Any, options: argparse.Namespace, selection: Selection, progress: Progress
) -> Iterator[Rows]:
    """The rows to print, ROWS at most at a time."""
    from evstream.indexing.opening import chunks_of

    is_whole = options.format == "csv" and stream.header.block.value is not None
    left = math.inf if options.head is None or is_whole else options.head
    for chunk in chunks_of(stream, selection.events) if left else ():
        rows = selection.rows(chunk)
        count = int(min(len(next(iter(rows.values()))), left))
        for first in range(0, count, ROWS):
            last = min(first + ROWS, count)
            yield {name: column[first:last] for name, column in rows.items()}
        left -= count
        progress.update(stream.bytes_read)
        if left <= 0:
            return
    if left:
        _report_absent(stream, options, selection)


def _report_absent(stream: Any, options: argparse.Namespace, selection: Selection) -> None:
    """Report what was asked for and not found."""
    source, name = stream.name, stream.header.event_column
    warnings = [selection.absent_events.warning(source)]
    if options.event is not None:
        warnings = []
        for event in selection.absent_events.absent(len(options.event))[1]:
            text = f"{source}: event {event} is not in the stream"
            log.warning(text, file=source, **log.ids_of({name: event}))
    for warning in (*warnings, selection.absent_items.warning(source, selection.place)):
        if warning is not None:
            log.warning(warning)


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r}, expected a number of records")
    return int(text)
