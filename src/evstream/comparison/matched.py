"""Two matched events: which of their items, records and values differ.

Three steps, from the outside in. Items are matched by their ids (`matching`), and those without a
counterpart reported. Values in the headers of matched items are compared. Then the records of all
matched items are matched at once, by the number of the pair they belong to and their sidx, and
their values compared. Matched rows are reordered where their places in B do not ascend with those
in A. All of it works on whole columns, however many events there are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from evstream.comparison.changes import Changes
from evstream.comparison.matching import Matched, match, numbers_of_events
from evstream.comparison.report import Comparison, Difference, Options
from evstream.errors import plain_id
from evstream.wire.columns import Array, Columns
from evstream.wire.header import StreamHeader

_Ids = Callable[[Array], "dict[str, Array]"]


class _Entries(NamedTuple):
    """The entries of matched blocks.

    Attributes:
        pair: number of the pair of blocks that each belongs to.
        key: its sidx or bin index.
        values: the columns of floats.
        ids: the ids of those at some indices.
    """

    pair: Array
    key: Array
    values: list[Array]
    ids: _Ids


class Comparer:
    """Compares what belongs together and reports it. Of the columns of a block and its
    entries, the keys are ids, the others values."""

    def __init__(self, report: Comparison, header: StreamHeader, options: Options) -> None:
        self.report = report
        self._header, self._options = header, options
        columns = [(i, *item) for i, item in enumerate(header.block_columns.items())]
        keys = header.key_columns
        self._block_ids = [(i, name) for i, name, _ in columns if name in keys]
        self._block_values = [(i, name) for i, name, _ in columns if name not in keys]
        entry = list(header.entry_columns)
        self._is_counted = header.block.count is not None
        self._key = (header.block.index or "entry") if self._is_counted else next(iter(entry), "")
        self._values = entry if self._is_counted else entry[1:]
        self._fills_zeros = options.zeros and not self._is_counted
        self.changes = Changes(header, options.top)

    @property
    def list_is_full(self) -> bool:
        return len(self.report.differences) >= self._options.first

    def headers(self, a: StreamHeader, b: StreamHeader) -> None:
        one, other = {"stream": a.stream, **a.values}, {"stream": b.stream, **b.values}
        counts = self.report.counts["header"]
        for name in [name for name in one if name in other]:
            counts.compared += 1
            if one[name] != other[name]:
                counts.differ += 1
                values = (np.array([value], object) for value in (one[name], other[name]))
                self._add("header", name, lambda _: {}, _FIRST, *values)

    def same(self, events: int, items: int, records: int, columns: Columns | None = None) -> None:
        """Count events that are the same in both streams, their items and records; and sum the
        values of their `columns`."""
        self.changes.count_same(events, items, records)
        if columns is not None:
            self.changes.same(columns)
        counts = self.report.counts
        counts["event"].compared += events
        counts["item"].compared += items
        counts["record"].compared += records

    def only_event(self, in_b: bool, event: Columns) -> None:
        self._count_only("event", in_b, 1)
        self.changes.only(in_b, event)
        items = np.array([len(event.block[0])])
        self._add("event", "items", self._event(event), _FIRST, *_sides(in_b, items))

    def reordered_event(self, event: Columns, place_a: int, place_b: int) -> None:
        if not self._options.ignore_order:
            self.report.counts["event"].reordered += 1
            places = np.array([place_a]), np.array([place_b])
            self._add("order", "event", self._event(event), _FIRST, *places)

    def events(self, count: int, a: Columns, b: Columns) -> bool:
        """Compare events of A with those of B, which have the same ids; whether they are equal.

        Several events that differ are reported only if that adds nothing to the list, since
        they would not be in the order of the stream there.
        """
        if count > 1 and not self.list_is_full:
            return self._are_equal(count, a, b)
        counts, found = self.report.counts, self.report.found
        counts["event"].compared += count
        event_a, event_b = numbers_of_events(a), numbers_of_events(b)
        items = match([event_a, *self._item_keys(a)], [event_b, *self._item_keys(b)])
        counts["item"].compared += len(items.a)
        self._only_items(False, a, items.only_a)
        self._only_items(True, b, items.only_b)
        moved = self._moved_items(a, event_a, items)
        pairs = self._differing_pairs(a, b, items)
        counts["item"].differ += len(pairs)
        blocks = (items.a[pairs], items.b[pairs], items.only_a, items.only_b)
        self.changes.matched(a, b, event_a, event_b, blocks)
        only_here = event_a[items.only_a], event_b[items.only_b]
        differing = np.concatenate([*only_here, moved, event_a[items.a[pairs]]])
        counts["event"].differ += len(np.unique(differing))
        return self.report.found == found

    def _are_equal(self, count: int, a: Columns, b: Columns) -> bool:
        """Whether events are equal; only then are they counted."""
        trial = Comparer(Comparison("", "", ""), self._header, replace(self._options, first=0))
        trial.changes.leave_out()
        is_equal = trial.events(count, a, b)
        if is_equal:
            self._take_over(trial.report)
            self.changes.equal(count, a, b)
        return is_equal

    def _item_keys(self, columns: Columns) -> list[Array]:
        """The ids of each block after its event id."""
        return [columns.block[i] for i, _ in self._block_ids[1:]]

    def _only_items(self, in_b: bool, columns: Columns, lonely: Array) -> None:
        """Report the items that one stream has alone, with their number of records."""
        self._count_only("item", in_b, len(lonely))
        records = np.diff(columns.offsets)[lonely]
        self._add("item", "records", partial(self._ids, columns), lonely, *_sides(in_b, records))

    def _moved_items(self, a: Columns, events: Array, items: Matched) -> Array:
        """Report events whose items have another order in B; their numbers."""
        moved = self._moved(events[items.a], items)
        self.report.counts["item"].reordered += len(moved)
        self._add("order", "items", self._event(a), np.searchsorted(events, moved))
        return moved

    def _differing_pairs(self, a: Columns, b: Columns, items: Matched) -> Array:
        """Report what differs inside matched items; the numbers of the pairs that differ."""
        ids = partial(self._ids, a)
        differing: list[Array] = [np.zeros(0, np.int64)]
        for i, name in self._block_values:
            x, y = a.block[i][items.a], b.block[i][items.b]
            bad = np.flatnonzero(self._differ(x, y))
            self._add("value", name, ids, items.a[bad], x[bad], y[bad])
            differing.append(bad)
        if a.entry:
            differing += self._records(self._entries(a, items.a), self._entries(b, items.b))
            reordered = differing[-1]
            self.report.counts["record"].reordered += len(reordered)
            self._add("order", "records", ids, items.a[reordered])
        pairs: Array = np.unique(np.concatenate(differing))
        return pairs

    def _take_over(self, equal: Comparison) -> None:
        """Count what another report counts, which found no difference."""
        report = self.report
        for level, counts in equal.counts.items():
            report.counts[level].compared += counts.compared
        report.max_absolute = max(report.max_absolute, equal.max_absolute)
        report.max_relative = max(report.max_relative, equal.max_relative)

    def _records(self, a: _Entries, b: _Entries) -> list[Array]:
        """Compare the entries of matched blocks. The numbers of the pairs of blocks that
        differ; the last array has those whose records are in another order."""
        counts = self.report.counts["record"]
        records = match([a.pair, a.key], [b.pair, b.key])
        differ = np.zeros(len(records.a), bool)
        for name, column, counterpart in zip(self._values, a.values, b.values, strict=True):
            x, y = column[records.a], counterpart[records.b]
            bad = self._differ(x, y)
            self._add("value", name, a.ids, records.a[bad], x[bad], y[bad])
            differ |= bad
        counts.compared += len(differ)
        counts.differ += int(differ.sum())
        pair = a.pair[records.a]
        differing = [pair[differ]]
        for in_b, entries, lonely in ((False, a, records.only_a), (True, b, records.only_b)):
            is_zero_there = np.zeros(len(lonely), bool)
            if self._fills_zeros:
                is_zero_there = entries.key[lonely] > 0
            differing.append(self._samples(in_b, entries, lonely[is_zero_there]))
            missing = lonely[~is_zero_there]
            self._count_only("record", in_b, len(missing))
            for name, column in zip(self._values, entries.values, strict=True):
                self._add("record", name, entries.ids, missing, *_sides(in_b, column[missing]))
            differing.append(entries.pair[missing])
        return [*differing, self._moved(pair, records)]

    def _moved(self, group: Array, matched: Matched) -> Array:
        """The groups (ascending, one per match) in which A and B have another order."""
        back = (np.diff(matched.b) < 0) & (np.diff(group) == 0)
        groups: Array = np.unique(group[1:][back & (not self._options.ignore_order)])
        return groups

    def _samples(self, in_b: bool, entries: _Entries, lonely: Array) -> Array:
        """Compare samples that one stream has alone with a loss of 0."""
        loss = entries.values[0][lonely]
        bad = self._differ(loss, np.zeros_like(loss))
        counts = self.report.counts["record"]
        counts.compared += len(loss)
        counts.differ += int(bad.sum())
        sides = _sides(in_b, loss[bad], np.zeros_like(loss[bad]))
        self._add("value", self._values[0], entries.ids, lonely[bad], *sides)
        return entries.pair[lonely[bad]]

    def _differ(self, x: Array, y: Array) -> Array:
        """Whether two columns of values differ by more than the tolerance; texts at all."""
        if x.dtype.kind == "S":
            return np.asarray(x != y)
        with np.errstate(all="ignore"):  # a signalling NaN warns
            x, y = x.astype(np.float64), y.astype(np.float64)
            same = (x == y) | (np.isnan(x) & np.isnan(y))
            gap, size = np.abs(x - y), np.maximum(np.abs(x), np.abs(y))
            near = gap <= self._options.absolute + self._options.relative * size
        finite = np.isfinite(x) & np.isfinite(y)
        uneven = finite & ~same
        if uneven.any():
            report, gap, size = self.report, gap[uneven], size[uneven]
            report.max_absolute = max(report.max_absolute, float(gap.max()))
            report.max_relative = max(report.max_relative, float((gap / size).max()))
        differ: Array = ~same & ~(finite & near)
        return differ

    def _entries(self, columns: Columns, matched: Array) -> _Entries:
        """The entries of the blocks in `matched`, numbered as they stand there."""
        counts = np.diff(columns.offsets)
        numbers = np.full(len(counts), -1)
        numbers[matched] = np.arange(len(matched))
        pair = np.repeat(numbers, counts)
        if self._is_counted:
            key = np.arange(1, len(pair) + 1) - np.repeat(columns.offsets[:-1], counts)
            values = list(columns.entry)
        else:
            key, values = columns.entry[0], list(columns.entry[1:])
        if len(matched) < len(counts):
            kept = pair >= 0
            pair, key, values = pair[kept], key[kept], [column[kept] for column in values]

        def ids(index: Array) -> dict[str, Array]:
            return self._ids(columns, matched[pair[index]]) | {self._key: key[index]}

        return _Entries(pair, key, values, ids)

    def _ids(self, columns: Columns, blocks: Array) -> dict[str, Array]:
        return {name: columns.block[i][blocks] for i, name in self._block_ids}

    def _event(self, event: Columns) -> _Ids:
        i, name = self._block_ids[0]
        return lambda blocks: {name: event.block[i][blocks]}

    def _count_only(self, level: str, in_b: bool, count: int) -> None:
        counts = self.report.counts[level]
        if in_b:
            counts.only_in_b += count
        else:
            counts.only_in_a += count

    def _add(
        self,
        kind: str,
        what: str,
        ids: _Ids,
        index: Array,
        a: Array | None = None,
        b: Array | None = None,
    ) -> None:
        """Comparison differences: what is in `index`, and for each the value of either stream."""
        self.report.found += len(index)
        report, first = self.report, self._options.first
        room = max(first - len(report.differences), 0)
        rest = max(first - len(report.missing), 0) if kind in {"event", "item"} else 0
        shown = index[: max(room, rest)]
        columns = ids(shown)
        for i in range(len(shown)):
            where = {name: plain_id(column[i]) for name, column in columns.items()}
            values = (None if column is None else _value(column, i) for column in (a, b))
            difference = Difference(kind, where, what, *values)
            if i < room:
                report.differences.append(difference)
            if i < rest:
                report.missing.append(difference)


_FIRST = np.zeros(1, np.intp)


def _value(column: Array, i: int) -> Any:
    """A count as an int, a text as str, a loss at its width, which decides how it is printed."""
    return column[i] if column.dtype.kind == "f" else plain_id(column.item(i))


def _sides(
    in_b: bool, here: Array, there: Array | None = None
) -> tuple[Array | None, Array | None]:
    """What one stream and the other have, as what A and B have."""
    return (there, here) if in_b else (here, there)
