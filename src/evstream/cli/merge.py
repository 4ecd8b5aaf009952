"""`evstream merge`: several streams as one."""

from __future__ import annotations

import argparse
from typing import Any

from evstream._support.format import Format
from evstream.cli import log
from evstream.cli.arguments import NO_FSYNC, add_stream_arguments
from evstream.cli.progress import Progress, add_progress
from evstream.errors import EvstreamError
from evstream.transport.range_file import is_there

_DESCRIPTION = """\
Merge streams that have the same stream header into one. Joining streams with `cat` does not work:
readers would take the second stream header for a block.

  evstream merge gul_P1.bin gul_P2.bin gul.bin
  evstream merge part-*.bin - | next_program

If the event ids of each input ascend, events are interleaved in their order; otherwise the
inputs are written one after the other. Blocks are copied byte for byte. OUT may end in .gz or
.zst.
"""


def add_parser(commands: Any, format: Format) -> None:
    parser = commands.add_parser(
        "merge",
        help="merge several streams into one",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("files", metavar="IN", nargs="+", help="a stream, - for stdin")
    parser.add_argument("output", metavar="OUT", help="a file, - for stdout")
    parser.add_argument(
        "--same-event", choices=["refuse", "merge"], default="refuse",
        help="refuse an event that is in two inputs (the default), or merge its blocks; a block"
        " that is in both is always an error",
    )  # fmt: skip
    parser.add_argument(
        "--order", choices=["auto", "ids", "inputs"], default="auto",
        help="order events by id, which must ascend in each input, or write one input after the"
        " other; auto (the default) reads regular files twice to decide",
    )  # fmt: skip
    parser.add_argument(
        "--force", action="store_true", help="replace OUT if it is a file that exists"
    )
    parser.add_argument("--no-fsync", action="store_true", help=NO_FSYNC)
    add_progress(parser)
    add_stream_arguments(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Merge; what was chosen goes to stderr."""
    from evstream.merging import merge

    if not options.force and is_there(options.output):
        # The last name may as well be an input, in a command where OUT was forgotten.
        raise EvstreamError(
            "the output exists", source=options.output,
            expected="another name as the last argument, or --force to replace the file",
        )  # fmt: skip
    passes = 2 if options.order == "auto" else 1  # with "auto" files are read twice
    prints = options.output == "-"
    with Progress(options, options.files, prints=prints, passes=passes) as progress:
        merge(
            options.files,
            options.output,
            same_event=options.same_event,
            order=options.order,
            stream=options.stream,
            widths=dict(options.width),
            strict=options.strict,
            timeout=options.timeout,
            format=options.spec_format,
            durable=False if options.no_fsync else None,
            say=log.note,
            progress=progress.update,
        )
    return 0
