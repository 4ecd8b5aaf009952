"""Which types of columns in Arrow tables are numbers, or text, that a stream can take.

`write_arrow` and `convert` take the same ones: integers and floats of any width, decimals,
columns without any value, and each of these in a dictionary or run-end encoding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from evstream._support.schema import Date
from evstream._support.texts import is_text, refusal
from evstream.errors import TableError
from evstream.extras import import_arrow
from evstream.tables.arrow import numbers_of
from evstream.wire.columns import Array
from evstream.wire.dates import numbers_of_dates
from evstream.writing.conversion import legal_range

if TYPE_CHECKING:
    import pyarrow as pa


def is_numeric(kind: pa.DataType) -> bool:
    """Whether a column of this type is made of numbers."""
    pa = import_arrow()
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return is_numeric(kind.value_type)
    tests = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_null)
    return any(test(kind) for test in tests)


def is_string(kind: pa.DataType) -> bool:
    """Whether a column of this type is made of text."""
    pa = import_arrow()
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return is_string(kind.value_type)
    names = ("string", "large_string", "string_view", "binary", "large_binary", "binary_view")
    return pa.types.is_fixed_size_binary(kind) or str(kind) in names or pa.types.is_null(kind)


def is_date(kind: pa.DataType) -> bool:
    """Whether a column of this type is made of dates."""
    pa = import_arrow()
    return bool(pa.types.is_date(kind) or pa.types.is_timestamp(kind))


def fits_dates(schema: pa.Schema, names: Sequence[str], dates: Mapping[str, Date]) -> bool:
    """Whether the columns of dates in a table, whose columns are called `names`, are these dates:
    days for days, times for minutes. A number may be any."""
    pa = import_arrow()
    for field, name in zip(schema, names, strict=True):
        if is_date(field.type):
            unit = "minute" if pa.types.is_timestamp(field.type) else "day"
            if name not in dates or dates[name].unit != unit:
                return False
    return True


def values_of(
    column: pa.Array,
    dtype: np.dtype[Any],
    row: int,
    name: str,
    source: str | None = None,
    date: Date | None = None,
) -> Array:
    """A column of a table on its way to `dtype`: numbers as they are, text at its size, dates as
    the numbers that a file has for them, if `date` says what they count.

    Raises TableError as `plain_numbers` does, and for text that does not fit, dates with a time
    zone, and those that the file does not hold.
    """
    if date is not None and is_date(column.type):
        if getattr(column.type, "tz", None) is not None:
            raise TableError(
                f"the column is of type {column.type}", source=source, column=name,
                expected="dates without a time zone",
            )  # fmt: skip
        if column.null_count:
            at = int(np.argmax(column.is_null().to_numpy(zero_copy_only=False)))
            raise TableError("a value is missing", source=source, row=row + at, column=name)
        dates = column.to_numpy(zero_copy_only=False)
        return numbers_of_dates(dates, date, dtype, name, row, source)
    if not is_text(dtype):
        return numbers_of(plain_numbers(column, dtype, row, name, source))
    if not is_string(column.type):
        raise TableError(
            f"the column is of type {column.type}", source=source, column=name, expected="text"
        )
    values = column.to_pylist()
    for at, value in enumerate(values):
        refused = ("a value is missing", "") if value is None else refusal(value, dtype.itemsize)
        if refused is not None:
            problem, expected = refused
            raise TableError(problem, source=source, row=row + at, column=name, expected=expected)
    texts: Array = np.array(values, dtype) if values else np.empty(0, dtype)
    return texts


def plain_numbers(
    column: pa.Array, dtype: np.dtype[Any], row: int, name: str, source: str | None = None
) -> pa.Array:
    """A column as an array of integers or floats without missing values.

    Its type stays as it is, but for decimals, which become `dtype`; `row` is the number of its
    first row, for messages. Raises TableError for a type that is not numeric, for a missing
    value, and for a decimal that an integer column does not hold.
    """
    pa = import_arrow()
    if not is_numeric(column.type):
        raise TableError(
            f"the column is of type {column.type}", source=source, column=name,
            expected=f"{pa.from_numpy_dtype(dtype)}",
        )  # fmt: skip
    while pa.types.is_dictionary(column.type) or pa.types.is_run_end_encoded(column.type):
        is_dictionary = pa.types.is_dictionary(column.type)
        column = column.dictionary_decode() if is_dictionary else _without_run_ends(column)
    if column.null_count:
        at = int(np.argmax(column.is_null().to_numpy(zero_copy_only=False)))
        raise TableError("a value is missing", source=source, row=row + at, column=name)
    if pa.types.is_decimal(column.type):
        return _from_decimals(column, dtype, row, name, source)
    return column.cast(pa.from_numpy_dtype(dtype)) if pa.types.is_null(column.type) else column


def _without_run_ends(column: pa.Array) -> pa.Array:
    import pyarrow.compute as pc

    return pc.run_end_decode(column)


def _from_decimals(
    column: pa.Array, dtype: np.dtype[Any], row: int, name: str, source: str | None
) -> pa.Array:
    """Decimals, which SQL makes of constants and sums; whole ones only for an integer."""
    pa = import_arrow()
    try:
        numbers = column.cast(pa.from_numpy_dtype(dtype))
    except pa.ArrowInvalid:
        numbers = None
    if numbers is not None and dtype.kind != "f":
        return numbers
    converted = numbers.to_numpy() if numbers is not None else np.full(len(column), np.inf)
    for at in np.flatnonzero((converted == 0) | ~np.isfinite(converted)):
        value = column[int(at)].as_py()
        if dtype.kind == "f":
            is_lost = value != 0
        else:
            limits = np.iinfo(dtype)
            is_lost = value % 1 != 0 or not limits.min <= value <= limits.max
        if is_lost:
            raise TableError(
                f"{value}", source=source, row=row + int(at), column=name,
                expected=legal_range(dtype, is_tiny=abs(value) < 1),
            )  # fmt: skip
    if numbers is None:
        return pa.array(np.array([int(value) for value in column.to_pylist()], dtype))
    return numbers
