"""A table with a row per file: as aligned text, CSV, or a JSON object per line."""

from __future__ import annotations

import argparse
import csv
import io
import json
import sys
from collections.abc import Sequence
from typing import Any

from evstream.cli import log
from evstream.cli.standard import print_text

FORMATS = ("text", "csv", "json")

Row = dict[str, Any]


def add_options(parser: argparse.ArgumentParser) -> None:
    """--table and --format, next to the --json that the command has."""
    parser.add_argument(
        "--table", action="store_true",
        help="print one table with a row per file; the files of a run folder are rows too",
    )  # fmt: skip
    parser.add_argument(
        "--format", choices=FORMATS, help="with --table: how (default text; --json means json)"
    )


def check(options: argparse.Namespace) -> None:
    """Raise ValueError for a format without a table."""
    if options.format is not None and not options.table:
        raise ValueError("--format without --table")


class FileTable:
    """Prints rows: of CSV and JSON at once, of text at the end, when the widths are known."""

    def __init__(self, columns: Sequence[str], verdict: str, options: argparse.Namespace) -> None:
        """`verdict` is the column that says whether a file is as it should be."""
        self.columns, self._verdict = tuple(columns), verdict
        self._format = options.format or ("json" if options.json else "text")
        self._rows: list[list[str]] = []
        if self._format == "csv":
            print_text(_csv_line(self.columns))

    @property
    def is_text(self) -> bool:
        """Whether nothing is printed before the end."""
        return self._format == "text"

    def add(self, row: Row) -> None:
        """Print a row, or keep its text."""
        if self._format == "json":
            print_text(json.dumps(log.plain({name: row.get(name) for name in self.columns})))
        elif self._format == "csv":
            print_text(_csv_line([_csv_value(row.get(name)) for name in self.columns]))
        else:
            self._rows.append([_text(row.get(name)) for name in self.columns])

    def finish(self) -> None:
        """Print what was kept."""
        if not self.is_text:
            return
        rows = [list(self.columns), *self._rows]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        right = [_is_number(column) for column in zip(*self._rows, strict=True)]
        right = right or [False] * len(widths)
        verdict = self.columns.index(self._verdict)
        lines = []
        for number, row in enumerate(rows):
            cells = [
                cell.rjust(width) if flush else cell.ljust(width)
                for cell, width, flush in zip(row, widths, right, strict=True)
            ]
            if number:
                style = "good" if row[verdict] == "yes" else "error"
                cells[verdict] = log.styled(cells[verdict], style, sys.stdout)
            lines.append("  ".join(cells).rstrip())
        print_text("\n".join(lines))


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.2f}"
    text = f"{value:,}" if isinstance(value, int) else str(value)
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _csv_value(value: Any) -> Any:
    return int(value) if isinstance(value, bool) else value


def _csv_line(values: Sequence[Any]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(values)
    return line.getvalue()


def _is_number(column: Sequence[str]) -> bool:
    return all(not text or (text[-1].isdigit() and text[0] in "-0123456789") for text in column)
