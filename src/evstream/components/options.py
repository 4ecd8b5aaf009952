"""The command line of a component, and what it says about a run."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evstream._support.arguments import described
from evstream.cli import log
from evstream.cli.arguments import SuggestingParser, add_reading_arguments, whole_number
from evstream.components.design import Design
from evstream.errors import EvstreamError
from evstream.wire.header import StreamHeader


def make_parser(design: Design) -> argparse.ArgumentParser:
    """The parser of a component, with the options of its author."""
    reads = " or ".join(design.inputs) or "any stream"
    reads = "the list of events to run" if design.reads_list else f"a {reads} stream"
    parser = SuggestingParser(
        prog=design.name,
        description=design.doc,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "-i", "--input", metavar="FILE", nargs="*",
        help=f"{reads}; - for stdin (the default). Several files are read one after the other",
    )  # fmt: skip
    add("-o", "--output", metavar="FILE", default="-",
        help=f"where the {design.stream} stream goes; - for stdout (the default). A file appears"
        " when it is complete")  # fmt: skip
    if samples_field(design):
        add("-S", "--samples", metavar="N", type=_count,
            help="samples of each loss (default: as in the input, else 0)")  # fmt: skip
    add("-e", "--event-batch", metavar=("N", "M"), nargs=2, type=whole_number,
        help="run the Nth of M parts of the events: every Mth, from the Nth")  # fmt: skip
    add("--merge", action="store_true",
        help="merge several inputs by event id; one program may feed them all")  # fmt: skip
    if design.is_oasis:
        group = parser.add_argument_group("Oasis runs")
        group.add_argument(
            "-p", "--input-path", metavar="DIR", default="input",
            help="the input folder of the run (default: input); with -e its list of events is read"
            " unless -i names another",
        )  # fmt: skip
        group.add_argument(
            "-a", "--analysis-settings", metavar="FILE",
            help="the analysis settings, whose number_of_samples is the default of -S",
        )  # fmt: skip
    add_reading_arguments(parser.add_argument_group("reading"))
    group = log.add_options(parser)
    group.add_argument("--progress", action="store_true", help="report progress to stderr")
    if design.arguments is not None:
        design.arguments(parser)
    return parser


def samples_field(design: Design) -> str | None:
    """The field of the output's stream header that is the number of samples."""
    return StreamHeader(design.stream, {}, {}, design.format).samples_field


def is_started_by_a_run(design: Design, options: argparse.Namespace) -> bool:
    """Whether an Oasis run starts a model that finds its events itself.

    Such a run passes `-i -`, or `-i` alone before a pipe, which once meant that the items go to
    stdout.
    """
    return (
        design.is_oasis and options.event_batch is not None and options.input in ([], ["-"], None)
    )


def check(design: Design, parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """Exit with usage for values that contradict each other."""
    if options.event_batch is not None:
        number, parts = options.event_batch
        if not 1 <= number <= parts:
            parser.error(f"argument -e: {number} {parts}, expected a part from 1 to {parts}")
    if options.input == [] and not is_started_by_a_run(design, options):
        parser.error("argument -i/--input: expected a file")
    if options.merge and len(options.input or ()) < 2:
        parser.error("argument --merge: expected several inputs after -i")


def input_names(design: Design, options: argparse.Namespace) -> list[str]:
    """What is read: the inputs that are named, or the list of events of an Oasis run."""
    if is_started_by_a_run(design, options):
        (stream,) = (design.format.stream(name) for name in design.inputs)
        return [os.path.join(options.input_path, stream.files[0])]
    return options.input or ["-"]


def read_settings(path: str | None) -> dict[str, Any]:
    """The analysis settings; {} where no file is named."""
    if path is None:
        return {}
    try:
        settings = json.loads(Path(path).read_bytes())
    except (ValueError, RecursionError) as error:
        raise EvstreamError(f"this is not JSON: {error}", source=path) from None
    if not isinstance(settings, dict):
        raise EvstreamError(f"{described(settings)}", source=path, expected="a JSON object")
    return settings


def header_fields(
    design: Design, options: argparse.Namespace, settings: dict[str, Any], given: StreamHeader
) -> dict[str, Any]:
    """The fields of the output's stream header, where `given` is that of the input."""
    output = StreamHeader(design.stream, {}, {}, design.format)
    names = [field.name for field in output.header_fields]
    fields = {name: given.values[name] for name in names if name in given.values}
    if (samples := output.samples_field) is not None:
        fields.setdefault(samples, 0)
        if (number := settings.get("number_of_samples")) is not None:
            fields[samples] = number
    fields |= design.header
    if samples is not None and options.samples is not None:
        fields[samples] = options.samples
    return fields


def _count(text: str) -> int:
    number = whole_number(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text!r}, expected 0 or more")
    return number


def names_of(sources: Sequence[str]) -> str:
    """The inputs in messages."""
    return "<stdin>" if list(sources) == ["-"] else ", ".join(sources)
