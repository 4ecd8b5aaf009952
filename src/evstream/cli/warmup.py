"""`evstream warmup`: compile the kernels once, so that no program waits for it later."""

from __future__ import annotations

import argparse
import io
import os
import time
from collections.abc import Mapping
from typing import Any

from evstream._support.format import Format
from evstream._support.known_formats import formats_beside
from evstream._support.texts import is_text, is_text_width
from evstream._support.words import counted
from evstream.cli import log
from evstream.cli.arguments import width
from evstream.cli.standard import print_text


def add_parser(commands: Any, format: Format) -> None:
    parser = commands.add_parser(
        "warmup",
        help="compile all kernels and keep them on disk",
        description="Write and read a tiny stream of every type, which compiles the kernels into "
        "the cache on disk: EVSTREAM_CACHE_DIR (or NUMBA_CACHE_DIR) if that is set, else the "
        "package's own folder (where every user finds them, even without permission to write), "
        "else ~/.cache/evstream. Run it when you build an image and after an update; programs "
        "then start without compiling. "
        "The exit status is 1 if a kernel could not be kept.",
    )
    parser.add_argument("--width", metavar="TYPE=WIDTH", action="append", type=width, default=[])
    parser.add_argument(
        "--to",
        metavar="DIR",
        help="compile into this folder; programs find the kernels with EVSTREAM_CACHE_DIR=DIR,"
        " also where they may only read it",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Warm up every stream type at one choice of widths; 1 when a kernel could not be kept."""
    before = os.environ.get(_FOLDER)
    if options.to is not None:
        os.environ[_FOLDER] = os.path.abspath(options.to)
    try:
        return _warm_up_all(options)
    finally:
        if before is not None:
            os.environ[_FOLDER] = before
        elif options.to is not None:
            del os.environ[_FOLDER]


_FOLDER = "EVSTREAM_CACHE_DIR"


def _warm_up_all(options: argparse.Namespace) -> int:
    from evstream._support.jit import CACHE, is_enabled

    format = options.spec_format
    start = time.monotonic()
    streams = streams_of(format)
    for known, stream in streams:
        widths = {name: width for name, width in options.width if name in known.scalars}
        # Of the format itself a name that it does not have is an error.
        warm_up(stream, dict(options.width) if known is format else widths, known)
    seconds = time.monotonic() - start
    ready = f"{len(streams)} stream types ready after {seconds:.1f} s"
    if not is_enabled() or not CACHE:
        reason = "NUMBA_DISABLE_JIT=1" if not is_enabled() else "EVSTREAM_CACHE=0"
        return log.error(
            f"{ready}, and nothing is kept on disk: {reason} switches the cache off", 1
        )
    from evstream._support.kernel_cache import TALLY

    where = " and ".join(sorted(TALLY.folders))
    made = f"{counted(TALLY.kept, 'kernel')} compiled, {TALLY.found} found"
    print_text(f"{ready}: {made}, in {where or 'no folder'}")
    if TALLY.lost or not TALLY.folders:
        lost = counted(TALLY.lost, "kernel")
        return log.error(f"{lost} could not be kept: {TALLY.trouble or 'no cache'}", 1)
    return 0


def streams_of(format: Format) -> list[tuple[Format, str]]:
    """The stream types of a format, and of those beside it the types that have kernels and stand
    in one file."""
    return [
        (known, stream)
        for known in formats_beside(format)
        for stream, spec in known.streams.items()
        if known is format or (known.blocks[spec.block].entry is not None and not spec.index_file)
    ]


def warm_up(stream: str, widths: dict[str, str], format: Format | None = None) -> None:
    """Use every kernel of a stream type once: write, read, check, seal and aggregate a stream,
    print and parse it, and make the result tables of a summary stream."""
    import numpy as np

    from evstream._support.checksum import LEAST, crc32
    from evstream._support.format import bound_format, chosen_format
    from evstream.aggregation.aggregate import partial_aggregate
    from evstream.checking.seal import Sealer
    from evstream.checking.validated_sources import validate
    from evstream.cli.tally import Info, Tally
    from evstream.reading.stream import EventStream
    from evstream.reporting.report import report as loss_report
    from evstream.results.summaries import SUMMARY
    from evstream.results.warm_up import warm_up_results
    from evstream.tables.dense import read_dense
    from evstream.tables.rows import read_columns
    from evstream.text.limits import CHARACTERS
    from evstream.text.lines import measure_lines
    from evstream.text.row_parser import RowParser
    from evstream.text.rows import RowPrinter
    from evstream.wire.event import no_matrix
    from evstream.writing.creation import create

    format = chosen_format(format)
    record = format.streams[stream].header
    fields = format.fields[record] if record else ()
    values: dict[str, Any] = {
        f.name: "1" if is_text_width(format.scalars[f.scalar].widths[0]) else max(f.minimum or 1, 1)
        for f in fields
    }
    target = io.BytesIO()
    with create(target, stream, widths=widths, format=format, **values) as out:
        header = out.header
        out.write_columns(**rows_of_one(header.row_columns))
        if no_matrix(header) is None and header.block.delimiter is not None:
            losses = np.ones((1, header.samples or 0))
            _, ids, *others = header.column_fields
            extra = {str(f.plural): header.block_columns[f.name] for f in others}
            item = one_of_each({"item_ids": header.block_columns[ids.name]})
            out.write_event(2, losses=losses, **item, **one_of_each(extra))
    sealer = Sealer(stream, header)
    target.seek(0)
    with EventStream(target, stream, widths=widths, tap=sealer.update, format=format) as opened:
        events = list(opened)
    sealer.finish()
    crc32(bytes(LEAST))
    target.seek(0)
    with EventStream(target, stream, widths=widths, format=format) as opened:
        tally = Tally(Info(stream), header)
        for chunk in opened.chunks():
            tally.add(chunk)
    target.seek(0)
    validate(target, stream=stream, widths=widths, format=format)
    if no_matrix(header) is None:
        target.seek(0)
        read_dense(target, stream=stream, widths=widths, format=format)
    key = header.event_column
    if not is_text(header.block_columns[key]):
        for sidx in (None, 1, [1, 3]) if header.sidx is not None else (None,):
            target.seek(0)
            partial_aggregate(target, key, sidx=sidx, stream=stream, widths=widths, format=format)
    if format is bound_format():
        if stream == SUMMARY:
            warm_up_results(target.getvalue(), widths)
        if header.sidx is not None and header.samples is not None:
            loss_report(io.BytesIO(target.getvalue()), stream=stream, widths=widths, threads=1)
    columns = header.row_columns
    text = RowPrinter(columns).text(events[0].to_rows())
    RowParser(list(columns), columns, lambda line, number: line.split(",")).rows(text, 1)
    measure_lines(np.zeros(1, np.uint8), 0, CHARACTERS)
    with create(io.BytesIO(), stream, widths=widths, format=format, **values) as out:
        for event in events:
            out.write(event)
    # numba compiles another kernel for arrays that cannot be written, as those of Arrow.
    with create(io.BytesIO(), stream, widths=widths, format=format, **values) as out:
        out.write_columns(**rows_of_one(header.row_columns, writable=False))
    target.seek(0)
    read_columns(target, stream=stream, widths=widths, format=format)


def rows_of_one(columns: Mapping[str, Any], *, writable: bool = True) -> dict[str, Any]:
    """A row with 1 in each column, as arrays."""
    import numpy as np

    rows = {name: np.full(1, one, columns[name]) for name, one in one_of_each(columns).items()}
    for row in rows.values():
        row.flags.writeable = writable
    return rows


def one_of_each(columns: Mapping[str, Any]) -> dict[str, Any]:
    """A value for each column (name -> dtype): 1, as text where the column is text."""
    return {name: "1" if is_text(dtype) else 1 for name, dtype in columns.items()}
