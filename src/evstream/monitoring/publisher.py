"""Hands the record of a pipe on, once a second: to files, and to lines.

A report that fails must not stop the data: a failure is reported once, and tried again later.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Generator, Sequence
from types import TracebackType

from evstream.monitoring.prometheus import metrics
from evstream.monitoring.record import DONE, FAILED, Record
from evstream.monitoring.sampler import Sampler
from evstream.transport.whole_file import WholeFile

EVERY = 1.0
"""Seconds between two records."""

Target = Callable[[Record], None]


def metrics_file(path: str) -> Target:
    """Writes the metrics of the record to a file."""
    return lambda record: write_whole(path, metrics([record]))


def write_whole(path: str, text: str) -> None:
    """Write a small file, which appears whole; a device or FIFO is written to, not replaced.
    Raises OSError."""
    view = memoryview(text.encode(errors="backslashreplace"))
    with named(path):
        if os.path.exists(path) and not os.path.isfile(path):
            descriptor = open_place(path)
            try:
                write_all(descriptor, view)
            finally:
                os.close(descriptor)
            return
        file = WholeFile(path, durable=False)
        try:
            while view:
                view = view[file.write(view) :]
            file.commit()
        finally:
            file.abort()


def open_place(path: str) -> int:
    """A descriptor to write to. A FIFO without a reader, or with a slow one, is an error: nothing
    waits for it. Raises OSError."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NONBLOCK
    return os.open(path, flags, 0o666)


def write_all(descriptor: int, view: memoryview) -> None:
    """Raises OSError."""
    while view:
        view = view[os.write(descriptor, view) :]


@contextlib.contextmanager
def named(path: str) -> Generator[None]:
    """Give an OSError the name of the file, which that of a write lacks."""
    try:
        yield
    except OSError as error:
        raise type(error)(error.errno, error.strerror or str(error), path) from None


class Publisher:
    """Publishes a record every second, in a thread; a context manager.

    It says by itself that the pipe is done, or failed with an exception; for a failure without
    one, set `problem`.
    """

    def __init__(
        self, sampler: Sampler, targets: Sequence[Target], warn: Callable[[str], None]
    ) -> None:
        self.problem = ""
        self._sampler, self._targets, self._warn = sampler, targets, warn
        self._failed: set[int] = set()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="evstream-publish", daemon=True)

    def publish(self, state: str | None = None) -> None:
        """Hand the record on as it is now."""
        record = self._sampler.sample(*([] if state is None else [state, self.problem]))
        for number, target in enumerate(self._targets):
            try:
                target(record)
            except OSError as error:
                if number not in self._failed:
                    self._failed.add(number)
                    name = f"{error.filename}: " if error.filename else ""
                    self._warn(f"{name}{error.strerror or error}: progress is not reported")

    def __enter__(self) -> Publisher:
        self.publish()
        with contextlib.suppress(RuntimeError):  # the system allows no more threads
            self._thread.start()
        return self

    def _run(self) -> None:
        while not self._ended.wait(EVERY):
            self.publish()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        if self._thread.ident is not None:
            self._thread.join(EVERY)
        if isinstance(error, SystemExit):
            self.problem = "ended by a signal"
        elif isinstance(error, BrokenPipeError):
            self.problem = "its reader went away"
        elif error is not None:
            self.problem = " ".join(str(error).split()) or type(error).__name__
        self.publish(FAILED if self.problem else DONE)
