"""An aggregation gives what numpy makes of all rows, however the rows come."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evstream
from evstream import StreamMismatchError
from evstream.aggregation import keys as keys_module
from golden_files import LEGAL, golden_bytes
from oracle import encode

pytestmark = [
    pytest.mark.filterwarnings("ignore::evstream.MissingDelimiterWarning"),
    pytest.mark.filterwarnings("ignore::evstream.SuspectWarning"),
    pytest.mark.filterwarnings("ignore::evstream.RowsWarning"),
    pytest.mark.filterwarnings("ignore::evstream.AbsentEventWarning"),
]

PAIRS = [(-1, 1.5), (1, 2.0), (2, 1.0)]
BLOCKS = [((event, item), [(s, loss * event + item) for s, loss in PAIRS])
          for event in range(1, 30) for item in (7, 3, 9, 1)]  # fmt: skip
STREAM = encode("loss", {"len_sample": 2}, BLOCKS)


def expected_table(rows: dict[str, Any], by: list[str], values: list[str]) -> dict[str, Any]:
    """The same by a loop over all rows."""
    groups: dict[Any, list[int]] = {}
    for row, key in enumerate(zip(*(rows[name].tolist() for name in by), strict=True)):
        groups.setdefault(key, []).append(row)
    keys = sorted(groups)
    table: dict[str, Any] = {
        name: np.array([key[number] for key in keys], rows[name].dtype)
        for number, name in enumerate(by)
    }
    table["count"] = np.array([len(groups[key]) for key in keys], np.int64)
    for name in values:
        with np.errstate(all="ignore"):
            column = rows[name].astype(np.float64)
            table[f"{name}_sum"] = np.array([column[groups[key]].sum() for key in keys])
        table[f"{name}_mean"] = table[f"{name}_sum"] / table["count"]
        table[f"{name}_max"] = np.array([column[groups[key]].max() for key in keys])
    return table


def assert_same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    assert list(found) == list(expected)
    for name, column in found.items():
        assert column.dtype == expected[name].dtype, name
        if column.dtype.kind == "f":
            np.testing.assert_allclose(column, expected[name], rtol=1e-12)
        else:
            assert column.tolist() == expected[name].tolist()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a.bin"
    path.write_bytes(STREAM)
    return path


@pytest.mark.parametrize("entry", LEGAL, ids=lambda entry: entry["file"])
def test_an_aggregation_is_that_of_all_rows(entry):
    options: dict[str, Any] = {"stream": entry["stream"], "widths": entry["widths"]}
    data = golden_bytes(entry)
    rows = evstream.read_columns(io.BytesIO(data), **options)
    header = evstream.open(io.BytesIO(data), **options).header
    keys = [name for name in header.block_columns if name in header.key_columns]
    values = [name for name in header.entry_columns if name != "sidx"]
    for by in (keys[:1], keys[-1:], keys, keys[::-1]):
        found = evstream.aggregate(io.BytesIO(data), by, **options)
        assert_same(found, expected_table(rows, by, values))
    for sidx in (-1, range(1, 3), [-5, 2], [], 10_000) if "sidx" in rows else ():
        found = evstream.aggregate(io.BytesIO(data), keys, sidx=sidx, **options)
        chosen = np.isin(rows["sidx"], list(sidx) if not isinstance(sidx, int) else sidx)
        some = {name: column[chosen] for name, column in rows.items()}
        assert_same(found, expected_table(some, keys, values))


@pytest.mark.parametrize("threads", [1, 3])
def test_any_source_gives_the_same(path, tmp_path, threads):
    expected = expected_table(evstream.read_columns(path), ["item_id"], ["loss"])
    folder = tmp_path / "folder"
    folder.mkdir()
    half = len(BLOCKS) // 2
    for name, blocks in (("1.bin", BLOCKS[:half]), ("2.bin", BLOCKS[half:])):
        (folder / name).write_bytes(encode("loss", {"len_sample": 2}, blocks))
    parts = evstream.parts(path, 100)
    several = [folder / "1.bin", folder / "2.bin"]
    sources = [path, str(path), several, folder, f"{folder}/*.bin", parts, list(parts)]
    for source in [*sources, io.BytesIO(STREAM)]:
        found = evstream.aggregate(source, "item_id", threads=threads)
        assert_same(found, expected)


def test_partials_merge_and_pickle(path):
    partials = [evstream.partial_aggregate(part, ["event_id", "item_id"], sidx=range(1, 3))
                for part in evstream.parts(path, 150)]  # fmt: skip
    assert len(partials) > 5
    partials = pickle.loads(pickle.dumps(partials))
    merged = partials[0].merge(*partials[1:])
    whole = evstream.aggregate(path, ["event_id", "item_id"], sidx=[1, 2])
    assert_same(merged.table(), whole)
    assert_same(partials[-1].merge(*partials[:-1]).table(), whole)
    other = evstream.partial_aggregate(path, "item_id")
    with pytest.raises(StreamMismatchError, match="the partial is of loss by item_id"):
        merged.merge(other)


def test_groups_of_any_number_keep_their_sums(monkeypatch):
    monkeypatch.setattr(keys_module, "FIRST", 2)
    events = np.random.default_rng(3).integers(1, 2**31 - 1, 5000).tolist()
    blocks = [((event, item), [(1, float(item))]) for event in events for item in (1, 2)]
    data = encode("loss", {"len_sample": 1}, blocks)
    for by in (["event_id"], ["event_id", "item_id"], ["item_id"]):
        found = evstream.aggregate(io.BytesIO(data), by)
        assert_same(found, expected_table(evstream.read_columns(io.BytesIO(data)), by, ["loss"]))


@pytest.mark.parametrize("indexed", [False, True])
def test_some_events_are_aggregated(path, indexed):
    if indexed:
        evstream.build_index(path)
    expected = expected_table(evstream.read_columns(path, [3, 5]), ["item_id"], ["loss"])
    for source in (path, [path], evstream.parts(path, 100), io.BytesIO(STREAM)):
        assert_same(evstream.aggregate(source, "item_id", events=[3, 5]), expected)
    of_parts = evstream.aggregate(evstream.parts(path, 100, events=[3, 5]), "item_id")
    assert_same(of_parts, expected)


def test_infinities_of_parts_add_up(path):
    high, low = float("inf"), -float("inf")
    for pair, expected in (((high, high), high), ((high, low), float("nan"))):
        blocks = [((1, item), [(1, loss)]) for item, loss in enumerate(pair, 1)]
        path.write_bytes(encode("loss", {"len_sample": 2}, blocks))
        table = evstream.aggregate(evstream.parts(path, 8), "event_id")
        np.testing.assert_equal(table["loss_sum"], [expected])


def test_a_nan_is_not_hidden():
    blocks = [((1, 1), [(1, float("nan")), (2, 5.0)]), ((1, 1), [(1, 7.0)]), ((1, 2), [(1, -3.0)])]
    data = encode("loss", {"len_sample": 2}, blocks)
    for sidx in (None, [1, 2], range(1, 3), [1, 5]):
        table = evstream.aggregate(io.BytesIO(data), "item_id", sidx=sidx)
        for name in ("loss_sum", "loss_mean", "loss_max"):
            assert np.isnan(table[name]).tolist() == [True, False]
        assert table["loss_max"][1] == -3.0


def test_a_range_of_sidx_is_that_of_its_numbers():
    """In any order, with others between them, and whatever is lost to comparisons."""
    numbers, odd = np.random.default_rng(7), (float("nan"), float("inf"), -float("inf"), 0.5)
    blocks = []
    for item in range(1, 200):
        sidx = numbers.permutation(np.arange(1, 14))[: numbers.integers(0, 14)]
        losses = numbers.integers(-9, 9, len(sidx)) / 2
        if len(losses) and item % 3 == 0:
            losses[numbers.integers(len(losses))] = odd[item % 4]
        blocks.append(((1, item), list(zip(sidx.tolist(), losses.tolist(), strict=True))))
    data = encode("loss", {"len_sample": 13}, blocks)
    for low, high in ((1, 14), (3, 11), (5, 6), (20, 30)):
        ranged = evstream.aggregate(io.BytesIO(data), "item_id", sidx=range(low, high))
        one_by_one = [*range(low, high), 99]  # no stream has 99, so this is not a range
        assert_same(ranged, evstream.aggregate(io.BytesIO(data), "item_id", sidx=one_by_one))


def test_a_stream_without_blocks_has_an_empty_table():
    table = evstream.aggregate(io.BytesIO(STREAM[:8]), ["event_id", "item_id"])
    assert {name: (len(column), str(column.dtype)) for name, column in table.items()} == {
        "event_id": (0, "int32"), "item_id": (0, "int32"), "count": (0, "int64"),
        "loss_sum": (0, "float64"), "loss_mean": (0, "float64"), "loss_max": (0, "float64"),
    }  # fmt: skip


@pytest.mark.parametrize("by", ["loss", "sidx", (), ("item_id", "item_id"), "nothing"])
def test_a_key_is_of_columns_of_blocks(by):
    with pytest.raises(ValueError, match="expected one or several of event_id, item_id"):
        evstream.aggregate(io.BytesIO(STREAM), by)


def test_a_broken_part_is_an_error(path):
    path.write_bytes(STREAM[:-3])
    with pytest.raises(evstream.TruncatedStreamError):
        evstream.aggregate(evstream.parts(path, 100), "item_id", threads=2)
    data = encode("event_ids", {}, [((1,), [])])
    with pytest.raises(TypeError, match="no sidx"):
        evstream.aggregate(io.BytesIO(data), "event_id", sidx=1, stream="event_ids")
