"""CSV: the columns of `evstream cat`, and the tables that the existing tools print.

pyarrow parses and prints; here is what a CSV of losses looks like, and what is said of a bad
row: its file, line, column and value.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from evstream.arrow import arrow_schema, import_arrow
from evstream.errors import TableError
from evstream.formats.table import Lines, Options, Table, guess_header, read_lines
from evstream.formats.text import parse_rows
from evstream.sources import Source

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import RecordBatch

BLOCK = 4 << 20
"""Bytes parsed at once."""

_OTHER_NAMES = {"sampleid": "sidx", "impactedexposure": "exposure_value", "outputid": "item_id"}
"""Columns of the existing tools, without case and underscores -> our name."""


def read(source: Source, options: Options) -> Table:
    """The rows of a CSV file with a header line."""
    blocks = read_lines(source, BLOCK)
    first = next(blocks, b"")
    line, _, rest = first.partition(b"\n")
    given = next(csv.reader([line.decode("utf-8-sig", "replace")]), [])
    names = [_column(name) for name in given]
    if not line:
        raise TableError("the file is empty", source=source.name, line=1, expected="a header line")
    header = guess_header(names, options, source.name)
    schema = arrow_schema(header)
    lines = Lines(2)

    def batches() -> Iterator[RecordBatch]:
        yield from _parse(rest, names, schema, lines, source.name)
        for block in blocks:
            yield from _parse(block, names, schema, lines, source.name)

    offset = source.offset
    return Table(header, batches(), source.name, False, line_of=lines.of, offset=offset)


def write(table: Table, out: Any, options: Options) -> None:
    """A header line and a line per row; floats as short as they read back."""
    schema = arrow_schema(table.header)
    import pyarrow.csv as pa_csv

    out.write((",".join(schema.names) + "\n").encode())
    style = pa_csv.WriteOptions(include_header=False, quoting_style="none")
    for batch in table.batches:
        piece = io.BytesIO()
        pa_csv.write_csv(_rounded(batch, options.precision), piece, style)
        out.write(piece.getbuffer())


def _rounded(batch: RecordBatch, precision: int | None) -> RecordBatch:
    """Floats as text with a fixed number of decimals, rounded as printf does."""
    if precision is None:
        return batch
    pa = import_arrow()

    def as_text(column: Any) -> Any:
        if not pa.types.is_floating(column.type):
            return column
        values = column.to_numpy(zero_copy_only=False).tolist()
        return pa.array([f"{value:.{precision}f}" for value in values], pa.string())

    columns = [as_text(column) for column in batch.columns]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _column(name: str) -> str:
    plain = name.strip().lower()
    bare = re.sub(r"[ _]", "", plain)
    known = {re.sub("_", "", n): n for n in _KNOWN}
    return _OTHER_NAMES.get(bare) or known.get(bare, plain)


_KNOWN = [
    "event_id", "item_id", "coverage_id", "summary_id", "exposure_value", "sidx", "loss",
    "areaperil_id", "vulnerability_id", "bin_index", "prob_to", "bin_mean",
]  # fmt: skip


def _parse(
    block: bytes, names: list[str], schema: pa.Schema, lines: Lines, source: str
) -> Iterator[RecordBatch]:
    """The rows of whole lines, parsed at once; one by one if that fails, to find the place."""
    pa = import_arrow()
    import pyarrow.csv as pa_csv

    if not block.strip():
        return
    try:
        table = pa_csv.read_csv(
            io.BytesIO(block),
            read_options=pa_csv.ReadOptions(column_names=names, block_size=2 * len(block)),
            parse_options=pa_csv.ParseOptions(ignore_empty_lines=False),
            convert_options=pa_csv.ConvertOptions(
                column_types={f.name: f.type for f in schema},
                include_columns=schema.names,
                null_values=[],
            ),
        )
    except pa.ArrowInvalid:
        text = block.decode("utf-8", "replace").splitlines()
        records = (dict(zip(names, r, strict=False)) | _extra(names, r) for r in csv.reader(text))
        yield parse_rows(records, schema, lines, source)
        return
    lines.add(table.num_rows)
    table = table.cast(schema)
    yield from table.combine_chunks().to_batches()


def _extra(names: list[str], record: list[str]) -> dict[str, str]:
    """Fields beyond the columns, under a name that parse_rows refuses."""
    return {f"field {i + 1}": v for i, v in enumerate(record) if i >= len(names)}
