"""`evstream warmup`: compile the kernels once, so that no program waits for it later."""

from __future__ import annotations

import argparse
import io
import os
import time
from typing import Any

from evstream.cli import width
from evstream.cli.standard import say, tell


def add_parser(commands: Any) -> None:
    parser = commands.add_parser(
        "warmup",
        help="compile all kernels into the cache on disk",
        description="Write and read a tiny stream of every type, which compiles the kernels into "
        "the cache on disk: NUMBA_CACHE_DIR if that is set, else the package's own folder (where "
        "every user finds them, also those who may not write to it), else ~/.cache/evstream. Do "
        "it when an image is built or after an update; programs then start without compiling. "
        "The exit status is 1 when a kernel could not be kept.",
    )
    parser.add_argument("--width", metavar="TYPE=WIDTH", action="append", type=width, default=[])
    parser.add_argument(
        "--to",
        metavar="DIR",
        help="compile into this folder; programs find the kernels with NUMBA_CACHE_DIR=DIR",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Warm up every stream type at one choice of widths; 1 when a kernel could not be kept."""
    if options.to is not None:
        os.environ["NUMBA_CACHE_DIR"] = os.path.abspath(options.to)  # before numba is loaded
    from evstream._generated import layout
    from evstream._jit import CACHE, is_enabled

    start = time.monotonic()
    for stream in layout.STREAMS:
        warm_up(stream, dict(options.width))
    seconds = time.monotonic() - start
    ready = f"{len(layout.STREAMS)} stream types ready after {seconds:.1f} s"
    if not is_enabled() or not CACHE:
        reason = "NUMBA_DISABLE_JIT=1" if not is_enabled() else "EVSTREAM_CACHE=0"
        say(f"{ready}, and nothing is kept on disk: {reason} switches the cache off")
        return 1
    from evstream.kernel_cache import TALLY

    where = " and ".join(sorted(TALLY.folders))
    tell(f"{ready}: {TALLY.kept} kernels compiled, {TALLY.found} found, in {where or 'no folder'}")
    if TALLY.lost or not TALLY.folders:
        say(f"{TALLY.lost} kernels could not be kept: {TALLY.trouble or 'no cache'}")
        return 1
    return 0


def warm_up(stream: str, widths: dict[str, str]) -> None:
    """Use every kernel of a stream type once: write, read and seal a stream, print and parse it."""
    import numpy as np

    from evstream._generated import layout
    from evstream.blocks import row_columns
    from evstream.event import no_matrix
    from evstream.reader import EventStream
    from evstream.seal import Sealer
    from evstream.text.rows import RowParser, RowPrinter
    from evstream.writer import create

    spec = layout.STREAMS[stream]
    fields = layout.FIELDS[spec.header] if spec.header else ()
    values: dict[str, Any] = {f.name: max(f.minimum or 1, 1) for f in fields}
    target = io.BytesIO()
    with create(target, stream, widths=widths, **values) as out:
        header = out.header
        out.write_columns(**dict.fromkeys(row_columns(header), 1))
        if no_matrix(header) is None and header.block.delimiter is not None:
            more = [f.plural for f in layout.FIELDS[header.block.header] if f.plural][2:]
            losses = np.ones((1, values["len_sample"]))
            out.write_event(2, [1], losses, **dict.fromkeys(more, 1))
    sealer = Sealer(stream, header)
    target.seek(0)
    with EventStream(target, stream, widths=widths, tap=sealer.update) as opened:
        events = list(opened)
    sealer.finish()
    columns = row_columns(header)
    text = RowPrinter(columns).text(events[0].to_rows())
    RowParser(list(columns), columns, lambda line, number: line.split(",")).rows(text, 1)
    with create(io.BytesIO(), stream, widths=widths, **values) as out:
        for event in events:
            out.write(event)
