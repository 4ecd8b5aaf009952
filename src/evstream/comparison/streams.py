"""Read two streams side by side and match their events."""

from __future__ import annotations

import contextlib
import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from evstream._support.arguments import flag, function, real_number, whole_number
from evstream._support.format import Format
from evstream.comparison.common import Common, reader_again, same_bits
from evstream.comparison.matched import Comparer
from evstream.comparison.report import Comparison, Options
from evstream.reading.assembler import EventAssembler
from evstream.reading.stream import EventStream
from evstream.transport.endpoints import SourceLike
from evstream.transport.watching import one_bar
from evstream.wire.columns import Array, Chunk, Columns, cut, differ, plain, run_starts
from evstream.wire.header import StreamHeader

LOOK_AHEAD_EVENTS = 1000
LOOK_AHEAD_BYTES = 1 << 26
_MIXED_BATCH = 256  # enough to hide the cost of a call, few enough to narrow down a difference


@one_bar
def compare(
    a: SourceLike | EventStream,
    b: SourceLike | EventStream,
    *,
    ignore_order: bool = False,
    zeros: bool = False,
    absolute: float = 0.0,
    relative: float = 0.0,
    first: int = 10,
    top: int = 10,
    stream: str | None = None,
    widths: Mapping[str, str] | None = None,
    strict: bool | None = None,
    timeout: float | None = None,
    format: Format | None = None,
    progress: Callable[[int], object] | None = None,
) -> Comparison:
    """Compare two streams to their end, in bounded memory: what differs, and how much that changes
    in total, per event and per item.

    Values are equal when they differ by at most absolute + relative * max(|a|, |b|). NaN
    equals NaN, an infinity only the same infinity. A missing final delimiter is a note.

    Args:
        a, b: what `evstream.open` takes; or streams that it gave and that are unread,
            which is how to compare streams of different widths.
        ignore_order: let the order of events, of the items of an event, and of the records
            of an item differ.
        zeros: let an absent sample equal a loss of 0. Items and special sidx are not samples
            and must be in both.
        absolute, relative: the tolerance.
        first: number of differences to list, and of missing events and items; all are counted.
        top: number of changes per event and per item to list, the largest.
        stream, widths, strict, timeout: of both streams, as for `evstream.open`.
        progress: called now and then with the number of bytes of A that are read.

    Raises what reading them raises: a broken stream equals nothing.
    """
    absolute, relative = real_number("absolute", absolute), real_number("relative", relative)
    first, top = whole_number("first", first), whole_number("top", top)
    ignore_order, zeros = flag("ignore_order", ignore_order), flag("zeros", zeros)
    if progress is not None:
        function("progress", progress)
    if not (absolute >= 0 and relative >= 0):
        raise ValueError("a tolerance is 0 or more")
    if isinstance(a, str) and isinstance(b, str) and a == b == "-":
        raise ValueError("only one of two streams can be stdin")
    with contextlib.ExitStack() as stack:

        def opened(source: SourceLike | EventStream) -> EventStream:
            if isinstance(source, EventStream):
                return source
            opened = EventStream(
                source, stream, widths=widths, strict=strict, timeout=timeout, format=format
            )
            return stack.enter_context(opened)

        one, other = opened(a), opened(b)
        report = Comparison(one.name, other.name, one.header.stream)
        options = Options(ignore_order, zeros, absolute, relative, first, top)
        comparer = Comparer(report, one.header, options)
        comparer.headers(one.header, other.header)
        if one.header.stream == other.header.stream:
            again = reader_again(one)
            common = Common(one, other, comparer, progress, sums=again is None)
            if not common.has_parted:
                comparer.changes.leave_out()
            elif again is not None:
                common.sum_again(again, comparer)
            a_side = _Side(one, common.a, common, progress)
            _match_events(a_side, _Side(other, common.b, common, None), comparer)
            comparer.changes.report_to(report)
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

    def __init__(
        self,
        stream: EventStream,
        chunks: Iterator[Chunk],
        common: Common,
        progress: Callable[[int], object] | None,
    ) -> None:
        self._stream, self._progress = stream, progress
        self._stretches = _whole_events(stream.header, chunks)
        self._columns: Columns
        self._edges: Array = np.zeros(1, np.int64)
        self._at = self._waiting_bytes = 0
        self._last: Any = common.last
        self.head: Any = None
        self.position = self.reached = common.events
        self.waiting_events = 0
        self.ascending = common.ascending
        self.waiting: dict[Any, deque[tuple[int, Columns]]] = {}

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
            self._edges = np.append(run_starts(ids), len(ids))
            events = self.ids(self.left)
            self.ascending &= bool((events[1:] > events[:-1]).all())
            self.ascending &= self.position == 0 or bool(self._last < events[0])
            self._last = events[-1]
            if self._progress is not None:
                self._progress(self._stream.bytes_read)
        self.head = _key(self.ids(1)[0])
        return True

    def ids(self, count: int) -> Array:
        """Ids of the next events, which must be at hand."""
        ids: Array = self._columns.block[0][self._edges[self._at : self._at + count]]
        return ids

    def peek(self, count: int) -> Columns:
        """The next events, which must be at hand, as one."""
        return cut(self._columns, self._edges[self._at], self._edges[self._at + count])

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

    def find(self, key: Any) -> tuple[int, Columns] | None:
        """Take out the first event of that id that waits; its position comes with it."""
        if key not in self.waiting:
            return None
        queue = self.waiting[key]
        position, event = queue.popleft()
        if not queue:
            del self.waiting[key]
        self.waiting_events -= 1
        self._waiting_bytes -= _size(event)
        return position, event

    def give_up(self) -> Columns:
        """Take out the first event of the id that has waited longest."""
        found = self.find(next(iter(self.waiting)))
        assert found is not None
        return found[1]


def _match_events(a: _Side, b: _Side, comparer: Comparer) -> None:
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


def _compare_in_step(a: _Side, b: _Side, batch: int, comparer: Comparer) -> int:
    """Compare the next events of both, `batch` of them at most; the number to try next.

    Batches grow while they are equal. Where one is not, its events are compared one by one,
    so that what is listed is in the order of the stream; until the list is full.
    """
    count = min(batch, a.left, b.left)
    waited_for = a.waiting.keys() | b.waiting.keys() if count > 1 else set()
    if waited_for and not waited_for.isdisjoint(map(_key, a.ids(count))):
        return 1
    one, other = a.peek(count), b.peek(count)
    alike = np.array_equal(one.offsets, other.offsets) and same_bits(one, other, "iuS")
    if not alike and count > _MIXED_BATCH:
        return _MIXED_BATCH
    if not alike and differ(a.ids(count), b.ids(count)).any():
        return 1
    if alike and same_bits(one, other, "f"):
        comparer.same(count, len(one.block[0]), int(one.offsets[-1]), one)
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


def _whole_events(header: StreamHeader, chunks: Iterator[Chunk]) -> Iterator[Columns]:
    """Stretches of whole events, as many at once as lie in a chunk."""
    assembler = EventAssembler(header)
    for chunk in chunks:
        columns, ids = chunk.columns, chunk.columns.block[0]
        edges = run_starts(ids)[1:]
        if len(edges) < 2:
            yield from (event.own_columns() for event in assembler.push(chunk))
            continue
        head = chunk._replace(columns=cut(columns, 0, edges[0]))
        tail = chunk._replace(columns=cut(columns, edges[-1], len(ids)), continues=False)
        for events in (assembler.push(head), assembler.finish(), assembler.push(tail)):
            yield from (event.own_columns() for event in events)
        yield cut(columns, edges[0], edges[-1])
    yield from (event.own_columns() for event in assembler.finish())


def _key(event: Any) -> Any:
    """An event as the key of a dict, where a NaN is found again."""
    return plain(event) if event == event else math.nan  # noqa: PLR0124


def _size(columns: Columns) -> int:
    return sum(column.nbytes for column in (*columns.block, columns.offsets, *columns.entry))
