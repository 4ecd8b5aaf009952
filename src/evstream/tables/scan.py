"""Streams as lazy frames of Polars, which read only what a query asks for; needs evstream[polars].

A query says which columns it uses and which rows pass. What it asks of block columns is decided
once per block, before rows are made; with an index, what it asks of events is decided before the
file is read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from evstream._support.format import Format
from evstream.errors import EvstreamError
from evstream.extras import import_extra
from evstream.indexing.index import Index
from evstream.indexing.lookup import candidates
from evstream.indexing.opening import index_of, wanted_ids
from evstream.reading.dataset import is_several, sources_of
from evstream.reading.ids import Ids, Wanted, kept
from evstream.reading.section import Sectioned
from evstream.reading.selection import Names, Selection
from evstream.reading.sources import open_stream
from evstream.reading.stream import EventStream
from evstream.tables.arrow import arrow_schema
from evstream.tables.file_column import FileColumn
from evstream.tables.rows import watched_chunks
from evstream.transport.endpoints import SourcesLike
from evstream.transport.range_file import is_url, local_path
from evstream.wire.columns import Array, Chunk, keep_blocks
from evstream.wire.dates import date_columns
from evstream.wire.readable import readable

CHUNK = 1 << 22
"""Bytes of a scan that become one frame: enough to hide what a call of Polars costs."""

NO_WISH: Mapping[str, Any] = {}

if TYPE_CHECKING:
    import polars
    from polars import DataFrame, Expr


def scan_polars(
    source: SourcesLike,
    events: Ids = None,
    sidx: Ids = None,
    *,
    items: Ids = None,
    columns: Names = None,
    file: bool | str = False,
    stream: str | None = None,
    widths: Mapping[str, str] | None = None,
    strict: bool | None = None,
    timeout: float | None = None,
    verify: bool = False,
    format: Format | None = None,
) -> polars.LazyFrame:
    """A stream as a polars.LazyFrame, read in bounded memory when a query is collected.

    Only the columns that a query uses are made. What it asks of block columns (event_id,
    item_id, ...) is decided once per block, and blocks that do not pass are left at that;
    what it asks of other columns is decided on the rows of a few megabytes at a time.

    Args:
        source, stream, widths, strict, timeout, verify, format: as for evstream.open.
        events, sidx, items, columns, file: as for evstream.read_columns; what a query asks for
            beyond is left out of these. Whether the stream has all of the wanted ids is reported by
            a query that reads it to its end, and leaves that to no index.

    Raises:
        The errors of evstream.open here, those of iterating from `collect`. A path to a file
        is opened anew by each query. Anything else (a pipe, a file object, io.BytesIO) can be
        read once: the second query that reads it raises EvstreamError, also where both are
        sides of one join.
    """
    import_extra("polars")
    from polars.io.plugins import register_io_source

    wish: dict[str, Any] = {"events": events, "sidx": sidx, "items": items, "columns": columns}
    scan = _Scan(source, stream, widths, strict, timeout, verify, format, file, wish)
    return register_io_source(scan.read, schema=scan.schema)


class _Scan:
    """What the queries over one LazyFrame read.

    Attributes:
        schema: column name -> Polars type.
    """

    def __init__(
        self,
        source: Any,
        stream: str | None,
        widths: Mapping[str, str] | None,
        strict: bool | None,
        timeout: float | None = None,
        verify: bool = False,
        format: Format | None = None,
        file: bool | str = False,
        wish: Mapping[str, Any] = NO_WISH,
    ) -> None:
        if is_several(source):  # a pattern stands for the files that match it now
            source = sources_of(source)
        self._source, self._strict, self._timeout = source, strict, timeout
        self._format, self._file, self._verify = format, file, verify
        # Each query goes through the ids again.
        self._wish = {name: kept(value) for name, value in wish.items()}
        opened = self._opened(stream, widths)
        self._header, self._name = opened.header, opened.name
        self._is_file = all(map(_is_file, source if is_several(source) else [source]))
        self._unread = [opened]  # what can be read but once
        if self._is_file:
            self._unread.pop().close()
        try:
            files = FileColumn(file, self._header)
            order = self._selection(files).order
        except BaseException:
            opened.close()
            raise
        empty = arrow_schema(self._header, files.name, columns=order).empty_table()
        self.schema = import_extra("polars").from_arrow(empty).schema

    def read(
        self,
        with_columns: list[str] | None,
        predicate: Expr | None,
        n_rows: int | None,
        batch_size: int | None,
    ) -> Iterator[DataFrame]:
        """The frames that Polars asks for: of the first `n_rows` rows those that pass."""
        pl = import_extra("polars")
        names, dates = list(self._header.row_columns), date_columns(self._header)
        files = FileColumn(self._file, self._header)
        wanted = list(self.schema) if with_columns is None else with_columns
        of_blocks, of_rows = None, predicate
        if predicate is not None and n_rows is None:
            of_blocks, of_rows = _split(predicate, set(self._header.block_columns))
        of_events = None if of_blocks is None else _only_of(of_blocks, self._header.event_column)
        used = {*wanted, *(of_rows.meta.root_names() if of_rows is not None else ())}
        made = [name for name in names if name in used]
        selection = self._selection(files)
        with self._open() as opened:
            for chunk in self._chunks(opened, files, of_events, selection):
                kept = selection.blocks(chunk)
                if of_blocks is not None:
                    columns = dict(zip(names, kept.columns.block, strict=False))
                    blocks = pl.DataFrame(readable(columns, self._name, dates))
                    passed = blocks.select(of_blocks).to_series().fill_null(False).to_numpy()
                    if not passed.any():
                        continue
                    kept = keep_blocks(kept, passed)
                # Without a column the number of rows has to be said.
                rows = selection.rows_of_blocks(kept, made or names[-1:])
                count = len(next(iter(rows.values())))
                frame = pl.DataFrame(
                    readable(rows, self._name, dates) if made else None,
                    height=None if made else count,
                )
                if files.name in used:
                    column = pl.Series(files.name, [files.names[-1]], self.schema[files.name])
                    frame = frame.with_columns(column.new_from_index(0, count))
                if n_rows is not None:
                    frame = frame.head(n_rows)
                    n_rows -= frame.height
                if of_rows is not None:
                    frame = frame.filter(of_rows)
                if not wanted:
                    frame = pl.DataFrame(height=frame.height)
                elif frame.columns != wanted:
                    frame = frame.select(wanted)
                size = batch_size or frame.height
                for at in range(0, frame.height, size or 1):
                    yield frame.slice(at, size)
                if n_rows == 0:
                    return
            if of_events is None:  # else an index leaves out events
                selection.warn_absent(self._name)

    def _selection(self, files: FileColumn) -> Selection:
        return Selection(self._header, **self._wish, file=files.name)

    def _chunks(
        self,
        stream: EventStream,
        files: FileColumn,
        of_events: Expr | None,
        selection: Selection,
    ) -> Iterator[Chunk]:
        """The chunks of all files, by an index those that may have events which pass; `files`
        knows the current file."""
        for one in stream.streams():
            files.begin(one.name, 0)
            some = [ids for ids in (one.wanted, selection.events) if ids is not None]
            indexed = index_of(one) if some or of_events is not None else None
            wanted = None if indexed is None else self._wanted(some, indexed.index, of_events)
            if indexed is None:
                yield from watched_chunks(one)
            elif wanted is None:
                indexed.close()
                yield from watched_chunks(one)
            else:
                yield from watched_chunks(one, indexed.read(one, wanted, CHUNK))

    def _wanted(self, some: list[Wanted], index: Index, of_events: Expr | None) -> Array | None:
        """The events that may pass, of those that are all in `some`; None where that is not known
        without reading the file."""
        ids = None if of_events is None else candidates(index)
        if ids is None:
            ids = wanted_ids(some[0], index) if some else None
        if ids is None:
            return None
        for wanted in some:
            ids = ids[wanted.among(ids)]
        if of_events is None:
            return ids
        column = readable({self._header.event_column: ids}, self._name)
        passed = import_extra("polars").DataFrame(column).select(of_events).to_series()
        found: Array = ids[passed.fill_null(False).to_numpy()]
        return found

    def _opened(
        self,
        stream: str | None,
        widths: Mapping[str, str] | None,
        named: frozenset[str] | None = None,
    ) -> EventStream:
        return open_stream(
            self._source, stream, widths=widths, strict=self._strict, chunk=CHUNK,
            timeout=self._timeout, verify=self._verify, format=self._format, named=named,
        )  # fmt: skip

    def _open(self) -> EventStream:
        if self._is_file:
            header = self._header
            return self._opened(header.stream, header.widths, header.named)
        try:
            return self._unread.pop()
        except IndexError:
            raise EvstreamError(
                "an earlier query has read it, which can be done once", source=self._name,
                expected="a path to a file, which each query opens anew",
            ) from None  # fmt: skip


def _is_file(source: Any) -> bool:
    """Whether each query can open a source anew."""
    if isinstance(source, Sectioned):
        return source.length is not None
    is_path = isinstance(source, (str, os.PathLike)) and source != "-"
    return is_path and (is_url(source) or os.path.isfile(local_path(source)))


def _split(predicate: Expr, block_names: set[str]) -> tuple[Expr | None, Expr | None]:
    """What can be decided from block columns alone, and the rest; None where there is none."""
    of_blocks: Expr | None = None
    of_rows: Expr | None = None
    for part in _conjuncts(predicate):
        names = set(part.meta.root_names())
        if names and names <= block_names:
            of_blocks = part if of_blocks is None else of_blocks & part
        else:
            of_rows = part if of_rows is None else of_rows & part
    return of_blocks, of_rows


def _only_of(predicate: Expr, name: str) -> Expr | None:
    """What of a predicate is decided by one column alone; None where nothing is."""
    return _split(predicate, {name})[0]


def _conjuncts(predicate: Expr) -> Iterator[Expr]:
    """The parts of `a & b & ...`, all of which must hold."""
    inputs = predicate.meta.pop()
    if len(inputs) == 2:
        b, a = inputs
        for left, right in ((a, b), (b, a)):
            if (left & right).meta.eq(predicate):
                yield from _conjuncts(left)
                yield from _conjuncts(right)
                return
    yield predicate
