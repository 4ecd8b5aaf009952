"""A run folder as a whole: each file by its own rules, and the rules between the files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from evstream._support.format import Format
from evstream.checking.folder_files import FolderFile, folder_files
from evstream.checking.one_stream import Validation
from evstream.checking.references import References
from evstream.checking.reports import Report, folder_report
from evstream.checking.validation import Job, finished
from evstream.errors import EvstreamError
from evstream.process import refuse_exhaustion
from evstream.transport.range_file import local_path, shown


def validate_folder(
    folder: Any,
    *,
    expected: set[Any],
    seal: str | bool,
    first: int,
    threads: int,
    widths: Mapping[str, str] | None,
    timeout: float | None,
    format: Format | None,
    progress: Callable[[int], object] | None = None,
) -> Report:
    """The report of a folder; the arguments are those of evstream.validate.

    Raises EvstreamError where events are expected and no file has events, OSError for a folder
    that cannot be read.
    """
    name = shown(str(local_path(folder)))
    files = list(folder_files(folder, format))
    known = [file for file in files if file.stream is not None]
    references = References(known, widths, format)
    # Without the type, so that a stream in a file with the usual name of another is refused.
    jobs = [
        Job(file.path, None, file.widths_of(widths), format, references.of(file)) for file in known
    ]
    at_once = max(1, min(threads, len(jobs)))
    all_found = finished(
        jobs, at_once, threads // at_once, first=first, seal=seal, timeout=timeout,
        progress=progress,
    )  # fmt: skip
    reports, events, streams = [], set(), []
    for file, found in zip(known, all_found, strict=True):
        if isinstance(found, Validation):
            reports.append(found.report)
            if found.header.spec.type_word is not None:
                events |= found.events
                streams.append(found)
        else:
            reports.append(_unread(file, found))
    if expected and not streams:
        raise EvstreamError("no file of the folder has events", source=name)
    if streams:
        streams[-1].look_for(expected, events)
    unknown = {file.name: file.note for file in files if file.stream is None}
    return folder_report(name, reports, len(events), first, unknown, references.unchecked)


def _unread(file: FolderFile, error: EvstreamError | OSError) -> Report:
    if isinstance(error, OSError):
        refuse_exhaustion(error)
        # The file that is missing may be the index file of this one.
        name = shown(str(error.filename or file.path))
        return Report(
            file.path, file.stream or "", bytes=0, error=f"{name}: {error.strerror or error}"
        )
    text = str(error)
    return Report(file.path, file.stream or "", bytes=0, error=text)
