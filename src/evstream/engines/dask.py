"""Streams for Dask, as `evstream.dask`; needs the extra evstream[dask].

Each part is a partition, read by whatever worker has it. The parts find their cuts themselves, so
a task that runs again, after its worker was killed, reads the same rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from evstream._support.arguments import flag, list_of_names
from evstream._support.arguments import function as checked_function
from evstream._support.format import Format
from evstream.engines.part_rows import EMPTY, columns_of, first_event, planned
from evstream.errors import CorruptStreamError
from evstream.extras import import_extra
from evstream.partition.part import EVENTS, Part
from evstream.partition.parts import SIZE
from evstream.reading.ids import Ids, Wanted
from evstream.reading.selection import Selection
from evstream.reading.selection import columns_of as columns_of_stream
from evstream.transport.endpoints import SourcesLike
from evstream.wire.columns import Array
from evstream.wire.readable import readable

if TYPE_CHECKING:
    from dask.dataframe import DataFrame
    from dask.delayed import Delayed


def read(
    parts: SourcesLike,
    columns: Iterable[str] | None = None,
    events: Ids = None,
    sidx: Ids = None,
    *,
    items: Ids = None,
    by_event: bool = False,
    size: int | str = SIZE,
    storage_options: Mapping[str, Any] | None = None,
    stream: str | None = None,
    widths: Mapping[str, str] | None = None,
    format: Format | None = None,
) -> DataFrame:
    """A dask.dataframe.DataFrame of the rows, a partition per part.

    Workers make only the columns that a computation uses, which Dask finds out itself. It does not
    pass filters on, so name the events and sidx that you want here.

    Args:
        parts: from evstream.parts, or what that takes.
        columns: names of columns, in their order; None for all.
        events, sidx, items: only these ids and sample indices, as for evstream.read_columns. Items
            that no part has are not reported.
        by_event: makes the event id the index. Where the ids ascend from part to part, the
            divisions are known, so that a join or group by event moves no rows. That reads the
            first block of each part; the parts must hold whole events.
        size, storage_options, stream, widths, format: as for evstream.parts, if `parts` are not
            parts yet.

    Raises:
        The errors of evstream.parts here, those of iterating from `compute`.
        ValueError: there is no such column; or with `by_event` the parts hold whole blocks.
    """
    dd = import_extra("dask.dataframe")
    pd = import_extra("pandas")
    by_event = flag("by_event", by_event)
    whole = EVENTS if by_event else "block"
    header, several = planned(
        parts, events, size=size, whole=whole, storage_options=storage_options, stream=stream,
        widths=widths, format=format,
    )  # fmt: skip
    if by_event and any(part.whole != EVENTS for part in several[:1]):
        raise ValueError("by_event needs parts of whole events, expected parts(..., whole='event')")
    names = list(header.row_columns) if columns is None else list_of_names("columns", columns)
    if names:
        columns_of_stream(header, names)
    selection = Selection(header, None, sidx, items)
    index = header.event_column if by_event else None
    tasks, limits, divisions = list(several), [None] * len(several), None
    if by_event:
        tasks, limits, divisions = _divided(several, header.block_columns[header.event_column])
    empty = {name: np.empty(0, dtype) for name, dtype in header.row_columns.items()}
    meta = _frame(pd, empty, 0, [name for name in empty if name != index], index, None)
    frame: DataFrame = dd.from_map(
        _read_part, tasks, limits, meta=meta, divisions=divisions, label="evstream",
        sidx=_plain(selection.sidx), items=_plain(selection.items), index=index,
    )  # fmt: skip
    chosen = [name for name in names if name != index]
    if not chosen:  # of which Dask would make all columns
        return frame.map_partitions(_without_columns, meta=meta[[]])
    selected: DataFrame = frame[chosen]
    return selected


def map_parts(function: Callable[[Part], Any], parts: SourcesLike) -> list[Delayed]:
    """A dask.delayed for each part, which calls `function` with it; for kernels of your own.

    `parts` are from evstream.parts, or what that takes. Raises TypeError if `function` is not one.
    """
    delayed = import_extra("dask.delayed").delayed
    _, several = planned(parts)
    task = delayed(checked_function("function", function))
    return [task(part) for part in several]


def _read_part(
    part: Part,
    limit: Any,
    columns: Sequence[str] | None = None,
    sidx: Any = None,
    index: str | None = None,
    items: Any = None,
) -> Any:
    pd = import_extra("pandas")
    names = [name for name in part.header.row_columns if name != index]
    names = names if columns is None else [columns] if isinstance(columns, str) else list(columns)
    found, count = columns_of(part, names if index is None else [*names, index], sidx, items)
    if limit is not None and index is not None:
        _check_order(found[index], limit, part)
    return _frame(pd, found, count, names, index, part.path)


def _without_columns(frame: Any) -> Any:
    return frame[[]]


def _frame(
    pd: Any,
    columns: Mapping[str, Array],
    count: int,
    names: Sequence[str],
    index: str | None,
    source: str | None,
) -> Any:
    values = readable({name: columns[name] for name in names}, source)
    labels = pd.RangeIndex(count) if index is None else pd.Index(columns[index], name=index)
    return pd.DataFrame(values, columns=list(names), index=labels, copy=False)


def _divided(
    parts: Sequence[Part], dtype: np.dtype[Any]
) -> tuple[list[Part], list[Any], tuple[Any, ...] | None]:
    """The parts, the id below which the events of each must be, and the divisions; of these none
    where the ids do not ascend from part to part, or nobody knows before a part is read."""
    firsts = [first_event(part) for part in parts]
    kept = [(part, first) for part, first in zip(parts, firsts, strict=True) if first is not EMPTY]
    ids = [first for _, first in kept]
    if not ids or None in ids or dtype.kind not in "iuf":
        return list(parts), [None] * len(parts), None
    if any(not low < high for low, high in pairwise(ids)):
        return list(parts), [None] * len(parts), None
    last = (np.iinfo if dtype.kind in "iu" else np.finfo)(dtype).max
    return [part for part, _ in kept], [*ids[1:], last], (*ids, last)


def _check_order(events: Array, limit: Any, part: Part) -> None:
    """Raise CorruptStreamError where an event id is below the one before, or not below that of the
    next part: the divisions would not be true."""
    wrong = np.append(events[1:] < events[:-1], False) | (events > limit)
    if wrong.any():
        raise CorruptStreamError(
            "the event ids do not ascend", source=part.path,
            ids={part.header.event_column: events[int(np.argmax(wrong))]},
            expected="ascending ids, or by_event=False",
        )  # fmt: skip


def _plain(wanted: Wanted | None) -> Any:
    return None if wanted is None else wanted.plain()
