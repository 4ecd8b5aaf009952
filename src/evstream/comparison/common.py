"""The beginning that two streams have in common, compared chunk by chunk.

Files with the same bytes are decoded to the same chunks. While a chunk of A has the bits of the
chunk of B, nothing has to be cut into events, joined and matched. The event that is under way is
kept: where the streams part, each goes on with it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

import numpy as np

from evstream.comparison.matched import Comparer
from evstream.errors import ChangedSourceError
from evstream.reading.stream import EventStream
from evstream.transport.range_file import is_url
from evstream.wire.columns import Array, Chunk, Columns, cut, differ, run_starts


def reader_again(stream: EventStream) -> Callable[[], EventStream] | None:
    """What opens the file of a stream again; None for another source."""
    (source,) = stream.sources[:1] or [None]
    is_path = isinstance(source, (str, os.PathLike)) and source != "-"
    if not is_path or len(stream.sources) > 1 or stream.size is None:
        return None
    if is_url(source) or not os.path.isfile(source):
        return None
    header = stream.header
    return lambda: EventStream(
        source, header.stream, widths=header.widths, strict=False, warn=False,
        format=header.format, named=header.named,
    )  # fmt: skip


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
        *,
        sums: bool = True,
    ) -> None:
        """Without `sums`, the values of what is the same are not summed here."""
        self._sums = sums
        self.items = self.records = 0
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
        self.has_parted = one is not None or other is not None
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
            records = self._records + int(offsets[edge] - offsets[0])
            comparer.same(len(whole), items, records)
            self.items, self.records = self.items + items, self.records + records
            if self._sums:
                for part in (*self._parts, chunk._replace(columns=cut(columns, 0, edge))):
                    comparer.changes.same(part.columns, int(part.continues))
            self._note(whole)
            chunk = chunk._replace(columns=cut(columns, edge, len(ids)), continues=False)
            self._parts, self._items, self._records, first = [], 0, 0, 0
        self._parts.append(chunk)
        self._items += len(chunk.columns.block[0]) - first
        self._records += int(chunk.columns.offsets[-1] - chunk.columns.offsets[0])

    def sum_again(self, reopened: Callable[[], EventStream], comparer: Comparer) -> None:
        """Sum the values of what is the same, from a file that is read again: streams that are the
        same to their end do not need the sums, and most are.

        Raises ChangedSourceError if the file has become shorter.
        """
        items, records = self.items, self.records
        with reopened() as stream:
            for chunk in stream.chunks() if items else ():
                first = int(chunk.continues)
                last = min(items + first, len(chunk.columns.block[0]))
                columns = cut(chunk.columns, 0, last)
                if (size := int(columns.offsets[-1])) > records:  # the last block goes on
                    entry = tuple(column[:records] for column in columns.entry)
                    offsets = np.minimum(columns.offsets, records)
                    columns, size = Columns(columns.block, offsets, entry), records
                comparer.changes.same(columns, first)
                items, records = items - (last - first), records - size
                if not items and not records:
                    return
            if items or records:
                raise ChangedSourceError("the file has become shorter", source=stream.name)

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
