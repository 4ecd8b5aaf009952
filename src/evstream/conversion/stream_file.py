"""The stream itself, as one of the formats."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from evstream._support.texts import is_text_width
from evstream.conversion.table import Options, Table, complete_header, missing_fields
from evstream.errors import RowsWarning, TableError, WriteError, warn_like
from evstream.reading.stream import EventStream
from evstream.tables.batches import BATCH_ROWS, write_batches
from evstream.tables.rows import iter_rows
from evstream.transport.sink import SinkFile
from evstream.transport.source import Source
from evstream.wire.columns import Array
from evstream.wire.header import StreamHeader
from evstream.wire.stream_edge import Edge, give_up
from evstream.writing.writer import Writer


def read(source: Source, options: Options) -> Table:
    """The rows of a stream."""
    stream = _opened(source, options)
    try:
        _refuse_other_values(stream, options)
        selection = options.selection(stream.header)
    except BaseException:
        stream.close()
        raise

    def batches() -> Iterator[dict[str, Array]]:
        yield from iter_rows(stream, selection, BATCH_ROWS)
        table.clean_end = stream.clean_end is not False or not selection.has_all_rows

    table = Table(
        stream.header, batches(), stream.name, True, close=stream.close, columns=selection.order
    )
    return table


def copy(source: Source, out: Any, options: Options, progress: Callable[[int], None]) -> None:
    """A stream as a stream: the same bytes, read on the way, so that a broken one is refused."""
    kept = bytearray()  # read and not yet written
    edge = Edge(out.write)

    def write(*, whole: bool = False) -> None:
        with memoryview(kept) as view:
            size = edge.hand_on(view, whole=whole)
        del kept[:size]

    with _opened(source, options, tap=kept.extend) as stream:
        edge.header = stream.header
        try:
            _refuse_other_values(stream, options)
            for _ in stream.chunks():
                write()
                progress(source.offset())
            write(whole=True)
        except BaseException:
            if isinstance(out, SinkFile):  # any other one compresses, and shows a cut by itself
                give_up(out.sink, edge, bytes(kept))
            raise


def _opened(source: Source, options: Options, **more: Any) -> EventStream:
    widths, strict = options.widths, options.strict
    return EventStream(
        source, options.stream, widths=widths, strict=strict, format=options.format, **more
    )


def _refuse_other_values(stream: EventStream, options: Options) -> None:
    for name, value in options.values.items():
        found = stream.header.values.get(name)
        if found != value:
            raise TableError(
                f"the stream says {name} {found}", source=stream.name, expected=f"{value}"
            )


def write(table: Table, out: Any, options: Options) -> None:
    """The stream; without a number of samples, the highest sidx, which the header gets at
    the end."""
    if not missing_fields(table.header):
        for _ in written(table, table.batches, table.header, out):
            pass
        return
    with tempfile.TemporaryFile() as file:
        for _ in written(table, table.batches, placeholder(table.header), file):
            pass
        header = complete_header(
            table.header, {str(table.header.samples_field): table.highest_sidx}
        )
        file.seek(0)
        file.write(header.to_bytes())
        file.seek(0)
        shutil.copyfileobj(file, out, 1 << 20)
    table.header = header


def checked(table: Table, batches: Iterator[dict[str, Array]]) -> Iterator[dict[str, Array]]:
    """The batches of a table, refused where they break a rule of the stream."""
    return written(table, batches, placeholder(table.header), _Nowhere())


def written(
    table: Table, batches: Iterator[dict[str, Array]], header: StreamHeader, out: Any
) -> Iterator[dict[str, Array]]:
    """Write the batches of a table as a stream; gives each once it is written.

    Raises TableError, with the place in the file, for what breaks a rule of the stream. A file
    that carries a stream header may hold a stream that broke it, and is written as it is, with
    a RowsWarning of the first place.
    """

    def keeps(error: WriteError) -> bool:
        if table.carried:
            error.problem += " (all rows are written as they are)"
            warn_like(_placed(error, table), RowsWarning)
        return table.carried

    with Writer(out, header) as writer:
        is_empty = True
        try:
            for rows in write_batches(writer, batches, keeps):
                is_empty = is_empty and not len(next(iter(rows.values())))
                if header.sidx is not None and len(rows[header.sidx]):
                    table.highest_sidx = max(table.highest_sidx, int(rows[header.sidx].max()))
                yield rows
        except WriteError as error:
            raise _placed(error, table) from None
        if not table.clean_end and not is_empty:
            writer.leave_open()


def placeholder(header: StreamHeader) -> StreamHeader:
    """The header with the highest value for fields that are not known yet."""
    values: dict[str, Any] = {}
    for f in header.header_fields:
        if f.name in missing_fields(header):
            width = header.widths[f.scalar]
            values[f.name] = "" if is_text_width(width) else int(np.iinfo(width).max)
    return complete_header(header, values)


def _placed(error: WriteError, table: Table) -> TableError:
    """The error of a row, at its place in the file it comes from."""
    place = table.place(error.row)
    problem = error.problem
    check = table.header.format.rules[error.rule].check if error.rule else None
    if check in _OF_ORDER and not table.is_sorted:
        problem += " (--sort sorts the rows)"
    return TableError(problem, source=table.name, ids=error.ids, expected=error.expected, **place)


_OF_ORDER = ("contiguous", "unique_in_event", "not_falling", "samples_ascend")


class _Nowhere:
    """A target that keeps nothing."""

    takes_blocks = True

    def write(self, data: Any) -> int:
        return len(data)
