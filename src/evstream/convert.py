"""Convert between streams and tables: any format to any other, in bounded memory."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from evstream.arrow import arrow_schema, import_arrow
from evstream.blocks import block_columns, row_columns
from evstream.formats import Options, Table, format_of, module_of
from evstream.formats.binary import missing_fields
from evstream.formats.table import complete_header
from evstream.header import StreamHeader
from evstream.sinks import Sink, SinkFile
from evstream.sources import Source

if TYPE_CHECKING:
    from pyarrow import RecordBatch


def convert(
    source: Any,
    target: Any,
    *,
    from_: str | None = None,
    to: str | None = None,
    options: Options | None = None,
    sort: bool = False,
    say: Callable[[str], None] = lambda text: None,
    progress: Callable[[int], None] = lambda offset: None,
) -> None:
    """Convert one file to another.

    Args:
        source: what evstream.open takes, holding a stream, CSV, Parquet, Arrow or JSON lines,
            which may be compressed with gzip or zstd.
        target: what evstream.create takes. A file appears when it is complete.
        from_, to: "bin", "csv", "parquet", "arrow" or "jsonl"; by default what the file
            names' extensions say.
        options: what the files do not say themselves.
        sort: bring the rows into the order of a stream; holds all of them in memory.
        say: is told what was inferred, in a sentence.
        progress: is told now and then how many bytes of the source are read.

    Raises:
        TableError: a row, value or column is wrong; with the line in a text file.
        The errors of evstream.open for a source that is a stream.
    """
    import_arrow()
    options = options or Options()
    input_format = from_ or format_of(str(source))[0]
    output_format, compression = (to, None) if to else format_of(str(target))
    if to and isinstance(target, str) and target != "-":
        compression = _compression(target)
    with ExitStack() as stack:
        opened = Source(source)
        stack.callback(opened.close)
        sink = stack.enter_context(Sink(target))
        table = module_of(input_format).read(opened, options)
        stack.callback(table.close)
        table.batches = _watched(table.batches, table.offset, progress)
        _tell_missing(table, output_format, options, say)
        if sort:
            table.batches = _sorted(table.batches, table.header)
            table.line_of = None  # the rows are not in the order of the file any more
        with SinkFile(sink) as file, _compressed(file, compression) as out:
            module_of(str(output_format)).write(table, out, options)
            if options.values.get("len_sample") is None and not table.carried:
                _tell_inferred(table, output_format, say)


def _compression(name: str) -> str | None:
    from evstream.formats import COMPRESSIONS

    return COMPRESSIONS.get(name.rpartition(".")[2].lower())


def _compressed(file: Any, compression: str | None) -> Any:
    if compression is None:
        return file
    pa = import_arrow()
    return pa.CompressedOutputStream(pa.PythonFile(file, "w"), compression)


def _watched(
    batches: Iterator[RecordBatch], offset: Callable[[], int], progress: Callable[[int], None]
) -> Iterator[RecordBatch]:
    for batch in batches:
        yield batch
        progress(offset())


def _tell_missing(
    table: Table, output_format: str | None, options: Options, say: Callable[[str], None]
) -> None:
    """Complete the header with what can be assumed, and say so."""
    header = table.header
    if table.carried:
        return
    if options.stream is None:
        say(f"a {header.stream} stream, by its columns")
    if "summary_set_id" in missing_fields(header):
        values = {**header.values, "summary_set_id": 1}
        table.header = dataclasses.replace(header, values=values)
        say("summary_set_id 1, as nothing tells it (--summary-set-id)")
    if not missing_fields(table.header):
        table.header = complete_header(table.header, {})


def _tell_inferred(table: Table, output_format: str | None, say: Callable[[str], None]) -> None:
    if output_format == "bin" and table.header.len_sample is not None:
        say(f"len_sample {table.header.len_sample}, the highest sidx (--len-sample)")


def _sorted(batches: Iterator[RecordBatch], header: StreamHeader) -> Iterator[RecordBatch]:
    """All rows at once, in the order of a stream: by block, then by sidx or index."""
    pa = import_arrow()
    whole = pa.Table.from_batches(batches, arrow_schema(header))
    keys = [name for name, dtype in block_columns(header).items() if dtype.kind != "f"]
    within = [name for name in row_columns(header) if name not in block_columns(header)][:1]
    order = [(name, "ascending") for name in [*keys, *within]]
    yield from whole.sort_by(order).to_batches(max_chunksize=1 << 17)
