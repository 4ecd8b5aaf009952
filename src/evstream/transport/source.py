"""Read bytes from paths, "-", descriptors, pipes, sockets and file objects.

A Source has a name for messages and one method that reads: `readinto` waits for at least one byte
and returns 0 only at the end. A file is read at a position of our own (pread), since a descriptor
shares its position with every process that inherits it. A Source closes only a file that it opened
itself.
"""

from __future__ import annotations

import importlib
import io
import os
import socket
import sys
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

from evstream._support.arguments import checked_path, described, refuse_other_options
from evstream.errors import StallError
from evstream.transport import watching
from evstream.transport.compression import MAGIC_SIZE, Expander, compression
from evstream.transport.environment import timeout_of
from evstream.transport.file_objects import (
    MOST_IDLE,
    name_of,
    opened_descriptor,
    read_fully,
    reader_of,
    refuse_closed,
)
from evstream.transport.guard import Guard, position_to_read_at
from evstream.transport.polling import (
    descriptor_of,
    is_waitable,
    take_buffered,
    wait_readable,
    widen_pipe,
)
from evstream.transport.range_file import is_url, local_path

CHUNK = 1 << 20
"""Bytes to read at once."""

LARGE_CHUNK = 1 << 22
"""The same for what looks at whole chunks, and does most of it at the same cost for a larger one. A
thread also hands over the GIL a few times per chunk, and waits for it as often."""


class Source:
    """An open source of bytes.

    Attributes:
        name: for messages: the path, "<stdin>", or the name of the object; of a URL without
            password and query.
        size: bytes in a regular file or remote object, None where the end is not known.

    With a `timeout`, StallError is raised if a pipe, socket or FIFO gives no byte for so many
    seconds, or if no writer opens the FIFO.
    """

    def __init__(
        self,
        source: Any,
        *,
        expand: bool = True,
        timeout: float | None = None,
        storage_options: Mapping[str, Any] | None = None,
    ) -> None:
        self._timeout = timeout = timeout_of(timeout)
        refuse_other_options(storage_options)
        self._storage_options = storage_options
        self._close: Callable[[], None] | None = None
        self._stream = self._opened(source)
        self.name = _name(source, self._stream)
        self._descriptor = descriptor_of(self._stream)
        self._guard = Guard(self._stream, self._descriptor, self.name)
        self._waits = False
        self.size: int | None = None
        self._position: int | None = None
        if self._descriptor is not None and not _is_wrapped(self._stream):
            self._waits = is_waitable(self._descriptor)
            if self._waits:
                widen_pipe(self._descriptor)
            else:
                self.size = self._guard.size or 0
        if is_url(source):
            self.size = self._stream.size
        if self._guard.is_file:
            self._position = position_to_read_at(self._stream, self._descriptor)
        self._start = b""
        if timeout is not None and self._waits and isinstance(self._stream, io.BufferedReader):
            assert self._descriptor is not None
            self._start = take_buffered(self._stream, self._descriptor)
            self._stream = self._stream.raw
        self._read_into = reader_of(self._stream) if self._position is None else self._read_at
        self._count = len(self._start)
        self._lent = False
        self._expander: Expander | None = None
        left = None if self.size is None else self.size - (self._position or 0)
        self._watched = watching.opened(self, left)
        try:
            if expand:
                self.expand()
        except BaseException:
            self.close()
            raise

    def offset(self) -> int:
        """Bytes read so far, counted before they are expanded; for progress."""
        if self.size is None or not self._lent:
            return self._count
        try:
            return int(self._stream.tell())
        except (OSError, ValueError):  # closed at its end, maybe by a thread just now
            return self.size

    @property
    def content_size(self) -> int | None:
        """Bytes that will be read in all; None where that is not known before the end."""
        return self.size if self._expander is None else None

    @property
    def waitable(self) -> int | None:
        """The descriptor to wait on before a read; None if bytes may lie in a buffer."""
        hidden = self._start or self._expander or isinstance(self._stream, io.BufferedReader)
        return self._descriptor if self._waits and not hidden else None

    def readinto(self, view: memoryview) -> int:
        """Read into `view`, waiting for at least one byte; 0 at the end.

        Raises ChangedSourceError if another process changes or reads the source.
        """
        self.check_process()
        if self._expander is not None:
            return self._expander.readinto(view)
        return self._read_raw(view)

    def plain_file(self) -> Any:
        """The regular file that this source reads, at its start; None for any other source."""
        if self.size is None or not isinstance(self._stream, (io.FileIO, io.BufferedReader)):
            return None
        position = self._stream.tell() if self._position is None else self._position
        self._stream.seek(position - len(self._start))
        self._start, self._lent = b"", True
        return self._stream

    def check_process(self) -> None:
        """Raise ChangedSourceError in a process that was forked since the source was opened."""
        self._guard.check_process()

    def check_unchanged(self) -> None:
        """Raise ChangedSourceError if the file that `plain_file` returned was changed since it was
        opened; `readinto` checks this itself."""
        if self._lent:
            self._guard.check_file()

    def close(self) -> None:
        """Close the file if this source opened it; one that the caller opened stays open."""
        if self._watched is not None:
            self._watched(False)
            self._watched = None
        if self._close is not None:
            self._close()
            self._close = None

    def _opened(self, source: Any) -> Any:
        if isinstance(source, (bytes, bytearray, memoryview)):
            raise TypeError("cannot read bytes in memory as a file, expected io.BytesIO(data)")
        if isinstance(source, str) and source == "-":
            return getattr(sys.stdin, "buffer", sys.stdin)
        source = local_path(source)
        if is_url(source):
            opening = importlib.import_module("evstream.transport.remote.opening")
            stream = opening.open_in_order(source, self._storage_options, self._timeout)
            self._close = stream.close
            return stream
        if isinstance(source, (str, os.PathLike)):
            opener = open_without_waiting if self._timeout is not None else None
            path = checked_path(source)
            file = open(path, "rb", 0, opener=opener)  # noqa: SIM115 (closed by `close`)
            self._close = file.close
            return file
        if isinstance(source, int):
            return opened_descriptor(source, "rb")
        if isinstance(source, io.TextIOBase):
            raise TypeError(f"{described(source)} is a text file, expected one open in binary mode")
        refuse_closed(source)
        return source

    def expand(self) -> None:
        """Read the first bytes, and expand the source if it is compressed."""
        if (missing := MAGIC_SIZE - len(self._start)) > 0:
            self._start += read_fully(self._read_plain, missing)
        kind = compression(self._start)
        if kind is not None:
            self._expander = Expander(kind, self._read_bytes, self.name)
            self.size = None

    def _read_bytes(self, size: int) -> bytes:
        piece = bytearray(size)
        return bytes(piece[: self._read_raw(memoryview(piece))])

    def _read_raw(self, view: memoryview) -> int:
        if self._start:
            size = min(len(view), len(self._start))
            view[:size] = self._start[:size]
            self._start = self._start[size:]
            return size
        return self._read_plain(view)

    def _read_plain(self, view: memoryview) -> int:
        if self._waits and self._timeout is not None:
            self._wait()  # for a writer too: a FIFO without one would look as if it had ended
        for idle in count():
            try:
                size = self._read_into(view)
            except BlockingIOError:
                size = None
            except ValueError:
                refuse_closed(self._stream, f"{self.name}: byte {self._count}")
                raise
            except TimeoutError as error:  # a socket's own
                problem = f"no data received: {error}"
                raise StallError(problem, source=self.name, offset=self._count) from None
            except OSError as error:
                if error.errno is not None and error.filename is None:
                    error.filename = f"{self.name}: byte {self._count}"
                raise
            if size is not None:
                if self._guard.is_file:
                    self._guard.check_file(None if self._expander else self._count)
                self._count += size
                return size
            self._wait(idle)
        raise AssertionError("unreachable")

    def _read_at(self, view: memoryview) -> int:
        """Read a file at the position of this source."""
        assert self._position is not None
        size = os.preadv(self._stream.fileno(), [view], self._position)
        self._position += size
        if self._close is None:  # the caller's file moves on as it is read
            self._stream.seek(self._position)
        return size

    def _wait(self, idle: int = 0) -> None:
        """Wait for bytes or the end. `idle` counts reads that returned nothing although the
        descriptor was ready."""
        waits = self._descriptor is not None and is_waitable(self._descriptor)
        if self._descriptor is None or not waits or idle > MOST_IDLE:
            raise BlockingIOError(f"{self.name} has no data and nothing to wait on")
        if not self._has_data():
            problem, offset = f"no data received for {self._timeout:g} s", self._count
            if self._expander is not None:
                problem += f", after {self._count} compressed bytes"
            problem += self._meanwhile()
            raise StallError(problem, source=self.name, offset=None if self._expander else offset)

    def _has_data(self) -> bool:
        """Wait for bytes or the end; False after the timeout."""
        assert self._descriptor is not None
        return bool(wait_readable([self._descriptor], self._timeout))

    def _meanwhile(self) -> str:
        """What a StallError says of the time that it waited."""
        return ""


def open_without_waiting(path: str, flags: int) -> int:
    """Open without blocking, even a FIFO that has no writer."""
    return os.open(path, flags | os.O_NONBLOCK)


def _is_wrapped(stream: Any) -> bool:
    """Whether the descriptor belongs to a file below the object, as in a GzipFile."""
    return not isinstance(stream, (io.FileIO, io.BufferedReader, io.BufferedRandom, socket.socket))


def _name(source: Any, stream: Any) -> str:
    if isinstance(source, str) and source == "-":
        return "<stdin>"
    if is_url(local_path(source)):
        return str(stream.name)
    if isinstance(source, (str, os.PathLike)):
        return os.fspath(source)
    return name_of(stream)
