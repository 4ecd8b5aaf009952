"""Compare two streams: which events, items and records differ, and by how much.

Both streams are read once, side by side. While they hold the same bits they are compared in
stretches of many events; where they do not, the two events are matched item by item and
record by record, in numpy. Everything is matched by its ids, and where ids repeat, the k-th
with the k-th. Order is a difference of its own, so that it hides no other.

An event that has no counterpart yet waits for it. At most LOOK_AHEAD_EVENTS events and
LOOK_AHEAD_BYTES of each stream wait, then the oldest counts as missing from the other one.
That is always right while both streams ascend in event_id; where it may not be, a note says so.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from evstream.blocks import Array, Columns, block_columns, entry_columns
from evstream.header import StreamHeader
from evstream.reader import EventStream

LOOK_AHEAD_EVENTS = 1000
LOOK_AHEAD_BYTES = 1 << 26


@dataclass(frozen=True)
class Difference:
    """One difference.

    Attributes:
        kind: "header"; "event", "item" or "record" for what only one stream has; "value" for
            a loss (or exposure, or bin) that differs; "order".
        ids: where, by the stream's own names, e.g. {"event_id": 3, "item_id": 7, "sidx": 2}.
        field: what `a` and `b` are, e.g. "loss"; how many "items" or "records" a lonely event
            or item has; of "order" what is in another order.
        a, b: the values at their own width, None in the stream that has none. For an event
            in another order, its number in each stream, from 1.
    """

    kind: str
    ids: dict[str, int]
    field: str
    a: Any = None
    b: Any = None


@dataclass
class Counts:
    """How many are in both streams and compared, how many of these differ, are in one stream
    alone, or in another order: events among their stream, items and records within theirs, so
    that `reordered` counts the events whose items, and the items whose records, are."""

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
        counts: for "header" (its fields), "event", "item" and "record". What only one stream
            has is counted at its own level alone, not again for each of its parts.
        max_absolute, max_relative: largest difference of two finite values, also of those
            within the tolerance; relative to the larger magnitude.
        found: number of differences; a record with two values counts for each that differs.
        differences: the first of them, in the order found: of an event without counterpart
            that is when it no longer waits.
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
    """Compare two streams to their end.

    Values are equal when they differ by at most absolute + relative * max(|a|, |b|). NaN
    equals NaN, and an infinity the same infinity alone. A missing final delimiter is a note.

    Args:
        a, b: what `evstream.open` takes; or streams that it gave, of which nothing is read
            yet, to compare streams of two widths.
        ignore_order: whether the order of events, of items within an event, and of records
            within an item may differ.
        zeros: whether an absent sample equals a loss of zero. Special sidx and whole items
            are not samples: they must be in both.
        absolute, relative: the tolerance.
        first: number of differences to list; all are counted.
        stream, widths, strict: for both streams, as of `evstream.open`.
        progress: called now and then with the number of bytes of A that are done.

    Raises what reading either stream raises: a broken stream equals nothing.
    """
    if not (absolute >= 0 and relative >= 0):
        raise ValueError("a tolerance is 0 or more")
    if a == "-" == b:
        raise ValueError("only one of the two streams can be stdin")
    with contextlib.ExitStack() as stack:
        opened = []
        for source in (a, b):
            if not isinstance(source, EventStream):
                source = stack.enter_context(
                    EventStream(source, stream, widths=widths, strict=strict)
                )
            opened.append(source)
        one, other = opened
        report = Report(one.name, other.name, one.header.stream)
        comparer = _Comparer(report, one.header, ignore_order, zeros, absolute, relative, first)
        if comparer.headers(one.header, other.header):
            _match_events(_Side(one, progress), _Side(other, None), comparer)
        for name, side in zip("AB", opened, strict=True):
            if side.clean_end is False:
                report.notes.append(f"{name} ends without the final delimiter")
    return report


class _Side:
    """One stream: the events at hand, and those that wait for their counterpart.

    Attributes:
        head: event id of the next event, once `load` has found one.
        left: number of events at hand.
        position: number of events taken.
        reached: the position behind the last event that was matched.
        ascending: whether all event ids so far are above the one before.
    """

    def __init__(self, stream: EventStream, progress: Callable[[int], object] | None) -> None:
        self._stream, self._progress = stream, progress
        self._stretches = _whole_events(stream)
        self._columns: Columns
        self._edges = np.zeros(1, np.int64)
        self._at = self._waiting_bytes = 0
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
        """Whether there is a next event; reads on where none is at hand."""
        while self.left == 0:
            columns = next(self._stretches, None)
            if columns is None:
                return False
            last = [self.head] if self.position else []
            ids = columns.block[0]
            edges = np.flatnonzero(ids[1:] != ids[:-1]) + 1
            self._columns, self._at = columns, 0
            self._edges = np.concatenate([[0], edges, [len(ids)]])
            events = np.concatenate([np.array(last, ids.dtype), ids[self._edges[:-1]]])
            self.ascending &= bool((events[1:] > events[:-1]).all())
            if self._progress is not None:
                self._progress(self._stream.offset)
        self.head = int(self._columns.block[0][self._edges[self._at]])
        return True

    def ids(self, count: int) -> Array:
        """Event ids of the next events, which must be at hand."""
        ids: Array = self._columns.block[0][self._edges[self._at : self._at + count]]
        return ids

    def peek(self, count: int) -> Columns:
        """The next events, which must be at hand, as one."""
        return _cut(self._columns, self._edges[self._at], self._edges[self._at + count])

    def advance(self, count: int) -> None:
        self._at += count
        self.position += count

    def wait(self, event: Columns) -> None:
        """Keep a copy, which does not hold on to the memory that the event came in."""
        copies = [tuple(c.copy() for c in columns) for columns in (event.block, event.entry)]
        kept = Columns(copies[0], event.offsets, copies[1])
        self.waiting.setdefault(self.head, deque()).append((self.position, kept))
        self.waiting_events += 1
        self._waiting_bytes += _size(kept)

    def find(self, event_id: int) -> tuple[int, Columns] | None:
        """Take out the event of that id that has waited longest: its position and the event."""
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
        """Take out an event that has waited longest."""
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
        if more_a and more_b and a.head == b.head and not {a.head} & (a.waiting | b.waiting).keys():
            batch = _compare_in_step(a, b, min(batch, a.left, b.left), batch, comparer)
            continue
        side, other = _next_to_read(a, b, more_a, more_b)
        while a.is_full and b.is_full and more_a and more_b:
            comparer.only("event", side is b, side.give_up())
            in_doubt = True
        event = side.peek(1)
        side.advance(1)
        found = other.find(side.head)
        if found is not None:
            position, counterpart = found
            pair = (counterpart, event) if side is b else (event, counterpart)
            places = (position, b.position) if side is b else (a.position, position)
            comparer.event(*pair, places, places[0] < a.reached or places[1] < b.reached)
            a.reached, b.reached = max(a.reached, places[0]), max(b.reached, places[1])
        elif more_a and more_b:
            side.wait(event)
        else:
            comparer.only("event", side is b, event)
    for side in (a, b):
        while side.waiting:
            comparer.only("event", side is b, side.give_up())
    if in_doubt and not (a.ascending and b.ascending):
        comparer.report.notes.append(
            f"more than {LOOK_AHEAD_EVENTS:,} events or {LOOK_AHEAD_BYTES >> 20} MiB waited for"
            " their counterpart: an event given as in one stream only may be far off in the other"
        )


def _compare_in_step(a: _Side, b: _Side, batch: int, comparer: _Comparer) -> int:
    """Compare the next events of both, whose ids nobody waits for; the size of the next batch.

    Batches grow while their bits are the same, and start again from one event where they
    are not.
    """
    count = min(batch, a.left, b.left)
    waited_for = a.waiting.keys() | b.waiting.keys()
    if count > 1 and waited_for and not waited_for.isdisjoint(a.ids(count).tolist()):
        return 1
    one, other = a.peek(count), b.peek(count)
    same = _same_bits(one, other)
    if not same and count > 1:
        return 1
    for side in (a, b):
        side.advance(count)
        side.reached = side.position
    if same:
        comparer.same(count, one)
        return 2 * batch
    comparer.event(one, other)
    return 1


def _next_to_read(a: _Side, b: _Side, more_a: bool, more_b: bool) -> tuple[_Side, _Side]:
    """The stream to read an event from, and the other one.

    Both wait for about as much, until both are full. Then the lower of two ascending event
    ids is read: whatever it makes give up, the other stream has passed.
    """
    if not (more_a and more_b):
        a_first = more_a
    elif a.is_full != b.is_full:
        a_first = b.is_full
    elif not a.is_full:
        a_first = a.waiting_events <= b.waiting_events
    elif a.ascending and b.ascending:
        a_first = a.head < b.head
    else:
        a_first = a.position <= b.position
    return (a, b) if a_first else (b, a)


class _Matched(NamedTuple):
    """Indices of what belongs together, ascending in `a`, and of what is in one alone."""

    a: Array
    b: Array
    only_a: Array
    only_b: Array


class _Entries(NamedTuple):
    """Entries of matched blocks: the number of the pair of blocks that each belongs to, the
    sidx or bin index, and the columns of values."""

    pair: Array
    key: Array
    values: list[Array]


class _Comparer:
    """Compares what belongs together, and reports it.

    Columns of integers are ids, columns of floats are values.
    """

    def __init__(
        self,
        report: Report,
        header: StreamHeader,
        ignore_order: bool,
        zeros: bool,
        absolute: float,
        relative: float,
        first: int,
    ) -> None:
        self.report = report
        self._ignore_order, self._zeros = ignore_order, zeros
        self._absolute, self._relative, self._first = absolute, relative, first
        block = [(name, dtype.kind == "f") for name, dtype in block_columns(header).items()]
        self._block_ids = [(i, name) for i, (name, is_float) in enumerate(block) if not is_float]
        self._block_values = [(i, name) for i, (name, is_float) in enumerate(block) if is_float]
        entry = list(entry_columns(header))
        self._index = header.block.index
        self._key = self._index or next(iter(entry), "")
        self._values = entry if self._index else entry[1:]

    def headers(self, a: StreamHeader, b: StreamHeader) -> bool:
        """Compare the stream headers; whether the rest can be compared."""
        one, other = ({"stream": h.stream, **h.values} for h in (a, b))
        if a.stream != b.stream:
            one, other = {"stream": a.stream}, {"stream": b.stream}
            self.report.notes.append("streams of different types: their events are not compared")
        counts = self.report.counts["header"]
        for name, value in one.items():
            counts.compared += 1
            counts.differ += value != other[name]
            if value != other[name]:
                self._add("header", name, [{}], [value], [other[name]])
        return a.stream == b.stream

    def same(self, events: int, columns: Columns) -> None:
        """Count events that are the same in both streams."""
        counts = self.report.counts
        counts["event"].compared += events
        counts["item"].compared += len(columns.block[0])
        counts["record"].compared += int(columns.offsets[-1])

    def only(self, level: str, in_b: bool, event: Columns) -> None:
        """Report an event that one stream has alone."""
        self._count_only("event", in_b, 1)
        sizes = [len(event.block[0])]
        self._add("event", "items", self._places(event, np.zeros(1, int), 1), *_on(in_b, sizes))

    def event(
        self,
        a: Columns,
        b: Columns,
        places: tuple[int, int] = (0, 0),
        reordered: bool = False,
    ) -> None:
        """Compare an event of A with the one of B that has its id."""
        counts, found = self.report.counts, self.report.found
        if reordered and not self._ignore_order:
            counts["event"].reordered += 1
            where = self._places(a, np.zeros(1, int), 1)
            self._add("order", "event", where, [places[0]], [places[1]])
