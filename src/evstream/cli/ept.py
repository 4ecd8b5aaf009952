"""`evstream ept`: exceedance curves of summary streams."""

from __future__ import annotations

import argparse
from typing import Any

from evstream._support.format import Format
from evstream.cli.results import (
    add_common,
    add_periods,
    numbers_or_file,
    progress_of,
    stream_options,
    write_table,
)

_DESCRIPTION = """\
Make exceedance curves of a summary stream (OEP, AEP and their TVaR), with the columns of ORD:

  evstream ept summary.bin --occurrence occurrence.bin --return-periods 250,100,50,10
  evstream ept 'work/gul/*.bin' --occurrence input/occurrence.bin \\
      --periods input/periods.bin --return-periods input/returnperiods.bin -o ept.parquet

Memory depends on the number of summaries, periods and samples, not on the size of the stream.
docs/results.md has the definitions.
"""


def add_parser(commands: Any, format: Format) -> None:
    parser = commands.add_parser(
        "ept",
        help="make exceedance curves (EPT, PSEPT) of a summary stream",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_periods(parser)
    parser.add_argument(
        "--return-periods", metavar="FILE|N,N", type=numbers_or_file,
        help="where to give the curves: returnperiods.bin, or numbers of years (default: all"
        " points)",
    )  # fmt: skip
    parser.add_argument(
        "--per-sample", action="store_true", help="the curves of each sample (a PSEPT)"
    )
    add_common(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write the table."""
    from evstream.results.exceedance import ept

    with progress_of(options) as progress:
        table = ept(
            options.input, options.occurrence, periods=options.periods,
            return_periods=options.return_periods, per_sample=options.per_sample,
            progress=progress.update, **stream_options(options),
        )  # fmt: skip
    write_table(options, table)
    return 0
