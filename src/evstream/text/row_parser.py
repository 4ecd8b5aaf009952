"""Lines of CSV as rows of numbers.

The kernel does the work without the GIL, so blocks can be parsed in several threads. A row that it
leaves over goes to the caller; without numba all rows do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from evstream._support.jit import is_enabled
from evstream._support.texts import is_text
from evstream.text.column_blocks import block_of, described_columns
from evstream.text.limits import SLACK

Array = npt.NDArray[Any]
Dtypes = Mapping[str, np.dtype[Any]]


class RowParser:
    """Parses lines of numbers.

    Args:
        names: of the columns, in the order of the text.
        dtypes: of the columns, in the order of the rows.
        odd_line: parses a line (text without its newline, line number) that the kernel leaves
            over: its values in the order of the text. Raises for a bad one.
    """

    def __init__(
        self,
        names: Sequence[str],
        dtypes: Dtypes,
        odd_line: Callable[[str, int], Sequence[Any]],
    ) -> None:
        self._names = list(names)
        self._dtypes = dict(dtypes)
        self._odd_line = odd_line
        self._has_text = any(map(is_text, self._dtypes.values()))

    def rows(self, block: memoryview, first_line: int) -> dict[str, Array]:
        """The rows of whole lines; the last one may lack its newline."""
        text = np.empty(len(block) + 1 + SLACK, np.uint8)
        text[: len(block)] = np.frombuffer(block, np.uint8)
        end = len(block)
        if end and block[end - 1] != _NEWLINE:
            text[end] = _NEWLINE
            end += 1
        text[end:] = _NEWLINE
        count = int(np.count_nonzero(text[:end] == _NEWLINE))
        buffer, columns = block_of(list(self._dtypes.values()), count)
        rows = dict(zip(self._dtypes, columns, strict=True))
        in_text = [rows[name] for name in self._names]
        ends = None
        row = at = 0
        while True:
            if is_enabled() and not self._has_text:
                from evstream.text.parse_kernels import parse_rows

                described = described_columns(buffer, in_text)
                row, at, _ = parse_rows(text, at, end, described, buffer, row, count)
            if row == count:
                return rows
            if ends is None:
                ends = np.flatnonzero(text[:end] == _NEWLINE)
            line = text[at : ends[row]].tobytes().decode("utf-8", "replace").removesuffix("\r")
            for column, value in zip(in_text, self._odd_line(line, first_line + row), strict=True):
                column[row] = value
            at = int(ends[row]) + 1
            row += 1


_NEWLINE = ord("\n")
