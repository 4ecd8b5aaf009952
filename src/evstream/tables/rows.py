"""A stream as rows: one numpy column per field, a row per entry.

All rows come from the kernel that writes rows, without a copy. Where only the rows of some
events are wanted, blocks are decoded first, so that the others are left out before they become
rows. A warning reports blocks that rows do not show (`reading.unshown_blocks`).
"""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from evstream._support.format import Format
from evstream.errors import AbsentEventWarning, warn
from evstream.reading.row_decoder import BatchOutput, RowOutput
from evstream.reading.stream import EventStream
from evstream.reading.unshown_blocks import UnshownBlocks
from evstream.tables.batches import BATCH_ROWS, rebatch
from evstream.transport.endpoints import SourceLike
from evstream.wire.columns import Array, Chunk, Columns, to_rows
from evstream.wire.header import StreamHeader

Ids = int | float | Iterable[int] | Iterable[float] | None

_INTEGER = np.dtype(np.int64)


class Selection:
    """Which rows are wanted: those of some events, and of some sidx; None is all."""

    def __init__(self, header: StreamHeader, events: Ids = None, sidx: Ids = None) -> None:
        self._events = _ids("events", events, header.block_columns[header.event_column])
        self._sidx, self._sidx_field = _ids("sidx", sidx), header.sidx or ""
        self._is_range = isinstance(events, range)  # which ids lie in it is not said
        self._absent = self._events
        if sidx is not None and header.sidx is None:
            raise TypeError(f"a {header.stream} stream has no sidx")

    def blocks(self, chunk: Chunk) -> Chunk:
        """The blocks of the wanted events."""
        if self._events is None:
            return chunk
        found = chunk.columns.block[0]
        if self._absent is not None and len(self._absent):
            self._absent = self._absent[~np.isin(self._absent, found)]
        return keep_blocks(chunk, np.isin(found, self._events))

    def warn_absent(self, source: str) -> None:
        """At the end of a stream: warn of wanted events that it does not have; of a range only if
        it has none."""
        if self._absent is None or not len(self._absent) or self._events is None:
            return
        wanted = len(self._events)
        if self._is_range and len(self._absent) < wanted:
            return
        first = ", ".join(map(str, self._absent[:5].tolist()))
        more = ", ..." if len(self._absent) > 5 else ""
        warn(
            f"{source}: {len(self._absent)} of {wanted} wanted events are not in the stream: "
            f"{first}{more}",
            AbsentEventWarning,
        )

    def rows(self, rows: dict[str, Array]) -> dict[str, Array]:
        """The rows of the wanted sidx."""
        if self._sidx is None:
            return rows
        wanted = np.isin(rows[self._sidx_field], self._sidx)
        return {name: column[wanted] for name, column in rows.items()}


def keep_blocks(chunk: Chunk, wanted: Array) -> Chunk:
    """A chunk without the blocks that are not wanted.

    Blocks that follow one another are kept without a copy.
    """
    if wanted.all():
        return chunk
    columns, found = chunk.columns, np.flatnonzero(wanted)
    first, last = (int(found[0]), int(found[-1]) + 1) if len(found) else (0, 0)
    wanted = wanted[first:last]
    starts = columns.offsets[first : last + 1]
    counts = np.diff(starts)[wanted]
    offsets = np.concatenate([[0], np.cumsum(counts)])
    block = tuple(column[first:last] for column in columns.block)
    if wanted.all():
        entry = tuple(column[starts[0] : starts[-1]] for column in columns.entry)
    else:
        block = tuple(column[wanted] for column in block)
        kept = np.repeat(starts[:-1][wanted] - offsets[:-1], counts) + np.arange(offsets[-1])
        entry = tuple(column[kept] for column in columns.entry)
    is_start = first == 0 and len(found) > 0
    return chunk._replace(
        columns=Columns(block, offsets, entry),
        continues=chunk.continues and is_start,
        skipped=chunk.skipped if is_start else 0,
    )


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
    source: SourceLike,
    events: Ids = None,
    sidx: Ids = None,
    *,
    stream: str | None = None,
    widths: Mapping[str, str] | None = None,
    strict: bool | None = None,
    timeout: float | None = None,
    format: Format | None = None,
) -> dict[str, Array]:
    """Read a whole stream into numpy columns.

    Args:
        source, stream, widths, strict, timeout, format: as for evstream.open.
        events: only these event ids; a number or several.
        sidx: only these sample indices, e.g. range(1, 11) or -1; a number or several.

    Returns:
        Column name -> array of shape (rows,), in wire order: event_id, item_id, sidx (int32)
        and loss (float32) for a loss stream at the default widths; see docs/format.md for the
        others.

    Raises:
        The errors of evstream.open and of iterating over it.
        TypeError: `events` or `sidx` are not whole numbers, or the stream has no sidx.
    """
    with EventStream(
        source, stream, widths=widths, strict=strict, timeout=timeout, format=format
    ) as opened:
        return whole_rows(opened, events, sidx)


def whole_rows(stream: EventStream, events: Ids = None, sidx: Ids = None) -> dict[str, Array]:
    """All rows of an unread stream; warnings as of `iter_rows`.

    Columns for all rows of a file are at once as long as these can be: memory that is never
    written to is not taken, and nothing is moved later.
    """
    header, is_all = stream.header, events is None and sidx is None
    record = header.record_dtype(header.block.entry or header.block.header)
    size = stream.size if is_all else None
    out = RowOutput(header, (size or 1 << 20) // record.itemsize)
    if is_all:
        for _ in stream.decode_rows(out):
            pass
        out.unshown.warn(stream.name)
    else:
        for rows in _selected_rows(stream, Selection(header, events, sidx)):
            out.append(rows)
    return out.rows()


def iter_rows(
    stream: EventStream, events: Ids = None, sidx: Ids = None, rows: int = BATCH_ROWS
) -> Iterator[dict[str, Array]]:
    """The rows of an unread stream, in batches of `rows`, the last smaller.

    Warns with RowsWarning at the end if the stream has blocks that rows do not show, and with
    AbsentEventWarning if it does not have all of `events`.
    """
    if events is None and sidx is None:
        return _decoded_rows(stream, rows)
    return rebatch(_selected_rows(stream, Selection(stream.header, events, sidx)), rows)


def _decoded_rows(stream: EventStream, rows: int) -> Iterator[dict[str, Array]]:
    """All rows, as the kernel writes them."""
    out = BatchOutput(stream.header, rows)
    for _ in stream.decode_rows(out):
        yield from out.take_full()
    out.unshown.warn(stream.name)
    if out.used:
        yield out.rows()


def _selected_rows(stream: EventStream, selection: Selection) -> Iterator[dict[str, Array]]:
    """The rows of wanted blocks and sidx, a chunk at a time."""
    for chunk in watched_chunks(stream):
        kept = selection.blocks(chunk)
        rows = selection.rows(to_rows(stream.header, kept.columns, kept.skipped))
        if len(rows[next(iter(rows))]):
            yield rows
    selection.warn_absent(stream.name)


def watched_chunks(stream: EventStream) -> Iterator[Chunk]:
    """The chunks of an open stream, for programs that make rows of them.

    Warns with RowsWarning at the end if the stream has blocks that rows do not show.
    """
    unshown = UnshownBlocks(stream.header)
    for chunk in stream.chunks():
        unshown.count_chunk(chunk)
        yield chunk
    unshown.warn(stream.name)


def _ids(name: str, values: Ids, dtype: np.dtype[Any] = _INTEGER) -> Array | None:
    """Sorted ids that a column of `dtype` may have."""
    if values is None:
        return None
    is_one = not isinstance(values, Iterable) or isinstance(values, (str, bytes))
    several: list[Any] = [values] if is_one else list(values)  # type: ignore[arg-type]
    try:
        ids: Array = np.asarray(several)
    except ValueError:  # of lists of different lengths
        ids = np.empty(1, object)
    kinds, expected = ("iuf", "a number") if dtype.kind == "f" else ("iu", "an integer")
    if ids.size and ids.dtype.kind not in kinds:
        shown = " ".join(reprlib.repr(values).split())
        raise TypeError(f"{name} is {shown}, expected {expected} or several")
    return np.unique(ids)
