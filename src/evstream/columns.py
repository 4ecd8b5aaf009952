"""From what a caller has (lists, numbers, arrays of any dtype) to columns of the format.

A conversion that would change a value is refused, so that an id never wraps around and a
loss never becomes infinite on its way into a stream.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from evstream._generated import layout
from evstream.blocks import Array
from evstream.errors import WriteError
from evstream.header import StreamHeader


def as_column(
    name: str,
    values: npt.ArrayLike,
    dtype: np.dtype[Any],
    source: str,
    shape: tuple[int, ...] | None = None,
) -> Array:
    """`values` as a contiguous array of `dtype`; one number becomes a column of `shape`.

    Raises WriteError where a value has no place in the dtype, or the shape does not fit.
    """
    array = np.asarray(values)
    if shape is not None and array.ndim == 0:
        array = np.broadcast_to(array, shape)
    if shape is not None and array.shape != shape:
        raise WriteError(f"{name} has shape {array.shape}", source=source, expected=f"{shape}")
    if array.dtype.kind not in "iufb":
        raise WriteError(f"{name} is of dtype {array.dtype}", source=source, expected="numbers")
    if array.dtype == dtype:
        return np.ascontiguousarray(array)
    with np.errstate(over="ignore", invalid="ignore"):
        converted = np.ascontiguousarray(array, dtype)
    if dtype.kind == "f":
        lost = np.isinf(converted) & np.isfinite(array)
    else:
        lost = (converted != array) | ((converted < 0) != (array < 0))
    if lost.any():
        value = array[lost][0]
        raise WriteError(f"{name} {value} does not fit into {dtype.str[1:]}", source=source)
    return converted


def group_rows(header: StreamHeader, rows: dict[str, Array], keys: list[str], source: str) -> Array:
    """Offsets of the blocks that rows form: a new one wherever an id differs from the row
    before (or the index column of a counted block starts again at 1).

    Raises WriteError where a block column changes, or an index jumps, inside a block, and for
    an entry that would be read as a delimiter.
    """
    length = len(rows[keys[0]])
    new = np.zeros(length, bool)
    new[0] = True
    index = header.block.index
    for name in keys:
        new[1:] |= rows[name][1:] != rows[name][:-1]
    if header.block.entry is None:
        new[:] = True
    if index is not None:
        new |= rows[index] == 1
    if header.block.match is not None:
        name, value = header.block.match
        expected = f"anything but {value}, which ends a block"
        _refuse(rows[name] == value, name, rows, keys, source, expected)
    starts = np.flatnonzero(new)
    offsets = np.append(starts, length).astype(np.int64)
    if index is not None:
        counted = np.arange(length) - np.repeat(starts, np.diff(offsets)) + 1
        _refuse(rows[index] != counted, index, rows, keys, source, "counting from 1 in each block")
    for f in layout.FIELDS[header.block.header]:
        name = f.name
        if name in rows and name not in keys:
            column = rows[name]
            first = np.repeat(column[starts], np.diff(offsets))
            differs = (first != column) & ~(np.isnan(first) & np.isnan(column))
            _refuse(differs, name, rows, keys, source, "the same in all rows of a block")
    return offsets


def _refuse(
    bad: Array, name: str, rows: dict[str, Array], keys: list[str], source: str, expected: str
) -> None:
    if bad.any():
        at = int(np.argmax(bad))
        ids = {key: int(rows[key][at]) for key in keys}
        raise WriteError(
            f"{name} is {rows[name][at]}", source=source, ids=ids, expected=expected, row=at
        )
