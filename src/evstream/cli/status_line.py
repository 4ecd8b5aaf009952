"""A line at the bottom of a terminal, on stderr, that is drawn again and again."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import threading
from collections.abc import Generator
from typing import Any

from evstream.cli import log

WIPE = "\r\x1b[K"


class StatusLine:
    """Stays below all messages, until its end."""

    def __init__(self) -> None:
        self._screen = threading.RLock()
        self._drawn = ""
        self._has_ended = False

    def show(self, text: str) -> None:
        """Draw the line anew, while the terminal is ours."""
        with self._screen:
            if not self._has_ended and _is_in_foreground():
                log.above_line = self._hidden
                self._write(WIPE + text)
                self._drawn = text

    def end(self) -> None:
        """Wipe the line, for good."""
        with self._screen:
            self._has_ended = True
            log.above_line = contextlib.nullcontext
            if self._drawn:
                self._write(WIPE)

    @contextlib.contextmanager
    def _hidden(self) -> Generator[None]:
        """Wipe the line, while something else is printed."""
        with self._screen:
            if self._drawn:
                self._write(WIPE)
            yield
            if self._drawn and not self._has_ended:
                self._write(WIPE + self._drawn)

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(text)
            sys.stderr.flush()


def can_draw(stream: Any) -> bool:
    """Whether a stream is a terminal that can draw a line again."""
    return log.is_terminal(stream) and os.environ.get("TERM", "") not in {"", "dumb", "unknown"}


def is_pipe(stream: Any) -> bool:
    with contextlib.suppress(AttributeError, OSError, ValueError):
        return stat.S_ISFIFO(os.fstat(stream.fileno()).st_mode)
    return False


def _is_in_foreground() -> bool:
    """Whether the terminal is ours: not that of another command, while this one is a background
    job."""
    with contextlib.suppress(AttributeError, OSError, ValueError):
        return os.tcgetpgrp(sys.stderr.fileno()) == os.getpgrp()
    return True
