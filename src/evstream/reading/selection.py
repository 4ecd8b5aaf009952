"""What a caller wants of a stream: some events, items and sidx, and some columns.

Blocks that are not wanted are left out before anything is made of them, and entries before their
ids are repeated, so that what is left out costs only its decoding.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from evstream._support.arguments import did_you_mean, list_of_names
from evstream.reading.absent_ids import AbsentIds
from evstream.reading.ids import Ids, Wanted, wanted_of
from evstream.wire.columns import Array, Chunk, Columns, keep_blocks, to_rows
from evstream.wire.header import StreamHeader

Names = str | Iterable[str] | None
"""Names of columns, or one; None for all."""


class Selection:
    """Which blocks, entries and columns are wanted; None is all.

    Attributes:
        events, items, sidx: the wanted ids.
        names: the columns of the stream to make, in their order.
        order: the wanted columns, maybe with one that is not of the stream; None for all.

    Args:
        file: a column that rows have besides those of the stream; after these where `columns` does
            not name it.

    Raises TypeError for ids of another kind than the stream's, and for items and sidx that the
    stream does not have; ValueError for an unknown name of a sidx or column.
    """

    def __init__(
        self,
        header: StreamHeader,
        events: Ids = None,
        sidx: Ids = None,
        items: Ids = None,
        columns: Names = None,
        file: str | None = None,
    ) -> None:
        self._header = header
        block = header.block_columns
        self.events = wanted_of("events", events, block[header.event_column])
        self.items: Wanted | None = None
        self._item_at = 0
        if items is not None:
            name = _item_column(header)
            self.items = wanted_of("items", items, block[name])
            self._item_at = list(block).index(name)
        self.sidx = sidx_of(header, sidx)
        self.order = None if columns is None else columns_of(header, columns, file)
        self.names = list(header.row_columns)
        if self.order is not None:  # one column at least says how many rows there are
            self.names = [name for name in self.order if name != file] or self.names[:1]
        self.absent_events = AbsentIds("events", self.events)
        self.absent_items = AbsentIds("items", self.items)

    @property
    def is_all(self) -> bool:
        """Whether all rows are wanted, with all columns."""
        some = (self.events, self.items, self.sidx, self.order)
        return all(one is None for one in some)

    @property
    def has_all_rows(self) -> bool:
        """Whether all rows are wanted."""
        return self.events is None and self.items is None and self.sidx is None

    def mask(self, block: tuple[Array, ...]) -> Array | None:
        """Which blocks are wanted, as bool; None for all. Takes note of the ids that were seen."""
        wanted: Array | None = None
        if self.events is not None:
            wanted = self.events.among(block[0])
            self.absent_events.see(block[0][wanted])
        if self.items is not None:
            is_item = self.items.among(block[self._item_at])
            wanted = is_item if wanted is None else wanted & is_item
            self.absent_items.see(block[self._item_at][wanted])
        return wanted

    def blocks(self, chunk: Chunk) -> Chunk:
        """The wanted blocks."""
        wanted = self.mask(chunk.columns.block)
        return chunk if wanted is None else keep_blocks(chunk, wanted)

    def rows(self, chunk: Chunk) -> dict[str, Array]:
        """The wanted columns of the wanted rows; see columns.to_rows."""
        return self.rows_of_blocks(self.blocks(chunk), self.names)

    def rows_of_blocks(self, chunk: Chunk, names: Sequence[str]) -> dict[str, Array]:
        """The named columns of the rows of the wanted sidx, of blocks that are wanted."""
        header = self._header
        if self.sidx is None:
            return named_rows(header, chunk, names)
        if header.block.index is None:
            sidx = chunk.columns.entry[list(header.entry_columns).index(str(header.sidx))]
            columns = keep_entries(chunk.columns, self.sidx.among(sidx))
            return named_rows(header, chunk._replace(columns=columns), names)
        # The index counts all entries of a block.
        rows = to_rows(header, chunk.columns, chunk.skipped)
        wanted = self.sidx.among(rows[str(header.sidx)])
        return {name: rows[name][wanted] for name in names}

    def join(self, other: Selection) -> None:
        """Take over what was seen by the selection of another part."""
        self.absent_events.join(other.absent_events)
        self.absent_items.join(other.absent_items)

    def warn_absent(self, source: str) -> None:
        """At the end of a stream: warn of wanted events and items that it does not have; of a
        range only if it has none."""
        self.absent_events.warn(source)
        self.absent_items.warn(source, self.place)

    @property
    def place(self) -> str:
        """Where wanted items are looked for."""
        return "the stream" if self.events is None else "the wanted events"


def sidx_of(header: StreamHeader, sidx: Ids) -> Wanted | None:
    """The wanted sidx: numbers, and names of special ones. None for None.

    Raises TypeError for a stream without sidx, ValueError for an unknown name.
    """
    if sidx is None:
        return None
    if header.sidx is None:
        raise TypeError(f"a {header.stream} stream has no sidx")
    known = header.format.special_parameters

    def number_of(name: str) -> int:
        found = header.format.special_sidx(name)
        if found is None:
            names = ", ".join(known)
            also = f", or a name: {names}" if names else ""
            raise ValueError(
                f"sidx is {name!r}, expected a number{also}{did_you_mean(name.lower(), known)}"
            )
        return found

    return wanted_of("sidx", sidx, header.entry_columns[header.sidx], number_of)


def columns_of(header: StreamHeader, columns: Names, file: str | None = None) -> list[str]:
    """The names of wanted columns, in their order; `file` is one that rows also have.

    Raises TypeError for values that are not names, ValueError for none, one that is not known
    or comes twice.
    """
    names, known = list_of_names("columns", columns), list(header.row_columns)
    if not names:
        raise ValueError(f"columns is empty, expected one or several of {', '.join(known)}")
    for name in names:
        if name not in known and name != file:
            raise ValueError(
                f"a {header.stream} stream has no column {name!r}, expected one of "
                f"{', '.join(known)}{did_you_mean(name, known)}"
            )
        if names.count(name) > 1:
            raise ValueError(f"columns has {name!r} twice, expected each once")
    if file is not None and file not in names:
        names.append(file)
    return names


def _item_column(header: StreamHeader) -> str:
    """The column of items. Raises TypeError for a stream without one."""
    if header.item_column is not None:
        return header.item_column
    several = [name for name in header.key_columns if name != header.event_column]
    if not several:
        raise TypeError(f"a {header.stream} stream has no items")
    raise TypeError(
        f"a {header.stream} stream has no single column of items: {', '.join(several)} distinguish"
        " its blocks together"
    )


def keep_entries(columns: Columns, wanted: Array) -> Columns:
    """The blocks with some of their entries; a block may be left without any."""
    ends = np.concatenate([[0], np.cumsum(wanted)])
    offsets: Array = ends[columns.offsets - columns.offsets[0]]
    return Columns(columns.block, offsets, tuple(column[wanted] for column in columns.entry))


def named_rows(header: StreamHeader, chunk: Chunk, names: Iterable[str]) -> dict[str, Array]:
    """The rows of a chunk, of them only the named columns; see columns.to_rows."""
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
