"""`evstream report`: a page about a stream of losses."""

from __future__ import annotations

import argparse
import datetime
import sys
from typing import Any

from evstream._support.format import Format
from evstream.cli import log
from evstream.cli.arguments import NO_FSYNC, whole_number
from evstream.cli.report_inputs import (
    add_inputs,
    input_files,
    library_options,
    progress_of,
    source_of,
)
from evstream.cli.results import numbers_or_file, side_files

_DESCRIPTION = """\
Make a report about a stream: what it is, whether it is whole, average annual losses, exceedance
curves, the largest events, and how losses are distributed and converge. The report is one HTML
file, which needs no network:

  evstream report summary.bin --occurrence occurrence.bin -o report.html
  evstream report 'work/gul/*.bin' --occurrence input/occurrence.bin --unit EUR -o report.html
  evstream report gul.bin -o report.html

Several files are parts of one result: their losses are added up. The losses of items (gul, fm)
are added up over all of them. Without --occurrence there are no results by period.

Exit status 1 if the stream breaks rules of the format, as of evstream validate. A stream that
cannot be read to its end has no report, nor has one with a loss that is NaN or a sidx above its
number of samples.
"""


def add_parser(commands: Any, format: Format) -> None:
    parser = commands.add_parser(
        "report",
        help="make a report (HTML) about the losses of a stream",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_inputs(parser)
    parser.add_argument(
        "-o", "--output", metavar="FILE", default="-",
        help="write the report to FILE (default: stdout, unless that is a terminal)",
    )  # fmt: skip
    parser.add_argument(
        "--return-periods", metavar="FILE|N,N", type=numbers_or_file,
        help="rows of the tables of exceedance: returnperiods.bin, or numbers of years (default:"
        " 2 to 10,000, as far as there are periods)",
    )  # fmt: skip
    parser.add_argument(
        "--date", metavar="TEXT", nargs="?", const="",
        help="print TEXT, or today's date, in the report (default: no date, so that the same input"
        " gives the same report)",
    )  # fmt: skip
    parser.add_argument(
        "--summaries", metavar="N", type=whole_number, default=10,
        help="summaries to show curves of (default 10)",
    )  # fmt: skip
    parser.add_argument(
        "--largest", metavar="N", type=whole_number, default=20,
        help="events to list (default 20)",
    )  # fmt: skip
    parser.add_argument("--no-fsync", action="store_true", help=NO_FSYNC)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write the report; 1 if rules of the format are broken."""
    if options.output == "-" and log.is_terminal(sys.stdout):
        return log.error("a report is a page for a browser, expected -o report.html", 2)
    from evstream.reporting.report import report
    from evstream.reporting.vega import require
    from evstream.transport.same_file import refuse_same_file
    from evstream.transport.sink import Sink, SinkFile

    require()
    files = input_files(options)
    refuse_same_file([*files, *side_files(options)], [options.output])
    date = datetime.date.today().isoformat() if options.date == "" else options.date
    durable = False if options.no_fsync else None
    # Opened first: a folder that does not exist is known before a long reading.
    with Sink(options.output, durable=durable) as sink, progress_of(options, files, 2) as progress:
        found = report(
            source_of(options),
            return_periods=options.return_periods, date=date, summaries=options.summaries,
            largest=options.largest, progress=progress.update, **library_options(options),
        )  # fmt: skip
        found.write(SinkFile(sink))
    broken = [one for one in found.validation if one.errors]
    for one in broken:
        first = next(f for f in one.findings if f.severity == "error")
        log.finding(first, one.source, is_named=True)
    return int(bool(broken))
