"""`evstream diff`: where two streams differ, and by how much."""

from __future__ import annotations

import argparse
import json
import math
from typing import Any

from evstream._support.format import Format
from evstream.cli.arguments import add_stream_arguments, open_stream
from evstream.cli.progress import Progress, add_progress
from evstream.cli.standard import print_text


def add_parser(commands: Any, format: Format) -> None:
    parser = commands.add_parser(
        "diff",
        help="show where two streams differ",
        description="Compare two streams of the same type and widths: their headers, events, "
        "items, records and losses, matched by their ids. Prints the totals of both, what is "
        "missing, the largest changes per event and per item, and the first values that differ; "
        "one line where nothing does. Exit status 0 if they are equal, 1 if "
        "they differ, 2 if one cannot be read to its end.",
        epilog="Values are equal if they differ by at most the absolute tolerance plus the "
        "relative tolerance times the larger one; NaN equals NaN. A missing final delimiter is "
        "not a difference.",
    )
    parser.add_argument("a", metavar="A", help="a stream, - for stdin")
    parser.add_argument("b", metavar="B", help="a stream, - for stdin")
    parser.add_argument(
        "--ignore-order",
        action="store_true",
        help="ignore the order of events, of items in an event, and of records in an item",
    )
    parser.add_argument(
        "--zeros", action="store_true", help="treat an absent sample as a loss of zero"
    )
    parser.add_argument(
        "--absolute",
        metavar="X",
        type=_tolerance,
        default=0.0,
        help="absolute tolerance (default 0)",
    )
    parser.add_argument(
        "--relative",
        metavar="X",
        type=_tolerance,
        default=0.0,
        help="relative tolerance, e.g. 1e-6 (default 0)",
    )
    parser.add_argument(
        "--first",
        metavar="N",
        type=_count,
        default=10,
        help="differences to print, and missing events and items (default 10)",
    )
    parser.add_argument(
        "--top", metavar="N", type=_count, default=10,
        help="largest changes per event and per item to print (default 10)",
    )  # fmt: skip
    parser.add_argument("--format", choices=["text", "json", "html"], default="text")
    parser.add_argument(
        "--json", action="store_const", dest="format", const="json", help="as --format json"
    )
    add_progress(parser)
    add_stream_arguments(parser)
    parser.set_defaults(run=run, hole_status=2)


def run(options: argparse.Namespace) -> int:
    """Print the report; 1 if there is a difference."""
    from evstream.comparison import compare

    if options.a == options.b == "-":
        raise ValueError("only one of two streams can be stdin")
    with (
        open_stream(options.a, options) as a,
        open_stream(options.b, options) as b,
        Progress(options, [options.a]) as progress,
    ):
        report = compare(
            a,
            b,
            ignore_order=options.ignore_order,
            zeros=options.zeros,
            absolute=options.absolute,
            relative=options.relative,
            first=options.first,
            top=options.top,
            progress=progress.update,
        )
    if options.format == "json":
        print_text(json.dumps(report.to_json()))
    else:
        print_text(report.to_html() if options.format == "html" else report.to_text())
    return int(not report.equal)


def _tolerance(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not value >= 0:
        raise argparse.ArgumentTypeError(f"{text!r}, expected a number of 0 or more")
    return value


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r}, expected a number of differences")
    return int(text)
