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
from typing import Any

from evstream._support.format import Format
from evstream.cli.arguments import add_stream_arguments, event_id, open_stream
from evstream.cli.progress import Progress
from evstream.cli.standard import Output, report, silence
from evstream.errors import EvstreamError

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
    parser.add_argument(
        "--event",
        metavar="N",
        type=event_id,
        action="append",
        help="print only this event; may be repeated",
    )
    parser.add_argument("--head", metavar="N", type=_count, help="print only the first N records")
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
    from evstream.conversion.value_rows import has_value_rows, lines_of
    from evstream.text.json import json_lines
    from evstream.text.rows import RowPrinter
    from evstream.wire.dates import TextDates

    with (
        open_stream(options.file, options) as stream,
        Progress(stream.name, stream.size) as progress,
    ):
        if options.format == "jsonl":
            for rows in _pieces(stream, options, progress):
                output.write(json_lines(rows, stream.name))
            return
        dates = TextDates(stream.header)
        printer = RowPrinter(dates.dtypes, source=stream.name)
        output.write(",".join(dates.titles.values()) + "\n")
        pieces = (dates.split(rows) for rows in _pieces(stream, options, progress))
        # Several at once; but what comes through a pipe is printed before the next is waited for.
        if has_value_rows(stream.header):
            values = lines_of(stream.header, _pieces(stream, options, progress), stream.name)
            for line in islice(values, options.head):
                output.write(line)
            return
        several = in_order(printer.text, pieces, None) if stream.size is not None else (
            (rows, printer.text(rows)) for rows in pieces
        )  # fmt: skip
        for _, text in several:
            output.write_ascii(text)


def _pieces(stream: Any, options: argparse.Namespace, progress: Progress) -> Iterator[Rows]:
    """The rows to print, ROWS at most at a time."""
    from evstream.tables.rows import Selection
    from evstream.wire.columns import to_rows

    wanted = options.event
    if wanted is not None:  # an id may be any number, those of no stream too
        if stream.header.block_columns[stream.header.event_column].kind != "f":
            for event in wanted:
                if isinstance(event, float):
                    raise EvstreamError(
                        f"--event {event:g} is not a whole number", source=stream.name,
                        expected=f"{stream.header.event_column} as `evstream cat` prints it",
                    )  # fmt: skip
        wanted = [event for event in wanted if -(2**63) <= event < 2**63]
    selection = Selection(stream.header, wanted)
    absent = set(options.event or ())
    is_whole = options.format == "csv" and stream.header.block.value is not None
    left = math.inf if options.head is None or is_whole else options.head
    for chunk in selection.chunks_of(stream) if left else ():
        if absent:
            absent -= set(chunk.columns.block[0].tolist())
        kept = selection.blocks(chunk)
        rows = to_rows(stream.header, kept.columns, kept.skipped)
        count = int(min(len(next(iter(rows.values()))), left))
        for first in range(0, count, ROWS):
            last = min(first + ROWS, count)
            yield {name: column[first:last] for name, column in rows.items()}
        left -= count
        progress.update(stream.offset)
        if left <= 0:
            return
    if left:
        for event in sorted(absent):
            report(f"warning: {stream.name}: event {event} is not in the stream")


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r}, expected a number of records")
    return int(text)
