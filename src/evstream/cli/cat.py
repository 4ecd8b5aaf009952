"""`evstream cat`: the records of a stream as CSV or JSON lines.

JSON lines have the columns in wire order; CSV has those that the tools of the field read, which
are the same but for a summary stream. A number is printed as the shortest text that reads back
to the same value at its width.
"""

from __future__ import annotations

import argparse
import math
from typing import Any

from evstream._support.format import Format
from evstream.cli.arguments import add_stream_arguments, open_stream
from evstream.cli.progress import Progress
from evstream.cli.standard import Output, say, silence

ROWS = 1 << 15
"""Rows that are text at once: an event may be large, and its text takes 50 times its bytes."""


def add_parser(commands: Any, format: Format) -> None:
    parser = commands.add_parser(
        "cat",
        help="print the records of a stream",
        description="Print the records of a stream to stdout, one per line. A loss stream gives "
        "event_id,item_id,sidx,loss, a summary stream the columns of the existing tools.",
    )
    parser.add_argument("file", metavar="FILE", help="a stream, - for stdin")
    parser.add_argument("--format", choices=["csv", "jsonl"], default="csv")
    parser.add_argument(
        "--event", metavar="N", type=int, action="append", help="only this event; may be repeated"
    )
    parser.add_argument("--head", metavar="N", type=_count, help="only the first N records")
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
    from evstream.text.json import csv_lines, json_lines
    from evstream.wire.columns import csv_columns

    lines = csv_lines if options.format == "csv" else json_lines
    with (
        open_stream(options.file, options) as stream,
        Progress(stream.name, stream.size) as progress,
    ):
        titles = csv_columns(stream.header)
        names = list(titles if options.format == "csv" else stream.header.row_columns)
        left = math.inf if options.head is None else options.head
        if options.format == "csv":
            output.write(",".join(titles.values()) + "\n")
        absent = set(options.event or ())
        for event in stream:
            if left <= 0:
                break
            absent.discard(event.event_id)
            if options.event is not None and event.event_id not in options.event:
                continue
            rows = event.to_rows()
            count = int(min(len(rows[names[0]]), left))
            for first in range(0, count, ROWS):
                last = min(first + ROWS, count)
                output.write(lines({name: rows[name][first:last] for name in names}))
            left -= count
            progress.update(stream.offset)
        else:
            for event_id in sorted(absent):
                say(f"warning: {stream.name}: event {event_id} is not in the stream")


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r}, expected a number of records")
    return int(text)
