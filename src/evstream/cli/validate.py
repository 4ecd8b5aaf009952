"""`evstream validate`: does a stream keep every rule of its type?"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from evstream._support.format import Format
from evstream._support.words import counted
from evstream.cli import file_table, log, run_folder
from evstream.cli.arguments import (
    add_jobs,
    add_stream_arguments,
    shown,
    whole_number,
)
from evstream.cli.file_table import FileTable
from evstream.cli.many_files import jobs_for, summarize
from evstream.cli.progress import Progress, add_progress
from evstream.cli.standard import print_text
from evstream.errors import EvstreamError
from evstream.process import refuse_exhaustion
from evstream.transport.environment import strict_of

_DESCRIPTION = """\
Check streams against every rule of the format, to the last byte. The rules, what they mean
and how to fix what breaks them are in docs/format.md.

Of a run folder, all files in it and below it are checked, and the rules between them: that
every item has a coverage, every policy its terms, and so on.

Exit status 0 when all is well, 1 with findings (with --strict warnings count too), 2 when a
file cannot be read.
"""


def add_parser(commands: Any, format: Format) -> None:
    parser = commands.add_parser(
        "validate",
        help="check streams against every rule of the format",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "files", metavar="FILE", nargs="+", help="a stream, - for stdin, or a run folder"
    )
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object per line and file"
    )
    parser.add_argument(
        "--expect-events", metavar="LIST",
        help="check that these events are present: event ids, one per line, or a stream of them",
    )  # fmt: skip
    parser.add_argument(
        "--seal", metavar="FILE", help="the seal to compare with (default: FILE.seal, if it exists)"
    )
    parser.add_argument(
        "--first",
        metavar="N",
        type=whole_number,
        default=10,
        help="places listed per rule (default 10)",
    )
    file_table.add_options(parser)
    add_jobs(parser)
    add_progress(parser)
    add_stream_arguments(parser)
    parser.set_defaults(run=run, takes_folders=True)


COLUMNS = ("file", "stream", "events", "blocks", "records", "bytes", "errors", "warnings", "clean",
           "problem")  # fmt: skip
"""Columns of --table."""


def run(options: argparse.Namespace) -> int:
    """Print the findings of each file; the worst exit status of all."""
    file_table.check(options)
    from evstream.checking.event_list import read_event_list

    expected: set[int] = set()
    if options.expect_events is not None:
        expected.update(
            read_event_list(options.expect_events, options.timeout, options.spec_format)
        )
    with Progress(options, options.files) as progress:
        return _show_all(options, expected, progress)


def _show_all(options: argparse.Namespace, expected: set[int], progress: Progress) -> int:
    from evstream.checking.validation import validations

    folders = {file for file in options.files if run_folder.is_run_folder(file, options)}
    if folders and options.seal is not None:
        return log.error(f"{shown(options.seal)}: one seal for the files of a folder", 2)
    files = [file for file in options.files if file not in folders]
    all_found = validations(
        files,
        *jobs_for(files, options.jobs),
        first=options.first,
        seal=options.seal or True,
        stream=options.stream,
        widths=dict(options.width),
        timeout=options.timeout,
        format=options.spec_format,
        progress=progress.input(),
    )
    table = FileTable(COLUMNS, "clean", options) if options.table else None
    status, counts = 0, dict.fromkeys(("clean", "with findings", "not readable"), 0)
    for file in options.files:
        if file in folders:
            own = _show_folder(file, expected, options, progress, table)
        else:
            own = _show_file(file, next(all_found), expected, options, table)
        counts[
            "not readable" if own.status == 2 else "clean" if own.clean else "with findings"
        ] += 1
        status = max(status, own.status)
    if table is not None:
        table.finish()
    summarize("clean", counts, status)
    return status


@dataclass
class _Verdict:
    """The exit status for an argument, and whether nothing was found in it."""

    status: int
    clean: bool


def _show_file(
    file: str, found: Any, expected: set[int], options: argparse.Namespace, table: FileTable | None
) -> _Verdict:
    try:
        if isinstance(found, Exception):
            raise found
        found.look_for(expected, found.events)
        report = found.report
    except (EvstreamError, OSError) as error:  # what cannot be read may be the seal
        refuse_exhaustion(error)
        problem = log.described(error, shown(file))
        if table is not None:
            table.add({"file": shown(file), "clean": False, "problem": _without(problem, file)})
        elif options.json:
            print_text(json.dumps({"file": shown(file), "error": problem}))
        return _Verdict(log.file_error(error, shown(file)), False)
    _print(report, text, options, table)
    return _verdict(report, options)


def _verdict(report: Any, options: argparse.Namespace) -> _Verdict:
    is_wrong = report.errors or (strict_of(options.strict) and not report.clean)
    return _Verdict(int(bool(is_wrong)), report.clean)


def _without(problem: str, file: str) -> str:
    return problem.removeprefix(f"{shown(file)}: ")


def _row(report: Any) -> dict[str, Any]:
    """The facts for --table."""
    problem = ", ".join(f"{count:,} x {rule}" for rule, count in report.counts.items())
    if report.error is not None:
        return {"file": report.source, "stream": report.stream, "clean": False,
                "problem": _without(report.error, report.source)}  # fmt: skip
    return {
        "file": report.source, "stream": report.stream, "events": report.events,
        "blocks": report.blocks, "records": report.records, "bytes": report.bytes,
        "errors": report.errors, "warnings": sum(report.counts.values()) - report.errors,
        "clean": report.clean, "problem": problem or None,
    }  # fmt: skip


def _show_folder(
    folder: str,
    expected: set[int],
    options: argparse.Namespace,
    progress: Progress,
    table: FileTable | None,
) -> _Verdict:
    report = run_folder.read_folder(
        folder, options, expect_events=expected, first=options.first, progress=progress.input()
    )
    _print(report, run_folder.findings, options, table)
    if run_folder.report_unread(report):
        return _Verdict(2, False)
    return _verdict(report, options)


def _print(
    report: Any,
    lines: Callable[[Any], str],
    options: argparse.Namespace,
    table: FileTable | None,
) -> None:
    """The report to stdout; its findings are messages where programs read those."""
    if table is not None:
        for one in report.reports or [report]:
            table.add(_row(one))
    elif options.json:
        print_text(json.dumps(report.to_json()))
    elif not (report.clean and log.is_quiet()):
        print_text(lines(report))
    if log.is_json():
        for finding in report.findings:
            log.finding(finding, report.source)


def text(report: Any) -> str:
    """The lines for people."""
    counts = (
        counted(getattr(report, f"{noun}s"), noun) for noun in ("byte", "event", "block", "record")
    )
    looked_at = f"{report.stream}, {', '.join(counts)}"
    head = f"{report.source}: {run_folder.verdict(report)}: {looked_at}"
    return "\n".join([head, *run_folder.finding_lines(report)])
