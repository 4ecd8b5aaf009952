"""Rows as lines of text, each value as short as it reads back to the same value at its
width, and back again.

The kernels of `line_kernels` do what is ordinary; a column with anything else (an exponent,
a NaN, most values of f8) becomes text first, and a block of lines with anything else is
left to the reader of the format.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from evstream.blocks import Array
from evstream.line_kernels import (
    DOUBLE,
    FIXED,
    MOST_DECIMALS,
    MOST_NUMBER,
    SHORTEST,
    SIGNED,
    SINGLE,
    SLACK,
    TEXT,
    UNSIGNED,
    WHOLE,
    parse_lines,
    print_lines,
)


@dataclass(frozen=True)
class Template:
    """A line: what stands before each value and after the last one.

    `quoted`: NaN and infinity stand in quotes, as JSON has no such numbers.
    """

    pieces: tuple[bytes, ...]
    quoted: bool = False

    def joined(self, end: bytes = b"") -> tuple[Array, Array]:
        """The pieces and `end` one after the other, and where each piece starts."""
        ends = np.cumsum([0, *map(len, self.pieces)])
        ends[-1] += len(end)
        return np.frombuffer(b"".join([*self.pieces, end, bytes(SLACK)]), np.uint8), ends


def csv_template(names: Iterable[str]) -> Template:
    """Values with commas between them; without the newline at the end."""
    commas = [b"," for _ in names][1:]
    return Template((b"", *commas, b""))


def json_template(names: Iterable[str], *, compact: bool = False) -> Template:
    """A JSON object, with a space behind each colon and comma unless compact."""
    space = "" if compact else " "
    keys = [f"{json.dumps(name)}:{space}" for name in names]
    keys = ["{" + keys[0], *(f",{space}{key}" for key in keys[1:])]
    return Template((*(key.encode() for key in keys), b"}"), quoted=True)


def csv_lines(rows: Mapping[str, Array]) -> str:
    """A line of comma-separated values per row."""
    return bytes(print_rows(rows, csv_template(rows))).decode()


def json_lines(rows: Mapping[str, Array]) -> str:
    """A JSON object per row; JSON has no NaN or infinity, so these become strings."""
    return bytes(print_rows(rows, json_template(rows))).decode()


def print_rows(
    rows: Mapping[str, Array], template: Template, precision: int | None = None
) -> memoryview:
    """A line per row, floats with `precision` decimals or as short as they read back."""
    columns = list(rows.values())
    length = len(columns[0])
    out = np.empty(0, np.uint8)
    end = 0
    for at in range(0, length, _STRETCH):
        stretch = [column[at : at + _STRETCH] for column in columns]
        texts: dict[int, list[bytes]] = {}
        odd, size = -1, 0
        while odd >= 0 or not size:
            for i, column in enumerate(stretch):
                if i == odd or (i not in texts and _kind(column, precision) == TEXT):
                    texts[i] = _texts(column, precision, template.quoted)
            room = _room(stretch, texts, template)
            if len(out) < end + room:
                before, out = out, np.empty(end + room * (1 + (length - at) // _STRETCH), np.uint8)
                out[:end] = before[:end]
            size, odd = _print(out[end:], stretch, texts, template, precision)
        end += size
    return out.data[:end]


_STRETCH = 1 << 14
"""Rows printed at once, few enough to stay in the processor's cache."""


def _room(
    columns: list[Array], texts: Mapping[int, list[bytes]], template: Template
) -> int:
    """Bytes that the lines of these columns take at most."""
    line = sum(map(len, template.pieces)) + 1 + MOST_NUMBER * (len(columns) - len(texts))
    return len(columns[0]) * line + sum(len(text) for c in texts.values() for text in c) + SLACK


def _print(
    out: Array,
    columns: list[Array],
    texts: Mapping[int, list[bytes]],
    template: Template,
    precision: int | None,
) -> tuple[int, int]:
    """Bytes printed and -1, or the number of a column that has to become text first."""
    kinds = [TEXT if i in texts else _kind(c, precision) for i, c in enumerate(columns)]
    length = len(columns[0])
    where, (ints, floats, _) = _grouped(columns, kinds, _PRINTED)
    all_texts = [text for i in sorted(texts) for text in texts[i]]
    ends = np.cumsum([0, *map(len, all_texts)])
    text_at = np.empty((len(texts), length + 1), np.int64)
    for i in range(len(texts)):
        text_at[i] = ends[i * length : (i + 1) * length + 1]
    size, odd = print_lines(
        out,
        np.array(kinds),
        where,
        _table(ints, length, np.int64),
        _table(floats, length, np.float64),
        np.frombuffer(b"".join([*all_texts, bytes(SLACK)]), np.uint8),
        text_at,
        *template.joined(b"\n"),
        precision or 0,
    )
    return int(size), int(odd)


_PRINTED = ((SIGNED, UNSIGNED), (SHORTEST, FIXED), (TEXT,))
_PARSED = ((WHOLE,), (SINGLE, DOUBLE))


def _grouped(
    columns: list[Any], kinds: list[int], groups: tuple[tuple[int, ...], ...]
) -> tuple[Array, list[list[Any]]]:
    """The columns of each group of kinds, and which of its group each column is."""
    members = [[i for i, kind in enumerate(kinds) if kind in group] for group in groups]
    where = np.zeros(len(columns), np.int64)
    for group in members:
        where[group] = range(len(group))
    return where, [[columns[i] for i in group] for group in members]


def _table(columns: list[Array], length: int, dtype: Any) -> Array:
    table = np.empty((len(columns), length), dtype)
    with np.errstate(invalid="ignore"):  # a signalling NaN
        for row, column in zip(table, columns, strict=True):
            row[:] = column  # above 2**63 the bits stay, which UNSIGNED prints
    return table


def _kind(column: Array, precision: int | None) -> int:
    if column.dtype.kind != "f":
        return UNSIGNED if column.dtype.kind == "u" else SIGNED
    if precision is not None:
        return FIXED if precision <= MOST_DECIMALS else TEXT
    return SHORTEST if column.dtype.itemsize == 4 else TEXT


def _texts(column: Array, precision: int | None, quoted: bool) -> list[bytes]:
    """The values of a float column as text."""
    if precision is not None:
        texts = [f"{value:.{precision}f}" for value in column.tolist()]
    else:
        texts = _shortest_texts(column)
    if quoted and not np.isfinite(column).all():
        texts = [f'"{text}"' if text[-1] in "nf" else text for text in texts]
    return [text.encode() for text in texts]


def _shortest_texts(column: Array) -> list[str]:
    """Each value as `_shortest` prints it; by pyarrow, where it agrees and is there."""
    try:
        import pyarrow as pa
    except ImportError:
        return [_shortest(value) for value in column]
    texts: list[str] = pa.array(column).cast(pa.string()).to_pylist()
    size = np.abs(column)
    for at in np.flatnonzero(~((size >= 1e-4) & (size < 1e10)) & (column != 0)).tolist():
        texts[at] = _shortest(column[at])
    return texts


def _shortest(value: Any) -> str:
    """The fewest digits that read back to the same value, without an exponent where the
    number is of everyday size."""
    text = str(value)
    if "e" in text and 1e-5 <= abs(value) < 1e16:
        text = np.format_float_positional(value, unique=True, trim="-")
    return text.removesuffix(".0")


def parse_rows(
    block: Array, size: int, template: Template, dtypes: Mapping[str, np.dtype[Any]]
) -> dict[str, Array] | None:
    """Whole lines as rows; None if there is anything that is not ordinary.

    The first `size` bytes of `block` are lines, the last one with its newline; SLACK bytes
    more are there.
    """
    kinds = [
        WHOLE if dtype.kind in "iu" else SINGLE if dtype.itemsize == 4 else DOUBLE
        for dtype in dtypes.values()
    ]
    where, (whole, floating) = _grouped(list(dtypes.values()), kinds, _PARSED)
    limits = [
        (int(i.min), min(int(i.max), (1 << 63) - 1))
        for i in (np.iinfo(d if d.kind in "iu" else np.int64) for d in dtypes.values())
    ]
    low, high = np.array(limits, np.int64).T.copy()
    pieces, piece_at = template.joined()
    rows = size // (int(piece_at[-1]) + len(kinds) + 1)
    ints = np.empty((len(whole), rows), np.int64)
    floats = np.empty((len(floating), rows), np.float64)
    parsed, rows = parse_lines(
        block, size, np.array(kinds), where, low, high, ints, floats, pieces, piece_at
    )
    if parsed < size:
        return None
    return {
        name: (ints if kind == WHOLE else floats)[at, :rows].astype(dtype)
        for (name, dtype), kind, at in zip(dtypes.items(), kinds, where.tolist(), strict=True)
    }
