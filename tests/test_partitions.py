"""`convert` to a folder of Parquet files, which others read as one dataset."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import evstream
from evstream import EvstreamError
from evstream._support import unfinished
from evstream.cli.program import main
from evstream.conversion import partitions, several_files
from evstream.transport.whole_folder import WholeFolder

pytest.importorskip("pyarrow")

EVENTS = {"a.bin": range(1, 12), "b c%.bin": range(8, 31)}


@pytest.fixture
def streams(tmp_path: Path) -> Path:
    folder = tmp_path / "streams"
    folder.mkdir()
    for name, events in EVENTS.items():
        with evstream.create(folder / name, "loss", len_sample=4, durable=False) as out:
            for event in events:
                losses = np.arange(12, dtype=np.float32).reshape(3, 4) + event
                out.write_event(event, np.arange(1, 4), losses, mean=1.0)
    return folder


def convert(source: object, target: Path, partition_by: object, **options: object) -> None:
    evstream.convert(source, target, partition_by=partition_by, durable=False, **options)


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def rows_of(table: object) -> list[tuple]:
    names = ("event_id", "item_id", "sidx", "loss")
    return sorted(zip(*(table[name].to_pylist() for name in names), strict=True))


def readers() -> Iterator:
    import duckdb
    import pandas as pd
    import polars as pl
    import pyarrow as pa
    import pyarrow.parquet as pq

    def by_duckdb(folder: Path) -> pa.Table:
        query = f"from read_parquet('{folder}/**/*.parquet', hive_partitioning = true)"
        return duckdb.sql(query).to_arrow_table()

    def by_pandas(folder: Path) -> pa.Table:
        frame = pd.read_parquet(folder)
        return pa.table({name: frame[name].tolist() for name in frame.columns})

    yield by_duckdb
    yield by_pandas
    yield lambda folder: pl.read_parquet(folder, hive_partitioning=True).to_arrow()
    yield pq.read_table


def test_ranges_of_ids_are_read_as_one_dataset(streams: Path, tmp_path: Path):
    target = tmp_path / "out"
    convert(streams, target, "event_id:10")
    assert files(target) == [f"event_id_from={n}/part-0.parquet" for n in (0, 10, 20, 30)]
    expected = rows_of(evstream.read_arrow(streams))
    for read in readers():
        table = read(target)
        assert rows_of(table) == expected
        firsts = table["event_id_from"].to_pylist()
        assert [int(first) for first in firsts] == [
            event // 10 * 10 for event in table["event_id"].to_pylist()
        ]


def test_a_value_is_in_the_name_of_its_folder(streams: Path, tmp_path: Path):
    import pyarrow.parquet as pq

    target = tmp_path / "out"
    convert(streams, target, ["item_id", "event_id:20"])
    assert files(target)[:2] == [f"item_id=1/event_id_from={n}/part-0.parquet" for n in (0, 20)]
    assert "item_id" not in pq.read_schema(target / files(target)[0]).names
    expected = rows_of(evstream.read_arrow(streams))
    for read in readers():
        assert rows_of(read(target)) == expected


def test_the_name_of_a_file_is_a_partition(streams: Path, tmp_path: Path):
    target = tmp_path / "out"
    convert(streams, target, "file")
    expected = evstream.read_arrow(streams, file=True)
    names = sorted(expected["file"].to_pylist())
    for read in readers():
        table = read(target)
        assert rows_of(table) == rows_of(expected)
        assert sorted(table["file"].to_pylist()) == names


def test_a_column_of_files_may_be_in_partitions(streams: Path, tmp_path: Path):
    target = tmp_path / "out"
    convert(streams, target, "event_id:10", file="source")
    names = sorted(evstream.read_arrow(streams, file=True)["file"].to_pylist())
    for read in readers():
        assert sorted(read(target)["source"].to_pylist()) == names


@pytest.mark.parametrize("source", ["a.bin", "a.csv"])
def test_one_file_of_any_kind_is_divided(streams: Path, tmp_path: Path, source: str):
    evstream.convert(streams / "a.bin", streams / "a.csv", durable=False)
    convert(streams / source, tmp_path / "out", "event_id:5")
    expected = rows_of(evstream.read_arrow(streams / "a.bin"))
    for read in readers():
        assert rows_of(read(tmp_path / "out")) == expected


def test_a_file_of_a_range_becomes_a_stream_again(streams: Path, tmp_path: Path):
    convert(streams / "a.bin", tmp_path / "out", "event_id:5")
    evstream.convert(tmp_path / "out/event_id_from=5/part-0.parquet", tmp_path / "back.bin")
    with evstream.open(tmp_path / "back.bin") as stream:
        assert stream.header.len_sample == 4
        assert [event.event_id for event in stream] == [5, 6, 7, 8, 9]


def test_partitions_take_turns(streams: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Rows whose partitions take turns, with room for few rows and one open file."""
    import pyarrow.parquet as pq

    monkeypatch.setattr(several_files, "BATCH_ROWS", 16)
    monkeypatch.setattr(partitions, "DIVIDED_ROWS", 16)
    monkeypatch.setattr(partitions, "WAITING_ROWS", 20)
    monkeypatch.setattr(partitions, "OPEN_FILES", 1)
    target = tmp_path / "out"
    convert([*streams.glob("*.bin")], target, ["sidx", "event_id:7"])
    assert len(files(target)) > 5 * 5
    assert rows_of(pq.read_table(target)) == rows_of(evstream.read_arrow(streams))


def test_partitions_do_not_depend_on_threads(streams: Path, tmp_path: Path, monkeypatch):
    """Nor on how many files are open and rows wait."""
    monkeypatch.setattr("evstream.conversion.partitions.WAITING_ROWS", 10)
    monkeypatch.setattr("evstream.conversion.partitions.DIVIDED_ROWS", 4)
    monkeypatch.setattr("evstream.conversion.partitions.OPEN_FILES", 3)
    found = []
    for threads in (1, 3):
        target = tmp_path / f"by {threads}"
        convert(streams, target, "event_id", threads=threads)
        found.append({name: (target / name).read_bytes() for name in files(target)})
    assert found[0] == found[1]
    assert len(found[0]) > 3


def test_ids_in_order_make_a_file_each(streams: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(several_files, "BATCH_ROWS", 16)
    monkeypatch.setattr(partitions, "DIVIDED_ROWS", 16)
    monkeypatch.setattr(partitions, "WAITING_ROWS", 40)
    monkeypatch.setattr(partitions, "OPEN_FILES", 2)
    convert([streams / "a.bin"], tmp_path / "out", "event_id:4")
    assert files(tmp_path / "out") == [f"event_id_from={n}/part-0.parquet" for n in (0, 4, 8)]


def test_a_stream_without_events_is_a_dataset(tmp_path: Path):
    with evstream.create(tmp_path / "none.bin", "loss", len_sample=4):
        pass
    convert(tmp_path / "none.bin", tmp_path / "out", "event_id:5")
    for read in readers():
        table = read(tmp_path / "out")
        assert (table.num_rows, "loss" in table.column_names) == (0, True)


def test_the_least_id_has_a_partition(tmp_path: Path):
    least = np.iinfo("i4").min
    with evstream.create(tmp_path / "a.bin", "loss", len_sample=4, validate=False) as out:
        out.write_columns([least, -1], 1, [1, 1], 5.0)
    convert(tmp_path / "a.bin", tmp_path / "out", "event_id:10")
    assert files(tmp_path / "out") == [f"event_id_from={n}/part-0.parquet" for n in (-10, least)]


def test_a_folder_appears_whole_or_not_at_all(streams: Path, tmp_path: Path):
    target = tmp_path / "out"
    with (streams / "b c%.bin").open("ab") as file:
        file.write(b"xyz")
    for _ in range(2):
        with pytest.raises(EvstreamError, match=r"b c%\.bin: byte"):
            convert(streams, target, "event_id:2")
        assert os.listdir(tmp_path) == ["streams"]
    convert(streams / "a.bin", target, "event_id:5")
    before = files(target)
    with pytest.raises(EvstreamError, match=r"b c%\.bin: byte"):
        convert(streams, target, "event_id:2", force=True)
    assert files(target) == before
    assert sorted(os.listdir(tmp_path)) == ["out", "streams"]


def test_a_folder_is_replaced_on_request_only(streams: Path, tmp_path: Path):
    target = tmp_path / "out"
    convert(streams / "a.bin", target, "event_id:5")
    with pytest.raises(FileExistsError, match="--force"):
        convert(streams, target, "event_id:20")
    assert len(files(target)) == 3
    convert(streams, target, "event_id:20", force=True)
    assert files(target) == [f"event_id_from={n}/part-0.parquet" for n in (0, 20)]
    assert sorted(os.listdir(tmp_path)) == ["out", "streams"]


@pytest.mark.parametrize("name", ["notes.txt", "sub/a.parquet", "item_id=1/.hidden"])
def test_a_folder_with_other_files_is_kept(streams: Path, tmp_path: Path, name: str):
    target = tmp_path / "out"
    convert(streams / "a.bin", target, "event_id:5")
    (target / name).parent.mkdir(exist_ok=True)
    (target / name).write_text("mine")
    with pytest.raises(
        EvstreamError, match=f"out: the folder has {name.removesuffix('/a.parquet')}"
    ):
        convert(streams, target, "event_id:5", force=True)
    assert (target / name).read_text() == "mine"


def test_the_old_folder_returns_if_the_new_one_fails(tmp_path: Path, monkeypatch):
    target = tmp_path / "out"
    (target / "x=1").mkdir(parents=True)
    folder = WholeFolder(target, replaces=True, durable=False)
    rename = os.rename

    def failing(source: str, name: str) -> None:
        if source.endswith(".part"):
            raise OSError(28, "No space left on device", source)
        rename(source, name)

    monkeypatch.setattr(os, "rename", failing)
    with pytest.raises(OSError, match=f"No space left.*{target}"), folder:
        pass
    assert os.listdir(tmp_path) == ["out"]
    assert os.listdir(target) == ["x=1"]


def test_a_process_that_ends_at_once_removes_its_folder(tmp_path: Path):
    folder = WholeFolder(tmp_path / "out", durable=False)
    with folder.sink("x=1/part-0.parquet") as sink:
        sink.write(memoryview(b"half"))
    assert len(os.listdir(tmp_path)) == 1
    unfinished.remove_all()
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("partition_by", "text"),
    [
        ("event_id:0", "column:ids per partition"),
        ("event_id:x", "column:ids per partition"),
        (":5", "column:ids per partition"),
        ([], "has no column"),
        (5, "partition_by is 5, expected a name"),
        ([5], "expected a name or several"),
        ({"event_id": 5}, "expected a name or several"),
        ("loss", "names loss, expected one of event_id, item_id, sidx"),
        ("file:5", "gives file a number"),
        ("event_id:3000000000", "2147483647 or less"),
        (["event_id:5", "event_id:7"], "names a column twice"),
    ],
)
def test_wrong_keys_are_refused(streams: Path, tmp_path: Path, partition_by: object, text: str):
    with pytest.raises((ValueError, TypeError, EvstreamError), match=text):
        convert(streams, tmp_path / "out", partition_by)
    assert not (tmp_path / "out").exists()


def test_what_is_not_divided_is_refused(streams: Path, tmp_path: Path, monkeypatch):
    one = streams / "a.bin"
    for target, by, options, text in [
        (tmp_path / "out", "event_id:5", {"to": "csv"}, "partitions of csv, expected parquet"),
        (tmp_path / "out.csv", None, {"force": True}, "force goes with partition_by"),
        ("s3://bucket/out", "event_id:5", {}, "a folder of an object store does not appear whole"),
        ("-", "event_id:5", {}, "a folder of this machine"),
        (tmp_path / "out", "file", {}, "goes with several streams"),
    ]:
        with pytest.raises(EvstreamError, match=text):
            convert(one, target, by, **options)
    with pytest.raises(NotADirectoryError, match="a file has the name of the folder"):
        convert(streams / "b c%.bin", one, "event_id:5", force=True)
    with pytest.raises(FileNotFoundError, match="no/out"):
        convert(one, tmp_path / "no/out", "event_id:5")
    with pytest.raises(EvstreamError, match="a folder of this machine"):
        WholeFolder("s3://bucket/out")
    monkeypatch.setattr(partitions, "MAX_PARTITIONS", 5)
    with pytest.raises(EvstreamError, match="more than 5 partitions"):
        convert(one, tmp_path / "out", "event_id")
    assert os.listdir(tmp_path) == ["streams"]


def test_the_command_divides_and_replaces(streams: Path, tmp_path: Path, capsys):
    command = ["convert", str(streams / "*.bin"), str(tmp_path / "out"), "--no-fsync"]
    assert main([*command, "--partition-by", "event_id:10"]) == 0
    assert main([*command, "--partition-by", "event_id:10"]) == 2
    assert "--force" in capsys.readouterr().err
    assert main([*command, "--partition-by", "item_id", "--partition-by", "file", "--force"]) == 0
    assert len(files(tmp_path / "out")) == 6
