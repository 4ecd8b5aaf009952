"""Progress on stderr, on a terminal only, once the work takes longer than a moment."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

_FIRST_AFTER = 1.0
_EVERY = 0.25
_BAR = 20


class Progress:
    """A line that says how far the work is; use as a context manager.

    `total` is the number of bytes in all, None where it is not known; `prints` says whether
    stdout is written to meanwhile, which would mix with the line on a terminal, and `alone` whether
    nothing else is in work.
    """

    def __init__(
        self, name: str, total: int | None, *, prints: bool = True, alone: bool = True
    ) -> None:
        self._name = name
        self._total = total
        self._shown = False
        self._started = time.monotonic()
        self._next = self._started + _FIRST_AFTER
        self._on = alone and _is_terminal(sys.stderr) and not (prints and _is_terminal(sys.stdout))

    def update(self, done: int) -> None:
        """Report that `done` bytes are done."""
        now = time.monotonic()
        if not self._on or now < self._next:
            return
        self._next = now + _EVERY
        seconds = now - self._started
        line = f"{self._name}: {done / 1e6:,.0f} MB, {done / 1e6 / seconds:,.0f} MB/s"
        if self._total and done:
            part = min(done / self._total, 1.0)
            bar = "#" * int(_BAR * part)
            left = seconds * (1 - part) / part
            line += f" [{bar:.<{_BAR}}] {100 * part:.0f}%, {left:.0f} s left"
        print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)
        self._shown = True

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _is_terminal(stream: Any) -> bool:
    return stream is not None and bool(stream.isatty())
