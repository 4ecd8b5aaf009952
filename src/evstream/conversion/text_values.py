"""Single values of text files, converted in plain Python, and what is wrong with one.

The kernels of `text` and pyarrow convert whole columns. What they do not understand comes here,
value by value, for the result or for the error.
"""

from __future__ import annotations

import re
import reprlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from evstream._support.schema import Scalar
from evstream._support.texts import is_text, refusal
from evstream.errors import TableError
from evstream.text.exact import NUMBER, WHOLE, nearest
from evstream.wire.dates import TextDates
from evstream.wire.header import StreamHeader
from evstream.writing.conversion import legal_range, row_scalars


@dataclass(frozen=True)
class TextColumn:
    """A column of a text file. Its methods raise TableError, with the line, for a value that is
    not of its kind or that it does not hold.

    Attributes:
        name, dtype, scalar: of the column; the parts of a date have no scalar.
        source: name of the file.
    """

    name: str
    dtype: np.dtype[Any]
    scalar: Scalar | None
    source: str

    def of_text(self, value: str, line: int) -> Any:
        """The value of a field of CSV: a number as text, or text."""
        if is_text(self.dtype):
            return self._text(value, line)
        legal = WHOLE if self._is_whole else NUMBER
        if legal.fullmatch(value) is None:
            raise self._error(value, line, self._kind)
        return self._number(value, line)

    def of_json(self, value: Any, line: int) -> Any:
        """The value of a field of JSON: a number, text, or a number as text, such as "nan"."""
        if isinstance(value, str) or is_text(self.dtype):
            return self.of_text(value, line)
        if type(value) is not int and (type(value) is not float or self._is_whole):
            raise self._error(value, line, self._kind)
        return self._number(value, line)

    @property
    def _is_whole(self) -> bool:
        return self.dtype.kind in "iu"

    @property
    def _kind(self) -> str:
        return "a whole number" if self._is_whole else "a number"

    def _text(self, value: Any, line: int) -> Any:
        if (refused := refusal(value, self.dtype.itemsize)) is not None:
            problem, expected = refused
            raise TableError(
                problem, source=self.source, line=line, column=self.name, expected=expected
            )
        return value

    def _number(self, value: Any, line: int) -> Any:
        number = held(value, self.dtype)
        if number is not None:
            return number
        limits = np.iinfo(self.dtype) if self._is_whole else None
        expected = (
            f"{limits.min} to {limits.max}" if limits else
            legal_range(self.dtype, is_tiny=_is_below_one(value))
        )  # fmt: skip
        raise self._error(value, line, expected + self._wider(value))

    def _wider(self, value: Any) -> str:
        """The option that would make room for a number, if there is one."""
        if self.scalar is None:
            return ""
        wider = self.scalar.widths[-1]
        is_wider = np.dtype(wider).itemsize > self.dtype.itemsize
        fits = is_wider and held(value, np.dtype(wider)) is not None
        return f" (--width {self.scalar.name}={wider})" if fits else ""

    def _error(self, value: Any, line: int, expected: str) -> TableError:
        return TableError(
            reprlib.repr(value), source=self.source, line=line, column=self.name, expected=expected
        )


def text_columns(header: StreamHeader, names: Iterable[str], source: str) -> dict[str, TextColumn]:
    """The columns of a file by name, in its order."""
    dtypes, scalars = {**TextDates(header).dtypes, **header.row_columns}, row_scalars(header)
    return {name: TextColumn(name, dtypes[name], scalars.get(name), source) for name in names}


def held(value: Any, dtype: np.dtype[Any]) -> Any:
    """A number, or the text of one, in this type; None where the type does not hold it."""
    try:
        if dtype.kind in "iu":
            limits = np.iinfo(dtype)
            return int(value) if limits.min <= int(value) <= limits.max else None
        with np.errstate(over="ignore", under="ignore"):
            number = nearest(value, dtype) if isinstance(value, str) else dtype.type(value)
        if number == 0 and not is_zero(value):
            return None
        return number if np.isfinite(number) or "n" in str(value).lower() else None
    except (ValueError, OverflowError):  # Python converts no integer of thousands of digits
        return None


def is_zero(value: Any) -> bool:
    """Whether a number, or the text of one, is exactly 0."""
    if isinstance(value, str):
        return not re.search("[1-9]", value.lower().partition("e")[0])
    return bool(value == 0)


def _is_below_one(value: Any) -> bool:
    try:
        return abs(float(value)) < 1
    except OverflowError:  # an integer of hundreds of digits
        return False
