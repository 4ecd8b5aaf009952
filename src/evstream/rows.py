"""A stream as rows: one numpy column per field, a row per entry.

Rows cannot say everything that a stream can: a block without entries has no row, and two
blocks of the same ids that follow one another look like one. Where that happens a warning
says so, since the way back would give another stream.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from evstream.blocks import Array, Chunk, Columns, block_columns, row_columns, to_rows
from evstream.errors import RowsWarning
from evstream.header import StreamHeader
from evstream.reader import EventStream

Ids = int | Iterable[int] | None


class Selection:
    """Which rows are wanted: those of some events, and of some sidx; None is all."""

    def __init__(self, header: StreamHeader, events: Ids = None, sidx: Ids = None) -> None:
        self._events = _ids(events)
        self._sidx = _ids(sidx)
        if sidx is not None and "sidx" not in row_columns(header):
            raise TypeError(f"a {header.stream} stream has no sidx")

    def blocks(self, columns: Columns, skipped: int) -> tuple[Columns, int]:
        """The blocks of the wanted events."""
        if self._events is None:
            return columns, skipped
        wanted = np.isin(columns.block[0], self._events)
        if wanted.all():
            return columns, skipped
        counts = np.diff(columns.offsets)
        entries = np.repeat(wanted, counts)
        offsets = np.concatenate([[0], np.cumsum(counts[wanted])])
        skipped = skipped if len(wanted) and wanted[0] else 0
        block = tuple(column[wanted] for column in columns.block)
        return Columns(block, offsets, tuple(c[entries] for c in columns.entry)), skipped

    def rows(self, rows: dict[str, Array]) -> dict[str, Array]:
        """The rows of the wanted sidx."""
        if self._sidx is None:
            return rows
        wanted = np.isin(rows["sidx"], self._sidx)
        return {name: column[wanted] for name, column in rows.items()}


def read_columns(
    source: Any,
    events: Ids = None,
    sidx: Ids = None,
    *,
    stream: str | None = None,
    widths: Mapping[str, str] | None = None,
    strict: bool = False,
) -> dict[str, Array]:
    """Read a whole stream into numpy columns.

    Args:
        source, stream, widths, strict: as for evstream.open.
        events: only these event ids; a number or several.
        sidx: only these sample indices, e.g. range(1, 11) or -1; a number or several.

    Returns:
        Column name -> array of shape (rows,), in wire order: event_id, item_id, sidx, loss
        for a loss stream; see docs/format.md for the others.
    """
    with EventStream(source, stream, widths=widths, strict=strict) as opened:
        batches = list(iter_rows(opened, events, sidx))
        dtypes = row_columns(opened.header)
    return {
        name: np.concatenate([b[name] for b in batches] or [np.empty(0, dtype)])
        for name, dtype in dtypes.items()
    }


def iter_rows(
    stream: EventStream, events: Ids = None, sidx: Ids = None
) -> Iterator[dict[str, Array]]:
    """The rows of an open stream, a stretch at a time, as they are decoded.

    Warns with RowsWarning at the end if the stream has blocks that rows cannot say.
    """
    selection = Selection(stream.header, events, sidx)
    unsaid = _Unsaid(stream.header)
    for chunk in stream.chunks():
        unsaid.look_at(chunk)
        columns, skipped = selection.blocks(chunk.columns, chunk.skipped)
        rows = selection.rows(to_rows(stream.header, columns, skipped))
        if len(rows[next(iter(rows))]):
            yield rows
    unsaid.warn(stream.name)


class _Unsaid:
    """Counts the blocks of a stream that leave no trace in its rows."""

    def __init__(self, header: StreamHeader) -> None:
        self._has_entries = header.block.entry is not None
        self._counted = header.block.index is not None
        dtypes = block_columns(header).values()
        self._keys = [i for i, dtype in enumerate(dtypes) if dtype.kind != "f"]
        self._last: tuple[int, ...] | None = None
        self._last_entries = 0
        self.empty = 0
        self.merged = 0

    def look_at(self, chunk: Chunk) -> None:
        columns = chunk.columns
        counts = np.diff(columns.offsets)
        if not self._has_entries or not len(counts):
            return
        keys = [columns.block[i] for i in self._keys]
        first = tuple(int(key[0]) for key in keys)
        if chunk.continues:
            counts[0] += chunk.skipped
        elif self._last is not None:
            self.empty += self._last_entries == 0
            self.merged += first == self._last
        self.empty += int((counts[:-1] == 0).sum())
        same = np.logical_and.reduce([key[1:] == key[:-1] for key in keys])
        self.merged += int(same.sum())
        self._last = tuple(int(key[-1]) for key in keys)
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
            warnings.warn(text, RowsWarning, stacklevel=3)


def _ids(values: Ids) -> Array | None:
    if values is None:
        return None
    return np.unique(np.atleast_1d(np.asarray(values if isinstance(values, int) else list(values))))
