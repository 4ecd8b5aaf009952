"""JSON lines: an object per row, as `evstream cat --format jsonl` prints.

pyarrow parses; a block that it refuses is parsed again by Python's json, which takes the
strings that stand for NaN and infinity and finds the place of what is wrong.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from evstream.arrow import arrow_schema, import_arrow, rows_of
from evstream.errors import TableError
from evstream.formats.table import Lines, Options, Table, guess_header, read_lines
from evstream.formats.text import parse_rows
from evstream.sources import Source
from evstream.text import json_lines

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import RecordBatch

BLOCK = 4 << 20
"""Bytes parsed at once."""


def read(source: Source, options: Options) -> Table:
    """The rows of a file with a JSON object per line."""
    blocks = read_lines(source, BLOCK)
    first = next(blocks, b"")
    start = next(_objects(first.partition(b"\n")[0], Lines(1), source.name), {})
    header = guess_header(list(start), options, source.name)
    schema = arrow_schema(header)
    lines = Lines(1)

    def batches() -> Iterator[RecordBatch]:
        yield _parse(first, schema, lines, source.name)
        for block in blocks:
            yield _parse(block, schema, lines, source.name)

    offset = source.offset
    return Table(header, batches(), source.name, False, line_of=lines.of, offset=offset)


def write(table: Table, out: Any, options: Options) -> None:
    """An object per row; JSON has no NaN or infinity, so these become strings."""
    pa = import_arrow()
    import pyarrow.compute as pc

    for batch in table.batches:
        if options.precision is not None:
            out.write(json_lines(rows_of(batch), options.precision).encode())
            continue
        parts: list[Any] = []
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            text = pc.cast(column, pa.string())
            if pa.types.is_floating(column.type):
                quoted = pc.binary_join_element_wise('"', text, '"', "")
                text = pc.if_else(pc.is_finite(column), text, quoted)
            parts += [f'{", " if parts else "{"}"{name}": ', text]
        lines = pc.binary_join_element_wise(*parts, "}\n", "")
        out.write(memoryview(lines.buffers()[2]))  # the texts of an array lie end to end


def _parse(block: bytes, schema: pa.Schema, lines: Lines, source: str) -> pa.RecordBatch:
    pa = import_arrow()
    import pyarrow.json as pa_json

    parse = pa_json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="error")
    read = pa_json.ReadOptions(block_size=2 * len(block) + 1)
    try:
        table = pa_json.read_json(io.BytesIO(block), read_options=read, parse_options=parse)
        whole = table.num_rows == block.count(b"\n") + (not block.endswith(b"\n"))
        if whole and not any(column.null_count for column in table.columns):
            (batch,) = table.cast(schema).combine_chunks().to_batches()
            lines.add(batch.num_rows)
            return batch
    except pa.ArrowInvalid:
        pass
    return parse_rows(_objects(block, lines, source), schema, lines, source)


def _objects(block: bytes, lines: Lines, source: str) -> Iterator[dict[str, Any]]:
    for line, text in enumerate(block.splitlines(), lines.next):
        try:
            record = json.loads(text)
        except ValueError as error:
            problem = f"this is no JSON ({error})"
            raise TableError(problem, source=source, line=line) from None
        if not isinstance(record, dict):
            raise TableError("this is no JSON object", source=source, line=line)
        yield record
