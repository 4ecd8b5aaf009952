"""`evstream convert`: streams to tables and back."""

from __future__ import annotations

import argparse
from typing import Any

from evstream.cli import add_stream_arguments
from evstream.cli.progress import Progress
from evstream.cli.standard import say

_DESCRIPTION = """\
Convert between streams (.bin), CSV, Parquet, Arrow (.arrow, .feather) and JSON lines
(.jsonl), each possibly behind .gz or .zst, in bounded memory. Needs evstream[arrow].

  evstream convert gul.bin gul.parquet
  evstream convert losses.csv gul.bin --len-sample 100
  ktools_program | evstream convert - - --from bin --to csv | head

Parquet and Arrow files carry the stream header, so that the way back gives the same
stream. A CSV or JSON lines file has none: --stream, --len-sample and --summary-set-id
give it. Without them the type follows from the columns and len_sample is the highest
sidx, and a line on stderr says so.
"""


def add_parser(commands: Any) -> None:
    parser = commands.add_parser(
        "convert",
        help="streams to CSV, Parquet, Arrow or JSON lines, and back",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    formats = ["bin", "csv", "parquet", "arrow", "jsonl"]
    parser.add_argument("input", metavar="IN", help="a file, - for stdin")
    parser.add_argument("output", metavar="OUT", help="a file, - for stdout")
    parser.add_argument("--from", dest="from_", choices=formats, help="the format of IN")
    parser.add_argument("--to", choices=formats, help="the format of OUT")
    parser.add_argument("--len-sample", type=int, metavar="N", help="number of samples")
    parser.add_argument("--summary-set-id", type=int, metavar="N", help="of a summary stream")
    parser.add_argument(
        "--precision",
        type=_decimals,
        metavar="N",
        help="decimals of floats in CSV (default: as short as they read back;"
        " the existing tools print 2)",
    )
    parser.add_argument(
        "--compression", choices=["zstd", "lz4", "snappy", "gzip", "none"],
        help="of Parquet pages (default zstd) or Arrow buffers (default none)",
    )  # fmt: skip
    parser.add_argument(
        "--sort", action="store_true",
        help="sort rows by ids and sidx; holds all of them in memory",
    )  # fmt: skip
    add_stream_arguments(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Convert; what was inferred goes to stderr."""
    from evstream.convert import convert
    from evstream.formats import Options

    given = {"len_sample": options.len_sample, "summary_set_id": options.summary_set_id}
    what = Options(
        stream=options.stream,
        values={name: value for name, value in given.items() if value is not None},
        widths=dict(options.width),
        strict=options.strict,
        timeout=options.timeout,
        precision=options.precision,
        compression=options.compression,
    )
    prints = options.output == "-"
    with Progress(options.input, _size(options.input), prints=prints) as progress:
        convert(
            options.input,
            options.output,
            from_=options.from_,
            to=options.to,
            options=what,
            sort=options.sort,
            say=lambda text: say(f"{options.input}: {text}"),
            progress=progress.update,
        )
    return 0


def _decimals(text: str) -> int:
    if not text.isdecimal() or int(text) > 60:
        raise argparse.ArgumentTypeError(f"{text!r}, expected a number of decimals")
    return int(text)


def _size(file: str) -> int | None:
    import os

    return os.path.getsize(file) if os.path.isfile(file) else None
