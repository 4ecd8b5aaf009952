"""All blocks of a stream as one matrix, for those who think in matrices."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from evstream._support.format import Format
from evstream.extras import import_extra
from evstream.indexing.opening import chunks_of
from evstream.reading.ids import Ids
from evstream.reading.selection import Selection
from evstream.reading.sources import open_stream
from evstream.reading.stream import EventStream
from evstream.transport.endpoints import SourcesLike
from evstream.wire.columns import Array, Chunk, Columns
from evstream.wire.event import densify, no_matrix
from evstream.wire.header import StreamHeader


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
        source, stream, widths=widths, strict=strict, timeout=timeout, verify=verify, format=format
    ) as opened:
        header = opened.header
        if problem := no_matrix(header):
            raise TypeError(problem)
        selection = Selection(header, events, items=items)
        columns = join_chunks(header, map(selection.blocks, _chunks(opened, selection)))
        selection.warn_absent(opened.name)
    return DenseTable(columns.block[0], *densify(header, columns))


def _chunks(stream: EventStream, selection: Selection) -> Iterator[Chunk]:
    for one in stream.streams():
        yield from chunks_of(one, selection.events)


def join_chunks(header: StreamHeader, chunks: Iterable[Chunk]) -> Columns:
    """Chunks that follow one another as one, in which a block that spans several is one."""
    parts = [chunk for chunk in chunks if len(chunk.columns.block[0])]
    if not parts:
        block = tuple(np.empty(0, dtype) for dtype in header.block_columns.values())
        entry = tuple(np.empty(0, dtype) for dtype in header.entry_columns.values())
        return Columns(block, np.zeros(1, np.int64), entry)
    counts = np.concatenate([np.diff(part.columns.offsets) for part in parts])
    begins = np.ones(len(counts), bool)
    firsts = np.cumsum([0, *(len(part.columns.block[0]) for part in parts[:-1])])
    begins[firsts] = [not part.continues for part in parts]
    counts = np.add.reduceat(counts, np.flatnonzero(begins))
    blocks = zip(*(part.columns.block for part in parts), strict=True)
    entries = zip(*(part.columns.entry for part in parts), strict=True)
    return Columns(
        tuple(np.concatenate(column)[begins] for column in blocks),
        np.concatenate([[0], np.cumsum(counts)]),
        tuple(np.concatenate(column) for column in entries),
    )
