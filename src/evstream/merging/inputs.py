"""One input of a merge: its stream header, its next event, and the bytes of its events."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import numpy as np

from evstream._support.format import Format
from evstream._support.known_formats import find_format
from evstream.errors import CorruptStreamError, plain_id
from evstream.merging.event_ids import descent_in
from evstream.merging.pipes import Pipes
from evstream.reading.meter import Meter
from evstream.reading.stream import EventStream
from evstream.transport.compression import may_be_compressed
from evstream.transport.range_file import local_path
from evstream.transport.reopened_file import ReopenedFile
from evstream.transport.source import CHUNK
from evstream.wire.columns import Array, Chunk, differ, plain, run_starts
from evstream.wire.header import StreamHeader
from evstream.wire.kernels import record_functions
from evstream.writing.output import Outlet


@dataclass(frozen=True)
class ReadOptions:
    """How the inputs are read; as for evstream.open."""

    stream: str | None
    widths: Mapping[str, str] | None
    strict: bool | None
    timeout: float | None
    format: Format | None


class Input:
    """One input, in stretches of whole records, each cut into runs of blocks of one event.

    The stretch in memory has `_ends[i]` as the end of run i in `_bytes`, and `_events[i]` as
    its event. An event may go on in the next stretch.

    Attributes:
        name: of the source, for messages.
        must_ascend: raise CorruptStreamError where an event id is not above the one before.
    """

    def __init__(
        self, source: Any, options: ReadOptions, chunk: int, pipes: Pipes, meter: Meter
    ) -> None:
        self.must_ascend = False
        source = local_path(source)
        self._path = os.fspath(source) if _is_regular_file(source) else None
        self._pipes, self._file = pipes, pipes.opened(source) if self._path is None else None
        self._source, self._options, self._chunk = source, options, chunk
        self._meter, self._read = meter, meter.input()
        self._first_event: Any = None
        self._is_known = False  # whether a first look has found the first event
        self._stream: EventStream | None = None
        self._bytes = bytearray()
        self._used = 0
        self._base = 0
        self._events: Array = np.empty(0, np.int64)
        self._ends: Array = np.empty(0, np.int64)
        self._firsts: Array = np.empty(0, np.int64)
        self._keys: tuple[Array, ...] = ()
        self._starts: Array = np.empty(0, np.int64)
        self._run = 0
        self._last: Any = None
        self._ended = False
        self.name = self._path or ""

    def look(self, check_order: bool) -> tuple[StreamHeader, str | None]:
        """The stream header, and where the event ids do not ascend, None if they do.

        A regular file is read for that, from beginning to end with `check_order`; of others
        only the header is known before they are merged.
        """
        if self._path is None:
            self._open()
        if self._stream is not None:
            return self._stream.header, None
        with self._opened(CHUNK, warn=False) as stream:
            if not check_order:
                return stream.header, None
            return stream.header, self._find_descent(stream)

    def _find_descent(self, stream: EventStream) -> str | None:
        last: Any = None
        for chunk in self._meter.chunks(stream):
            events = chunk.columns.block[0]
            if not len(events):
                continue
            if not self._is_known:
                self._first_event, self._is_known = plain(events[0]), True
            descent = descent_in(events, last)
            if descent is not None:
                self._first_event, self._is_known = None, False
                return f"{self.name}: event {plain_id(events[descent])} comes after a higher one"
            last = plain(events[-1])
        self._ended = not self._is_known
        return None

    @property
    def head(self) -> Any:
        """The next event; None at the end of the input."""
        if self._is_known:
            return self._first_event
        if self._run == len(self._events) and not self._ended:
            self._open()
            self._next_stretch(None)
        return None if self._ended else plain(self._events[self._run])

    @property
    def events(self) -> Array:
        """The events of the stretch in memory that are not copied yet."""
        self._begin()
        return self._events[self._run :]

    @property
    def key_names(self) -> list[str]:
        """The fields that identify a block, that of the event first."""
        assert self._stream is not None
        return list(self._stream.header.key_columns)

    def offset_of(self, event: Any) -> int:
        """Stream offset of an event of the stretch in memory."""
        self._begin()
        run = self._run + int(np.argmin(differ(self._events[self._run :], event)))
        return self._base + (int(self._ends[run - 1]) if run else 0)

    def copy_below(self, limit: Any, out: Outlet) -> None:
        """Copy all events below `limit`, which ascend; None copies all that are left."""
        self._begin()
        while self.head is not None:
            end = len(self._events)
            if limit is not None:
                end = self._run + int(np.searchsorted(self._events[self._run :], limit))
            self._copy_to(end, out)
            if end < len(self._events):
                return
            self._next_stretch(out)

    def copy_stretch(self, out: Outlet) -> None:
        """Copy what is left of the stretch in memory, and go on to the next."""
        self._copy_to(len(self._events), out)
        self._next_stretch(out)

    def copy_event(self, event: Any, out: Outlet) -> dict[tuple[Any, ...], int]:
        """Copy the next event; the ids of its blocks, without the event id, and the stream
        offset of the first block that has them."""
        return self._pass_event(event, out)

    def skip_event(self, event: Any) -> None:
        """Leave the next event out."""
        self._pass_event(event, None)

    def _pass_event(self, event: Any, out: Outlet | None) -> dict[tuple[Any, ...], int]:
        self._begin()
        found: dict[tuple[Any, ...], int] = {}
        while self.head is not None and not differ(self.head, event):
            first, last = self._firsts[self._run], self._firsts[self._run + 1]
            keys = zip(*(column[first:last].tolist() for column in self._keys), strict=True)
            for key, start in zip(keys, self._starts[first:last].tolist(), strict=False):
                found.setdefault(key, self._base + start)
            if out is not None:
                self._copy_to(self._run + 1, out)
            self._run += out is None
            if self._run == len(self._events):
                self._next_stretch(out)
        return found

    def _begin(self) -> None:
        """Load the first stretch of a file whose first event was known without it."""
        if self._is_known:
            self._is_known = False
            self._open()
            self._next_stretch(None)

    def _copy_to(self, run: int, out: Outlet) -> None:
        start = int(self._ends[self._run - 1]) if self._run else 0
        end = int(self._ends[run - 1]) if run else 0
        with memoryview(self._bytes) as view:
            out.append(view[start:end])
        self._run = run

    def _next_stretch(self, out: Outlet | None) -> None:
        """Decode on until there is a run, or the end; a last block that is not closed is
        closed there."""
        stream = self._stream
        assert stream is not None
        del self._bytes[: self._used]
        self._base += self._used
        self._used = self._run = 0
        self._events = self._events[:0]
        while not len(self._events):
            before = stream.offset
            chunk = next(self._chunks, None)
            self._read(stream.bytes_read)
            if chunk is None:
                self._ended = True
                if stream.clean_end is False and out is not None:
                    out.append(_delimiter(stream.header))
                return
            self._cut(chunk, stream)
            if self._used != stream.offset - before:
                next(self._chunks, None)  # raises, where a reader refuses the rest of the stretch
                raise AssertionError("the blocks are not as long as the bytes they came from")

    def _cut(self, chunk: Chunk, stream: EventStream) -> None:
        """The runs of a stretch, with the end of each among its bytes."""
        columns, block = chunk.columns, stream.header.block
        events = columns.block[0]
        if not len(events):
            return
        header_size = stream.header.block_dtype.itemsize
        entry_size = stream.header.entry_size
        sizes = header_size + entry_size * np.diff(columns.offsets)
        if block.delimiter is not None:
            sizes += entry_size
            sizes[-1] -= entry_size if chunk.is_open else 0
        if chunk.continues:
            sizes[0] -= header_size
        starts = run_starts(events)
        if self.must_ascend and (descent := descent_in(events, self._last)) is not None:
            offset = self._base + int(sizes[:descent].sum())
            raise CorruptStreamError(
                "an event comes after a higher one", source=self.name, offset=offset,
                ids={stream.header.event_column: events[descent]},
                expected="event ids that ascend, or order='inputs' (--order inputs)",
            )  # fmt: skip
        self._last = plain(events[-1])
        self._firsts = np.append(starts, len(events))
        block_ends = np.cumsum(sizes)
        self._starts = block_ends - sizes
        self._ends = block_ends[self._firsts[1:] - 1]
        self._events = events[self._firsts[:-1]]
        keys = stream.header.key_columns
        pairs = zip(stream.header.block_columns, columns.block, strict=True)
        self._keys = tuple(column for name, column in pairs if name in keys)[1:]
        self._used = int(self._ends[-1])

    def _open(self) -> None:
        if self._stream is None:
            self._stream = self._opened(self._chunk, tap=self._take)
            self.name = self._stream.name
            self._base = self._stream.header.size
            del self._bytes[: self._base]
            self._chunks = self._stream.chunks()

    def _opened(self, chunk: int, **more: Any) -> EventStream:
        options = self._options
        source: Any
        if self._path is not None:
            source = ReopenedFile(self._path)
        else:
            format, name = find_format(options.format, options.stream, self._source)
            bare = name is not None and format.stream(name).type_word is None
            source = self._pipes.source(self._file, may_be_compressed(self._source, bare))
        return EventStream(
            source, options.stream, widths=options.widths, strict=options.strict,
            timeout=options.timeout, format=options.format, chunk=chunk, **more,
        )  # fmt: skip

    def _take(self, data: memoryview) -> None:
        self._bytes += data

    def __enter__(self) -> Input:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._stream is not None:
            self._stream.close()


def _is_regular_file(source: Any) -> bool:
    return isinstance(source, (str, os.PathLike)) and source != "-" and os.path.isfile(source)


def _delimiter(header: StreamHeader) -> memoryview:
    size = header.record_dtype(str(header.block.entry)).itemsize
    data = np.zeros(size, np.uint8)
    write = getattr(
        record_functions(header.format, header.widths), f"mv_write_{header.block.delimiter}"
    )
    write(data, 0)
    return data.data
