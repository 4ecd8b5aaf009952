"""The rows of large files, decoded by several threads into one set of columns.

How many rows a part has is known when it is decoded, but not more than its bytes can hold. So each
part gets the stretch of the columns that would be its own if all bytes were entries, and at the end
the rows move together. Memory that is never written to is not taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from evstream.partition.part import Part
from evstream.partition.parts import Parts
from evstream.partition.threads import in_order
from evstream.partition.whole_file import read_parts
from evstream.reading.row_decoder import RowOutput
from evstream.reading.section import Section
from evstream.reading.stream import EventStream
from evstream.reading.unshown_blocks import UnshownBlocks
from evstream.tables.file_column import FileColumn
from evstream.transport.source import LARGE_CHUNK
from evstream.wire.columns import Array, kept
from evstream.wire.header import StreamHeader


class _Stretch(RowOutput):
    """Rows `first` to `last` of some columns."""

    def __init__(
        self, header: StreamHeader, columns: tuple[Array, ...], first: int, last: int
    ) -> None:
        self._header, self._dtypes = header, header.row_columns
        self.columns = tuple(column[first:last] for column in columns)
        self.first, self.used = first, 0
        self.unshown = UnshownBlocks(header)

    def make_room(self) -> None:
        raise AssertionError("a part has more entries than bytes")


def threaded_rows(
    planned: Parts, threads: int, files: FileColumn, strict: bool | None
) -> dict[str, Array]:
    """All rows of the parts; as `rows.whole_rows` of the files."""
    header = planned.header
    size = header.record_dtype(header.block.entry or header.block.header).itemsize
    # One row more for each part, so that the kernel never finds its output full.
    most = [n // size + count for n, count in zip(planned.sizes, planned.counts, strict=True)]
    bases = dict(zip(planned.files, np.cumsum([0, *most]).tolist(), strict=False))
    columns = tuple(np.empty(sum(most), dtype) for dtype in header.row_columns.values())

    def begin(stream: EventStream, section: Section, part: Part) -> tuple[_Stretch, Iterator[Any]]:
        before = (section.start - header.size) // size + part.start // planned.part_size
        first = bases[section.name] + before
        out = _Stretch(header, columns, first, first + section.size // size + 1)
        return out, stream.decode_rows(out)

    done, name = [], None
    rows = 0
    unshown = UnshownBlocks(header)
    for read in read_parts(planned, begin, threads, strict, chunk=LARGE_CHUNK):
        if read.part.path != name:
            if name is not None:
                unshown.warn(name)
            unshown, name = UnshownBlocks(header), read.part.path
            files.begin(name, rows)
        out = read.value
        out.unshown.follow(unshown, read.first_block)
        unshown = out.unshown
        done.append((out.first, out.used))
        rows += out.used
    if name is not None:
        unshown.warn(name)
    for _ in in_order(lambda column: _move_together(column, done), columns, threads):
        pass
    names = zip(header.row_columns, columns, strict=True)
    return {name: kept(column, rows) for name, column in names}


def _move_together(column: Array, stretches: list[tuple[int, int]]) -> None:
    """Move the stretches (first, count) of a column to its beginning, without gaps."""
    at = 0
    for first, count in stretches:
        if at != first and count:
            column[at : at + count] = column[first : first + count]
        at += count
