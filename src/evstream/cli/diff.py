"""`evstream diff`: where two streams differ, and by how much."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from evstream._support.format import Format
from evstream.cli.arguments import add_stream_arguments, open_stream
from evstream.cli.progress import Progress, add_progress
from evstream.cli.standard import print_text

if TYPE_CHECKING:
    from evstream.comparison import Comparison, Difference


def add_parser(commands: Any, format: Format) -> None:
    parser = commands.add_parser(
        "diff",
        help="show where two streams differ",
        description="Compare two streams of the same type and widths: their headers, events, "
        "items, records and losses, matched by their ids. Exit status 0 if they are equal, 1 if "
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
        "--first", metavar="N", type=_count, default=10, help="differences to print (default 10)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    add_progress(parser)
    add_stream_arguments(parser)
    parser.set_defaults(run=run, hole_status=2)


def run(options: argparse.Namespace) -> int:
    """Print the first differences and a summary; 1 if there is any."""
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
            progress=progress.update,
        )
    if options.json:
        print_text(json.dumps(_plain({"equal": report.equal, **asdict(report)})))
    else:
        print_text("\n".join(lines(report)))
    return int(not report.equal)


def lines(report: Comparison) -> Iterator[str]:
    """The report for people."""
    yield f"A {report.a}"
    yield f"B {report.b}"
    yield from map(line, report.differences)
    more = report.found - len(report.differences)
    if more:
        yield f"{more:,} more" if report.differences else f"{more:,} differences"
    titles = ("compared", "differ", "only in A", "only in B", "reordered")
    yield " " * 9 + "".join(f"{title:>16}" for title in titles)
    for level, counts in report.counts.items():
        if level != "header":
            yield f"{level + 's':<9}" + "".join(f"{n:>16,}" for n in asdict(counts).values())
    if report.max_absolute:
        yield f"values differ by up to {report.max_absolute:g}, relative {report.max_relative:.3g}"
    yield from report.notes
    yield "equal" if report.equal else "different"


def line(difference: Difference) -> str:
    """One difference: where, what, and both values."""
    d = difference
    where = ", ".join(f"{name} {value}" for name, value in d.ids.items()) or "stream header"
    if d.kind == "order":
        places = "" if d.a is None else f" (number {d.a} in A, {d.b} in B)"
        return f"{where}: {d.field} in another order{places}"
    if d.a is None or d.b is None:
        name, value = ("A", d.a) if d.b is None else ("B", d.b)
        return f"{where}: only in {name} ({d.field} {value!s})"
    return f"{where}: {d.field} {d.a!s} in A, {d.b!s} in B"


def _plain(value: Any) -> Any:
    """The value for JSON. A number has the digits that distinguish it from its neighbours at its
    width; NaN and infinities become strings."""
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    if value is None or isinstance(value, (str, bool, int)):
        return value
    number = float(str(value))
    if not math.isfinite(number):
        return str(value)
    return number if isinstance(value, float) or value.dtype.kind == "f" else int(value)


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
