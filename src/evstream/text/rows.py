"""Rows of numbers as lines of CSV.

The kernel does the work without the GIL, so blocks can be printed in several threads.
A row that it leaves over goes through `exact`; without numba all rows do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from evstream._support.jit import is_enabled
from evstream._support.texts import decoded, is_text
from evstream.errors import TableError
from evstream.text.column_blocks import DONE, FULL, ODD, block_of, described_columns
from evstream.text.exact import text_of
from evstream.text.limits import MOST_DECIMALS, SLACK

Array = npt.NDArray[Any]
Dtypes = Mapping[str, np.dtype[Any]]

USUAL = 12
"""Bytes of a number and its comma that the first output has room for."""

ROWS = 1 << 14
"""Rows that the kernel takes at once: as many as fit the processor's cache."""


def _widened(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype as the kernel takes it: integers of 64 bits."""
    return np.dtype(f"<{dtype.kind}8") if dtype.kind in "iu" else dtype


def _quoted(text: str, name: str, source: str | None) -> str:
    """A text as CSV has it. Raises TableError for one of several lines."""
    if "\n" in text or "\r" in text:
        expected = "text of one line, as CSV is read"
        raise TableError(f"{text!r}", source=source, column=name, expected=expected)
    is_plain = '"' not in text and "," not in text and text == text.strip()
    return text if is_plain else '"' + text.replace('"', '""') + '"'


class RowPrinter:
    """Prints rows of the columns `dtypes`, in this order. Raises TableError for a text that is not
    ASCII, or of several lines.

    Args:
        decimals: of floats; None prints the fewest digits that read back to the same float.
        source: what the rows come from, for the error.
    """

    def __init__(
        self, dtypes: Dtypes, decimals: int | None = None, source: str | None = None
    ) -> None:
        self._dtypes = dict(dtypes)
        self._decimals = decimals
        self._source = source

    def text(self, rows: Mapping[str, Array]) -> memoryview:
        """A line for each row of equally long columns."""
        values = [np.asarray(rows[name], dtype) for name, dtype in self._dtypes.items()]
        count = len(values[0])
        if any(is_text(column.dtype) for column in values):
            return self._with_text(values)
        if is_enabled() and (self._decimals or 0) <= MOST_DECIMALS:
            return self._compiled(values, count)
        return memoryview("".join(self._line(values, row) for row in range(count)).encode())

    def _with_text(self, values: Sequence[Array]) -> memoryview:
        """The kernels know numbers alone: each column by itself, then the rows of them."""
        parts = []
        for name, column in zip(self._dtypes, values, strict=True):
            if is_text(column.dtype):
                texts = decoded(column, name, self._source)
                parts.append([_quoted(text, name, self._source) for text in texts])
            else:
                lines = RowPrinter({"": column.dtype}, self._decimals).text({"": column})
                parts.append(str(lines, "ascii").split("\n")[:-1])
        return memoryview(
            "".join(",".join(row) + "\n" for row in zip(*parts, strict=True)).encode()
        )

    def _compiled(self, values: Sequence[Array], count: int) -> memoryview:
        from evstream.text import kernels
        from evstream.text.column_texts import LONGEST

        buffer, columns = block_of([_widened(c.dtype) for c in values], min(count, ROWS))
        described = described_columns(buffer, columns)
        decimals = -1 if self._decimals is None else self._decimals
        workspace = kernels.workspace(len(columns))
        spare = len(columns) * LONGEST + SLACK
        out = np.empty(len(columns) * USUAL * count + spare, np.uint8)
        at = 0
        for first in range(0, count, ROWS):
            size = min(ROWS, count - first)
            for column, given in zip(columns, values, strict=True):
                column[:size] = given[first : first + size]
            row, status = 0, FULL
            while status != DONE:
                row, at, status = kernels.format_rows(
                    buffer, described, row, size, decimals, out, at, workspace
                )
                line = self._line(values, first + row).encode() if status == ODD else b""
                if status != DONE and at + len(line) + spare > len(out):
                    out = np.concatenate([out[:at], np.empty(len(out) + len(line), np.uint8)])
                out[at : at + len(line)] = np.frombuffer(line, np.uint8)
                at += len(line)
                row += status == ODD
        return out[:at].data

    def _line(self, columns: Sequence[Array], row: int) -> str:
        return ",".join(text_of(column[row], self._decimals) for column in columns) + "\n"
