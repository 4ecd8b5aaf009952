"""CSV: the columns that the existing tools read, and the tables that they print."""

from __future__ import annotations

import csv
import reprlib
from collections.abc import Mapping
from itertools import chain
from typing import Any

from evstream.conversion.line_guard import LineGuard
from evstream.conversion.parallel import in_order
from evstream.conversion.table import Options, Table, guess_header
from evstream.conversion.text_file import numbered, opening_line, read_blocks
from evstream.conversion.text_values import TextColumn, text_columns
from evstream.conversion.value_rows import has_value_rows, lines_of, parsed, refuse_columns
from evstream.errors import TableError
from evstream.tables.column_names import has_gaps, stream_names
from evstream.text.lines import Block
from evstream.text.row_parser import RowParser
from evstream.text.rows import RowPrinter
from evstream.transport.environment import strict_of
from evstream.transport.source import Source
from evstream.wire.columns import Array
from evstream.wire.dates import TextDates


def read(source: Source, options: Options) -> Table:
    """The rows of a CSV file with a header line."""
    guard = LineGuard(source, options.max_line)
    blocks = read_blocks(guard)
    first = next(blocks, None)
    if first is None:
        raise TableError("the file is empty", source=source.name, line=1, expected="a header line")
    text = opening_line(first.text, source.name)
    given = _values(text, 1, source.name)
    if len(given) == 1:
        _refuse_other_delimiters(text, source.name)
    names = stream_names(given, options.format, options.stream, in_text=True)
    header = guess_header(names, options, source.name, in_text=True)
    dates = TextDates(header)
    columns = text_columns(header, names, source.name)
    parser = RowParser(names, dates.dtypes, lambda line, at: _row(line, at, columns, source.name))
    rest = first.without_first_line()
    if rest is not None:
        blocks = chain([rest], blocks)

    if has_value_rows(header):
        texts = (block.text for block in blocks)
        values = parsed(header, names, columns, texts, source.name)
        strict = strict_of(options.strict)
        return Table(
            header, guard.watch_end(values, strict=strict), source.name, False, is_sorted=True
        )

    def parse(block: tuple[Block, int]) -> dict[str, Array]:
        rows = parser.rows_of(*block)
        return rows if dates.is_plain else dates.joined(rows, block[1], source.name)

    all_rows = in_order(parse, numbered(blocks, 2), options.threads)
    batches = guard.watch_end((rows for _, rows in all_rows), strict=strict_of(options.strict))
    gaps = has_gaps(given, header)
    return Table(header, batches, source.name, False, first_line=2, has_gaps=gaps)


def write(table: Table, out: Any, options: Options) -> None:
    """A header line and a line per row; floats as short as they read back, or with a fixed
    number of decimals, rounded as printf does."""

    refuse_columns(table.header, table.columns)
    dates = TextDates(table.header, table.columns)
    printer = RowPrinter(dates.dtypes, options.precision, table.name)
    out.write(",".join(dates.titles.values()).encode() + b"\n")
    if has_value_rows(table.header):
        for line in lines_of(table.header, table.batches, table.name):
            out.write(line.encode())
        return

    def lines(rows: dict[str, Array]) -> Any:
        return printer.text(dates.split(rows))

    for _, text in in_order(lines, table.batches, options.threads):
        out.write(text)


_OTHER_DELIMITERS = {";": "semicolons", "\t": "tabs", "|": "bars"}


def _refuse_other_delimiters(line: str, source: str) -> None:
    for delimiter, word in _OTHER_DELIMITERS.items():
        if delimiter in line:
            raise TableError(
                f"the columns are separated by {word}", source=source, line=1, expected="commas"
            )


def _values(line: str, number: int, source: str) -> list[str]:
    """The values of a line. Raises TableError for one that is not CSV."""
    if "\r" in line:
        raise TableError(
            "a carriage return inside the line", source=source, line=number,
            expected="lines that end with a newline",
        )  # fmt: skip
    try:
        return next(csv.reader([line], strict=True), [])
    except csv.Error as error:
        raise TableError(f"not valid CSV ({error})", source=source, line=number) from None


def _row(line: str, number: int, columns: Mapping[str, TextColumn], source: str) -> list[Any]:
    """The values of a line. Raises TableError for the first that is missing or wrong."""
    values = _values(line, number, source)
    expected = f"the columns {', '.join(columns)}"
    if len(values) > len(columns):
        extra = reprlib.repr(values[len(columns)])
        raise TableError(
            f"there is {extra}", source=source, line=number, column=str(len(columns) + 1),
            expected=expected,
        )  # fmt: skip
    if len(values) < len(columns):
        missing = list(columns)[len(values)]
        raise TableError(
            "a value is missing", source=source, line=number, column=missing, expected=expected
        )
    return [
        column.of_text(value, number)
        for value, column in zip(values, columns.values(), strict=True)
    ]
