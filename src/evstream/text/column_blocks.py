"""Blocks of rows as the kernels of text take them.

A block is one buffer of bytes with the columns one after the other, each at a multiple of
ALIGNMENT. What describes it is an array with a row (kind, where the column begins) for each column
of the text, in its order. The kind of a number is its place in KINDS.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from evstream.text.limits import KINDS

Array = npt.NDArray[Any]

ALIGNMENT = 8

DONE, FULL, ODD = 0, 1, 2
"""Status: all rows are through, the output is full, a row is left to the caller."""


def block_of(dtypes: Sequence[np.dtype[Any]], count: int) -> tuple[Array, list[Array]]:
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


def described_columns(buffer: Array, columns: Sequence[Array]) -> Array:
    """Kind and start of each column, as the kernels take it."""
    base = buffer.ctypes.data
    return np.array([(KINDS.index(c.dtype.str[1:]), c.ctypes.data - base) for c in columns])
