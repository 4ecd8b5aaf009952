"""The beginning that two streams have in common, compared chunk by chunk.

Files with the same bytes are decoded to the same chunks. While a chunk of A has the bits of the
chunk of B, nothing has to be cut into events, joined and matched. The event that is under way is
kept: where the streams part, each goes on with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

import numpy as np

from evstream.comparison.matched import Comparer
from evstream.reading.stream import EventStream
from evstream.wire.columns import Array, Chunk, Columns, cut, differ, run_starts


class Common:
    """Reads two streams until their chunks differ.

    Attributes:
        events: number of events that are whole and the same.
        last: id of the last of them.
        ascending: whether the id of each is above the one before.
        a, b: the chunks that are left, from the beginning of the event that is under way.
    """

    def __init__(
        self,
        a: EventStream,
        b: EventStream,
        comparer: Comparer,
        progress: Callable[[int], object] | None,
    ) -> None:
        self.events = self._items = self._records = 0
        self.last: Any = None
        self.ascending = True
        self._parts: list[Chunk] = []
        chunks_a, chunks_b = a.chunks(), b.chunks()
        while True:
            one, other = next(chunks_a, None), next(chunks_b, None)
            if one is None or other is None or not _are_alike(one, other):
                break
            self._take(one, comparer)
            if progress is not None:
                progress(a.bytes_read)
        self.a: Iterator[Chunk] = chain(self._parts, _found(one), chunks_a)
        self.b: Iterator[Chunk] = chain(self._parts, _found(other), chunks_b)

    def _take(self, chunk: Chunk, comparer: Comparer) -> None:
        """Count what is whole with this chunk, and keep the rest."""
        columns, ids, first = chunk.columns, chunk.columns.block[0], int(chunk.continues)
        if not len(ids):
            return
        begins, offsets = run_starts(ids), columns.offsets
        before = self._parts[-1].columns.block[0][-1:] if self._parts else ids[:0]
        if len(before) and (chunk.continues or not differ(before[0], ids[0])):
            begins = begins[1:]
        if len(begins):
            edge = int(begins[-1])
            whole: Array = np.concatenate([before, ids[begins[:-1]]])
            items = self._items + edge - (first if edge else 0)
            comparer.same(len(whole), items, self._records + int(offsets[edge] - offsets[0]))
            self._note(whole)
            chunk = chunk._replace(columns=cut(columns, edge, len(ids)), continues=False)
            self._parts, self._items, self._records, first = [], 0, 0, 0
        self._parts.append(chunk)
        self._items += len(chunk.columns.block[0]) - first
        self._records += int(chunk.columns.offsets[-1] - chunk.columns.offsets[0])

    def _note(self, events: Array) -> None:
        """Note the ids of events that are whole."""
        if not len(events):
            return
        self.ascending &= bool((events[1:] > events[:-1]).all())
        self.ascending &= self.events == 0 or bool(self.last < events[0])
        self.last = events[-1]
        self.events += len(events)


def _found(chunk: Chunk | None) -> list[Chunk]:
    return [] if chunk is None else [chunk]


def _are_alike(a: Chunk, b: Chunk) -> bool:
    """Whether two chunks hold the same bits of the same part of a stream."""
    return (
        (a.continues, a.skipped, a.is_open) == (b.continues, b.skipped, b.is_open)
        and np.array_equal(a.columns.offsets, b.columns.offsets)
        and same_bits(a.columns, b.columns)
    )


def same_bits(a: Columns, b: Columns, kinds: str = "iufS") -> bool:
    """Whether all columns of these kinds of dtype are the same, bit for bit."""
    columns = zip((*a.block, *a.entry), (*b.block, *b.entry), strict=True)
    return all(
        x.dtype == y.dtype and np.array_equal(_bits(x), _bits(y))
        for x, y in columns
        if x.dtype.kind in kinds
    )


def _bits(column: Array) -> Array:
    """The values as unsigned integers; texts as they are."""
    bits: Array = column if column.dtype.kind == "S" else column.view(f"u{column.itemsize}")
    return bits
