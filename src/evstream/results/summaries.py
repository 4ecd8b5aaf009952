"""Summary streams, as the result tables read them."""

from __future__ import annotations

import numpy as np

from evstream.errors import CorruptStreamError
from evstream.reading.stream import EventStream
from evstream.wire.columns import Columns, ids_at
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
