"""A stream as rows: one numpy column per field, a row per entry.

All rows come from the kernel that writes rows, without a copy. Where only the rows of some
events are wanted, blocks are decoded first, so that the others are left out before they become
rows. A warning reports blocks that rows do not show (`reading.unshown_blocks`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from evstream._support.format import Format
from evstream.indexing.opening import chunks_of
from evstream.partition.threads import threads_of
from evstream.partition.whole_file import large_parts
from evstream.reading.absent_events import AbsentEvents
from evstream.reading.ids import Ids, ids_of
from evstream.reading.row_decoder import BatchOutput, RowOutput
from evstream.reading.sources import open_stream
from evstream.reading.stream import EventStream
from evstream.reading.unshown_blocks import UnshownBlocks
from evstream.tables.batches import BATCH_ROWS, rebatch
from evstream.tables.file_column import FileColumn
from evstream.tables.threaded_rows import threaded_rows
from evstream.transport.endpoints import SourcesLike
from evstream.wire.columns import Array, Chunk, keep_blocks, to_rows
from evstream.wire.header import StreamHeader


class Selection:
    """Which rows are wanted: those of some events, and of some sidx; None is all.

    Attributes:
        events: the wanted events, in ascending order; None for all.
    """

    def __init__(self, header: StreamHeader, events: Ids = None, sidx: Ids = None) -> None:
        self.events = ids_of("events", events, header.block_columns[header.event_column])
        self._sidx, self._sidx_field = ids_of("sidx", sidx), header.sidx or ""
        self._absent = AbsentEvents(events, self.events)
        if sidx is not None and header.sidx is None:
            raise TypeError(f"a {header.stream} stream has no sidx")

    def blocks(self, chunk: Chunk) -> Chunk:
        """The blocks of the wanted events."""
        if self.events is None:
            return chunk
        found = chunk.columns.block[0]
        self._absent.see(found)
        return keep_blocks(chunk, np.isin(found, self.events))

    def chunks_of(self, stream: EventStream) -> Iterator[Chunk]:
        """The chunks of an unread stream, by its index if it has one; of
        them, `blocks` are the wanted blocks."""
        return chunks_of(stream, self.events)

    def warn_absent(self, source: str) -> None:
        """At the end of a stream: warn of wanted events that it does not have; of a range only if
        it has none."""
        self._absent.warn(source)

    def rows(self, rows: dict[str, Array]) -> dict[str, Array]:
        """The rows of the wanted sidx."""
        if self._sidx is None:
            return rows
        wanted = np.isin(rows[self._sidx_field], self._sidx)
        return {name: column[wanted] for name, column in rows.items()}


def named_rows(header: StreamHeader, chunk: Chunk, names: Iterable[str]) -> dict[str, Array]:
    """The rows of a chunk, of them only the named columns; see blocks.to_rows."""
    columns = chunk.columns
    blocks = dict(zip(header.block_columns, columns.block, strict=True))
    entries = dict(zip(header.entry_columns, columns.entry, strict=True))
    if not entries:
        return {name: blocks[name] for name in names}
    counts = np.diff(columns.offsets)
    rows = {}
    for name in names:
        if name in entries:
            rows[name] = entries[name]
        elif name in blocks:
            rows[name] = np.repeat(blocks[name], counts)
        else:
            rows[name] = to_rows(header, columns, chunk.skipped)[name]
    return rows


def read_columns(
    source: SourcesLike,
    events: Ids = None,
    sidx: Ids = None,
    *,
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
        events: only these event ids; a number or several.
        sidx: only these sample indices, e.g. range(1, 11) or -1; a number or several.
        file: True adds a column "file" with the file that each row comes from; or another name
            for it.
        threads: how many decode large files at the same time, with the same result. One is often
            as fast, since it waits for memory most of the time.

    Returns:
        Column name -> array of shape (rows,), in wire order: event_id, item_id, sidx (int32)
        and loss (float32) for a loss stream at the default widths; see docs/format.md for the
        others. The file column is the last; it holds str objects.

    Raises:
        The errors of evstream.open and of iterating over it.
        TypeError: `events` or `sidx` are not whole numbers, or the stream has no sidx.
        ValueError: `file` names another column.
    """
    number, planned = threads_of(threads), None
    if number > 1 and events is None and sidx is None:
        planned = large_parts(source, stream=stream, widths=widths, format=format)
    if planned is not None:
        files = FileColumn(file, planned.header)
        return files.named(files.add_to(threaded_rows(planned, number, files, strict), 0))
    with open_stream(
        source, stream, widths=widths, strict=strict, timeout=timeout, verify=verify, format=format
    ) as opened:
        files = FileColumn(file, opened.header)
        return files.named(whole_rows(opened, events, sidx, files))


def whole_rows(
    stream: EventStream, events: Ids = None, sidx: Ids = None, files: FileColumn | None = None
) -> dict[str, Array]:
    """All rows of an unread stream; warnings as of `iter_rows`.

    Columns for all rows of a file are at once as long as these can be: memory that is never
    written to is not taken, and nothing is moved later.
    """
    header, is_all = stream.header, events is None and sidx is None
    files = files or FileColumn(False, header)
    record = header.record_dtype(header.block.entry or header.block.header)
    size = stream.size if is_all else None
    out = RowOutput(header, (size or 1 << 20) // record.itemsize)
    selection = Selection(header, events, sidx)
    for one in stream.streams():
        files.begin(one.name, out.used)
        if is_all and one.wanted is None:
            for _ in one.decode_rows(out):
                pass
            out.end_stream(one.name)
        else:
            for rows in _selected_rows(one, selection):
                out.append(rows)
    selection.warn_absent(stream.name)
    return files.add_to(out.rows(), 0)


def iter_rows(
    stream: EventStream,
    events: Ids = None,
    sidx: Ids = None,
    rows: int = BATCH_ROWS,
    files: FileColumn | None = None,
) -> Iterator[dict[str, Array]]:
    """The rows of an unread stream, in batches of `rows`, the last smaller.

    Warns with RowsWarning at the end if the stream has blocks that rows do not show, and with
    AbsentEventWarning if it does not have all of `events`.
    """
    files = files or FileColumn(False, stream.header)
    if events is None and sidx is None:
        return _decoded_rows(stream, rows, files)
    return rebatch(_all_selected(stream, Selection(stream.header, events, sidx), files), rows)


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
    for chunk in watched_chunks(stream, selection.chunks_of(stream)):
        kept = selection.blocks(chunk)
        rows = selection.rows(to_rows(stream.header, kept.columns, kept.skipped))
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
