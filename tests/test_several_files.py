"""A pattern, a folder, a list or parts are read as one stream, by whatever reads a path."""

from __future__ import annotations

import io
import os
import warnings
from pathlib import Path

import numpy as np
import pytest

import evstream
from evstream import AbsentEventWarning, EvstreamError, MissingDelimiterWarning, RowsWarning
from evstream.cli.program import main

EVENTS = {"a.bin": range(1, 4), "b.bin": range(4, 9), "c.bin": range(8, 10)}


def make(path: Path, events: range, items: int = 3) -> Path:
    with evstream.create(path, "loss", len_sample=4, durable=False) as out:
        for event_id in events:
            out.write_event(event_id, np.arange(1, items + 1), np.ones((items, 4)), mean=1.0)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, events in EVENTS.items():
        make(tmp_path / name, events)
    return tmp_path


def ways(folder: Path) -> list:
    return [
        folder,
        str(folder / "*.bin"),
        [folder / name for name in EVENTS],
        [str(folder / "[ab].bin"), folder / "c.bin"],
        evstream.parts(folder),
        evstream.parts(folder, 100),
        list(evstream.parts(folder, 100, whole="event")),
    ]


@pytest.mark.parametrize("way", range(7))
def test_the_events_of_all_files_come_in_order(folder: Path, way: int):
    with evstream.open(ways(folder)[way]) as stream:
        assert stream.header.len_sample == 4
        assert [event.event_id for event in stream] == [1, 2, 3, 4, 5, 6, 7, 8, 8, 9]
        assert stream.clean_end is True


@pytest.mark.parametrize("way", range(7))
def test_the_rows_of_all_files_are_read(folder: Path, way: int):
    source = ways(folder)[way]
    each = [evstream.read_columns(folder / name) for name in EVENTS]
    expected = {n: np.concatenate([rows[n] for rows in each]) for n in each[0]}
    for rows in (evstream.read_columns(source), evstream.read_columns(source, range(100))):
        assert list(rows) == list(expected)
        for name, column in expected.items():
            assert rows[name].tolist() == column.tolist()
    table = evstream.read_arrow(source)
    assert table["event_id"].to_pylist() == expected["event_id"].tolist()
    batches = list(evstream.iter_batches(source, rows=7))
    assert {batch.num_rows for batch in batches[:-1]} == {7}
    assert sum(batch.num_rows for batch in batches) == len(expected["loss"])
    assert evstream.arrow_reader(source).read_all().equals(table)
    assert evstream.read_polars(source).to_arrow()["loss"].to_pylist() == table["loss"].to_pylist()
    assert evstream.read_pandas(source)["sidx"].tolist() == expected["sidx"].tolist()
    assert evstream.read_dense(source).event_ids.tolist() == [
        event for events in EVENTS.values() for event in events for _ in range(3)
    ]


@pytest.mark.parametrize("way", [0, 1, 2, 4, 5])
def test_a_scan_reads_all_files(folder: Path, way: int):
    import polars as pl

    frame = evstream.scan_polars(ways(folder)[way], file=True)
    counted = frame.group_by("file").agg(pl.col("event_id").n_unique()).collect()
    assert {Path(file).name: count for file, count in counted.iter_rows()} == {
        name: len(events) for name, events in EVENTS.items()
    }
    assert frame.filter(pl.col("event_id") == 8).collect().height == 30
    assert frame.select("loss").collect().columns == ["loss"]
    assert frame.filter(pl.col("file") == str(folder / "c.bin")).collect().height == 30
    assert frame.collect().columns[-1] == "file"


@pytest.mark.parametrize("rows", [1, 7, 1000])
def test_a_file_column_names_the_file_of_each_row(folder: Path, rows: int):
    expected = [
        str(folder / name) for name, events in EVENTS.items() for _ in events for _ in range(15)
    ]
    for events in (None, range(100)):
        found = evstream.read_columns(folder, events, file=True)
        assert found["file"].tolist() == expected
        batches = list(evstream.iter_batches(folder, events, rows=rows, file="source"))
        assert [v for batch in batches for v in batch["source"].to_pylist()] == expected
        assert evstream.read_arrow(folder, events, file=True)["file"].to_pylist() == expected
        assert evstream.read_polars(folder, events, file=True)["file"].to_list() == expected
        assert evstream.read_pandas(folder, events, file=True)["file"].tolist() == expected
    one = evstream.read_columns(folder / "a.bin", file=True)
    assert set(one["file"]) == {str(folder / "a.bin")}
    parts = evstream.parts(folder, 100)
    assert evstream.read_columns(parts, file=True)["file"].tolist() == expected


def test_a_file_column_takes_no_name_of_another(folder: Path):
    with pytest.raises(ValueError, match="'loss', which is a column"):
        evstream.read_columns(folder, file="loss")


def test_one_file_is_open_at_a_time(tmp_path: Path):
    make(tmp_path / "0.bin", range(1, 3))
    for number in range(1, 40):
        (tmp_path / f"{number}.bin").symlink_to("0.bin")
    before = len(os.listdir("/proc/self/fd"))
    with evstream.open(evstream.parts(tmp_path)) as stream:
        for _ in stream:
            assert len(os.listdir("/proc/self/fd")) <= before + 1
    assert len(os.listdir("/proc/self/fd")) == before


def test_files_do_not_share_events(tmp_path: Path):
    paths = [make(tmp_path / "a.bin", range(1, 3)), make(tmp_path / "b.bin", range(2, 4))]
    with evstream.open(paths) as stream:
        assert [(event.event_id, len(event)) for event in stream] == [
            (1, 3),
            (2, 3),
            (2, 3),
            (3, 3),
        ]
    with warnings.catch_warnings():
        warnings.simplefilter("error", RowsWarning)
        evstream.read_columns(paths)
    with evstream.open(paths) as stream:
        assert sum(len(chunk.columns.block[0]) for chunk in stream.chunks()) == 12


def test_an_error_names_its_file(folder: Path):
    with (folder / "b.bin").open("ab") as file:
        file.write(b"xyz")
    for read in (list, lambda stream: list(stream.chunks())):
        with evstream.open(folder) as stream:
            with pytest.raises(EvstreamError, match=r"b\.bin: byte"):
                read(stream)
            with pytest.raises(EvstreamError, match=r"b\.bin: byte"):
                iter(stream)
    with pytest.raises(EvstreamError, match=r"b\.bin: byte"):
        evstream.read_columns(folder)


def test_an_unclosed_file_among_others_is_named(folder: Path):
    os.truncate(folder / "b.bin", (folder / "b.bin").stat().st_size - 8)
    with pytest.warns(MissingDelimiterWarning, match=r"b\.bin"), evstream.open(folder) as stream:
        assert len(list(stream)) == 10
    assert stream.clean_end is False
    with pytest.raises(EvstreamError, match=r"b\.bin"):
        evstream.read_columns(folder, strict=True)


def test_events_that_no_file_has_are_reported_once(folder: Path):
    with pytest.warns(
        AbsentEventWarning, match="1 of 3 wanted events are not in .*: 99$"
    ) as caught:
        assert len(evstream.read_columns(folder, [1, 9, 99])["loss"]) == 30
    assert len(caught) == 1


def test_several_files_are_read_once(folder: Path):
    stream = evstream.open(folder)
    assert len(list(stream)) == 10
    with pytest.raises(EvstreamError, match="has been read to its end"):
        iter(stream)
    stream = evstream.open(folder)
    first = next(iter(stream))
    assert [first.event_id, *(event.event_id for event in stream)][:3] == [1, 2, 3]
    stream = evstream.open(folder)
    stream.close()
    with pytest.raises(ValueError, match="closed"):
        iter(stream)


def test_objects_may_stand_among_paths(folder: Path):
    data = (folder / "c.bin").read_bytes()
    rows = evstream.read_columns([str(folder / "[ab].bin"), io.BytesIO(data)], file=True)
    assert rows["file"][-1] == "<BytesIO>"
    assert len(rows["loss"]) == 150


def test_several_files_become_one_table(folder: Path, tmp_path: Path):
    import pyarrow.feather
    import pyarrow.parquet

    expected = evstream.read_arrow(folder, file=True)
    target = tmp_path / "all.parquet"
    for source in (folder, str(folder / "*.bin"), evstream.parts(folder, 200)):
        evstream.convert(source, target, file=True, durable=False)
        table = pyarrow.parquet.read_table(target)
        assert table.column_names == [*evstream.read_columns(folder / "a.bin"), "file"]
        assert table["loss"].to_pylist() == expected["loss"].to_pylist()
        assert table["file"].to_pylist() == expected["file"].to_pylist()
    evstream.convert(folder, tmp_path / "all.arrow", file="source", durable=False)
    found = pyarrow.feather.read_table(tmp_path / "all.arrow")
    assert found["source"].to_pylist() == expected["file"].to_pylist()
    evstream.convert(folder, tmp_path / "all.csv", durable=False)
    assert (tmp_path / "all.csv").read_text().count("\n") == 1 + expected.num_rows
    part = evstream.parts(folder / "a.bin", 200)[1]
    evstream.convert(part, tmp_path / "part.csv", durable=False)
    rows = len(evstream.read_columns(part)["loss"])
    assert (tmp_path / "part.csv").read_text().count("\n") == 1 + rows


def test_what_several_files_do_not_become_is_refused(folder: Path, tmp_path: Path):
    for target, text, options in [
        ("all.bin", "`evstream merge` makes one stream", {}),
        ("all.csv", "a column of files does not go with csv", {"file": True}),
        ("all.parquet", "several files of csv", {"from_": "csv"}),
    ]:
        with pytest.raises(EvstreamError, match=text):
            evstream.convert(folder, tmp_path / target, **options)
        assert not (tmp_path / target).exists()
    with pytest.raises(EvstreamError, match="goes with several streams"):
        evstream.convert(folder / "a.bin", tmp_path / "a.parquet", file=True)
    (folder / "sub").mkdir()
    (folder / "sub/a.csv").symlink_to(folder / "a.bin")
    with pytest.raises(EvstreamError, match="would overwrite this input"):
        evstream.convert([folder / "b.bin", folder / "a.bin"], folder / "sub/a.csv")


@pytest.mark.parametrize("threads", [1, 3])
def test_several_files_have_one_report(folder: Path, threads: int):
    with (folder / "b.bin").open("ab") as file:
        file.write(b"xyz")
    report = evstream.validate(folder, expect_events=[3, 9, 77], first=2, threads=threads)
    each = [evstream.validate(folder / name, first=2) for name in EVENTS]
    assert [r.source for r in report.reports] == [str(folder / name) for name in EVENTS]
    assert report.source == "3 files"
    assert (report.events, report.blocks, report.records) == (9, 30, 150)
    assert report.bytes == sum(one.bytes for one in each)
    assert report.counts["special-required"] == 30
    texts = [finding.text for finding in report.findings]
    assert next(text for text in texts if "special-required" in text).startswith(
        f"{folder}/a.bin: "
    )
    assert len([text for text in texts if "special-required" in text]) == 2
    assert [text for text in texts if "b.bin: byte" in text]
    assert [text for text in texts if "event_id 77: " in text]
    assert len(report.to_json()["files"]) == 3


def test_parts_in_a_row_have_the_report_of_their_file(folder: Path):
    whole = evstream.validate(folder / "b.bin")
    planned = evstream.parts(folder / "b.bin", 100)
    report = evstream.validate(planned)
    assert len(report.reports) == 1
    assert report.reports[0].findings == whole.findings
    one = evstream.validate(planned[3])
    assert 0 < one.bytes < whole.bytes
    assert one.findings[0].offset > 100
    with pytest.raises(ValueError, match="of some events only"):
        evstream.validate(evstream.parts(folder / "b.bin", events=5)[0])
    with pytest.raises(ValueError, match="one seal for several files"):
        evstream.validate(folder, seal="a.seal")


@pytest.mark.parametrize("name", ["*.bin", "."])
def test_commands_take_patterns_and_folders(folder: Path, capsys, name: str):
    pattern = str(folder / name)
    assert main(["info", pattern, "--json"]) == 0
    assert capsys.readouterr().out.count("\n") == 3
    assert main(["validate", pattern, "--strict"]) == 1
    assert capsys.readouterr().out.count(": findings:") == 3
    target = folder / "out.parquet"
    assert main(["convert", pattern, str(target), "--file-column", "--no-fsync"]) == 0
    assert target.exists()
    assert main(["cat", pattern]) == 0
    assert capsys.readouterr().out.count("\n") == 151


def test_a_pattern_without_a_match_is_reported(folder: Path, capsys):
    assert main(["info", str(folder / "x*.bin"), str(folder / "a.bin")]) == 2
    said = capsys.readouterr()
    assert "No file matches the pattern" in said.err
    assert "a.bin" in said.out
