"""What the commands of result tables have in common: their input, and where the table goes."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from evstream.cli.arguments import NO_FSYNC, add_stream_arguments, job_count, whole_number
from evstream.cli.progress import Progress, add_progress


def add_common(parser: argparse.ArgumentParser) -> None:
    """The summary stream, the output, and the options of streams."""
    parser.add_argument(
        "input", metavar="SUMMARY",
        help="a summary stream, - for stdin; or a pattern or folder of them",
    )  # fmt: skip
    parser.add_argument(
        "-o", "--output", metavar="FILE", default="-",
        help="write the table to FILE: .csv, .parquet, .arrow, .jsonl or .bin (default: CSV to"
        " stdout)",
    )  # fmt: skip
    parser.add_argument(
        "--precision", type=whole_number, metavar="N",
        help="decimals of floats in CSV (default: the fewest digits that give the same number)",
    )  # fmt: skip
    parser.add_argument(
        "--jobs", metavar="N", type=job_count,
        help="threads (default: the cores that this process may use); the output is the same",
    )  # fmt: skip
    parser.add_argument("--no-fsync", action="store_true", help=NO_FSYNC)
    add_progress(parser)
    add_stream_arguments(parser)


def stream_options(options: argparse.Namespace) -> dict[str, Any]:
    """The options of the summary stream, as the library names them.

    Raises ValueError for --stream of another type: a result has summary streams alone.
    """
    if options.stream not in (None, "summary"):
        raise ValueError(f"--stream is {options.stream}, expected summary")
    return {
        "threads": options.jobs,
        "widths": dict(options.width),
        "strict": options.strict,
        "timeout": options.timeout,
    }


def progress_of(options: argparse.Namespace, *, prints: bool = False) -> Progress:
    """How far the reading of the input is. `prints` says whether rows may go to stdout
    meanwhile."""
    return Progress(options, [options.input], prints=prints and options.output == "-")


def _input_files(options: argparse.Namespace) -> list[str]:
    from evstream.transport.listing import files_named

    return [*files_named(options.input), *side_files(options)]


_SIDE_FILES = ("occurrence", "periods", "return_periods", "rates", "quantiles")


def side_files(options: argparse.Namespace) -> list[str]:
    """The files besides the streams that a result is made of."""
    named = (getattr(options, name, None) for name in _SIDE_FILES)
    return [file for file in named if isinstance(file, str)]


def write(options: argparse.Namespace, header: Any, batches: Iterator[Any]) -> None:
    """Write the rows where the options say."""
    from evstream.conversion.formats import Options
    from evstream.conversion.output import write_rows
    from evstream.transport.same_file import refuse_same_file

    refuse_same_file(_input_files(options), [options.output])
    durable = False if options.no_fsync else None
    what = Options(precision=options.precision, durable=durable)
    write_rows(header, batches, options.output, what)


def add_periods(parser: argparse.ArgumentParser) -> None:
    """The files that say in which periods events are, and what those weigh."""
    parser.add_argument(
        "--occurrence", metavar="FILE", required=True,
        help="occurrence.bin: in which periods the events are",
    )  # fmt: skip
    parser.add_argument(
        "--periods", metavar="FILE", help="periods.bin: what the periods weigh (default: the same)"
    )


def write_table(options: argparse.Namespace, table: Any) -> None:
    """Write a whole table where the options say."""
    write(options, table.header, iter([dict(table)]))


def numbers_or_file(text: str) -> str | list[float]:
    """An option that is a list of numbers, else the name of a file."""
    try:
        return [float(number) for number in text.split(",")]
    except ValueError:
        return text
