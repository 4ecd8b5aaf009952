"""Chunks joined where a block goes on from one to the next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from evstream.wire.columns import Chunk, Columns, cut
from evstream.wire.header import StreamHeader


def whole_blocks(header: StreamHeader, chunks: Iterable[Chunk]) -> Iterator[Columns]:
    """The blocks of chunks that follow one another, with offsets from 0, those of a chunk at a
    time; a block that spans several chunks by itself."""
    held: list[Chunk] = []  # the pieces of a block that goes on
    for chunk in chunks:
        columns, first, last = chunk.columns, 0, len(chunk.columns.block[0])
        if held and last and chunk.continues:
            held.append(chunk._replace(columns=cut(columns, 0, 1)))
            first = 1
        if held and (last > first or not chunk.is_open):
            yield join_chunks(header, held)
            held = []
        if last > first and chunk.is_open:
            last -= 1
            held = [chunk._replace(columns=cut(columns, last, last + 1), continues=False)]
        if last > first:
            yield cut(columns, first, last)
    if held:
        yield join_chunks(header, held)


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
