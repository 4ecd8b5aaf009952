"""Columns as dataframes of Polars and pandas take them: text as str, dates as dates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evstream._support.schema import Date
from evstream._support.texts import decoded, is_text
from evstream.wire.columns import Array
from evstream.wire.dates import date_columns, dates_of

__all__ = ["date_columns", "readable"]

NO_DATES: Mapping[str, Date] = {}


def readable(
    columns: Mapping[str, Array], source: str | None, dates: Mapping[str, Date] = NO_DATES
) -> dict[str, Any]:
    """The columns for a dataframe; those in `dates` are numbers of a file that stand for dates.

    Raises TableError for bytes that are not text, and a date that tables do not hold."""

    def made(name: str, column: Array) -> Any:
        if name in dates:
            return dates_of(column, dates[name], name, source)
        return decoded(column, name, source) if is_text(column.dtype) else column

    return {name: made(name, column) for name, column in columns.items()}
