"""Random streams differ as dicts of what the oracle reads do.

The dicts share no code with the product.
"""

from __future__ import annotations

import io
import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import oracle
from diff_cases import HEADERS, ID_NAMES, INF, NAN, changed, encoded, report, where
from evstream.comparison import Comparison, Difference, compare
from evstream.reading.stream import EventStream
from support import Trickle

VALUES = {"cdf": ("prob_to", "bin_mean"), "event_ids": ()}

Finding = tuple[str, tuple[int, ...], str, Any, Any]


def numbered(rows: Iterable[tuple[Any, Any]]) -> dict[Any, Any]:
    """(key, k) -> value, for the k-th of each key, in order."""
    seen: Counter[Any] = Counter()
    table = {}
    for key, value in rows:
        table[key, seen[key]] = value
        seen[key] += 1
    return table


def tables(data: bytes, stream: str) -> dict[Any, Any]:
    """event -> item -> (values of the block, record -> values)."""
    decoded = oracle.decode(data, stream)
    assert decoded.error is None
    n_ids = len(ID_NAMES[stream]) - (stream != "event_ids")
    events: list[tuple[int, list[Any]]] = []
    records = iter(decoded.records)
    for _, event, *ids, n_entries in decoded.blocks:
        if not events or events[-1][0] != event:
            events.append((event, []))
        rows = [next(records) for _ in range(n_entries or stream == "event_ids")]
        bits = ids[n_ids - 1 :]
        exposure = [oracle.bits_float(int(b), "f4") for b in bits] if stream == "summary" else []
        entries = [
            (row[n_ids + len(exposure)], row[n_ids + len(exposure) + 1 :])
            for row in rows
            if n_entries
        ]
        events[-1][1].append((tuple(ids[: n_ids - 1]), (exposure, numbered(entries))))
    return numbered((event, numbered(items)) for event, items in events)


def same(x: float, y: float) -> bool:
    return x == y or (math.isnan(x) and math.isnan(y))


def in_order(a: dict[Any, Any], b: dict[Any, Any]) -> bool:
    return [key for key in a if key in b] == [key for key in b if key in a]


def findings(a: dict[Any, Any], b: dict[Any, Any], stream: str, zeros: bool) -> list[Finding]:
    """What `compare` has to find, but for the order of events."""
    names = VALUES.get(stream, ("loss",))
    found: list[Finding] = []

    def lonely(kind: str, ids: tuple[int, ...], what: str, value: Any, in_b: bool) -> None:
        found.append((kind, ids, what, *((None, value) if in_b else (value, None))))

    for one, other, in_b in ((a, b, False), (b, a, True)):
        for (event, k), items in one.items():
            if (event, k) not in other:
                lonely("event", (event,), "items", len(items), in_b)
                continue
            for (ids, i), (_, records) in items.items():
                if (ids, i) not in other[event, k]:
                    lonely("item", (event, *ids), "records", len(records), in_b)
                    continue
                others = other[event, k][ids, i][1]
                for (sidx, n), values in records.items():
                    if (sidx, n) in others:
                        continue
                    place = (event, *ids, sidx)
                    if zeros and stream != "cdf" and sidx > 0:
                        if values[0] != 0:
                            pair = (0.0, values[0]) if in_b else (values[0], 0.0)
                            found.append(("value", place, "loss", *pair))
                        continue
                    for name, value in zip(names, values, strict=True):
                        lonely("record", place, name, value, in_b)
    for key in a.keys() & b.keys():
        if not in_order(a[key], b[key]):
            found.append(("order", (key[0],), "items", None, None))
        for item in a[key].keys() & b[key].keys():
            place = (key[0], *item[0])
            (exposure_a, records_a), (exposure_b, records_b) = a[key][item], b[key][item]
            if not in_order(records_a, records_b):
                found.append(("order", place, "records", None, None))
            for x, y in zip(exposure_a, exposure_b, strict=True):
                if not same(x, y):
                    found.append(("value", place, "exposure_value", x, y))
            for record in records_a.keys() & records_b.keys():
                pairs = zip(names, records_a[record], records_b[record], strict=True)
                for name, x, y in pairs:
                    if not same(x, y):
                        found.append(("value", (*place, record[0]), name, x, y))
    return found


def comparable(found: Iterable[Finding]) -> list[str]:
    """Sorted, as text, in which NaN equals NaN."""
    return sorted(
        repr((kind, ids, what, *(v if v is None else float(v) for v in values)))
        for kind, ids, what, *values in found
    )


LOSSES = st.sampled_from([0.0, 1.0, 1.5, NAN, INF])

IDS = st.integers(1, 3)


@st.composite
def random_blocks(draw: st.DrawFn, stream: str) -> list[tuple[Any, Any]]:
    sidx = st.sampled_from([-3, -1, 1, 2, 3])
    entries: st.SearchStrategy[list[Any]] = st.lists(st.tuples(sidx, LOSSES), max_size=4)
    ids: st.SearchStrategy[Any] = st.tuples(IDS, IDS)
    if stream == "cdf":
        # Event 1 has the bytes of the type word, so a block that repeats would be a second stream.
        events = st.integers(2, 4)
        ids, entries = st.tuples(events, IDS, IDS), st.lists(st.tuples(LOSSES, LOSSES), max_size=3)
    elif stream == "summary":
        ids = st.tuples(IDS, IDS, LOSSES)
    elif stream == "event_ids":
        ids, entries = st.tuples(IDS), st.just([])
    blocks = draw(st.lists(st.tuples(ids, entries), max_size=12))
    if draw(st.booleans()):
        blocks.sort(key=lambda block: block[0][0])
    return blocks


def regular_blocks(stream: str) -> list[tuple[Any, Any]]:
    """Two blocks that keep the rules. Where the first two do not, as at random, a reader looks
    whether the stream fits other widths, and a short one may by chance."""
    if stream == "event_ids":
        return []
    more = {"cdf": (1,), "summary": (1.0,)}.get(stream, ())
    entries = [(0.5, 0.5), (1.0, 1.0)] if stream == "cdf" else [(-1, 1.0), (1, 1.5)]
    return [((5, item, *more), entries) for item in (1, 2)]


@st.composite
def two_streams(draw: st.DrawFn) -> tuple[str, bytes, bytes]:
    """A stream, and another one or what a few changes made of it."""
    stream = draw(st.sampled_from(list(HEADERS)))
    one = draw(random_blocks(stream))
    other = list(one)
    if draw(st.booleans()):
        other = draw(random_blocks(stream))
    elif one:
        for at in draw(st.lists(st.integers(0, len(one) - 1), max_size=3)):
            other[at], other[-1 - at] = other[-1 - at], other[at]
        for block in draw(random_blocks(stream)):
            other[draw(st.integers(0, len(one) - 1))] = block
    first = regular_blocks(stream)
    data = [oracle.encode(stream, HEADERS[stream], first + blocks) for blocks in (one, other)]
    return stream, data[0], data[1]


SPECIAL = {-3: "tiv", -1: "mean"}


def totals(data: bytes, stream: str) -> dict[tuple[str, str], list[float]]:
    """(column, kind) -> values."""
    decoded = oracle.decode(data, stream)
    found: dict[tuple[str, str], list[float]] = {("events", ""): [], ("items", ""): []}
    found["records", ""] = []
    last: Any = None
    for _, event, *ids, _ in decoded.blocks:
        if event != last:
            found["events", ""].append(1)
        found["items", ""].append(1)
        if stream == "summary":
            value = oracle.bits_float(int(ids[-1]), "f4")
            found.setdefault(("exposure_value", ""), []).append(value)
        last = event
    for record in decoded.records if stream != "event_ids" else ():
        found["records", ""].append(1)
        if stream == "cdf":
            for name, value in zip(VALUES["cdf"], record[-2:], strict=True):
                found.setdefault((name, ""), []).append(float(value))
        else:
            sidx, loss = record[-2:]
            kind = "samples" if sidx > 0 else SPECIAL[int(sidx)]
            found.setdefault(("loss", kind), []).append(float(loss))
    return found


def close(x: float, y: float) -> bool:
    return same(x, y) or math.isclose(x, y, rel_tol=1e-9, abs_tol=1e-9)


def check_totals(found: Comparison, one: bytes, other: bytes, stream: str) -> None:
    """Totals are sums of what the oracle reads, and changes of events and items add up to them."""
    a, b = totals(one, stream), totals(other, stream)
    has_sums = found.found > 0 or found.max_absolute > 0
    names = [key for key in {**a, **b} if key[0] in {"events", "items", "records"} or has_sums]
    actual = {(total.name, total.kind): total for total in found.totals}
    assert actual.keys() == set(names)
    for key, total in actual.items():
        sum_a, sum_b = (sum(side.get(key, [])) for side in (a, b))
        assert close(total.a, sum_a)
        assert close(total.b, sum_b)
        if not (math.isfinite(sum_a) and math.isfinite(sum_b)):
            continue
        assert close(total.difference, sum_b - sum_a)
        if key[0] in {"events", "items", "records"}:
            continue
        assert total.mean_a == (sum_a / len(a[key]) if a.get(key) else None)
        for changes in (found.event_changes, found.item_changes):
            of_key = [c.difference for c in changes if (c.name, c.kind) == key]
            assert close(sum(of_key), sum_b - sum_a)
    for changes in (found.event_changes, found.item_changes):
        sizes = [math.inf if math.isnan(c.difference) else abs(c.difference) for c in changes]
        assert sizes == sorted(sizes, reverse=True)
        assert 0 not in sizes


@given(two_streams(), st.booleans(), st.booleans(), st.integers(0, 300), st.integers(0, 300))
def test_random_streams_differ_as_their_dicts_do(
    streams: tuple[str, bytes, bytes], ignore_order: bool, zeros: bool, step_a: int, step_b: int
) -> None:
    stream, one, other = streams

    def listing(first: int) -> Comparison:
        return compare(
            EventStream(Trickle(one, 256 + step_a), stream, chunk=256),
            EventStream(Trickle(other, 256 + step_b), stream, chunk=512),
            ignore_order=ignore_order,
            zeros=zeros,
            first=first,
            top=10**6,
        )

    found = listing(10**6)
    for first in (0, 2):
        shorter = replace(
            found, differences=found.differences[:first], missing=found.missing[:first]
        )
        assert repr(listing(first)) == repr(shorter)  # in which NaN equals NaN
    a, b = tables(one, stream), tables(other, stream)
    expected = findings(a, b, stream, zeros)
    if ignore_order:
        expected = [finding for finding in expected if finding[0] != "order"]
    names = ID_NAMES[stream]
    actual: list[Finding] = []
    moved = 0
    for d in found.differences:
        assert tuple(d.ids) == names[: len(d.ids)]
        if d.field == "event":
            moved += 1
        else:
            actual.append((d.kind, tuple(d.ids.values()), d.field, d.a, d.b))
    assert comparable(actual) == comparable(expected)
    assert (moved > 0) is (not ignore_order and not in_order(a, b))
    assert found.found == len(found.differences)
    common = [(a[key], b[key]) for key in a.keys() & b.keys()]
    assert found.counts["event"].compared == len(common)
    assert found.counts["item"].compared == sum(len(x.keys() & y.keys()) for x, y in common)
    assert found.missing == [d for d in found.differences if d.kind in {"event", "item"}]
    assert found.counts["event"].reordered == moved
    check_totals(found, one, other, stream)


MANY = [
    ((event, item), [(-1, 2.0), *((sidx, event + item / 8 + sidx) for sidx in range(1, 4))])
    for event in range(1, 60)
    for item in range(1, 4)
]


MANY_BYTES = oracle.encode("loss", HEADERS["loss"], MANY)


@settings(max_examples=40)
@given(st.integers(0, len(MANY) - 1), st.integers(0, 3), st.integers(30, 600), st.data())
def test_one_change_in_many_events_is_found_exactly_there(
    at: int, which: int, size: int, data: st.DataObject
) -> None:
    ids, entries = MANY[at]
    sidx, loss = entries[which]
    changes: dict[str, tuple[list[Any], Difference]] = {
        "value": (
            [*entries[:which], (sidx, loss + 0.5), *entries[which + 1 :]],
            Difference("value", where(*ids, sidx), "loss", loss, loss + 0.5),
        ),
        "record": (
            [*entries[:which], *entries[which + 1 :]],
            Difference("record", where(*ids, sidx), "loss", loss, None),
        ),
        "order": (
            [*entries[which:], *entries[:which]] if which else entries[::-1],
            Difference("order", where(*ids), "records"),
        ),
    }
    other, expected = changes[data.draw(st.sampled_from(sorted(changes)))]
    found = compare(
        io.BytesIO(MANY_BYTES), Trickle(encoded(changed(MANY, at, other)).getvalue(), size)
    )
    assert found.differences == [expected]
    assert found.counts["event"].compared == 59
    assert (found.counts["event"].differ, found.counts["item"].differ) == (1, 1)


@pytest.mark.parametrize("first", [0, 1, 500])
def test_the_counts_do_not_depend_on_the_number_listed(first: int) -> None:
    """Which decides how many events are compared at once."""
    zero = [(ids, [*entries[:3], (3, 0.0)]) for ids, entries in MANY]
    absent = [(ids, entries[:3]) for ids, entries in reversed(MANY)]
    absent.sort(key=lambda block: block[0][0])
    found = report(zero, absent, first=first)
    assert len(found.differences) == min(first, 59 + 177)
    assert (found.found, found.counts["record"].only_in_a) == (59 + 177, 177)
    assert (found.counts["item"].reordered, found.counts["event"].differ) == (59, 59)
    events = [d.ids["event_id"] for d in found.differences]
    assert events == sorted(events)
    equal = report(zero, absent, first=first, zeros=True, ignore_order=True)
    assert equal.equal
    assert equal.counts["record"].compared == 4 * 177
