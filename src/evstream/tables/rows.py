"""A stream as rows: one numpy column per field, a row per entry.

All rows come from the kernel that writes rows, without a copy. Where only some rows or columns
are wanted, blocks are decoded first, so that the others are left out before they become
rows (`reading.selection`). A warning reports blocks that rows do not show
(`reading.unshown_blocks`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from evstream._support.format import Format
from evstream.indexing.opening import chunks_of
from evstream.partition.threads import threads_of
from evstream.partition.whole_file import large_parts
from evstream.reading.ids import Ids
from evstream.reading.row_decoder import BatchOutput, RowOutput
from evstream.reading.selection import Names, Selection
from evstream.reading.sources import open_stream
from evstream.reading.stream import EventStream
from evstream.reading.unshown_blocks import UnshownBlocks
from evstream.tables.batches import BATCH_ROWS, rebatch
from evstream.tables.file_column import FileColumn
from evstream.tables.threaded_rows import threaded_rows
from evstream.transport.endpoints import SourcesLike
from evstream.transport.source import LARGE_CHUNK
from evstream.transport.watching import one_bar
from evstream.wire.columns import Array, Chunk


@one_bar
def read_columns(
    source: SourcesLike,
    events: Ids = None,
    sidx: Ids = None,
    *,
    items: Ids = None,
    columns: Names = None,
    file: bool | str = False,
    threads: int = 1,
    stream: str | None = None,
    widths: Mapping[str, str] | None = None,
    strict: bool | None = None,
    timeout: float | None = None,
    verify: bool = False,
    format: Format | None = None,
) -> dict[str, Array]:
    """Read a whole stream, or several, into numpy columns.

    Args:
        source, stream, widths, strict, timeout, verify, format: as for evstream.open.
        events: only these event ids: a number, a range with any step, an array, or whatever else
            iterates over ids (a generator is used up). Ids that the stream does not have are an
            AbsentEventWarning; of a range only if it has none of them.
        sidx: only these sample indices, given likewise; special ones also by their names, e.g.
            "mean" or ["mean", "tiv", 1, 2].
        items: only these ids of items: of the key column after the event, such as item_id or
            summary_id; given likewise, with an AbsentItemWarning.
        columns: only these columns, in this order; a name or several.
        file: True adds a column "file" with the file that each row comes from; or another name
            for it.
        threads: how many decode large files at the same time, with the same result. One is often
            as fast, since it waits for memory most of the time.

    Returns:
        Column name -> array of shape (rows,), in wire order: event_id, item_id, sidx (int32)
        and loss (float32) for a loss stream at the default widths; see docs/format.md for the
        others. The file column is the last, unless `columns` names it; it holds str objects.

    Raises:
        The errors of evstream.open and of iterating over it.
        TypeError: `events`, `items` or `sidx` are not whole numbers, or the stream has no sidx, or
            no single column of items.
        ValueError: there is no such column or name of a sidx; or `file` names another column.
    """
    number, planned = threads_of(threads), None
    if number > 1 and all(one is None for one in (events, sidx, items, columns)):
        planned = large_parts(source, stream=stream, widths=widths, format=format)
    if planned is not None:
        files = FileColumn(file, planned.header)
        return files.named(files.add_to(threaded_rows(planned, number, files, strict), 0))
    with open_stream(
        source, stream, widths=widths, strict=strict, timeout=timeout, verify=verify, format=format,
        chunk=LARGE_CHUNK,
    ) as opened:  # fmt: skip
        files = FileColumn(file, opened.header)
        selection = Selection(opened.header, events, sidx, items, columns, files.name)
        return whole_rows(opened, selection, files)


def whole_rows(stream: EventStream, selection: Selection, files: FileColumn) -> dict[str, Any]:
    """The wanted rows of an unread stream, with the names of their files; warnings as of
    `iter_rows`.

    Columns for all rows of a file are at once as long as these can be: memory that is never
    written to is not taken, and nothing is moved later.
    """
    header = stream.header
    record = header.record_dtype(header.block.entry or header.block.header)
    size = stream.size if selection.has_all_rows else None
    out = RowOutput(header, (size or 1 << 20) // record.itemsize, selection.names)
    for one in stream.streams():
        files.begin(one.name, out.used)
        if selection.is_all and one.wanted is None:
            for _ in one.decode_rows(out):
                pass
            out.end_stream(one.name)
        else:
            for rows in _selected_rows(one, selection):
                out.append(rows)
    selection.warn_absent(stream.name)
    rows = files.named(files.add_to(out.rows(), 0))
    return rows if selection.order is None else {name: rows[name] for name in selection.order}


def iter_rows(
    stream: EventStream,
    selection: Selection | None = None,
    rows: int = BATCH_ROWS,
    files: FileColumn | None = None,
) -> Iterator[dict[str, Array]]:
    """The wanted rows of an unread stream, in batches of `rows`, the last smaller; all by default.

    Warns with RowsWarning at the end if the stream has blocks that rows do not show, and with
    AbsentEventWarning or AbsentItemWarning if it does not have all that is wanted.
    """
    files = files or FileColumn(False, stream.header)
    if selection is None or selection.is_all:
        return _decoded_rows(stream, rows, files)
    return rebatch(_all_selected(stream, selection, files), rows)


def _decoded_rows(stream: EventStream, rows: int, files: FileColumn) -> Iterator[dict[str, Array]]:
    """All rows, as the kernel writes them; those of a part that is of some events by its index."""
    out = BatchOutput(stream.header, rows)
    selection = Selection(stream.header)
    done = 0
    for one in stream.streams():
        files.begin(one.name, done + out.used)
        is_all = one.wanted is None
        for _ in one.decode_rows(out) if is_all else _appended(out, _selected_rows(one, selection)):
            for batch in out.take_full():
                yield files.add_to(batch, done)
                done += rows
        out.end_stream(one.name)
    if out.used:
        yield files.add_to(out.rows(), done)


def _appended(out: RowOutput, batches: Iterator[dict[str, Array]]) -> Iterator[None]:
    """Add the batches to the output, one at a step."""
    for batch in batches:
        out.append(batch)
        yield


def _all_selected(
    stream: EventStream, selection: Selection, files: FileColumn
) -> Iterator[dict[str, Array]]:
    """The rows of wanted blocks and sidx of all files, a chunk at a time."""
    for one in stream.streams():
        files.begin(one.name, 0)
        for rows in _selected_rows(one, selection):
            yield files.add_to(rows)
    selection.warn_absent(stream.name)


def _selected_rows(stream: EventStream, selection: Selection) -> Iterator[dict[str, Array]]:
    """The rows of wanted blocks and sidx of one file, a chunk at a time."""
    for chunk in watched_chunks(stream, chunks_of(stream, selection.events)):
        rows = selection.rows(chunk)
        if len(rows[next(iter(rows))]):
            yield rows


def watched_chunks(stream: EventStream, chunks: Iterator[Chunk] | None = None) -> Iterator[Chunk]:
    """The chunks of one open stream, all or those given, for programs that make rows of them.

    Warns with RowsWarning at the end if the stream has blocks that rows do not show.
    """
    unshown = UnshownBlocks(stream.header)
    for chunk in stream.chunks() if chunks is None else chunks:
        unshown.count_chunk(chunk)
        yield chunk
    unshown.warn(stream.name)
