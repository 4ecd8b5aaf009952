"""The format "evstream" of Spark: a data source in Python, which its workers import.

A partition of Spark is a part, or several of small files. Each finds its cuts itself, so a task
that runs again reads the same rows. Rows go to Spark as Arrow batches, in columns of exact types
that are never null.

Spark asks a reader that has `pushFilters` for it on every query, and refuses the query unless its
setting spark.sql.python.filterPushdown.enabled is on. So only `option("pushdown", "true")` gives
a reader that has it. Filters on events and sidx then leave out what cannot pass, and all filters
go back to Spark, which applies them as ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from evstream._support.texts import is_text
from evstream.engines.part_rows import planned, rows_of
from evstream.engines.spark_options import (
    ids_in_option,
    lowered,
    path_in,
    storage_options_in,
    widths_in,
)
from evstream.engines.spark_writer import StreamWriter
from evstream.extras import import_arrow, import_extra
from evstream.partition.part import Part
from evstream.partition.parts import SIZE, Parts
from evstream.reading.selection import sidx_of
from evstream.tables.arrow import strings_of
from evstream.wire.columns import Array
from evstream.wire.header import StreamHeader

if TYPE_CHECKING:
    from pyarrow import RecordBatch
    from pyspark.sql.datasource import DataSource, DataSourceReader, Filter, InputPartition
    from pyspark.sql.types import DataType, StructType
else:
    _source = import_extra("pyspark.sql.datasource")
    DataSource, DataSourceReader = _source.DataSource, _source.DataSourceReader
    InputPartition = _source.InputPartition


class EvstreamSource(DataSource):
    """Reads what evstream.parts takes, and writes a folder of streams."""

    @classmethod
    def name(cls) -> str:
        return "evstream"

    def schema(self) -> StructType:
        header, _ = _planned(self.options)
        return schema_of(header)

    def reader(self, schema: StructType) -> DataSourceReader:
        pushes = self.options.get("pushdown", "false").lower() == "true"
        return (PushingReader if pushes else Reader)(dict(self.options), schema)

    def writer(self, schema: StructType, overwrite: bool) -> StreamWriter:
        return StreamWriter(dict(self.options), overwrite)


class PartPartition(InputPartition):
    """Parts that a task reads, as a partition of Spark."""

    def __init__(self, parts: list[Part]) -> None:
        super().__init__(parts)


class Reader(DataSourceReader):
    """Reads the parts of the files that the options name."""

    def __init__(self, options: Mapping[str, str], schema: StructType) -> None:
        self._options = lowered(options)
        self._schema = schema
        self._events = ids_in_option(self._options, "events")
        self._items = ids_in_option(self._options, "items")
        self._sidx = ids_in_option(self._options, "sidx")

    def partitions(self) -> Sequence[InputPartition]:
        header, parts = _planned(self._options, self._events)
        refuse_other_types(self._schema, header)
        return [PartPartition(group) for group in grouped(parts)]

    def read(self, partition: InputPartition) -> Iterator[RecordBatch]:
        for part in partition.value:
            yield from self._read_part(part)

    def _read_part(self, part: Part) -> Iterator[RecordBatch]:
        pa = import_arrow()
        names = self._schema.names
        types = {name: arrow_type_of(dtype) for name, dtype in part.header.row_columns.items()}
        fields = [pa.field(f.name, types[f.name], nullable=f.nullable) for f in self._schema]
        arrow = pa.schema(fields)
        for rows, count in rows_of(part, names, self._sidx, self._items):
            columns = [_arrow_column(rows[f.name], f.name, types[f.name], part) for f in arrow]
            if count:
                yield pa.RecordBatch.from_arrays(columns, schema=arrow)


class PushingReader(Reader):
    """A reader that leaves out what the filters of a query do not let pass."""

    def pushFilters(self, filters: list[Filter]) -> Iterable[Filter]:  # noqa: N802 (of Spark)
        header, _ = _planned(self._options)
        for one in filters:
            name, values = _wanted(one)
            if name == header.event_column and values:
                self._events = _common(self._events, values)
            elif name == header.sidx and values:
                known = sidx_of(header, self._sidx)
                self._sidx = _common(None if known is None else known.plain(), values)
        return filters


def _wanted(one: Filter) -> tuple[str | None, list[int]]:
    """The column of a filter and the whole numbers that pass it; of other filters none."""
    source = import_extra("pyspark.sql.datasource")
    if isinstance(one, source.EqualTo):
        values = [one.value]
    elif isinstance(one, source.In):
        values = list(one.value)
    else:
        return None, []
    is_whole = all(isinstance(v, int) and not isinstance(v, bool) for v in values)
    return one.attribute[0], values if is_whole and len(one.attribute) == 1 else []


def _common(known: Sequence[int] | None, values: list[int]) -> Sequence[int]:
    """What both let pass; the known ones if that is nothing, which Spark finds out itself."""
    if known is None:
        return values
    return [value for value in values if value in known] or known


FILE_COST = 4 << 20
"""What a file costs beyond its bytes, as bytes: that of Spark for its own formats."""


def grouped(parts: Parts) -> list[list[Part]]:
    """The parts in order, those of small files together up to the size of a part: a task of Spark
    takes far longer than to read a small file."""
    groups: list[list[Part]] = []
    left = 0
    for part in parts:
        cost = part.stop - part.start + FILE_COST
        if not groups or cost > left:
            groups.append([])
            left = parts.part_size
        groups[-1].append(part)
        left -= cost
    return groups


def _planned(
    options: Mapping[str, str], events: Sequence[int] | None = None
) -> tuple[StreamHeader, Parts]:
    options = lowered(options)
    header, parts = planned(
        path_in(options, "load('out/*.bin')"),
        events,
        size=options.get("size", SIZE),
        whole=options.get("whole", "block"),
        storage_options=storage_options_in(options),
        stream=options.get("stream"),
        widths=widths_in(options),
    )
    assert isinstance(parts, Parts)  # of a path
    return header, parts


def schema_of(header: StreamHeader) -> StructType:
    """The columns of a stream for Spark; none can be null. Spark has no unsigned integers, so u4
    becomes a long, u8 a decimal of 20 digits."""
    types = import_extra("pyspark.sql.types")
    return types.StructType(
        [
            types.StructField(name, spark_type_of(dtype), nullable=False)
            for name, dtype in header.row_columns.items()
        ]
    )


def spark_type_of(dtype: np.dtype[Any]) -> DataType:
    """The type that holds all values of a column exactly."""
    types = import_extra("pyspark.sql.types")
    if is_text(dtype):
        return types.StringType()
    names = {
        "i1": "ByteType", "u1": "ShortType", "i2": "ShortType", "u2": "IntegerType",
        "i4": "IntegerType", "u4": "LongType", "i8": "LongType", "f4": "FloatType",
        "f8": "DoubleType",
    }  # fmt: skip
    code = f"{dtype.kind}{dtype.itemsize}"
    return types.DecimalType(20, 0) if code == "u8" else getattr(types, names[code])()


def arrow_type_of(dtype: np.dtype[Any]) -> Any:
    """The same type in Arrow."""
    pa = import_arrow()
    if is_text(dtype):
        return pa.string()
    wider = {"u1": pa.int16(), "u2": pa.int32(), "u4": pa.int64(), "u8": pa.decimal128(20, 0)}
    own = wider.get(f"{dtype.kind}{dtype.itemsize}")
    return pa.from_numpy_dtype(dtype.newbyteorder("=")) if own is None else own


def refuse_other_types(schema: StructType, header: StreamHeader) -> None:
    """Raise ValueError for a schema of the user with columns or types that the stream does not
    have. Fewer columns are allowed: only these are made."""
    own = {field.name: field.dataType for field in schema_of(header)}
    for field in schema:
        if field.name not in own:
            known = ", ".join(own)
            raise ValueError(f"there is no column {field.name!r}, expected one of {known}")
        if field.dataType != own[field.name]:
            expected = own[field.name].simpleString()
            raise ValueError(
                f"column {field.name} is {field.dataType.simpleString()}, expected {expected}"
            )


def _arrow_column(values: Array, name: str, kind: Any, part: Part) -> Any:
    pa = import_arrow()
    if is_text(values.dtype):
        return strings_of(values, name, part.path)
    return pa.array(np.ascontiguousarray(values)).cast(kind)
