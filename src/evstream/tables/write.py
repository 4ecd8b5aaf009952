"""Tables of any kind as streams; needs the extra evstream[arrow].

What comes goes through Arrow record batches, one after the other. A table that `arrow` made
carries its stream header; of any other the caller says what the header would.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from evstream._support.format import Format
from evstream._support.known_formats import find_format
from evstream._support.texts import is_text
from evstream.errors import TableError
from evstream.tables.arrow import FINAL_DELIMITER, header_of
from evstream.tables.arrow_columns import is_date, is_numeric, is_string, values_of
from evstream.tables.batches import write_batches
from evstream.tables.column_names import fill_gaps, has_gaps, stream_names
from evstream.tables.inputs import as_table, batches_of
from evstream.transport.endpoints import TargetLike
from evstream.wire.columns import Array
from evstream.wire.dates import date_columns
from evstream.wire.header import StreamHeader
from evstream.wire.header_bytes import build_header
from evstream.writing.writer import Writer

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import RecordBatch


def write_arrow(
    table: Any,
    target: TargetLike,
    stream: str | None = None,
    *,
    widths: Mapping[str, str] | None = None,
    validate: bool = True,
    durable: bool | None = None,
    storage_options: Mapping[str, Any] | None = None,
    format: Format | None = None,
    **header_fields: int | str | None,
) -> None:
    """Write a table as a stream, one batch after the other.

    Args:
        table: a pyarrow.Table or RecordBatchReader, an iterator of RecordBatch, a Polars or
            pandas dataframe, a LazyFrame (which is collected), a DuckDB relation, or whatever
            else pyarrow.table takes, with the columns of `evstream cat` or of the tools of the
            field (a SELT); others are left alone. Numbers of another type (decimals, dictionaries
            of numbers) are converted where that does not change an id or make a loss infinite.
        target: as for evstream.create.
        stream, widths, **header_fields: as for evstream.create;
            needed where the table's schema does not carry them, as a dataframe's, and used
            instead of what it carries.
        format: as for evstream.create.
        validate: as for evstream.create. False writes a table as it is, for example one of a
            stream that broke the rules itself.
        durable, storage_options: as for evstream.create.

    Raises:
        TableError: `table` is not a table; a column is missing, is not of numbers, or has a
            missing value or one that Arrow does not hold, with its row.
        WriteError: a value breaks a rule of the stream, or does not fit.
    """
    table = as_table(table)
    carried = header_of(table.schema, format=format)
    values: dict[str, Any] = dict(carried.values) if carried and _is_of(carried, stream) else {}
    values |= {name: value for name, value in header_fields.items() if value is not None}
    name = stream if stream is not None else carried.stream if carried else None
    format, name = find_format(format, name, target)
    header = build_header(name, values, widths or (carried.widths if carried else None), format)
    places = _columns_of(header, table.schema)
    batches = _converted(header, batches_of(table), places)
    given = [table.schema.names[i] for i in places.values()]
    if carried is None and has_gaps(given, header):
        batches = fill_gaps(batches, header)
    with Writer(
        target, header, validate=validate, durable=durable, storage_options=storage_options
    ) as out:
        written = sum(1 for _ in write_batches(out, batches))
        if (table.schema.metadata or {}).get(FINAL_DELIMITER) == b"false" and written:
            out.leave_open()


def _is_of(carried: StreamHeader, stream: str | None) -> bool:
    """Whether a table of this header is of the stream that the caller names."""
    known = carried.format
    is_known = stream is not None and known.has_stream(stream)
    return stream is None or (is_known and known.is_variant(carried.stream, stream))


def _columns_of(header: StreamHeader, schema: pa.Schema) -> dict[str, int]:
    """The columns of the stream -> their places in a table, by name.

    A column of another name that the tools of the field have for it counts where there is none of
    the stream's own. Raises TableError unless each is there once, and of numbers.
    """
    names = header.row_columns
    given = list(schema.names)
    known = stream_names(given, header.format, header.stream)
    places, dates = {}, date_columns(header)
    for name in names:
        found = [i for i, column in enumerate(given) if column == name]
        found = found or [i for i, column in enumerate(known) if column == name]
        if len(found) != 1:
            problem = f"{len(found)} columns {name}" if found else f"no column {name}"
            raise TableError(problem, expected=f"columns {', '.join(names)}")
        kind = schema.field(found[0]).type
        wanted = ("text", is_string) if is_text(names[name]) else ("numbers", is_numeric)
        if not wanted[1](kind) and not (name in dates and is_date(kind)):
            raise TableError(f"of type {kind}", column=name, expected=wanted[0])
        places[name] = found[0]
    return places


def _converted(
    header: StreamHeader, batches: Iterable[RecordBatch], places: Mapping[str, int]
) -> Iterator[dict[str, Array]]:
    """The rows of each batch, without the columns that the stream does not have."""
    dtypes, dates = header.row_columns, date_columns(header)
    first = 0
    for batch in batches:
        if batch.num_rows:
            rows = {}
            for name, place in places.items():
                rows[name] = values_of(
                    batch.column(place), dtypes[name], first, name, date=dates.get(name)
                )
                if rows[name].dtype.kind == "f" and dtypes[name].kind != "f":
                    missing = np.isnan(rows[name])
                    if missing.any():  # how pandas says it
                        at = first + int(np.argmax(missing))
                        raise TableError("a value is missing", row=at, column=name)
            yield rows
        first += batch.num_rows
