"""Tables of any kind as streams; needs the extra evstream[arrow].

What comes goes through Arrow record batches, one after the other. A table that `arrow` made
carries its stream header; of any other the caller says what the header would.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from evstream.arrow import FINAL_DELIMITER, header_of, rows_of
from evstream.blocks import Array, row_columns
from evstream.columns import legal_range
from evstream.errors import TableError, WriteError
from evstream.extras import import_arrow
from evstream.header import StreamHeader, build_header
from evstream.rows import whole_blocks
from evstream.writer import Writer

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import RecordBatch


def write_arrow(
    table: Any,
    target: Any,
    stream: str | None = None,
    *,
    len_sample: int | None = None,
    summary_set_id: int | None = None,
    widths: Mapping[str, str] | None = None,
    validate: bool = True,
    **header_fields: int | None,
) -> None:
    """Write a table as a stream, one batch after the other.

    Args:
        table: a pyarrow.Table or RecordBatchReader, an iterator of RecordBatch, a Polars or
            pandas dataframe, a LazyFrame (which is collected), a DuckDB relation, or whatever
            else pyarrow.table takes, with the columns of `evstream cat`; others are left
            alone. Numbers of another type are converted where that does not change an id or
            make a loss infinite.
        target: as for evstream.create.
        stream, len_sample, summary_set_id, widths, **header_fields: as for evstream.create;
            needed where the table's schema does not carry them, as a dataframe's, and used
            instead of what it carries.
        validate: as for evstream.create. False writes a table as it is, for example one of a
            stream that broke the rules itself.

    Raises:
        TableError: a column is missing, is not of numbers, or has a missing value.
        WriteError: a value breaks a rule of the stream, or does not fit.
    """
    pa = import_arrow()
    table = _as_table(table)
    carried = header_of(table.schema)
    values = dict(carried.values) if carried and stream in {None, carried.stream} else {}
    given = {"len_sample": len_sample, "summary_set_id": summary_set_id, **header_fields}
    values |= {name: value for name, value in given.items() if value is not None}
    name = stream or (carried.stream if carried else "loss")
    header = build_header(name, values, widths or (carried.widths if carried else None))
    _refuse_columns(header, table.schema)
    with Writer(target, header, validate=validate) as out:
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
        if (table.schema.metadata or {}).get(FINAL_DELIMITER) == b"false" and written:
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
    if hasattr(data, "collect_schema"):  # a LazyFrame
        return pa.RecordBatchReader.from_stream(data.collect())
    if isinstance(data, Iterator):
        return _reader_of(data)
    try:
        return pa.table(data)
    except (TypeError, ValueError, OverflowError) as error:
        raise TableError(
            f"{type(data).__name__} is no table that pyarrow takes ({error})",
            expected="a dataframe, an Arrow table, a dict of columns, or batches of one of them",
        ) from None


def _reader_of(batches: Iterator[Any]) -> pa.RecordBatchReader:
    """Record batches that come one after the other, such as those of `iter_batches`."""
    pa = import_arrow()
    first = next(batches, None)
    if not isinstance(first, pa.RecordBatch):
        problem = "there is no batch" if first is None else f"a batch is a {type(first).__name__}"
        raise TableError(problem, expected="one pyarrow.RecordBatch or more")
    return pa.RecordBatchReader.from_batches(first.schema, chain([first], batches))


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
    import pyarrow.compute as pc

    columns = {name: batch.column(name) for name in batch.schema.names}
    for name, column in columns.items():
        if pa.types.is_decimal(column.type):
            try:
                columns[name] = column.cast(pa.from_numpy_dtype(dtypes[name]))
            except pa.ArrowInvalid as error:
                raise TableError(str(error), column=name) from None
            tiny = pc.and_(
                pc.equal(columns[name], 0), pc.not_equal(column, pa.scalar(Decimal(0), column.type))
            )
            if pc.any(tiny).as_py():
                value = column.filter(tiny)[0]
                raise TableError(
                    f"{value} becomes 0", column=name,
                    expected=legal_range(dtypes[name], is_tiny=True),
                )  # fmt: skip
    return pa.RecordBatch.from_pydict(columns)
