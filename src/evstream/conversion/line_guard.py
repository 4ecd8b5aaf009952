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
from evstream.text.lines import measure_lines
from evstream.transport.source import Source

W = TypeVar("W")

MAX_LINE = 1 << 20
"""Bytes that a line may have unless the caller says otherwise; a row has below 200."""


class LineGuard:
    """A source of text whose lines are measured. Reads as a Source does.

    Raises TableError from `readinto` for a line of more than `max_line` bytes.

    Attributes:
        lines: how many have ended so far.
        open: bytes of the one that has not ended yet.
    """

    def __init__(self, source: Source, max_line: int = MAX_LINE) -> None:
        self.name = source.name
        self._read_into = source.readinto
        self._max_line = max_line
        self.lines = 0
        self.open = 0

    def readinto(self, view: memoryview) -> int:
        size = self._read_into(view)
        piece = np.frombuffer(view[:size], np.uint8)
        lines, rest, before = measure_lines(piece, self.open, self._max_line)
        if before >= 0:
            raise TableError(
                f"a line of more than {self._max_line:,} bytes", source=self.name,
                line=self.lines + before + 1, expected="a row (max_line allows longer lines)",
            )  # fmt: skip
        self.open = rest
        self.lines += lines
        return size

    def watch_end(self, batches: Iterator[W], *, strict: bool) -> Generator[W]:
        """The batches that were parsed; then a CutLineWarning, under `strict` a TableError, if
        the last line has no newline."""
        yield from batches
        if self.open:
            problem = "the last line has no newline: the file may be cut inside its last value"
            error = TableError(problem, source=self.name, line=self.lines + 1)
            if strict:
                raise error
            warn_like(error, CutLineWarning)
