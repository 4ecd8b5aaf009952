"""All blocks of a stream as one matrix, for those who think in matrices.

Each chunk goes into the matrix while it is in the cache. How many rows there are shows at the end;
what the first chunk has lets guess it, so that the matrix rarely has to grow.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from evstream._support.format import Format
from evstream._support.jit import is_enabled
from evstream.errors import CorruptStreamError
from evstream.extras import import_extra
from evstream.indexing.opening import chunks_of
from evstream.reading.ids import Ids
from evstream.reading.selection import Selection
from evstream.reading.sources import open_stream
from evstream.transport.endpoints import SourcesLike
from evstream.transport.source import LARGE_CHUNK
from evstream.transport.watching import one_bar
from evstream.wire.columns import Array, Columns, kept
from evstream.wire.event import densify, no_matrix
from evstream.wire.header import StreamHeader
from evstream.wire.whole_blocks import whole_blocks


class DenseTable(NamedTuple):
    """The losses of many events as a matrix, a row per block in the order of the stream.

    Attributes:
        event_ids: shape (blocks,).
        ids: item (or coverage, or summary) ids, shape (blocks,).
        losses: float array, shape (blocks, len_sample); column j is sidx j + 1, 0 where
            the stream has none.
        specials: name ("mean", "tiv", ...) -> float array, shape (blocks,), NaN where a
            block has none. Only the specials that occur.
        columns: what else a block has, e.g. "exposure_values" of a summary stream -> array,
            shape (blocks,).
    """

    event_ids: Array
    ids: Array
    losses: Array
    specials: dict[str, Array]
    columns: dict[str, Array]

    def to_xarray(self) -> Any:
        """The matrix as an xarray.Dataset of the dimensions block and sidx, which `to_netcdf` and
        `to_zarr` write; needs evstream[xarray]. The ids of events and items are coordinates."""
        per_block = {**self.specials, **self.columns}
        data = {name: ("block", column) for name, column in per_block.items()}
        sidx = np.arange(1, self.losses.shape[1] + 1)
        ids = {"event": ("block", self.event_ids), "item": ("block", self.ids)}
        losses = {"losses": (("block", "sidx"), self.losses)}
        return import_extra("xarray").Dataset({**losses, **data}, {**ids, "sidx": sidx})


@one_bar
def read_dense(
    source: SourcesLike,
    events: Ids = None,
    *,
    items: Ids = None,
    stream: str | None = None,
    widths: Mapping[str, str] | None = None,
    strict: bool | None = None,
    timeout: float | None = None,
    verify: bool = False,
    format: Format | None = None,
) -> DenseTable:
    """Read a whole stream of samples into a matrix.

    Args:
        source, stream, widths, strict, timeout, verify, format: as for evstream.open.
        events, items: only these ids, as for evstream.read_columns.

    Raises:
        CorruptStreamError: a sidx has no place in the matrix: above len_sample, an unknown
            special, or twice in a block.
        TypeError: the stream has no samples, or several values per sidx.
    """
    with open_stream(
        source, stream, widths=widths, strict=strict, timeout=timeout, verify=verify, format=format,
        chunk=LARGE_CHUNK,
    ) as opened:  # fmt: skip
        header = opened.header
        if problem := no_matrix(header):
            raise TypeError(problem)
        selection, matrix = Selection(header, events, items=items), _Matrix(header)
        for one in opened.streams():
            chunks = map(selection.blocks, chunks_of(one, selection.events))
            size = (opened.size or 0) if selection.is_all else 0
            for columns in whole_blocks(header, chunks):
                matrix.add(columns, size / max(one.offset, 1))
        selection.warn_absent(opened.name)
    return matrix.table()


class _Matrix:
    """A matrix that grows by blocks. The first error is raised at the end, since what is wrong with
    the stream comes before it."""

    def __init__(self, header: StreamHeader) -> None:
        self._header = header
        self._samples = int(header.samples or 0)
        self._dtype = header.entry_columns[list(header.entry_columns)[1]]
        self._known = np.array(list(header.format.special_parameters.values()))
        self._cells: Array = np.zeros((0, self._samples), self._dtype)
        self._used = 0
        self._blocks: list[tuple[Array, ...]] = []
        self._specials: dict[str, list[tuple[Array, Array]]] = {}
        self._error: CorruptStreamError | None = None

    def add(self, columns: Columns, share: float) -> None:
        """Add whole blocks, with offsets from 0; `share` is how much the stream has in all, as a
        multiple of what it had so far."""
        if self._error is not None:
            return
        count = len(columns.block[0])
        end = self._used + count
        if end > len(self._cells):
            self._grow(end, max(end, 2 * self._used, int(end * min(1.02 * share, _MOST_GROWTH))))
        try:
            self._place(columns, self._cells[self._used : end])
        except CorruptStreamError as error:
            self._error = error
        self._blocks.append(tuple(column.copy() for column in columns.block))
        self._used = end

    def _grow(self, least: int, rows: int) -> None:
        """Make room for so many rows, at least for those that are needed now."""
        try:
            grown = np.zeros((rows, self._samples), self._dtype)  # takes memory as it is written to
        except MemoryError:
            grown = np.zeros((least, self._samples), self._dtype)
        grown[: self._used] = self._cells[: self._used]
        self._cells = grown

    def _place(self, columns: Columns, cells: Array) -> None:
        sidx, values = columns.entry
        special = np.flatnonzero(sidx < 0)
        numbers = sidx[special]
        is_plain = is_enabled() and sidx.dtype.kind == "i"
        if is_plain and np.isin(numbers, self._known).all():
            from evstream.wire.matrix_kernels import place_samples

            is_plain = bool(place_samples(sidx, columns.offsets, values, cells))
        else:
            is_plain = False
        if not is_plain:
            cells[:] = densify(self._header, columns)[1]
        rows = np.searchsorted(columns.offsets, special, side="right") - 1 + self._used
        for name, number in self._header.format.special_parameters.items():
            found = np.flatnonzero(numbers == number)
            if len(found):
                piece = rows[found], values[special[found]]
                self._specials.setdefault(name, []).append(piece)

    def table(self) -> DenseTable:
        """What was added. Raises CorruptStreamError for a sidx without a place."""
        if self._error is not None:
            raise self._error
        header, specials = self._header, {}
        for name in header.format.special_parameters:
            if name in self._specials:
                rows, values = map(np.concatenate, zip(*self._specials[name], strict=True))
                specials[name] = np.full(self._used, np.nan, self._dtype)
                specials[name][rows] = values
        none = tuple(np.empty(0, dtype) for dtype in header.block_columns.values())
        block = [np.concatenate(pieces) for pieces in zip(none, *self._blocks, strict=True)]
        by_name: dict[str, Any] = dict(zip(header.block_columns, block, strict=True))
        others = {plural: by_name[name] for plural, name in header.extra_columns.items()}
        return DenseTable(block[0], block[1], kept(self._cells, self._used), specials, others)


_MOST_GROWTH = 16
"""How many times as many rows a guess may make room for."""
