"""One event: its blocks and their entries as numpy columns.

The columns are those of the spec: the generated classes in `_generated.events` name them.
An event owns its memory, so a list of events stays valid after the stream has gone on.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from evstream._generated import layout
from evstream.blocks import Array, Columns, to_rows
from evstream.errors import CorruptStreamError
from evstream.header import StreamHeader


class Dense(NamedTuple):
    """Losses as a matrix.

    Attributes:
        ids: item (or coverage, or summary) ids, shape (blocks,).
        losses: float array, shape (blocks, len_sample); column j is sidx j + 1, 0 where
            the stream has none.
        specials: name ("mean", "tiv", ...) -> float array, shape (blocks,), NaN where a
            block has none. Only the specials that the event has.
    """

    ids: Array
    losses: Array
    specials: dict[str, Array]


class Event:
    """One event of a stream.

    Attributes:
        header: the header of the stream it comes from.
        columns: the memory it lies in, which it may share with its neighbours.
    """

    __slots__ = ("_first", "_last", "columns", "header")

    def __init__(self, header: StreamHeader, columns: Columns, first: int, last: int) -> None:
        self.header = header
        self.columns = columns
        self._first = first
        self._last = last

    @property
    def event_id(self) -> int:
        return int(self.columns.block[0][self._first])

    @property
    def offsets(self) -> Array:
        """int64, shape (blocks + 1,): block i owns entries offsets[i]:offsets[i + 1]."""
        offsets = self.columns.offsets[self._first : self._last + 1]
        from_zero: Array = offsets - offsets[0]
        return from_zero

    def __len__(self) -> int:
        """Number of blocks."""
        return self._last - self._first

    def __repr__(self) -> str:
        entries = self.columns.offsets[self._last] - self.columns.offsets[self._first]
        name = type(self).__name__
        return f"<{name} event_id={self.event_id} blocks={len(self)} entries={entries}>"

    def _block_column(self, index: int) -> Array:
        return self.columns.block[index][self._first : self._last]

    def _entry_column(self, index: int) -> Array:
        offsets = self.columns.offsets
        return self.columns.entry[index][offsets[self._first] : offsets[self._last]]

    def own_columns(self) -> Columns:
        """The event's blocks and entries alone, with offsets from 0."""
        block = tuple(self._block_column(i) for i in range(len(self.columns.block)))
        entry = tuple(self._entry_column(i) for i in range(len(self.columns.entry)))
        return Columns(block, self.offsets, entry)

    def to_rows(self) -> dict[str, Array]:
        """One row per entry: column name -> array, in wire order; see blocks.to_rows."""
        return to_rows(self.header, self.own_columns())

    def to_dense(self) -> Dense:
        """The losses as a matrix of blocks x samples, the special sidx apart.

        Raises CorruptStreamError for a sidx that has no place in it: above len_sample, an
        unknown special, or twice in a block. TypeError for a stream without samples.
        """
        if self.header.len_sample is None:
            raise TypeError(f"a {self.header.stream} stream has no samples")
        sidx, loss = self._entry_column(0), self._entry_column(1)
        row = np.repeat(np.arange(len(self)), np.diff(self.offsets))
        known = np.isin(sidx, list(layout.SPECIAL_PARAMETERS.values()))
        sample = (sidx > 0) & (sidx <= self.header.len_sample)
        self._refuse(~(known | sample), sidx, row, "sidx {} has no place in the matrix")
        order = np.lexsort((sidx, row))
        twice = np.zeros(sidx.shape, bool)
        again = (np.diff(row[order]) == 0) & (np.diff(sidx[order]) == 0)
        twice[order[1:]] = again
        self._refuse(twice, sidx, row, "sidx {} occurs twice in its block")
        losses = np.zeros((len(self), self.header.len_sample), loss.dtype)
        losses[row[sample], sidx[sample] - 1] = loss[sample]
        specials = {}
        for name, value in layout.SPECIAL_PARAMETERS.items():
            has = sidx == value
            if has.any():
                specials[name] = np.full(len(self), np.nan, loss.dtype)
                specials[name][row[has]] = loss[has]
        return Dense(self._block_column(1), losses, specials)

    def _refuse(self, bad: Array, sidx: Array, row: Array, problem: str) -> None:
        if not bad.any():
            return
        at = int(np.argmax(bad))
        name = layout.FIELDS[self.header.block.header][1].name
        ids = {"event_id": self.event_id, name: int(self._block_column(1)[row[at]])}
        raise CorruptStreamError(
            problem.format(sidx[at]),
            ids=ids,
            expected=f"each of 1 to {self.header.len_sample} and the special sidx at most once",
        )
