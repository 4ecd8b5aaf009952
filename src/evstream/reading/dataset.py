"""Several files as one stream: their events and blocks, one file after the other.

One file is open at a time. All must have the header of the first. Parts of one file that follow
one another are read as one, so that what spans their border is whole; files do not share events.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from typing import Any

from evstream.errors import EvstreamError, StreamMismatchError, without_traceback
from evstream.reading.row_decoder import RowOutput
from evstream.reading.section import Sectioned
from evstream.reading.stream import EventStream
from evstream.transport import watching
from evstream.transport.compression import compression_by_name
from evstream.transport.listing import expand_sources, names_several
from evstream.transport.range_file import FileFacts, is_url
from evstream.wire.header import StreamHeader


def refuse_other_header(header: StreamHeader, name: str, first: StreamHeader, of: str) -> None:
    """Raise StreamMismatchError if the stream header of a file is not that of the first."""
    if header.stream != first.stream:
        raise StreamMismatchError(
            f"this is a {header.stream} stream", source=name, offset=0,
            expected=f"a {first.stream} stream, as {of} is",
        )  # fmt: skip
    for field, value in header.values.items():
        if value != first.values[field]:
            raise StreamMismatchError(
                f"{field} is {value}", source=name,
                offset=len(header.spec.type_word or b""),
                expected=f"{first.values[field]}, as in {of}",
            )  # fmt: skip
    for scalar, width in header.used_widths.items():
        if width != first.used_widths[scalar]:
            raise StreamMismatchError(
                f"{scalar} is read as {width}", source=name,
                expected=f"{first.used_widths[scalar]}, as in {of}",
            )  # fmt: skip


def is_several(source: Any) -> bool:
    """Whether a source stands for several files or parts: a list, Parts, a folder, a pattern."""
    is_list = isinstance(source, Sequence) and not isinstance(source, _TEXT)
    return is_list or names_several(source)


_TEXT = (str, bytes, bytearray, memoryview)


def sources_of(
    source: Any,
    storage_options: Mapping[str, Any] | None = None,
    known: dict[str, FileFacts] | None = None,
) -> Sequence[Any]:
    """The files or parts that a source stands for; see `listing.expand_sources`. A list may also
    have parts, and whatever else evstream.open takes."""
    if isinstance(source, str) or not isinstance(source, Sequence):
        return expand_sources(source, storage_options, known)
    if all(isinstance(one, (str, os.PathLike)) and one != "-" for one in source):
        return expand_sources(list(source), storage_options, known)
    found: list[Any] = []
    for one in source:
        found += expand_sources(one, storage_options, known) if names_several(one) else [one]
    return found


def neighbours_joined(sources: Iterable[Any]) -> Iterator[Any]:
    """The sources, with parts that follow one another as one."""
    waiting: list[Any] = []  # the last source, which the next one may continue
    for source in sources:
        joined = None
        for last in waiting:
            if isinstance(last, Sectioned) and isinstance(source, Sectioned):
                joined = last.joined(source)
            if joined is None:
                yield last
        waiting = [source if joined is None else joined]
    yield from waiting


class Dataset(EventStream):
    """The files of several sources as one EventStream.

    Args:
        sources: what `open_one` takes, at least one.
        open_one: opens a source.
    """

    def __init__(self, sources: Sequence[Any], open_one: Callable[[Any], EventStream]) -> None:
        self.sources, self._open_one = sources, open_one
        self._rest = neighbours_joined(sources)
        self._watched = watching.several(self)
        watching.expect(sources)
        try:
            self._current = open_one(next(self._rest))
        except BaseException:
            self._unwatch()
            raise
        self.header, self.name = self._current.header, self._current.name
        self.strict, self.warns = self._current.strict, self._current.warns
        self.verify = self._current.verify
        self.storage_options = self._current.storage_options
        self._first_name = self.name
        self.wanted = None
        self._ended = False
        self._offset = self._read = self._holes = 0
        self._are_clean = True
        self._source = self._current._source
        self._begin()

    def streams(self) -> Iterator[EventStream]:
        """The stream of each file, opened when its turn comes and closed after it."""
        while not self._ended:
            one = self._current
            yield one
            if one is self._current:
                self._advance()

    def _advance(self) -> None:
        """Open the next file."""
        done = self._current
        done.close()
        try:
            following = next(self._rest)
        except StopIteration:
            self._ended = True
            self._unwatch(True)
            return
        self._offset += done.offset - done.start
        self._read += done.bytes_read
        self._holes += done.holes
        self._are_clean &= done.clean_end is not False
        self._current = opened = self._open_one(following)
        self.name, self._source = opened.name, opened._source
        refuse_other_header(opened.header, opened.name, self.header, self._first_name)

    @property
    def size(self) -> int | None:
        """Bytes of all files; None where that is not known before the end."""
        sizes = [_size_of(source) for source in self.sources]
        return None if None in sizes else sum(size for size in sizes if size is not None)

    @property
    def offset(self) -> int:
        """Bytes of all files up to which they are decoded."""
        return self._offset + self._current.offset - self._current.start

    @property
    def bytes_read(self) -> int:
        """Bytes read from all files so far, counted before they are expanded."""
        return self._read + self._current.bytes_read

    @property
    def start(self) -> int:
        """Where counting begins; `offset` counts the bytes of all files."""
        return 0

    def peek_back(self, offset: int, size: int) -> bytes:
        """See EventStream; of the current file."""
        return self._current.peek_back(offset, size)

    @property
    def holes(self) -> int:
        """Number of blocks of zero bytes alone, so far."""
        return self._holes + self._current.holes

    @property
    def clean_end(self) -> bool | None:
        """Whether the last block of every file is closed; None until the end is reached."""
        last = self._current.clean_end
        return None if last is None or not self._ended else last and self._are_clean

    def decode_rows(self, out: RowOutput) -> Iterator[None]:
        """See EventStream."""
        return self._each(lambda one: one.decode_rows(out))

    def _read_chunks(self) -> Generator[Any]:
        yield  # see EventStream
        yield from self._each(EventStream.chunks)

    def _read_events(self) -> Generator[Any]:
        try:
            yield
            self._builds_events = True
            yield from self._each(iter)
        finally:
            self._events_left = False

    def _each(self, read: Callable[[EventStream], Iterator[Any]]) -> Iterator[Any]:
        try:
            for one in self.streams():
                yield from read(one)
        except (EvstreamError, OSError) as error:
            self._error = without_traceback(error)
            raise
        finally:
            self._chunks_left = False
            self._current.close()
            self._unwatch()

    def close(self) -> None:
        """Close the file that is open."""
        super().close()
        self._current.close()
        self._unwatch()

    def _unwatch(self, is_whole: bool = False) -> None:
        if self._watched is not None:
            self._watched(is_whole)
            self._watched = None


def _size_of(source: Any) -> int | None:
    if isinstance(source, Sectioned):
        return source.length
    is_path = isinstance(source, (str, os.PathLike)) and not is_url(source)
    if not is_path or compression_by_name(source) is not None or not os.path.isfile(source):
        return None
    return os.path.getsize(source)
