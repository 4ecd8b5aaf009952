"""The comparison of two streams finds what differs, where, and nothing else.

The random streams are also compared by dicts of what the oracle reads, which shares no code
with the product.
"""

from __future__ import annotations

import argparse
import io
import json
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import evstream
import oracle
from evstream.cli import diff as command
from evstream.comparison import Difference, Report, compare, streams
from evstream.reading.stream import EventStream
from golden_files import CORPUS, ENTRIES, GOLDEN, LEGAL, Entry, file_name
from support import Trickle

NAN, INF = math.nan, math.inf

HEADERS: dict[str, dict[str, int]] = {
    "cdf": {},
    "gul_item": {"len_sample": 3},
    "gul_coverage": {"len_sample": 3},
    "loss": {"len_sample": 3},
    "summary": {"len_sample": 3, "summary_set_id": 1},
    "event_ids": {},
}
ID_NAMES = {
    "cdf": ("event_id", "areaperil_id", "vulnerability_id", "bin_index"),
    "gul_item": ("event_id", "item_id", "sidx"),
    "gul_coverage": ("event_id", "coverage_id", "sidx"),
    "loss": ("event_id", "item_id", "sidx"),
    "summary": ("event_id", "summary_id", "sidx"),
    "event_ids": ("event_id",),
}
VALUES = {"cdf": ("prob_to", "bin_mean"), "event_ids": ()}

Blocks = Sequence[tuple[Any, Any]]
TWO_EVENTS = [
    ((1, 7), [(-1, 2.0), (1, 1.0), (2, 3.0)]),
    ((1, 8), [(-1, 5.0), (2, 5.0)]),
    ((2, 7), [(-1, 9.0), (3, 9.0)]),
]


def encoded(blocks: Blocks, stream: str = "loss", **options: Any) -> io.BytesIO:
    header = HEADERS[stream] | options.pop("header", {})
    return io.BytesIO(oracle.encode(stream, header, blocks, **options))


def differences(a: Blocks, b: Blocks, stream: str = "loss", **options: Any) -> list[Difference]:
    return report(a, b, stream, **options).differences


def report(a: Blocks, b: Blocks, stream: str = "loss", **options: Any) -> Report:
    return compare(encoded(a, stream), encoded(b, stream), stream=stream, **options)


def changed(blocks: Blocks, at: int, entries: Any) -> Blocks:
    """The blocks with other entries in one of them."""
    return [*blocks[:at], (blocks[at][0], entries), *blocks[at + 1 :]]


def where(event: int, item: int, sidx: int | None = None) -> dict[str, int]:
    ids = {"event_id": event, "item_id": item}
    return ids if sidx is None else ids | {"sidx": sidx}


def test_a_stream_equals_itself() -> None:
    found = report(TWO_EVENTS, TWO_EVENTS)
    assert found.equal
    assert (found.differences, found.notes, found.found) == ([], [], 0)
    assert [found.counts[level].compared for level in found.counts] == [2, 2, 3, 7]


@pytest.mark.parametrize("entry", LEGAL, ids=file_name)
@pytest.mark.parametrize("ignore_order", [False, True])
def test_every_golden_stream_equals_itself(entry: Entry, ignore_order: bool) -> None:
    data = (GOLDEN / entry["file"]).read_bytes()
    found = compare(
        io.BytesIO(data),
        Trickle(data, 1000),
        stream=entry["stream"],
        widths=entry["widths"],
        ignore_order=ignore_order,
    )
    assert found.equal
    assert found.counts["event"].compared == entry["events"]
    assert found.counts["item"].compared == entry["blocks"]
    if entry["stream"] != "event_ids":
        assert found.counts["record"].compared == entry["records"]


BROKEN = [entry for entry in ENTRIES if entry["error"]]


@pytest.mark.parametrize("entry", BROKEN, ids=file_name)
def test_a_broken_stream_does_not_even_equal_itself(entry: Entry) -> None:
    path = GOLDEN / entry["file"]
    stream = "event_ids" if entry["stream"] == "event_ids" else None
    with pytest.raises(evstream.EvstreamError, match=str(path)):
        compare(path, path, stream=stream, widths=entry["widths"])


@pytest.mark.parametrize("broken_first", [True, False])
def test_a_cut_is_an_error_also_behind_a_difference(broken_first: bool) -> None:
    whole = oracle.encode("loss", HEADERS["loss"], changed(TWO_EVENTS, 0, [(1, 7.0)]))
    cut = oracle.encode("loss", HEADERS["loss"], TWO_EVENTS)[:-3]
    pair = (cut, whole) if broken_first else (whole, cut)
    with pytest.raises(evstream.TruncatedStreamError, match="event_id 2, item_id 7"):
        compare(*map(io.BytesIO, pair))


def test_a_loss_that_differs_is_named_with_both_values() -> None:
    other = changed(TWO_EVENTS, 0, [(-1, 2.0), (1, 1.5), (2, 3.0)])
    found = report(TWO_EVENTS, other)
    assert found.differences == [Difference("value", where(1, 7, 1), "loss", 1.0, 1.5)]
    assert (found.max_absolute, found.max_relative) == (0.5, pytest.approx(1 / 3))
    assert [found.counts[level].differ for level in found.counts] == [0, 1, 1, 1]


@pytest.mark.parametrize(
    ("stream", "one", "other", "expected"),
    [
        ("cdf", ((1, 2, 3), [(0.5, 0.25), (1.0, 0.5)]), ((1, 2, 3), [(0.5, 0.25), (1.0, 0.75)]),
         ("value", (1, 2, 3, 2), "bin_mean", 0.5, 0.75)),
        ("cdf", ((1, 2, 3), [(0.5, 0.25)]), ((1, 2, 3), [(0.75, 0.25)]),
         ("value", (1, 2, 3, 1), "prob_to", 0.5, 0.75)),
        ("cdf", ((1, 2, 3), [(0.5, 0.25)]), ((1, 4, 3), [(0.5, 0.25)]),
         ("item", (1, 2, 3), "records", 1, None)),
        ("gul_item", ((1, 2), [(1, 4.0)]), ((1, 2), [(1, 5.0)]),
         ("value", (1, 2, 1), "loss", 4.0, 5.0)),
        ("gul_coverage", ((1, 2), [(1, 4.0)]), ((1, 2), [(1, 5.0)]),
         ("value", (1, 2, 1), "loss", 4.0, 5.0)),
        ("summary", ((1, 2, 9.0), [(1, 4.0)]), ((1, 2, 9.0), [(1, 5.0)]),
         ("value", (1, 2, 1), "loss", 4.0, 5.0)),
        ("summary", ((1, 2, 9.0), [(1, 4.0)]), ((1, 2, 8.0), [(1, 4.0)]),
         ("value", (1, 2), "exposure_value", 9.0, 8.0)),
        ("event_ids", ((1,), []), ((2,), []), ("event", (1,), "items", 1, None)),
    ],
)  # fmt: skip
def test_ids_and_values_have_the_names_of_the_stream(
    stream: str, one: Any, other: Any, expected: Any
) -> None:
    kind, ids, *rest = expected
    named = dict(zip(ID_NAMES[stream], ids, strict=False))
    assert Difference(kind, named, *rest) in differences([one], [other], stream)


def test_an_areaperil_id_of_64_bits_is_told_in_full() -> None:
    big = 2**63 + 1
    widths = {"areaperil_int": "u8"}
    one, other = (encoded([((1, big, 3), [(p, 1.0)])], "cdf", widths=widths) for p in (0.25, 0.5))
    found = compare(one, other, widths=widths)
    assert found.differences[0].ids["areaperil_id"] == big


def test_a_bin_that_one_stream_has_alone_gives_both_its_values() -> None:
    one, other = ((1, 2, 3), [(0.5, 0.25), (1.0, 0.75)]), ((1, 2, 3), [(0.5, 0.25)])
    ids = dict(zip(ID_NAMES["cdf"], (1, 2, 3, 2), strict=True))
    found = report([one], [other], "cdf", zeros=True)
    assert found.differences == [
        Difference("record", ids, "prob_to", 1.0),
        Difference("record", ids, "bin_mean", 0.75),
    ]
    assert found.counts["record"].only_in_a == 1


def test_an_event_that_one_stream_has_alone() -> None:
    assert differences(TWO_EVENTS, TWO_EVENTS[2:]) == [
        Difference("event", {"event_id": 1}, "items", 2, None)
    ]
    assert differences(TWO_EVENTS[:2], TWO_EVENTS) == [
        Difference("event", {"event_id": 2}, "items", None, 1)
    ]


def test_an_item_that_one_stream_has_alone() -> None:
    fewer = [TWO_EVENTS[0], TWO_EVENTS[2]]
    found = report(TWO_EVENTS, fewer)
    assert found.differences == [Difference("item", where(1, 8), "records", 2, None)]
    assert (found.counts["item"].only_in_a, found.counts["record"].only_in_a) == (1, 0)
    assert differences(fewer, TWO_EVENTS) == [Difference("item", where(1, 8), "records", None, 2)]


def test_a_record_that_one_stream_has_alone() -> None:
    other = changed(TWO_EVENTS, 0, [(-1, 2.0), (2, 3.0), (3, 4.0)])
    assert differences(TWO_EVENTS, other) == [
        Difference("record", where(1, 7, 1), "loss", 1.0, None),
        Difference("record", where(1, 7, 3), "loss", None, 4.0),
    ]


def test_an_item_without_records_is_not_an_absent_item() -> None:
    with_empty = [*TWO_EVENTS, ((2, 8), [])]
    expected = [Difference("item", where(2, 8), "records", None, 0)]
    assert differences(TWO_EVENTS, with_empty, zeros=True) == expected
    assert report(with_empty, with_empty).equal


def test_header_fields_are_compared_and_the_rest_still_is() -> None:
    one = encoded([((1, 2, 9.0), [(1, 4.0)])], "summary")
    header = {"len_sample": 4, "summary_set_id": 2}
    other = encoded([((1, 2, 9.0), [(1, 5.0)])], "summary", header=header)
    found = compare(one, other)
    assert found.differences[:2] == [
        Difference("header", {}, "len_sample", 3, 4),
        Difference("header", {}, "summary_set_id", 1, 2),
    ]
    assert found.differences[2].field == "loss"
    assert found.counts["header"].differ == 2


def test_streams_of_different_types_differ_and_are_not_compared_further() -> None:
    found = compare(encoded(TWO_EVENTS), encoded(TWO_EVENTS, "gul_item"))
    assert found.differences == [Difference("header", {}, "stream", "loss", "gul_item")]
    assert found.counts["event"].compared == 0
    assert "nothing else is compared" in found.notes[0]


def test_a_type_that_is_not_the_expected_one_is_an_error() -> None:
    with pytest.raises(evstream.StreamMismatchError):
        compare(encoded(TWO_EVENTS), encoded(TWO_EVENTS), stream="summary")


def test_a_missing_final_delimiter_is_a_note_and_an_error_under_strict() -> None:
    def pair() -> tuple[io.BytesIO, io.BytesIO]:
        return encoded(TWO_EVENTS), encoded(TWO_EVENTS, final_delimiter=False)

    found = compare(*pair())
    assert found.equal
    assert found.notes == ["B ends without the final delimiter"]
    with pytest.raises(evstream.TruncatedStreamError):
        compare(*pair(), strict=True)


EQUAL_VALUES = [(NAN, NAN), (INF, INF), (-INF, -INF), (0.0, -0.0), ("nan:0x7fc00123", NAN)]
OTHER_VALUES = [(NAN, 1.0), (1.0, NAN), (INF, -INF), (INF, NAN), (INF, 3e38), (0.0, INF)]


@pytest.mark.parametrize(("one", "other"), EQUAL_VALUES)
def test_values_that_equal_each_other(one: Any, other: Any) -> None:
    assert report([((1, 1), [(1, one)])], [((1, 1), [(1, other)])]).equal


@pytest.mark.parametrize(("one", "other"), OTHER_VALUES)
@pytest.mark.parametrize("tolerance", [0.0, 1e30, INF])
def test_no_tolerance_makes_nan_or_infinity_equal_to_another_value(
    one: float, other: float, tolerance: float
) -> None:
    blocks = [[((1, 1), [(1, value)])] for value in (one, other)]
    found = report(*blocks, absolute=tolerance, relative=tolerance)
    assert [found.counts["record"].differ, found.max_absolute] == [1, 0.0]


@pytest.mark.parametrize(
    ("options", "equal"),
    [
        ({}, False),
        ({"absolute": 0.5}, True),
        ({"absolute": 0.4}, False),
        ({"relative": 0.005}, True),
        ({"relative": 0.004}, False),
        ({"absolute": 0.1, "relative": 0.004}, True),
    ],
)
def test_the_tolerance_is_absolute_plus_relative_of_the_larger_value(
    options: dict[str, float], equal: bool
) -> None:
    one, other = ([((1, 1), [(1, value)])] for value in (99.5, 100.0))
    for pair in ((one, other), (other, one)):
        found = report(*pair, **options)
        assert found.equal is equal
        assert (found.max_absolute, found.max_relative) == (0.5, 0.005)


@pytest.mark.parametrize("options", [{"absolute": -1.0}, {"relative": NAN}])
def test_a_tolerance_is_a_number_of_0_or_more(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="0 or more"):
        report(TWO_EVENTS, TWO_EVENTS, **options)


def test_items_in_another_order_differ_in_order_alone() -> None:
    other = [TWO_EVENTS[1], TWO_EVENTS[0], TWO_EVENTS[2]]
    found = report(TWO_EVENTS, other)
    assert found.differences == [Difference("order", {"event_id": 1}, "items")]
    assert (found.counts["item"].reordered, found.counts["record"].differ) == (1, 0)
    assert report(TWO_EVENTS, other, ignore_order=True).equal


def test_records_in_another_order_differ_in_order_alone() -> None:
    other = changed(TWO_EVENTS, 0, [(1, 1.0), (2, 3.0), (-1, 2.0)])
    found = report(TWO_EVENTS, other)
    assert found.differences == [Difference("order", where(1, 7), "records")]
    assert found.counts["record"].reordered == 1
    assert report(TWO_EVENTS, other, ignore_order=True).equal


def test_events_in_another_order_differ_in_order_alone() -> None:
    other = [TWO_EVENTS[2], *TWO_EVENTS[:2]]
    found = report(TWO_EVENTS, other)
    assert [d.kind for d in found.differences] == ["order"]
    assert found.differences[0].field == "event"
    assert found.counts["event"].compared == 2
    assert report(TWO_EVENTS, other, ignore_order=True).equal


def test_another_order_hides_no_loss() -> None:
    changed_loss = changed(TWO_EVENTS, 1, [(2, 6.0), (-1, 5.0)])
    other = [changed_loss[2], changed_loss[1], changed_loss[0]]
    expected = Difference("value", where(1, 8, 2), "loss", 5.0, 6.0)
    assert expected in differences(TWO_EVENTS, other)
    assert differences(TWO_EVENTS, other, ignore_order=True) == [expected]


def test_repeated_ids_are_matched_in_their_order() -> None:
    one = [((1, 7), [(1, 1.0), (1, 2.0), (1, 3.0)]), ((1, 8), [(1, 1.0)]), ((1, 7), [(1, 4.0)])]
    other = [((1, 7), [(1, 1.0), (1, 2.5)]), ((1, 7), [(1, 4.5)]), ((1, 7), [])]
    assert differences(one, other) == [
        Difference("item", where(1, 8), "records", 1, None),
        Difference("item", where(1, 7), "records", None, 0),
        Difference("value", where(1, 7, 1), "loss", 2.0, 2.5),
        Difference("value", where(1, 7, 1), "loss", 4.0, 4.5),
        Difference("record", where(1, 7, 1), "loss", 3.0, None),
    ]


def test_an_event_that_comes_twice_is_matched_in_its_order() -> None:
    one = [((1, 7), [(1, 1.0)]), ((2, 7), [(1, 2.0)]), ((1, 7), [(1, 3.0)])]
    other = [((1, 7), [(1, 1.0)]), ((2, 7), [(1, 2.0)]), ((1, 7), [(1, 4.0)])]
    assert report(one, one).equal
    assert differences(one, other) == [Difference("value", where(1, 7, 1), "loss", 3.0, 4.0)]
    assert differences(one, one[:2]) == [Difference("event", {"event_id": 1}, "items", 1, None)]


class TestZeros:
    """A loss of zero and a sample that is not there."""

    one = ((1, 7), [(-1, 2.0), (1, 0.0), (2, 3.0)])
    other = ((1, 7), [(-1, 2.0), (2, 3.0), (3, -0.0)])

    def test_they_differ(self) -> None:
        assert differences([self.one], [self.other]) == [
            Difference("record", where(1, 7, 1), "loss", 0.0, None),
            Difference("record", where(1, 7, 3), "loss", None, 0.0),
        ]

    def test_they_are_equal_by_choice(self) -> None:
        found = report([self.one], [self.other], zeros=True)
        assert found.equal
        assert found.counts["record"].compared == 4

    def test_an_absent_sample_then_differs_from_a_loss_by_that_loss(self) -> None:
        more = ((1, 7), [(-1, 2.0), (1, 0.5), (2, 3.0)])
        found = report([self.other], [more], zeros=True)
        assert found.differences == [Difference("value", where(1, 7, 1), "loss", 0.0, 0.5)]
        assert (found.max_absolute, found.max_relative) == (0.5, 1.0)
        assert report([self.other], [more], zeros=True, absolute=0.5).equal

    def test_a_special_sidx_is_no_sample(self) -> None:
        found = differences([((1, 7), [(-1, 0.0)])], [((1, 7), [])], zeros=True)
        assert found == [Difference("record", where(1, 7, -1), "loss", 0.0, None)]

    def test_nan_is_not_zero(self) -> None:
        found = report([((1, 7), [(1, NAN)])], [((1, 7), [])], zeros=True, absolute=9.0)
        assert found.counts["record"].differ == 1


def test_all_differences_are_counted_and_the_first_listed() -> None:
    one = [((event, 1), [(1, 1.0)]) for event in range(1, 51)]
    other = [((event, 1), [(1, 2.0)]) for event in range(1, 51)]
    found = report(one, other, first=3)
    assert [d.ids["event_id"] for d in found.differences] == [1, 2, 3]
    assert (found.found, found.counts["event"].differ, found.counts["item"].differ) == (50, 50, 50)
    nothing_listed = report(one, other, first=0)
    assert (nothing_listed.differences, nothing_listed.equal) == ([], False)


def test_streams_of_two_widths_are_compared_when_they_are_opened_as_such() -> None:
    wide = {"oasis_int": "i8", "oasis_float": "f8"}

    def both(factor: float) -> tuple[EventStream, EventStream]:
        blocks = [(ids, [(s, x * factor) for s, x in pairs]) for ids, pairs in TWO_EVENTS]
        return (
            evstream.open(encoded(TWO_EVENTS)),
            evstream.open(encoded(blocks, widths=wide), widths=wide),
        )

    assert compare(*both(1.0)).equal
    assert compare(*both(1 + 1e-12)).counts["record"].differ == 7
    assert compare(*both(1 + 1e-12), relative=1e-6).equal


def test_the_same_bits_are_different_numbers_at_different_widths() -> None:
    one, other = (
        evstream.open(encoded([((1, 1), [(1, oracle.Bits(1))])], widths=widths), widths=widths)
        for widths in ({"oasis_float": "f4"}, {"oasis_float": "f8"})
    )
    assert not compare(one, other).equal


def events_with(ids: Iterable[int]) -> Blocks:
    return [((event, 1), [(1, float(event))]) for event in ids]


def event_differences(a: Iterable[int], b: Iterable[int]) -> list[tuple[Any, ...]]:
    found = differences(events_with(a), events_with(b))
    return [(d.ids["event_id"], d.kind, d.a, d.b) for d in found]


def test_events_in_another_order_are_seen_from_either_side() -> None:
    expected = [(2, "order", 5, 1), *((event, "event", 1, None) for event in (10, 11, 12))]
    assert sorted(event_differences([1, 10, 11, 12, 2], [2, 1])) == sorted(expected)


def test_an_event_that_waits_is_matched_before_a_later_one_of_its_id() -> None:
    expected = [(5, "order", 1, 5), (5, "event", 1, None)]
    assert event_differences([5, 1, 2, 3, 4, 5, 6, 7], range(1, 8)) == expected


class TestLookAhead:
    """Events without counterpart wait, so many at most."""

    @pytest.fixture(autouse=True)
    def _few(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(streams, "LOOK_AHEAD_EVENTS", 5)

    @pytest.mark.parametrize("gap", [range(1, 40), range(30, 60), range(80, 101)])
    def test_ascending_streams_are_matched_over_any_gap(self, gap: range) -> None:
        whole = range(1, 101)
        rest = [event for event in whole if event not in gap]
        for a, b, count in ((whole, rest, "only_in_a"), (rest, whole, "only_in_b")):
            found = report(events_with(a), events_with(b), first=1000)
            assert sorted(d.ids["event_id"] for d in found.differences) == list(gap)
            assert getattr(found.counts["event"], count) == len(gap)
            assert found.counts["event"].compared == len(rest)
            assert found.notes == []

    def test_ascending_streams_with_nothing_in_common(self) -> None:
        found = report(events_with(range(1, 100, 2)), events_with(range(2, 100, 2)))
        counts = found.counts["event"]
        assert (counts.compared, counts.only_in_a, counts.only_in_b) == (0, 50, 49)
        assert found.notes == []

    def test_other_orders_are_matched_as_far_as_events_wait(self) -> None:
        shuffled = [3, 1, 2, 8, 5, 4, 7, 6, 9, 10]
        assert report(events_with(range(1, 11)), events_with(shuffled), ignore_order=True).equal
        descending = list(range(40, 0, -1))
        found = report(events_with([*range(104, 100, -1), *descending]), events_with(descending))
        assert (found.counts["event"].only_in_a, found.counts["event"].compared) == (4, 40)

    def test_beyond_that_a_note_says_that_events_may_be_in_both(self) -> None:
        far = [*range(21, 41), *range(1, 21)]
        found = report(events_with(range(1, 41)), events_with(far), ignore_order=True)
        assert not found.equal
        assert found.counts["event"].only_in_a == found.counts["event"].only_in_b > 0
        assert "may be in the other" in found.notes[0]

    def test_a_last_event_that_does_not_ascend_is_enough_for_the_note(self) -> None:
        found = report(events_with(range(1, 41)), events_with([*range(21, 41), 1]))
        assert found.counts["event"].only_in_b == 1
        assert "may be in the other" in found.notes[0]

    def test_their_bytes_are_limited_too(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(streams, "LOOK_AHEAD_EVENTS", 1000)
        shuffled = [3, 1, 2, 8, 5, 4, 7, 6, 9, 10]
        assert report(events_with(range(1, 11)), events_with(shuffled), ignore_order=True).equal
        monkeypatch.setattr(streams, "LOOK_AHEAD_BYTES", 1)
        assert report(events_with(range(1, 11)), events_with(shuffled), ignore_order=True).notes


# The same by dicts, from what the oracle reads.

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
        ids, entries = st.tuples(IDS, IDS, IDS), st.lists(st.tuples(LOSSES, LOSSES), max_size=3)
    elif stream == "summary":
        ids = st.tuples(IDS, IDS, LOSSES)
    elif stream == "event_ids":
        ids, entries = st.tuples(IDS), st.just([])
    blocks = draw(st.lists(st.tuples(ids, entries), max_size=12))
    if draw(st.booleans()):
        blocks.sort(key=lambda block: block[0][0])
    return blocks


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
    data = [oracle.encode(stream, HEADERS[stream], blocks) for blocks in (one, other)]
    return stream, data[0], data[1]


@given(two_streams(), st.booleans(), st.booleans(), st.integers(0, 300), st.integers(0, 300))
def test_random_streams_differ_as_their_dicts_do(
    streams: tuple[str, bytes, bytes], ignore_order: bool, zeros: bool, step_a: int, step_b: int
) -> None:
    stream, one, other = streams

    def listing(first: int) -> Report:
        return compare(
            EventStream(Trickle(one, 256 + step_a), stream, chunk=256),
            EventStream(Trickle(other, 256 + step_b), stream, chunk=512),
            ignore_order=ignore_order,
            zeros=zeros,
            first=first,
        )

    found = listing(10**6)
    for first in (0, 2):
        shorter = replace(found, differences=found.differences[:first])
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
    assert found.counts["event"].reordered == moved


MANY = [
    ((event, item), [(-1, 2.0), *((sidx, event + item / 8 + sidx) for sidx in range(1, 4))])
    for event in range(1, 60)
    for item in range(1, 4)
]


@given(st.integers(0, len(MANY) - 1), st.integers(0, 3), st.integers(1, 600), st.data())
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
    one = oracle.encode("loss", HEADERS["loss"], MANY)
    found = compare(io.BytesIO(one), Trickle(encoded(changed(MANY, at, other)).getvalue(), size))
    assert found.differences == [expected]
    assert found.counts["event"].compared == 59
    assert (found.counts["event"].differ, found.counts["item"].differ) == (1, 1)


@pytest.mark.parametrize("first", [0, 1, 500])
def test_the_counts_do_not_depend_on_how_many_differences_are_listed(first: int) -> None:
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


@pytest.mark.skipif(not CORPUS.exists(), reason="no corpus here")
def test_streams_of_the_reference_tools_equal_themselves() -> None:
    for path in sorted(CORPUS.glob("*.bin"))[:20]:
        try:
            with evstream.open(path) as stream:
                list(stream)
        except evstream.EvstreamError:
            continue
        assert compare(path, path).equal


# The command.


def run(*arguments: object) -> int:
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers(required=True))
    options = parser.parse_args(["diff", *map(str, arguments)])
    return int(options.run(options))


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    one, other = tmp_path / "a.bin", tmp_path / "b.bin"
    one.write_bytes(encoded([((1, 7, 9.0), [(1, 120.1), (2, 3.0)])], "summary").getvalue())
    blocks = [((1, 7, 9.0), [(1, 120.2)]), ((2, 7, 9.0), [(1, 1.0)])]
    other.write_bytes(encoded(blocks, "summary").getvalue())
    return one, other


def test_the_command_says_where_what_and_how_much(
    files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*files, "--first", 2) == 1
    assert (
        capsys.readouterr().out
        == f"""\
A {files[0]}
B {files[1]}
event_id 1, summary_id 7, sidx 1: loss 120.1 in A, 120.2 in B
event_id 1, summary_id 7, sidx 2: only in A (loss 3.0)
1 more
                 compared          differ       only in A       only in B       reordered
events                  1               1               0               1               0
items                   1               1               0               0               0
records                 1               1               1               0               0
values differ by up to 0.0999985, relative 0.000832
different
"""
    )


def test_the_command_is_short_where_nothing_differs(
    files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(files[0], files[0]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "equal"


def test_the_command_takes_the_tolerance_and_the_choices(tmp_path: Path) -> None:
    one, other = tmp_path / "a.bin", tmp_path / "b.bin"
    one.write_bytes(encoded(TWO_EVENTS).getvalue())
    near = [((1, 8), [(-1, 5.0), (2, 5.01)]), ((1, 7), [(-1, 2.0), (1, 1.0), (2, 3.0), (3, 0.0)])]
    other.write_bytes(encoded([*near, TWO_EVENTS[2]]).getvalue())
    choices = ["--ignore-order", "--zeros", "--absolute=0.1"]
    assert run(one, other, *choices) == 0
    assert run(one, other, "--ignore-order", "--zeros", "--relative=1e-2") == 0
    for left_out in choices:
        assert run(one, other, *(choice for choice in choices if choice != left_out)) == 1


def test_the_json_of_a_report_is_one_object(
    files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*files, "--json") == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["equal"], told["found"], told["stream"]) == (False, 3, "summary")
    assert told["counts"]["event"]["only_in_b"] == 1
    ids = {"event_id": 1, "summary_id": 7, "sidx": 1}
    assert told["differences"][0] == {
        "kind": "value", "ids": ids, "field": "loss", "a": 120.1, "b": 120.2
    }  # fmt: skip
    assert told["differences"][2]["b"] == 1


def test_json_has_no_nan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = []
    for name, value in (("a", NAN), ("b", INF)):
        paths.append(tmp_path / name)
        paths[-1].write_bytes(encoded([((1, 7), [(1, value)])]).getvalue())
    assert run(*paths, "--json") == 1
    first = json.loads(capsys.readouterr().out)["differences"][0]
    assert (first["a"], first["b"]) == ("nan", "inf")


def test_the_command_raises_what_reading_raises(files: tuple[Path, Path]) -> None:
    files[1].write_bytes(files[1].read_bytes()[:-3])
    with pytest.raises(evstream.TruncatedStreamError, match=files[1].name):
        run(*files)


def test_both_streams_cannot_be_stdin() -> None:
    with pytest.raises(ValueError, match="stdin"):
        run("-", "-")
    with pytest.raises(ValueError, match="stdin"):
        compare("-", "-")


@pytest.mark.parametrize("wrong", ["--absolute=-1", "--relative=nan", "--first=x"])
def test_a_wrong_number_is_a_wrong_command_line(wrong: str, files: tuple[Path, Path]) -> None:
    with pytest.raises(SystemExit):
        run(*files, wrong)


def test_values_keep_their_width() -> None:
    found = differences([((1, 1), [(1, 0.1)])], [((1, 1), [(1, 0.2)])])[0]
    assert isinstance(found.a, np.float32)
    assert str(found.a) == "0.1"
