"""What people have as a table, as Arrow record batches that come one after the other.

The libraries that tables come from raise errors of their own, often without a place. Nothing of
that kind leaves this module: where a column cannot be converted, its values are tried one by one,
so that the error names the row.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from numbers import Number
from typing import TYPE_CHECKING, Any

import numpy as np

from evstream.errors import EvstreamError, TableError
from evstream.extras import import_arrow

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import RecordBatch

_LIBRARIES = {"pyarrow", "polars", "pandas", "duckdb", "pyo3_runtime"}

_EXPECTED = "a dataframe, an Arrow table, a dict of columns, or batches of one of them"


def as_table(data: Any) -> pa.Table | pa.RecordBatchReader:
    """What can be read of a table once, in batches where it comes in such.

    Raises TableError for what is not a table, and for a column that is not of numbers.
    """
    pa = import_arrow()
    pandas = sys.modules.get("pandas")
    if isinstance(data, (pa.Table, pa.RecordBatchReader)):
        return data
    if pandas is not None and isinstance(data, pandas.DataFrame):
        columns = [data.iloc[:, i] for i in range(data.shape[1])]
        return _table([str(name) for name in data.columns], map(_of_pandas, columns))
    if isinstance(data, Mapping):
        return _table([str(name) for name in data], data.values())
    if type(data).__name__ == "Series":
        raise TableError("a Series is not a table", expected=f"{_EXPECTED} (to_frame() makes one)")
    try:
        if hasattr(data, "collect") and hasattr(data, "collect_schema"):  # a LazyFrame
            data = data.collect()
        if hasattr(data, "__arrow_c_stream__"):
            return pa.RecordBatchReader.from_stream(data)
        if isinstance(data, Iterator):
            return _reader_of(data)
        return pa.table(data)
    except (EvstreamError, OSError, MemoryError):
        raise
    except BaseException as error:
        if not (_is_foreign(error) or isinstance(error, (TypeError, ValueError, OverflowError))):
            raise
        problem, column = f"{type(data).__name__} is not a table ({_line(error)})", _culprit(data)
        if column is not None:
            problem = f"Arrow has no such numbers ({_line(error)})"
        raise TableError(problem, column=column, expected=_EXPECTED) from None


def batches_of(table: pa.Table | pa.RecordBatchReader) -> Iterator[RecordBatch]:
    """The batches of a table. Raises TableError for those that the table's library refuses."""
    pa = import_arrow()
    batches = iter(table.to_batches() if isinstance(table, pa.Table) else table)
    while True:
        try:
            batch = next(batches)
        except StopIteration:
            return
        except (EvstreamError, OSError, MemoryError):
            raise
        except BaseException as error:
            if not _is_foreign(error):
                raise
            raise TableError(f"the table cannot be read ({_line(error)})") from None
        if not isinstance(batch, pa.RecordBatch) or not batch.schema.equals(table.schema):
            names = batch.schema.names if isinstance(batch, pa.RecordBatch) else [type(batch)]
            raise TableError(
                f"a batch has the columns {', '.join(map(str, names))}",
                expected=f"those of the first one, with their types: {_described(table.schema)}",
            )
        yield batch


def _table(names: list[str], columns: Iterable[Any]) -> pa.Table:
    pa = import_arrow()
    arrays = [_array(name, values) for name, values in zip(names, columns, strict=True)]
    lengths = {name: len(array) for name, array in zip(names, arrays, strict=True)}
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise TableError(f"columns of different lengths: {found}", expected="one length")
    return pa.table(arrays, names)


def _array(name: str, values: Any) -> pa.Array:
    """A column of a table that is not of Arrow."""
    pa = import_arrow()
    try:
        if isinstance(values, (pa.Array, pa.ChunkedArray)):
            return values
        if hasattr(values, "__arrow_c_stream__"):
            return pa.chunked_array(values)
        return pa.array(values)
    except BaseException as error:
        if not (_is_foreign(error) or isinstance(error, (TypeError, ValueError, OverflowError))):
            raise
        dtype = getattr(values, "dtype", None)
        is_numpy = isinstance(dtype, np.dtype) and dtype.kind != "O" and np.ndim(values) == 1
        row = None if is_numpy else _first_bad(values)
        problem = f"of type {dtype}" if is_numpy else _line(error)
        problem = problem if row is None else f"{values[row]!r}"
        raise TableError(problem, row=row, column=name, expected="numbers that Arrow has") from None


def _first_bad(values: Any) -> int | None:
    """The row of the first value that cannot stand in a column of numbers."""
    if not isinstance(values, (list, tuple, np.ndarray)) or np.ndim(values) != 1:
        return None
    is_whole = True
    for row, value in enumerate(values):
        if value is None:
            continue
        if isinstance(value, (bool, np.bool_)) or not isinstance(value, Number):
            return row
        if isinstance(value, (complex, np.complexfloating)):
            return row
        if isinstance(value, (int, np.integer)) and not -(2**63) <= value < 2**64:
            return row
        is_whole &= isinstance(value, (int, np.integer))
    if not is_whole:  # of several kinds: the first that is not of the kind of the first
        kinds = [type(value) for value in values]
        return next((row for row, kind in enumerate(kinds) if kind is not kinds[0]), None)
    return None


def _of_pandas(column: Any) -> Any:
    """A pandas column whose NaN is a number, which pyarrow would take for a missing value."""
    if isinstance(column.dtype, np.dtype) or type(column.dtype).__name__ == "SparseDtype":
        return np.asarray(column)
    return column.array


def _reader_of(batches: Iterator[Any]) -> pa.RecordBatchReader:
    """Record batches that come one after the other, such as those of `iter_batches`."""
    pa = import_arrow()
    first = next(batches, None)
    if not isinstance(first, pa.RecordBatch):
        problem = "there is no batch" if first is None else f"a batch is a {type(first).__name__}"
        raise TableError(problem, expected="one pyarrow.RecordBatch or more")
    return pa.RecordBatchReader.from_batches(first.schema, chain([first], batches))


def _described(schema: pa.Schema) -> str:
    return ", ".join(f"{field.name} {field.type}" for field in schema)


def _culprit(data: Any) -> str | None:
    """The column of a dataframe that Arrow does not take, None where there is no single one."""
    pa = import_arrow()
    if not hasattr(data, "get_columns"):  # a DataFrame of Polars has it, a LazyFrame does not
        return None
    for name in data.columns:
        try:
            pa.RecordBatchReader.from_stream(data.select(name))
        except BaseException:
            return str(name)
    return None


def _is_foreign(error: BaseException) -> bool:
    """Whether a library that tables come from raised it; some panics are not an Exception."""
    return type(error).__module__.partition(".")[0] in _LIBRARIES


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
