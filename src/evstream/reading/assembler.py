"""Put the events together from chunks of columns.

An event ends where the next event id starts, or at the end of the stream. So the last event of each
chunk is kept as a part until the next chunk shows whether it goes on. An event inside one chunk
shares the memory of the chunk. One that spans several chunks is joined once, when it is complete,
so that its bytes are copied once however many parts it has. A part may start in the middle of a
block; then its first entries belong to the last block of the part before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from evstream.wire.columns import Array, Chunk, Columns, differ, plain, run_starts
from evstream.wire.event import Event, events_between
from evstream.wire.header import StreamHeader


@dataclass(frozen=True)
class _Part:
    """Blocks first:last of some columns. With `continues`, block `first` is the rest of the last
    block of the part before."""

    columns: Columns
    first: int
    last: int
    continues: bool

    def entry(self, index: int) -> Array:
        offsets = self.columns.offsets
        return self.columns.entry[index][offsets[self.first] : offsets[self.last]]


class EventAssembler:
    """Keeps the event that is being read between two chunks."""

    def __init__(self, header: StreamHeader) -> None:
        self._header = header
        self._event_class: type[Event] = header.format.module("events").EVENT_CLASSES[
            header.block.name
        ]
        self._parts: list[_Part] = []

    def push(self, chunk: Chunk) -> Iterator[Event]:
        """Take the next chunk; returns the events that are complete after it."""
        columns, continues = chunk.columns, chunk.continues
        ids = columns.block[0]
        if not len(ids):
            return iter(())
        spanning: list[Event] = []
        if self._parts and not continues and differ(self._last_id, ids[0]):
            spanning.append(self._complete())
        edges = [*run_starts(ids).tolist(), len(ids)]
        if self._parts and len(edges) > 2:
            self._parts.append(_Part(columns, 0, edges[1], continues))
            spanning.append(self._complete())
            continues = False
            edges = edges[1:]
        self._parts.append(_Part(columns, edges[-2], edges[-1], continues))
        # One event at a time: a list of events would keep the garbage collector busy.
        return chain(spanning, events_between(self._event_class, self._header, columns, edges[:-1]))

    def finish(self) -> Iterator[Event]:
        """The last event, at the end of the stream."""
        return iter([self._complete()] if self._parts else ())

    @property
    def event_key(self) -> Any:
        """The event that is being read, None before the first."""
        return plain(self._last_id) if self._parts else None

    @property
    def _last_id(self) -> Any:
        part = self._parts[-1]
        return part.columns.block[0][part.first]

    def _complete(self) -> Event:
        parts, self._parts = self._parts, []
        if len(parts) == 1:
            return self._event_class(self._header, parts[0].columns, parts[0].first, parts[0].last)
        columns = _joined(parts)
        return self._event_class(self._header, columns, 0, len(columns.block[0]))


def _joined(parts: list[_Part]) -> Columns:
    """Join the parts of one event; the first block of a part that continues is joined as well."""
    counts = [np.diff(p.columns.offsets[p.first : p.last + 1]) for p in parts]
    skipped = [int(p.continues) for p in parts]
    skipped[0] = 0
    open_counts = counts[0]  # of the last part that begins a block
    for i, skip in enumerate(skipped):
        if skip:
            open_counts[-1] += counts[i][0]
            counts[i] = counts[i][1:]
        if len(counts[i]):
            open_counts = counts[i]
    offsets = np.concatenate([[0], np.cumsum(np.concatenate(counts))])

    def block_column(index: int) -> Array:
        pieces = zip(parts, skipped, strict=True)
        return np.concatenate([p.columns.block[index][p.first + s : p.last] for p, s in pieces])

    def entry_column(index: int) -> Array:
        return np.concatenate([p.entry(index) for p in parts])

    first = parts[0].columns
    return Columns(
        tuple(block_column(i) for i in range(len(first.block))),
        offsets.astype(np.int64),
        tuple(entry_column(i) for i in range(len(first.entry))),
    )
