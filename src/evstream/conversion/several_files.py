"""Several streams, or a part of one, as the rows of one table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from evstream.conversion.table import Options, Table
from evstream.errors import EvstreamError
from evstream.reading.dataset import is_several
from evstream.reading.section import Sectioned
from evstream.reading.sources import open_stream
from evstream.reading.stream import EventStream
from evstream.tables.batches import BATCH_ROWS
from evstream.tables.file_column import FileColumn
from evstream.tables.rows import iter_rows
from evstream.wire.columns import Array

WITH_FILES = ("parquet", "arrow")
"""Formats that a column of file names can be written to."""


def is_opened_here(source: Any) -> bool:
    """Whether a source is read as EventStream reads it, and not as one file of some format."""
    return isinstance(source, Sectioned) or is_several(source)


class Streams:
    """The open streams, as `convert` looks at a Source."""

    def __init__(self, source: Any, options: Options) -> None:
        self.stream: EventStream = open_stream(
            source, options.stream, widths=options.widths, strict=options.strict,
            timeout=options.timeout, format=options.format,
            storage_options=options.storage_options,
        )  # fmt: skip
        self.size, self.close = self.stream.size, self.stream.close

    def offset(self) -> int:
        """Bytes read so far."""
        return self.stream.bytes_read

    def check_unchanged(self) -> None:
        """Each read has checked this."""


def read(opened: Streams, options: Options, output_format: str) -> Table:
    """The rows of all files.

    Raises EvstreamError where these become a stream again, or the output has no place for the
    names of files.
    """
    stream = opened.stream
    if output_format == "bin":
        raise EvstreamError(
            "several files or parts do not become one stream by `convert`",
            expected="a table; `evstream merge` makes one stream of several",
        )
    if options.file and output_format not in WITH_FILES:
        raise EvstreamError(
            f"a column of files does not go with {output_format}", expected=" or ".join(WITH_FILES)
        )
    files = FileColumn(options.file, stream.header)
    selection = options.selection(stream.header, files.name)

    def batches() -> Iterator[dict[str, Array]]:
        yield from iter_rows(stream, selection, BATCH_ROWS, files)

    return Table(stream.header, batches(), stream.name, True, files=files, columns=selection.order)
