"""A stretch of whole blocks of a file, which a stream is read from.

The bytes at the edge of a stretch matter to both sides: a block may look like the opening of a
second stream, and the bytes after it decide. So a section can look ahead, beyond its last byte,
and its checks are those of the whole file. Offsets are those of the file.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from evstream.errors import EvstreamError, StreamMismatchError, TruncatedStreamError
from evstream.reading.ids import Wanted
from evstream.transport import watching
from evstream.transport.range_file import FileFacts, LocalFile, RangeFile
from evstream.transport.read_ahead import ReadAhead
from evstream.transport.source import Source
from evstream.wire.header import StreamHeader


class Section:
    """Bytes `start` to `stop` of a file, as a source of `EventStream`.

    Attributes:
        header: of the stream.
        start, stop: offsets of the first byte, and of the byte after the last.
        size: number of bytes.
        name: of the file.
        head: the first bytes of the file, which show whether its widths are others.
        stale: the class of error for an end inside a block, where the file goes on.
    """

    waitable = None

    def __init__(
        self,
        file: RangeFile,
        header: StreamHeader,
        start: int,
        stop: int,
        head: bytes,
        stale: type[EvstreamError],
    ) -> None:
        self.header, self.start, self.stop, self.head = header, start, stop, head
        self.name, self.size = file.name, stop - start
        self._file, self._stale, self._position = file, stale, start
        self._ahead = None if isinstance(file, LocalFile) else ReadAhead(file, start, stop)
        self._watched = watching.opened(self, self.size, watching.STRETCH)

    @property
    def is_judged(self) -> bool:
        """Whether the end of this section is that of the stream: a section without any byte says
        nothing about it, unless the whole stream has no block."""
        is_whole = self.start == self.header.size == self.stop
        return self.stop == self._file.size and (self.size > 0 or is_whole)

    @property
    def facts(self) -> FileFacts:
        """Size and tag of the file."""
        return FileFacts(self._file.size, self._file.tag)

    def offset(self) -> int:
        """Bytes read so far; for progress."""
        return self._position - self.start

    def readinto(self, view: memoryview) -> int:
        """Read into `view`; the number of bytes, 0 at the end of the section."""
        size = min(len(view), self.stop - self._position)
        if size and self._ahead is not None:
            size = self._ahead.readinto(view[:size])
        elif size:
            self._file.read_at(self._position, view[:size])
        self._position += size
        return size

    def look_ahead(self, size: int) -> bytes:
        """The bytes after the section, fewer at the end of the file."""
        ahead = bytearray(max(0, min(size, self._file.size - self.stop)))
        if ahead:
            self._file.read_at(self.stop, memoryview(ahead))
        return bytes(ahead)

    def first_block(self) -> Any:
        """The header of the first block, as a record; None in a section without a whole one."""
        dtype = self.header.block_dtype
        if self.size < dtype.itemsize:
            return None
        data = bytearray(dtype.itemsize)
        self._file.read_at(self.start, memoryview(data))
        return np.frombuffer(data, dtype)[0]

    def unclean_end(self, error: TruncatedStreamError) -> EvstreamError:
        """The error for a section that ends inside a block, although the file goes on."""
        return self._stale(
            f"a part ends inside a block: {error.problem}", source=self.name, offset=error.offset,
            ids=error.ids, expected="the file that the parts were planned for",
        )  # fmt: skip

    def check_process(self) -> None:
        """A section may be read by any process: its position is its own."""

    def close(self) -> None:
        """Close the file."""
        if self._watched is not None:
            self._watched(False)
            self._watched = None
        if self._ahead is not None:
            self._ahead.close()
        self._file.close()


class Sectioned(ABC):
    """What stands for a stretch of a file, and is opened where it is read: a Part.

    Attributes:
        header: of the stream.
        path: of the file, or its URL.
        storage_options: of the store of a URL.
    """

    header: StreamHeader
    path: str
    storage_options: Mapping[str, Any] | None

    @property
    @abstractmethod
    def length(self) -> int | None:
        """About how many bytes it has; None if that is not known before the end."""

    @property
    @abstractmethod
    def wanted(self) -> Wanted | None:
        """The events that are read; None for all."""

    @abstractmethod
    def open_section(self, timeout: float | None = None) -> Section | Source:
        """The section; a Source where the file cannot be cut and all of it belongs to this."""

    @abstractmethod
    def check_header(self, header: StreamHeader, name: str) -> None:
        """Raise StreamMismatchError if a file does not begin with the header of the others."""

    @abstractmethod
    def joined(self, following: Sectioned) -> Sectioned | None:
        """What stands for this and the following as one; None where they are not neighbours."""


def refuse_other(
    header: StreamHeader, stream: str | None, widths: Mapping[str, str] | None
) -> None:
    """Raise StreamMismatchError if a part is to be read as another stream than it was planned."""
    if stream is not None and not header.format.is_variant(header.stream, stream):
        raise StreamMismatchError(
            f"the part is of a {header.stream} stream", expected=f"a {stream} stream"
        )
    for name, width in header.format.choose_widths(widths).items() if widths else ():
        if name in (widths or {}) and width != header.widths[name]:
            raise StreamMismatchError(
                f"the part was planned with {name} {header.widths[name]}", expected=width
            )


def judge_end(
    source: Any, finish: Callable[[], TruncatedStreamError | None]
) -> TruncatedStreamError | None:
    """As `finish`, which judges the end of a stream. A section that ends before the stream does has
    to end cleanly."""
    if not isinstance(source, Section) or source.is_judged:
        return finish()
    try:
        missing = finish()
    except TruncatedStreamError as error:
        missing = error
    if missing is not None:
        raise source.unclean_end(missing) from None
    return None
