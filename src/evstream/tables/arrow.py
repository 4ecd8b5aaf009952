"""Streams as Arrow tables; needs the extra evstream[arrow]. The way back is `tables`.

The schema carries the stream header, so that the way back is exact. Columns go into Arrow
without a copy, and come out of it without one.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from evstream._support.arguments import whole_number
from evstream._support.format import Format
from evstream._support.schema import Date
from evstream._support.texts import bytes_of, is_text, refuse_illegal
from evstream.errors import TableError, WriteError
from evstream.extras import import_arrow
from evstream.reading.ids import Ids
from evstream.reading.one_reader import OneReader
from evstream.reading.selection import Names, Selection
from evstream.reading.sources import open_stream
from evstream.reading.stream import EventStream
from evstream.tables.batches import BATCH_ROWS
from evstream.tables.file_column import FileColumn
from evstream.tables.rows import iter_rows
from evstream.transport.endpoints import SourcesLike
from evstream.transport.source import LARGE_CHUNK
from evstream.transport.watching import one_bar
from evstream.wire.columns import Array
from evstream.wire.dates import date_columns, dates_of
from evstream.wire.header import StreamHeader
from evstream.wire.header_bytes import build_header

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import RecordBatch

METADATA = b"evstream"
"""Schema metadata: the stream header as JSON."""

FINAL_DELIMITER = b"evstream.final_delimiter"
"""Metadata of what was written at the end: "false" for a stream without its last delimiter."""


SINCE = b"evstream.since"
"""Metadata of a column of dates: the day that is 0 in the file."""


def arrow_schema(
    header: StreamHeader,
    file: str | None = None,
    *,
    dates: bool = True,
    columns: Sequence[str] | None = None,
) -> pa.Schema:
    """The columns of the stream, with its header in the metadata if all of it is known. `file` is
    the name of a column that says which file a row comes from; without `dates` they are numbers,
    as in the file. `columns` are those to have, in their order; without all of the stream's there
    is no header."""
    pa = import_arrow()
    counted = date_columns(header) if dates else {}
    fields = [
        date_field(name, counted[name])
        if name in counted
        else pa.field(name, arrow_type(dtype), nullable=False)
        for name, dtype in header.row_columns.items()
    ]
    if file is not None:
        fields.append(pa.field(file, pa.dictionary(pa.int32(), pa.string()), nullable=False))
    if columns is not None:
        by_name = {field.name: field for field in fields}
        fields = [by_name[name] for name in columns]
    is_whole = columns is None or header.row_columns.keys() <= set(columns)
    if not is_whole or any(f.name not in header.values for f in header.header_fields):
        return pa.schema(fields)
    facts = {
        "stream": header.stream,
        "header": dict(header.values),
        "widths": dict(header.widths),
        "spec": header.format.digest,
    }
    return pa.schema(fields, {METADATA: json.dumps(facts).encode()})


def date_field(name: str, date: Date) -> pa.Field:
    """A column of dates, which knows what its numbers count from."""
    pa = import_arrow()
    kind = pa.date32() if date.unit == "day" else pa.timestamp("ms")
    return pa.field(name, kind, nullable=False, metadata={SINCE: date.since.encode()})


def dates_column(column: Array, field: pa.Field, source: str | None) -> Array:
    """Numbers of a file as the numbers of a column of dates."""
    pa = import_arrow()
    is_day = pa.types.is_date32(field.type)
    date = Date("day" if is_day else "minute", field.metadata[SINCE].decode())
    numbers = dates_of(column, date, field.name, source).view(np.int64)
    return numbers.astype(np.int32) if is_day else numbers


def arrow_type(dtype: np.dtype[Any]) -> pa.DataType:
    """The type of a column in Arrow; a string for text."""
    pa = import_arrow()
    return pa.string() if is_text(dtype) else pa.from_numpy_dtype(dtype.newbyteorder("="))


def header_of(
    schema: pa.Schema, source: str = "", format: Format | None = None
) -> StreamHeader | None:
    """The stream header that a schema carries, None if it carries none.

    Raises TableError if it is not one that evstream writes.
    """
    text = (schema.metadata or {}).get(METADATA)
    if text is None:
        return None
    try:
        facts = json.loads(text)
        return build_header(facts["stream"], facts["header"], facts["widths"], format)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, WriteError) as error:
        raise TableError(f"the evstream metadata is not valid ({error})", source=source) from None


def batch_of(
    schema: pa.Schema,
    rows: Mapping[str, Array],
    source: str | None = None,
    files: list[str] | None = None,
) -> pa.RecordBatch:
    """Rows as a record batch that shares the memory of their numbers; `files` are the names that
    the numbers of a file column stand for."""
    pa = import_arrow()
    columns = []
    for field in schema:
        if pa.types.is_dictionary(field.type):
            columns.append(pa.DictionaryArray.from_arrays(rows[field.name], pa.array(files)))
            continue
        # pa.array(column) would import pandas first, where it is installed: a fifth of a second.
        column = np.ascontiguousarray(rows[field.name])
        if SINCE in (field.metadata or {}):
            column = dates_column(column, field, source)
        if is_text(column.dtype):
            columns.append(strings_of(column, field.name, source))
            continue
        columns.append(pa.Array.from_buffers(field.type, len(column), [None, pa.py_buffer(column)]))
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def strings_of(column: Array, name: str, source: str | None = None) -> pa.Array:
    """A column of text as strings of Arrow. Raises TableError for one that is not ASCII or has a
    zero byte inside."""
    pa = import_arrow()
    refuse_illegal(column, name, source)
    raw, is_used = bytes_of(column)
    offsets = np.zeros(len(column) + 1, np.int32)
    np.cumsum(is_used.sum(axis=1), out=offsets[1:])
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(raw[is_used])]
    return pa.Array.from_buffers(pa.string(), len(column), buffers)


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


def iter_batches(
    source: SourcesLike,
    events: Ids = None,
    sidx: Ids = None,
    *,
    items: Ids = None,
    columns: Names = None,
    file: bool | str = False,
    rows: int = BATCH_ROWS,
    stream: str | None = None,
    widths: Mapping[str, str] | None = None,
    strict: bool | None = None,
    timeout: float | None = None,
    verify: bool = False,
    format: Format | None = None,
) -> Iterator[RecordBatch]:
    """A stream as one pyarrow.RecordBatch after the other, in bounded memory; without any row
    as one empty batch, whose schema has the stream header.

    Args:
        source, stream, widths, strict, timeout, verify, format: as for evstream.open.
        events, sidx, items, columns, file: as for evstream.read_columns; a file column is a
            dictionary.
        rows: rows per batch, 1 or more; the last may have fewer.

    Raises:
        The errors of evstream.open here, those of iterating from the iterator.
        ValueError: `rows` is below 1.
    """
    _refuse_size(rows)
    opened = open_stream(
        source, stream, widths=widths, strict=strict, timeout=timeout, verify=verify, format=format
    )
    return _schema_and_batches(opened, rows, _Wish(events, sidx, items, columns), file)[1]


def _refuse_size(rows: int) -> None:
    if whole_number("rows", rows, least=1) > _MOST_ROWS:
        raise ValueError(f"rows is {rows}, expected {_MOST_ROWS} or fewer")


_MOST_ROWS = 2**31 - 1


class _Wish(NamedTuple):
    """What a caller wants of a stream, as Selection takes it."""

    events: Ids
    sidx: Ids
    items: Ids
    columns: Names


def _schema_and_batches(
    stream: EventStream, rows: int, wish: _Wish, file: bool | str
) -> tuple[pa.Schema, Iterator[RecordBatch]]:
    """The schema of a stream, and its batches, which close it at their end."""
    pa = import_arrow()

    def steps() -> Generator[Any]:
        with stream:
            files = FileColumn(file, stream.header)
            selection = Selection(stream.header, *wish, files.name)
            schema = arrow_schema(stream.header, files.name, columns=selection.order)
            yield schema
            is_empty = True
            for batch in iter_rows(stream, selection, rows, files):
                is_empty = False
                yield batch_of(schema, batch, stream.name, files.names)
            if is_empty:  # the header is in the schema of a batch
                yield pa.RecordBatch.from_pylist([], schema)

    batches = steps()
    # A generator that has begun closes the stream if it is dropped.
    return next(batches), OneReader(batches, stream.name)


def arrow_reader(
    source: SourcesLike,
    events: Ids = None,
    sidx: Ids = None,
    *,
    items: Ids = None,
    columns: Names = None,
    file: bool | str = False,
    rows: int = BATCH_ROWS,
    stream: str | None = None,
    widths: Mapping[str, str] | None = None,
    strict: bool | None = None,
    timeout: float | None = None,
    verify: bool = False,
    format: Format | None = None,
) -> pa.RecordBatchReader:
    """A stream as a pyarrow.RecordBatchReader, which DuckDB and many others query without
    loading it whole. Arguments as for evstream.iter_batches."""
    pa = import_arrow()
    _refuse_size(rows)
    opened = open_stream(
        source, stream, widths=widths, strict=strict, timeout=timeout, verify=verify, format=format
    )
    wish = _Wish(events, sidx, items, columns)
    return pa.RecordBatchReader.from_batches(*_schema_and_batches(opened, rows, wish, file))


@one_bar
def read_arrow(
    source: SourcesLike,
    events: Ids = None,
    sidx: Ids = None,
    *,
    items: Ids = None,
    columns: Names = None,
    file: bool | str = False,
    stream: str | None = None,
    widths: Mapping[str, str] | None = None,
    strict: bool | None = None,
    timeout: float | None = None,
    verify: bool = False,
    format: Format | None = None,
) -> pa.Table:
    """Read a whole stream into a pyarrow.Table; arguments as for evstream.read_columns.

    The metadata of the schema records that a whole stream lacks its final delimiter.
    """
    pa = import_arrow()
    with open_stream(
        source, stream, widths=widths, strict=strict, timeout=timeout, verify=verify, format=format,
        chunk=LARGE_CHUNK,
    ) as opened:  # fmt: skip
        files = FileColumn(file, opened.header)
        selection = Selection(opened.header, events, sidx, items, columns, files.name)
        schema = arrow_schema(opened.header, files.name, columns=selection.order)
        batches = [
            batch_of(schema, rows, opened.name, files.names)
            for rows in iter_rows(opened, selection, files=files)
        ]
        table = pa.Table.from_batches(batches, schema)
        if opened.clean_end is False and selection.has_all_rows:
            table = table.replace_schema_metadata({**schema.metadata, FINAL_DELIMITER: b"false"})
    return table
