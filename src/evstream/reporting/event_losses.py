"""What is known of each event, and more of the largest ones.

Memory holds four numbers per event, and the samples of a few events: those with the largest means
so far. An event whose blocks come in several runs may lose one of them; then its deviation is not
known, and NaN.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from evstream.aggregation.keys import KeyTable
from evstream.reporting.event_totals import BLOCKS, MOST_SAMPLES
from evstream.results.event_kernels import moments_of, quantiles_of
from evstream.results.summaries import EVENT, sample_count, special
from evstream.wire.columns import Array, Columns
from evstream.wire.header import StreamHeader

LARGEST = 64
"""Events whose samples are kept, at least."""

QUANTILES = np.array([0.05, 0.5, 0.95])

_MEAN, _ANALYTICAL, _COUNT, _RUNS = range(4)


class LargestEvents(NamedTuple):
    """Events with the largest mean losses, largest first; arrays of one length.

    Attributes:
        event_id: int64.
        mean, analytical: over the samples, and of sidx -1; NaN where the stream has none.
        blocks: number of items or summaries.
        sd: standard deviation over the samples; NaN where it is not known.
        quantiles: at QUANTILES, shape (events, 3).
    """

    event_id: Array
    mean: Array
    analytical: Array
    blocks: Array
    sd: Array
    quantiles: Array


class EventLosses:
    """Adds up runs of events.

    Attributes:
        by_sample: the sum of all events for each sample, from sample 1; None where they are too
            many for a table.
        has_analytical: whether any run has an analytical mean.
    """

    def __init__(self, header: StreamHeader) -> None:
        self._samples = sample_count(header)
        self._mean, self._max = special(header, "mean"), special(header, "max_loss")
        self._keys = KeyTable(1)
        self._rows: Array = np.zeros((0, 4))
        self._kept: list[tuple[float, int, Array, Array]] = []
        self.by_sample: Array | None = np.zeros(0)
        self.has_analytical = False

    def __len__(self) -> int:
        return self._keys.used

    @property
    def event_ids(self) -> Array:
        """The id of each event."""
        return self._keys.keys[:, 0]

    @property
    def means(self) -> Array:
        """The mean loss of each event: of its samples, or the analytical one of a stream without
        samples."""
        return self._rows[: len(self), _MEAN if self._samples else _ANALYTICAL]

    @property
    def repeated(self) -> int:
        """The number of events whose blocks do not all follow one another."""
        return int((self._rows[: len(self), _RUNS] > 1).sum())

    def add(self, runs: Columns) -> None:
        """Add the sums of events."""
        events = runs.block[EVENT]
        if not len(events):
            return
        sidx, losses = runs.entry
        found = np.empty((len(events), 5))
        with np.errstate(all="ignore"):
            moments_of(runs.offsets, sidx, losses, self._samples, self._mean, self._max, found)
        more = np.stack(
            [found[:, 0], found[:, 3], runs.block[BLOCKS], np.ones(len(events))], axis=1
        )
        self._add_rows(events.astype(np.int64), more)
        self._add_samples(sidx, losses)
        self.has_analytical = self.has_analytical or bool((sidx == self._mean).any())
        sizes = found[:, 0 if self._samples else 3]
        least = self._kept[LARGEST - 1][0] if len(self._kept) >= LARGEST else -np.inf
        for at in np.argsort(-sizes, kind="stable")[:LARGEST].tolist():
            if sizes[at] > least or not np.isfinite(sizes[at]):
                first, last = runs.offsets[at], runs.offsets[at + 1]
                run = float(sizes[at]), int(events[at]), sidx[first:last], losses[first:last]
                self._kept.append((*run[:2], run[2].copy(), run[3].copy()))
        self._drop_small()

    def merge(self, other: EventLosses) -> None:
        """Add the events of another part."""
        self._add_rows(other.event_ids, other._rows[: len(other)])
        if other.by_sample is None:
            self.by_sample = None
        else:
            self._add_samples(np.arange(1, len(other.by_sample) + 1), other.by_sample)
        self.has_analytical = self.has_analytical or other.has_analytical
        self._kept += other._kept
        self._drop_small()

    def largest(self, count: int) -> LargestEvents:
        """So many events."""
        means = self.means
        order = np.lexsort([self.event_ids, -means])[:count]
        rows, quantiles = self._rows[order], np.full((len(order), len(QUANTILES)), np.nan)
        deviations = np.full(len(order), np.nan)
        for n, event in enumerate(self.event_ids[order].tolist()):
            runs = [run for run in self._kept if run[1] == event]
            if len(runs) == rows[n, _RUNS] and self._samples:
                deviations[n], quantiles[n] = self._spread(runs)
        none = np.full(len(order), np.nan)
        return LargestEvents(
            self.event_ids[order].copy(), rows[:, _MEAN] if self._samples else none,
            rows[:, _ANALYTICAL] if self.has_analytical else none,
            rows[:, _COUNT].astype(np.int64), deviations, quantiles,
        )  # fmt: skip

    def _spread(self, runs: list[tuple[float, int, Array, Array]]) -> tuple[float, Array]:
        """The deviation and the quantiles of the samples of an event."""
        sidx, place = np.unique(np.concatenate([run[2] for run in runs]), return_inverse=True)
        losses = np.bincount(place, np.concatenate([run[3] for run in runs]), len(sidx))
        offsets, samples = np.array([0, len(sidx)]), self._samples
        found, quantiles = np.empty((1, 5)), np.empty((1, len(QUANTILES)))
        moments_of(offsets, sidx, losses, samples, self._mean, self._max, found)
        places = (samples - 1) * QUANTILES + 1
        quantiles_of(offsets, sidx, losses, samples, places, quantiles)
        return found[0, 1], quantiles[0]

    def _add_rows(self, events: Array, more: Array) -> None:
        rows = self._keys.groups_of(np.ascontiguousarray(events[:, None]))
        if self._keys.used > len(self._rows):
            larger = np.zeros((max(self._keys.used, 2 * len(self._rows)), 4))
            larger[: len(self._rows)] = self._rows
            self._rows = larger
        np.add.at(self._rows, rows, more)

    def _add_samples(self, sidx: Array, losses: Array) -> None:
        chosen = sidx > 0
        sidx, losses = sidx[chosen], losses[chosen]
        highest = int(sidx.max()) if len(sidx) else 0
        if self.by_sample is None or highest > MOST_SAMPLES:
            self.by_sample = None
            return
        if highest > len(self.by_sample):
            self.by_sample = np.append(self.by_sample, np.zeros(highest - len(self.by_sample)))
        self.by_sample[:highest] += np.bincount(sidx - 1, losses, highest)

    def _drop_small(self) -> None:
        """Keep the largest runs; equal ones as they came."""
        self._kept.sort(key=lambda run: -run[0])
        del self._kept[LARGEST:]
