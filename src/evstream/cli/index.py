"""`evstream index`: indexes of files, by which some of their events are read quickly."""

from __future__ import annotations

import argparse
from threading import Event
from typing import Any

from evstream._support.format import Format
from evstream.cli.arguments import NO_FSYNC, add_jobs, add_stream_arguments
from evstream.cli.many_files import do_all, jobs_for, until
from evstream.cli.progress import Progress, add_progress
from evstream.errors import EvstreamError


def add_parser(commands: Any, format: Format) -> None:
    parser = commands.add_parser(
        "index",
        help="write an index next to a file, by which some of its events are read quickly",
        description="Read each stream to its end and write FILE.evx: where its events are. `cat "
        "--event` and the functions that read some events use it. After a change of the file its "
        "index is an error until it is made anew, or removed. A stream that is cut inside a "
        "record, or has a hole, gets no index.",
    )
    parser.add_argument("files", metavar="FILE", nargs="+", help="a stream, not compressed")
    add_jobs(parser)
    add_progress(parser)
    add_stream_arguments(parser)
    parser.add_argument("--no-fsync", action="store_true", help=NO_FSYNC)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Index each file that can be; 2 if any cannot."""
    with Progress(options, options.files) as progress:
        return _index_all(options, progress)


def _index_all(options: argparse.Namespace, progress: Progress) -> int:
    from evstream.indexing.builder import build_index

    def index(file: str, stopped: Event) -> None:
        if file == "-":
            problem = "not a file: a stream from a pipe is indexed by `evstream tee`"
            raise EvstreamError(problem, source="<stdin>")
        build_index(
            file, stream=options.stream, widths=dict(options.width), strict=options.strict,
            durable=False if options.no_fsync else None, format=options.spec_format,
            progress=until(stopped, progress.input(), file),
        )  # fmt: skip

    at_once, _ = jobs_for(options.files, options.jobs)
    return do_all(options.files, index, at_once, "indexed")
