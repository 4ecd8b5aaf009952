"""`evstream.validate`: one source, several, or a run folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from evstream._support.arguments import described, one_line, whole_number
from evstream._support.format import Format
from evstream.checking.folder_files import is_run_folder
from evstream.checking.folder_validation import validate_folder
from evstream.checking.one_stream import Validation
from evstream.checking.reports import Report, joined
from evstream.checking.validation import validations
from evstream.partition.threads import threads_of
from evstream.reading.dataset import (
    is_several,
    neighbours_joined,
    refuse_other_header,
    sources_of,
)
from evstream.transport.endpoints import SourcesLike
from evstream.transport.watching import one_bar
from evstream.wire.columns import plain


@one_bar
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
    progress: Callable[[int], object] | None = None,
) -> Report:
    """Check a stream against every rule of its type; or several, each on its own; or a run folder.

    A folder of files of several types, or of files without a type word, is a run folder: the files
    below it count too, and the rules between files are checked. Its report has that of each file
    in `reports`, files of no known type in `unknown`, and rules that could not be checked, since a
    file is missing, in `unchecked`. A file that cannot be read has its reason in `error`. Memory
    holds the different values of each field that other files refer to.

    Args:
        source, stream, widths, timeout, format: as for evstream.open.
        expect_events: event ids that must all be there, in any of the files.
        seal: the path of a seal to compare with; True takes the one next to the file if there
            is one, False none.
        first: how many places of each rule are listed; all are counted.
        threads: how many read a large file, or several at a time, with the same result; None for
            the number of cores that this process may use.
        progress: called now and then, by one thread at a time, with the number of bytes read.

    Raises:
        StreamHeaderError, StreamMismatchError: the stream cannot be read at all.
        SealError: the seal cannot be read.
        ValueError: a part of some events only, or one seal for several files.
    """
    first = whole_number("first", first)
    expected = _event_ids(expect_events)

    if isinstance(seal, (str, os.PathLike)) and is_several(source):
        raise ValueError(f"{one_line(seal)}: one seal for several files, expected True or False")
    if is_run_folder(source, stream, format):
        return validate_folder(
            source, expected=expected, seal=seal, first=first, threads=threads_of(threads),
            widths=widths, timeout=timeout, format=format, progress=progress,
        )  # fmt: skip
    sources = list(neighbours_joined(sources_of(source))) if is_several(source) else [source]
    number = threads_of(threads)
    files = min(number, len(sources))
    checked: list[Validation] = []
    for found in validations(
        sources, files, number // files, first=first, seal=seal, stream=stream, widths=widths,
        timeout=timeout, format=format, progress=progress,
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


def _event_ids(expected: Iterable[Any] | None) -> set[Any]:
    """The event ids that are expected. Raises TypeError for what are none."""
    try:
        found = {plain(event) for event in expected} if expected is not None else set()
        sorted(found)
    except (TypeError, ValueError):
        problem = f"expect_events is {described(expected)}, expected event ids"
        raise TypeError(problem) from None
    return found
