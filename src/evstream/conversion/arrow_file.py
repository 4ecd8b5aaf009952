"""Arrow IPC files (.arrow, .feather) and, for reading, Arrow IPC streams."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

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
from evstream.tables.column_names import has_gaps, renamed, stream_names
from evstream.transport.source import Source
from evstream.wire.columns import Array

if TYPE_CHECKING:
    import pyarrow as pa

_FILE_MAGIC = b"ARROW1"


def read(source: Source, options: Options) -> Table:
    """The rows of an Arrow IPC file or stream."""
    pa = import_arrow()
    copy = seekable(source)
    try:
        start = copy.read(len(_FILE_MAGIC))
        copy.seek(0)
        is_file = start == _FILE_MAGIC
        guard = BatchGuard(source.name, options.max_batch, options.max_metadata)
        guard.check_arrow(copy, is_file=is_file)
        with arrow_errors("Arrow", source.name):
            reader = pa.ipc.open_file(copy) if is_file else pa.ipc.open_stream(copy)
        carried = carried_header(reader.schema, options, source.name)
        given = column_names(reader.schema, source.name)
        names = given if carried else stream_names(given, options.format, options.stream)
        schema = reader.schema
        header = carried or guess_header(names, options, source.name, schema=schema)
    except BaseException:
        copy.close()
        raise

    def batches() -> Iterator[dict[str, Array]]:
        row = 0
        with arrow_errors("Arrow", source.name):
            for batch, metadata in _with_metadata(reader, is_file):
                if (metadata or {}).get(FINAL_DELIMITER) == b"false":
                    table.clean_end = False
                yield conform(renamed(batch, names), header, row, source.name)
                row += batch.num_rows

    gaps = carried is None and has_gaps(given, header)
    table = Table(
        header, batches(), source.name, carried is not None, has_gaps=gaps, close=copy.close
    )
    return table


def _with_metadata(reader: Any, is_file: bool) -> Iterator[tuple[pa.RecordBatch, Any]]:
    if not is_file:
        yield from reader.iter_batches_with_custom_metadata()
        return
    for number in range(reader.num_record_batches):
        yield reader.get_batch_with_custom_metadata(number)


def write(table: Table, out: Any, options: Options) -> None:
    """An IPC file; what is known only at the end goes with a last, empty batch."""
    pa = import_arrow()
    schema = arrow_schema(table.header, table.file_column, columns=table.columns)
    compression = options.compression if options.compression != "none" else None
    if compression not in COMPRESSIONS:
        known = ", ".join(str(c or "none") for c in COMPRESSIONS)
        hint = did_you_mean(compression, filter(None, COMPRESSIONS))
        raise EvstreamError(f"Arrow files have no {compression} compression", expected=known + hint)
    style = pa.ipc.IpcWriteOptions(compression=compression)
    with completed(pa.ipc.new_file(out, schema, options=style)) as writer:
        for batch in table.batches:
            writer.write_batch(batch_of(schema, batch, table.name, table.file_names))
        if not table.clean_end:
            empty = pa.RecordBatch.from_pylist([], schema=schema)
            writer.write_batch(empty, custom_metadata={FINAL_DELIMITER.decode(): "false"})


COMPRESSIONS = ("zstd", "lz4", None)
