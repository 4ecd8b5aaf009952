"""JSON lines: an object per row, as `evstream cat --format jsonl` prints."""

from __future__ import annotations

import io
import json
import re
import reprlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from evstream._support.texts import is_text
from evstream.conversion.line_guard import LineGuard
from evstream.conversion.parallel import in_order
from evstream.conversion.table import Options, Table, guess_header
from evstream.conversion.text_file import numbered, opening_line, read_blocks
from evstream.conversion.text_values import TextColumn, is_zero, text_columns
from evstream.errors import TableError
from evstream.extras import import_arrow, import_extra
from evstream.tables.arrow import arrow_schema, batch_of, rows_of
from evstream.tables.column_names import has_gaps, stream_names, streams_of
from evstream.text.json import json_lines
from evstream.text.lines import Block
from evstream.transport.source import Source
from evstream.wire.columns import Array
from evstream.wire.header import StreamHeader

if TYPE_CHECKING:
    import pyarrow as pa


def read(source: Source, options: Options) -> Table:
    """The rows of a file with a JSON object per line; all values are numbers, text, or the words
    that stand for NaN and infinity."""
    blocks = read_blocks(LineGuard(source, options.max_line))
    first = next(blocks, None)
    if first is None:
        return _without_rows(source, options)
    given = list(next(_records([opening_line(first.text, source.name)], 1, source.name)))
    names = stream_names(given, options.format, options.stream)
    header = guess_header(names, options, source.name)
    parse = _parser(header, given, names, source.name)
    numbers = numbered(chain([first], blocks), 1)
    batches = (rows for _, rows in in_order(parse, numbers, options.threads))
    gaps = has_gaps(given, header)
    return Table(header, batches, source.name, False, first_line=1, has_gaps=gaps)


def _without_rows(source: Source, options: Options) -> Table:
    if options.stream is None:
        raise TableError("the file is empty", source=source.name, expected="an object, or --stream")
    header, *_ = streams_of(options.format, options.stream)
    names = list(header.row_columns)
    return Table(guess_header(names, options, source.name), iter(()), source.name, False)


def write(table: Table, out: Any, options: Options) -> None:
    """An object per row; JSON has no NaN or infinity, so these become strings.

    Polars prints them in threads of its own, but into memory: into a file it writes from such a
    thread, while the main one, which alone receives signals, waits for it; and it turns an error of
    the file into one with less in it.
    """
    from_arrow = import_extra("polars").from_arrow
    schema = arrow_schema(table.header, dates=False, columns=table.columns)

    for rows in table.batches:
        if all(np.isfinite(c).all() for c in rows.values() if not is_text(c.dtype)):
            text = io.BytesIO()
            from_arrow(batch_of(schema, rows, table.name)).write_ndjson(text)
            out.write(text.getbuffer())
        else:  # polars would write null
            out.write(json_lines(rows, table.name).encode())


def _parser(
    header: StreamHeader, given: list[str], names: list[str], source: str
) -> Callable[[tuple[Block, int]], dict[str, Array]]:
    """What parses a block of lines: pyarrow; and where that refuses, Python, one value at a time,
    which takes what is odd and says exactly what is wrong and where."""
    pa = import_arrow()
    bare = StreamHeader(header.stream, {}, header.widths, header.format)
    schema = arrow_schema(bare, dates=False)  # its types; the values are not checked yet
    dtypes = header.row_columns
    own = dict(zip(given, names, strict=True))
    has_text = any(map(is_text, dtypes.values()))

    def parse(numbered_block: tuple[Block, int]) -> dict[str, Array]:
        block, first_line = numbered_block[0].text, numbered_block[1]
        rows = None
        try:
            if not has_text:
                rows = _plain_rows(_by_arrow(block, given, names, schema), schema, block)
        except pa.ArrowInvalid:
            pass
        if rows is not None:
            return rows
        lines = bytes(block).decode("utf-8", "replace").split("\n")[:-1]
        records = _records([line.removesuffix("\r") for line in lines], first_line, source)
        return _read_exactly(
            _renamed(records, own), text_columns(header, names, source), first_line, source
        )

    return parse


def _plain_rows(table: pa.Table, schema: pa.Schema, block: memoryview) -> dict[str, Array] | None:
    """The rows; None where Python should have a look."""
    columns = [table.column(name) for name in schema.names]
    is_whole = table.num_rows == bytes(block).count(b"\n")
    if not is_whole or any(_is_odd(column) for column in columns):
        return None
    if any(_has_zero(column) for column in columns) and _TINY.search(block):
        return None
    batches = table.select(schema.names).cast(schema).combine_chunks().to_batches()
    return rows_of(batches[0]) if len(batches) == 1 else None


def _by_arrow(block: memoryview, given: list[str], names: list[str], schema: pa.Schema) -> pa.Table:
    pa = import_arrow()
    import pyarrow.json as pa_json

    fields = [(key, schema.field(name).type) for key, name in zip(given, names, strict=True)]
    table = pa_json.read_json(
        pa.BufferReader(pa.py_buffer(block)),
        read_options=pa_json.ReadOptions(block_size=2 * len(block), use_threads=False),
        parse_options=pa_json.ParseOptions(
            explicit_schema=pa.schema(fields), unexpected_field_behavior="error"
        ),
    )
    return table.rename_columns(names)


def _renamed(
    records: Iterable[dict[str, Any]], names: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    for record in records:
        yield {names.get(key, key): value for key, value in record.items()}


def _records(lines: list[str], first_line: int, source: str) -> Iterator[dict[str, Any]]:
    for number, text in enumerate(lines, first_line):
        try:
            record = json.loads(
                text.removeprefix("\ufeff"), object_pairs_hook=_object, parse_float=_float
            )
        except ValueError as error:
            problem = f"not valid JSON ({error})"
            raise TableError(problem, source=source, line=number) from None
        except RecursionError:
            problem = "not a JSON object of numbers, but deeply nested"
            raise TableError(problem, source=source, line=number) from None
        if not isinstance(record, dict):
            raise TableError("not a JSON object", source=source, line=number)
        yield record


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        raise ValueError("a name comes twice")
    return record


def _float(text: str) -> float | str:
    """The number; its text where a Python float is infinite or 0 and the text is neither."""
    number = float(text)
    is_held = np.isfinite(number) and (number != 0 or is_zero(text))
    return number if is_held else text


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
    columns: Mapping[str, TextColumn],
    first_line: int,
    source: str,
) -> dict[str, Array]:
    values: dict[str, list[Any]] = {name: [] for name in columns}
    for line, record in enumerate(records, first_line):
        for name in [*record, *columns]:
            if name not in columns or name not in record:
                extra = reprlib.repr(record.get(name))
                problem = "a value is missing" if name in columns else f"there is {extra}"
                raise TableError(
                    problem, source=source, line=line, column=name,
                    expected=f"the columns {', '.join(columns)}",
                )  # fmt: skip
        for name, column in columns.items():
            values[name].append(column.of_json(record[name], line))
    return {name: np.array(values[name], column.dtype) for name, column in columns.items()}
