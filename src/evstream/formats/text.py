"""Rows of text, one value at a time: slow, and exact about what is wrong and where."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from evstream.arrow import import_arrow
from evstream.errors import TableError
from evstream.formats.table import Lines

if TYPE_CHECKING:
    import pyarrow as pa


def parse_rows(
    records: Iterable[Mapping[str, Any]], schema: pa.Schema, lines: Lines, source: str
) -> pa.RecordBatch:
    """Records, one per line, as a batch. Raises TableError at the first bad value."""
    pa = import_arrow()
    columns: list[list[Any]] = [[] for _ in schema]
    dtypes = [np.dtype(field.type.to_pandas_dtype()) for field in schema]
    count = 0
    for count, record in enumerate(records, 1):
        line = lines.next + count - 1
        for name in record.keys() - set(schema.names):
            raise TableError(
                f"there is {record[name]!r}", source=source, line=line, column=name,
                expected=f"columns {', '.join(schema.names)}",
            )  # fmt: skip
        for name, dtype, column in zip(schema.names, dtypes, columns, strict=True):
            if name not in record:
                raise TableError(
                    "a value is missing", source=source, line=line, column=name,
                    expected=f"columns {', '.join(schema.names)}",
                )  # fmt: skip
            column.append(_number(record[name], dtype, source, line, name))
    lines.add(count)
    arrays = [pa.array(np.array(c, d)) for c, d in zip(columns, dtypes, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _number(value: Any, dtype: np.dtype[Any], source: str, line: int, column: str) -> Any:
    kind = int if dtype.kind in "iu" else float
    try:
        if isinstance(value, bool) or (kind is int and isinstance(value, float)):
            raise ValueError
        number = kind(value)
    except (ValueError, TypeError):
        expected = "a whole number" if kind is int else "a number"
        raise TableError(
            f"{value!r}", source=source, line=line, column=column, expected=expected
        ) from None
    if kind is int:
        limits = np.iinfo(dtype)
        if not limits.min <= number <= limits.max:
            raise TableError(
                f"{number}", source=source, line=line, column=column,
                expected=f"{limits.min} to {limits.max}",
            )  # fmt: skip
    return number
