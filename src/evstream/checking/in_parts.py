"""A large file, checked by several threads as by one.

Each thread checks parts by themselves. Afterwards, in the order of the file, what was found of a
part is taken over if the part breaks no rule, neither by itself nor after the parts before it. All
others are read again, here, by the validation of the whole file. So a report says what one pass
would say, to the last finding, and a file that breaks no rule is read once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from threading import Event
from typing import Any, Protocol

from evstream._support.checksum import crc32
from evstream._support.format import Format
from evstream.checking.reports import Report
from evstream.checking.seal import RANGE, Seal
from evstream.errors import EvstreamError
from evstream.partition.parts import Parts
from evstream.partition.whole_file import PartRead, large_parts, read_parts
from evstream.reading.block_places import BlockPlaces
from evstream.reading.section import Section
from evstream.reading.stream import EventStream
from evstream.transport.range_file import open_range_file
from evstream.transport.source import LARGE_CHUNK
from evstream.wire.columns import Chunk
from evstream.wire.header import StreamHeader
from evstream.wire.rules import Checker


class Checks(Protocol):
    """What a Validation is here."""

    event_runs: int

    @property
    def report(self) -> Report:
        """What was found."""

    def of_part(self, stream: EventStream) -> Checks:
        """The validation of a part by itself."""

    def follow(self, part: Any) -> bool:
        """Take over what was found in the part that follows, if that can be."""

    def look_at(self, chunk: Chunk) -> None:
        """Check the next stretch."""

    def move_on(self) -> None:
        """The next stretch is of another section."""


class StoppedError(EvstreamError):
    """The result is no longer needed."""


def refuse_stopped(stopped: Event | None, source: str) -> None:
    """Raise StoppedError once `stopped` is set."""
    if stopped is not None and stopped.is_set():
        raise StoppedError("stopped, since the result is no longer needed", source=source)


def parts_to_check(
    source: Any,
    threads: int,
    *,
    stream: str | None,
    widths: Mapping[str, str] | None,
    format: Format | None,
) -> Parts | None:
    """The parts in which to check a file; None where one pass is as good, or has to report why
    there are none."""
    if threads == 1 or not isinstance(source, (str, os.PathLike)):
        return None
    try:
        planned = large_parts(source, stream=stream, widths=widths, format=format, index="auto")
    except (EvstreamError, OSError):
        return None
    if planned is None or not Checker(planned.header, ("error", "warning")).is_joinable:
        return None
    return planned


class CheckedParts:
    """The parts of a file, as a Validation looks at an EventStream: its `chunks` are those that
    it has to look at itself.

    Attributes:
        whole: the validation of the file; set by whoever made it.
        name, header, offset, start, clean_end, holes, places: as of EventStream.
    """

    places: BlockPlaces | None = None

    def __init__(
        self,
        planned: Parts,
        threads: int,
        *,
        seals: bool,
        strict: bool | None = None,
        warn: bool = False,
        stopped: Event | None = None,
        progress: Callable[[int], None] = lambda offset: None,
    ) -> None:
        self.whole: Checks
        self.seal: Seal
        self.header: StreamHeader = planned.header
        self.name, self.size = planned.files[0], planned.size
        self.offset = self.start = 0
        self.clean_end: bool | None = None
        self.holes = 0
        self._planned, self._threads = planned, threads
        self._strict, self._warn = strict, warn
        self._stopped, self._progress = stopped, progress
        self._sums = RangeSums() if seals else None
        self._again: EventStream | None = None

    def chunks(self) -> Iterator[Chunk]:
        """The stretches that have to be looked at again. Raises as EventStream.chunks."""
        is_closed = True
        taps = RangeSums if self._sums is not None else None
        for read in read_parts(
            self._planned, self._begin, self._threads, self._strict, warn=self._warn, tap=taps,
            chunk=LARGE_CHUNK,
        ):  # fmt: skip
            self.offset = read.offset
            is_closed &= read.unclosed is None
            sums = read.tap
            if not self._take(read):
                sums = RangeSums()
                with EventStream(
                    read.part, strict=self._strict, warn=False, chunk=LARGE_CHUNK,
                    tap=None if self._sums is None else sums.update,
                ) as again:  # fmt: skip
                    sums.begin(again.start)
                    self._again = again
                    self.whole.move_on()
                    try:
                        yield from again.chunks()
                    finally:
                        self.offset = again.offset
                    is_closed &= again.unclosed is None
                if read.value is None:
                    read.checks, read.unclosed = again.checks, again.unclosed
            self.holes = read.checks.holes  # of the file so far
            if self._sums is not None:
                self._sums.join(sums)
            self._progress(self.offset)
        self.clean_end = is_closed

    def peek_back(self, offset: int, size: int) -> bytes:
        """See EventStream."""
        return b"" if self._again is None else self._again.peek_back(offset, size)

    def finish(self) -> Seal:
        """The seal of the file, after all of it was read; also in `seal`, as of Sealer."""
        report, header = self.whole.report, self.header
        assert self._sums is not None
        self.seal = Seal(
            header.stream, dict(header.values), dict(header.widths), self.offset,
            self.whole.event_runs, report.blocks, report.records,
            self._sums.checksums(self.name, self.offset), complete=True,
        )  # fmt: skip
        return self.seal

    def _begin(
        self, stream: EventStream, section: Section, part: Any
    ) -> tuple[Checks | None, Iterator[Any]]:
        """Check a part by itself; the first one is read here if it may warn of widths."""
        if part.start == 0 and self.header.named:
            return None, iter(())
        own = self.whole.of_part(stream)

        def check() -> Iterator[None]:
            for chunk in stream.chunks():
                refuse_stopped(self._stopped, self.name)
                if own.report.clean:
                    own.look_at(chunk)
                yield

        return own, check()

    def _take(self, read: PartRead[Checks | None]) -> bool:
        own = read.value
        return own is not None and read.error is None and self.whole.follow(own)


class RangeSums:
    """Checksums of the ranges of a stretch of a file."""

    def __init__(self) -> None:
        self.begin(0)

    def begin(self, offset: int) -> None:
        """Where the stretch begins."""
        self._start = self._position = offset
        self._known: dict[int, int] = {}  # number of a range -> its checksum
        self._head = bytearray()  # the bytes of a range that began before the stretch
        self._sum: int | None = 0 if offset % RANGE == 0 else None  # of the range that is open

    def update(self, view: memoryview) -> None:
        """The next bytes."""
        while view:
            number, within = divmod(self._position, RANGE)
            piece = view[: RANGE - within]
            if self._sum is not None:
                self._sum = crc32(piece, self._sum)
            else:
                self._head += piece
            self._position += len(piece)
            view = view[len(piece) :]
            if self._position % RANGE == 0:
                if self._sum is not None:
                    self._known[number] = self._sum
                self._sum = 0

    def join(self, other: RangeSums) -> None:
        """Take over what is known of another stretch; of the next one, also the range that begins
        in this one."""
        number, within = divmod(other._start, RANGE)
        if within and self._position == other._start and self._sum is not None:
            self._sum = crc32(other._head, self._sum)
            if other._position // RANGE == number:  # the range goes on
                self._position = other._position
                return
            self._known[number] = self._sum
        self._known |= other._known
        self._position, self._sum = other._position, other._sum

    def checksums(self, path: str, size: int) -> list[int]:
        """Those of a file's first bytes; ranges that are not known are read for it."""
        file = open_range_file(path, None)
        try:
            sums = []
            for at in range(0, size, RANGE):
                known = self._known.get(at // RANGE)
                found = _checksum(file, at, min(RANGE, size - at)) if known is None else known
                sums.append(found)
            return sums
        finally:
            file.close()


def _checksum(file: Any, offset: int, size: int) -> int:
    data = bytearray(size)
    file.read_at(offset, memoryview(data))
    return crc32(data)
