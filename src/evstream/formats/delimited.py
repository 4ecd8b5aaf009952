"""CSV: the columns of `evstream cat`, and the tables that the existing tools print."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any

from evstream._generated import layout
from evstream.arrow import arrow_schema
from evstream.blocks import row_columns
from evstream.errors import TableError
from evstream.extras import import_arrow
from evstream.formats.table import Options, Table, guess_header
from evstream.formats.text import TextFormat, read_blocks, read_rows, write_frames
from evstream.header import StreamHeader
from evstream.sources import Source

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

_OTHER_NAMES = {"sampleid": "sidx", "impactedexposure": "exposure_value", "outputid": "item_id"}
"""Columns of the existing tools, without case, spaces and underscores -> our name."""


def read(source: Source, options: Options) -> Table:
    """The rows of a CSV file with a header line."""
    blocks = read_blocks(source)
    first = next(blocks, None)
    if first is None:
        raise TableError("the file is empty", source=source.name, line=1, expected="a header line")
    line, _, rest = bytes(first).partition(b"\n")
    known = _known_names()
    given = next(csv.reader([line.decode("utf-8-sig", "replace")]), [])
    names = [known.get(_bare(name), name.strip()) for name in given]
    header = guess_header(names, options, source.name)
    schema = arrow_schema(header)
    form = TextFormat(
        names,
        lambda block: _by_arrow(block, names, schema),
        lambda lines, first_line: _records(lines, names),
    )
    if rest:
        blocks = chain([memoryview(rest)], blocks)
    batches = read_rows(blocks, form, schema, 2, source.name)
    return Table(header, batches, source.name, False, first_line=2)


def write(table: Table, out: Any, options: Options) -> None:
    """A header line and a line per row; floats as short as they read back, or with a fixed
    number of decimals, rounded as printf does."""

    def lines(frame: pl.DataFrame, out: Any) -> None:
        frame.write_csv(out, include_header=False, float_precision=options.precision)

    head = ",".join(row_columns(table.header)) + "\n"
    write_frames(table.batches, lines, out, head.encode())


def _bare(name: str) -> str:
    return name.lower().replace(" ", "").replace("_", "")


def _known_names() -> dict[str, str]:
    columns = chain.from_iterable(row_columns(StreamHeader(s)) for s in layout.STREAMS)
    return {_bare(name): name for name in columns} | _OTHER_NAMES


def _by_arrow(block: memoryview, names: list[str], schema: pa.Schema) -> pa.Table:
    pa = import_arrow()
    import pyarrow.csv as pa_csv

    text: Any = block.obj
    if b"x" in text or b"X" in text:
        raise pa.ArrowInvalid("pyarrow would take 0x10 for a whole number")
    return pa_csv.read_csv(
        pa.BufferReader(pa.py_buffer(block)),
        read_options=pa_csv.ReadOptions(
            column_names=names, block_size=2 * len(block), use_threads=False
        ),
        parse_options=pa_csv.ParseOptions(ignore_empty_lines=False),
        convert_options=pa_csv.ConvertOptions(
            column_types={f.name: f.type for f in schema},
            include_columns=schema.names,
            null_values=[],
        ),
    )


def _records(lines: list[str], names: list[str]) -> Iterator[dict[str, str]]:
    for line in lines:
        values = next(csv.reader([line]), [])
        record = dict(zip(names, values, strict=False))
        yield record | {f"{i + 1}": v for i, v in enumerate(values) if i >= len(names)}
