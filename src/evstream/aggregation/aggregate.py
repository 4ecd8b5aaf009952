"""`evstream.aggregate`: sums, counts, means and maxima per key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from evstream._support.arguments import did_you_mean, list_of_names
from evstream._support.format import Format
from evstream.aggregation.partial import Groups, Partial, refuse_text
from evstream.indexing.opening import chunks_of
from evstream.partition.each_part import each_part
from evstream.partition.whole_file import PART
from evstream.reading.ids import Ids, kept
from evstream.reading.selection import Selection
from evstream.reading.sources import open_stream
from evstream.transport.endpoints import SourcesLike
from evstream.transport.source import LARGE_CHUNK
from evstream.transport.watching import one_bar
from evstream.wire.columns import Array, Chunk
from evstream.wire.header import StreamHeader


@one_bar
def aggregate(
    sources: SourcesLike,
    by: str | Sequence[str],
    *,
    events: Ids = None,
    sidx: Ids = None,
    items: Ids = None,
    threads: int | None = None,
    stream: str | None = None,
    widths: Mapping[str, str] | None = None,
    strict: bool | None = None,
    timeout: float | None = None,
    format: Format | None = None,
) -> dict[str, Array]:
    """Sums, counts, means and maxima of a stream or of several, per key.

    Args:
        sources: what evstream.open takes, or Parts.
        by: one or several columns of numbers that a block has, e.g. "item_id" or
            ("event_id", "item_id").
        events, items: only these ids, as for evstream.read_columns.
        sidx: only these sample indices, e.g. range(1, 101) for the samples without the special
            values, or "mean", or [-1, 1, 2]. None for all.
        threads: how many; None for the number of cores that this process may use. The result does
            not depend on it.
        stream, widths, strict, timeout, format: as for evstream.open.

    Returns:
        Column name -> array, a row per key that has an entry, in ascending order: the columns of
        `by`; "count", the number of entries (int64); and for each column of values, "loss" in a
        loss stream, "loss_sum", "loss_mean" and "loss_max" (float64). The mean is that of the
        entries: writers leave zero losses out, so for the mean of all samples divide the sum by
        their number.

    Memory depends on the number of keys, and not on the size of the files. A NaN makes sum, mean
    and maximum of its key NaN.

    An event of `events` that no source has is an AbsentEventWarning, and an item of `items` an
    AbsentItemWarning.

    Raises:
        The errors of evstream.open and of iterating over it.
        TypeError: `events`, `items` or `sidx` is of no whole numbers, or a column of `by` is text.
        ValueError: `by` names a column that blocks do not have.
    """
    wish: dict[str, Any] = {"events": kept(events), "sidx": kept(sidx), "items": kept(items)}
    options: dict[str, Any] = {**wish, "strict": strict, "format": format}
    groups: Groups | None = None
    selection: Selection | None = None
    names: list[str] = []
    for partial, seen, name in each_part(
        lambda part, **more: _of_part(part, by, **options, **more), sources,
        threads=threads, events=events, stream=stream, widths=widths, timeout=timeout,
        format=format, local_size=PART,
    ):  # fmt: skip
        groups = groups or Groups(partial.by, list(partial.sums))
        groups.merge(partial)
        selection = selection or seen
        selection.join(seen)
        names += [name] if name not in names[-1:] else []
    assert groups is not None  # there is a part of every file
    assert selection is not None
    selection.warn_absent(names[0] if len(names) == 1 else f"{len(names)} files")
    return groups.partial().table()


@one_bar
def partial_aggregate(
    source: SourcesLike,
    by: str | Sequence[str],
    *,
    events: Ids = None,
    sidx: Ids = None,
    items: Ids = None,
    stream: str | None = None,
    widths: Mapping[str, str] | None = None,
    strict: bool | None = None,
    timeout: float | None = None,
    format: Format | None = None,
) -> Partial:
    """What `aggregate` makes of one source, before the means: for a worker that has one part of
    the files. `Partial.merge` joins the results of all, and `Partial.table` is the answer.

    Arguments as for evstream.aggregate. Other parts may have the events that this one lacks, so
    there is no warning of those that are absent.
    """
    return _of_part(
        source, by, events=events, sidx=sidx, items=items, stream=stream, widths=widths,
        strict=strict, timeout=timeout, format=format,
    )[0]  # fmt: skip


def _of_part(
    source: SourcesLike,
    by: str | Sequence[str],
    *,
    events: Ids,
    sidx: Ids,
    items: Ids,
    stream: str | None,
    widths: Mapping[str, str] | None,
    strict: bool | None,
    timeout: float | None,
    format: Format | None,
) -> tuple[Partial, Selection, str]:
    """What a part has, the selection that knows what it lacks, and its name."""
    with open_stream(
        source, stream, widths=widths, strict=strict, timeout=timeout, format=format,
        chunk=LARGE_CHUNK,
    ) as opened:  # fmt: skip
        header = opened.header
        keys = _keys_of(header, by)
        values = _values_of(header)
        selection = Selection(header, events, sidx, items)
        groups = Groups(keys, list(values))
        for one in opened.streams():
            for chunk in chunks_of(one, selection.events):
                _add(groups, header, chunk, keys, values, selection)
        return groups.partial(), selection, opened.name


def _add(
    groups: Groups,
    header: StreamHeader,
    chunk: Chunk,
    keys: Mapping[str, Any],
    values: Mapping[str, int],
    selection: Selection,
) -> None:
    columns = chunk.columns
    blocks = dict(zip(header.block_columns, columns.block, strict=True))
    wanted = span = None
    if selection.sidx is not None:
        sidx = columns.entry[list(header.entry_columns).index(str(header.sidx))]
        limits = selection.sidx.span
        if limits is None:
            wanted = selection.sidx.among(sidx)
        else:
            span = sidx, *limits
    groups.add(
        [blocks[name] for name in keys],
        columns,
        {name: columns.entry[number] for name, number in values.items()},
        selection.mask(columns.block),
        wanted,
        span,
    )


def _keys_of(header: StreamHeader, by: str | Sequence[str]) -> dict[str, np.dtype[Any]]:
    columns = list_of_names("by", by)
    known = header.block_columns
    wrong = [name for name in columns if name not in known]
    if wrong or not columns or len(set(columns)) < len(columns):
        shown = repr(wrong[0]) if wrong else repr(by)
        hint = did_you_mean(wrong[0], known) if wrong else ""
        expected = f"one or several of {', '.join(known)}, each once{hint}"
        raise ValueError(f"by is {shown}, expected {expected}")
    for name in columns:
        refuse_text(name, known[name])
    return {name: known[name] for name in columns}


def _values_of(header: StreamHeader) -> dict[str, int]:
    """The columns of numbers of an entry, but for the sidx -> their place."""
    return {
        name: number
        for number, (name, dtype) in enumerate(header.entry_columns.items())
        if name != header.sidx and dtype.kind in "iuf"
    }
