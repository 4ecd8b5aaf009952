"""Rows as text, each value as short as it reads back to the same value at its width."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from evstream.wire.columns import Array


def csv_lines(rows: Mapping[str, Array]) -> str:
    """A line of comma-separated values per row."""
    texts = [_texts(column) for column in rows.values()]
    return "".join(f"{line}\n" for line in map(",".join, zip(*texts, strict=True)))


def json_lines(rows: Mapping[str, Array]) -> str:
    """A JSON object per row; JSON has no NaN or infinity, so these become strings."""
    template = "{" + ", ".join(f"{json.dumps(name)}: %s" for name in rows) + "}\n"
    texts = []
    for column in rows.values():
        values = _texts(column)
        if column.dtype.kind == "f":
            values = [f'"{text}"' if text[-1] in "nf" else text for text in values]
        texts.append(values)
    return "".join(template % record for record in zip(*texts, strict=True))


def _texts(column: Array) -> list[str]:
    if column.dtype.kind != "f":
        return [str(value) for value in column.tolist()]
    return [_shortest(value) for value in column]


def _shortest(value: Any) -> str:
    """The fewest digits that read back to the same value, without an exponent where the
    number is of everyday size."""
    text = str(value)
    if "e" in text and 1e-5 <= abs(value) < 1e16:
        text = np.format_float_positional(value, unique=True, trim="-")
    return text.removesuffix(".0")
