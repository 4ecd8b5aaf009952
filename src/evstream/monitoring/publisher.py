"""Hands the record of a pipe on, once a second: to files, and to lines.

What cannot be told must not stop the data: a failure is reported once, and tried again later.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence
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
    """Write a small file, which appears whole. Raises OSError."""
    file = WholeFile(path, durable=False)
    try:
        view = memoryview(text.encode(errors="backslashreplace"))
        while view:
            view = view[file.write(view) :]
        file.commit()
    finally:
        file.abort()


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
                    self._warn(f"{name}{error.strerror or error}: progress is not told")

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
