"""Events, items and records in another order are a difference of order alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from diff_cases import TWO_EVENTS, Blocks, changed, differences, report, where
from evstream.comparison import Difference, streams


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


def events_with(ids: Iterable[int]) -> Blocks:
    return [((event, 1), [(1, float(event))]) for event in ids]


def event_differences(a: Iterable[int], b: Iterable[int]) -> list[tuple[Any, ...]]:
    found = differences(events_with(a), events_with(b))
    return [(d.ids["event_id"], d.kind, d.a, d.b) for d in found]


def test_events_in_another_order_are_seen_from_either_side() -> None:
    expected = [(2, "order", 5, 1), *((event, "event", 1, None) for event in (10, 11, 12))]
    assert sorted(event_differences([1, 10, 11, 12, 2], [2, 1])) == sorted(expected)


def test_a_waiting_event_is_matched_before_a_later_one() -> None:
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

    def test_one_event_out_of_order_is_enough_for_the_note(self) -> None:
        found = report(events_with(range(1, 41)), events_with([*range(21, 41), 1]))
        assert found.counts["event"].only_in_b == 1
        assert "may be in the other" in found.notes[0]

    def test_their_bytes_are_limited_too(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(streams, "LOOK_AHEAD_EVENTS", 1000)
        shuffled = [3, 1, 2, 8, 5, 4, 7, 6, 9, 10]
        assert report(events_with(range(1, 11)), events_with(shuffled), ignore_order=True).equal
        monkeypatch.setattr(streams, "LOOK_AHEAD_BYTES", 1)
        assert report(events_with(range(1, 11)), events_with(shuffled), ignore_order=True).notes
