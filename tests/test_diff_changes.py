"""Totals and the largest changes of two streams, whatever their size and where they part."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import evstream
from diff_cases import Blocks, changed, encoded
from evstream.comparison import changes as module
from evstream.comparison import compare
from evstream.errors import ChangedSourceError
from evstream.reading.stream import EventStream
from oracle import encode

BLOCKS: Blocks = [
    ((1 + number // 3, 1 + number % 3), [(-1, 2.5), *((sidx, float(sidx)) for sidx in (1, 2, 3))])
    for number in range(60)
]


@pytest.mark.parametrize("chunk", [256, 264, 1000])
@pytest.mark.parametrize("stream", ["loss", "summary"])
def test_sums_of_files_are_those_of_pipes(tmp_path: Path, chunk: int, stream: str) -> None:
    """What is the same in two files is read again for its sums, and in pipes summed at once."""
    more = (9.0,) if stream == "summary" else ()
    blocks = [((*ids, *more), entries) for ids, entries in BLOCKS]
    one, other = tmp_path / "a.bin", tmp_path / "b.bin"
    one.write_bytes(encoded(blocks, stream).getvalue())
    for at in (*range(0, 60, 7), 59):
        for b in (changed(blocks, at, [(-1, 2.5), (2, 7.0)]), blocks[:at], [*blocks, blocks[at]]):
            data = encoded(b, stream).getvalue()
            other.write_bytes(data)
            files = [EventStream(path, chunk=chunk) for path in (one, other)]
            pipes = [EventStream(encoded(each, stream), chunk=chunk) for each in (blocks, b)]
            of_files, of_pipes = compare(*files), compare(*pipes)
            assert replace(of_files, a="", b="") == replace(of_pipes, a="", b="")
            assert {total.kind for total in of_files.totals} >= {"", "mean", "samples"}


def test_a_file_that_shrinks_meanwhile_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = tmp_path / "a.bin", tmp_path / "b.bin"
    short = tmp_path / "short.bin"
    short.write_bytes(encoded(BLOCKS[:6]).getvalue())
    one.write_bytes(encoded(BLOCKS).getvalue())
    other.write_bytes(encoded([*BLOCKS, ((99, 1), [(1, 1.0)])]).getvalue())
    monkeypatch.setattr(
        "evstream.comparison.streams.reader_again", lambda stream: lambda: EventStream(short)
    )
    with (
        EventStream(one, chunk=256) as a,
        EventStream(other, chunk=256) as b,
        pytest.raises(ChangedSourceError, match="shorter"),
    ):
        compare(a, b)


def test_streams_that_are_the_same_have_no_sums(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(encoded(BLOCKS).getvalue())
    for found in (compare(path, path), compare(encoded(BLOCKS), encoded(BLOCKS))):
        assert [(total.name, total.a, total.b) for total in found.totals] == [
            ("events", 20, 20), ("items", 60, 60), ("records", 240, 240)
        ]  # fmt: skip
        assert found.to_text().endswith("20 events, 60 items, 240 records")


def test_what_lies_within_the_tolerance_is_summed() -> None:
    near = changed(BLOCKS, 30, [(-1, 2.5), (1, 1.25), (2, 2.0), (3, 3.0)])
    found = compare(encoded(BLOCKS), encoded(near), absolute=0.5)
    assert found.equal
    (samples,) = (total for total in found.totals if total.kind == "samples")
    assert (samples.a, samples.b, samples.difference) == (360, 360.25, 0.25)
    assert found.to_text().endswith("values differ by up to 0.25, relative 0.2")


def test_the_largest_changes_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAITING", 3)
    other = [(ids, [(-1, 2.5), (1, float(n % 17))]) for n, (ids, _) in enumerate(BLOCKS)]
    every = compare(encoded(BLOCKS), encoded(other), top=1000)
    some = compare(encoded(BLOCKS), encoded(other), top=4)
    assert some.event_changes == every.event_changes[:4]
    assert some.item_changes == every.item_changes[:4]
    assert {change.ids["item_id"] for change in every.item_changes} == {1, 2, 3}
    assert len(every.item_changes) == 3


def test_a_table_of_items_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_ITEMS", 8)
    monkeypatch.setattr(module, "WAITING", 4)
    blocks = [((1 + n // 10, 1 + n), [(1, 1.0)]) for n in range(40)]
    other = [(ids, [(1, 1.0 + ids[1])]) for ids, _ in blocks]
    found = compare(encoded(blocks), encoded(other), top=3)
    assert [change.ids["item_id"] for change in found.item_changes] == [40, 39, 38]
    assert any("more than 8 items change" in note for note in found.notes)


def test_the_order_of_additions_is_not_a_change() -> None:
    rng = np.random.default_rng(5)
    entries = [(-1, float(loss)) for loss in rng.random(1)]
    entries += [(sidx, float(loss)) for sidx, loss in enumerate(rng.random(3) * 1e6, 1)]
    items = [((1, item), [(s, v * item) for s, v in entries]) for item in range(1, 30)]
    found = compare(encoded(items), encoded(items[::-1]))
    assert found.counts["event"].differ == 1
    assert (found.event_changes, found.item_changes) == ([], [])
    assert all(total.difference == 0 for total in found.totals)
    assert compare(encoded(items), encoded(items[::-1]), ignore_order=True).equal


def test_changes_have_the_names_of_any_format() -> None:
    path = Path(__file__).parent / "golden" / "cdf_i4_f4_u4.bin"
    rows = evstream.read_columns(path)
    rows["bin_mean"] = rows["bin_mean"] / 2
    target = io.BytesIO()
    with evstream.create(target, "cdf") as out:
        out.write_columns(**rows)
    target.seek(0)
    found = evstream.compare(path, target)
    assert list(found.item_changes[0].ids) == ["areaperil_id", "vulnerability_id"]
    assert {change.name for change in found.event_changes} == {"bin_mean"}
    (total,) = (total for total in found.totals if total.name == "bin_mean")
    assert total.b == pytest.approx(total.a / 2)


def test_streams_of_different_types_have_no_sums() -> None:
    """Neither is read, so a total of 0 events would be invented."""
    one = encode("loss", {"len_sample": 4}, [((1, 5), [(1, 2.0)])])
    other = encode("gul_item", {"len_sample": 4}, [((1, 5), [(1, 2.0)])])
    found = evstream.compare(io.BytesIO(one), io.BytesIO(other))
    assert (found.equal, found.totals) == (False, [])
    assert "events" not in str(found).partition("compared")[0]
