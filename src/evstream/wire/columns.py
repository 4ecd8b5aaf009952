"""Blocks as numpy columns: their names and dtypes, the CSR form, and the form of rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from evstream.wire.header import StreamHeader

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Columns:
    """Blocks in CSR form: block i owns entries offsets[i]:offsets[i + 1].

    Attributes:
        block: one array per header field (but the count), shape (blocks,), in wire order.
        offsets: int64, shape (blocks + 1,).
        entry: one array per entry field, shape (entries,), in wire order.
    """

    block: tuple[Array, ...]
    offsets: Array
    entry: tuple[Array, ...]

    @cached_property
    def event_starts(self) -> Array:
        """The first block of each run of blocks of one event."""
        return run_starts(self.block[0])


class Chunk(NamedTuple):
    """The columns of one stretch of a stream. Blocks and events may start before it and go on
    after it.

    Attributes:
        columns: the blocks of the stretch.
        continues: whether the first block is the rest of the last one before.
        skipped: number of entries of that block that came before.
        is_open: whether the last block goes on after the stretch.
        offset: stream offset of the stretch's first byte.
    """

    columns: Columns
    continues: bool
    skipped: int
    is_open: bool
    offset: int


def plain(value: Any) -> Any:
    """A value of a column as a Python object: an int or a float."""
    return value.item() if isinstance(value, np.generic) else value


def differ(a: Any, b: Any) -> Any:
    """Where values differ, as those of a key do: a NaN equals a NaN."""
    differs = a != b
    if getattr(a, "dtype", _FLOAT).kind != "f":
        return differs
    return differs & ((a == a) | (b == b))  # noqa: PLR0124 (false for a NaN alone)


_FLOAT = np.dtype(float)


def run_starts(column: Array) -> Array:
    """The index of the first value of each run of equal values."""
    if not len(column):
        return np.empty(0, np.intp)
    changes = differ(column[1:], column[:-1]).nonzero()[0]
    starts = np.zeros(len(changes) + 1, np.intp)
    np.add(changes, 1, out=starts[1:])
    return starts


def ids_at(header: StreamHeader, block: Sequence[Array], row: int) -> dict[str, Any]:
    """The ids of a block: the values of its key columns, as far as `block` has columns."""
    keys = header.key_columns
    columns = zip(header.block_columns, block, strict=False)
    return {name: plain(column[row]) for name, column in columns if name in keys}


def kept(column: Array, used: int) -> Array:
    """The used part of a column; a copy if a view would keep much more memory alive."""
    return column[:used] if 2 * used > len(column) else column[:used].copy()


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


def cut(columns: Columns, first: int, last: int) -> Columns:
    """Blocks first:last, with offsets from 0."""
    offsets = columns.offsets[first : last + 1]
    start, end = offsets[0], offsets[-1]
    block = tuple(column[first:last] for column in columns.block)
    return Columns(block, offsets - start, tuple(column[start:end] for column in columns.entry))


def row_count(columns: Columns) -> int:
    """The number of rows of these blocks: one per entry, or one per block without entries."""
    if not columns.entry:
        return len(columns.block[0])
    return int(columns.offsets[-1] - columns.offsets[0])


def csv_columns(header: StreamHeader) -> dict[str, str]:
    """The columns of rows -> their names in a CSV file, in the order of that file: the one that
    the tools of the field read, or wire order and the names of the fields."""
    return dict(header.spec.csv) or {name: name for name in header.row_columns}


def to_rows(header: StreamHeader, columns: Columns, skipped: int = 0) -> dict[str, Array]:
    """One row per entry: column name -> array, in wire order.

    Block columns are repeated for each entry; the entries of a counted block are numbered
    from 1 in its index column (bin_index of a cdf stream), those of the first block from
    `skipped` + 1. A block without entries has no row; a stream whose blocks never have any
    has a row per block.
    """
    dtypes = header.row_columns
    blocks = dict(zip(header.block_columns, columns.block, strict=True))
    if header.block.entry is None:
        return blocks
    offsets = columns.offsets
    counts = np.diff(offsets)
    rows = {name: np.repeat(column, counts) for name, column in blocks.items()}
    index = header.block.index
    if index is not None:
        number = np.arange(offsets[0] + 1, offsets[-1] + 1) - np.repeat(offsets[:-1], counts)
        number[: counts[0] if len(counts) else 0] += skipped
        rows[index] = number.astype(dtypes[index])
    return rows | dict(zip(header.entry_columns, columns.entry, strict=True))
