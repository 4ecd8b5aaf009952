"""`evstream seal`: proof that a stream is all there."""

from __future__ import annotations

import argparse
import contextlib
import os
from threading import Event
from typing import Any

from evstream._support.format import Format
from evstream.cli.arguments import (
    NO_FSYNC,
    add_jobs,
    add_stream_arguments,
)
from evstream.cli.many_files import do_all, jobs_for
from evstream.cli.progress import Progress, add_progress
from evstream.errors import EvstreamError
from evstream.transport.same_file import refuse_same_file


def add_parser(commands: Any, format: Format) -> None:
    seal = commands.add_parser(
        "seal",
        help="write a seal next to a file, which proves later that the file is complete",
        description="Read each stream to its end and write FILE.seal: the numbers of bytes, "
        "events, blocks and records, and a checksum per megabyte. `evstream validate` uses it. "
        "A stream that is cut inside a record, or breaks a rule of severity error, gets no seal.",
    )
    seal.add_argument("files", metavar="FILE", nargs="+", help="a stream")
    add_jobs(seal)
    add_progress(seal)
    add_stream_arguments(seal)
    seal.add_argument("--no-fsync", action="store_true", help=NO_FSYNC)
    seal.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Seal each file that can be; 2 if any cannot."""
    with Progress(options, options.files) as progress:
        return _seal_all(options, progress)


def _seal_all(options: argparse.Namespace, progress: Progress) -> int:
    at_once, threads = jobs_for(options.files, options.jobs)

    def seal(file: str, stopped: Event) -> None:
        _seal(file, options, threads, progress, None if at_once == 1 else stopped)

    return do_all(options.files, seal, at_once, "sealed")


def _seal(
    file: str,
    options: argparse.Namespace,
    threads: int,
    progress: Progress,
    stopped: Event | None,
) -> None:
    """Seal a file; `stopped` is set when the result is no longer needed."""
    from evstream.checking.seal import refuse_irregular, seal_path
    from evstream.checking.sealing import seal_of

    if file == "-" or (os.path.exists(file) and not os.path.isfile(file)):
        problem = "not a file: a stream from a pipe is sealed by `evstream tee`"
        raise EvstreamError(problem, source=file)
    refuse_same_file([file], [seal_path(file)])
    with contextlib.suppress(FileNotFoundError):
        refuse_irregular(seal_path(file))
    seal = seal_of(
        file, threads, stream=options.stream, widths=dict(options.width), strict=options.strict,
        timeout=options.timeout, format=options.spec_format, stopped=stopped,
        progress=progress.input(),
    )  # fmt: skip
    seal.write(seal_path(file), durable=False if options.no_fsync else None)
