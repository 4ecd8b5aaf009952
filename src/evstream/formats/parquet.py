"""Parquet, in row groups of whole events, so that a filter on events skips the others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from evstream.arrow import FINAL_DELIMITER, arrow_schema, header_of, import_arrow
from evstream.formats.table import Options, Table, guess_header, seekable
from evstream.sources import Source

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import RecordBatch

GROUP_ROWS = 1 << 20
"""Rows after which a row group ends with its event."""

LARGEST_GROUP_ROWS = 1 << 22
"""Rows of one event after which its row group ends all the same."""

BATCH_ROWS = 1 << 17


def read(source: Source, options: Options) -> Table:
    """The rows of a Parquet file, a row group at a time at most."""
    import_arrow()
    import pyarrow.parquet as pq

    copy = seekable(source)
    file = pq.ParquetFile(copy, buffer_size=1 << 20, pre_buffer=False)
    carried = header_of(file.schema_arrow, source.name)
    header = carried or guess_header(file.schema_arrow.names, options, source.name)
    schema = arrow_schema(header)
    metadata = file.metadata.metadata or {}

    def batches() -> Iterator[RecordBatch]:
        for batch in file.iter_batches(BATCH_ROWS, columns=schema.names):
            yield batch if carried else batch.select(schema.names)
        table.clean_end = metadata.get(FINAL_DELIMITER) != b"false"

    table = Table(
        header, batches(), source.name, carried is not None, offset=source.offset, close=copy.close
    )
    return table


def write(table: Table, out: Any, options: Options) -> None:
    """Ids as dictionaries, sidx as deltas, statistics per row group."""
    import_arrow()
    import pyarrow.parquet as pq

    schema = arrow_schema(table.header)
    integers = [f.name for f in schema if f.type in _integers()]
    ids = [name for name in integers if name.endswith("_id")]
    deltas = {name: "DELTA_BINARY_PACKED" for name in integers if name not in ids}
    with pq.ParquetWriter(
        out,
        schema,
        compression=options.compression or "zstd",
        use_dictionary=ids,
        column_encoding=deltas or None,
        write_statistics=True,
    ) as writer:
        for group in _groups(table.batches, schema):
            writer.write_table(group, row_group_size=LARGEST_GROUP_ROWS)
        if not table.clean_end:
            writer.add_key_value_metadata({FINAL_DELIMITER.decode(): "false"})


def _groups(batches: Iterator[RecordBatch], schema: pa.Schema) -> Iterator[pa.Table]:
    """Tables of whole events, GROUP_ROWS or a little more."""
    pa = import_arrow()
    waiting: list[RecordBatch] = []
    rows = 0
    for batch in batches:
        waiting.append(batch)
        rows += batch.num_rows
        if rows < GROUP_ROWS:
            continue
        events = batch.column(0).to_numpy(zero_copy_only=False)
        starts = np.flatnonzero(events[1:] != events[:-1])
        rest = 0
        if len(starts):
            rest = len(events) - int(starts[-1]) - 1
        elif rows < LARGEST_GROUP_ROWS:
            continue
        group = pa.Table.from_batches(waiting, schema)
        yield group.slice(0, rows - rest)
        waiting = [batch.slice(batch.num_rows - rest)] if rest else []
        rows = rest
    if rows:
        yield pa.Table.from_batches(waiting, schema)


def _integers() -> tuple[Any, ...]:
    pa = import_arrow()
    return (pa.int32(), pa.int64(), pa.uint32(), pa.uint64())
