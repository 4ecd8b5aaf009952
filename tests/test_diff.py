"""The comparison of two streams finds what differs, where, and nothing else."""

from __future__ import annotations

import io
from typing import Any

import pytest

import evstream
import oracle
from diff_cases import HEADERS, ID_NAMES, TWO_EVENTS, changed, differences, encoded, report, where
from evstream.comparison import Difference, compare
from golden_files import CORPUS, ENTRIES, GOLDEN, LEGAL, Entry, file_name
from support import Trickle


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


def test_streams_of_different_types_are_not_compared_further() -> None:
    found = compare(encoded(TWO_EVENTS), encoded(TWO_EVENTS, "gul_item"))
    assert found.differences == [Difference("header", {}, "stream", "loss", "gul_item")]
    assert found.counts["event"].compared == 0
    assert "nothing else is compared" in found.notes[0]


def test_a_type_that_is_not_the_expected_one_is_an_error() -> None:
    with pytest.raises(evstream.StreamMismatchError):
        compare(encoded(TWO_EVENTS), encoded(TWO_EVENTS), stream="summary")


def test_a_missing_delimiter_is_a_note_or_a_strict_error() -> None:
    def pair() -> tuple[io.BytesIO, io.BytesIO]:
        return encoded(TWO_EVENTS), encoded(TWO_EVENTS, final_delimiter=False)

    found = compare(*pair())
    assert found.equal
    assert found.notes == ["B ends without the final delimiter"]
    with pytest.raises(evstream.TruncatedStreamError):
        compare(*pair(), strict=True)


def test_all_differences_are_counted_and_the_first_listed() -> None:
    one = [((event, 1), [(1, 1.0)]) for event in range(1, 51)]
    other = [((event, 1), [(1, 2.0)]) for event in range(1, 51)]
    found = report(one, other, first=3)
    assert [d.ids["event_id"] for d in found.differences] == [1, 2, 3]
    assert (found.found, found.counts["event"].differ, found.counts["item"].differ) == (50, 50, 50)
    nothing_listed = report(one, other, first=0)
    assert (nothing_listed.differences, nothing_listed.equal) == ([], False)


@pytest.mark.skipif(not CORPUS.exists(), reason="no corpus here")
def test_streams_of_the_reference_tools_equal_themselves() -> None:
    for path in sorted(CORPUS.glob("*.bin"))[:20]:
        try:
            with evstream.open(path) as stream:
                list(stream)
        except evstream.EvstreamError:
            continue
        assert compare(path, path).equal
