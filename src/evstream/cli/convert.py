"""`evstream convert`: streams to tables and back."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable
from typing import Any

from evstream._support.format import Format
from evstream._support.known_formats import stream_header_fields
from evstream._support.schema import Field
from evstream.cli import log
from evstream.cli.arguments import (
    NO_FSYNC,
    add_jobs,
    add_selection,
    add_stream_arguments,
    number,
    shown,
    whole_number,
)
from evstream.cli.progress import Progress, add_progress
from evstream.text.limits import MOST_PRECISION

_DESCRIPTION = """\
Convert between streams (.bin), CSV, Parquet, Arrow (.arrow, .feather) and JSON lines
(.jsonl), each with .gz or .zst after it if compressed, in bounded memory. CSV needs no
extra, Parquet and Arrow need evstream[arrow], JSON lines need evstream[polars].

  evstream convert gul.bin gul.parquet
  evstream convert losses.csv gul.bin --len-sample 100
  evstream convert 'out/*.bin' all.parquet --file-column
  evstream convert 'out/*.bin' losses --partition-by event_id:1000
  evstream convert gul.bin means.parquet --sidx mean --columns event_id,item_id,loss
  ktools_program | evstream convert - - --from bin --to csv | head

Parquet and Arrow files carry the stream header, so that the way back gives the same
stream. A CSV or JSON lines file has none: --stream and the options of its fields, such as
--len-sample, give it. Without them the type follows from the columns and len_sample is the highest
sidx, and a line on stderr reports it.
"""

_DEST = "header_"
"""What the fields of stream headers are called among the options."""


def add_parser(commands: Any, format: Format) -> None:
    parser = commands.add_parser(
        "convert",
        help="convert streams to CSV, Parquet, Arrow or JSON lines, and back",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    formats = ["bin", "csv", "parquet", "arrow", "jsonl"]
    parser.add_argument(
        "input", metavar="IN", help="a file, - for stdin; or a pattern or folder of streams"
    )
    parser.add_argument("output", metavar="OUT", help="a file or folder, - for stdout")
    parser.add_argument("--from", dest="from_", choices=formats, help="the format of IN")
    parser.add_argument("--to", choices=formats, help="the format of OUT")
    parser.add_argument(
        "--precision",
        type=_decimals,
        metavar="N",
        help="decimals of floats in CSV (default: the fewest digits that give the same number;"
        " other tools print 2)",
    )
    parser.add_argument(
        "--compression", choices=["zstd", "lz4", "snappy", "gzip", "none"],
        help="compression of Parquet pages (default zstd) or Arrow buffers (default none)",
    )  # fmt: skip
    parser.add_argument(
        "--sort", action="store_true",
        help="sort rows by ids and sidx; holds all of them in memory",
    )  # fmt: skip
    parser.add_argument(
        "--max-line", type=whole_number, metavar="BYTES",
        help="longest line of CSV or JSON lines to accept (default 1048576)",
    )  # fmt: skip
    parser.add_argument(
        "--max-batch", type=whole_number, metavar="BYTES",
        help="largest batch of Arrow, or open pages of Parquet, to accept (default 2^30)",
    )  # fmt: skip
    parser.add_argument(
        "--max-metadata", type=whole_number, metavar="BYTES",
        help="longest footer or schema of Parquet or Arrow to accept (default 2^26)",
    )  # fmt: skip
    parser.add_argument(
        "--file-column", nargs="?", const=True, default=False, metavar="NAME",
        help="of several streams: add a column (file) with the file of each row, to Parquet or"
        " Arrow",
    )  # fmt: skip
    parser.add_argument(
        "--partition-by", action="append", metavar="COLUMN[:IDS]",
        help="write OUT as a folder of Parquet files, by the values of a column, by so many ids of"
        " it (event_id:1000), or by file; again for folders in folders",
    )  # fmt: skip
    parser.add_argument(
        "--force", action="store_true", help="with --partition-by: replace the folder OUT"
    )
    add_selection(parser)
    add_jobs(parser)
    add_progress(parser)
    parser.add_argument("--no-fsync", action="store_true", help=NO_FSYNC)
    add_stream_arguments(parser)
    group = parser.add_argument_group("fields of the stream header")
    for field, scalar in stream_header_fields(format).values():
        kinds: dict[str, Callable[[str], Any]] = {"f": number, "s": str}
        _add_field(group, field, kinds.get(scalar.widths[0][0], whole_number))
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Convert; what was inferred goes to stderr."""
    from evstream.conversion.convert import convert
    from evstream.conversion.formats import Options

    given = {
        name: getattr(options, _DEST + name) for name in stream_header_fields(options.spec_format)
    }
    what = Options(
        stream=options.stream,
        values={name: value for name, value in given.items() if value is not None},
        widths=dict(options.width),
        strict=options.strict,
        timeout=options.timeout,
        precision=options.precision,
        compression=options.compression,
        format=options.spec_format,
        file=options.file_column,
        **_limits(options),
        durable=False if options.no_fsync else None,
        threads=options.jobs,
        events=options.events,
        sidx=options.sidx,
        items=options.items,
        columns=options.columns,
    )
    name, prints = shown(options.input), options.output == "-"
    with Progress(options, [options.input], prints=prints) as progress:
        convert(
            options.input,
            options.output,
            from_=options.from_,
            to=options.to,
            options=what,
            sort=options.sort,
            partition_by=options.partition_by,
            force=options.force,
            say=lambda text: log.note(f"{name}: {text}", file=name),
            progress=progress.update,
        )
    return 0


def _limits(options: argparse.Namespace) -> dict[str, Any]:
    """What was said of the largest line, batch and metadata."""
    names = ("max_line", "max_batch", "max_metadata")
    return {name: getattr(options, name) for name in names if getattr(options, name) is not None}


def _add_field(group: Any, field: Field, kind: Callable[[str], Any]) -> None:
    """An option for a field of a stream header, which may be called as another option is."""
    for prefix in ("--", "--header-"):
        with contextlib.suppress(argparse.ArgumentError):
            group.add_argument(
                prefix + field.name.replace("_", "-"), dest=_DEST + field.name,
                metavar="TEXT" if kind is str else "N", type=kind,
                help=field.doc.replace("%", "%%"),
            )  # fmt: skip
            return


def _decimals(text: str) -> int:
    if not text.isdecimal() or int(text) > MOST_PRECISION:
        raise argparse.ArgumentTypeError(
            f"{text!r}, expected a number of decimals from 0 to {MOST_PRECISION}"
        )
    return int(text)
