"""The losses of whole events: sums over their items or summaries, for each sample.

Blocks of an event that follow one another are a run, whose sum is one block. A run may go on in the
next chunk or part, so the first and the last run of a part are held back until its neighbours are
known: then it does not matter where a file was cut.
"""

from __future__ import annotations

import numpy as np

from evstream.reading.stream import EventStream
from evstream.reporting.total_kernels import add_up_runs
from evstream.results.summaries import EVENT, refuse_value, sample_count, special
from evstream.wire.columns import Array, Chunk, Columns, cut, run_starts
from evstream.wire.header import StreamHeader

BLOCKS = 1
"""The place of the number of blocks in the columns of a run; EVENT is that of the event."""


MOST_SAMPLES = 1 << 22
"""The highest sidx for which there is a table with a place per sample."""


class EventTotals:
    """Makes runs of the chunks of a part, in order.

    Runs are columns (event, number of blocks) with entries (sidx, loss), float64.
    """

    def __init__(self, header: StreamHeader) -> None:
        self._samples, self._mean = sample_count(header), special(header, "mean")
        event, *_ = header.block_columns.values()
        sidx, *_ = header.entry_columns.values()
        self._none = Columns(
            (np.empty(0, event), np.empty(0, np.int64)), np.zeros(1, np.int64),
            (np.empty(0, sidx), np.empty(0)),
        )  # fmt: skip
        self._head = self._tail = self._none

    def add(self, stream: EventStream, chunk: Chunk) -> Columns:
        """The runs that are whole after a chunk, but for the first one of all."""
        columns = chunk.columns
        counts = np.ones(len(columns.block[EVENT]), np.int64)
        counts[:1] -= chunk.continues
        blocks = Columns((columns.block[EVENT], counts), columns.offsets, columns.entry)
        totals, odd = self._totals(_joined(self._tail, blocks))
        if odd >= 0:
            odd = max(odd - len(self._tail.entry[0]), 0)
            raise refuse_value(stream, columns, odd, self._samples)
        return self._held_back(totals)

    def follow(self, other: EventTotals) -> Columns:
        """Go on with the part that follows; the runs that are whole now."""
        if not len(other._head.block[EVENT]):
            return self._held_back(self._totals(_joined(self._tail, other._tail))[0])
        whole = self._held_back(self._totals(_joined(self._tail, other._head))[0])
        # What lies between head and tail of the other part ends this run.
        whole, self._tail = _joined(whole, self._tail), other._tail
        if not len(self._head.block[EVENT]):
            self._head, whole = cut(whole, 0, 1), cut(whole, 1, len(whole.block[EVENT]))
        return whole

    def finish(self) -> Columns:
        """The runs that were held back."""
        runs, self._head, self._tail = _joined(self._head, self._tail), self._none, self._none
        return runs

    def _held_back(self, runs: Columns) -> Columns:
        """Hold back the last run, and the first one of all; the others."""
        last = max(len(runs.block[EVENT]) - 1, 0)
        whole, self._tail = cut(runs, 0, last), cut(runs, last, len(runs.block[EVENT]))
        if last and not len(self._head.block[EVENT]):
            self._head, whole = cut(whole, 0, 1), cut(whole, 1, last)
        return whole

    def _totals(self, blocks: Columns) -> tuple[Columns, int]:
        """The sums of blocks by event, and the first entry that cannot be counted; -1 if all can
        be."""
        events, counts = blocks.block
        if not len(events):
            return self._none, -1
        starts = run_starts(events)
        sidx, losses = blocks.entry
        highest, samples = max(int(sidx.max()), 0) if len(sidx) else 0, self._samples
        known: Array | None = None
        if samples >= highest > MOST_SAMPLES:  # number those that are there
            known, numbers = np.unique(np.maximum(sidx, 0), return_inverse=True)
            sidx = np.where(sidx > 0, numbers + 1, sidx)
            highest = samples = len(known)
        ends = np.zeros(len(starts) + 1, np.int64)
        total_sidx, total_losses = np.empty(len(sidx), sidx.dtype), np.empty(len(sidx))
        with np.errstate(invalid="ignore"):  # of some NaNs, which the loop finds
            losses = losses.astype(np.float64, copy=False)
        odd = add_up_runs(
            blocks.offsets, sidx, losses,
            np.append(starts, len(events)).astype(np.int64), samples, self._mean,
            np.full(min(highest, samples) + 1, -1, np.int64), ends, total_sidx, total_losses,
        )  # fmt: skip
        used = int(ends[-1])
        total_sidx, total_losses = total_sidx[:used], total_losses[:used]
        if known is not None:
            total_sidx = np.where(total_sidx > 0, known[total_sidx - 1], total_sidx)
        block = events[starts], np.add.reduceat(counts, starts)
        return Columns(block, ends, (total_sidx, total_losses)), odd


def _joined(runs: Columns, more: Columns) -> Columns:
    """Blocks, and those after them."""

    def both(a: Array, b: Array) -> Array:
        return np.concatenate([a, b]) if len(a) else b

    return Columns(
        (both(runs.block[0], more.block[0]), both(runs.block[1], more.block[1])),
        np.concatenate([runs.offsets, more.offsets[1:] + runs.offsets[-1]])
        if len(runs.block[0])
        else more.offsets,
        (both(runs.entry[0], more.entry[0]), both(runs.entry[1], more.entry[1])),
    )
