"""Summary streams, as the result tables read them: whole blocks, from any source."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from evstream.errors import CorruptStreamError
from evstream.reading.stream import EventStream
from evstream.wire.columns import Chunk, Columns, cut, ids_at
from evstream.wire.header import StreamHeader

SUMMARY = "summary"
"""The stream type that results are made of."""

EVENT, SUMMARY_ID, EXPOSURE = range(3)
"""Places of the columns of a summary block."""


def sample_count(header: StreamHeader) -> int:
    """Number of samples of a summary stream."""
    return int(header.samples or 0)


def special(header: StreamHeader, name: str) -> int:
    """The sidx of a special value, e.g. -1 of "mean"."""
    return header.format.special_parameters[name]


def whole_blocks(chunks: Iterable[Chunk]) -> Iterator[Columns]:
    """The same blocks, none of them divided: a block that goes on after its chunk is joined with
    its rest, the others are views."""
    held: Columns | None = None
    for chunk in chunks:
        columns, first, last = chunk.columns, 0, len(chunk.columns.block[0])
        if not last:
            continue
        if held is not None and chunk.continues:
            held, first = _joined(held, cut(columns, 0, 1)), 1
        if held is not None and (first < last or not chunk.is_open):
            yield held
            held = None
        if chunk.is_open and first < last:
            last -= 1
            held = cut(columns, last, last + 1)
        if first < last:
            yield cut(columns, first, last)
    if held is not None:
        yield held


def _joined(block: Columns, rest: Columns) -> Columns:
    """One block, and the rest of it."""
    entry = tuple(np.concatenate(pair) for pair in zip(block.entry, rest.entry, strict=True))
    return Columns(block.block, np.array([0, len(entry[0])]), entry)


def refuse_value(
    stream: EventStream, columns: Columns, entry: int, samples: int
) -> CorruptStreamError:
    """The error of an entry that no result can count: a sidx above the number of samples, or a
    loss that is not a number."""
    header = stream.header
    block = int(np.searchsorted(columns.offsets, entry, side="right")) - 1
    sidx, loss = (column[entry].item() for column in columns.entry)
    is_outside = sidx > samples
    problem = f"sidx {sidx}" if is_outside else f"the loss of sidx {sidx} is {loss}"
    return CorruptStreamError(
        problem, source=stream.name, ids=ids_at(header, columns.block, block),
        expected=f"at most {samples}, the number of samples" if is_outside else "a number",
    )  # fmt: skip
