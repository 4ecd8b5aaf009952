"""A stretch of a file, planned by its bytes and cut where it is opened.

A part says from which byte to which it was planned; where its first block starts and its last one
ends is found by whoever opens it (`cuts`). So planning opens one file, and a part is small. With
B(a) the first sure block start at or after byte a, and C(a) the first event start after B(a), the
parts of a file are [B(a), B(b)), or [C(a), C(b)) for whole events: functions of the bytes and of
planned offsets, so that neighbours agree without knowing each other, and each block has one part.

No search goes far beyond a part. If no block starts in [a, b), B(a) = B(b), and the part is empty.
If no event starts after B(a) and up to B(b), C(a) = C(b), and the part is empty. So of all parts
that a giant event fills, only the one where it starts looks for its end.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np

from evstream._support.format import format_of
from evstream.errors import (
    ChangedSourceError,
    LargeEventWarning,
    StaleIndexError,
    StreamHeaderError,
    warn,
)
from evstream.partition.cuts import block_start, event_at, event_start
from evstream.partition.index_cuts import cuts_of
from evstream.reading.dataset import refuse_other_header
from evstream.reading.ids import Wanted, wanted_of
from evstream.reading.section import Section, Sectioned
from evstream.reading.width_trial import FIRST
from evstream.transport.compression import compression, may_be_compressed
from evstream.transport.range_file import (
    FileFacts,
    RangeFile,
    open_range_file,
    refuse_other_file,
    shown,
)
from evstream.transport.source import Source
from evstream.wire.header import StreamHeader
from evstream.wire.header_bytes import read_header

BLOCKS, EVENTS = "block", "event"
"""What a part holds whole."""

FAR_LARGER = 4
"""An event of so many times the size of a part gets a warning."""


@dataclass(frozen=True)
class Part(Sectioned):
    """A part of a file; made by `evstream.parts`, opened by `evstream.open` and all that reads.

    It pickles to less than 300 bytes, and opens in any process that can open its file.

    Attributes:
        path: the file or URL.
        start, stop: the bytes that it was planned for; its blocks start in these.
        size, tag: of the file when the part was planned; it must not have changed.
        header: the stream header.
        whole: "block" or "event", what is never divided between two parts.
        events: ids of the events that are read; None for all.
        like: the file that the header was read from.
        indexed: whether the index of the file says where it can be cut.
    """

    path: str
    start: int
    stop: int
    size: int
    tag: str
    header: StreamHeader
    whole: str = BLOCKS
    events: Sequence[Any] | None = None
    like: str = ""
    storage_options: Mapping[str, Any] | None = field(default=None, repr=False)
    pipe: Any = field(default=None, repr=False)
    indexed: bool = False

    def __repr__(self) -> str:
        return (
            f"<Part bytes {self.start} to {self.stop} of {shown(self.path)}, whole {self.whole}s>"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        if self.pipe is not None:
            raise TypeError(f"{self.path}: a pipe can be read by this process only")
        header = self.header
        pairs = zip(self.path, self.like, strict=False)
        common = next((n for n, (a, b) in enumerate(pairs) if a != b), 0)
        facts = (
            header.format.package, header.stream, _widths_text(header), header.to_bytes(),
        )  # fmt: skip
        like = (common, self.like[common:])
        more = (self.events, self.storage_options)
        return _load, (
            *facts, self.path, self.start, self.stop, self.size, self.tag,
            self.whole + _INDEXED * self.indexed, *like,
            *(more if more != (None, None) else ()),
        )  # fmt: skip

    @property
    def wanted(self) -> Wanted | None:
        """The events that are read; None for all."""
        header = self.header
        return wanted_of("events", self.events, header.block_columns[header.event_column])

    @property
    def length(self) -> int | None:
        """About how many bytes it has; None for a pipe."""
        return None if self.pipe is not None else self.stop - self.start

    def joined(self, following: Sectioned) -> Part | None:
        """This part and the one after it as one."""
        if isinstance(following, Part) and self.pipe is None:
            joined = replace(self, stop=following.stop)
            if joined == replace(following, start=self.start) and self.stop == following.start:
                return joined
        return None

    def check_header(self, header: StreamHeader, name: str) -> None:
        """Raise StreamMismatchError for a file with another header than the part's."""
        refuse_other_header(header, name, self.header, shown(self.like))

    def open_section(self, timeout: float | None = None) -> Section | Source:
        """Open the file and find where the blocks of the part begin and end.

        Raises ChangedSourceError if it is not the file that was planned, StreamMismatchError if
        its header is not that of the other files.
        """
        expands = may_be_compressed(self.path, self.header.spec.type_word is None)
        if self.pipe is not None:
            return Source(self.pipe, expand=expands, timeout=timeout)
        file = open_range_file(self.path, self.storage_options)
        try:
            found = FileFacts(file.size, file.tag)
            refuse_other_file(FileFacts(self.size, self.tag), found, file.name)
            head = _head(file)
            if expands and compression(head) is not None:
                return self._of_compressed(file)
            self._check_head(head, file.name)
            start, stop = self._cut(file) if not self.indexed else self._cut_by_index(file)
            if self.start and self.header.named:
                head = b""  # the first part warns of widths that the caller named
            stale = StaleIndexError if self.indexed else ChangedSourceError
            return Section(file, self.header, start, stop, head, stale)
        except BaseException:
            file.close()
            raise

    def _of_compressed(self, file: RangeFile) -> Section | Source:
        """Compressed bytes have no places to cut at: the first part of the file has all."""
        if self.start:
            end = self.header.size
            return Section(file, self.header, end, end, b"", ChangedSourceError)
        file.close()
        return Source(self.path, storage_options=self.storage_options)

    def _check_head(self, head: bytes, name: str) -> None:
        header = self.header
        if head.startswith(header.to_bytes()):
            return
        expected = header.stream if header.spec.type_word is None else None
        try:
            found = _header_of(head, name, expected, header)
        except StreamHeaderError:  # e.g. of a type that only the caller's word lets pass
            found = _header_of(head, name, header.stream, header)
        self.check_header(found, name)

    def _cut(self, file: RangeFile) -> tuple[int, int]:
        """The bytes that belong to this part."""
        first, end = self.header.size, file.size
        if self.start == 0 and self.stop >= end:
            return first, end
        begin = block_start(file, self.header, self.start, max(self.stop, first + 1))
        if begin is None or begin >= end:
            return end, end
        close = end if self.stop >= end else self._end_of(file)
        if self.whole == BLOCKS:
            return begin, close
        if self.start:
            found = event_start(file, self.header, begin, close)
            if found is None or found >= end:
                return end, end
            begin = found
        if close < end:
            close = self._end_of_event(file, close)
        return begin, close

    def _cut_by_index(self, file: RangeFile) -> tuple[int, int]:
        """The same where the index says where blocks and events start."""
        cuts = cuts_of(self.path, file, self.header, self.storage_options)
        begin, close = (cuts.at(at, self.whole == EVENTS) for at in (self.start, self.stop))
        for offset in {begin, close}:
            cuts.check(file, self.header, offset)
        if self.whole == EVENTS and begin < close:
            self._warn_of_large(file, int(cuts.offsets[cuts.begins_event][
                np.searchsorted(cuts.offsets[cuts.begins_event], close) - 1
            ]), close)  # fmt: skip
        return begin, close

    def _end_of(self, file: RangeFile) -> int:
        found = block_start(file, self.header, self.stop, file.size + 1)
        assert found is not None
        return found

    def _end_of_event(self, file: RangeFile, start: int) -> int:
        """The end of the event of the block at `start`."""
        close = event_start(file, self.header, start, file.size)
        assert close is not None
        self._warn_of_large(file, start, close)
        return close

    def _warn_of_large(self, file: RangeFile, start: int, close: int) -> None:
        """Warn of an event that begins or goes on at `start`, if it is far larger than the part."""
        size = self.stop - self.start
        if close - start > FAR_LARGER * size:
            event = event_at(file, self.header, start)
            warn(
                f"the event goes on for {close - start:,} bytes, in a part of {size:,}",
                LargeEventWarning, source=file.name, offset=start,
                ids={self.header.event_column: event},
            )  # fmt: skip


_INDEXED = "+"
"""Behind `whole` in a pickle."""


def _head(file: RangeFile) -> bytes:
    data = bytearray(min(FIRST, file.size))
    file.read_at(0, memoryview(data))
    return bytes(data)


def _header_of(head: bytes, name: str, stream: str | None, like: StreamHeader) -> StreamHeader:
    return read_header(io.BytesIO(head).read, name, stream, like.widths, like.format)


def _widths_text(header: StreamHeader) -> str:
    """The widths in the order of the format; with a star those that the caller named."""
    widths = header.widths.items()
    return " ".join(width + "*" * (name in header.named) for name, width in widths)


def refuse_other_parts(parts: Sequence[Part]) -> None:
    """Raise StreamMismatchError for a part whose stream header or widths are not the first's."""
    for part in parts[1:]:
        first = parts[0]
        refuse_other_header(part.header, shown(part.path), first.header, shown(first.path))


def _load(
    package: str, stream: str, widths: str, head: bytes, path: str, start: int, stop: int,
    size: int, tag: str, whole: str, common: int, rest: str,
    events: Sequence[Any] | None = None,
    options: Mapping[str, Any] | None = None,
) -> Part:  # fmt: skip
    """A pickled part."""
    header = _loaded_header(package, stream, widths, head)
    like, indexed = path[:common] + rest, whole.endswith(_INDEXED)
    whole = whole.removesuffix(_INDEXED)
    return Part(path, start, stop, size, tag, header, whole, events, like, options, None, indexed)


@lru_cache(8)
def _loaded_header(package: str, stream: str, widths: str, head: bytes) -> StreamHeader:
    format = format_of(package)
    words = dict(zip(format.scalars, widths.split(" "), strict=True))
    chosen = {name: word.rstrip("*") for name, word in words.items()}
    named = frozenset(name for name, word in words.items() if word.endswith("*"))
    return read_header(io.BytesIO(head).read, "", stream, chosen, format, named)
