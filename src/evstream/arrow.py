"""Streams as Arrow tables and back; needs the extra evstream[arrow].

The schema carries the stream header, so that the way back is exact. Columns go into Arrow
without a copy.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from evstream._generated import layout
from evstream.blocks import Array, row_columns
from evstream.errors import TableError, WriteError
from evstream.extras import import_arrow
from evstream.header import StreamHeader, build_header
from evstream.reader import EventStream
from evstream.rows import Ids, iter_rows, join_rows, whole_blocks
from evstream.writer import Writer

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import RecordBatch

METADATA = b"evstream"
"""Schema metadata: the stream header as JSON."""

FINAL_DELIMITER = b"evstream.final_delimiter"
"""Metadata of what was written at the end: "false" for a stream without its last delimiter."""

BATCH_ROWS = 1 << 17


def arrow_schema(header: StreamHeader) -> pa.Schema:
    """The columns of the stream, with its header in the metadata if all of it is known."""
    pa = import_arrow()
    fields = [
        pa.field(name, pa.from_numpy_dtype(dtype.newbyteorder("=")), nullable=False)
        for name, dtype in row_columns(header).items()
    ]
    fields_of_header = layout.FIELDS[header.spec.header] if header.spec.header else ()
    if any(f.name not in header.values for f in fields_of_header):
        return pa.schema(fields)
    facts = {
        "stream": header.stream,
        "header": dict(header.values),
        "widths": dict(header.widths),
        "spec": layout.DIGEST,
    }
    return pa.schema(fields, {METADATA: json.dumps(facts).encode()})


def header_of(schema: pa.Schema, source: str = "") -> StreamHeader | None:
    """The stream header that a schema carries, None if it carries none.

    Raises TableError if it is not one that evstream writes.
    """
    text = (schema.metadata or {}).get(METADATA)
    if text is None:
        return None
    try:
        facts = json.loads(text)
        return build_header(facts["stream"], facts["header"], facts["widths"])
    except (ValueError, TypeError, KeyError, AttributeError, WriteError) as error:
        raise TableError(f"the evstream metadata is broken ({error})", source=source) from None


def batch_of(schema: pa.Schema, rows: Mapping[str, Array]) -> pa.RecordBatch:
    """Rows as a record batch that shares their memory."""
    pa = import_arrow()
    columns = []
    for field in schema:
        # pa.array(column) would import pandas first, where it is installed: a fifth of a second.
        column = np.ascontiguousarray(rows[field.name])
        columns.append(pa.Array.from_buffers(field.type, len(column), [None, pa.py_buffer(column)]))
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def rows_of(batch: pa.RecordBatch, source: str | None = None, first: int = 0) -> dict[str, Array]:
    """A record batch as rows that share its memory; `first` is the number of its first row.

    Raises TableError for a missing value.
    """
    rows = {}
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if column.null_count:
            at = int(np.argmax(column.is_null().to_numpy(zero_copy_only=False)))
            raise TableError("a value is missing", source=source, row=first + at, column=name)
        rows[name] = numbers_of(column)
    return rows


def numbers_of(column: pa.Array) -> Array:
    """A column without missing values as numpy, sharing its memory where it holds numbers."""
    pa = import_arrow()
    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        values: Array = column.to_numpy(zero_copy_only=False)
        return values
    # column.to_numpy() would import pandas first, where it is installed.
    dtype = np.dtype(column.type.to_pandas_dtype())
    data = column.buffers()[1] if len(column) else b""
    return np.frombuffer(data, dtype, len(column), column.offset * dtype.itemsize if data else 0)


def rebatch(batches: Iterator[dict[str, Array]], rows: int) -> Iterator[dict[str, Array]]:
    """The same rows in batches of `rows`, the last one smaller."""
    if rows < 1:
        raise ValueError(f"batches of {rows} rows, expected 1 or more")
    waiting: list[dict[str, Array]] = []
    count = 0
    for batch in batches:
        waiting.append(batch)
        count += len(next(iter(batch.values())))
        if count < rows:
            continue
        joined = join_rows(waiting)
        for at in range(0, count - rows + 1, rows):
            yield {n: column[at : at + rows] for n, column in joined.items()}
        count %= rows
        waiting = [{n: column[len(column) - count :] for n, column in joined.items()}]
    if count:
        yield join_rows(waiting)


def iter_batches(
    source: Any,
    rows: int = BATCH_ROWS,
    events: Ids = None,
    sidx: Ids = None,
    *,
    stream: str | None = None,
    widths: Mapping[str, str] | None = None,
    strict: bool = False,
) -> Iterator[RecordBatch]:
    """A stream as one pyarrow.RecordBatch after the other, in bounded memory.

    Args:
        source, stream, widths, strict: as for evstream.open.
        rows: rows per batch; the last may be smaller.
        events, sidx: as for evstream.read_columns.
    """
    opened = EventStream(source, stream, widths=widths, strict=strict)
    _, batches = _schema_and_batches(opened, rows, events, sidx)
    yield from batches


def _schema_and_batches(
    stream: EventStream, rows: int, events: Ids, sidx: Ids
) -> tuple[pa.Schema, Iterator[RecordBatch]]:
    """The schema of a stream, and its batches, which close it at their end."""

    def steps() -> Iterator[Any]:
        with stream:
            schema = arrow_schema(stream.header)
            yield schema
            for batch in rebatch(iter_rows(stream, events, sidx), rows):
                yield batch_of(schema, batch)

    batches = steps()
    return next(batches), batches  # a generator that has begun closes the stream if it is dropped


def arrow_reader(
    source: Any,
    events: Ids = None,
    sidx: Ids = None,
    *,
    rows: int = BATCH_ROWS,
    stream: str | None = None,
    widths: Mapping[str, str] | None = None,
    strict: bool = False,
) -> pa.RecordBatchReader:
    """A stream as a pyarrow.RecordBatchReader, which DuckDB and many others query without
    loading it whole. Arguments as for evstream.iter_batches."""
    pa = import_arrow()
    opened = EventStream(source, stream, widths=widths, strict=strict)
    return pa.RecordBatchReader.from_batches(*_schema_and_batches(opened, rows, events, sidx))


def read_arrow(
    source: Any,
    events: Ids = None,
    sidx: Ids = None,
    *,
    stream: str | None = None,
    widths: Mapping[str, str] | None = None,
    strict: bool = False,
) -> pa.Table:
    """Read a whole stream into a pyarrow.Table; arguments as for evstream.read_columns.

    A stream without its final delimiter says so in the metadata of the schema.
    """
    pa = import_arrow()
    with EventStream(source, stream, widths=widths, strict=strict) as opened:
        schema = arrow_schema(opened.header)
        batches = [batch_of(schema, rows) for rows in iter_rows(opened, events, sidx)]
        table = pa.Table.from_batches(batches, schema)
        if opened.clean_end is False:
            table = table.replace_schema_metadata({**schema.metadata, FINAL_DELIMITER: b"false"})
    return table


def write_arrow(
    table: Any,
    target: Any,
    stream: str | None = None,
    *,
    len_sample: int | None = None,
    summary_set_id: int | None = None,
    widths: Mapping[str, str] | None = None,
    validate: bool | None = None,
) -> None:
    """Write a table as a stream, one batch after the other.

    Args:
        table: a pyarrow.Table or RecordBatchReader, a Polars or pandas dataframe, a DuckDB
            relation, or whatever else pyarrow.table takes, with the columns of
            `evstream cat`; others are left alone. Numbers of another type are converted
            where that does not change an id or make a loss infinite.
        target: as for evstream.create.
        stream, len_sample, summary_set_id, widths: as for evstream.create; needed where
            the table's schema does not carry them, as a dataframe's, and used instead of
            what it carries.
        validate: by default a table that carries a stream header is written as it is, any
            other must keep the rules of the stream.

    Raises:
        TableError: a column is missing, is not of numbers, or has a missing value.
        WriteError: a value breaks a rule of the stream, or does not fit.
    """
    pa = import_arrow()
    table = _as_table(table)
    carried = header_of(table.schema)
    values = dict(carried.values) if carried and stream in {None, carried.stream} else {}
    given = {"len_sample": len_sample, "summary_set_id": summary_set_id}
    values |= {name: value for name, value in given.items() if value is not None}
    name = stream or (carried.stream if carried else "loss")
    header = build_header(name, values, widths or (carried.widths if carried else None))
    _refuse_columns(header, table.schema)
    with Writer(target, header, validate=carried is None if validate is None else validate) as out:
        batches = table.to_batches() if isinstance(table, pa.Table) else table
        written = 0
        for rows in whole_blocks(header, _converted(header, batches)):
            try:
                out.write_columns(**rows)
            except WriteError as error:
                if error.row is not None:
                    error.row += written
                raise
            written += len(next(iter(rows.values())))
        if (table.schema.metadata or {}).get(FINAL_DELIMITER) == b"false":
            out.leave_open()


def _as_table(data: Any) -> pa.Table | pa.RecordBatchReader:
    """What can be read of a table once, in batches where it comes in such."""
    pa = import_arrow()
    pandas = sys.modules.get("pandas")
    if isinstance(data, (pa.Table, pa.RecordBatchReader)):
        return data
    if pandas is not None and isinstance(data, pandas.DataFrame):
        return pa.table(
            [_pandas_column(data.iloc[:, i]) for i in range(data.shape[1])],
            [str(name) for name in data.columns],
        )
    if hasattr(data, "__arrow_c_stream__"):
        return pa.RecordBatchReader.from_stream(data)
    return pa.table(data)


def _pandas_column(column: Any) -> pa.Array:
    """A pandas column whose NaN is a number, which pyarrow would take for a missing value."""
    pa = import_arrow()
    is_numpy = isinstance(column.dtype, np.dtype) and column.dtype.kind in "iuf"
    return pa.array(column.to_numpy() if is_numpy else column)


def _refuse_columns(header: StreamHeader, schema: pa.Schema) -> None:
    """Raise TableError unless the schema has each column of the stream, of numbers."""
    pa = import_arrow()
    names = row_columns(header)
    for name in names:
        count = schema.names.count(name)
        if count != 1:
            problem = f"{count} columns {name}" if count else f"no column {name}"
            raise TableError(problem, expected=f"columns {', '.join(names)}")
        kind = schema.field(name).type
        is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
        if not is_number and not pa.types.is_decimal(kind) and not pa.types.is_null(kind):
            raise TableError(f"of type {kind}", column=name, expected="numbers")


def _converted(header: StreamHeader, batches: Iterable[RecordBatch]) -> Iterator[dict[str, Array]]:
    """The rows of each batch, without the columns that the stream does not have."""
    dtypes = row_columns(header)
    first = 0
    for batch in batches:
        if batch.num_rows:
            rows = rows_of(_without_decimals(batch.select(list(dtypes)), dtypes), None, first)
            for name, column in rows.items():
                if column.dtype.kind == "f" and dtypes[name].kind != "f":
                    missing = np.isnan(column)
                    if missing.any():  # how pandas says it
                        at = first + int(np.argmax(missing))
                        raise TableError("a value is missing", row=at, column=name)
            yield rows
        first += batch.num_rows


def _without_decimals(batch: pa.RecordBatch, dtypes: Mapping[str, np.dtype[Any]]) -> pa.RecordBatch:
    """Decimals, which SQL makes of constants and sums, as the numbers of the stream."""
    pa = import_arrow()
    columns = {name: batch.column(name) for name in batch.schema.names}
    for name, column in columns.items():
        if pa.types.is_decimal(column.type):
            try:
                columns[name] = column.cast(pa.from_numpy_dtype(dtypes[name]))
            except pa.ArrowInvalid as error:
                raise TableError(str(error), column=name) from None
    return pa.RecordBatch.from_pydict(columns)
