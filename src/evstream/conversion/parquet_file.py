"""Parquet, in row groups of whole events, so that a filter on events skips the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from evstream.conversion.batch_guard import BatchGuard
from evstream.conversion.parallel import in_order
from evstream.conversion.parquet_groups import GroupEncoder, GroupsFile
from evstream.conversion.table import (
    Options,
    Table,
    arrow_errors,
    carried_header,
    column_names,
    conform,
    guess_header,
    seekable,
)
from evstream.extras import import_arrow
from evstream.tables.arrow import FINAL_DELIMITER, arrow_schema, batch_of
from evstream.tables.batches import BATCH_ROWS
from evstream.tables.column_names import has_gaps, parquet_titles, renamed, stream_names
from evstream.transport.source import Source
from evstream.wire.columns import Array

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import RecordBatch

GROUP_ROWS = 1 << 18
"""Rows after which a row group ends with its event."""

LARGEST_GROUP_ROWS = 1 << 20
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
    encoder = GroupEncoder(titled, options)
    file = GroupsFile(out, titled, options)
    groups = (_titled(group, titled.names) for group in _groups(table, schema))
    for _, group in in_order(encoder.encode, groups, options.threads):
        file.add(group)
    file.close({} if table.clean_end else {FINAL_DELIMITER.decode(): "false"})


def _titled(group: pa.Table, names: list[str]) -> pa.Table:
    return group if group.schema.names == names else group.rename_columns(names)


def _renamed(schema: pa.Schema, titles: Mapping[str, str]) -> pa.Schema:
    pa = import_arrow()
    fields = [field.with_name(titles.get(field.name, field.name)) for field in schema]
    return pa.schema(fields, schema.metadata)


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
            for at in range(0, whole, LARGEST_GROUP_ROWS):
                yield group.slice(at, min(LARGEST_GROUP_ROWS, whole - at))
            waiting = group.slice(whole).to_batches()
            rows, whole = rows - whole, 0
    if rows:
        group = pa.Table.from_batches(waiting, schema)
        for at in range(0, rows, LARGEST_GROUP_ROWS):
            yield group.slice(at, min(LARGEST_GROUP_ROWS, rows - at))
