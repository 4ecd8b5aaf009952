"""`evstream info`: what a stream holds, and whether it ends cleanly."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from threading import Event
from typing import Any

from evstream._support.format import Format
from evstream._support.words import counted
from evstream.cli import file_table, log, run_folder
from evstream.cli.arguments import add_jobs, add_stream_arguments, open_stream, shown
from evstream.cli.file_table import FileTable
from evstream.cli.many_files import each, jobs_for, summarize, until
from evstream.cli.progress import Progress, add_progress
from evstream.cli.standard import print_text
from evstream.cli.tally import Info, Tally
from evstream.errors import EvstreamError
from evstream.process import refuse_exhaustion

Update = Callable[[int], None]
"""Takes how many bytes of an input are read."""


def add_parser(commands: Any, format: Format) -> None:
    parser = commands.add_parser(
        "info",
        help="print what a stream holds, and whether it ends cleanly",
        description="Read each stream to its end and print its header, its numbers of events, "
        "items, blocks and records, and the sum of losses per class of sidx. Exit status 2 if "
        "any stream cannot be read to its end, 1 if one has blocks of zero bytes alone. Of a run "
        "folder: a table of all files in it and below it, with type, records, size, range of "
        "keys, and the rules that it breaks.",
    )
    parser.add_argument(
        "files", metavar="FILE", nargs="+", help="a stream, - for stdin, or a run folder"
    )
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object per line and file"
    )
    file_table.add_options(parser)
    add_jobs(parser)
    add_progress(parser)
    add_stream_arguments(parser)
    parser.set_defaults(run=run, takes_folders=True)


COLUMNS = ("file", "stream", "events", "items", "records", "sum", "bytes", "whole", "problem")
"""Columns of --table. The sum is of the losses of samples."""


def run(options: argparse.Namespace) -> int:
    """Tell each file; 2 if any is broken."""
    file_table.check(options)
    if options.table:
        options.files = run_folder.with_files_of(options)
    with Progress(options, options.files) as progress:
        return _show_all(options, progress)


def _show_all(options: argparse.Namespace, progress: Progress) -> int:
    at_once, threads = jobs_for(options.files, options.jobs)

    def look(file: str, stopped: Event) -> tuple[Any, Exception | None]:
        """The Info of a file with its error, or the report of a run folder."""
        update = until(stopped, progress.input(), shown(file))
        if os.path.isdir(file) and run_folder.is_run_folder(file, options):
            return run_folder.read_folder(file, options, seal=False, first=1, progress=update), None
        info = Info(shown(file))
        try:
            collect(info, file, options, update, threads)
        except (EvstreamError, OSError) as error:
            refuse_exhaustion(error)
            info.error = log.described(error, info.file)
            return info, error
        return info, None

    table = FileTable(COLUMNS, "whole", options) if options.table else None
    status, counts = 0, dict.fromkeys(("whole", "not whole", "not readable to the end"), 0)
    for outcome in each(options.files, look, at_once):
        found, error = outcome.value or (None, outcome.error)
        if isinstance(found, Info):
            _show(found, table, options)
            own = 0 if error is None else log.file_error(error, found.file)
            is_whole = found.clean_end is True and not found.holes
        else:
            own = outcome.report() or _show_folder(found, options)
            is_whole = own == 0
        status = max(status, own)
        counts["not readable to the end" if own == 2 else "whole" if is_whole else "not whole"] += 1
    if table is not None:
        table.finish()
    summarize("whole", counts, status)
    return status


def _show(info: Info, table: FileTable | None, options: argparse.Namespace) -> None:
    if table is not None:
        table.add(_row(info))
    else:
        print_text(json.dumps(_plain(info)) if options.json else text(info))


def _row(info: Info) -> dict[str, Any]:
    """The facts for --table; of what could not be read, what is known."""
    problem = None
    if info.error is not None:
        problem = info.error.removeprefix(f"{info.file}: ")
    elif info.holes:
        problem = f"{counted(info.holes, 'block')} of zero bytes alone"
    elif not info.clean_end:
        problem = "without the final delimiter"
    sums = [entry["sum"] for name, entry in info.losses.items() if name.startswith("samples")]
    if info.stream is None:
        return {"file": info.file, "whole": False, "problem": problem}
    has_items = not info.keys
    return {
        "file": info.file, "stream": info.stream, "events": info.events if has_items else None,
        "items": info.items if has_items else None, "records": info.records,
        "sum": sums[0] if len(sums) == 1 else None, "bytes": info.bytes,
        "whole": problem is None, "problem": problem,
    }  # fmt: skip


def _show_folder(report: Any, options: argparse.Namespace) -> int:
    print_text(json.dumps(report.to_json()) if options.json else run_folder.table(report))
    run_folder.report_unread(report)
    return 2 if run_folder.is_broken(report, options) else int(report.holes > 0)


def collect(
    info: Info, file: str, options: argparse.Namespace, update: Update, threads: int
) -> None:
    """Read the stream into `info`, as far as it goes."""
    from evstream.partition.whole_file import large_parts

    planned = large_parts(
        file, stream=options.stream, widths=dict(options.width), format=options.spec_format
    )
    if planned is not None:  # with one thread too, so that sums are added up in the same order
        _collect_parts(info, planned, threads, options, update)
        return
    with open_stream(file, options) as stream:
        header = stream.header
        info.describe(header)
        tally = Tally(info, header)
        try:
            for chunk in stream.chunks():
                tally.add(chunk)
                update(stream.bytes_read)
        finally:
            info.bytes = stream.places.file_size if stream.places else stream.offset
            info.clean_end, info.holes = stream.clean_end, stream.holes


def _collect_parts(
    info: Info, planned: Any, threads: int, options: argparse.Namespace, update: Update
) -> None:
    """Read a large file part by part."""
    from evstream.partition.whole_file import read_parts
    from evstream.transport.source import LARGE_CHUNK

    def begin(stream: Any, section: Any, part: Any) -> tuple[Tally, Any]:
        tally = Tally(Info(info.file), stream.header)
        return tally, map(tally.add, stream.chunks())

    header = planned.header
    info.describe(header)
    whole = Tally(info, header)
    for read in read_parts(planned, begin, threads, options.strict, chunk=LARGE_CHUNK):
        whole.follow_by(read.value)
        info.bytes, info.clean_end, info.holes = read.offset, read.clean_end, read.checks.holes
        update(read.offset)


def _plain(info: Info) -> dict[str, Any]:
    """The facts for JSON, which has no NaN or infinity: these sums become strings."""
    facts = asdict(info)
    if not facts["keys"]:
        del facts["keys"]
    plain: dict[str, Any] = log.plain(facts)
    return plain


def text(info: Info) -> str:
    """The lines for people."""
    if info.stream is None:
        return f"{info.file}: not readable"
    kind = "no type word" if info.source is None else f"{info.source}/{info.aggregation}"
    rows = [("stream", f"{info.stream} ({kind})")]
    rows += [(name, str(value)) for name, value in info.header.items()]
    rows.append(("bytes", f"{info.bytes:,}"))
    if not info.keys:
        rows.append(("events", _with_runs(info)))
        rows.append(("items", f"{info.items:,} in {counted(info.blocks, 'block')}"))
    rows.append(("records", f"{info.records:,}"))
    rows += [(name, f"{low} to {high}") for name, (low, high) in info.keys.items()]
    for name, entry in info.losses.items():
        rows.append((f"  {name}", f"{entry['records']:>14,}  sum {entry['sum']:,.2f}"))
    end = {True: "clean", False: "without the final delimiter", None: "BROKEN"}[info.clean_end]
    if info.holes:
        rows.append(("holes", f"{counted(info.holes, 'block')} of zero bytes alone"))
        end = "clean, but the stream has holes" if end == "clean" else end
    style = {"clean": "good", "BROKEN": "error"}.get(end, "warning")
    rows.append(("end", log.styled(end, style, sys.stdout)))
    return "\n".join([info.file, *(f"  {name:<16} {value}" for name, value in rows)])


def _with_runs(info: Info) -> str:
    if info.events == info.event_runs:
        return f"{info.events:,}"
    return f"{info.events:,} in {info.event_runs:,} runs: not contiguous"
