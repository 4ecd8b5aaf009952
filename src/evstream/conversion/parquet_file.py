"""Parquet, in row groups of whole events, so that a filter on events skips the others."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from evstream._support.arguments import did_you_mean
from evstream.conversion.batch_guard import BatchGuard
from evstream.conversion.table import (
    Options,
    Table,
    arrow_errors,
    carried_header,
    column_names,
    completed,
    conform,
    guess_header,
    seekable,
)
from evstream.errors import EvstreamError
from evstream.extras import import_arrow
from evstream.tables.arrow import FINAL_DELIMITER, arrow_schema, batch_of
from evstream.tables.batches import BATCH_ROWS
from evstream.tables.column_names import has_gaps, parquet_titles, renamed, stream_names
from evstream.transport.source import Source
from evstream.wire.columns import Array

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import RecordBatch

GROUP_ROWS = 1 << 20
"""Rows after which a row group ends with its event."""

LARGEST_GROUP_ROWS = 1 << 22
"""Rows of one event after which its row group ends all the same."""


def read(source: Source, options: Options) -> Table:
    """The rows of a Parquet file, a row group at a time at most."""
    import_arrow()
    import pyarrow.parquet as pq

    copy = seekable(source)
    try:
        guard = BatchGuard(source.name, options.max_batch, options.max_metadata)
        guard.check_parquet_footer(copy)
        with arrow_errors("Parquet", source.name):
            file = pq.ParquetFile(
                copy, buffer_size=1 << 20, pre_buffer=False, page_checksum_verification=True
            )
            found = file.schema_arrow
            guard.check_parquet_pages(copy, file.metadata)
        given = column_names(found, source.name)
        carried = carried_header(found, options, source.name)
        own = {} if carried is None else {t: n for n, t in parquet_titles(carried).items()}
        names = (
            [own.get(name, name) for name in given]
            if carried
            else stream_names(given, options.format, options.stream)
        )
        header = carried or guess_header(names, options, source.name, schema=found)
    except BaseException:
        copy.close()
        raise
    metadata = file.metadata.metadata or {}

    def batches() -> Iterator[dict[str, Array]]:
        row = 0
        with arrow_errors("Parquet", source.name):
            for batch in file.iter_batches(BATCH_ROWS):
                yield conform(renamed(batch, names), header, row, source.name)
                row += batch.num_rows
        table.clean_end = metadata.get(FINAL_DELIMITER) != b"false"

    gaps = carried is None and has_gaps(given, header)
    table = Table(
        header, batches(), source.name, carried is not None, has_gaps=gaps, close=copy.close
    )
    return table


def write(table: Table, out: Any, options: Options) -> None:
    """A file of all rows. Columns of records alone, such as result tables, have the names that the
    tools of the field have for them, as in CSV."""
    schema = arrow_schema(table.header, table.file_column, columns=table.columns)
    titles = parquet_titles(table.header)
    titled = _renamed(schema, titles)
    with completed(new_writer(out, titled, options)) as writer:
        for group in _groups(table, schema):
            named = group.rename_columns(titled.names) if titles else group
            writer.write_table(named, row_group_size=LARGEST_GROUP_ROWS)
        if not table.clean_end:
            writer.add_key_value_metadata({FINAL_DELIMITER.decode(): "false"})


def _renamed(schema: pa.Schema, titles: Mapping[str, str]) -> pa.Schema:
    pa = import_arrow()
    fields = [field.with_name(titles.get(field.name, field.name)) for field in schema]
    return pa.schema(fields, schema.metadata)


PAGE_ROWS = 1 << 20
"""Most rows of a page; most bytes are a megabyte, as in all versions of pyarrow."""

_CODECS = ("none", "snappy", "gzip", "brotli", "lz4", "zstd")
_STRONG = ("gzip", "brotli", "zstd")
"""Compressions that make ids small, which repeat from row to row."""


def new_writer(out: Any, schema: pa.Schema, options: Options) -> Any:
    """A ParquetWriter: sidx as deltas, a checksum per page, statistics of integers. Ids are plain
    if the compression makes them small, else in dictionaries, where each takes a look-up.

    Of floats there are no statistics: the smallest and largest do not count NaN, so a reader that
    goes by them passes over rows which its own order of numbers would find.

    Raises EvstreamError for a compression that Parquet does not have.
    """
    pa = import_arrow()
    import pyarrow.parquet as pq

    codec = (options.compression or "zstd").lower()
    if codec not in _CODECS:
        problem = f"Parquet files have no {options.compression} compression"
        raise EvstreamError(problem, expected=", ".join(_CODECS) + did_you_mean(codec, _CODECS))
    whole = (pa.int32(), pa.int64(), pa.uint32(), pa.uint64())
    integers = [f.name for f in schema if f.type in whole]
    ids = [name for name in integers if name.endswith(("_id", "Id"))]
    encodings = {n: "PLAIN" if n in ids else "DELTA_BINARY_PACKED" for n in integers}
    dictionaries = [f.name for f in schema if pa.types.is_dictionary(f.type)]
    if codec not in _STRONG:
        dictionaries += ids
        encodings = {n: how for n, how in encodings.items() if n not in ids}
    more = {}
    if "max_rows_per_page" in inspect.signature(pq.ParquetWriter).parameters:
        more["max_rows_per_page"] = PAGE_ROWS  # 20,000 would be usual, and take 1.3 times as long
    return pq.ParquetWriter(
        out,
        schema,
        compression=codec,
        use_dictionary=dictionaries,
        column_encoding=encodings or None,
        write_statistics=integers,
        write_page_checksum=True,
        **more,
    )


def _groups(table: Table, schema: pa.Schema) -> Iterator[pa.Table]:
    """Tables of whole events, GROUP_ROWS or a little more; without a column of events, of any
    rows."""
    pa = import_arrow()
    waiting: list[RecordBatch] = []
    rows = whole = 0  # rows that wait, and those of them that are of finished events
    last = None
    for batch in table.batches:
        events = batch.get(table.header.event_column, next(iter(batch.values())))
        if not len(events):
            continue
        starts = np.flatnonzero(events[1:] != events[:-1]) + 1
        if table.header.event_column not in batch:
            whole = rows + len(events)
        elif len(starts):
            whole = rows + int(starts[-1])
        elif last is not None and events[0] != last:
            whole = rows
        last = events[-1]
        waiting.append(batch_of(schema, batch, table.name, table.file_names))
        rows += len(events)
        if rows >= LARGEST_GROUP_ROWS and not whole:
            whole = rows
        if rows >= GROUP_ROWS and whole:
            group = pa.Table.from_batches(waiting, schema)
            yield group.slice(0, whole)
            waiting = group.slice(whole).to_batches()
            rows, whole = rows - whole, 0
    if rows:
        yield pa.Table.from_batches(waiting, schema)
