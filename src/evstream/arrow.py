"""Streams as Arrow tables and back; needs the extra evstream[arrow].

The schema carries the stream header, so that the way back is exact. Columns go into Arrow
without a copy.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from evstream._generated import layout
from evstream.blocks import Array, row_columns
from evstream.errors import MissingExtraError, TableError
from evstream.header import StreamHeader, build_header
from evstream.reader import EventStream
from evstream.rows import Ids, iter_rows
from evstream.writer import Writer

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import RecordBatch

METADATA = b"evstream"
"""Schema metadata: the stream header as JSON."""

FINAL_DELIMITER = b"evstream.final_delimiter"
"""Metadata of what was written at the end: "false" for a stream without its last delimiter."""

BATCH_ROWS = 1 << 17


def import_arrow() -> Any:
    """The pyarrow module, or an error that names the extra."""
    try:
        import pyarrow
    except ImportError:
        raise MissingExtraError("this needs pyarrow: pip install 'evstream[arrow]'") from None
    return pyarrow


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
    except (ValueError, TypeError, KeyError) as error:
        raise TableError(f"the evstream metadata is broken ({error})", source=source) from None


def batch_of(schema: pa.Schema, rows: Mapping[str, Array]) -> pa.RecordBatch:
    """Rows as a record batch that shares their memory."""
    pa = import_arrow()
    return pa.RecordBatch.from_arrays([pa.array(rows[n]) for n in schema.names], schema=schema)


def rows_of(batch: pa.RecordBatch, source: str = "") -> dict[str, Array]:
    """A record batch as rows that share its memory. Raises TableError for a missing value."""
    rows = {}
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if column.null_count:
            at = next(i for i, value in enumerate(column) if not value.is_valid)
            raise TableError("a value is missing", source=source, row=at, column=name)
        rows[name] = column.to_numpy(zero_copy_only=False)
    return rows


def rebatch(batches: Iterator[dict[str, Array]], rows: int) -> Iterator[dict[str, Array]]:
    """The same rows in batches of `rows`, the last one smaller."""
    if rows < 1:
        raise ValueError(f"batches of {rows} rows, expected 1 or more")
    waiting: list[dict[str, Array]] = []
    count = 0
    for batch in batches:
        names = list(batch)
        waiting.append(batch)
        count += len(batch[names[0]])
        if count < rows:
            continue
        joined = {n: np.concatenate([b[n] for b in waiting]) for n in names}
        for at in range(0, count - rows + 1, rows):
            yield {n: column[at : at + rows] for n, column in joined.items()}
        count %= rows
        waiting = [{n: column[len(column) - count :] for n, column in joined.items()}]
    if count:
        yield {n: np.concatenate([b[n] for b in waiting]) for n in waiting[0]}


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
    with EventStream(source, stream, widths=widths, strict=strict) as opened:
        schema = arrow_schema(opened.header)
        for batch in rebatch(iter_rows(opened, events, sidx), rows):
            yield batch_of(schema, batch)


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
    schema = arrow_schema(opened.header)

    def batches() -> Iterator[RecordBatch]:
        with opened:
            for batch in rebatch(iter_rows(opened, events, sidx), rows):
                yield batch_of(schema, batch)

    return pa.RecordBatchReader.from_batches(schema, batches())


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
    table: pa.Table | pa.RecordBatchReader,
    target: Any,
    stream: str | None = None,
    *,
    len_sample: int | None = None,
    summary_set_id: int | None = None,
    widths: Mapping[str, str] | None = None,
    validate: bool | None = None,
) -> None:
    """Write a table as a stream.

    Args:
        table: a pyarrow.Table or RecordBatchReader (or anything that pa.table takes, as a
            Polars or pandas dataframe) with the columns of `evstream cat`.
        target: as for evstream.create.
        stream, len_sample, summary_set_id, widths: as for evstream.create; needed where
            the table's schema does not carry them, and used instead of what it carries.
        validate: by default a table that carries a stream header is written as it is, any
            other must keep the rules of the stream.

    Raises:
        TableError: a column is missing or a value is.
        WriteError: a value breaks a rule of the stream.
    """
    pa = import_arrow()
    if not isinstance(table, (pa.Table, pa.RecordBatchReader)):
        table = pa.table(table)
    carried = header_of(table.schema)
    values = dict(carried.values) if carried and stream in {None, carried.stream} else {}
    given = {"len_sample": len_sample, "summary_set_id": summary_set_id}
    values |= {name: value for name, value in given.items() if value is not None}
    name = stream or (carried.stream if carried else "loss")
    header = build_header(name, values, widths or (carried.widths if carried else None))
    with Writer(target, header, validate=carried is None if validate is None else validate) as out:
        batches = table.to_batches() if isinstance(table, pa.Table) else table
        for batch in batches:
            write_batch(out, batch)
        if (table.schema.metadata or {}).get(FINAL_DELIMITER) == b"false":
            out.leave_open()


def write_batch(out: Writer, batch: pa.RecordBatch) -> None:
    """Write the rows of a batch, which has the columns of the stream by name."""
    names = row_columns(out.header)
    missing = [name for name in names if name not in batch.schema.names]
    if missing:
        raise TableError(
            f"no column {missing[0]}", source=out.name, expected=f"columns {', '.join(names)}"
        )
    rows = rows_of(batch.select(list(names)), out.name)
    out.write_columns(**rows)
