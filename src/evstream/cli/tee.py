"""`evstream tee`: pass a stream on, check and seal it, and show how it goes."""

from __future__ import annotations

import argparse
import signal
from itertools import combinations
from typing import Any

from evstream._support.format import Format
from evstream.cli import log, tee_monitor
from evstream.cli.arguments import NO_FSYNC, add_stream_arguments
from evstream.cli.standard import silence
from evstream.transport.same_file import is_same_place, refuse_same_file


def add_parser(commands: Any, format: Format) -> None:
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
    shown = tee.add_argument_group("progress")
    shown.add_argument(
        "--measure", action="store_true",
        help="only that: pass on any bytes as they are, text too, and judge nothing",
    )  # fmt: skip
    shown.add_argument(
        "--name", metavar="NAME", default="",
        help="what the pipe is called in progress and in `evstream monitor` (default: pipe-PID)",
    )  # fmt: skip
    shown.add_argument(
        "--progress", action=argparse.BooleanOptionalAction, default=False,
        help="show on stderr events, rate, the event under way, and what is waited for",
    )  # fmt: skip
    shown.add_argument(
        "--json", metavar="FILE", nargs="?", const="-",
        help="write the same as a JSON object each second, to stderr or FILE",
    )  # fmt: skip
    shown.add_argument(
        "--metrics", metavar="FILE", help="write the same for Prometheus to FILE, each second"
    )
    tee.add_argument("--no-fsync", action="store_true", help=NO_FSYNC)
    add_stream_arguments(tee)
    tee.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Pass on and seal; a problem is reported at the end, when all has been passed on."""
    from evstream.checking.tee import tee
    from evstream.reading.stream_end import report_unclosed

    texts = [options.metrics, None if options.json == "-" else options.json]
    places = [options.output, options.seal, options.index, *texts]
    refuse_same_file(["-"], places)
    for one, other in combinations((place for place in places if place is not None), 2):
        if is_same_place(one, other):
            raise ValueError(f"{other}: the stream, its seal and its index need a file each")
    if options.measure:
        return _measure(options)
    with tee_monitor.published(options) as (flow, publisher):
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
            flow=flow,
        )
        if publisher is not None and passed.problem is not None:
            publisher.problem = str(passed.problem)
    if passed.problem is None:
        report_unclosed(passed.unclosed, strict=False)
        if passed.uncertified is None:
            return 0
        line = f"{passed.uncertified}; the seal does not call the stream complete"
        return log.error(line, 1, **log.facts_of(passed.uncertified))
    for finding in passed.report.findings if passed.report is not None else []:
        log.finding(finding, "<stdin>")
    return log.error(passed.problem, 1)


def _measure(options: argparse.Namespace) -> int:
    """Pass all bytes on; a reader that goes away ends this as it ends any program."""
    from evstream.checking.measuring import measure
    from evstream.monitoring.flow import Flow

    judging = [n for n in ("seal", "index", "validate", "strict") if getattr(options, n)]
    if judging:
        raise ValueError(f"--measure judges nothing, so it does not go with --{judging[0]}")
    with tee_monitor.published(options) as (flow, _):
        try:
            measure(
                "-", options.output, flow or Flow(), stream=options.stream,
                widths=dict(options.width), timeout=options.timeout, format=options.spec_format,
            )  # fmt: skip
        except BrokenPipeError:
            silence()
            return 128 + signal.SIGPIPE  # silently, as other programs end then
    return 0
