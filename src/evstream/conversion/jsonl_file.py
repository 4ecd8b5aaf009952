"""JSON lines: an object per row, as `evstream cat --format jsonl` prints."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from evstream._support.format import bound_format
from evstream.conversion.line_guard import LineGuard
from evstream.conversion.table import Options, Table, guess_header
from evstream.conversion.text_file import (
    TextFormat,
    is_zero,
    opening_line,
    read_blocks,
    read_rows,
    write_frames,
)
from evstream.errors import TableError
from evstream.extras import import_arrow
from evstream.tables.arrow import arrow_schema
from evstream.tables.column_names import has_impacted_exposure, stream_names
from evstream.text.json import json_lines
from evstream.transport.source import Source
from evstream.wire.header import StreamHeader

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa


def read(source: Source, options: Options) -> Table:
    """The rows of a file with a JSON object per line; all values are numbers, or the words
    that stand for NaN and infinity."""
    blocks = read_blocks(LineGuard(source, options.max_line))
    first = next(blocks, None)
    if first is None:
        return _without_rows(source, options)
    given = list(next(_records([opening_line(first, source.name)], 1, source.name)))
    names = stream_names(given, options.format)
    header = guess_header(names, options, source.name)
    schema = arrow_schema(header)
    form = TextFormat(
        names,
        lambda block: _by_arrow(block, given, names, schema),
        lambda lines, first_line: _renamed(
            _records(lines, first_line, source.name), dict(zip(given, names, strict=True))
        ),
    )
    batches = read_rows(chain([first], blocks), form, schema, 1, source.name)
    gaps = has_impacted_exposure(given)
    return Table(header, batches, source.name, False, first_line=1, exposure_gaps=gaps)


def _without_rows(source: Source, options: Options) -> Table:
    if options.stream is None:
        raise TableError("the file is empty", source=source.name, expected="an object, or --stream")
    format = options.format or bound_format()
    names = list(StreamHeader(format.stream(options.stream).name, format=format).row_columns)
    return Table(guess_header(names, options, source.name), iter(()), source.name, False)


def write(table: Table, out: Any, options: Options) -> None:
    """An object per row; JSON has no NaN or infinity, so these become strings."""
    write_frames(table.batches, _lines, out)


def _lines(frame: pl.DataFrame, out: Any) -> None:
    rows = {column.name: column.to_numpy() for column in frame}
    if all(np.isfinite(column).all() for column in rows.values()):
        frame.write_ndjson(out)
    else:  # polars would write null
        out.write(json_lines(rows).encode())


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
            problem = f"this is no JSON ({error})"
            raise TableError(problem, source=source, line=number) from None
        except RecursionError:
            problem = "this is no JSON object of numbers, but deeply nested"
            raise TableError(problem, source=source, line=number) from None
        if not isinstance(record, dict):
            raise TableError("this is no JSON object", source=source, line=number)
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
