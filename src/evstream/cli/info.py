"""`evstream info`: what a stream holds, and whether it ends cleanly."""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from evstream._support.format import Format
from evstream._support.words import counted
from evstream.cli import log, run_folder
from evstream.cli.arguments import add_jobs, add_stream_arguments, open_stream, shown
from evstream.cli.progress import Progress, add_progress
from evstream.cli.standard import print_text
from evstream.errors import EvstreamError
from evstream.process import refuse_exhaustion
from evstream.wire.header import StreamHeader

Update = Callable[[int], None]
"""Takes how many bytes of an input are read."""


@dataclass
class Info:
    """Facts about a stream; counts are of what could be read.

    `events` and `items` count different ids (items: of the block's own id, e.g. summary
    ids), `event_runs` how often the event id changes, `losses` gives per class of sidx the
    number of records and the sum of their losses (of each value that a sidx has, if several).
    `keys` are the lowest and highest value of each key of a file that is records alone.
    """

    file: str
    stream: str | None = None
    source: int | None = None
    aggregation: int | None = None
    header: dict[str, int] = field(default_factory=dict)
    widths: dict[str, str] = field(default_factory=dict)
    bytes: int = 0
    events: int = 0
    event_runs: int = 0
    items: int = 0
    blocks: int = 0
    records: int = 0
    losses: dict[str, dict[str, float]] = field(default_factory=dict)
    clean_end: bool | None = None
    holes: int = 0
    error: str | None = None
    keys: dict[str, tuple[Any, Any]] = field(default_factory=dict)

    def describe(self, header: StreamHeader) -> None:
        """Take over what the stream header has."""
        self.stream, self.header = header.stream, dict(header.values)
        self.source, self.aggregation = header.source, header.aggregation
        self.widths = dict(header.widths)


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
    add_jobs(parser)
    add_progress(parser)
    add_stream_arguments(parser)
    parser.set_defaults(run=run, takes_folders=True)


def run(options: argparse.Namespace) -> int:
    """Tell each file; 2 if any is broken."""
    with Progress(options, options.files) as progress:
        return _show_all(options, progress)


def _show_all(options: argparse.Namespace, progress: Progress) -> int:
    status = 0
    for file in options.files:
        update = progress.input()
        if os.path.isdir(file) and run_folder.is_run_folder(file, options):
            status = max(status, _show_folder(file, options, update))
            continue
        info = Info(shown(file))
        failure: Exception | None = None
        try:
            collect(info, file, options, update)
        except (EvstreamError, OSError) as error:
            refuse_exhaustion(error)
            info.error, failure = log.described(error, shown(file)), error
        print_text(json.dumps(_plain(info)) if options.json else text(info))
        if failure is not None:
            status = log.file_error(failure, shown(file))
    return status


def _show_folder(folder: str, options: argparse.Namespace, update: Update) -> int:
    report = run_folder.read_folder(folder, options, seal=False, first=1, progress=update)
    print_text(json.dumps(report.to_json()) if options.json else run_folder.table(report))
    run_folder.report_unread(report)
    return 2 if run_folder.is_broken(report, options) else int(report.holes > 0)


def collect(info: Info, file: str, options: argparse.Namespace, update: Update) -> None:
    """Read the stream into `info`, as far as it goes."""
    from evstream.partition.threads import threads_of
    from evstream.partition.whole_file import large_parts

    threads = threads_of(options.jobs)
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


class Tally:
    """Adds chunk after chunk to an Info."""

    def __init__(self, info: Info, header: StreamHeader) -> None:
        self._info, self._header = info, header
        self._events: set[Any] = set()
        self._items: set[int] = set()
        self._first_event: Any = None
        self._last_event: Any = None

    def follow_by(self, other: Tally) -> None:
        """Add what was found in the stretch after this one."""
        from evstream.wire.columns import differ

        info, more = self._info, other._info
        if other._last_event is None:
            return
        goes_on = self._last_event is not None and not differ(self._last_event, other._first_event)
        info.event_runs += more.event_runs - int(goes_on)
        info.blocks += more.blocks
        info.records += more.records
        for name, (low, high) in more.keys.items():
            self._widen(name, low, high)
        self._events |= other._events
        self._items |= other._items
        info.events, info.items = len(self._events), len(self._items)
        for name, found in more.losses.items():
            entry = info.losses.setdefault(name, {"records": 0, "sum": 0.0})
            entry["records"] += found["records"]
            entry["sum"] += found["sum"]
        self._first_event = other._first_event if self._first_event is None else self._first_event
        self._last_event = other._last_event

    def add(self, chunk: Any) -> None:
        import numpy as np

        from evstream.wire.columns import differ, run_starts

        info, columns = self._info, chunk.columns
        events = columns.block[0]
        if not len(events):
            return
        info.blocks += len(events) - int(chunk.continues)
        starts = events[run_starts(events)]
        goes_on = self._last_event is not None and not differ(self._last_event, events[0])
        info.event_runs += len(starts) - int(goes_on)
        self._first_event = events[0] if self._first_event is None else self._first_event
        self._last_event = events[-1]
        self._events.update(np.unique(starts).tolist())
        info.events = len(self._events)
        if columns.entry:
            for ids in columns.block[1:2]:
                self._items.update(np.unique(ids).tolist())
            info.items = len(self._items)
            info.records += len(columns.entry[0])
            self._add_losses(columns)
        else:
            info.records += len(events)
            self._add_keys(columns)

    def _add_keys(self, columns: Any) -> None:
        named = zip(self._header.block_columns, columns.block, strict=True)
        for name, values in named:
            if name in self._header.key_columns and values.dtype.kind in "iuf":
                self._widen(name, values.min().item(), values.max().item())

    def _widen(self, name: str, low: Any, high: Any) -> None:
        before = self._info.keys.get(name, (low, high))
        self._info.keys[name] = (min(before[0], low), max(before[1], high))

    def _add_losses(self, columns: Any) -> None:

        specials = self._header.format.special_parameters
        columns_of_entry = zip(self._header.entry_columns, columns.entry, strict=True)
        values = {name: c for name, c in columns_of_entry if c.dtype.kind != "S"}
        sidx = values.pop(self._header.sidx or "", None)
        if sidx is None:
            for name, column in values.items():
                self._add_sum(name, column)
            return
        values = {n: c for n, c in values.items() if c.dtype.kind == "f"} or values
        labels = ["samples", *specials, "other"]
        for label, column in values.items():
            what = f" {label}" if len(values) > 1 else ""
            counts, sums = sums_by_kind(sidx, column, list(specials.values()))
            for name, count, total in zip(labels, counts.tolist(), sums.tolist(), strict=True):
                self._add_to(f"{name}{what}", count, total)

    def _add_sum(self, name: str, values: Any) -> None:
        if len(values):
            self._add_to(name, len(values), _sum(values))

    def _add_to(self, name: str, count: int, total: float) -> None:
        if count:
            entry = self._info.losses.setdefault(name, {"records": 0, "sum": 0.0})
            entry["records"] += count
            entry["sum"] += total


def sums_by_kind(sidx: Any, values: Any, specials: list[int]) -> tuple[Any, Any]:
    """How many values there are and what they sum up to: of samples, of each special sidx, and of
    other sidx below 0."""
    import numpy as np

    from evstream._support.jit import is_enabled

    counts, sums = np.zeros(len(specials) + 2, np.int64), np.zeros(len(specials) + 2)
    if is_enabled():
        from evstream.wire.sum_kernels import sum_by_kind

        sum_by_kind(sidx, values, np.array(specials, np.int64), counts, sums)
        return counts, sums
    others = (sidx < 0) & ~np.isin(sidx, specials)
    for kind, chosen in enumerate([sidx > 0, *(sidx == special for special in specials), others]):
        counts[kind], sums[kind] = chosen.sum(), _sum(values[chosen])
    return counts, sums


def _sum(values: Any) -> float:
    import numpy as np

    with np.errstate(invalid="ignore"):  # infinities of both signs sum to NaN
        return float(values.sum(dtype=float))


def _plain(info: Info) -> dict[str, Any]:
    """The facts for JSON, which has no NaN or infinity: these sums become strings."""
    facts = asdict(info)
    if not facts["keys"]:
        del facts["keys"]
    for entry in facts["losses"].values():
        if not math.isfinite(entry["sum"]):
            entry["sum"] = str(entry["sum"])
    return facts


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
