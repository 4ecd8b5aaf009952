"""Items, names of special sidx and columns select what a filter of all rows gives; what is asked
for and absent is reported."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

import evstream
from evstream.cli.program import main
from evstream.reading.ids import Wanted, ids_in, wanted_of
from frame_cases import READERS
from golden_files import GOLDEN

CDF = GOLDEN / "cdf_i4_f4_u4.bin"
SUMMARY = GOLDEN / "summary_i4_f4.bin"


@pytest.mark.parametrize("kind", READERS)
def test_every_reader_selects_items_sidx_and_columns(gul: Path, kind: str) -> None:
    every = evstream.read_columns(gul)
    keep = np.isin(every["item_id"], [2, 3]) & np.isin(every["sidx"], [-1, 2])
    keep &= np.isin(every["event_id"], range(2, 40, 7))
    table = READERS[kind](
        gul, range(37, 1, -7), ["MEAN", 2], items=[3, 2], columns=["loss", "event_id"]
    )
    if isinstance(table, pa.RecordBatchReader):
        table = table.read_all()
    names = getattr(table, "column_names", None) or list(getattr(table, "columns", table))
    assert names == ["loss", "event_id"]
    assert keep.any()
    for name in names:
        assert np.asarray(table[name]).tolist() == every[name][keep].tolist()


def test_the_item_is_the_key_column_after_the_event() -> None:
    every = evstream.read_columns(SUMMARY)
    one = int(every["summary_id"][0])
    found = evstream.read_columns(SUMMARY, items=one, columns="loss")
    assert found["loss"].tolist() == every["loss"][every["summary_id"] == one].tolist()
    with pytest.raises(TypeError, match="areaperil_id, vulnerability_id distinguish its blocks"):
        evstream.read_columns(CDF, items=1)
    with pytest.raises(TypeError, match="a event_ids stream has no items"):
        evstream.read_columns(GOLDEN / "event_ids_i4.bin", stream="event_ids", items=1)


def test_a_matrix_and_sums_have_the_items_that_were_asked_for(gul: Path) -> None:
    every = evstream.read_dense(gul)
    found = evstream.read_dense(gul, range(1, 9), items=[2])
    keep = (every.ids == 2) & (every.event_ids < 9)
    assert found.losses.tolist() == every.losses[keep].tolist()
    columns = evstream.read_columns(gul)
    sums = evstream.aggregate(gul, "item_id", items=range(2, 4), sidx="mean")
    for item, total in zip(sums["item_id"].tolist(), sums["loss_sum"].tolist(), strict=True):
        chosen = (columns["item_id"] == item) & (columns["sidx"] == -1)
        assert total == pytest.approx(columns["loss"][chosen].sum(dtype=float))
    assert sums["item_id"].tolist() == [2, 3]


@pytest.mark.parametrize(
    ("name", "sidx"),
    [("mean", -1), ("STD_DEV", -2), ("tiv_idx", -3), ("number_of_affected_risk", -4)],
)
def test_special_sidx_have_the_names_of_the_format(gul: Path, name: str, sidx: int) -> None:
    expected = evstream.read_columns(gul, sidx=sidx)
    found = evstream.read_columns(gul, sidx=np.array([name]))
    assert {k: v.tolist() for k, v in found.items()} == {k: v.tolist() for k, v in expected.items()}


@pytest.mark.parametrize(
    ("wish", "error", "text"),
    [
        ({"sidx": "men"}, ValueError, "std_dev, mean; did you mean 'mean'?"),
        ({"sidx": ["mean", 1.5]}, TypeError, "expected an integer or several"),
        ({"columns": ["los"]}, ValueError, "item_id, sidx, loss; did you mean 'loss'?"),
        ({"columns": []}, ValueError, "columns is empty, expected one or several of event_id"),
        ({"columns": ["loss", "loss"]}, ValueError, "columns has 'loss' twice"),
        ({"columns": 3}, TypeError, "columns is 3, expected a name or several"),
        ({"columns": ["file"]}, ValueError, "has no column 'file'"),
        ({"items": "x"}, TypeError, "items is 'x', expected an integer or several"),
        ({"items": True}, TypeError, "items is True"),
    ],
)
def test_a_wish_that_cannot_be_met_is_refused(
    gul: Path, wish: dict[str, Any], error: type[Exception], text: str
) -> None:
    for read in (evstream.read_columns, evstream.read_arrow, evstream.scan_polars):
        with pytest.raises(error) as caught:
            read(gul, **wish)
        assert text in str(caught.value)


def test_the_column_of_files_stands_where_it_is_asked_for(gul: Path) -> None:
    wish: dict[str, Any] = {"events": 2, "sidx": "mean", "file": "src"}
    assert list(evstream.read_columns(gul, **wish, columns=["src", "loss"])) == ["src", "loss"]
    alone = evstream.read_columns(gul, **wish, columns=["src"])
    rows = len(evstream.read_columns(gul, 2, -1)["loss"])
    assert [(name, list(column)) for name, column in alone.items()] == [("src", [str(gul)] * rows)]
    table = evstream.read_arrow(gul, **wish, columns=["loss"])
    assert table.column_names == ["loss", "src"]
    assert table.schema.metadata is None  # without all columns there is no stream


def test_absent_items_are_named() -> None:
    with pytest.warns(evstream.AbsentItemWarning) as caught:
        evstream.read_columns(SUMMARY, items=[1, 997, 2**70, 997])
    (warning,) = caught
    text = f"{SUMMARY}: 2 of 3 wanted items are not in the stream: 997, {2**70}"
    assert str(warning.message) == text
    with pytest.warns(evstream.AbsentItemWarning, match="1 of 1 .* not in the wanted events: 997"):
        evstream.aggregate(SUMMARY, "event_id", events=range(99), items=997)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        evstream.read_columns(SUMMARY, items=range(1, 998))


def test_a_range_of_any_length_costs_nothing(gul: Path) -> None:
    every = evstream.read_columns(gul)["event_id"]
    for wanted in (range(1, 10**18), range(10**30, -(10**30), -3), range(-(2**70), 2**70, 7)):
        keep = [event in wanted for event in every.tolist()]
        for source in (gul, evstream.parts(gul, events=wanted)):
            found = evstream.read_columns(source, wanted)["event_id"]
            assert found.tolist() == every[keep].tolist()


@pytest.mark.parametrize("dtype", ["i1", "u8", "i8", "u4"])
def test_ids_are_compared_exactly_at_the_edges_of_a_type(dtype: str) -> None:
    limits = np.iinfo(dtype)
    column = np.array([limits.min, limits.min + 1, limits.max - 1, limits.max], dtype)
    values = column.tolist()
    ids = [values[0] - 1, values[1], values[3], values[3] + 1]
    wanted = wanted_of("items", ids, column.dtype)
    assert wanted is not None
    assert wanted.among(column).tolist() == [False, True, False, True]
    assert sorted(wanted.others) == [ids[0], ids[3]]
    for step in (1, 3, -5):
        span = range(values[0] - 7, values[3] + 9, step)
        span = span if step > 0 else span[::-1] and range(values[3] + 9, values[0] - 7, step)
        found = Wanted(span, column.dtype)
        assert found.among(column).tolist() == [value in span for value in values]


def test_ids_in_a_text() -> None:
    assert ids_in("3-9", "items") == range(3, 10)
    assert ids_in("-1", "sidx", words=True) == range(-1, 0)
    assert ids_in("mean, 1-3,7", "sidx", words=True) == ["mean", 1, 2, 3, 7]
    for text in ("", "1,", "mean", "1--2x", "99999999-", "1-99999999999,3"):
        with pytest.raises(ValueError, match="items"):
            ids_in(text, "items")
    for text in ("3-1", "7, 3-1", "3-0"):
        with pytest.raises(ValueError, match=r"items has the range '3-.', expected the lower"):
            ids_in(text, "items")


def test_a_lazy_frame_selects_and_filters(gul: Path, tmp_path: Path) -> None:
    data = io.BytesIO(gul.read_bytes())
    scan = evstream.scan_polars(data, (e for e in (2, 7, 9)), "mean", items=[1, 3])
    found = scan.filter(pl.col("event_id") > 2).select("item_id").collect()
    every = evstream.read_columns(gul, [7, 9], -1, items=[1, 3])
    assert found["item_id"].to_list() == every["item_id"].tolist()
    path = tmp_path / "indexed.bin"
    path.write_bytes(gul.read_bytes())
    evstream.build_index(path)
    for wanted in ([2, 7], range(2, 10**15, 5)):
        lazy = evstream.scan_polars(path, wanted, columns=["event_id"])
        expected = evstream.read_columns(gul, wanted)["event_id"].tolist()
        assert lazy.collect()["event_id"].to_list() == expected
        one = lazy.filter(pl.col("event_id") == 7).select(pl.len()).collect().item()
        assert one == expected.count(7)
    with pytest.warns(evstream.AbsentEventWarning, match="1 of 2 wanted events"):
        evstream.scan_polars(path, [2, 9999]).collect()


def test_a_part_of_a_stream_becomes_a_stream(gul: Path, tmp_path: Path) -> None:
    evstream.convert(gul, tmp_path / "few.bin", events=range(2, 5), items=[1, 3])
    few = evstream.read_columns(tmp_path / "few.bin")
    wanted = evstream.read_columns(gul, range(2, 5), items=[1, 3])
    assert {k: v.tolist() for k, v in few.items()} == {k: v.tolist() for k, v in wanted.items()}
    unclosed = gul.read_bytes()[:-8]
    with pytest.warns(evstream.MissingDelimiterWarning):
        evstream.convert(io.BytesIO(unclosed), tmp_path / "few.bin", from_="bin", events=2)
    with evstream.open(tmp_path / "few.bin") as stream:
        assert [event.event_id for event in stream] == [2]
        assert stream.clean_end is True


@pytest.mark.parametrize("to", ["csv", "jsonl", "parquet", "arrow"])
def test_a_table_has_the_columns_that_were_asked_for(gul: Path, tmp_path: Path, to: str) -> None:
    target = tmp_path / f"few.{to}"
    evstream.convert(gul, target, events=2, sidx="mean", columns=["loss", "item_id"])
    wanted = evstream.read_columns(gul, 2, -1)
    read: dict[str, Any] = {"csv": pl.read_csv, "jsonl": pl.read_ndjson,
                            "parquet": pl.read_parquet, "arrow": pl.read_ipc}  # fmt: skip
    table = read[to](target)
    assert table.columns == ["loss", "item_id"]
    assert table["loss"].cast(pl.Float32).to_list() == wanted["loss"].tolist()
    assert table["item_id"].to_list() == wanted["item_id"].tolist()


def test_what_cannot_be_selected_is_refused(gul: Path, tmp_path: Path) -> None:
    evstream.convert(gul, tmp_path / "a.csv", events=2)
    for source, target, wish, text in (
        (tmp_path / "a.csv", "b.csv", {"events": 2}, "selected from streams, not from csv"),
        (gul, "b.bin", {"columns": "loss"}, "columns do not go with bin"),
        (gul, "b.csv", {"columns": "loss", "sort": True}, "sorting needs all columns"),
    ):
        options: dict[str, Any] = wish
        with pytest.raises(evstream.EvstreamError, match=text):
            evstream.convert(source, tmp_path / target, **options)
    with pytest.raises(evstream.EvstreamError, match="partition_by names event_id, expected"):
        evstream.convert(
            gul, tmp_path / "parts", partition_by="event_id:5", columns=["sidx", "loss"]
        )


def test_cat_prints_what_is_asked_for(gul: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wish = ["--events", "2-3", "--items", "1,99", "--sidx", "mean,3"]
    assert main(["cat", str(gul), *wish, "--columns", "loss,event_id"]) == 0
    out, err = capsys.readouterr()
    rows = evstream.read_columns(gul, [2, 3], [-1, 3], items=range(1, 2))
    expected = zip(rows["loss"].tolist(), rows["event_id"].tolist(), strict=True)
    lines = [tuple(map(float, line.split(","))) for line in out.splitlines()[1:]]
    assert out.startswith("loss,event_id\n")
    assert lines == [(pytest.approx(loss), event) for loss, event in expected]
    problem = "1 of 2 wanted items are not in the wanted events: 99"
    assert err == f"evstream: warning: {gul}: {problem}\n"
    with pytest.raises(SystemExit):
        main(["cat", str(gul), "--items", "x"])
    assert "argument --items: 'x', expected ids and ranges" in capsys.readouterr().err
    assert main(["cat", str(gul), "--columns", "los"]) == 2
    assert "did you mean 'loss'?" in capsys.readouterr().err
