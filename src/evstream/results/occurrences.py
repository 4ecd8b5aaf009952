"""In which periods events occur, and what each period weighs."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from evstream._support.arguments import described
from evstream.errors import EvstreamError
from evstream.reading.selection import Selection
from evstream.reading.sources import open_stream
from evstream.results.inputs import column_of, is_path, numbers
from evstream.tables.file_column import FileColumn
from evstream.tables.rows import read_columns, whole_rows
from evstream.transport.range_file import shown
from evstream.wire.columns import Array


class Occurrences:
    """The periods of each event, and their weights.

    Attributes:
        source: name of the file.
        count: number of periods; they are numbered from 1.
        weights: float64, shape (count,), of each period; None where all weigh the same.
    """

    def __init__(self, file: Any, periods: Any = None) -> None:
        if not is_path(file):
            raise TypeError(f"occurrence is {described(file)}, expected a path")
        self.source = shown(os.fspath(file))
        self.count, events, periods_of_events = _read(file)
        order = np.argsort(events, kind="stable")
        self._periods = periods_of_events[order].astype(np.int64)
        self._events, starts = np.unique(events[order], return_index=True)
        self._offsets = np.append(starts, len(events)).astype(np.int64)
        wrong = (self._periods < 1) | (self._periods > self.count)
        if wrong.any():
            at = int(np.argmax(wrong))
            raise EvstreamError(
                f"the period is {self._periods[at]}", source=self.source,
                ids={"event_id": events[order][at]}, expected=f"1 to {self.count}",
            )  # fmt: skip
        self.weights = None if periods is None else self._weights_from(periods)

    def pairs(self, events: Array) -> tuple[Array, Array]:
        """Each event in each of its periods: the places of the events in the array, ascending,
        and the period of each."""
        counts = self.counts(events)
        places = np.repeat(np.arange(len(events)), counts)
        before = np.cumsum(counts) - counts
        starts = self._offsets[self._at(events)] - before
        return places, self._periods[np.repeat(starts, counts) + np.arange(len(places))]

    def counts(self, events: Array) -> Array:
        """How many periods each event has."""
        if not len(self._events):
            return np.zeros(len(events), np.int64)
        at = self._at(events)
        return np.where(self._events[at] == events, np.diff(self._offsets)[at], 0)

    def _at(self, events: Array) -> Array:
        """The place of each event, if it is there."""
        last = max(len(self._events) - 1, 0)
        return np.minimum(np.searchsorted(self._events, events), last)

    def _weights_from(self, periods: Any) -> Array:
        """The weights in the order of the periods, from a file or as numbers."""
        if not is_path(periods):
            weights = numbers("periods", periods)
            source, ids = "periods", np.arange(1, len(weights) + 1)
        else:
            source = shown(os.fspath(periods))
            rows = read_columns(periods, stream="periods")
            ids, weights = rows["period_no"], rows["weighting"].astype(np.float64)
        if len(ids) != self.count:
            raise EvstreamError(
                f"there are {len(ids)} periods", source=source,
                expected=f"{self.count}, as in {self.source}",
            )  # fmt: skip
        order = np.argsort(ids, kind="stable")
        wrong = ids[order] != np.arange(1, self.count + 1)
        if wrong.any():
            at = int(np.argmax(wrong))
            raise EvstreamError(
                f"there is no period {at + 1}", source=source,
                expected=f"each of 1 to {self.count} once",
            )  # fmt: skip
        odd = ~((weights >= 0) & (weights < np.inf))
        if odd.any():
            at = int(np.argmax(odd))
            raise EvstreamError(
                f"the weight of period {ids[at]} is {weights[at]:g}", source=source,
                expected="a number from 0",
            )  # fmt: skip
        return weights[order]


def return_periods_from(given: Any) -> Array | None:
    """Return periods in falling order, float64, from a file or as numbers; None for all.

    Raises ValueError for one that is not 0 or a number from 1, or there twice.
    """
    if given is None:
        return None
    name = "return_periods"
    values = column_of(given, "returnperiods", "return_period") if is_path(given) else given
    found = numbers(name, values)
    wrong = found[~((found == 0) | ((found >= 1) & (found < np.inf)))]
    if len(wrong):
        raise ValueError(f"a return period is {wrong[0]:g}, expected 0 or a number from 1")
    ordered = np.sort(found)[::-1]
    twice = ordered[1:][ordered[1:] == ordered[:-1]]
    if len(twice):
        raise ValueError(f"the return period {twice[0]:g} is there twice")
    if not len(ordered):
        raise ValueError(f"{name} has no number, expected some, or None for all")
    return ordered


def _read(file: Any) -> tuple[int, Array, Array]:
    """The number of periods, the events, and the period of each, from an occurrence file."""
    with open_stream(file, "occurrence") as stream:
        rows = whole_rows(stream, Selection(stream.header), FileColumn(False, stream.header))
        count = stream.header.no_of_periods
    return count, rows["event_id"].astype(np.int64), rows["period_no"]
