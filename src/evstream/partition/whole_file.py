"""A large file, read part by part in several threads, as if it were read in one pass.

What concerns the stream as a whole is put together from the parts: how many holes there are,
whether the end is closed. So warnings and errors are those of one pass, each once and in the same
order, and an error is the first in the file, whichever thread meets its own first.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from evstream._support.format import Format
from evstream._support.known_formats import find_format
from evstream.errors import EvstreamError, TruncatedStreamError
from evstream.partition.cuts import self_splitting
from evstream.partition.part import Part
from evstream.partition.parts import Parts, parts
from evstream.partition.threads import in_order
from evstream.reading.block_checks import BlockChecks
from evstream.reading.dataset import is_several, sources_of
from evstream.reading.index_files import is_placed, laid_out
from evstream.reading.section import Section
from evstream.reading.stream import EventStream
from evstream.reading.stream_end import report_unclosed
from evstream.transport.compression import MAGIC_SIZE, compression
from evstream.transport.environment import strict_of
from evstream.transport.range_file import is_url
from evstream.transport.source import CHUNK

SMALL = 1 << 26
"""Bytes up to which one thread reads: others would cost more than they save."""

PART = 1 << 25
"""Bytes of a part: enough to hide what opening one costs, and few enough for some cores."""

T = TypeVar("T")


@dataclass
class PartRead(Generic[T]):
    """What came of a part.

    Attributes:
        value: what was made of it, up to its end or error.
        part: the part.
        first_block: the header of its first block; None without any.
        offset: up to where it was read.
        clean_end, unclosed: as of EventStream, of this part and those before it.
        error: the error that ended it; None at its end.
        tap: what was shown its bytes; None for nothing.
    """

    value: T
    part: Part
    first_block: Any
    offset: int
    clean_end: bool | None
    unclosed: TruncatedStreamError | None
    checks: BlockChecks
    error: EvstreamError | OSError | None
    tap: Any = None


def large_parts(
    source: Any,
    *,
    stream: str | None = None,
    widths: Mapping[str, str] | None = None,
    format: Format | None = None,
    index: str | None = None,
) -> Parts | None:
    """The parts in which to read large files; None where one pass is as good: for pipes,
    compressed files, URLs, small files, and a file that cannot be cut; by its index, if `index` is
    "auto". Raises as evstream.parts.
    """
    if isinstance(source, Parts):
        return None
    paths = sources_of(source) if is_several(source) else [source]
    if any(_is_placed(path, stream, format) for path in paths):
        return None
    if not all(map(_is_plain_file, paths)) or sum(map(os.path.getsize, paths)) < SMALL:
        return None
    planned = parts(paths, PART, stream=stream, widths=widths, format=format, index=index)
    can_cut = len(planned) > 1 or self_splitting(planned.header)
    return planned if can_cut else None


def _is_placed(path: Any, stream: str | None, format: Format | None) -> bool:
    """Whether another file places the blocks of a file."""
    known, name = find_format(format, stream, path)
    return is_placed(known, laid_out(known, name, path))


def _is_plain_file(path: Any) -> bool:
    """Whether a source is a file that is not compressed."""
    is_path = isinstance(path, (str, os.PathLike)) and path != "-" and not is_url(path)
    if not is_path or not os.path.isfile(path):
        return False
    with open(path, "rb", 0) as file:
        return compression(file.read(MAGIC_SIZE)) is None


def read_parts(
    planned: Parts,
    begin: Callable[[EventStream, Section, Part], tuple[T, Iterator[Any]]],
    threads: int,
    strict: bool | None = None,
    *,
    warn: bool = True,
    tap: Callable[[], Any] | None = None,
    chunk: int = CHUNK,
) -> Iterator[PartRead[T]]:
    """What is made of each part, in order; warnings and errors as of one pass.

    Args:
        begin: takes an unread stream, where it lies, and the part; returns a value, and an iterator
            that makes it as it is drawn.
        warn: False suppresses warnings at the end, as for EventStream.
        tap: makes an object for each part, whose `begin` gets the offset of its first byte, and
            `update` all its bytes.
        chunk: bytes that are decoded at once.
    """
    strict = strict_of(strict)

    def read(part: Part) -> PartRead[T]:
        seen = None if tap is None else tap()
        look = None if seen is None else seen.update
        with EventStream(part, strict=strict, warn=False, tap=look, chunk=chunk) as stream:
            section = stream.source
            assert isinstance(section, Section)
            if seen is not None:
                seen.begin(section.start)
            value, steps = begin(stream, section, part)
            first = section.first_block()
            error: EvstreamError | OSError | None = None
            try:
                for _ in steps:
                    pass
            except (EvstreamError, OSError) as caught:
                error = caught
            return PartRead(
                value, part, first, stream.offset, stream.clean_end, stream.unclosed,
                stream.checks, error, seen,
            )  # fmt: skip

    whole: PartRead[T] | None = None
    for found in in_order(read, planned, threads):
        if whole is not None and whole.part.path == found.part.path:
            found.checks.follow(whole.checks)
            found.unclosed = found.unclosed or whole.unclosed
            found.clean_end = found.clean_end and whole.clean_end
        elif whole is not None and warn:
            _report(whole, strict)
        whole = found
        yield found
        if found.error is not None:
            if warn and not strict:
                found.checks.finish()
            raise found.error
    if whole is not None and warn:
        _report(whole, strict)


def _report(read: PartRead[T], strict: bool) -> None:
    report_unclosed(read.unclosed, strict)
    read.checks.finish()
