"""Streams as Polars and pandas dataframes; needs evstream[polars] or evstream[pandas].

A dataframe has the columns of `evstream cat`, at the widths of the stream. It does not carry
the stream header, so writing it back (evstream.write_arrow) asks for what that says.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from evstream._support.format import Format
from evstream.extras import import_extra
from evstream.reading.ids import Ids
from evstream.reading.selection import Names, Selection
from evstream.reading.sources import open_stream
from evstream.tables.arrow import read_arrow
from evstream.tables.file_column import FileColumn
from evstream.tables.rows import whole_rows
from evstream.transport.endpoints import SourcesLike
from evstream.transport.range_file import shown
from evstream.transport.source import LARGE_CHUNK
from evstream.transport.watching import one_bar
from evstream.wire.dates import date_columns
from evstream.wire.readable import readable

if TYPE_CHECKING:
    import pandas
    import polars


@one_bar
def read_polars(
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
) -> polars.DataFrame:
    """Read a whole stream into a polars.DataFrame; arguments as for evstream.read_columns.

    The frame takes over what was decoded without a copy, as many pieces: `rechunk()` makes
    them one.
    """
    pl = import_extra("polars")
    table = read_arrow(
        source,
        events,
        sidx,
        items=items,
        columns=columns,
        file=file,
        stream=stream,
        widths=widths,
        strict=strict,
        timeout=timeout,
        verify=verify,
        format=format,
    )
    return pl.from_arrow(table, rechunk=False)


@one_bar
def read_pandas(
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
) -> pandas.DataFrame:
    """Read a whole stream into a pandas.DataFrame; arguments as for evstream.read_columns."""
    pd = import_extra("pandas")
    name = shown(os.fspath(source)) if isinstance(source, (str, os.PathLike)) else None
    with open_stream(
        source, stream, widths=widths, strict=strict, timeout=timeout, verify=verify, format=format,
        chunk=LARGE_CHUNK,
    ) as opened:  # fmt: skip
        dates, files = date_columns(opened.header), FileColumn(file, opened.header)
        selection = Selection(opened.header, events, sidx, items, columns, files.name)
        rows = whole_rows(opened, selection, files)
    return pd.DataFrame(readable(rows, name, dates), copy=False)
