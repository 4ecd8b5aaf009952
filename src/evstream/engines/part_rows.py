"""What a task of an engine does: read the rows of its part, only the columns that are needed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from evstream._support.format import Format
from evstream.indexing.opening import chunks_of
from evstream.partition.part import Part, refuse_other_parts
from evstream.partition.parts import SIZE
from evstream.partition.parts import parts as plan_parts
from evstream.reading.ids import Ids, wanted_of
from evstream.reading.section import Section
from evstream.reading.selection import Selection
from evstream.reading.sources import open_stream
from evstream.tables.rows import watched_chunks
from evstream.transport.endpoints import SourcesLike
from evstream.wire.columns import Array
from evstream.wire.header import StreamHeader


def planned(
    parts: SourcesLike,
    events: Ids = None,
    *,
    size: int | str = SIZE,
    whole: str = "block",
    storage_options: Mapping[str, Any] | None = None,
    stream: str | None = None,
    widths: Mapping[str, str] | None = None,
    format: Format | None = None,
) -> tuple[StreamHeader, Sequence[Part]]:
    """The header and the parts of what evstream.parts returns or takes; with `events` only these.

    Raises TypeError for a list that has parts and other things, StreamMismatchError for parts with
    other headers than the first.
    """
    is_list = isinstance(parts, Sequence) and not isinstance(parts, str)
    several: Sequence[Any] = parts if is_list else ()  # type: ignore[assignment]
    if not any(isinstance(part, Part) for part in several[:1]):
        found = plan_parts(
            parts, size, whole=whole, events=events, storage_options=storage_options,
            stream=stream, widths=widths, format=format,
        )  # fmt: skip
        return found.header, found
    if not all(isinstance(part, Part) for part in several):
        raise TypeError("the list has parts and other things, expected either")
    header: StreamHeader = several[0].header
    refuse_other_parts(several)
    if events is None:
        return header, list(several)
    ids = wanted_of("events", events, header.block_columns[header.event_column])
    assert ids is not None
    return header, [replace(part, events=ids.plain()) for part in several]


def rows_of(
    part: Part, names: Sequence[str], sidx: Ids = None, items: Ids = None
) -> Iterator[tuple[dict[str, Array], int]]:
    """The named columns of the rows of a part, and the number of rows, a chunk at a time."""
    header = part.header
    read = [*names] or [next(iter(header.row_columns))]
    selection = Selection(header, None, sidx, items, read)
    with open_stream(part) as opened:
        for chunk in watched_chunks(opened, chunks_of(opened, None)):
            rows = selection.rows(chunk)
            yield {name: rows[name] for name in names}, len(rows[read[0]])


def columns_of(
    part: Part, names: Sequence[str], sidx: Ids = None, items: Ids = None
) -> tuple[dict[str, Array], int]:
    """The named columns of all rows of a part, and the number of rows."""
    pieces = list(rows_of(part, names, sidx, items))
    dtypes = part.header.row_columns
    columns = {
        name: np.concatenate([np.empty(0, dtypes[name]), *(rows[name] for rows, _ in pieces)])
        for name in names
    }
    return columns, sum(count for _, count in pieces)


def first_event(part: Part) -> Any:
    """The id of the first event of a part; EMPTY if no block starts in it, None if that is not
    known before it is read."""
    section = part.open_section()
    try:
        if not isinstance(section, Section):
            return None
        block = section.first_block()
        return EMPTY if block is None else block[part.header.event_column].item()
    finally:
        section.close()


EMPTY = object()
