"""A stream as rows: one numpy column per field, a row per entry.

Rows cannot say everything that a stream can: a block without entries has no row, and two
blocks of the same ids that follow one another look like one. Where that happens a warning
says so, since the way back would give another stream.
"""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from evstream._support.format import Format
from evstream.errors import AbsentEventWarning, RowsWarning, warn
from evstream.reading.stream import EventStream
from evstream.wire.columns import (
    Array,
    Chunk,
    Columns,
    differ,
    kept,
    to_rows,
)
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


def whole_blocks(
    header: StreamHeader, batches: Iterable[dict[str, Array]]
) -> Iterator[dict[str, Array]]:
    """The same rows, so divided that Writer.write_columns takes each batch: all entries of a
    block that says how many it has (cdf) come together. Other streams pass as they are."""
    index = header.block.index
    if index is None:
        yield from batches
        return
    waiting: list[dict[str, Array]] = []
    for rows in batches:
        starts = np.flatnonzero(rows[index] == 1)
        if len(starts):
            waiting.append({name: column[: starts[-1]] for name, column in rows.items()})
            yield join_rows(waiting)
            waiting = [{name: column[starts[-1] :] for name, column in rows.items()}]
        else:
            waiting.append(rows)
    if waiting:
        yield join_rows(waiting)


def join_rows(batches: list[dict[str, Array]]) -> dict[str, Array]:
    """Batches of rows as one."""
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


def read_columns(
    source: Any,
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
        TypeError: `events` or `sidx` is of no whole numbers, or the stream has no sidx.
    """
    with EventStream(
        source, stream, widths=widths, strict=strict, timeout=timeout, format=format
    ) as opened:
        columns = _Growing(opened, opened.size if events is None and sidx is None else None)
        for rows in iter_rows(opened, events, sidx):
            columns.append(rows)
    return columns.kept()


class _Growing:
    """Columns that rows are added to. For all rows of a file, of `size` bytes, they begin as long
    as these can be: memory that is never written to is not taken, and nothing is moved later."""

    def __init__(self, stream: EventStream, size: int | None) -> None:
        dtypes = stream.header.row_columns
        header = stream.header
        record = header.record_dtype(header.block.entry or header.block.header)
        rows = (size or 1 << 20) // record.itemsize
        self._columns = {name: np.empty(rows, dtype) for name, dtype in dtypes.items()}
        self._used = 0

    def append(self, rows: dict[str, Array]) -> None:
        first, last = self._used, self._used + len(next(iter(rows.values())))
        for name, column in self._columns.items():
            if last > len(column):
                grown = np.empty(2 * last, column.dtype)
                grown[:first] = column[:first]
                self._columns[name] = grown
            self._columns[name][first:last] = rows[name]
        self._used = last

    def kept(self) -> dict[str, Array]:
        """The columns; copies where they would hold on to much more than they show."""
        return {name: kept(column, self._used) for name, column in self._columns.items()}


def iter_rows(
    stream: EventStream, events: Ids = None, sidx: Ids = None
) -> Iterator[dict[str, Array]]:
    """The rows of an open stream, a stretch at a time, as they are decoded.

    Warns with RowsWarning at the end if the stream has blocks that rows cannot say, and with
    AbsentEventWarning if it does not have all of `events`.
    """
    selection = Selection(stream.header, events, sidx)
    for chunk in watched_chunks(stream):
        kept = selection.blocks(chunk)
        rows = selection.rows(to_rows(stream.header, kept.columns, kept.skipped))
        if len(rows[next(iter(rows))]):
            yield rows
    selection.warn_absent(stream.name)


def watched_chunks(stream: EventStream) -> Iterator[Chunk]:
    """The chunks of an open stream, for programs that make rows of them.

    Warns with RowsWarning at the end if the stream has blocks that rows cannot say.
    """
    unsaid = _Unsaid(stream.header)
    for chunk in stream.chunks():
        unsaid.look_at(chunk)
        yield chunk
    unsaid.warn(stream.name)


class _Unsaid:
    """Counts the blocks of a stream that leave no trace in its rows."""

    def __init__(self, header: StreamHeader) -> None:
        self._has_entries = header.block.entry is not None
        self._counted = header.block.index is not None
        names = header.block_columns
        self._keys = [i for i, name in enumerate(names) if name in header.key_columns]
        self._last: list[Any] | None = None
        self._last_entries = 0
        self.empty = 0
        self.merged = 0

    def look_at(self, chunk: Chunk) -> None:
        columns = chunk.columns
        counts = np.diff(columns.offsets)
        if not self._has_entries or not len(counts):
            return
        keys = [columns.block[i] for i in self._keys]
        first = [key[0] for key in keys]
        if chunk.continues:
            counts[0] += chunk.skipped
        elif self._last is not None:
            self.empty += self._last_entries == 0
            self.merged += not any(map(differ, first, self._last))
        self.empty += int((counts[:-1] == 0).sum())
        same = ~np.logical_or.reduce([differ(key[1:], key[:-1]) for key in keys])
        self.merged += int(same.sum())
        self._last = [key[-1] for key in keys]
        self._last_entries = int(counts[-1])

    def warn(self, source: str) -> None:
        if self._last is not None:
            self.empty += self._last_entries == 0
        said = []
        if self.empty:
            said.append(f"{self.empty} blocks without entries, which have no row")
        if self.merged and not self._counted:
            said.append(f"{self.merged} blocks that rows cannot tell from the one before")
        if said:
            text = f"{source}: the stream has {' and '.join(said)}"
            warn(text, RowsWarning)


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
