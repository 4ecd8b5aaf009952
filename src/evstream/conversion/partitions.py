"""A folder of Parquet files: the rows of a table by the values of some columns.

Folders are named as Hive does (`event_id_from=1000/part-0.parquet`), so that DuckDB, Polars,
pandas, Spark and Dask read the folder as one dataset and skip what a filter excludes.

Rows wait in memory, partition by partition, until there are WAITING_ROWS. Then the largest
partitions become row groups of their files. Few files are open; a partition whose file was closed
goes on in another. So rows may come in any order, and those in order make one file each.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_from_bytes

import numpy as np

from evstream._support.arguments import did_you_mean, list_of_names
from evstream.conversion.parallel import in_order
from evstream.conversion.parquet_file import LARGEST_GROUP_ROWS, new_writer
from evstream.conversion.table import Options, Table
from evstream.errors import EvstreamError
from evstream.extras import import_arrow
from evstream.tables.arrow import METADATA, arrow_schema, batch_of
from evstream.tables.batches import join_rows
from evstream.transport.sink import Sink, SinkFile
from evstream.transport.whole_folder import WholeFolder
from evstream.wire.columns import Array
from evstream.wire.header import StreamHeader

if TYPE_CHECKING:
    import pyarrow as pa

WAITING_ROWS = 1 << 22
"""Rows of all partitions in memory: 64 MB of a loss stream."""

DIVIDED_ROWS = 1 << 20
"""Rows that are divided at once: each partition in them costs a few calls."""

OPEN_FILES = 32
MAX_PARTITIONS = 10_000


@dataclass(frozen=True)
class Key:
    """What one level of folders stands for.

    Attributes:
        column: its values are the partitions.
        step: ids per partition; None where each value is one.
    """

    column: str
    step: int | None = None

    @property
    def name(self) -> str:
        """How the folders begin. The first id of a range is another column than the id."""
        return self.column if self.step is None else f"{self.column}_from"


Values = tuple[Any, ...]
"""The value of each key in a partition."""


def parsed(partition_by: str | Sequence[str]) -> list[Key]:
    """The keys of `partition_by`: "column", or "column:ids per partition". Raises ValueError, and
    TypeError for what is not text."""
    keys = []
    for text in list_of_names("partition_by", partition_by):
        column, colon, step = text.partition(":")
        if not column or (colon and not (step.isascii() and step.isdecimal() and int(step))):
            raise ValueError(
                f"partition_by is {text!r}, expected a column, or column:ids per partition"
            )
        keys.append(Key(column, int(step) if colon else None))
    if not keys:
        raise ValueError("partition_by has no column")
    return keys


def write(table: Table, folder: WholeFolder, keys: Sequence[Key], options: Options) -> None:
    """Write the rows of a table as a dataset of Parquet files.

    Raises EvstreamError for keys that the table does not have, and for too many partitions.
    """
    _refuse_unfit(keys, table.header, table.file_column, table.columns)
    dataset = _Dataset(table, folder, keys, options)
    try:
        for batch in _gathered(table.batches):
            for values, rows in _divided(batch, keys, table):
                dataset.add(values, rows)
        dataset.finish()
    except BaseException:
        dataset.abort()
        raise


def _refuse_unfit(
    keys: Sequence[Key],
    header: StreamHeader,
    file: str | None,
    columns: Sequence[str] | None = None,
) -> None:
    named = [name for name in columns or header.row_columns if name != file]
    whole = [name for name in named if header.row_columns[name].kind in "iu"]
    known = [*whole, *([file] if file else [])]
    for key in keys:
        if key.column not in known:
            raise EvstreamError(
                f"partition_by names {key.column}",
                expected=f"one of {', '.join(known)}{did_you_mean(key.column, known)}",
            )
        if key.step is None:
            continue
        if key.column == file:
            raise EvstreamError(f"partition_by gives {file} a number", expected="the column alone")
        most = np.iinfo(header.row_columns[key.column]).max
        if key.step > most:
            raise EvstreamError(
                f"partition_by has {key.step} ids per partition", expected=f"{most} or less"
            )
        if key.name in header.row_columns:
            raise EvstreamError(
                f"the partitions of {key.column} would be called {key.name}, as another column is",
                expected="another column",
            )
    names = [key.name for key in keys]
    if len(set(names)) < len(names):
        raise EvstreamError("partition_by names a column twice", expected="each column once")
    if not set(named) - {key.name for key in keys}:
        raise EvstreamError("partition_by names all columns", expected="some of them")


def _gathered(batches: Iterator[dict[str, Array]]) -> Iterator[dict[str, Array]]:
    """The same rows in batches of DIVIDED_ROWS or more."""
    waiting: list[dict[str, Array]] = []
    count = 0
    for batch in batches:
        waiting.append(batch)
        count += len(next(iter(batch.values())))
        if count >= DIVIDED_ROWS:
            yield join_rows(waiting)
            waiting, count = [], 0
    if waiting:
        yield join_rows(waiting)


def _divided(
    batch: Mapping[str, Array], keys: Sequence[Key], table: Table
) -> Iterator[tuple[Values, Mapping[str, Array]]]:
    """The rows of a batch per partition, in their order."""
    codes = [_code(batch[key.column], key.step) for key in keys]
    if not len(codes[0]):
        return
    if all((code == code[0]).all() for code in codes):
        yield _values([code[0] for code in codes], keys, table), batch
        return
    order = np.lexsort(codes[::-1])  # stable
    ordered = [code[order] for code in codes]
    is_start = np.zeros(len(order), bool)
    is_start[0] = True
    for code in ordered:
        is_start[1:] |= code[1:] != code[:-1]
    starts = np.flatnonzero(is_start)
    for start, rows in zip(starts, np.split(order, starts[1:]), strict=True):
        values = _values([code[start] for code in ordered], keys, table)
        yield values, {name: column[rows] for name, column in batch.items()}


def _code(column: Array, step: int | None) -> Array:
    return column if step is None else column // column.dtype.type(step)


def _values(codes: Sequence[Any], keys: Sequence[Key], table: Table) -> Values:
    """What the folders are named after: the first id of a range, a value, the name of a file."""
    found: list[Any] = []
    for code, key in zip(codes, keys, strict=True):
        if key.column == table.file_column:
            found.append(table.file_names[int(code)])
        elif key.step is None:
            found.append(int(code))
        else:
            least = np.iinfo(table.header.row_columns[key.column]).min
            found.append(max(int(code) * key.step, int(least)))
    return tuple(found)


class _Dataset:
    """The partitions of a folder: rows that wait, open files, and the number of files of each."""

    def __init__(
        self, table: Table, folder: WholeFolder, keys: Sequence[Key], options: Options
    ) -> None:
        self._pa = import_arrow()
        self._table, self._folder, self._keys, self._options = table, folder, keys, options
        self._schema = _schema(table, keys)
        self._waiting: dict[Values, list[pa.RecordBatch]] = {}
        self._counts: dict[Values, int] = {}  # of the rows that wait
        self._rows = 0
        self._files: dict[Values, int] = {}
        self._open: OrderedDict[Values, tuple[Sink, Any]] = OrderedDict()

    def add(self, values: Values, rows: Mapping[str, Array]) -> None:
        """Rows of a partition."""
        table = self._table
        batch = batch_of(self._schema, rows, table.name, table.file_names)
        if values not in self._waiting:
            if len(self._waiting) == MAX_PARTITIONS:
                raise EvstreamError(
                    f"there are more than {MAX_PARTITIONS:,} partitions", source=table.name,
                    expected="fewer, by more ids per partition (event_id:10000)",
                )  # fmt: skip
            self._waiting[values], self._counts[values] = [], 0
        self._waiting[values].append(batch)
        self._counts[values] += batch.num_rows
        self._rows += batch.num_rows
        if self._rows >= WAITING_ROWS:
            left, chosen = self._rows, []
            for largest in sorted(self._counts, key=lambda v: -self._counts[v]):
                chosen.append(largest)
                left -= self._counts[largest]
                if left <= WAITING_ROWS // 2:
                    break
            self._write_out(chosen)

    def finish(self) -> None:
        """Write the rows that still wait, and complete all files."""
        self._write_out([values for values in self._waiting if self._counts[values]])
        while self._open:
            self._close_oldest()
        if not self._waiting:  # a stream without events is a dataset without rows
            self._open[()] = self._opened("part-0.parquet")
            self._close_oldest()

    def abort(self) -> None:
        """Give up the open files."""
        for sink, _ in self._open.values():
            sink.abort()

    def _write_out(self, chosen: Sequence[Values]) -> None:
        """Write the waiting rows of partitions, a file per thread."""
        for first in range(0, len(chosen), OPEN_FILES):
            works = [(self._writer(v), self._taken(v)) for v in chosen[first : first + OPEN_FILES]]
            for _ in in_order(_write_group, works, self._options.threads):
                pass

    def _taken(self, values: Values) -> pa.Table:
        """The rows that wait for a partition, which does not have them any more."""
        rows = self._pa.Table.from_batches(self._waiting[values], self._schema)
        self._rows -= self._counts[values]
        self._waiting[values], self._counts[values] = [], 0
        return rows

    def _writer(self, values: Values) -> Any:
        if values not in self._open:
            if len(self._open) == OPEN_FILES:
                self._close_oldest()
            number = self._files[values] = self._files.get(values, -1) + 1
            folders = [
                f"{key.name}={_escaped(value)}"
                for key, value in zip(self._keys, values, strict=True)
            ]
            self._open[values] = self._opened(os.path.join(*folders, f"part-{number}.parquet"))
        self._open.move_to_end(values)
        return self._open[values][1]

    def _opened(self, name: str) -> tuple[Sink, Any]:
        sink = self._folder.sink(name)
        return sink, new_writer(SinkFile(sink), self._schema, self._options)

    def _close_oldest(self) -> None:
        values, (sink, writer) = next(iter(self._open.items()))
        writer.close()  # after an error it stays open, and `abort` drops its file
        sink.close()
        del self._open[values]


def _write_group(work: tuple[Any, pa.Table]) -> None:
    writer, rows = work
    writer.write_table(rows, row_group_size=LARGEST_GROUP_ROWS)


def _schema(table: Table, keys: Sequence[Key]) -> pa.Schema:
    """The columns of the files. What names the folders is not in them again; without all columns
    of the stream a file does not carry its header."""
    pa = import_arrow()
    schema = arrow_schema(table.header, table.file_column, columns=table.columns)
    in_names = {key.column for key in keys if key.step is None}
    metadata = dict(schema.metadata or {})
    if in_names & set(table.header.row_columns):
        metadata.pop(METADATA, None)
    return pa.schema([f for f in schema if f.name not in in_names], metadata)


def _escaped(value: Any) -> str:
    """A value in the name of a folder, as Hive and its readers escape it."""
    return str(value) if isinstance(value, int) else quote_from_bytes(os.fsencode(value), safe=" ")
