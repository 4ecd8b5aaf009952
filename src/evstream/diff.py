"""Compare two streams: which events, items and records differ, and by how much.

Both streams are read once, side by side. While they hold the same bits they are compared in
stretches of many events; where they do not, two events are matched item by item and record
by record, in numpy. Everything is matched by its ids, and where ids repeat, the k-th with
the k-th. Order is a difference of its own, so that it hides no other.

An event that has no counterpart yet waits for it. When LOOK_AHEAD_EVENTS events or
LOOK_AHEAD_BYTES of both streams wait, the oldest is given up and counts as missing from the
other stream. That is right while both streams ascend in event_id; otherwise a note says that
it may be wrong.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from evstream.assembler import EventAssembler
from evstream.blocks import Array, Columns, block_columns, entry_columns
from evstream.header import StreamHeader
from evstream.reader import EventStream

LOOK_AHEAD_EVENTS = 1000
LOOK_AHEAD_BYTES = 1 << 26
_MIXED_BATCH = 256  # enough to hide the cost of a call, few enough to narrow down a difference


@dataclass(frozen=True)
class Difference:
    """One difference.

    Attributes:
        kind: "header"; "event", "item" or "record" for what one stream has alone; "value"
            for a loss (or exposure, or bin) that differs; "order".
        ids: where, by the stream's own names, e.g. {"event_id": 3, "item_id": 7, "sidx": 2}.
        field: what `a` and `b` are, e.g. "loss"; "items" or "records" where they say how many
            an event or item has. For "order": what is in another order.
        a, b: the values at their own width; None in the stream that has none. For events in
            another order the event's number in each stream, from 1.
    """

    kind: str
    ids: dict[str, int]
    field: str
    a: Any = None
    b: Any = None


@dataclass
class Counts:
    """How many are in both streams, how many of these differ or have another place, and how
    many are in one stream alone. `reordered` is the number of events that have another place
    in the stream, of events whose items, and of items whose records have another order."""

    compared: int = 0
    differ: int = 0
    only_in_a: int = 0
    only_in_b: int = 0
    reordered: int = 0


@dataclass
class Report:
    """What `compare` found.

    Attributes:
        a, b: names of the streams.
        stream: type of A.
        counts: for "header" (its fields), "event", "item" and "record". What one stream has
            alone counts at its own level, its parts do not count again.
        max_absolute, max_relative: the largest difference of two finite values, be it within
            the tolerance; relative to the larger magnitude.
        found: number of differences, one per value that differs.
        differences: the first of them as they were found; that of an event without
            counterpart is when it no longer waits.
        notes: what is no difference, but good to know.
    """

    a: str
    b: str
    stream: str
    counts: dict[str, Counts] = field(
        default_factory=lambda: {level: Counts() for level in ("header", "event", "item", "record")}
    )
    max_absolute: float = 0.0
    max_relative: float = 0.0
    found: int = 0
    differences: list[Difference] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def equal(self) -> bool:
        return self.found == 0


@dataclass(frozen=True)
class _Options:
    ignore_order: bool
    zeros: bool
    absolute: float
    relative: float
    first: int


def compare(
    a: Any,
    b: Any,
    *,
    ignore_order: bool = False,
    zeros: bool = False,
    absolute: float = 0.0,
    relative: float = 0.0,
    first: int = 10,
    stream: str | None = None,
    widths: Mapping[str, str] | None = None,
    strict: bool = False,
    progress: Callable[[int], object] | None = None,
) -> Report:
    """Compare two streams to their end, in bounded memory.

    Values are equal when they differ by at most absolute + relative * max(|a|, |b|). NaN
    equals NaN, an infinity only the same infinity. A missing final delimiter is a note.

    Args:
        a, b: what `evstream.open` takes; or streams that it gave and nobody has read from,
            which is how to compare streams of different widths.
        ignore_order: let the order of events, of the items of an event, and of the records
            of an item differ.
        zeros: let an absent sample equal a loss of 0. Items and special sidx are no samples
            and must be in both.
        absolute, relative: the tolerance.
        first: number of differences to list; all are counted.
        stream, widths, strict: of both streams, as for `evstream.open`.
        progress: called now and then with the number of bytes of A that are done.

    Raises what reading them raises: a broken stream equals nothing.
    """
    if not (absolute >= 0 and relative >= 0):
        raise ValueError("a tolerance is 0 or more")
    if isinstance(a, str) and a == b == "-":
        raise ValueError("only one of two streams can be stdin")
    with contextlib.ExitStack() as stack:

        def opened(source: Any) -> EventStream:
            if isinstance(source, EventStream):
                return source
            return stack.enter_context(EventStream(source, stream, widths=widths, strict=strict))

        one, other = opened(a), opened(b)
        report = Report(one.name, other.name, one.header.stream)
        options = _Options(ignore_order, zeros, absolute, relative, first)
        comparer = _Comparer(report, one.header, options)
        comparer.headers(one.header, other.header)
        if one.header.stream == other.header.stream:
            _match_events(_Side(one, progress), _Side(other, None), comparer)
        else:
            report.notes.append("the streams are of different types, so nothing else is compared")
    for name, side in (("A", one), ("B", other)):
        if side.clean_end is False:
            report.notes.append(f"{name} ends without the final delimiter")
    return report


class _Side:
    """One stream: its events at hand, and those that wait for their counterpart.

    Attributes:
        head: id of the next event, once `load` has found one.
        left: number of events at hand.
        position: number of events taken.
        reached: the highest position of an event that was matched.
        ascending: whether each event id so far is above the one before.
    """

    def __init__(self, stream: EventStream, progress: Callable[[int], object] | None) -> None:
        self._stream, self._progress = stream, progress
        self._stretches = _whole_events(stream)
        self._columns: Columns
        self._edges = np.zeros(1, np.int64)
        self._at = self._last = self._waiting_bytes = 0
        self.head = self.position = self.reached = self.waiting_events = 0
        self.ascending = True
        self.waiting: dict[int, deque[tuple[int, Columns]]] = {}

    @property
    def left(self) -> int:
        return len(self._edges) - 1 - self._at

    @property
    def is_full(self) -> bool:
        return self.waiting_events >= LOOK_AHEAD_EVENTS or self._waiting_bytes >= LOOK_AHEAD_BYTES

    def load(self) -> bool:
        """Whether there is a next event; reads on if none is at hand."""
        while self.left == 0:
            columns = next(self._stretches, None)
            if columns is None:
                return False
            ids = columns.block[0]
            self._columns, self._at = columns, 0
            self._edges = np.concatenate([[0], np.flatnonzero(ids[1:] != ids[:-1]) + 1, [len(ids)]])
            events = self.ids(self.left)
            self.ascending &= bool((events[1:] > events[:-1]).all())
            self.ascending &= self.position == 0 or self._last < events[0]
            self._last = int(events[-1])
            if self._progress is not None:
                self._progress(self._stream.offset)
        self.head = int(self.ids(1)[0])
        return True

    def ids(self, count: int) -> Array:
        """Ids of the next events, which must be at hand."""
        ids: Array = self._columns.block[0][self._edges[self._at : self._at + count]]
        return ids

    def peek(self, count: int) -> Columns:
        """The next events, which must be at hand, as one."""
        return _cut(self._columns, self._edges[self._at], self._edges[self._at + count])

    def advance(self, count: int) -> None:
        self._at += count
        self.position += count

    def wait(self, event: Columns) -> None:
        """Keep a copy, which does not hold on to the chunk that the event lies in."""
        block, entry = (tuple(c.copy() for c in part) for part in (event.block, event.entry))
        self.waiting.setdefault(self.head, deque()).append(
            (self.position, Columns(block, event.offsets, entry))
        )
        self.waiting_events += 1
        self._waiting_bytes += _size(event)

    def find(self, event_id: int) -> tuple[int, Columns] | None:
        """Take out the first event of that id that waits; its position comes with it."""
        if event_id not in self.waiting:
            return None
        queue = self.waiting[event_id]
        position, event = queue.popleft()
        if not queue:
            del self.waiting[event_id]
        self.waiting_events -= 1
        self._waiting_bytes -= _size(event)
        return position, event

    def give_up(self) -> Columns:
        """Take out the first event of the id that has waited longest."""
        found = self.find(next(iter(self.waiting)))
        assert found is not None
        return found[1]


def _match_events(a: _Side, b: _Side, comparer: _Comparer) -> None:
    """Read both streams to their end and compare the events that belong together."""
    batch, in_doubt = 1, False
    while True:
        more_a, more_b = a.load(), b.load()
        if not (more_a or more_b):
            break
        both = more_a and more_b
        if both and a.head == b.head and not (a.head in a.waiting or a.head in b.waiting):
            batch = _compare_in_step(a, b, batch, comparer)
            continue
        side, other = _next_to_read(a, b) if both else (a, b) if more_a else (b, a)
        while both and a.is_full and b.is_full:
            comparer.only_event(side is b, side.give_up())
            in_doubt = True
        event = side.peek(1)
        side.advance(1)
        found = other.find(side.head)
        if found is not None:
            here, there = (side.position, event), found
            (place_a, event_a), (place_b, event_b) = (there, here) if side is b else (here, there)
            if place_a < a.reached or place_b < b.reached:
                comparer.reordered_event(event, place_a, place_b)
            comparer.events(1, event_a, event_b)
            a.reached, b.reached = max(a.reached, place_a), max(b.reached, place_b)
        elif both:
            side.wait(event)
        else:
            comparer.only_event(side is b, event)
    for side in (a, b):
        while side.waiting:
            comparer.only_event(side is b, side.give_up())
    if in_doubt and not (a.ascending and b.ascending):
        comparer.report.notes.append(
            "the events lie so far apart that not all could be matched: one that is given as in"
            " one stream only may be in the other"
        )


def _compare_in_step(a: _Side, b: _Side, batch: int, comparer: _Comparer) -> int:
    """Compare the next events of both, `batch` of them at most; the number to try next.

    Batches grow while they are equal. Where one is not, its events are compared one by one,
    so that what is listed is in the order of the stream; until the list is full.
    """
    count = min(batch, a.left, b.left)
    waited_for = a.waiting.keys() | b.waiting.keys() if count > 1 else set()
    if waited_for and not waited_for.isdisjoint(a.ids(count).tolist()):
        return 1
    one, other = a.peek(count), b.peek(count)
    alike = np.array_equal(one.offsets, other.offsets) and _same_bits(one, other, "iu")
    if not alike and count > _MIXED_BATCH:
        return _MIXED_BATCH
    if not alike and not np.array_equal(a.ids(count), b.ids(count)):
        return 1
    if alike and _same_bits(one, other, "f"):
        comparer.same(count, one)
        equal = True
    else:
        equal = comparer.events(count, one, other)
        if not equal and count > 1 and not comparer.list_is_full:
            return 1
    for side in (a, b):
        side.advance(count)
        side.reached = side.position
    return 2 * count if equal or comparer.list_is_full else 1


def _next_to_read(a: _Side, b: _Side) -> tuple[_Side, _Side]:
    """The stream to read an event from, and the other one.

    Both wait for about as much, until both are full. Then the lower of two ascending ids is
    next: what it makes give up, the other stream has passed.
    """
    if a.is_full != b.is_full:
        a_is_next = b.is_full
    elif not a.is_full:
        a_is_next = a.waiting_events <= b.waiting_events
    elif a.ascending and b.ascending:
        a_is_next = a.head < b.head
    else:
        a_is_next = a.position <= b.position
    return (a, b) if a_is_next else (b, a)


_Ids = Callable[[Array], "dict[str, Array]"]


class _Matched(NamedTuple):
    """Indices of what belongs together, ascending in `a`; and of what is in one alone."""

    a: Array
    b: Array
    only_a: Array
    only_b: Array


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


class _Comparer:
    """Compares what belongs together and reports it. Of the columns of a block and its
    entries, those of integers are ids, those of floats are values."""

    def __init__(self, report: Report, header: StreamHeader, options: _Options) -> None:
        self.report = report
        self._header, self._options = header, options
        columns = [(i, *item) for i, item in enumerate(block_columns(header).items())]
        self._block_ids = [(i, name) for i, name, dtype in columns if dtype.kind != "f"]
        self._block_values = [(i, name) for i, name, dtype in columns if dtype.kind == "f"]
        entry = list(entry_columns(header))
        self._is_counted = header.block.index is not None
        self._key = header.block.index or next(iter(entry), "")
        self._values = entry if self._is_counted else entry[1:]
        self._fills_zeros = options.zeros and not self._is_counted

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

    def same(self, events: int, columns: Columns) -> None:
        """Count events that are the same in both streams."""
        counts = self.report.counts
        counts["event"].compared += events
        counts["item"].compared += len(columns.block[0])
        counts["record"].compared += int(columns.offsets[-1])

    def only_event(self, in_b: bool, event: Columns) -> None:
        self._count_only("event", in_b, 1)
        items = np.array([len(event.block[0])])
        self._add("event", "items", self._event_id(event), _FIRST, *_sides(in_b, items))

    def reordered_event(self, event: Columns, place_a: int, place_b: int) -> None:
        if not self._options.ignore_order:
            self.report.counts["event"].reordered += 1
            places = np.array([place_a]), np.array([place_b])
            self._add("order", "event", self._event_id(event), _FIRST, *places)

    def events(self, count: int, a: Columns, b: Columns) -> bool:
        """Compare events of A with those of B, which have the same ids; whether they are equal.

        Several that are not are reported only if that adds nothing to the list, where they
        would not stand in their order.
        """
        if count > 1 and not self.list_is_full:
            trial = _Comparer(Report("", "", ""), self._header, replace(self._options, first=0))
            if trial.events(count, a, b):
                self._take_over(trial.report)
                return True
            return False
        counts, found = self.report.counts, self.report.found
        ids_a, ids_b = partial(self._ids, a), partial(self._ids, b)
        event_a, event_b = _numbers_of_events(a), _numbers_of_events(b)
        keys_a, keys_b = ([c.block[i] for i, _ in self._block_ids[1:]] for c in (a, b))
        items = _match([event_a, *keys_a], [event_b, *keys_b])
        counts["event"].compared += count
        counts["item"].compared += len(items.a)
        for in_b, columns, ids, lonely in (
            (False, a, ids_a, items.only_a),
            (True, b, ids_b, items.only_b),
        ):
            self._count_only("item", in_b, len(lonely))
            records = np.diff(columns.offsets)[lonely]
            self._add("item", "records", ids, lonely, *_sides(in_b, records))
        moved = self._moved(event_a[items.a], items)
        counts["item"].reordered += len(moved)
        first_blocks = np.searchsorted(event_a, moved)
        self._add("order", "items", self._event_id(a), first_blocks)
        differing = [np.zeros(0, np.int64)]
        for i, name in self._block_values:
            x, y = a.block[i][items.a], b.block[i][items.b]
            bad = np.flatnonzero(self._differ(x, y))
            self._add("value", name, ids_a, items.a[bad], x[bad], y[bad])
            differing.append(bad)
        if a.entry:
            differing += self._records(self._entries(a, items.a), self._entries(b, items.b))
            counts["record"].reordered += len(differing[-1])
            self._add("order", "records", ids_a, items.a[differing[-1]])
        pairs = np.unique(np.concatenate(differing))
        counts["item"].differ += len(pairs)
        lonely_items = event_a[items.only_a], event_b[items.only_b]
        differing_events = np.concatenate([*lonely_items, moved, event_a[items.a[pairs]]])
        counts["event"].differ += len(np.unique(differing_events))
        return self.report.found == found

    def _take_over(self, equal: Report) -> None:
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
        records = _match([a.pair, a.key], [b.pair, b.key])
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
            is_zero_there = (entries.key[lonely] > 0) & self._fills_zeros
            differing.append(self._samples(in_b, entries, lonely[is_zero_there]))
            missing = lonely[~is_zero_there]
            self._count_only("record", in_b, len(missing))
            for name, column in zip(self._values, entries.values, strict=True):
                self._add("record", name, entries.ids, missing, *_sides(in_b, column[missing]))
            differing.append(entries.pair[missing])
        return [*differing, self._moved(pair, records)]

    def _moved(self, group: Array, matched: _Matched) -> Array:
        """The groups (ascending, one per match) in which A and B have another order."""
        back = (np.diff(matched.b) < 0) & (np.diff(group) == 0)
        return np.unique(group[1:][back & (not self._options.ignore_order)])

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
        """Whether two columns of values differ by more than the tolerance."""
        x, y = x.astype(np.float64), y.astype(np.float64)
        same = (x == y) | (np.isnan(x) & np.isnan(y))
        with np.errstate(all="ignore"):
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

    def _event_id(self, event: Columns) -> _Ids:
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
        """Report differences: what is in `index`, and for each the value of either stream."""
        self.report.found += len(index)
        room = max(self._options.first - len(self.report.differences), 0)
        columns = ids(index[:room])
        for i in range(len(index[:room])):
            where = {name: int(column[i]) for name, column in columns.items()}
            values = (None if column is None else _value(column, i) for column in (a, b))
            self.report.differences.append(Difference(kind, where, what, *values))


_FIRST = np.zeros(1, np.intp)


def _value(column: Array, i: int) -> Any:
    """A count as an int, a loss at its own width, which decides how it is printed."""
    return column[i] if column.dtype.kind == "f" else column.item(i)


def _sides(
    in_b: bool, here: Array, there: Array | None = None
) -> tuple[Array | None, Array | None]:
    """What one stream and the other have, as what A and B have."""
    return (there, here) if in_b else (here, there)


def _match(a: list[Array], b: list[Array]) -> _Matched:
    """Match the rows of two tables by all their columns, equal ones in their order."""
    n = len(a[0])
    if all(np.array_equal(x, y) for x, y in zip(a, b, strict=True)):
        return _Matched(np.arange(n), np.arange(n), np.zeros(0, np.intp), np.zeros(0, np.intp))
    keys = [np.concatenate(columns) for columns in zip(a, b, strict=True)]
    order = np.lexsort(keys[::-1])  # stable: of equal rows those of A come first
    is_new = np.ones(len(order), bool)
    is_new[1:] = np.any([key[order[1:]] != key[order[:-1]] for key in keys], axis=0)
    group, start = np.cumsum(is_new) - 1, np.flatnonzero(is_new)
    of_a = order < n
    in_a = np.add.reduceat(of_a, start, dtype=np.intp)
    in_b = np.diff([*start, len(order)]) - in_a
    places = np.flatnonzero(of_a)
    groups = group[places]
    has = places - start[groups] < in_b[groups]
    rows_a, rows_b = order[places[has]], order[(places + in_a[groups])[has]] - n
    lonely = np.ones(len(order), bool)
    lonely[rows_a] = lonely[rows_b + n] = False
    only = np.flatnonzero(lonely)
    by_a = np.argsort(rows_a)
    return _Matched(rows_a[by_a], rows_b[by_a], only[only < n], only[only >= n] - n)


def _whole_events(stream: EventStream) -> Iterator[Columns]:
    """Stretches of whole events, as many at once as lie in a chunk."""
    assembler = EventAssembler(stream.header)
    for chunk in stream.chunks():
        columns, ids = chunk.columns, chunk.columns.block[0]
        edges = np.flatnonzero(ids[1:] != ids[:-1]) + 1
        if len(edges) < 2:
            yield from (event.own_columns() for event in assembler.push(chunk))
            continue
        head = chunk._replace(columns=_cut(columns, 0, edges[0]))
        tail = chunk._replace(columns=_cut(columns, edges[-1], len(ids)), continues=False)
        for events in (assembler.push(head), assembler.finish(), assembler.push(tail)):
            yield from (event.own_columns() for event in events)
        yield _cut(columns, edges[0], edges[-1])
    yield from (event.own_columns() for event in assembler.finish())


def _numbers_of_events(columns: Columns) -> Array:
    """For each block the number of its event, from 0."""
    ids = columns.block[0]
    numbers = np.zeros(len(ids), np.int64)
    numbers[1:] = np.cumsum(ids[1:] != ids[:-1])
    return numbers


def _cut(columns: Columns, first: int, last: int) -> Columns:
    """Blocks first:last, with offsets from 0."""
    offsets = columns.offsets[first : last + 1]
    start, end = offsets[0], offsets[-1]
    block = tuple(column[first:last] for column in columns.block)
    return Columns(block, offsets - start, tuple(column[start:end] for column in columns.entry))


def _size(columns: Columns) -> int:
    return sum(column.nbytes for column in (*columns.block, columns.offsets, *columns.entry))


def _same_bits(a: Columns, b: Columns, kinds: str) -> bool:
    """Whether all columns of these kinds of dtype are the same, bit for bit."""
    columns = zip((*a.block, *a.entry), (*b.block, *b.entry), strict=True)
    return all(
        x.dtype == y.dtype and np.array_equal(x.view(f"u{x.itemsize}"), y.view(f"u{y.itemsize}"))
        for x, y in columns
        if x.dtype.kind in kinds
    )
