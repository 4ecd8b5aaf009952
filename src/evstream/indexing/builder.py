"""Make an index of the bytes of a stream as they go by.

The tracker says which blocks started and ended in each piece. A stretch is cut at the first event
that starts a megabyte after it, or at the first block after two. Both can be decided when the block
starts, so nothing is read ahead, however large an event is. A block is counted when it has ended,
which is before the next one starts. Checksums wait for the last bytes of a piece where these are
less than a record: only then is it known whether a block starts there.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any

import numpy as np

from evstream._support.arguments import checked_path, function
from evstream._support.checksum import crc32
from evstream._support.format import Format
from evstream._support.known_formats import find_format
from evstream.errors import EvstreamError
from evstream.indexing.files import index_path, refuse_irregular_target
from evstream.indexing.index import (
    OFFSET,
    STRETCH,
    Index,
    Stretches,
    dtypes_of,
    has_order,
    most_runs,
)
from evstream.reading.follower import PIECE, Follower
from evstream.reading.stream_end import report_unclosed
from evstream.transport.compression import MAGIC_SIZE, compression, may_be_compressed
from evstream.transport.environment import strict_of
from evstream.transport.range_file import LocalFile, is_url, open_range_file
from evstream.transport.read_ahead import ReadAhead
from evstream.transport.same_file import refuse_same_file
from evstream.transport.watching import Reading, one_bar
from evstream.wire.columns import Array, differ
from evstream.wire.header import StreamHeader


class IndexBuilder(Follower):
    """Makes an index of the bytes of a stream as they go by.

    Attributes:
        unclosed: after `finish`, the error of a missing final delimiter; else None.
    """

    def __init__(
        self,
        source: str,
        header: StreamHeader | None = None,
        stream: str | None = None,
        widths: Mapping[str, str] | None = None,
        format: Format | None = None,
        *,
        total: int | None = None,
    ) -> None:
        super().__init__(source, header, stream, widths, format, total=total)

    def _begin(self, header: StreamHeader) -> None:
        super()._begin(header)
        dtypes = dtypes_of(header)
        self._event = dtypes["first"]
        self._is_ordered = has_order(header)
        self._records: dict[str, list[Any]] = {name: [] for name in dtypes}
        self._reached = header.size  # blocks that start before it are known
        self._early = b""  # the bytes from there on that have come
        self._last: Array = np.empty(0, self._event)  # event of the block that started last
        self._runs: list[tuple[Array, Array]] | None = []
        self._run_count = 0
        self._most_runs = most_runs(header, self._total)
        self._open(header.size, True)

    def _open(self, offset: int, begins_event: bool) -> None:
        """Begin a stretch."""
        self._offset, self._begins_event = offset, begins_event
        self._first: Array = np.empty(0, self._event)
        self._ranges: list[Array] = []  # lowest and highest of each piece
        self._blocks = self._entries = self._ids = self._checksum = 0

    def _see(self, piece: memoryview) -> None:
        tracker = self.tracker
        reached, self._reached = self._reached, tracker.offset - len(tracker.carry)
        ended = tracker.ended
        # All blocks that start in the piece: those that ended, but for the first one if it
        # started earlier, and the one that is open.
        first = int(np.searchsorted(ended.starts, reached))
        events, starts = ended.events[first:], ended.starts[first:]
        if tracker.is_open and int(tracker.state["start"]) >= reached:
            events = np.append(events, np.asarray([tracker.open_event], self._event))
            starts = np.append(starts, int(tracker.state["start"]))
        counted, summed = 0, reached
        if len(starts):
            before = self._last if len(self._last) else events[:0]
            is_new = np.ones(len(events), bool)
            known = np.concatenate([before, events])
            is_new[len(events) + 1 - len(known) :] = differ(known[1:], known[:-1])
            self._last = events[-1:].copy()
            self._list_runs(events, starts, is_new)
            while (at := self._next_cut(starts, is_new)) is not None:
                cut = int(starts[at])
                self._count(ended.events, ended.entries, counted, first + at)
                self._add_checksum(piece, summed, cut)
                counted, summed = first + at, cut
                self._close()
                self._open(cut, bool(is_new[at]))
        self._count(ended.events, ended.entries, counted, len(ended.events))
        self._add_checksum(piece, summed, self._reached)
        self._early = tracker.carry

    def _next_cut(self, starts: Array, is_new: Array) -> int | None:
        """The first of these blocks at which the stretch ends."""
        soonest, latest = np.searchsorted(
            starts, (self._offset + STRETCH, self._offset + 2 * STRETCH)
        )
        new = np.flatnonzero(is_new[soonest:latest])
        if len(new):
            return int(soonest + new[0])
        return int(latest) if latest < len(starts) else None

    def _list_runs(self, events: Array, starts: Array, is_new: Array) -> None:
        if self._runs is None:
            return
        found = np.flatnonzero(is_new)
        self._run_count += len(found)
        if self._run_count > self._most_runs:
            self._runs = None
        elif len(found):
            self._runs.append((events[found], starts[found]))

    def _count(self, events: Array, entries: Array, first: int, last: int) -> None:
        """Count blocks that ended in the stretch."""
        if first == last:
            return
        events, entries = events[first:last], entries[first:last]
        if not self._blocks:
            self._first = events[:1].copy()
        if self._is_ordered:
            self._ranges.append(lowest_and_highest(events))
        self._blocks += len(events)
        self._entries += int(entries.sum())
        self._ids = crc32(events.tobytes(), self._ids)

    def _add_checksum(self, piece: memoryview, first: int, last: int) -> None:
        """Add the bytes from one stream offset to another; the first of them may have come
        before the piece."""
        base = self.tracker.offset - len(piece)
        if first < base:
            early = self._early[len(self._early) - (base - first) :][: last - first]
            self._checksum = crc32(early, self._checksum)
            first += len(early)
        if last > first:
            self._checksum = crc32(piece[first - base : last - base], self._checksum)

    def _close(self) -> None:
        """Add the record of the stretch."""
        found = {
            "offset": self._offset, "begins_event": self._begins_event, "first": self._first[0],
            "blocks": self._blocks, "entries": self._entries, "ids": self._ids,
            "checksum": self._checksum,
        }  # fmt: skip
        if self._is_ordered:
            found["lowest"], found["highest"] = lowest_and_highest(np.concatenate(self._ranges))
        for name, value in found.items():
            self._records[name].append(value)

    def finish(self, tag: str = "") -> Index:
        """At the end of the stream: judge it; its index. `tag` is that of the file.

        Raises TruncatedStreamError or StreamHeaderError for one that is cut.
        """
        self._finish()
        tracker = self.tracker
        header = tracker.header
        if tracker.is_open:
            event = np.asarray([tracker.open_event], self._event)
            self._count(event, np.asarray([tracker.state["entries"]]), 0, 1)
        if self._blocks:
            self._close()
        dtypes = dtypes_of(header)
        runs = offsets = None
        if self._runs is not None and self._run_count <= most_runs(header, self.size):
            events = [run[0] for run in self._runs]
            runs = np.concatenate([np.empty(0, self._event), *events])
            starts = [run[1] for run in self._runs]
            offsets = np.concatenate([np.empty(0, OFFSET), *starts])
        names = [name for name in dtypes if name not in ("runs", "run_offsets")]
        stretches = Stretches(*(np.array(self._records[n], dtypes[n]) for n in names))
        closed = self.unclosed is None
        return Index(header, self.size, tag, closed, stretches, runs, offsets)


@one_bar
def build_index(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str] | None = None,
    *,
    stream: str | None = None,
    widths: Mapping[str, str] | None = None,
    strict: bool | None = None,
    durable: bool | None = None,
    storage_options: Mapping[str, Any] | None = None,
    format: Format | None = None,
    progress: Callable[[int], None] | None = None,
) -> Index:
    """Index a stream: write where its blocks and events are to a small file next to it.

    `open(path).event(17)`, `read_columns(path, events=[...])` and the other functions that read
    some events of a file use the index as soon as it is there. A copy of the file is indexed by a
    copy of the index; after a change of the file its index is an error, until it is made anew.

    Args:
        source: a path or URL; not compressed.
        target: where to write the index; the path of the source with .evx after it by default.
        stream, widths, strict, format: as for evstream.open; a hole is an error in any case.
        durable: as for evstream.create.
        storage_options: of the object store of a URL.
        progress: called with the number of bytes read so far.

    Returns:
        The index that was written.

    Raises:
        TruncatedStreamError, CorruptStreamError, StreamHeaderError, StreamMismatchError: the
            stream cannot be read to its end, or has a hole; no index is written.
        ChangedSourceError: the file was changed meanwhile.
        EvstreamError: the source is not a regular file, or compressed.
    """
    if progress is not None:
        function("progress", progress)
    format, stream = find_format(format, stream, source)
    bare = stream is not None and format.stream(stream).type_word is None
    with (
        closing(open_range_file(source, storage_options)) as file,
        closing(Reading(file.name, file.size)) as reading,
    ):
        place = index_path(file.name) if target is None else checked_path(target)
        if not is_url(place):
            refuse_same_file([file.name], [place])
            refuse_irregular_target(place)
        builder = IndexBuilder(file.name, None, stream, widths, format, total=file.size)
        buffer = memoryview(bytearray(min(PIECE, file.size)))
        ahead = None if isinstance(file, LocalFile) else ReadAhead(file)
        for at in range(0, file.size, PIECE):
            piece = buffer[: file.size - at]
            if ahead is None:
                file.read_at(at, piece)
            else:
                ahead.fill(piece)
            if at == 0:
                _refuse_compressed(piece, file.name, bare)
            builder.update(piece)
            reading.done = at + len(piece)
            if progress is not None:
                progress(at + len(piece))
        index = builder.finish(file.tag)
    report_unclosed(builder.unclosed, strict_of(strict))
    builder.tracker.checks.finish()
    index.write(place, durable=durable)
    return index


def _refuse_compressed(start: memoryview, name: str, bare: bool) -> None:
    if may_be_compressed(name, bare) and compression(bytes(start[:MAGIC_SIZE])):
        raise EvstreamError(
            "the stream is compressed: an index is of bytes that can be read from the middle",
            source=name, expected="a stream that is not compressed",
        )  # fmt: skip


def lowest_and_highest(events: Array) -> Array:
    """The lowest and the highest id, NaN left out where there is another."""
    if events.dtype.kind == "f":
        return np.array([np.fmin.reduce(events), np.fmax.reduce(events)], events.dtype)
    return np.array([events.min(), events.max()], events.dtype)
