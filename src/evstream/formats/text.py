"""What the formats of text have in common: a line per row, a number per column.

Lines are parsed in blocks, several at once, by the first of three readers that can: the
kernel, which takes what is ordinary; pyarrow, which takes what is unusual; and Python, one
value at a time, which takes what is odd and says exactly what is wrong and where.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from evstream.arrow import batch_of, import_arrow, rows_of
from evstream.errors import TableError
from evstream.formats.parallel import in_order
from evstream.line_kernels import SLACK
from evstream.sources import Source
from evstream.text import Template, parse_rows, print_rows

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import RecordBatch

BLOCK = 1 << 20
"""Bytes parsed at once."""


@dataclass(frozen=True)
class TextFormat:
    """What tells one format of text from another.

    Attributes:
        template: of its lines.
        by_arrow: parses a block, or raises pyarrow.ArrowInvalid.
        records: (lines, number of the first) -> column name -> value, one line after the other.
    """

    template: Template
    by_arrow: Callable[[memoryview], pa.Table]
    records: Callable[[list[str], int], Iterable[Mapping[str, Any]]]


def read_blocks(source: Source, size: int = BLOCK) -> Iterator[memoryview]:
    """A text source in blocks of whole lines, about `size` bytes each or one line if that is
    longer. Each has its last newline, and SLACK bytes of room behind it. Blank lines at the
    end of the file are left out."""
    rest = b""
    while True:
        block = bytearray(len(rest) + max(size, len(rest)) + 1 + SLACK)
        block[: len(rest)] = rest
        filled, room = len(rest), len(block) - 1 - SLACK
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


def read_rows(
    blocks: Iterable[memoryview], form: TextFormat, schema: pa.Schema, first_line: int, source: str
) -> Generator[RecordBatch]:
    """The rows of blocks of lines. Raises TableError for the first bad value."""
    pa = import_arrow()
    dtypes = {f.name: np.dtype(f.type.to_pandas_dtype()) for f in schema}

    def parse(block: memoryview) -> RecordBatch | None:
        data = np.frombuffer(block.obj, np.uint8)
        rows = parse_rows(data, len(block), form.template, dtypes)
        if rows is not None:
            return batch_of(schema, rows)
        try:
            table = form.by_arrow(block)
        except pa.ArrowInvalid:
            return None
        whole = table.num_rows == int(np.count_nonzero(data[: len(block)] == _NEWLINE))
        if not whole or any(_is_odd(table.column(name)) for name in schema.names):
            return None
        batches = table.select(schema.names).cast(schema).combine_chunks().to_batches()
        return batches[0] if len(batches) == 1 else None

    line = first_line
    for block, batch in in_order(parse, blocks):
        if batch is None:
            text = bytes(block).decode("utf-8", "replace").split("\n")[:-1]
            records = form.records([piece.removesuffix("\r") for piece in text], line)
            batch = _read_exactly(records, schema, dtypes, line, source)
        line += batch.num_rows
        yield batch


def write_rows(
    batches: Iterable[RecordBatch], template: Template, precision: int | None, out: Any
) -> None:
    """A line per row; several batches are printed at once."""

    def text(batch: RecordBatch) -> memoryview:
        return print_rows(rows_of(batch), template, precision)

    for _, lines in in_order(text, batches):
        out.write(lines)


def _is_odd(column: Any) -> bool:
    """Whether Python should have a look: a value is missing, or not finite, which may be a
    number too large for its width."""
    import pyarrow.compute as pc
    import pyarrow.types as pt

    if column.null_count:
        return True
    return bool(pt.is_floating(column.type) and not pc.all(pc.is_finite(column)).as_py())


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
                problem = "a value is missing" if name in dtypes else f"there is {record[name]!r}"
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
    number: Any = None
    if right and is_whole:
        number = int(value)
        limits = np.iinfo(dtype)
        right = limits.min <= number <= limits.max
        expected = f"{limits.min} to {limits.max}"
    elif right:
        with np.errstate(over="ignore"):
            number = dtype.type(value)
        right = bool(np.isfinite(number)) or "n" in str(value).lower()
        expected = f"a number within {np.finfo(dtype).max:.3g}" if not right else expected
    if not right:
        raise TableError(f"{value!r}", source=source, line=line, column=column, expected=expected)
    return number
