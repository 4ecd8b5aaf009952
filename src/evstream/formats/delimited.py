"""CSV: the columns of `evstream cat`, and the tables that the existing tools print."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any

from evstream._generated import layout
from evstream.arrow import arrow_schema, import_arrow
from evstream.blocks import row_columns
from evstream.errors import TableError
from evstream.formats.table import Options, Table, guess_header
from evstream.formats.text import TextFormat, read_blocks, read_rows, rounded, write_rows
from evstream.header import StreamHeader
from evstream.sources import Source

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import RecordBatch

_PRINTED_ROWS = 1 << 14
"""Rows that pyarrow prints at once, few enough to stay in the processor's cache."""

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
    """A header line and a line per row; floats as short as they read back."""
    pa = import_arrow()
    import pyarrow.csv as pa_csv
    import pyarrow.types as pt

    names = list(row_columns(table.header))
    style = pa_csv.WriteOptions(
        include_header=False, quoting_style="none", batch_size=_PRINTED_ROWS
    )

    def text(batch: RecordBatch) -> Any:
        if options.precision is not None:
            columns = [
                rounded(column, options.precision) if pt.is_floating(column.type) else column
                for column in batch.columns
            ]
            batch = pa.RecordBatch.from_arrays(columns, names=names)
        lines = pa.BufferOutputStream()
        pa_csv.write_csv(batch, lines, style)
        return lines.getvalue()

    out.write((",".join(names) + "\n").encode())
    write_rows(table.batches, text, out)


def _bare(name: str) -> str:
    return name.lower().replace(" ", "").replace("_", "")


def _known_names() -> dict[str, str]:
    columns = chain.from_iterable(row_columns(StreamHeader(s)) for s in layout.STREAMS)
    return {_bare(name): name for name in columns} | _OTHER_NAMES


def _by_arrow(block: memoryview, names: list[str], schema: pa.Schema) -> pa.Table:
    pa = import_arrow()
    import pyarrow.csv as pa_csv

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
