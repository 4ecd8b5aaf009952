"""Blocks of whole lines, and how long lines are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from evstream._support.jit import is_enabled
from evstream.text.limits import CHARACTERS, LOOKAHEAD

Array = npt.NDArray[Any]

NEWLINE = ord("\n")


@dataclass(frozen=True)
class Block:
    """Whole lines, each with its newline: buffer[start:end].

    Attributes:
        buffer: of bytes, with LOOKAHEAD of them or more after the text.
        lines: how many there are.
    """

    buffer: Array
    start: int
    end: int
    lines: int

    @classmethod
    def of(cls, text: memoryview) -> Block:
        """A copy of lines, of which the last may lack its newline."""
        buffer = np.empty(len(text) + 1 + LOOKAHEAD, np.uint8)
        end = len(text)
        buffer[:end] = np.frombuffer(text, np.uint8)
        if end and buffer[end - 1] != NEWLINE:
            buffer[end] = NEWLINE
            end += 1
        return cls(buffer, 0, end, int(np.count_nonzero(buffer[:end] == NEWLINE)))

    @property
    def text(self) -> memoryview:
        """The lines as bytes."""
        return self.buffer.data[self.start : self.end]

    def without_first_line(self) -> Block | None:
        """The other lines; None if there are none."""
        start = self.start + int(np.argmax(self.buffer[self.start : self.end] == NEWLINE)) + 1
        return Block(self.buffer, start, self.end, self.lines - 1) if start < self.end else None


def measure_lines(text: Array, before: int, most: int) -> tuple[int, int, int]:
    """Find out how long the lines are that come in pieces.

    Args:
        text: the next piece, of bytes.
        before: characters of its first line that came before.
        most: characters that a line may have.

    Returns:
        (newlines in the piece, characters after the last one, newlines before the first line that
        is too long or -1).
    """
    if is_enabled() and most >= CHARACTERS:
        from evstream.text.line_kernels import measure

        lines, rest, bad = measure(text, before, most)
        return int(lines), int(rest), int(bad)
    ends = np.flatnonzero(text == NEWLINE)
    lengths = np.diff(ends, prepend=-1 - before) - 1
    rest = len(text) - 1 - int(ends[-1]) if len(ends) else before + len(text)
    too_long = np.flatnonzero(lengths > most)
    if len(too_long):
        return len(ends), rest, int(too_long[0])
    return len(ends), rest, len(ends) if rest > most else -1
