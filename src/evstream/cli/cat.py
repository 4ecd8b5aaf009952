"""`evstream cat`: the records of a stream as CSV or JSON lines.

Columns are in wire order. A number is printed as the shortest text that reads back to the
same value at its width.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from evstream.cli import add_stream_arguments, open_stream
from evstream.cli.progress import Progress


def add_parser(commands: Any) -> None:
    parser = commands.add_parser(
        "cat",
        help="print the records of a stream",
        description="Print the records of a stream to stdout, one per line, columns in wire "
        "order. A loss stream gives event_id,item_id,sidx,loss.",
    )
    parser.add_argument("file", metavar="FILE", help="a stream, - for stdin")
    parser.add_argument("--format", choices=["csv", "jsonl"], default="csv")
    parser.add_argument(
        "--event", metavar="N", type=int, action="append", help="only this event; may be repeated"
    )
    parser.add_argument("--head", metavar="N", type=_count, help="only the first N records")
    add_stream_arguments(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print until the stream ends, the reader goes away, or the head is reached."""
    with (
        open_stream(options.file, options) as stream,
        Progress(stream.name, stream.size) as progress,
    ):
        names = row_names(stream.header)
        left = math.inf if options.head is None else options.head
        write = sys.stdout.write
        if options.format == "csv":
            write(",".join(names) + "\n")
        for event in stream:
            if left <= 0:
                break
            if options.event is not None and event.event_id not in options.event:
                continue
            rows = event.to_rows()
            count = len(rows[names[0]])
            if count > left:
                rows = {name: column[: int(left)] for name, column in rows.items()}
            left -= count
            for line in lines(rows, options.format):
                write(line)
            progress.update(stream.offset)
    return 0


def row_names(header: Any) -> list[str]:
    """Names of the columns of `Event.to_rows`, in order."""
    from evstream.blocks import row_columns

    return list(row_columns(header))


def lines(rows: dict[str, Any], style: str) -> Iterator[str]:
    """Rows as text, many lines at a time."""
    texts = [_texts(column, style) for column in rows.values()]
    if style == "csv":
        records: Iterable[str] = map(",".join, zip(*texts, strict=True))
    else:
        template = "{" + ", ".join(f"{json.dumps(n)}: %s" for n in rows) + "}"
        records = (template % record for record in zip(*texts, strict=True))
    text = "\n".join(records)
    if text:
        yield text + "\n"


def _texts(column: Any, style: str) -> list[str]:
    """Each value as the shortest text that reads back to it."""
    if column.dtype.kind != "f":
        return [str(value) for value in column.tolist()]
    texts = [_shortest(value) for value in column]
    if style == "jsonl":  # JSON has no NaN or infinity: they become strings
        texts = [f'"{text}"' if text[-1] in "nf" else text for text in texts]
    return texts


def _shortest(value: Any) -> str:
    """The fewest digits that read back to the same value, without an exponent where the
    number is of everyday size."""
    text = str(value)
    if "e" in text and 1e-5 <= abs(value) < 1e16:
        import numpy as np

        text = np.format_float_positional(value, unique=True, trim="-")
    return text.removesuffix(".0")


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r}, expected a number of records")
    return int(text)
