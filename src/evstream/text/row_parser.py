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
from evstream.text.lines import NEWLINE, Block

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

    def rows(self, text: memoryview, first_line: int) -> dict[str, Array]:
        """The rows of whole lines; the last one may lack its newline."""
        return self.rows_of(Block.of(text), first_line)

    def rows_of(self, block: Block, first_line: int) -> dict[str, Array]:
        """The rows of a block, of which nothing is copied."""
        text, at, end, count = block.buffer, block.start, block.end, block.lines
        buffer, columns = block_of(list(self._dtypes.values()), count)
        rows = dict(zip(self._dtypes, columns, strict=True))
        in_text = [rows[name] for name in self._names]
        plan = None
        if is_enabled() and not self._has_text:
            from evstream.text.parse_kernels import parse_rows, plan_of

            plan = plan_of(described_columns(buffer, in_text))
        ends = None
        row = 0
        while True:
            if plan is not None:
                row, at, _ = parse_rows(text, at, end, plan, buffer, row, count)
            if row == count:
                return rows
            if ends is None:
                ends = np.flatnonzero(text[block.start : end] == NEWLINE) + block.start
            line = text[at : ends[row]].tobytes().decode("utf-8", "replace").removesuffix("\r")
            for column, value in zip(in_text, self._odd_line(line, first_line + row), strict=True):
                column[row] = value
            at = int(ends[row]) + 1
            row += 1
