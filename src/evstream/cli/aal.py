"""`evstream aal`: average annual losses of summary streams."""

from __future__ import annotations

import argparse
from typing import Any

from evstream._support.format import Format
from evstream.cli.arguments import number
from evstream.cli.results import add_common, add_periods, progress_of, stream_options, write_table

_DESCRIPTION = """\
Make a table of average annual losses of a summary stream, with the columns of ORD:

  evstream aal summary.bin --occurrence occurrence.bin
  evstream aal 'work/gul/*.bin' --occurrence input/occurrence.bin --table alct -o alct.csv

Memory depends on the number of summaries, periods and samples, not on the size of the stream.
docs/results.md has the definitions.
"""


def add_parser(commands: Any, format: Format) -> None:
    parser = commands.add_parser(
        "aal",
        help="make a table of average annual losses (AAL, ALCT) of a summary stream",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_periods(parser)
    parser.add_argument(
        "--table", choices=["aal", "aalmeanonly", "alct"], default="aal",
        help="means and deviations (default), means, or convergence with the number of samples",
    )  # fmt: skip
    parser.add_argument(
        "--confidence", type=number, default=0.95, metavar="P",
        help="of the interval of an alct (default 0.95)",
    )  # fmt: skip
    add_common(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write the table."""
    from evstream.results.average import aal

    with progress_of(options) as progress:
        table = aal(
            options.input, options.occurrence, options.table, periods=options.periods,
            confidence=options.confidence, progress=progress.update, **stream_options(options),
        )  # fmt: skip
    write_table(options, table)
    return 0
