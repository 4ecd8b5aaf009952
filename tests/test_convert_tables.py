"""Parquet and Arrow files: row groups, statistics, columns of others, broken files."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evstream
import oracle
from evstream import TableError
from evstream.cli.program import main
from evstream.conversion.formats import Options
from golden_files import (
    GOLDEN,
)
from support import child_environment

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
pytest.importorskip("zstandard")

from convert_cases import CSV, LOSS, converted, header_of, losses, refused, run  # noqa: E402
from evstream.conversion.convert import convert  # noqa: E402


@pytest.mark.parametrize("stream", ["loss", "summary", "cdf"])
@pytest.mark.parametrize("name", ["csv", "jsonl", "parquet"])
def test_sort_brings_rows_into_the_order_of_a_stream(
    stream: str, name: str, tmp_path: Path
) -> None:
    path = GOLDEN / {"cdf": "cdf_i4_f4_u4.bin"}.get(stream, f"{stream}_i4_f4.bin")
    ordered, mixed, back = tmp_path / "a.bin", tmp_path / f"b.{name}", tmp_path / "c.bin"
    header = header_of(path)
    said = Options(stream=stream, values=dict(header.values))
    convert(str(path), str(ordered), sort=True)
    table = evstream.read_arrow(str(path))
    shuffled = table.take(np.random.default_rng(5).permutation(len(table)))
    if name == "parquet":
        pq.write_table(shuffled.replace_schema_metadata(None), mixed)
    else:
        to_text(shuffled, mixed)
    with pytest.raises(TableError, match=r"breaks|counting from 1|as in the rows|the same in all"):
        convert(str(mixed), str(back), options=said)
    assert not back.exists()
    convert(str(mixed), str(back), options=said, sort=True)
    assert back.read_bytes() == ordered.read_bytes()
    got, wanted = evstream.read_columns(str(back)), evstream.read_columns(str(path))
    assert sorted(zip(*got.values(), strict=True)) == sorted(zip(*wanted.values(), strict=True))


def to_text(table: Any, path: Path) -> None:
    with open(path, "w", newline="") as file:
        if path.suffix == ".csv":
            writer = csv.writer(file)
            writer.writerow(table.column_names)
            writer.writerows(zip(*(column.to_pylist() for column in table.columns), strict=True))
        else:
            file.writelines(json.dumps(row) + "\n" for row in table.to_pylist())


def test_sort_does_not_make_duplicates_good(tmp_path: Path) -> None:
    error = refused(tmp_path, "in.csv", CSV + b"1,1,1,4\n", sort=True)
    assert "event_id 1, item_id 1: sidx 1 breaks sidx-unique" in str(error)
    assert error.line is None
    assert "--sort" not in str(error)


LOSS_TABLE = {"event_id": [1, 1, 2], "item_id": [1, 1, 3], "sidx": [-1, 1, 2], "loss": [1.5, 2, 3]}


def write_table(table: Any, path: Path) -> None:
    if path.suffix == ".parquet":
        pq.write_table(table, path)
    elif path.suffix == ".arrow":
        with pa.ipc.new_file(path, table.schema) as writer:
            writer.write_table(table)
    else:
        with pa.ipc.new_stream(path, table.schema) as writer:
            writer.write_table(table)


FOREIGN = ["in.parquet", "in.arrow", "in.ipc"]


@pytest.mark.parametrize("name", FOREIGN)
@pytest.mark.parametrize(
    "change",
    [
        lambda t: t,
        lambda t: t.select(["loss", "sidx", "item_id", "event_id"]),
        lambda t: t.set_column(0, "event_id", t["event_id"].cast(pa.uint8())),
        lambda t: t.set_column(1, "item_id", t["item_id"].cast(pa.float64())),
        lambda t: t.set_column(3, "loss", t["loss"].cast(pa.int64())),
        lambda t: t.set_column(0, "event_id", t["event_id"].dictionary_encode()),
    ],
)
def test_tables_of_others_are_taken_by_their_columns(
    name: str, change: Any, tmp_path: Path
) -> None:
    columns = {**LOSS_TABLE, "loss": [1.0, 2.0, 3.0]}
    table = change(pa.table(columns))
    source, target = tmp_path / name, tmp_path / "out.bin"
    write_table(table, source)
    said: list[str] = []
    convert(str(source), str(target), say=said.append)
    decoded = oracle.decode(target.read_bytes())
    assert decoded.records == [(1, 1, -1, 1.0), (1, 1, 1, 2.0), (2, 3, 2, 3.0)]
    assert said == [
        "a stream of type loss, by its columns",
        "len_sample 2, the highest sidx (--len-sample)",
    ]


@pytest.mark.parametrize("name", FOREIGN)
@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("event_id", [1, 1, None], "row 2, column event_id: a value is missing"),
        ("loss", [1.5, None, 2.5], "row 1, column loss: a value is missing"),
        ("event_id", [1, 1, 2**31], "row 2, column event_id: 2147483648, expected a whole number"),
        ("event_id", pa.array([1, 1, 2**63], pa.uint64()), "row 2, column event_id: 92233720368"),
        ("item_id", [1, 1, 2.5], "row 2, column item_id: 2.5, expected a whole number from -2147"),
        ("item_id", [1, 1, float("nan")], "row 2, column item_id: nan, expected a whole number"),
        ("loss", [1.5, 1e39, 2], "row 1, column loss: 1e+39, expected a number within 3.4e+38"),
        ("loss", ["1", "2", "3"], "column loss: the column is of type string, expected float"),
        ("loss", [True, False, True], "column loss: the column is of type bool, expected float"),
        ("loss", [1.5, float("nan"), 2], "row 1: event_id 1, item_id 1: loss nan breaks loss-fin"),
        ("more", [1, 2, 3], "the columns are event_id, item_id, sidx, loss, more, expected"),
    ],
)
def test_values_that_a_stream_cannot_hold_are_refused(
    name: str, column: str, values: Any, message: str, tmp_path: Path
) -> None:
    write_table(pa.table({**LOSS_TABLE, column: values}), tmp_path / name)
    data = (tmp_path / name).read_bytes()
    for to in ("out.bin", "out.csv"):
        assert message in str(refused(tmp_path, name, data, to=to))


@pytest.mark.parametrize("name", FOREIGN)
def test_a_file_that_lost_or_won_a_column_is_refused(name: str, tmp_path: Path) -> None:
    """Though it carries the header of a stream."""
    table = evstream.read_arrow(str(LOSS))
    for changed in (table.drop_columns(["sidx"]), table.append_column("more", table["loss"])):
        write_table(changed, tmp_path / name)
        error = refused(tmp_path, name, (tmp_path / name).read_bytes())
        assert f"the columns are {', '.join(changed.column_names)}, expected event_id" in str(error)
    broken = table.replace_schema_metadata({b"evstream": b"{"})
    write_table(broken, tmp_path / name)
    error = refused(tmp_path, name, (tmp_path / name).read_bytes())
    assert "the evstream metadata is not valid" in str(error)


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow", "a.bin"])
def test_an_option_that_contradicts_the_file_is_refused(name: str, tmp_path: Path) -> None:
    convert(str(LOSS), str(tmp_path / name))
    data = (tmp_path / name).read_bytes()
    header = header_of(LOSS)
    converted(tmp_path, name, data, to="out.csv", options=Options(values=dict(header.values)))
    for other in tmp_path.iterdir():
        other.unlink()
    error = refused(tmp_path, name, data, to="out.csv", options=Options(values={"len_sample": 77}))
    assert f"says len_sample {header.len_sample}, expected 77" in str(error)
    error = refused(tmp_path, name, data, to="out.csv", options=Options(stream="summary"))
    assert "loss" in str(error)
    assert "expected " in str(error)


def test_row_groups_end_with_events_and_statistics_skip_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evstream.conversion.parquet_file.GROUP_ROWS", 10_000)
    monkeypatch.setattr("evstream.conversion.stream_file.BATCH_ROWS", 1_000)
    source, target = tmp_path / "a.bin", tmp_path / "a.parquet"
    losses(source, 100, 50, 10)  # 600 rows per event
    convert(str(source), str(target))
    metadata = pq.ParquetFile(target).metadata
    spans = []
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        event = group.column(0).statistics
        spans.append((event.min, event.max, group.num_rows))
        assert all(group.column(c).statistics.has_min_max for c in range(3))
        assert group.column(3).statistics is None  # those of floats leave NaN out
    assert len(spans) > 5
    for (_, before, _), (first, _, _) in pairwise(spans):
        assert first == before + 1
    assert all(rows % 600 == 0 and rows >= 9_000 for *_, rows in spans[:-1])
    one = pq.read_table(target, filters=[("event_id", "=", 42)])
    assert len(one) == 600
    assert target.stat().st_size < source.stat().st_size


@pytest.mark.parametrize(("compression", "ids"), [("zstd", "PLAIN"), ("none", "RLE_DICTIONARY")])
def test_ids_are_small_with_any_compression(tmp_path: Path, compression: str, ids: str) -> None:
    source, target = tmp_path / "a.bin", tmp_path / "a.parquet"
    losses(source, 100, 50, 10)
    convert(str(source), str(target), compression=compression)
    group = pq.ParquetFile(target).metadata.row_group(0)
    columns = [group.column(number) for number in range(4)]
    assert all(ids in column.encodings for column in columns[:2])
    assert ("RLE_DICTIONARY" in columns[0].encodings) == (ids == "RLE_DICTIONARY")
    assert "DELTA_BINARY_PACKED" in columns[2].encodings
    assert {column.compression for column in columns} == {
        {"zstd": "ZSTD", "none": "UNCOMPRESSED"}[compression]
    }
    for column in columns[:2]:  # less than two bits per row
        assert column.total_compressed_size < group.num_rows / 4


def test_an_event_larger_than_a_row_group_is_divided(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evstream.conversion.parquet_file.GROUP_ROWS", 1_000)
    monkeypatch.setattr("evstream.conversion.parquet_file.LARGEST_GROUP_ROWS", 4_000)
    monkeypatch.setattr("evstream.conversion.stream_file.BATCH_ROWS", 700)
    source, target = tmp_path / "a.bin", tmp_path / "a.parquet"
    losses(source, 2, 1000, 10)
    convert(str(source), str(target))
    metadata = pq.ParquetFile(target).metadata
    sizes = [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)]
    assert max(sizes) < 5_000
    assert sum(sizes) == 24_000
    convert(str(target), str(tmp_path / "b.bin"))
    assert (tmp_path / "b.bin").read_bytes() == source.read_bytes()


@pytest.mark.parametrize("name", ["zstd", "lz4", "snappy", "gzip", "none"])
def test_compression_of_parquet_is_an_option(name: str, tmp_path: Path) -> None:
    out = tmp_path / "a.parquet"
    assert main(["convert", str(LOSS), str(out), "--compression", name]) == 0
    column = pq.ParquetFile(out).metadata.row_group(0).column(3)
    assert column.compression.lower() == {"none": "uncompressed"}.get(name, name)


def broken_files() -> Iterator[tuple[str, bytes]]:
    table = evstream.read_arrow(str(LOSS))
    for name in FOREIGN:
        file = io.BytesIO()
        if name == "in.parquet":
            pq.write_table(table, file)
        else:
            kind = pa.ipc.new_file if name == "in.arrow" else pa.ipc.new_stream
            with kind(file, table.schema) as writer:
                writer.write_table(table)
        data = file.getvalue()
        yield name, data[: len(data) // 2]
        yield name, data[:7]
        yield name, b""
        yield name, b"nothing of the sort, but long enough to be a file\n" * 4
        if name != "in.ipc":
            yield name, data[:-9] + b"\xff" * 9
        middle = len(data) // 3
        yield f"{name}.gz", gzip.compress(data)[:-12]
        if name == "in.parquet":
            yield name, data[:40] + b"\xff" * 40 + data[80:]
            yield name, data[:middle] + bytes(64) + data[middle + 64 :]
    yield "in.csv.gz", gzip.compress(CSV)[:-9]
    yield "in.csv.gz", gzip.compress(CSV)[:15] + bytes(20)
    yield "in.bin", LOSS.read_bytes()[:-12]
    yield "in.bin", LOSS.read_bytes()[:6]
    yield "in.bin", CSV
    yield "in.bin.gz", gzip.compress(LOSS.read_bytes())[:-9]


BROKEN = list(broken_files())


@pytest.mark.parametrize(
    ("name", "data"), BROKEN, ids=[f"{name}-{i}" for i, (name, _) in enumerate(BROKEN)]
)
def test_a_broken_file_is_one_line_that_names_it(name: str, data: bytes, tmp_path: Path) -> None:
    for to in ("out.bin", "out.csv", "out.parquet"):
        try:
            refused(tmp_path, name, data, to=to)
        except pytest.fail.Exception:
            # Damage inside a page without a checksum may be other losses, nothing more.
            assert name == "in.parquet"
            assert data[:4] == b"PAR1"
            (tmp_path / to).unlink()


def test_the_command_line_says_so_with_exit_status_2(tmp_path: Path) -> None:
    for name, data in [("a.parquet", b"x"), ("a.arrow", b"x"), ("a.csv", b"x\n"), ("a.bin", b"x")]:
        (tmp_path / name).write_bytes(data)
        result = run(tmp_path / name, tmp_path / "out.csv")
        assert result.returncode == 2
        (line,) = result.stderr.decode().splitlines()
        assert line.startswith(f"evstream: {tmp_path / name}: ")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        ("ModuleNotFoundError('not here')", "this needs pyarrow: pip install 'evstream[arrow]'"),
        ("ImportError('no symbol')", "pyarrow cannot be loaded (no symbol): install it again"),
    ],
)
def test_a_missing_extra_is_named(tmp_path: Path, error: str, line: str) -> None:
    (tmp_path / "pyarrow.py").write_text(f"raise {error}\n")
    environment = child_environment()
    environment["PYTHONPATH"] = f"{tmp_path}{os.pathsep}{environment['PYTHONPATH']}"
    result = subprocess.run(
        [sys.executable, "-m", "evstream", "convert", LOSS, tmp_path / "a.parquet"],
        capture_output=True, check=False, env=environment,
    )  # fmt: skip
    assert result.returncode == 2
    assert result.stderr.decode() == f"evstream: {line}\n"
    assert "a.parquet" not in os.listdir(tmp_path)


@pytest.mark.parametrize(("module", "name"), [("polars", "a.jsonl"), ("pyarrow", "a.parquet")])
def test_a_missing_extra_is_named_and_leaves_no_file(
    module: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(evstream.MissingExtraError, match=f"this needs {module}: pip install"):
        convert(str(LOSS), str(tmp_path / name))
    assert list(tmp_path.iterdir()) == []
