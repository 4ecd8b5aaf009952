"""Every rule of the spec, on every byte of one or several streams."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evstream._support.arguments import checked_path, described
from evstream._support.format import Format
from evstream.checking.in_parts import CheckedParts, parts_to_check, refuse_stopped
from evstream.checking.one_stream import Validation
from evstream.checking.references import Reference
from evstream.checking.seal import Seal, Sealer
from evstream.errors import (
    EvstreamError,
    StaleIndexError,
)
from evstream.partition.parts import Parts
from evstream.partition.threads import in_order
from evstream.reading.meter import Meter
from evstream.reading.section import Sectioned
from evstream.reading.stream import EventStream
from evstream.transport.endpoints import SourceLike
from evstream.transport.range_file import shown
from evstream.transport.source import LARGE_CHUNK
from evstream.transport.watching import expect


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
    progress: Callable[[int], object] | None = None,
) -> Iterator[Validation | EvstreamError | OSError]:
    """The finished Validation of each source in order, or why it cannot be read; so many files at
    a time, each by so many threads."""
    jobs = [Job(source, stream, widths, format) for source in sources]
    return finished(
        jobs, files, threads, first=first, seal=seal, timeout=timeout, progress=progress
    )


@dataclass(frozen=True)
class Job:
    """A source to validate, and what it is read as; `references` are the rules between it and other
    files, where it is one of a folder."""

    source: Any
    stream: str | None
    widths: Mapping[str, str] | None
    format: Format | None
    references: Sequence[Reference] | None = None


def finished(
    jobs: Sequence[Job],
    files: int,
    threads: int,
    *,
    first: int,
    seal: str | bool,
    timeout: float | None,
    progress: Callable[[int], object] | None = None,
) -> Iterator[Validation | EvstreamError | OSError]:
    """See `validations`."""
    expect(job.source for job in jobs)
    stopped, meter = threading.Event(), Meter(progress)

    def check(job: Job) -> Validation | EvstreamError | OSError:
        one, stream, widths, format = job.source, job.stream, job.widths, job.format
        if isinstance(one, Sectioned) and one.wanted is not None:
            raise ValueError(f"{one!r} is of some events only, expected one of all")
        read = meter.input()
        reading: list[EventStream] = []
        try:
            sealed = _seal_of(one, seal, timeout)
            sealer = (
                Sealer(shown(str(one)), stream=stream, widths=widths, format=format)
                if sealed is not None
                else None
            )

            def tap(view: memoryview) -> None:
                refuse_stopped(stopped, shown(str(one)))
                if reading:
                    read(reading[0].bytes_read)
                if sealer is not None:
                    sealer.update(view)

            planned = parts_to_check(one, threads, stream=stream, widths=widths, format=format)
            if planned is not None:
                found = _checked_in_parts(planned, threads, first, sealed, stopped, job, read)
                if found is not None:
                    return found
            with EventStream(
                one, stream, widths=widths, tap=tap, timeout=timeout, format=format, warn=False,
                chunk=LARGE_CHUNK,
            ) as opened:  # fmt: skip
                reading.append(opened)
                validation = Validation(opened, first, sealed, sealer, references=job.references)
                validation.run()
                read(opened.bytes_read)
                return validation
        except (EvstreamError, OSError) as error:
            return error

    return in_order(check, jobs, files, stopped.set)


def _checked_in_parts(
    planned: Parts,
    threads: int,
    first: int,
    sealed: Seal | None,
    stopped: threading.Event,
    job: Job,
    progress: Callable[[int], None],
) -> Validation | None:
    """The finished Validation of a file by several threads. None where one pass has to say what is
    wrong: an index that does not fit the file, or a stream that ends early while it is compared
    with its seal."""
    parts = CheckedParts(
        planned, threads, seals=sealed is not None, stopped=stopped, progress=progress
    )
    validation = parts.whole = Validation(
        parts, first, sealed, None if sealed is None else parts, references=job.references
    )
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
