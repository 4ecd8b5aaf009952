"""From what a caller has (lists, numbers, arrays of any dtype) to columns of the format.

A conversion that would change a value is refused, so that an id never wraps around, and a
loss never becomes infinite, or 0, on its way into a stream. Nor does a value that a mask hides, or
one that an earlier conversion to floats may have rounded, get in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from evstream._support.schema import Scalar
from evstream._support.texts import is_text
from evstream.errors import WriteError
from evstream.wire.columns import Array, Columns, differ, plain
from evstream.wire.header import StreamHeader
from evstream.writing.text_columns import as_text, text_array

Place = Callable[[tuple[int, ...]], dict[str, Any]]
"""Index of a value -> where that is, as arguments of WriteError."""


def as_array(name: str, values: npt.ArrayLike, dtype: np.dtype[Any], source: str) -> Array:
    """`values` as an array on its way to `dtype`; a masked one if any of it has a mask.

    numpy makes floats of a list of integers on both sides of 2**63; for a column of integers
    they are integers here. Raises WriteError for what is not an array, such as rows of
    different lengths; `name` is what the error calls the values.
    """
    try:
        return text_array(name, values, source) if is_text(dtype) else _as_array(values, dtype)
    except (ValueError, TypeError, OverflowError) as error:
        problem = f"{name} has rows of different lengths"
        if "inhomogeneous" not in str(error):
            problem = f"{name} is not an array of numbers ({' '.join(str(error).split())})"
        expected = "one shape, with a number in each place"
        raise WriteError(problem, source=source, expected=expected) from None


def _as_array(values: npt.ArrayLike, dtype: np.dtype[Any]) -> Array:
    if type(values) is np.ndarray:
        return values
    parts = values if isinstance(values, (list, tuple)) else [values]
    if any(issubclass(kind, np.ma.MaskedArray) for kind in set(map(type, parts))):
        masked: Array = np.ma.asarray(values)
        return masked
    array = np.asarray(values)
    if array.dtype.kind == "f" and dtype.kind in "iu" and not isinstance(values, np.ndarray):
        items = np.asarray(values, object)
        if all(isinstance(item, (int, np.integer)) for item in items.flat):
            try:
                return items.astype(np.uint64)
            except OverflowError:  # some are below 0: the floats are refused
                return array
    return array


def as_column(
    name: str,
    values: npt.ArrayLike,
    dtype: np.dtype[Any],
    source: str,
    shape: tuple[int, ...] | None = None,
    *,
    scalar: Scalar | None = None,
    place: Place = lambda index: {"row": index[0]},
) -> Array:
    """`values` as a contiguous array of `dtype`; one number becomes a column of `shape`.

    `scalar` is the scalar type of the column, so that an error can name a wider width that holds
    the value; `place` gives the row, or the block, of a refused value.

    Raises WriteError for a value that does not fit into the dtype, is masked or may have been
    rounded before, and for a shape that does not fit.
    """
    fitting = _fitting(values, dtype, shape)
    if fitting is not None:
        return fitting
    array = as_array(name, values, dtype, source)
    if shape is not None and array.ndim and array.shape != shape:
        raise WriteError(f"{name} has shape {array.shape}", source=source, expected=f"{shape}")

    def refuse(refused: _Refused | None) -> None:
        if refused is not None:
            index = refused.at
            where = place(index) if index else {}
            problem, expected = f"{name} {refused.problem}", refused.expected
            raise WriteError(problem, source=source, expected=expected, **where)

    refuse(_masked(array))
    array = np.asarray(array)
    if is_text(dtype):
        array = as_text(name, array, dtype, source, place)
    elif array.dtype.kind not in "iufb":
        raise WriteError(f"{name} is of dtype {array.dtype}", source=source, expected="numbers")
    if array.dtype != dtype:
        converted = cast(array, dtype)
        refuse(_unfit(array, converted, scalar))
        refuse(_rounded(array, dtype))
        array = converted
    if shape is not None and not array.ndim:
        array = np.broadcast_to(array, shape)
    return np.ascontiguousarray(array)


def _fitting(
    values: npt.ArrayLike, dtype: np.dtype[Any], shape: tuple[int, ...] | None
) -> Array | None:
    """The column where one look shows that nothing is to be converted or refused, else None. Small
    events consist of such columns, and the checks below would take most of the time of a call."""
    if type(values) is np.ndarray:
        is_same = values.dtype == dtype and dtype.kind in "iuf" and values.shape == shape
        return np.ascontiguousarray(values) if is_same else None
    if shape is None:
        return None
    is_safe = False
    if type(values) is int and dtype.kind in "iu":
        is_safe = 0 <= values <= SAFE_INTEGER[dtype.itemsize]
    elif type(values) is float and dtype.kind == "f" and dtype.itemsize >= 4:
        is_safe = values == 0 or SAFE_FLOAT <= abs(values) <= 1 / SAFE_FLOAT
    return np.full(shape, values, dtype) if is_safe else None


SAFE_INTEGER = {size: 2 ** (8 * size - 1) - 1 for size in (1, 2, 4, 8)}
"""Size -> an integer that fits, signed or not."""

SAFE_FLOAT = 1e-37
"""A float from here on, and up to its inverse, is one in single precision too."""


class _Refused(NamedTuple):
    """The first value of an array that cannot be written, and the words for it."""

    at: tuple[int, ...]
    problem: str
    expected: str


def _first(bad: Array) -> tuple[int, ...] | None:
    return tuple(int(i) for i in np.argwhere(bad)[0]) if bad.any() else None


def _masked(array: Array) -> _Refused | None:
    """The first value that a mask hides."""
    if not isinstance(array, np.ma.MaskedArray):
        return None
    index = _first(np.ma.getmaskarray(array))
    return None if index is None else _Refused(index, "is masked", "a value")


def _unfit(array: Array, converted: Array, scalar: Scalar | None) -> _Refused | None:
    """The first value that the conversion has changed."""
    index = _first(lost(array, converted))
    if index is None:
        return None
    value, dtype = array[index], converted.dtype
    problem = f"{value} does not fit into {dtype.str[1:]}"
    return _Refused(index, problem, _expected(value, dtype, scalar))


def _rounded(array: Array, dtype: np.dtype[Any]) -> _Refused | None:
    """The first float that may stand for several integers."""
    index = _first(may_be_rounded(array, dtype))
    if index is None:
        return None
    gap = _first_gap(array.dtype)
    expected = f"integers, since {array.dtype} does not have each of them from {gap} on"
    return _Refused(index, f"{array[index]} may have been rounded", expected)


def may_be_rounded(array: Array, dtype: np.dtype[Any]) -> Array:
    """Which floats on their way to integers lie where their type does not have each integer."""
    if array.dtype.kind != "f" or dtype.kind == "f":
        return np.zeros(array.shape, bool)
    return np.asarray(np.abs(array) >= _first_gap(array.dtype))


def _first_gap(dtype: np.dtype[Any]) -> int:
    return int(2 ** (np.finfo(dtype).nmant + 1))


def cast(array: Any, dtype: np.dtype[Any] | str) -> Any:
    """The values as `dtype`, without warnings: `lost` finds those that do not fit."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        return array.astype(dtype)


def lost(array: Any, converted: Any) -> Array:
    """Where a conversion has changed a value, other than a float to the nearest one.

    A float is lost when it becomes infinite, and when it becomes 0 without being 0.
    """
    if converted.dtype.kind == "f":
        changed: Array = (np.isinf(converted) & np.isfinite(array)) | (
            (converted == 0) & (array != 0)
        )
    else:
        changed = (converted != array) | ((converted < 0) != (array < 0))
    return np.asarray(changed)


def legal_range(dtype: np.dtype[Any], *, is_tiny: bool = False) -> str:
    """The numbers that fit into a dtype, for messages; `is_tiny` for a float that became 0."""
    if dtype.kind != "f":
        limits = np.iinfo(dtype)
        return f"a whole number from {limits.min} to {limits.max}"
    if is_tiny:
        return f"0, or a number of at least {np.finfo(dtype).smallest_subnormal:.2g}"
    return f"a number within {np.finfo(dtype).max:.3g}"


def row_scalars(header: StreamHeader) -> dict[str, Scalar]:
    """The columns of rows -> scalar type; that of the count for the index column."""
    block = header.block
    records = [block.header] if block.entry is None else [block.header, block.entry]
    scalars = {
        f.name: header.format.scalars[f.scalar]
        for record in records
        for f in header.format.fields[record]
    }
    if block.row is not None:
        scalars[block.row.name] = header.format.scalars[block.row.scalar]
    if block.index is not None:
        scalars[block.index] = scalars[str(block.count)]
    return scalars


def _expected(value: Any, dtype: np.dtype[Any], scalar: Scalar | None) -> str:
    """What would fit, and the width at which the value itself does."""
    expected = legal_range(dtype, is_tiny=bool(-1 < value < 1))
    if scalar is None:
        return expected
    for width in scalar.widths:
        if not lost(value, cast(value, width)):
            return f'{expected}, or widths={{"{scalar.name}": "{width}"}}'
    return expected


def as_rows(
    header: StreamHeader, given: Mapping[str, npt.ArrayLike], source: str
) -> dict[str, Array]:
    """The columns of rows by name, converted, all of one length.

    Raises WriteError as `as_column` does, and for columns of different shapes.
    """
    dtypes, scalars = header.row_columns, row_scalars(header)
    arrays = {name: as_array(name, given[name], dtype, source) for name, dtype in dtypes.items()}
    shapes = {array.shape for array in arrays.values()} - {()}
    shape = next(iter(shapes), (1,))
    if len(shapes) > 1 or len(shape) != 1:
        found = " and ".join(str(shape) for shape in sorted(shapes))
        raise WriteError(f"columns of shape {found}", source=source, expected="(rows,)")
    return {
        name: as_column(name, array, dtypes[name], source, shape, scalar=scalars[name])
        for name, array in arrays.items()
    }


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
        new[1:] |= differ(rows[name][1:], rows[name][:-1])
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
    for f in header.block_fields:
        name = f.name
        if name in rows and name not in keys:
            column = rows[name]
            first = np.repeat(column[starts], np.diff(offsets))
            _refuse(
                differ(first, column), name, rows, keys, source, "the same in all rows of a block"
            )
    return offsets


def refuse_row_numbers(header: StreamHeader, columns: Columns, before: int, source: str) -> None:
    """Refuse records whose number is not their place after the `before` records of the stream;
    raises WriteError. The number is not in the file, so another one would be lost."""
    row = header.block.row
    if row is None:
        return
    given = columns.block[0]
    bad = given != np.arange(before + 1, before + 1 + len(given))
    if bad.any():
        at = int(np.argmax(bad))
        raise WriteError(
            f"{row.name} is {given[at]}", source=source, row=at,
            expected=f"{before + 1 + at}, the number of the record in the file",
        )  # fmt: skip


def refuse_counts(header: StreamHeader, columns: Columns, source: str) -> None:
    """Refuse counted blocks with fewer entries than the minimum of the count, or more than its
    width holds; raises WriteError."""
    name = header.block.count
    if name is None:
        return
    (low,) = (f.minimum or 0 for f in header.block_fields if f.name == name)
    high = int(np.iinfo(header.block_dtype[name]).max)
    counts = np.diff(columns.offsets)
    bad = (counts < low) | (counts > high)
    if bad.any():
        at = int(np.argmax(bad))
        keys = zip(header.block_columns, columns.block, strict=True)
        ids = {key: plain(column[at]) for key, column in keys if key in header.key_columns}
        raise WriteError(
            f"{name} is {counts[at]}", source=source, ids=ids, expected=f"{low} to {high}",
            row=int(columns.offsets[at]),
        )  # fmt: skip


def _refuse(
    bad: Array, name: str, rows: dict[str, Array], keys: list[str], source: str, expected: str
) -> None:
    if bad.any():
        at = int(np.argmax(bad))
        ids = {key: rows[key][at] for key in keys}
        raise WriteError(
            f"{name} is {rows[name][at]}", source=source, ids=ids, expected=expected, row=at
        )
