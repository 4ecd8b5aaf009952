"""CSV: the columns that the existing tools read, and the tables that they print."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any

from evstream.arrow import arrow_schema
from evstream.blocks import csv_columns
from evstream.environment import strict_of
from evstream.errors import TableError
from evstream.extras import import_arrow
from evstream.formats.column_names import has_impacted_exposure, stream_names
from evstream.formats.line_guard import LineGuard
from evstream.formats.table import Options, Table, guess_header
from evstream.formats.text import TextFormat, opening_line, read_blocks, read_rows, write_frames
from evstream.sources import Source

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa


def read(source: Source, options: Options) -> Table:
    """The rows of a CSV file with a header line."""
    guard = LineGuard(source, options.max_line)
    blocks = read_blocks(guard)
    first = next(blocks, None)
    if first is None:
        raise TableError("the file is empty", source=source.name, line=1, expected="a header line")
    text = opening_line(first, source.name)
    rest = bytes(first).partition(b"\n")[2]
    given = _values(text, 1, source.name)
    if len(given) == 1:
        _refuse_other_delimiters(text, source.name)
    names = stream_names(given)
    header = guess_header(names, options, source.name)
    schema = arrow_schema(header)
    form = TextFormat(
        names,
        lambda block: _by_arrow(block, names, schema),
        lambda lines, first_line: _records(lines, names, first_line, source.name),
    )
    if rest:
        blocks = chain([memoryview(rest)], blocks)
    batches = read_rows(blocks, form, schema, 2, source.name)
    batches = guard.watch_end(batches, strict=strict_of(options.strict))
    gaps = has_impacted_exposure(given)
    return Table(header, batches, source.name, False, first_line=2, exposure_gaps=gaps)


def write(table: Table, out: Any, options: Options) -> None:
    """A header line and a line per row; floats as short as they read back, or with a fixed
    number of decimals, rounded as printf does."""

    columns = csv_columns(table.header)

    def lines(frame: pl.DataFrame, out: Any) -> None:
        frame.select(*columns).write_csv(
            out, include_header=False, float_precision=options.precision
        )

    head = ",".join(columns.values()) + "\n"
    write_frames(table.batches, lines, out, head.encode())


_QUOTED = re.compile(rb'(?<![^,\n])"[^",\r\n]*"(?=[,\r\n])')

_OTHER_DELIMITERS = {";": "semicolons", "\t": "tabs", "|": "bars"}


def _refuse_other_delimiters(line: str, source: str) -> None:
    for delimiter, word in _OTHER_DELIMITERS.items():
        if delimiter in line:
            raise TableError(
                f"the columns are separated by {word}", source=source, line=1, expected="commas"
            )


def _values(line: str, number: int, source: str) -> list[str]:
    """The values of a line. Raises TableError for one that is no CSV."""
    if "\r" in line:
        raise TableError(
            "a carriage return inside the line", source=source, line=number,
            expected="lines that end with a newline",
        )  # fmt: skip
    try:
        return next(csv.reader([line], strict=True), [])
    except csv.Error as error:
        raise TableError(f"this is no CSV ({error})", source=source, line=number) from None


def _by_arrow(block: memoryview, names: list[str], schema: pa.Schema) -> pa.Table:
    pa = import_arrow()
    import pyarrow.csv as pa_csv

    text: Any = block.obj
    if b"x" in text or b"X" in text:
        raise pa.ArrowInvalid("pyarrow would take 0x10 for a whole number")
    quotes = text.count(b'"')
    if quotes and quotes != 2 * len(_QUOTED.findall(text)):
        raise pa.ArrowInvalid('pyarrow would close an open quote, and take "1"2 for 12')
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


def _records(
    lines: list[str], names: list[str], first_line: int, source: str
) -> Iterator[dict[str, str]]:
    for number, line in enumerate(lines, first_line):
        values = _values(line, number, source)
        record = dict(zip(names, values, strict=False))
        yield record | {f"{i + 1}": v for i, v in enumerate(values) if i >= len(names)}
