"""What is watched while a text file is read: the length of its lines, and how it ends.

Lines are measured as their bytes come, before any parser holds one, so that memory stays bounded
however long a line of a hostile file is, compressed or not. A last line without a newline may
have lost its end: `1,2,3,15` is a row, and so is the `1,2,3,1` that a cut leaves of it.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TypeVar

import numpy as np

from evstream.errors import CutLineWarning, TableError, warn_like
from evstream.transport.source import Source

W = TypeVar("W")

MAX_LINE = 1 << 20
"""Bytes that a line may have unless the caller says otherwise; a row has below 200."""

_NEWLINE = ord("\n")


class LineGuard:
    """A source of text whose lines are measured. Reads as a Source does.

    Raises TableError from `readinto` for a line of more than `max_line` bytes.
    """

    def __init__(self, source: Source, max_line: int = MAX_LINE) -> None:
        self.name = source.name
        self._read_into = source.readinto
        self._max_line = max_line
        self._lines = 0
        self._open = 0  # bytes of the line that has not ended yet

    def readinto(self, view: memoryview) -> int:
        size = self._read_into(view)
        ends = np.flatnonzero(np.frombuffer(view[:size], np.uint8) == _NEWLINE)
        lengths = np.diff(ends, prepend=-1 - self._open) - 1
        rest = size - 1 - int(ends[-1]) if len(ends) else self._open + size
        too_long = np.flatnonzero(lengths > self._max_line)
        if len(too_long) or rest > self._max_line:
            before = int(too_long[0]) if len(too_long) else len(ends)
            raise TableError(
                f"a line of more than {self._max_line:,} bytes", source=self.name,
                line=self._lines + before + 1, expected="a row (max_line allows longer lines)",
            )  # fmt: skip
        self._open = rest
        self._lines += len(ends)
        return size

    def watch_end(self, batches: Iterator[W], *, strict: bool) -> Generator[W]:
        """The batches that were parsed; then a CutLineWarning, under `strict` a TableError, if
        the last line has no newline."""
        yield from batches
        if self._open:
            problem = "the last line has no newline: the file may be cut inside its last value"
            error = TableError(problem, source=self.name, line=self._lines + 1)
            if strict:
                raise error
            warn_like(error, CutLineWarning)
