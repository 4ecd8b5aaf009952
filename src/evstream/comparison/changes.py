"""How much changes between two streams: in total, per event and per item.

An event is at hand as a whole when it is compared, so of events only the largest changes are kept.
An item comes again in other events. Its changes are summed in a table of the items that change,
which is bounded: beyond MOST_ITEMS the smallest are dropped, and a note says so.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from evstream.comparison.measures import Measures
from evstream.comparison.report import Change, Comparison, Total
from evstream.errors import plain_id
from evstream.wire.columns import Array, Columns, differ, row_count
from evstream.wire.header import StreamHeader

MOST_ITEMS = 1 << 18
WAITING = 1 << 16
"""Rows of changes that wait until they are summed or sorted."""

ROUNDING = 1e-12
"""A relative change from which on it is one: the order of additions alone changes less."""


class Changes:
    """Sums of both streams, and the largest changes.

    `leave_out` makes it sum nothing, not even what came before: streams that are the same to the
    last bit have no sums.
    """

    def __init__(self, header: StreamHeader, top: int) -> None:
        self._measures = Measures(header)
        count = len(self._measures.names)
        self._sums, self._counts = np.zeros((2, count)), np.zeros((2, count), np.int64)
        self._change = np.zeros(count)
        self._sizes = np.zeros((2, 3), np.int64)  # events, items and records
        self._is_on, self._is_counting = False, True
        columns = header.block_columns
        self._event = header.event_column
        keys = [name for name in header.key_columns if name != self._event]
        self._item_places = [list(columns).index(name) for name in keys]
        self._events = _Largest(top)
        self._items = _PerKey(top)
        self._item_names = keys

    def leave_out(self) -> None:
        """Sum nothing."""
        self._is_on = self._is_counting = False

    def count_same(self, events: int, items: int, records: int) -> None:
        """Count what is the same in both."""
        self._sizes += [events, items, records]

    def same(self, columns: Columns, first: int = 0) -> None:
        """Add a stretch that is the same in both; see Measures.of_all."""
        if not self._is_counting:
            return
        self._is_on = True
        sums, counts = self._measures.of_all(columns, first)
        with np.errstate(invalid="ignore"):
            self._sums += sums
        self._counts += counts

    def only(self, in_b: bool, event: Columns) -> None:
        """Add an event that one stream has alone."""
        self._count(int(in_b), 1, event)
        if not self._is_counting:
            return
        sums = self._measures.of_blocks(event)
        zeros = np.zeros_like(sums)
        a, b = (zeros, sums) if in_b else (sums, zeros)
        self._add(in_b, event, sums)
        starts = np.zeros(1, np.intp)
        self._note_events(event.block[0][:1], _by(a, starts), _by(b, starts))
        self._note_items(self._keys(event), a, b)

    def matched(
        self, a: Columns, b: Columns, event_a: Array, event_b: Array, blocks: tuple[Array, ...]
    ) -> None:
        """Add the same events of both. `event_a` and `event_b` are the numbers of the event of each
        block, ascending; `blocks` are those that differ: (of A, its counterpart of B, only in A,
        only in B)."""
        starts_a, starts_b = _starts(event_a), _starts(event_b)
        self._count(0, len(starts_a), a)
        self._count(1, len(starts_b), b)
        if not self._is_counting:
            return
        sums_a, sums_b = self._measures.of_blocks(a), self._measures.of_blocks(b)
        self._add(False, a, sums_a)
        self._add(True, b, sums_b)
        self._note_events(a.block[0][starts_a], _by(sums_a, starts_a), _by(sums_b, starts_b))
        in_a, in_b, only_a, only_b = blocks
        keys_a, keys_b = self._keys(a), self._keys(b)
        keys = [
            np.concatenate([x[in_a], x[only_a], y[only_b]])
            for x, y in zip(keys_a, keys_b, strict=True)
        ]
        none_a, none_b = np.zeros_like(sums_b[only_b]), np.zeros_like(sums_a[only_a])
        self._note_items(
            keys,
            np.concatenate([sums_a[in_a], sums_a[only_a], none_a]),
            np.concatenate([sums_b[in_b], none_b, sums_b[only_b]]),
        )

    def equal(self, count: int, a: Columns, b: Columns) -> None:
        """Add events that are equal within the tolerance."""
        self._count(0, count, a)
        self._count(1, count, b)
        self._is_on = True
        sums_a, counts_a = self._measures.of_all(a)
        sums_b, counts_b = self._measures.of_all(b)
        self._sums += [sums_a, sums_b]
        self._counts += [counts_a, counts_b]
        self._change += _difference(sums_a, sums_b)

    def report_to(self, report: Comparison) -> None:
        """Put the results into a report."""
        sizes = zip(("events", "items", "records"), *self._sizes.tolist(), strict=True)
        report.totals += [Total(name, "", a, b, b - a) for name, a, b in sizes]
        is_same = report.found == report.counts["header"].differ and not report.max_absolute
        if is_same or not self._is_on:
            return
        for n, (column, kind) in enumerate(self._measures.names):
            numbers = self._counts[:, n].tolist()
            if any(numbers):
                a, b = self._sums[:, n].tolist()
                mean_a, mean_b = (
                    total / count if count else None
                    for total, count in zip((a, b), numbers, strict=True)
                )
                change = float(self._change[n])
                report.totals.append(Total(column, kind, a, b, change, mean_a, mean_b))
        names = self._measures.names
        report.event_changes = self._events.changes([self._event], names)
        report.item_changes = self._items.changes(self._item_names, names)
        if self._items.has_dropped:
            report.notes.append(
                f"more than {MOST_ITEMS:,} items change: those that change little are not summed"
            )

    def _count(self, side: int, events: int, columns: Columns) -> None:
        size = [events, len(columns.block[0]), row_count(columns)]
        self._sizes[side] += np.array(size) * [1, 1, bool(columns.entry)]

    def _add(self, in_b: bool, columns: Columns, sums: Array) -> None:
        self._is_on = True
        with np.errstate(invalid="ignore"):
            self._sums[int(in_b)] += sums.sum(axis=0)
        self._counts[int(in_b)] += self._measures.counts_of(columns)

    def _note_events(self, events: Array, a: Array, b: Array) -> None:
        with np.errstate(invalid="ignore"):
            self._change += _difference(a, b).sum(axis=0)
        self._events.add([events], a, b)

    def _note_items(self, keys: list[Array], a: Array, b: Array) -> None:
        if keys and len(a):
            self._items.add(keys, a, b)

    def _keys(self, columns: Columns) -> list[Array]:
        return [columns.block[at] for at in self._item_places]


def _starts(numbers: Array) -> Array:
    """Where each number of an ascending column begins."""
    return np.flatnonzero(np.diff(numbers, prepend=-1))


def _by(sums: Array, starts: Array) -> Array:
    with np.errstate(invalid="ignore"):
        found: Array = np.add.reduceat(sums, starts, axis=0)
    return found


def _difference(a: Array, b: Array) -> Array:
    """B - A; 0 for what rounding explains, and between two NaN or equal infinities."""
    with np.errstate(all="ignore"):
        found: Array = b - a
        small = np.abs(found) <= ROUNDING * np.maximum(np.abs(a), np.abs(b))
    same = small | (a == b) | (np.isnan(a) & np.isnan(b))
    return np.where(same, 0.0, found)


def _size(difference: Array) -> Array:
    """How large a change is: a NaN is the largest."""
    return np.where(np.isnan(difference), np.inf, np.abs(difference))


class _Largest:
    """The largest of all changes that were added: a row per key and measure."""

    def __init__(self, top: int) -> None:
        self._top = top
        self._rows: list[tuple[list[Array], Array, Array, Array]] = []
        self._waiting = 0

    def add(self, keys: list[Array], a: Array, b: Array) -> None:
        """Add rows of keys with their sums in either stream, shape (rows, measures)."""
        row, measure = np.nonzero(_difference(a, b))
        if not len(row):
            return
        values = a[row, measure], b[row, measure]
        self._rows.append(([key[row] for key in keys], measure, *values))
        self._waiting += len(row)
        if self._waiting > WAITING:
            self._sort()

    def _sort(self) -> None:
        """Keep the largest; of equal ones those that came first."""
        if not self._rows:
            return
        keys = [np.concatenate(column) for column in zip(*(r[0] for r in self._rows), strict=True)]
        measure, a, b = (np.concatenate([row[i] for row in self._rows]) for i in (1, 2, 3))
        order = np.argsort(-_size(_difference(a, b)), kind="stable")[: self._top]
        self._rows = [([key[order] for key in keys], measure[order], a[order], b[order])]
        self._waiting = len(order)

    def changes(self, names: Sequence[str], measures: Sequence[tuple[str, str]]) -> list[Change]:
        """The largest first."""
        self._sort()
        found = []
        for keys, measure, a, b in self._rows:
            difference = _difference(a, b)
            for i in range(len(a)):
                ids = {name: plain_id(key[i]) for name, key in zip(names, keys, strict=True)}
                name, kind = measures[measure[i]]
                values = float(a[i]), float(b[i]), float(difference[i])
                found.append(Change(ids, name, kind, *values))
        return found


class _PerKey:
    """Changes summed per key, in a table of MOST_ITEMS at most."""

    def __init__(self, top: int) -> None:
        self._top = top
        self._rows: list[tuple[list[Array], Array, Array]] = []
        self._waiting = 0
        self.has_dropped = False

    def add(self, keys: list[Array], a: Array, b: Array) -> None:
        """Add rows of keys, which may come again."""
        self._rows.append((keys, a, b))
        self._waiting += len(a)
        if self._waiting > WAITING + MOST_ITEMS:
            self._sum()

    def _sum(self) -> None:
        keys = [np.concatenate(column) for column in zip(*(r[0] for r in self._rows), strict=True)]
        a, b = (np.concatenate([row[i] for row in self._rows]) for i in (1, 2))
        order = np.lexsort(keys[::-1])
        keys = [key[order] for key in keys]
        is_new = np.ones(len(order), bool)
        is_new[1:] = np.any([differ(key[1:], key[:-1]) for key in keys], axis=0)
        starts = np.flatnonzero(is_new)
        keys = [key[starts] for key in keys]
        a, b = _by(a[order], starts), _by(b[order], starts)
        if len(starts) > MOST_ITEMS:
            size = _size(_difference(a, b)).max(axis=1)
            kept = np.sort(np.argsort(-size, kind="stable")[: MOST_ITEMS // 2])
            keys, a, b = [key[kept] for key in keys], a[kept], b[kept]
            self.has_dropped = True
        self._rows, self._waiting = [(keys, a, b)], len(a)

    def changes(self, names: Sequence[str], measures: Sequence[tuple[str, str]]) -> list[Change]:
        """The largest first."""
        if not self._rows:
            return []
        self._sum()
        largest = _Largest(self._top)
        largest.add(*self._rows[0])
        return largest.changes(names, measures)
