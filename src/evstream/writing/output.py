"""Where the bytes of a stream go: a reused buffer, then the sink, with a seal and index if wanted.

What is left after a failure never looks complete: a file does not appear, and a pipe or
other object gets a stream that ends inside a record, which a reader refuses. See `stream_edge`.
"""

from __future__ import annotations

import contextlib
import os
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from evstream._support.arguments import checked_path, described, one_line
from evstream.checking.seal import Sealer, refuse_irregular, seal_path
from evstream.errors import EvstreamError, emit
from evstream.indexing.builder import IndexBuilder
from evstream.indexing.files import index_path, refuse_irregular_target
from evstream.transport.compression import compression_by_name, compressor
from evstream.transport.range_file import is_url, local_path
from evstream.transport.same_file import is_same_place
from evstream.transport.sink import Sink, SinkFile
from evstream.wire.header import StreamHeader
from evstream.wire.stream_edge import Edge, give_up
from evstream.writing.placed_blocks import placed_target

BUFFER = 1 << 18
"""Bytes collected before they are written."""

FLUSH_SECONDS = 0.1
"""A pipe gets what is collected at the next write after this long."""


class Outlet:
    """Where an encoder puts its bytes: at `cursor` of `buffer`, with a `drain` when it is full.

    Attributes:
        name: of the target, for messages.
        buffer: uint8, shape (BUFFER,).
        cursor: bytes of it that wait to be written.
        closed: whether the stream is complete, or given up.
    """

    def __init__(
        self,
        target: Any,
        header: StreamHeader,
        seal: str | bool,
        durable: bool | None = None,
        index: str | bool = False,
        storage_options: Mapping[str, Any] | None = None,
    ) -> None:
        if isinstance(target, (str, os.PathLike)):
            checked_path(target)
        self._seal = _path_beside(target, "seal", seal, seal_path, refuse_irregular)
        self._index = _path_beside(target, "index", index, index_path, refuse_irregular_target)
        for name, path in (("seal", self._seal), ("index", self._index)):
            if path and is_same_place(path, target):
                raise ValueError(f"{one_line(path)}: the {name} would take the place of the stream")
        if self._seal and self._index and is_same_place(self._seal, self._index):
            raise ValueError(f"{one_line(self._seal)}: the seal and the index need a file each")
        if self._index and compression_by_name(target) is not None:
            raise ValueError(f"{one_line(target)}: a compressed stream has no index")
        self._durable = durable
        self._header = header
        self._storage_options = storage_options
        self._sink = Sink(target, durable=durable, storage_options=storage_options)
        try:
            kind = compression_by_name(target)
            self._file: Any = self._sink
            if kind is not None:
                self._file = compressor(kind, SinkFile(self._sink))
            self._placed = placed_target(self._sink.write, header, target)
            if self._placed is not None:
                self._file = self._placed
                if self._seal or self._index:
                    kind_of = "seal" if self._seal else "index"
                    raise EvstreamError(
                        f"a {kind_of} of a {header.stream} file, whose blocks another file places",
                        source=self._sink.name,
                    )
            self._edge = Edge(self._file.write, header, ends_records=True)
            self._is_plain = kind is None and self._placed is None
            self._sealer = Sealer(self._sink.name, header) if self._seal else None
            self._indexer = IndexBuilder(self._sink.name, header) if self._index else None
            self._followers = [f for f in (self._sealer, self._indexer) if f is not None]
            self._flushed = time.monotonic()
            self._process = os.getpid()
            self.name = self._sink.name
            self.buffer = np.empty(BUFFER, np.uint8)
            self.closed = False
            start = header.to_bytes()
            self.buffer[: len(start)] = np.frombuffer(start, np.uint8)
            self.cursor = len(start)
            self._abandoned = weakref.finalize(
                self, _abandon, self._sink, self._edge if self._is_plain else None, self._process
            )
        except BaseException:
            self._sink.abort()
            raise

    @property
    def offset(self) -> int:
        """Bytes of the stream so far, those included that wait."""
        return self._edge.position + self.cursor

    def refuse_closed(self) -> None:
        """Raise ValueError if nothing can be written any more, or not by this process."""
        if self.closed:
            raise ValueError(f"{one_line(self.name)}: the stream is closed")
        if os.getpid() != self._process:
            name = one_line(self.name)
            raise ValueError(f"{name}: the stream is another process's, this one was forked")

    def drain(self, *, whole: bool = False) -> None:
        """Write what waits, up to a place inside a record, or with `whole` to its end.

        A failure gives the stream up, since it is unknown how much of it was taken.
        """
        view = self.buffer.data[: self.cursor]
        try:
            size = self._edge.hand_on(view, whole=whole)
            for follower in self._followers:
                follower.update(view[:size])
        except BaseException:
            self._abort(view)
            raise
        self.cursor -= size
        self.buffer[: self.cursor] = self.buffer[size : size + self.cursor]

    def append(self, data: memoryview) -> None:
        """Take bytes of the stream as they are."""
        self._edge.ends_records = False  # the buffer is full at any byte
        while data:
            room = len(self.buffer) - self.cursor
            piece = data[:room]
            self.buffer.data[self.cursor : self.cursor + len(piece)] = piece
            self.cursor += len(piece)
            data = data[room:]
            if data:
                self.drain()

    def flush(self) -> None:
        """Hand everything so far to the target but the last byte, which a reader would need to
        take the stream for complete; a stream header alone goes whole, since a reader may wait
        for it. A failure gives the stream up, as in `drain`."""
        self.drain(whole=self.offset == self._header.size)
        try:
            if not self._is_plain:
                self._file.flush()
            self._sink.flush()
        except BaseException:
            self.abort()
            raise
        self._flushed = time.monotonic()

    def flush_if_due(self) -> None:
        """Flush, so that a pipe's reader need not wait for a full buffer."""
        if not self._sink.is_file and time.monotonic() - self._flushed > FLUSH_SECONDS:
            self.flush()

    def close(self) -> None:
        """Complete the stream; a file appears under its name, with its seal and index."""
        self.refuse_closed()
        try:
            self.drain(whole=True)
            if not self._is_plain:
                self._file.close()
            self._sink.commit_with(*self._beside())
        except BaseException:
            self.abort()
            raise
        self.closed = True
        self._abandoned.detach()

    def _beside(self) -> Iterator[Sink]:
        """The files next to the stream, which appear with it."""
        how: Any = {"durable": self._durable, "storage_options": self._storage_options}
        if self._placed is not None:
            yield self._placed.staged(**how)
        if self._sealer is not None:
            yield self._sealer.finish().staged(self._seal, **how)
        if self._indexer is not None:
            self._sink.flush()
            index = self._indexer.finish(self._sink.tag)
            yield index.staged(self._index, **how)

    def abort(self) -> None:
        """Give up: no file appears, and any other target ends inside a record."""
        self._abort()

    def _abort(self, unwritten: memoryview | bytes = b"") -> None:
        if self.closed:
            return
        self.closed = True
        self.cursor = 0
        self._abandoned.detach()
        if os.getpid() != self._process:
            _disown(self._sink)
        elif self._is_plain:
            give_up(self._sink, self._edge, unwritten)
        else:
            self._sink.abort()  # compressed data without its end is visibly cut


def _abandon(sink: Sink, edge: Edge | None, process: int) -> None:
    """A writer that was neither closed nor aborted, at its end or the program's: what it has
    collected is lost, so what it wrote must not look whole."""
    if os.getpid() != process:
        _disown(sink)
        return
    if edge is not None and sink.takes_now:
        give_up(sink, edge)
    else:
        sink.abort()  # the end of a program must not wait for a reader
    emit(ResourceWarning(f"{sink.name}: the stream was not closed, and is given up"))


def _disown(sink: Sink) -> None:
    """In a forked process: what a compressor still holds is the parent's to write."""
    sink.given_up = True


def _path_beside(
    target: Any,
    name: str,
    wanted: str | bool,
    place_of: Callable[[str], str],
    refuse: Callable[[str], None],
) -> str | None:
    """Where the seal or index of a target is to be written; None if it is not wanted."""
    if wanted is True:
        place = _place(target)
        if place is None:
            raise TypeError(
                f"the {name} of a target without a path needs a path: {name}={'out.' + name!r}"
            )
        if not is_url(place):
            with contextlib.suppress(FileNotFoundError):
                refuse(place_of(place))
        return place_of(place)
    return _absolute(checked_path(wanted)) if wants(name, wanted) else None


def wants(name: str, value: Any) -> bool:
    """Whether an argument asks for a file next to the stream. Raises TypeError if it cannot."""
    if value is None or isinstance(value, bool):
        return bool(value)
    if not isinstance(value, (str, os.PathLike)):
        raise TypeError(f"{name} is {described(value)}, expected True, False or a path")
    return os.fspath(value) != ""


def _place(target: Any) -> str | None:
    """The absolute path of a target, wherever the program goes, or its URL; None for what is not a
    path."""
    is_path = isinstance(target, (str, os.PathLike)) and target != "-"
    return _absolute(target) if is_path else None


def _absolute(path: str | os.PathLike[str]) -> str:
    name: str = local_path(checked_path(path))
    return name if is_url(name) else os.path.abspath(name)
