"""One event: its blocks and their entries as numpy columns.

The columns are those of the spec: the generated classes in `_generated.events` name them.
An event owns its memory, so a list of events stays valid after the stream has gone on.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from evstream.errors import CorruptStreamError
from evstream.extras import import_extra
from evstream.wire.columns import Array, Columns, ids_at, plain, to_rows
from evstream.wire.header import StreamHeader

if TYPE_CHECKING:
    import pandas
    import polars


class Dense(NamedTuple):
    """Losses as a matrix.

    Attributes:
        ids: item (or coverage, or summary) ids, shape (blocks,).
        losses: float array, shape (blocks, len_sample); column j is sidx j + 1, 0 where
            the stream has none.
        specials: name ("mean", "tiv", ...) -> float array, shape (blocks,), NaN where a
            block has none. Only the specials that the event has.
        columns: what else a block has, e.g. "exposure_values" of a summary stream -> array,
            shape (blocks,).
    """

    ids: Array
    losses: Array
    specials: dict[str, Array]
    columns: dict[str, Array]


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

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """The event and the columns, by the names that the class of each block has for them."""

    @property
    def event_key(self) -> Any:
        """The event: the value of the first field of its blocks, e.g. of event_id."""
        return plain(self.columns.block[0][self._first])

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
        event = f"{self.header.event_column}={self.event_key}"
        return f"<{type(self).__name__} {event} blocks={len(self)} entries={entries}>"

    def _repr_html_(self) -> str:
        from evstream.wire.display import event_html  # most programs need none

        return event_html(self)

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

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy what belongs to this event, not its neighbours in the same memory."""
        return type(self), (self.header, self.own_columns(), 0, len(self))

    def to_rows(self) -> dict[str, Array]:
        """One row per entry: column name -> array, in wire order; see blocks.to_rows."""
        return to_rows(self.header, self.own_columns())

    def to_polars(self) -> polars.DataFrame:
        """The rows as a polars.DataFrame, with the columns of evstream.read_polars; needs
        evstream[polars]."""
        frame: polars.DataFrame = import_extra("polars").DataFrame(self._readable())
        return frame

    def to_pandas(self) -> pandas.DataFrame:
        """The rows as a pandas.DataFrame, with the columns of evstream.read_pandas; needs
        evstream[pandas]."""
        frame: pandas.DataFrame = import_extra("pandas").DataFrame(self._readable(), copy=False)
        return frame

    def _readable(self) -> dict[str, Any]:
        from evstream.wire.readable import date_columns, readable

        return readable(self.to_rows(), None, date_columns(self.header))

    def to_dense(self) -> Dense:
        """The losses as a matrix of blocks x samples, the special sidx apart.

        Raises CorruptStreamError for a sidx that has no place in it: above len_sample, an
        unknown special, or twice in a block. TypeError for a stream without samples, or
        with several values per sidx.
        """
        return Dense(*densify(self.header, self.own_columns()))


def events_between(
    kind: type[Event], header: StreamHeader, columns: Columns, edges: list[int]
) -> Iterator[Event]:
    """The events, of the class of their block, between each edge and the next, in blocks of
    `columns`. A call of `__init__` would cost as much as all the rest of a small event."""
    make, first = kind.__new__, edges[0]
    for last in edges[1:]:
        event = make(kind)
        event.header = header
        event.columns = columns
        event._first = first
        event._last = last
        yield event
        first = last


def no_matrix(header: StreamHeader) -> str | None:
    """Why a stream is not a matrix of blocks x samples, e.g. of items; None where it is one."""
    if header.samples is None:
        return f"a {header.stream} stream has no samples"
    fields = list(header.entry_columns)
    if len(fields) != 2 or fields[0] != header.sidx:
        found = ", ".join(fields) or "nothing"
        return f"a matrix needs one value per sidx, an entry of a {header.stream} stream is {found}"
    if header.entry_columns[fields[1]].kind == "S":
        return f"a matrix needs numbers, the {fields[1]} of a {header.stream} stream is text"
    if len(header.block_columns) < 2:
        return (
            f"a matrix needs an id per row, a {header.stream} stream has only {header.event_column}"
        )
    return None


def densify(
    header: StreamHeader, columns: Columns
) -> tuple[Array, Array, dict[str, Array], dict[str, Array]]:
    """The fields of a Dense for whole blocks, of one event or several, with offsets from 0."""
    if problem := no_matrix(header):
        raise TypeError(problem)
    samples = int(header.samples or 0)
    sidx, loss = columns.entry
    blocks = len(columns.block[0])
    _refuse_misplaced(header, columns, samples)
    # Entry (row, sidx) belongs at row * samples + sidx - 1, a special one after the matrix.
    row = np.repeat(np.arange(blocks), np.diff(columns.offsets))
    place = row * samples + (sidx - 1)
    special = np.flatnonzero(sidx < 0)
    place[special] = blocks * samples
    cells = np.zeros(blocks * samples + 1, loss.dtype)
    cells[place] = loss
    specials: dict[str, Array] = {}
    for name, value in header.format.special_parameters.items():
        found = special[sidx[special] == value]
        if len(found):
            specials[name] = np.full(blocks, np.nan, loss.dtype)
            specials[name][row[found]] = loss[found]
    by_name = dict(zip(header.block_columns, columns.block, strict=True))
    others = {plural: by_name[name] for plural, name in header.extra_columns.items()}
    losses: Array = cells[:-1].reshape(blocks, samples)
    return columns.block[1], losses, specials, others


def _refuse_misplaced(header: StreamHeader, columns: Columns, samples: int) -> None:
    """Raise CorruptStreamError for a sidx that has no place, or one that is taken."""
    sidx = columns.entry[0]
    if not len(sidx):
        return
    low = np.flatnonzero(sidx <= 0)
    unknown = low[~np.isin(sidx[low], list(header.format.special_parameters.values()))]
    if len(unknown) or sidx.max() > samples:
        first = min([*unknown[:1], *np.flatnonzero(sidx > samples)[:1]])
        raise _misplaced(header, columns, first, "has no place in the matrix")
    rises = sidx[1:] > sidx[:-1]
    starts = columns.offsets[1:-1]
    rises[starts[(starts > 0) & (starts < len(sidx))] - 1] = True
    if rises.all():
        return  # as in a good stream, so that none can occur twice in its block
    row = np.repeat(np.arange(len(columns.offsets) - 1), np.diff(columns.offsets))
    key = row * (int(samples) - int(sidx.min()) + 1) + sidx
    order = np.argsort(key, kind="stable")
    again = order[1:][key[order[1:]] == key[order[:-1]]]
    if len(again):
        raise _misplaced(header, columns, again.min(), "occurs twice in its block")


def _misplaced(
    header: StreamHeader, columns: Columns, entry: int, problem: str
) -> CorruptStreamError:
    block = int(np.searchsorted(columns.offsets, entry, side="right")) - 1
    ids = ids_at(header, columns.block, block)
    return CorruptStreamError(
        f"sidx {columns.entry[0][entry]} {problem}",
        ids=ids,
        expected=f"each of 1 to {header.samples} and the special sidx at most once",
    )
