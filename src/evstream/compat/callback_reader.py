"""A reader from three callbacks instead of a copied parsing loop.

    @numba.njit
    def on_block(total, event_id, item_id): ...
    @numba.njit
    def on_entry(total, sidx, loss): ...
    @numba.njit
    def on_block_end(total): ...

    SumReader = evstream.reader_class("loss", on_block, on_entry, on_block_end)
    reader = SumReader(np.zeros(1))
    for event_id in reader.read("gul.bin"): ...

The loop around the callbacks is generated and compiled together with them, so that a callback
costs no call. It goes on at any byte: what lies between two calls is in the `walk` of the feed.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numba

from evstream._support.arguments import described, flag
from evstream._support.format import Format, chosen_format
from evstream._support.protocol import REFUSED
from evstream._support.schema import named_widths
from evstream.compat.event_reader import EventReader
from evstream.compat.feed import Feed, learn
from evstream.compat.known_stream import KNOWN, KnownStream
from evstream.errors import ReaderError, StreamMismatchError, without_traceback
from evstream.reading.index_files import is_placed
from evstream.reading.indexed_blocks import JoinedSource, open_blocks
from evstream.reading.one_reader import OneReader
from evstream.transport.compression import may_be_compressed
from evstream.transport.endpoints import SourceLike
from evstream.transport.file_objects import name_of, read_fully
from evstream.transport.source import Source
from evstream.wire.entry_limits import entry_limits, limits_of_values, outside
from evstream.wire.header import StreamHeader
from evstream.wire.header_bytes import read_header
from evstream.wire.kernels import block_kernels, new_states


class CallbackReader(EventReader):
    """Base of the classes that `reader_class` makes; an EventReader in every other way.

    Attributes:
        state: the first argument of the callbacks.
    """

    buffer_size = 1 << 19  # fewer calls per byte, and still in the processor's cache
    header: StreamHeader
    _read_buffer: Any

    def __init__(self, state: Any) -> None:
        self.state = state
        self._feeds: list[Feed] = []
        self._headers: list[StreamHeader] = []
        self._limits: list[tuple[Any, ...]] = []
        self._walks: list[Any] = []
        self._records: list[Any] = []
        self._skips: list[int] = []

    def read(self, *sources: SourceLike) -> Iterator[int]:
        """Open sources of any kind that evstream.open takes, read all their events, close them.

        Yields:
            event_id, after on_block_end was called for the last block of the event. With
            several sources, one event at a time from each in turn.

        Raises:
            StreamMismatchError: two sources have different headers, or one is not of the type
                of this reader.
            CorruptStreamError: an entry breaks a limit; see reader_class.
            EvstreamError: two threads use the iterator at the same time.
        """
        first = sources[0] if sources else "no source"
        name = os.fspath(first) if isinstance(first, (str, os.PathLike)) else name_of(first)
        return OneReader(self._read(sources), name)

    def _read(self, sources: Sequence[SourceLike]) -> Generator[int]:
        streams: list[Source] = []
        first: StreamHeader | None = None
        try:
            bare = self.header.spec.type_word is None
            name = self.header.stream if bare else None
            # Open all before any is read: one program may write them all, and open all first.
            for source in sources:
                streams.append(self._source_of(source, name))
            for source, stream in zip(sources, streams, strict=True):
                if may_be_compressed(source, bare) and not isinstance(stream, JoinedSource):
                    stream.expand()
                header = read_header(
                    partial(read_fully, stream.readinto), stream.name, name,
                    self.header.widths, self.header.format, self.header.named,
                )  # fmt: skip
                learn(stream, KnownStream(header, header.size))
                first = first or header
                _check_same(header, stream.name, first, streams[0].name)
            yield from self.read_streams(streams)
        finally:
            for stream in streams:
                stream.close()

    def _source_of(self, source: SourceLike, stream: str | None) -> Source:
        header = self.header
        if not is_placed(header.format, stream):
            return Source(source, expand=False, timeout=self.timeout)
        return open_blocks(source, header.format, str(stream), header.widths, strict=False)

    def read_streams(self, streams_in: Sequence[Any]) -> Iterator[int]:
        """See EventReader.read_streams; the streams must be of the type of this reader.

        Raises:
            StreamMismatchError: a stream has other blocks or widths than this reader.
        """
        self._headers = []
        for stream in streams_in:
            known = KNOWN.get(stream)
            self._headers.append(self._check(stream, known.header if known else None))
        self._limits = [entry_limits(header) for header in self._headers]
        return super().read_streams(streams_in)

    def _check(self, stream: Any, found: StreamHeader | None) -> StreamHeader:
        """Refuse a stream with other blocks or other widths than this reader."""
        ours = self.header
        if found is None or found.block != ours.block:
            problem = f"this is a stream of type {found.stream if found else 'unknown'}"
            expected = f"the blocks of a {ours.stream} stream, and a header read by evstream"
        elif found.used_widths != ours.used_widths:
            problem = f"this stream is read with {_listed(found.used_widths)}"
            expected = f"{_listed(ours.used_widths)}, the widths of this reader"
        else:
            return found
        raise StreamMismatchError(problem, source=name_of(stream), offset=0, expected=expected)

    def _take_up(self, feeds: Sequence[Feed]) -> None:
        for feed in feeds:
            if feed.refused is not None:
                raise without_traceback(feed.refused)
        self._feeds = list(feeds)
        self._skips = [max(feed.body - feed.base, 0) for feed in feeds]
        for feed in feeds:
            if feed.walk is None and feed.tracker and feed.tracker.ids_at(feed.base):
                raise ReaderError(
                    "another reader left this stream inside a block",
                    source=feed.name, offset=feed.base, ids=feed.tracker.ids_at(feed.base),
                )  # fmt: skip
            if feed.walk is None:
                feed.walk = new_states(self.header)
        self._walks = [feed.walk for feed in feeds]
        self._records = [walk[0] for walk in self._walks]

    def _check_yield(self, feed: Feed, event_id: int, cursor: int) -> None:
        """Check nothing: the loop around the callbacks is generated and cannot go astray."""
        feed.yields.offset, feed.yields.at_end = feed.base + cursor, True

    def read_buffer(
        self, byte_mv: Any, cursor: int, valid_buff: int, event_id: int, item_id: int,
        file_idx: int = 0, **_: Any,
    ) -> tuple[int, int, int, Any]:  # fmt: skip
        """See EventReader.read_buffer."""
        skip = self._skips[file_idx]
        if valid_buff - cursor < skip:
            return cursor, 0, 0, False
        self._skips[file_idx] = 0
        cursor, event, status = self._read_buffer(
            byte_mv, cursor + skip, valid_buff, self._walks[file_idx], self.state,
            self._limits[file_idx],
        )  # fmt: skip
        if status == REFUSED:
            feed, header = self._feeds[file_idx], self._headers[file_idx]
            offset = feed.base + feed.part + cursor
            ids = feed.tracker.ids_at(offset) if feed.tracker else {}
            error = outside(header, byte_mv[cursor:], feed.name, offset, ids)
            feed.refused = without_traceback(error)  # which would hold the stream
            raise error
        in_event = self._records[file_idx]["in_event"]
        return cursor, int(event) if status or in_event else 0, 0, bool(status)


def reader_class(
    stream: str,
    on_block: Callable[..., None] | None = None,
    on_entry: Callable[..., None] | None = None,
    on_block_end: Callable[..., None] | None = None,
    *,
    widths: Mapping[str, str] | None = None,
    format: Format | None = None,
    check: bool = True,
) -> type[CallbackReader]:
    """Make a reader class from njit callbacks, each of which is optional.

    Args:
        stream: the type to read, e.g. "loss"; it also reads streams with the same blocks.
        on_block: on_block(state, event_id, item_id) at a block header, with all its
            fields in wire order: (state, event_id, summary_id, exposure_value) for a
            summary stream, (state, event_id, areaperil_id, vulnerability_id, no_of_bins)
            for cdf.
        on_entry: on_entry(state, sidx, loss), or (state, prob_to, bin_mean) for cdf.
        on_block_end: on_block_end(state), at the end of each block.
        widths, format: as for evstream.open.
        check: refuse an entry, before a callback sees it, whose sidx is above the len_sample of
            the stream header, or below 1 and not one of the special ones of the stream. So a
            callback can use the sidx as an index. False skips this check (docs/reliability.md).

    Returns:
        A class; its constructor takes the state: any argument of njit code, such as an array,
        a record, or a tuple of arrays.
    """
    format = chosen_format(format)
    stream = format.stream(stream).name
    named = named_widths(format.scalars, widths)
    header = StreamHeader(stream, {}, widths or {}, format, named)
    if header.block.entry is None:
        raise ValueError(f"a {stream} stream has no entries to read by callbacks")
    kernels = block_kernels(header)
    given = {"on_block": on_block, "on_entry": on_entry, "on_block_end": on_block_end}
    callbacks = [_compiled(name, callback) for name, callback in given.items()]
    members = {
        "header": header,
        "_read_buffer": staticmethod(kernels.make_read_buffer(*callbacks, flag("check", check))),
        "__doc__": f"Reads {stream} streams with callbacks.",
    }
    return type(f"{stream.capitalize()}CallbackReader", (CallbackReader,), members)


def _compiled(name: str, callback: Callable[..., None] | None) -> Any:
    if callback is None:
        return _nothing
    if hasattr(callback, "py_func"):
        return callback
    if not inspect.isfunction(callback):
        raise TypeError(f"{name} is {described(callback)}, expected a function")
    return numba.njit(callback)


@numba.njit
def _nothing(*_):  # type: ignore[no-untyped-def]
    pass


def _check_same(header: StreamHeader, name: str, first: StreamHeader, first_name: str) -> None:
    """Refuse a stream with another type, or other limits of its entries, than the first one."""
    ours, theirs = limits_of_values(header), limits_of_values(first)
    if (header.stream, ours) == (first.stream, theirs):
        return
    raise StreamMismatchError(
        f"this is a {header.stream} stream{_with(ours)}", source=name, offset=0,
        expected=f"a {first.stream} stream{_with(theirs)} as in {first_name}",
    )  # fmt: skip


def _with(values: Mapping[str, int]) -> str:
    return "".join(f" with {name} {value}" for name, value in values.items())


def _listed(widths: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {width}" for name, width in widths.items())
