"""The column that says which file a row comes from, where several are read.

Rows carry a number per file, and names are looked up at the end: a name per row would take more
memory than the rows.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Any

import numpy as np

from evstream._support.arguments import described
from evstream.wire.columns import Array
from evstream.wire.header import StreamHeader

FILE = "file"


def column_name(file: bool | str | None) -> str | None:
    """The name of the column: that of FILE for True, another name, or None for False. Raises
    TypeError for another value, ValueError for a name that cannot be printed."""
    if file is not None and not isinstance(file, (bool, str)):
        raise TypeError(f"file is {described(file)}, expected True, False or a name")
    if isinstance(file, str) and not file.isprintable():
        raise ValueError(f"file is {described(file)}, expected a name of printable characters")
    return FILE if file is True else file or None


class FileColumn:
    """The files of some rows.

    Attributes:
        name: of the column; None for no column.
        names: of the files, in order; a row has an index into these.

    `file` is what a caller says, see `column_name`. Raises ValueError for the name of another
    column.
    """

    def __init__(self, file: bool | str, header: StreamHeader) -> None:
        self.name = column_name(file)
        if self.name in header.row_columns:
            raise ValueError(f"file is {self.name!r}, which is a column of the stream")
        self.names: list[str] = []
        self._firsts: list[int] = []

    def begin(self, name: str, row: int) -> None:
        """The rows from `row` on are of this file."""
        self.names.append(name)
        self._firsts.append(row)

    def add_to(self, rows: dict[str, Array], first: int | None = None) -> dict[str, Array]:
        """The rows with their column; `first` is the number of the first row, None where all are
        of the file that began last."""
        if self.name is None:
            return rows
        count = len(next(iter(rows.values())))
        number = len(self.names) - 1
        if first is None or first >= self._firsts[number]:
            return {**rows, self.name: np.full(count, number, np.int32)}
        number = bisect_right(self._firsts, first) - 1
        edges = np.array([first, *self._firsts[number + 1 :], first + count])
        counts = np.diff(np.minimum(edges, first + count))
        numbers = np.arange(number, number + len(counts), dtype=np.int32)
        return {**rows, self.name: np.repeat(numbers, counts)}

    def named(self, rows: dict[str, Array]) -> dict[str, Any]:
        """The rows with names in place of numbers: an array of objects, which share the names."""
        if self.name is None:
            return rows
        return {**rows, self.name: np.array(self.names, object)[rows[self.name]]}
