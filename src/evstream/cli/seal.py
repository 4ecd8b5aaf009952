"""`evstream seal` and `evstream tee`: proof that a stream is all there."""

from __future__ import annotations

import argparse
import contextlib
import os
from itertools import combinations
from threading import Event
from typing import Any

from evstream._support.format import Format
from evstream.cli import log
from evstream.cli.arguments import (
    NO_FSYNC,
    add_jobs,
    add_stream_arguments,
    jobs_for,
)
from evstream.cli.progress import Progress
from evstream.errors import EvstreamError
from evstream.transport.same_file import is_same_place, refuse_same_file


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
    add_stream_arguments(seal)
    seal.add_argument("--no-fsync", action="store_true", help=NO_FSYNC)
    seal.set_defaults(run=run_seal)
    tee = commands.add_parser(
        "tee",
        help="copy a stream from stdin to stdout, check and seal it on the way",
        description="Copy stdin to stdout, byte for byte, as it arrives, and write a seal with "
        "--seal. If the stream is cut, or fails the checks of --strict or --validate, the exit "
        "status is 1, the next reader gets a stream that is visibly cut, and the seal marks it "
        "as incomplete. --seal checks the rules of severity error: a stream that breaks one "
        "passes on, but is not sealed as complete, and the exit status is 1. Nor is a stream "
        "without its final delimiter sealed as complete.",
    )
    tee.add_argument("--seal", metavar="FILE", help="where to write the seal")
    tee.add_argument(
        "--index",
        metavar="FILE",
        help="where to write an index, which must lie beside the stream as STREAM.evx to be used",
    )
    tee.add_argument(
        "--output", metavar="FILE", default="-", help="write the stream to FILE, not to stdout"
    )
    tee.add_argument(
        "--validate", action="store_true", help="check every rule of the format on the way"
    )
    tee.add_argument("--no-fsync", action="store_true", help=NO_FSYNC)
    add_stream_arguments(tee)
    tee.set_defaults(run=run_tee)


def run_seal(options: argparse.Namespace) -> int:
    """Seal each file that can be; 2 if any cannot."""
    from evstream.partition.threads import in_order

    status, stopped = 0, Event()
    at_once, threads = jobs_for(options.files, options.jobs)

    def attempt(file: str) -> Exception | None:
        try:
            _seal(file, options, threads, None if at_once == 1 else stopped)
        except (EvstreamError, OSError) as error:
            return error
        return None

    found = in_order(attempt, options.files, at_once, stopped.set)
    for file, failure in zip(options.files, found, strict=True):
        try:
            if failure is not None:
                raise failure
        except (EvstreamError, OSError) as error:
            status = log.file_error(error, file)
    return status


def _seal(file: str, options: argparse.Namespace, threads: int, stopped: Event | None) -> None:
    """Seal a file; `stopped` is set when the result is no longer needed."""
    from evstream.checking.seal import refuse_irregular, seal_path
    from evstream.checking.sealing import seal_of

    if file == "-" or (os.path.exists(file) and not os.path.isfile(file)):
        problem = "not a file: a stream from a pipe is sealed by `evstream tee`"
        raise EvstreamError(problem, source=file)
    refuse_same_file([file], [seal_path(file)])
    with contextlib.suppress(FileNotFoundError):
        refuse_irregular(seal_path(file))
    size = os.path.getsize(file) if os.path.isfile(file) else None
    with Progress(file, size, alone=stopped is None) as progress:
        seal = seal_of(
            file, threads, stream=options.stream, widths=dict(options.width), strict=options.strict,
            timeout=options.timeout, format=options.spec_format, stopped=stopped,
            progress=progress.update,
        )  # fmt: skip
    seal.write(seal_path(file), durable=False if options.no_fsync else None)


def run_tee(options: argparse.Namespace) -> int:
    """Pass on and seal; a problem is reported at the end, when all has been passed on."""
    from evstream.checking.tee import tee
    from evstream.reading.stream_end import report_unclosed

    places = [options.output, options.seal, options.index]
    refuse_same_file(["-"], places)
    for one, other in combinations((place for place in places if place is not None), 2):
        if is_same_place(one, other):
            raise ValueError(f"{other}: the stream, its seal and its index need a file each")
    passed = tee(
        "-",
        options.output,
        seal=options.seal,
        index=options.index,
        stream=options.stream,
        widths=dict(options.width),
        strict=options.strict,
        timeout=options.timeout,
        format=options.spec_format,
        validate=options.validate,
        durable=False if options.no_fsync else None,
    )
    if passed.problem is None:
        report_unclosed(passed.unclosed, strict=False)
        if passed.uncertified is None:
            return 0
        line = f"{passed.uncertified}; the seal does not call the stream complete"
        return log.error(line, 1, **log.facts_of(passed.uncertified))
    for finding in passed.report.findings if passed.report is not None else []:
        log.finding(finding, "<stdin>")
    return log.error(passed.problem, 1)
