"""`evstream.validate`: every rule of the spec, on every byte of one or several streams."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from evstream._support.arguments import checked_path, described, one_line, whole_number
from evstream._support.format import Format
from evstream.checking.in_parts import CheckedParts, parts_to_check
from evstream.checking.one_stream import Validation
from evstream.checking.reports import Report, joined
from evstream.checking.seal import Seal, Sealer
from evstream.errors import (
    EvstreamError,
    StaleIndexError,
)
from evstream.partition.parts import Parts
from evstream.partition.threads import in_order, threads_of
from evstream.reading.dataset import (
    is_several,
    neighbours_joined,
    refuse_other_header,
    sources_of,
)
from evstream.reading.section import Sectioned
from evstream.reading.stream import EventStream
from evstream.transport.endpoints import SourceLike, SourcesLike
from evstream.transport.range_file import shown
from evstream.wire.columns import plain


def validate(
    source: SourcesLike,
    *,
    expect_events: Iterable[Any] | None = None,
    seal: str | bool = True,
    first: int = 10,
    threads: int | None = None,
    stream: str | None = None,
    widths: Mapping[str, str] | None = None,
    timeout: float | None = None,
    format: Format | None = None,
) -> Report:
    """Check a stream against every rule of its type; or several, each on its own.

    Args:
        source, stream, widths, timeout, format: as for evstream.open.
        expect_events: event ids that must all be there, in any of the files.
        seal: the path of a seal to compare with; True takes the one next to the file if there
            is one, False none.
        first: how many places of each rule are listed; all are counted.
        threads: how many read a large file, or several at a time, with the same result; None for
            the number of cores that this process may use.

    Raises:
        StreamHeaderError, StreamMismatchError: the stream cannot be read at all.
        SealError: the seal cannot be read.
        ValueError: a part of some events only, or one seal for several files.
    """
    first = whole_number("first", first)
    expected = _event_ids(expect_events)

    if isinstance(seal, (str, os.PathLike)) and is_several(source):
        raise ValueError(f"{one_line(seal)}: one seal for several files, expected True or False")
    sources = list(neighbours_joined(sources_of(source))) if is_several(source) else [source]
    number = threads_of(threads)
    files = min(number, len(sources))
    checked: list[Validation] = []
    for found in validations(
        sources, files, number // files, first=first, seal=seal, stream=stream, widths=widths,
        timeout=timeout, format=format,
    ):  # fmt: skip
        if isinstance(found, Exception):
            raise found
        checked.append(found)
        refuse_other_header(
            found.header, found.report.source, checked[0].header, checked[0].report.source
        )
    events = set().union(*(validation.events for validation in checked))
    checked[-1].look_for(expected, events)
    if not is_several(source):
        return checked[0].report
    return joined([validation.report for validation in checked], len(events), first)


def validations(
    sources: Sequence[Any],
    files: int,
    threads: int,
    *,
    first: int,
    seal: str | bool,
    stream: str | None,
    widths: Mapping[str, str] | None,
    timeout: float | None,
    format: Format | None,
) -> Iterator[Validation | EvstreamError | OSError]:
    """The finished Validation of each source in order, or why it cannot be read; so many files at
    a time, each by so many threads."""
    stopped = threading.Event()

    def check(one: Any) -> Validation | EvstreamError | OSError:
        if isinstance(one, Sectioned) and one.wanted is not None:
            raise ValueError(f"{one!r} is of some events only, expected one of all")
        try:
            sealed = _seal_of(one, seal, timeout)
            sealer = (
                Sealer(shown(str(one)), stream=stream, widths=widths, format=format)
                if sealed is not None
                else None
            )

            def tap(view: memoryview) -> None:
                if stopped.is_set():
                    raise EvstreamError("stopped, since nobody waits for the result")
                if sealer is not None:
                    sealer.update(view)

            planned = parts_to_check(one, threads, stream=stream, widths=widths, format=format)
            if planned is not None:
                found = _checked_in_parts(planned, threads, first, sealed, stopped)
                if found is not None:
                    return found
            with EventStream(
                one, stream, widths=widths, tap=tap, timeout=timeout, format=format, warn=False
            ) as opened:
                validation = Validation(opened, first, sealed, sealer)
                validation.run()
                return validation
        except (EvstreamError, OSError) as error:
            return error

    return in_order(check, sources, files, stopped.set)


def _checked_in_parts(
    planned: Parts, threads: int, first: int, sealed: Seal | None, stopped: threading.Event
) -> Validation | None:
    """The finished Validation of a file by several threads. None where one pass has to say what is
    wrong: an index that does not fit the file, or a stream that ends early while it is compared
    with its seal."""
    parts = CheckedParts(planned, threads, seals=sealed is not None, stopped=stopped)
    validation = parts.whole = Validation(parts, first, sealed, None if sealed is None else parts)
    try:
        validation.run()
    except StaleIndexError:
        return None
    return None if sealed is not None and parts.clean_end is None else validation


def _seal_of(source: SourceLike, seal: str | bool, timeout: float | None) -> Seal | None:
    if isinstance(seal, (str, os.PathLike)):
        return Seal.read(checked_path(seal), timeout)
    if seal is not None and not isinstance(seal, bool):
        raise TypeError(f"seal is {described(seal)}, expected True, False or a path")
    if seal and isinstance(source, (str, os.PathLike)) and source != "-":
        return Seal.beside(checked_path(source), timeout)
    return None


def _event_ids(expected: Iterable[Any] | None) -> set[Any]:
    """The event ids that are expected. Raises TypeError for what are none."""
    try:
        found = {plain(event) for event in expected} if expected is not None else set()
        sorted(found)
    except (TypeError, ValueError):
        problem = f"expect_events is {described(expected)}, expected event ids"
        raise TypeError(problem) from None
    return found
