"""The table of files in docs/compatibility.md: a cell is what a test found, and none is typed.

A test puts what it compares in `with cell(type, column):`. Where that succeeds, the document must
have the cell. With EVSTREAM_INTEROP_TABLE=write in the environment it is written there instead, and
the rest of the table stays, so that some types can be run again alone.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "compatibility.md"
BEGIN, END = "<!-- table: make interop -->\n", "<!-- end of table -->"

COLUMNS = {
    "rows": "rows of `bintocsv`",
    "bytes": "bytes of `csvtobin`",
    "parquet": "tables of `bintoparquet`",
    "back": "bytes of `parquettobin`",
}
SAME, NONE = "same", "no such type"

Table = dict[str, dict[str, str]]


def table(text: str) -> Table:
    """Type -> column -> cell, as the document has them."""
    lines = text.partition(BEGIN)[2].partition(END)[0].splitlines()[2:]
    found: Table = {}
    for line in lines:
        name, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        found[name.strip("`")] = dict(zip(COLUMNS, cells, strict=True))
    return found


def printed(cells: Table) -> str:
    lines = ["| Type | " + " | ".join(COLUMNS.values()) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    for name in sorted(cells):
        row = [cells[name].get(column, "") for column in COLUMNS]
        lines.append(f"| `{name}` | " + " | ".join(row) + " |")
    return "\n".join(lines) + "\n"


@contextmanager
def cell(name: str, column: str, value: str = SAME) -> Iterator[None]:
    """What is compared inside is the cell of a type; raises AssertionError if the document has
    another."""
    yield
    if os.environ.get("EVSTREAM_INTEROP_TABLE") != "write":
        assert table(DOCUMENT.read_text())[name][column] == value, "EVSTREAM_INTEROP_TABLE=write"
        return
    with DOCUMENT.open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        text = file.read()
        cells = table(text)
        cells.setdefault(name, {})[column] = value
        new = re.sub(
            re.escape(BEGIN) + ".*?" + re.escape(END),
            lambda _: BEGIN + printed(cells) + END, text, flags=re.DOTALL,
        )  # fmt: skip
        file.seek(0)
        file.write(new)
        file.truncate()
