"""Streams with the same beginning are compared chunk by chunk, with the same result."""

from __future__ import annotations

from itertools import pairwise

import pytest

import oracle
from diff_cases import Blocks, changed, encoded
from evstream.comparison import Comparison, compare
from evstream.comparison.common import Common
from evstream.comparison.matched import Comparer
from evstream.comparison.report import Options
from evstream.reading.stream import EventStream

EVENTS = 1, 1, 1, 2, *[3] * 16, 1, 1, 5, *[6] * 9  # some take several chunks
BLOCKS = [
    ((event, 1 + number % 4), [(-1, 2.0), *((sidx, 1.0) for sidx in range(1, 1 + number % 3))])
    for number, event in enumerate(EVENTS)
]
RECORDS = sum(len(entries) for _, entries in BLOCKS)
RUNS = 1 + sum(a != b for a, b in pairwise(EVENTS))


def compared(a: Blocks, b: Blocks, chunks: tuple[int, int], stream: str = "loss") -> Comparison:
    one, other = (
        EventStream(encoded(blocks, stream), stream, chunk=size)
        for blocks, size in zip((a, b), chunks, strict=True)
    )
    return compare(one, other)


@pytest.mark.parametrize("chunk", range(256, 352, 8))
def test_equal_chunks_count_what_is_the_same(chunk: int) -> None:
    found = compared(BLOCKS, BLOCKS, (chunk, chunk))
    assert (found.found, found.notes) == (0, [])
    compared_ = {level: counts.compared for level, counts in found.counts.items()}
    header = compared_.pop("header")
    assert header > 0
    assert compared_ == {"event": RUNS, "item": len(BLOCKS), "record": RECORDS}


@pytest.mark.parametrize("chunk", [256, 264, 304, 4096])
def test_where_chunks_differ_events_are_matched(chunk: int) -> None:
    for at in range(0, len(BLOCKS), 6):
        other = changed(BLOCKS, at, [(-1, 2.0), (2, 7.0)])
        missing = [*BLOCKS[:at], *BLOCKS[at + 1 :]]
        swapped = [*BLOCKS[:at], *reversed(BLOCKS[at : at + 2]), *BLOCKS[at + 2 :]]
        for b in (other, missing, swapped, BLOCKS[:at]):
            for one, two in ((BLOCKS, b), (b, BLOCKS)):
                found = compared(one, two, (chunk, chunk))
                in_other_chunks = compared(one, two, (chunk, chunk + 8))
                found.a = found.b = in_other_chunks.a = in_other_chunks.b = ""
                assert found == in_other_chunks


def test_the_event_under_way_is_kept_for_both_streams() -> None:
    a, b = (EventStream(encoded(blocks), chunk=256) for blocks in (BLOCKS, BLOCKS[:9]))
    comparer = Comparer(Comparison("", "", ""), a.header, Options(False, False, 0.0, 0.0, 10))
    common = Common(a, b, comparer, None)
    assert (common.events, common.last, common.ascending) == (2, 2, True)
    assert [chunk.columns.block[0][0] for chunk in common.b][:1] == [3]
    assert sum(len(chunk.columns.block[0]) - chunk.continues for chunk in common.a) == 28


def test_ids_alone_are_compared_in_chunks() -> None:
    ids = [((event,), []) for event in range(1, 200)]
    found = compared(ids, ids, (256, 256), "event_ids")
    assert (found.found, found.counts["event"].compared) == (0, 199)
    assert oracle.decode(encoded(ids, "event_ids").getvalue(), "event_ids").error is None
