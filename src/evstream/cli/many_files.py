"""One command on many files: several at a time, results in the order of the arguments.

A file that cannot be used does not stop the others. Its error, and the warnings of each file, are
reported where its result is, whichever thread came first.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from threading import Event
from typing import Any, Generic, TypeVar

from evstream._support.words import counted
from evstream.checking.in_parts import refuse_stopped
from evstream.cli import log
from evstream.cli.arguments import shown
from evstream.errors import EvstreamError
from evstream.process import refuse_exhaustion
from evstream.transport.range_file import is_url

T = TypeVar("T")

URLS_AT_ONCE = 8
"""Objects of a store that are read at a time: most of the time is spent waiting."""


@dataclass
class Outcome(Generic[T]):
    """What came of a file: a value, or the error in its place."""

    file: str
    value: T | None = None
    error: EvstreamError | OSError | None = None
    warnings: list[Warning] = field(default_factory=list)

    def report(self) -> int:
        """Report the error, if there is one; the exit status for the file."""
        return 0 if self.error is None else log.file_error(self.error, shown(self.file))


def each(
    files: Sequence[str], work: Callable[[str, Event], T], at_once: int
) -> Iterator[Outcome[T]]:
    """The outcome of `work` for each file, in order; so many at a time. `work` gets an event that
    is set when its result is no longer needed."""
    from evstream.partition.threads import in_order

    stopped = Event()

    def attempt(file: str) -> Outcome[T]:
        found: Outcome[T] = Outcome(file)
        with log.held(found.warnings):
            try:
                found.value = work(file, stopped)
            except (EvstreamError, OSError) as error:
                refuse_exhaustion(error)
                found.error = error
        return found

    for outcome in in_order(attempt, files, at_once, stopped.set):
        for warning in outcome.warnings:
            warnings.showwarning(warning, type(warning), "", 0)
        yield outcome


def do_all(
    files: Sequence[str], work: Callable[[str, Event], object], at_once: int, done: str
) -> int:
    """Do `work` for each file, as `each` does, and report the errors and, at the end, for how many
    it is `done`; the worst exit status."""
    status, counts = 0, {done: 0, f"not {done}": 0}
    for outcome in each(files, work, at_once):
        counts[done if outcome.error is None else f"not {done}"] += 1
        status = max(status, outcome.report())
    summarize(done, counts, status)
    return status


def jobs_for(files: Sequence[str], jobs: int | None) -> tuple[int, int]:
    """How many files to read at a time, and by how many threads each. One at a time where they are
    small together, since Python reads small files no faster by threads, or where one is a pipe."""
    from evstream.partition.threads import threads_of
    from evstream.partition.whole_file import SMALL

    threads = threads_of(jobs)
    if files and all(map(is_url, files)):
        return min(threads if jobs else max(threads, URLS_AT_ONCE), len(files)), 1
    are_files = all(map(os.path.isfile, files))
    if not are_files or sum(map(os.path.getsize, files)) < SMALL:
        return 1, threads
    at_once = min(threads, len(files))
    return at_once, threads // at_once


def until(stopped: Event, update: Callable[[int], None], file: str) -> Callable[[int], None]:
    """A function that takes how far the work on a file is, and ends it once it is not needed."""

    def step(done: int) -> None:
        refuse_stopped(stopped, file)
        update(done)

    return step


def summarize(done: str, counts: dict[str, int], status: int) -> None:
    """Report the end of work on several files: how many are as they should be (`done`), and how
    many are not, for which reason."""
    files = sum(counts.values())
    if files < 2:
        return
    found = {reason: number for reason, number in counts.items() if number or reason == done}
    text = ", ".join(f"{number:,} {reason}" for reason, number in found.items())
    facts: dict[str, Any] = {reason.replace(" ", "_"): number for reason, number in counts.items()}
    log.note(f"{counted(files, 'file')}: {text}", files=files, **facts, status=status)
