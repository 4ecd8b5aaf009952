"""What the formats of text have in common: a line per row, a number per column.

Lines are parsed in blocks, several at once, by pyarrow; a block that it refuses is read by
Python, one value at a time, which takes what is odd and says exactly what is wrong and where.
Lines are printed by Polars, which does it several times as fast as pyarrow.
"""

from __future__ import annotations

import codecs
import io
import re
import reprlib
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from evstream._support.format import bound_format
from evstream.conversion.line_guard import LineGuard
from evstream.conversion.parallel import in_order
from evstream.errors import TableError
from evstream.extras import import_arrow, import_extra
from evstream.tables.arrow import batch_of
from evstream.writing.conversion import legal_range

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa
    from pyarrow import RecordBatch

BLOCK = 1 << 20
"""Bytes parsed at once."""


@dataclass(frozen=True)
class TextFormat:
    """What tells one format of text from another.

    Attributes:
        names: of the columns, in the order of the file.
        by_arrow: parses a block, or raises pyarrow.ArrowInvalid.
        records: (lines, number of the first) -> column name -> value, one line after the other.
    """

    names: list[str]
    by_arrow: Callable[[memoryview], pa.Table]
    records: Callable[[list[str], int], Iterable[Mapping[str, Any]]]


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
        raise TableError("this is no text", source=source, line=1, expected="UTF-8") from None


def read_rows(
    blocks: Iterable[memoryview], form: TextFormat, schema: pa.Schema, first_line: int, source: str
) -> Generator[RecordBatch]:
    """The rows of blocks of lines. Raises TableError for the first bad value."""
    pa = import_arrow()
    dtypes = {name: np.dtype(schema.field(name).type.to_pandas_dtype()) for name in form.names}

    def parse(block: memoryview) -> RecordBatch | None:
        try:
            table = form.by_arrow(block)
        except pa.ArrowInvalid:
            return None
        whole = table.num_rows == int(np.count_nonzero(np.frombuffer(block, np.uint8) == _NEWLINE))
        columns = [table.column(name) for name in schema.names]
        if not whole or any(_is_odd(column) for column in columns):
            return None
        if any(_has_zero(column) for column in columns) and _TINY.search(block):
            return None
        batches = table.select(schema.names).cast(schema).combine_chunks().to_batches()
        return batches[0] if len(batches) == 1 else None

    line = first_line
    for block, parsed in in_order(parse, blocks):
        batch = parsed
        if batch is None:
            text = bytes(block).decode("utf-8", "replace").split("\n")[:-1]
            records = form.records([piece.removesuffix("\r") for piece in text], line)
            batch = _read_exactly(records, schema, dtypes, line, source)
        line += batch.num_rows
        yield batch


def write_frames(
    batches: Iterable[RecordBatch],
    write: Callable[[pl.DataFrame, Any], None],
    out: Any,
    head: bytes = b"",
) -> None:
    """Each batch as a frame of Polars, which `write` prints.

    Into memory first: Polars writes from a thread of its own, while the main one, which alone
    hears signals, waits for it; and it turns an error of the file into one with less in it.
    """
    from_arrow = import_extra("polars").from_arrow
    out.write(head)
    for batch in batches:
        text = io.BytesIO()
        write(from_arrow(batch), text)
        out.write(text.getbuffer())


def _is_odd(column: Any) -> bool:
    """Whether Python should have a look: a value is missing, or not finite, which may be a
    number too large for its width."""
    import pyarrow.compute as pc
    import pyarrow.types as pt

    if column.null_count:
        return True
    return bool(pt.is_floating(column.type) and not pc.all(pc.is_finite(column)).as_py())


_TINY = re.compile(rb"[eE]-[0-9]*[1-9][0-9]|0{30}")
"""What a number that is not 0, but becomes 0 at its width, has in its text: pyarrow does not
say that it has lost one. 1e-45 needs an exponent of two digits, or so many zeros."""


def _has_zero(column: Any) -> bool:
    import pyarrow.compute as pc
    import pyarrow.types as pt

    return bool(pt.is_floating(column.type) and pc.any(pc.equal(column, 0)).as_py())


def _read_exactly(
    records: Iterable[Mapping[str, Any]],
    schema: pa.Schema,
    dtypes: Mapping[str, np.dtype[Any]],
    first_line: int,
    source: str,
) -> RecordBatch:
    columns: dict[str, list[Any]] = {name: [] for name in dtypes}
    for line, record in enumerate(records, first_line):
        for name in [*record, *dtypes]:
            if name not in dtypes or name not in record:
                extra = reprlib.repr(record.get(name))
                problem = "a value is missing" if name in dtypes else f"there is {extra}"
                raise TableError(
                    problem, source=source, line=line, column=name,
                    expected=f"the columns {', '.join(dtypes)}",
                )  # fmt: skip
        for name, dtype in dtypes.items():
            columns[name].append(_number(record[name], dtype, source, line, name))
    rows = {name: np.array(values, dtypes[name]) for name, values in columns.items()}
    return batch_of(schema, rows)


_WHOLE = re.compile(r"\s*[+-]?[0-9]+\s*", re.ASCII)
_NUMBER = re.compile(
    r"\s*[+-]?([0-9]+\.?[0-9]*([eE][+-]?[0-9]+)?|\.[0-9]+([eE][+-]?[0-9]+)?|nan|inf(inity)?)\s*",
    re.ASCII | re.IGNORECASE,
)


def _number(value: Any, dtype: np.dtype[Any], source: str, line: int, column: str) -> Any:
    is_whole = dtype.kind in "iu"
    legal = _WHOLE if is_whole else _NUMBER
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
            number = dtype.type(value)
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
