"""`evstream warmup`: compile the kernels once, so that no program waits for it later."""

from __future__ import annotations

import argparse
import io
import time
from typing import Any

from evstream.cli import width
from evstream.cli.standard import tell


def add_parser(commands: Any) -> None:
    parser = commands.add_parser(
        "warmup",
        help="compile all kernels into numba's cache on disk",
        description="Write and read a tiny stream of every type, which compiles the kernels "
        "into numba's cache on disk (NUMBA_CACHE_DIR, by default beside the package). Do it "
        "when an image is built or after an update; programs then start without compiling.",
    )
    parser.add_argument("--width", metavar="TYPE=WIDTH", action="append", type=width, default=[])
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Warm up every stream type at one choice of widths."""
    from evstream._generated import layout

    start = time.monotonic()
    for stream in layout.STREAMS:
        warm_up(stream, dict(options.width))
    seconds = time.monotonic() - start
    tell(f"{len(layout.STREAMS)} stream types ready after {seconds:.1f} s")
    return 0


def warm_up(stream: str, widths: dict[str, str]) -> None:
    """Use every kernel of a stream type once, by writing, reading and sealing a stream."""
    import numpy as np

    from evstream._generated import layout
    from evstream.checking.seal import Sealer
    from evstream.reading.stream import EventStream
    from evstream.wire.columns import row_columns
    from evstream.wire.event import no_matrix
    from evstream.writing.writer import create

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
    with create(io.BytesIO(), stream, widths=widths, **values) as out:
        for event in events:
            out.write(event)
