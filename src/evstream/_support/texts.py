"""Text of a fixed size: in a stream filled up with zero bytes, in numpy of dtype S<size>.

Readers give the bytes as they are. Wherever they become text (in a header, a table, a line of CSV
or JSON), and on the way into a stream, they are ASCII without a zero byte inside.
"""

from __future__ import annotations

import reprlib
from typing import Any

import numpy as np
import numpy.typing as npt

from evstream.errors import TableError

Array = npt.NDArray[Any]

LEGAL = "ASCII text without zero bytes"


def is_text(dtype: np.dtype[Any]) -> bool:
    """Whether a column of a stream is text."""
    return dtype.kind == "S"


def is_text_width(width: str) -> bool:
    """Whether a width of a spec (s8) is that of a text."""
    return width[0] == "s"


def bytes_of(column: Array) -> tuple[Array, Array]:
    """The bytes of texts: shape (texts, size), and which are of the text and not filled up."""
    size = column.dtype.itemsize
    raw = np.ascontiguousarray(column).view(np.uint8).reshape(len(column), size)
    lengths = np.char.str_len(column) if len(column) else np.zeros(0, np.int64)
    return raw, np.arange(size) < lengths[:, None]


def first_illegal(column: Array) -> int | None:
    """The index of the first value that is not legal text, None if all are."""
    raw, is_used = bytes_of(column)
    bad = ((raw >= 128) | ((raw == 0) & is_used)).any(axis=1)
    return int(np.argmax(bad)) if bad.any() else None


def refuse_illegal(column: Array, name: str, source: str | None) -> None:
    """Raise TableError for the first value that is not legal text."""
    if (at := first_illegal(column)) is not None:
        raise TableError(f"{bytes(column[at])!r}", source=source, column=name, expected=LEGAL)


def decoded(column: Array, name: str, source: str | None) -> list[str]:
    """The texts of a column. Raises TableError for one that is not legal."""
    refuse_illegal(column, name, source)
    return [value.decode("ascii") for value in column.tolist()]


def refusal(value: Any, size: int) -> tuple[str, str] | None:
    """What is wrong with a value for a text of `size` bytes, and what is expected; None if it can
    be written."""
    if not isinstance(value, (str, bytes)):
        return f"is {reprlib.repr(value)}", "text"
    zero, text = ("\0", value) if isinstance(value, str) else (b"\0", value)
    if zero in text or not text.isascii():  # type: ignore[operator]
        return f"is {reprlib.repr(value)}", LEGAL
    if len(text) > size:
        return f"is {reprlib.repr(value)}, {len(text)} characters", f"{size} or fewer"
    return None
