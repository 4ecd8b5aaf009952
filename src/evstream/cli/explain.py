"""`evstream explain`: the bytes at a place of a stream, field by field, and what is wrong there."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from typing import Any

from evstream._support.format import Format
from evstream.cli import log
from evstream.cli.arguments import add_stream_arguments, event_id, whole_number
from evstream.cli.standard import print_text


def add_parser(commands: Any, format: Format) -> None:
    parser = commands.add_parser(
        "explain",
        help="show a stretch of a stream byte by byte",
        description="Print each field at a place of a stream: its byte, record, name, value and "
        "meaning, and the rules that it breaks. Without --at and --event the place is the first "
        "that breaks a rule, else the beginning.",
    )
    parser.add_argument("file", metavar="FILE", help="a stream, - for stdin")
    place = parser.add_mutually_exclusive_group()
    place.add_argument("--at", metavar="BYTE", type=whole_number, help="show this byte")
    place.add_argument("--event", metavar="N", type=event_id, help="show this event")
    parser.add_argument(
        "--records", metavar="N", type=whole_number, default=12,
        help="how many records to show from the place on (default 12)",
    )  # fmt: skip
    parser.add_argument("--format", choices=["text", "html"], default="text")
    add_stream_arguments(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the explanation, in a pager on a terminal; 0 for a broken stream too."""
    from evstream.explaining.explain import explain

    try:
        found = explain(
            options.file, at=options.at, event=options.event, records=options.records,
            stream=options.stream, widths=dict(options.width), timeout=options.timeout,
            format=options.spec_format,
        )  # fmt: skip
    except ValueError as error:
        return log.error(error, 2)
    if options.format == "html":
        print_text(found.to_html())
        return 0
    text = found.to_text(color=log.has_color(sys.stdout))
    if not (log.is_terminal(sys.stdout) and _page(text)):
        print_text(text)
    return 0


def _page(text: str) -> bool:
    """Show text in a pager, if it is higher than the terminal and there is a pager."""
    pager = os.environ.get("PAGER") or "less -R"
    if text.count("\n") < shutil.get_terminal_size().lines - 1:
        return False
    if shutil.which(pager.split()[0]) is None:
        return False
    subprocess.run(pager, shell=True, input=text.encode(), check=False)
    return True
