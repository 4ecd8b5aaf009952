"""Rows as JSON lines, each value as short as it reads back to the same value at its width."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy.typing as npt

from evstream._support.texts import decoded, is_text
from evstream.text.rows import RowPrinter

Array = npt.NDArray[Any]


def json_lines(rows: Mapping[str, Array], source: str | None = None) -> str:
    """A JSON object per row; JSON has no NaN or infinity, so these become strings.

    Raises TableError, which names the source, for a text that is not ASCII."""
    template = "{" + ", ".join(f"{json.dumps(name)}: %s" for name in rows) + "}\n"
    texts = []
    for name, column in rows.items():
        if is_text(column.dtype):
            texts.append([json.dumps(text) for text in decoded(column, name, source)])
            continue
        values = _texts(column)
        if column.dtype.kind == "f":
            values = [f'"{text}"' if text[-1] in "nf" else text for text in values]
        texts.append(values)
    return "".join(template % record for record in zip(*texts, strict=True))


def _texts(column: Array) -> list[str]:
    lines = RowPrinter({"": column.dtype}).text({"": column})
    return str(lines, "ascii").split("\n")[:-1]
