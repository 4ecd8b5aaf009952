"""Rows of numbers as lines of CSV, and back.

The kernels do the work without the GIL, so blocks can be printed and parsed in several threads.
A row that they leave over goes through `exact`; without numba all rows do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from evstream._support.jit import is_enabled
from evstream._support.texts import decoded, is_text
from evstream.errors import TableError
from evstream.text.exact import text_of
from evstream.text.limits import KINDS, MOST_DECIMALS, SLACK

Array = npt.NDArray[Any]
Dtypes = Mapping[str, np.dtype[Any]]


ALIGNMENT = 8


USUAL = 16
"""Bytes of a number and its comma that the first output has room for."""


def _block(dtypes: Sequence[np.dtype[Any]], count: int) -> tuple[Array, list[Array]]:
    """A buffer that holds `count` rows of columns one after the other, and the columns."""
    starts, size = [], 0
    for dtype in dtypes:
        starts.append(size)
        size += -(-dtype.itemsize * count // ALIGNMENT) * ALIGNMENT
    buffer = np.empty(size, np.uint8)
    return buffer, [
        buffer[start : start + dtype.itemsize * count].view(dtype)
        for start, dtype in zip(starts, dtypes, strict=True)
    ]


def _described(buffer: Array, columns: Sequence[Array]) -> Array:
    """Kind and start of each column, as the kernels take it."""
    base = buffer.ctypes.data
    return np.array([(KINDS.index(c.dtype.str[1:]), c.ctypes.data - base) for c in columns])


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

        buffer, columns = _block([column.dtype for column in values], count)
        for column, given in zip(columns, values, strict=True):
            column[:] = given
        described = _described(buffer, columns)
        decimals = -1 if self._decimals is None else self._decimals
        above = np.zeros((len(columns), 3), np.int64)
        spare = len(columns) * kernels.LONGEST_FIXED + SLACK
        out = np.empty(len(columns) * USUAL * count + spare, np.uint8)
        row = at = 0
        while True:
            row, at, status = kernels.format_rows(
                buffer, described, row, count, decimals, out, at, above
            )
            if status == kernels.DONE:
                return out[:at].data
            line = self._line(values, row).encode() if status == kernels.ODD else b""
            if at + len(line) + spare > len(out):
                out = np.concatenate([out[:at], np.empty(len(out) + len(line), np.uint8)])
            out[at : at + len(line)] = np.frombuffer(line, np.uint8)
            at += len(line)
            row += status == kernels.ODD

    def _line(self, columns: Sequence[Array], row: int) -> str:
        return ",".join(text_of(column[row], self._decimals) for column in columns) + "\n"


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
        buffer, columns = _block(list(self._dtypes.values()), count)
        rows = dict(zip(self._dtypes, columns, strict=True))
        in_text = [rows[name] for name in self._names]
        ends = None
        row = at = 0
        while True:
            if is_enabled() and not self._has_text:
                from evstream.text.kernels import parse_rows

                described = _described(buffer, in_text)
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
