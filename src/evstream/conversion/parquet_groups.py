"""Parquet files of row groups that are encoded apart, by several threads.

A writer of pyarrow encodes one row group after the other, one column after the other. Here each row
group becomes a file in memory. Its columns are put into the file one after the other, and what its
metadata say of them into those of the file, with other offsets. Columns of long runs are encoded
by `parquet_runs`, all others by pyarrow.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from evstream._support.arguments import did_you_mean
from evstream.conversion.parquet_runs import ColumnChunk, encoded_runs, moved, runs_of
from evstream.conversion.table import Options
from evstream.conversion.thrift import I16, I64, LIST, STRUCT, Struct, read_struct, write_struct
from evstream.errors import EvstreamError
from evstream.extras import import_arrow
from evstream.tables.arrow import numbers_of

if TYPE_CHECKING:
    import pyarrow as pa

MAGIC = b"PAR1"

PAGE_ROWS = 1 << 20
"""Most rows of a page; most bytes are a megabyte, as in all versions of pyarrow."""

_CODECS = {"none": 0, "snappy": 1, "gzip": 2, "brotli": 4, "zstd": 6, "lz4": 7}
"""Names of compressions -> their numbers in Parquet."""

_HIGHEST_ORDINAL = 2**15 - 1


class RowGroup(NamedTuple):
    """The columns of a row group, encoded."""

    chunks: list[ColumnChunk]
    rows: int


class GroupEncoder:
    """Encodes row groups of a schema; several threads may use it.

    Raises EvstreamError for a compression that Parquet does not have.
    """

    def __init__(self, schema: pa.Schema, options: Options) -> None:
        self._pa = import_arrow()
        self.schema = schema
        self._options = options
        self._codec = codec_of(options)

    def encode(self, group: pa.Table) -> RowGroup:
        """A row group of all rows of a table."""
        chunks: dict[str, ColumnChunk] = {}
        for field in self.schema:
            chunk = None if field.nullable else self._by_runs(field, group.column(field.name))
            if chunk is not None:
                chunks[field.name] = chunk
        others = [name for name in self.schema.names if name not in chunks]
        if others:
            chunks |= zip(others, self._by_arrow(group.select(others)), strict=True)
        return RowGroup([chunks[name] for name in self.schema.names], group.num_rows)

    def _by_runs(self, field: pa.Field, column: pa.ChunkedArray) -> ColumnChunk | None:
        """A column that is made of long runs of numbers; else None."""
        types = self._pa.types
        if not (types.is_integer(field.type) or types.is_floating(field.type)):
            return None
        parts = [numbers_of(part) for part in column.chunks]
        values = parts[0] if len(parts) == 1 else np.concatenate(parts)
        starts = runs_of(values)
        if starts is None:
            return None
        compress = None if self._codec == "none" else self._compress
        return encoded_runs(field.name, values, starts, _CODECS[self._codec], compress)

    def _compress(self, data: bytes) -> bytes:
        codec = self._pa.Codec({"lz4": "lz4_raw"}.get(self._codec, self._codec))
        return bytes(codec.compress(data, asbytes=True))

    def _by_arrow(self, group: pa.Table) -> list[ColumnChunk]:
        sink = self._pa.BufferOutputStream()
        with arrow_writer(sink, group.schema, self._options, store_schema=False) as writer:
            writer.write_table(group, row_group_size=group.num_rows)
        data = memoryview(sink.getvalue())
        (row_group,) = _items(_footer(data)[_ROW_GROUPS])
        found = []
        for column in _items(row_group[1]):
            _, metadata = column[3]
            start = min(metadata[n][1] for n in (9, 11) if n in metadata)
            end = start + metadata[7][1]
            found.append(ColumnChunk([data[start:end]], moved(column, -start)))
        return found


class GroupsFile:
    """A Parquet file that row groups are added to."""

    def __init__(self, out: Any, schema: pa.Schema, options: Options) -> None:
        self._out, self._schema, self._options = out, schema, options
        self._groups: list[Struct] = []
        self._rows = 0
        self._at = 0
        self._write(MAGIC)

    def add(self, group: RowGroup) -> None:
        """Write a row group."""
        start, columns = self._at, []
        for pages, column in group.chunks:
            columns.append(moved(column, self._at))
            for page in pages:
                self._write(page)
        sizes = [column[3][1] for column in columns]
        fields: Struct = {
            1: (LIST, (STRUCT, columns)),
            2: (I64, sum(metadata[6][1] for metadata in sizes)),
            3: (I64, group.rows),
            5: (I64, start),
            6: (I64, self._at - start),
        }
        if len(self._groups) <= _HIGHEST_ORDINAL:
            fields[7] = I16, len(self._groups)
        self._groups.append(fields)
        self._rows += group.rows

    def close(self, metadata: dict[str, str]) -> None:
        """Complete the file; its metadata are those of the schema and these."""
        sink = import_arrow().BufferOutputStream()
        with arrow_writer(sink, self._schema, self._options) as writer:
            writer.add_key_value_metadata(metadata)
        footer = _footer(memoryview(sink.getvalue()))
        footer[3] = I64, self._rows
        footer[_ROW_GROUPS] = LIST, (STRUCT, self._groups)
        data = write_struct(footer)
        self._write(data + len(data).to_bytes(4, "little") + MAGIC)

    def _write(self, data: Any) -> None:
        self._out.write(data)
        self._at += len(data)


_ROW_GROUPS = 4


def _footer(file: memoryview) -> Struct:
    size = int.from_bytes(file[-8:-4], "little")
    return read_struct(bytes(file[-8 - size : -8]))[0]


def _items(field: tuple[int, Any]) -> list[Struct]:
    items: list[Struct] = field[1][1]
    return items


def codec_of(options: Options) -> str:
    """The compression of pages. Raises EvstreamError for one that Parquet does not have."""
    codec = (options.compression or "zstd").lower()
    if codec not in _CODECS:
        problem = f"Parquet files have no {options.compression} compression"
        raise EvstreamError(problem, expected=", ".join(_CODECS) + did_you_mean(codec, _CODECS))
    return codec


def arrow_writer(out: Any, schema: pa.Schema, options: Options, **more: Any) -> Any:
    """A ParquetWriter: ids as dictionaries, sidx as deltas, a checksum per page, statistics of
    integers.

    Of floats there are none: the smallest and largest do not count NaN, so a reader that goes by
    them passes over rows which its own order of numbers would find.
    """
    pa = import_arrow()
    import pyarrow.parquet as pq

    whole = (pa.int32(), pa.int64(), pa.uint32(), pa.uint64())
    integers = [f.name for f in schema if f.type in whole]
    ids = [name for name in integers if name.endswith(("_id", "Id"))]
    ids += [f.name for f in schema if pa.types.is_dictionary(f.type)]
    deltas = {name: "DELTA_BINARY_PACKED" for name in integers if name not in ids}
    if "max_rows_per_page" in inspect.signature(pq.ParquetWriter).parameters:
        more["max_rows_per_page"] = PAGE_ROWS  # 20,000 would be usual, and take 1.2 times as long
    return pq.ParquetWriter(
        out,
        schema,
        compression=codec_of(options),
        use_dictionary=ids,
        column_encoding=deltas or None,
        write_statistics=integers,
        write_page_checksum=True,
        **more,
    )
