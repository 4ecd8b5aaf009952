"""What `evstream report` and `evstream plot` have in common: streams, periods, words."""

from __future__ import annotations

import argparse
import os
from typing import Any

from evstream.cli.arguments import add_jobs, add_stream_arguments
from evstream.cli.progress import Progress, add_progress


def add_inputs(parser: argparse.ArgumentParser) -> None:
    """The streams and what belongs to them."""
    parser.add_argument(
        "inputs", metavar="FILE", nargs="+",
        help="a stream, - for stdin; or several, patterns or folders, as parts of one result",
    )  # fmt: skip
    parser.add_argument(
        "--occurrence", metavar="FILE",
        help="occurrence.bin: in which periods the events are",
    )  # fmt: skip
    parser.add_argument(
        "--periods", metavar="FILE", help="periods.bin: what the periods weigh (default: the same)"
    )
    parser.add_argument("--title", metavar="TEXT", help="the title (default: the name of the file)")
    parser.add_argument("--unit", metavar="TEXT", default="", help="of losses, e.g. EUR")
    add_jobs(parser)
    add_progress(parser)
    add_stream_arguments(parser)


def library_options(options: argparse.Namespace) -> dict[str, Any]:
    """These arguments as the library names them."""
    return {
        "occurrence": options.occurrence,
        "periods": options.periods,
        "title": options.title,
        "unit": options.unit,
        "stream": options.stream,
        "threads": options.jobs,
        "widths": dict(options.width),
        "strict": options.strict,
        "timeout": options.timeout,
    }


def input_files(options: argparse.Namespace) -> list[str]:
    """The files that the arguments stand for."""
    from evstream.transport.listing import files_named

    return [file for name in options.inputs for file in files_named(name)]


def source_of(options: argparse.Namespace) -> str | list[str]:
    """The streams as the library takes them."""
    inputs: list[str] = options.inputs
    return inputs if len(inputs) > 1 else inputs[0]


def progress_of(options: argparse.Namespace, files: list[str], passes: int) -> Progress:
    """How far the reading is, of files that are read so many times, and pipes once."""
    return Progress(options, files, passes=passes if all(map(os.path.isfile, files)) else 1)
