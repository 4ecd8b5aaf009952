"""Numbers that are dates: as dates of numpy, as the year, month and day of CSV, and back.

A file has the number of days or minutes since some day. numpy counts both from 1970 in the same
calendar, the Gregorian one without a beginning, so a sum makes a date of a number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from evstream._support.schema import Date
from evstream.errors import TableError
from evstream.wire.columns import Array, csv_columns
from evstream.wire.header import StreamHeader

_PARTS = {"day": ("year", "month", "day"), "minute": ("year", "month", "day", "hour", "minute")}
_MINUTES = 24 * 60
_MILLISECONDS = 60_000
_MOST_YEARS = (1 << 63) // _MINUTES // 366 - 10_000
"""Years whose minutes 64 bits hold, whatever the day that is 0."""

_PART = np.dtype(np.int64)


def date_columns(header: StreamHeader) -> dict[str, Date]:
    """The columns of rows that are dates, and what their numbers count."""
    block = header.block
    records = [block.header] if block.entry is None else [block.header, block.entry]
    scalars, fields = header.format.scalars, header.format.fields
    of_fields = ((f.name, scalars[f.scalar].date) for r in records for f in fields[r])
    return {name: date for name, date in of_fields if date is not None}


def date_dtype(date: Date) -> np.dtype[Any]:
    """The type of such dates in numpy: days, or milliseconds, the longest unit for minutes that
    Parquet and Polars have."""
    return np.dtype("M8[D]" if date.unit == "day" else "M8[ms]")


def dates_of(values: Array, date: Date, name: str, source: str | None = None) -> Array:
    """Numbers of a file as dates. Raises TableError for one outside of what tables hold: days
    since 1970 in 32 bits, milliseconds in 64."""
    first = _first(date)
    limits = np.iinfo(np.int32 if date.unit == "day" else np.int64)
    per_unit = 1 if date.unit == "day" else _MILLISECONDS
    low, high = limits.min // per_unit + 1 - first, limits.max // per_unit - first
    outside = (values < low) | (values > high)
    if outside.any():
        at = int(np.argmax(outside))
        raise TableError(
            f"{values[at]} is not a date that tables hold", source=source, row=at, column=name,
            expected=f"{low} to {high}",
        )  # fmt: skip
    return ((values.astype(np.int64) + first) * per_unit).view(date_dtype(date))


def numbers_of_dates(
    dates: Array, date: Date, dtype: np.dtype[Any], name: str, row: int, source: str | None = None
) -> Array:
    """Dates of numpy as the numbers of a file; `row` is the number of the first. Raises TableError
    for a missing date, one between two units, and one that the file does not hold."""
    missing = np.isnat(dates)
    if missing.any():
        at = int(np.argmax(missing))
        raise TableError("a value is missing", source=source, row=row + at, column=name)
    whole = dates.astype("M8[D]" if date.unit == "day" else "M8[m]")
    between = whole != dates
    numbers = whole.view(np.int64) - _first(date)
    limits = np.iinfo(dtype)
    wrong = between | (numbers < limits.min) | (numbers > limits.max)
    if wrong.any():
        at = int(np.argmax(wrong))
        expected = f"a whole {date.unit}" if between[at] else f"{limits.min} to {limits.max}"
        raise TableError(
            f"{dates[at]}", source=source, row=row + at, column=name, expected=expected
        )
    return numbers.astype(dtype)


class TextDates:
    """The columns of rows as CSV has them: the parts of a date stand for it.

    Attributes:
        titles: of the columns in a file, by name, in its order; the parts of dates have the same
            name and title.
        dtypes: of these columns.
        is_plain: whether the stream has no dates, so that the columns are those of rows.
    """

    def __init__(self, header: StreamHeader, columns: Sequence[str] | None = None) -> None:
        """`columns` are those to have, in their order; by default all, as in CSV."""
        titles = csv_columns(header)
        if columns is not None:
            titles = {name: titles[name] for name in columns}
        self._dates = {n: date for n, date in date_columns(header).items() if n in titles}
        self._dtypes = header.row_columns
        self.is_plain = not self._dates
        self._parts: dict[str, list[str]] = {}
        self.titles: dict[str, str] = {}
        self.dtypes: dict[str, np.dtype[Any]] = {}
        for name, title in titles.items():
            if name not in self._dates:
                self.titles[name], self.dtypes[name] = title, self._dtypes[name]
                continue
            self._parts[name] = [f"{title}_{part}" for part in _PARTS[self._dates[name].unit]]
            for part in self._parts[name]:
                self.titles[part], self.dtypes[part] = part, _PART

    def split(self, rows: Mapping[str, Array]) -> Mapping[str, Array]:
        """The columns of rows -> those of the file."""
        if self.is_plain:
            return rows
        found = dict(rows)
        for name, date in self._dates.items():
            found |= zip(self._parts[name], _parts_of(found.pop(name), date), strict=True)
        return found

    def joined(self, columns: Mapping[str, Array], line: int, source: str) -> dict[str, Array]:
        """The columns of a file -> those of rows. Raises TableError for a date that there is not;
        `line` is that of the first row."""
        found = dict(columns)
        for name, date in self._dates.items():
            parts = [found.pop(part) for part in self._parts[name]]
            found[name] = self._number(name, date, parts, line, source)
        return {name: found[name] for name in self._dtypes}

    def _number(self, name: str, date: Date, parts: list[Array], line: int, source: str) -> Array:
        dtype, names = self._dtypes[name], self._parts[name]
        limits = np.iinfo(dtype)
        per_day = 1 if date.unit == "day" else _MINUTES
        most = min(limits.max // per_day // 365, _MOST_YEARS)
        year, month, day, *time = parts
        ranges = [(-most, most), (1, 12), (1, 31), (0, 23), (0, 59)]
        for part, values, (low, high) in zip(names, parts, ranges, strict=False):
            _refuse(
                (values < low) | (values > high), values, part, f"{low} to {high}", line, source
            )
        months = (year - 1970) * 12 + month - 1
        days = months.view("M8[M]").astype("M8[D]").view(np.int64) + day - 1
        longer = days.view("M8[D]").astype("M8[M]").view(np.int64) != months
        _refuse(longer, day, names[2], "a day of the month", line, source)
        number = days - _first(Date("day", date.since))
        if time:
            number = number * _MINUTES + time[0] * 60 + time[1]
        outside = (number < limits.min) | (number > limits.max)
        _refuse(outside, year, names[0], f"a date that {dtype.name} holds", line, source)
        return number.astype(dtype)


def _first(date: Date) -> int:
    """The number of units from 1970 to the day that is 0."""
    days = int(np.datetime64(date.since, "D").astype(np.int64))
    return days if date.unit == "day" else days * _MINUTES


def _parts_of(values: Array, date: Date) -> list[Array]:
    """Year, month and day, and hour and minute."""
    numbers = values.astype(np.int64)
    days, minutes = (numbers, None) if date.unit == "day" else np.divmod(numbers, _MINUTES)
    dates = (days + _first(Date("day", date.since))).view("M8[D]")
    months = dates.astype("M8[M]")
    year, month = np.divmod(months.view(np.int64), 12)
    parts = [year + 1970, month + 1, (dates - months.astype("M8[D]")).view(np.int64) + 1]
    return parts if minutes is None else [*parts, minutes // 60, minutes % 60]


def _refuse(wrong: Array, values: Array, name: str, expected: str, line: int, source: str) -> None:
    if wrong.any():
        at = int(np.argmax(wrong))
        raise TableError(
            f"{values[at]}", source=source, line=line + at, column=name, expected=expected
        )
