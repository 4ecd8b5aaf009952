"""`evstream elt`: event loss tables of summary streams."""

from __future__ import annotations

import argparse
from contextlib import closing
from typing import Any

from evstream._support.format import Format
from evstream.cli.results import add_common, numbers_or_file, progress_of, stream_options, write

_DESCRIPTION = """\
Make an event loss table of a summary stream, in bounded memory, with the columns of ORD:

  evstream elt summary.bin -o melt.csv
  evstream elt summary.bin --table qelt --quantiles 0.5,0.9,0.99
  evstream elt 'work/gul/*.bin' --table selt -o selt.parquet

docs/results.md has the definitions.
"""


def add_parser(commands: Any, format: Format) -> None:
    parser = commands.add_parser(
        "elt",
        help="make an event loss table (MELT, QELT, SELT) of a summary stream",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--table", choices=["melt", "qelt", "selt"], default="melt",
        help="the moments of each event (default), quantiles, or each sample",
    )  # fmt: skip
    parser.add_argument(
        "--rates", metavar="FILE", help="of a melt: event_rates.csv, the rate per year of events"
    )
    parser.add_argument(
        "--quantiles", metavar="FILE|Q,Q", type=numbers_or_file,
        help="of a qelt: quantile.bin, or numbers from 0 to 1",
    )  # fmt: skip
    add_common(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write the table, a stretch of the stream at a time."""
    from evstream.results.event_tables import elt_batches

    with progress_of(options, prints=True) as progress:
        header, batches = elt_batches(
            options.input, options.table, rates=options.rates, quantiles=options.quantiles,
            progress=progress.update, **stream_options(options),
        )  # fmt: skip
        with closing(batches):
            write(options, header, batches)
    return 0
