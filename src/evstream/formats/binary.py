"""The stream itself, as one of the formats."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from evstream._generated import layout
from evstream.arrow import BATCH_ROWS, arrow_schema, batch_of, rebatch, rows_of
from evstream.errors import TableError, WriteError
from evstream.formats.table import Options, Table, complete_header
from evstream.header import StreamHeader
from evstream.reader import EventStream
from evstream.rows import iter_rows
from evstream.sources import Source
from evstream.writer import Writer

if TYPE_CHECKING:
    from pyarrow import RecordBatch


def read(source: Source, options: Options) -> Table:
    """The rows of a stream."""
    stream = EventStream(source, options.stream, widths=options.widths, strict=options.strict)
    schema = arrow_schema(stream.header)

    def batches() -> Iterator[RecordBatch]:
        for rows in rebatch(iter_rows(stream), BATCH_ROWS):
            yield batch_of(schema, rows)
        table.clean_end = stream.clean_end is not False

    table = Table(stream.header, batches(), stream.name, True, offset=source.offset)
    return table


def missing_fields(header: StreamHeader) -> list[str]:
    """Fields of the stream header that nothing has told yet."""
    fields = layout.FIELDS[header.spec.header] if header.spec.header else ()
    return [f.name for f in fields if f.name not in header.values]


def write(table: Table, out: Any, options: Options) -> None:
    """The stream; without a len_sample, that of the highest sidx, which the header gets at
    the end."""
    missing = missing_fields(table.header)
    if not missing:
        _write(table, table.header, out)
        return
    width = table.header.widths[_scalar(table.header, "len_sample")]
    placeholder = complete_header(table.header, {"len_sample": int(np.iinfo(width).max)})
    with tempfile.TemporaryFile() as file:
        highest = _write(table, placeholder, file)
        file.seek(0)
        file.write(complete_header(table.header, {"len_sample": highest}).to_bytes())
        file.seek(0)
        shutil.copyfileobj(file, out, 1 << 20)
    table.header = complete_header(table.header, {"len_sample": highest})


def _scalar(header: StreamHeader, name: str) -> str:
    return next(f.scalar for f in layout.FIELDS[str(header.spec.header)] if f.name == name)


def _write(table: Table, header: StreamHeader, out: Any) -> int:
    """Write all batches; the highest sidx."""
    highest = 0
    with Writer(out, header, validate=not table.carried) as writer:
        for number, batch in enumerate(table.batches):
            rows = rows_of(batch, table.name)
            try:
                writer.write_columns(**rows)
            except WriteError as error:
                raise _placed(error, table, number) from None
            if "sidx" in rows and batch.num_rows:
                highest = max(highest, int(rows["sidx"].max()))
        if not table.clean_end:
            writer.leave_open()
    return highest


def _placed(error: WriteError, table: Table, batch: int) -> TableError:
    """The error of a row, at its line of the text file it comes from."""
    line = None
    if table.line_of is not None and error.row is not None:
        line = table.line_of(batch, error.row)
    ids = ", ".join(f"{name} {value}" for name, value in error.ids.items())
    problem = f"{ids}: {error.problem}" if ids else error.problem
    return TableError(problem, source=table.name, line=line, expected=error.expected)
