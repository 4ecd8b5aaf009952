"""What reading the formats of text has in common: blocks of lines, and what is said of a number
that is none, or that its column does not hold."""

from __future__ import annotations

import codecs
import re
import reprlib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from evstream._support.format import bound_format
from evstream._support.texts import is_text, refusal
from evstream.conversion.line_guard import LineGuard
from evstream.errors import TableError
from evstream.text.exact import NUMBER, WHOLE, nearest
from evstream.writing.conversion import legal_range

BLOCK = 1 << 20
"""Bytes parsed at once."""


def read_blocks(source: LineGuard, size: int = BLOCK) -> Iterator[memoryview]:
    """A text source in blocks of whole lines, about `size` bytes each or one line if that is
    longer. Each has its last newline. Blank lines at the end of the file are left out."""
    rest = b""
    while True:
        block = bytearray(len(rest) + max(size, len(rest)) + 1)
        block[: len(rest)] = rest
        filled, room = len(rest), len(block) - 1
        with memoryview(block) as view:
            while filled < room and (count := source.readinto(view[filled:room])):
                filled += count
        is_last = filled < room
        end = filled if is_last else block.rfind(b"\n", 0, filled) + 1
        while end and block[end - 1] in b"\r\n":
            end -= 1
        rest = bytes(block[end:filled])
        if end:
            block[end] = _NEWLINE
            yield memoryview(block)[: end + 1]
            rest = rest[rest.find(b"\n") + 1 :]
        if is_last:
            return


_NEWLINE = ord("\n")


def numbered(blocks: Iterable[memoryview], line: int) -> Iterator[tuple[memoryview, int]]:
    """Blocks of whole lines, each with the number of its first line."""
    for block in blocks:
        yield block, line
        line += int(np.count_nonzero(np.frombuffer(block, np.uint8) == _NEWLINE))


def opening_line(block: memoryview, source: str) -> str:
    """The first line of a file. Raises TableError for a file that is no text in UTF-8."""
    line = bytes(block).partition(b"\n")[0].removesuffix(b"\r")
    shown = line.replace(b"\0", b"").strip()
    has_mark = line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    if has_mark or (b"\0" in line and shown.isascii() and shown.decode().isprintable() and shown):
        raise TableError("this looks like UTF-16", source=source, line=1, expected="UTF-8")
    try:
        if b"\0" in line:
            raise ValueError("text has no such byte")
        return line.decode("utf-8-sig")
    except ValueError:
        raise TableError("not text", source=source, line=1, expected="UTF-8") from None


def number_of(value: Any, dtype: np.dtype[Any], source: str, line: int, column: str) -> Any:
    """The number that a value is, in its type, or the text. Raises TableError if it is none."""
    if is_text(dtype):
        refused = refusal(value, dtype.itemsize)
        if refused is not None:
            raise TableError(
                refused[0], source=source, line=line, column=column, expected=refused[1]
            )
        return value
    is_whole = dtype.kind in "iu"
    legal = WHOLE if is_whole else NUMBER
    # Text is a number as CSV has it; a JSON number came as one.
    right = legal.fullmatch(value) is not None if isinstance(value, str) else (
        type(value) is int or (type(value) is float and not is_whole)
    )  # fmt: skip
    expected = "a whole number" if is_whole else "a number"
    number = _held(value, dtype) if right else None
    if right and number is None:
        limits = np.iinfo(dtype) if is_whole else None
        expected = (
            f"{limits.min} to {limits.max}" if limits else
            legal_range(dtype, is_tiny=_is_below_one(value))
        )  # fmt: skip
        expected += _wider(value, dtype)
    if number is None:
        shown = reprlib.repr(value)
        raise TableError(shown, source=source, line=line, column=column, expected=expected)
    return number


def _held(value: Any, dtype: np.dtype[Any]) -> Any:
    """The number in its type, None where that does not hold it."""
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


def _wider(value: Any, dtype: np.dtype[Any]) -> str:
    """The option that would make room for a number, if there is one."""
    for scalar in bound_format().scalars.values():
        wider = scalar.widths[-1]
        if dtype.str[1:] in scalar.widths[:-1] and _held(value, np.dtype(wider)) is not None:
            return f" (--width {scalar.name}={wider})"
    return ""
