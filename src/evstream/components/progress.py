"""How far a component is, on stderr, where `--progress` asks for it.

The line names the event under way, which may take long: a model is busy between two of them.
"""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

from evstream._support.words import counted
from evstream.cli import log
from evstream.cli.status_line import StatusLine, can_draw
from evstream.components.context import ComponentRun

_ON_TERMINAL, _IN_LOG = 0.25, 10.0
"""Seconds between two lines: on a terminal the line is replaced."""


class EventProgress:
    """Counts events, and prints a line now and then; use as a context manager."""

    def __init__(self, run: ComponentRun, name: str, event_column: str) -> None:
        self._run, self._name, self._column = run, name, event_column
        self._on = run.options.progress and not run.options.quiet and sys.stderr is not None
        self._terminal = self._on and can_draw(sys.stderr) and not log.is_json()
        self._every = _ON_TERMINAL if self._terminal else _IN_LOG
        self._started = time.monotonic()
        self._last = self._started - (self._every if self._terminal else 0)
        self._line = StatusLine()

    def update(self, count: int, event: Any) -> None:
        """Report that `count` events are done, and `event` is under way."""
        if not self._on or (now := time.monotonic()) < self._last + self._every:
            return
        self._last = now
        text = f"{counted(count, 'event')}, {self._column} {event} under way"
        if count:
            text += f", {count / (now - self._started):,.1f} events/s"
            text += f", {self._run.out.offset / 1e6:,.1f} MB written"
        if self._terminal:
            self._line.show(f"{self._name}: {text}")
        else:
            self._run.report(text)

    def __enter__(self) -> EventProgress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._terminal:
            self._line.end()
