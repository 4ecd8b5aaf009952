"""The data source of Spark without Spark: its parts, types, filters, and what its writer leaves."""

from __future__ import annotations

import io
import os
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql.datasource import EqualTo, GreaterThan, In
from pyspark.sql.types import DoubleType, FloatType, IntegerType, StructField, StructType

import evstream
from evstream import MissingExtraError, WriteError
from evstream.engines.spark import refuse_missing_java
from evstream.engines.spark_options import widths_in
from evstream.engines.spark_source import EvstreamSource, PushingReader, schema_of
from evstream.engines.spark_writer import StreamWriter
from evstream.reading.ids import ids_in
from object_store import S3
from support import ROOT


def source_of(path: Any, **options: Any) -> EvstreamSource:
    given = {"path": str(path), "size": "7 kB", **options}
    return EvstreamSource({name: str(value) for name, value in given.items()})


def table_of(reader: Any) -> pa.Table:
    """What all tasks give, each with a copy of its partition, as in a worker."""
    partitions = pickle.loads(pickle.dumps(reader.partitions()))
    return pa.Table.from_batches([b for one in partitions for b in reader.read(one)])


def read(path: Any, schema: StructType | None = None, **options: Any) -> pa.Table:
    source = source_of(path, **options)
    return table_of(source.reader(schema or source.schema()))


def same(table: pa.Table, expected: dict[str, Any]) -> bool:
    found = {name: table[name].to_numpy() for name in table.column_names}
    return list(found) == list(expected) and all(
        np.array_equal(found[name], expected[name]) for name in expected
    )


def test_parts_give_the_rows_of_the_stream(gul: Path):
    table = read(gul)
    assert same(table, evstream.read_columns(gul))
    assert len(source_of(gul).reader(source_of(gul).schema()).partitions()) > 3
    assert source_of(gul).schema().simpleString() == (
        "struct<event_id:int,item_id:int,sidx:int,loss:float>"
    )
    assert not any(field.nullable for field in [*source_of(gul).schema(), *table.schema])


def test_small_files_share_a_partition(gul: Path, tmp_path: Path):
    """A file counts as 4 MiB more than it has, so there are tasks for all cores."""
    files = [tmp_path / f"{number}.bin" for number in range(9)]
    for file in files:
        file.write_bytes(gul.read_bytes())
    pattern = tmp_path / "*.bin"
    assert same(read(pattern, size="20 MiB"), evstream.read_columns(pattern))
    source = source_of(pattern, size="20 MiB")
    found = source.reader(source.schema()).partitions()
    assert [len(one.value) for one in found] == [4, 4, 1]
    assert [part.path for one in found for part in one.value] == list(map(str, files))


def test_streams_of_every_type_are_read():
    for name in ["summary_i4_f4.bin", "cdf_i4_f4_u4.bin"]:
        path = ROOT / "tests/golden" / name
        assert same(read(path), evstream.read_columns(path))


def test_unsigned_ids_keep_their_values(tmp_path: Path):
    for width, kind in [("u4", "bigint"), ("u8", "decimal(20,0)")]:
        path, highest = tmp_path / f"{width}.bin", np.iinfo(width).max
        with evstream.create(path, "cdf", widths={"areaperil_int": width}) as out:
            out.write_columns([1], np.array([highest], width), [3], [1], [1.0], [0.5])
        widths = f"areaperil_int={width}"
        assert (
            source_of(path, widths=widths).schema()["areaperil_id"].dataType.simpleString() == kind
        )
        assert int(read(path, widths=widths)["areaperil_id"][0].as_py()) == highest


def test_events_and_sidx_are_options(gul: Path):
    table = read(gul, events="3,7-8", sidx="mean,1-2", items="1-3")
    assert same(table, evstream.read_columns(gul, [3, 7, 8], [-1, 1, 2], items=[1, 2, 3]))


def test_lists_of_ids_and_widths_are_texts():
    assert ids_in("1-3, 7,-1", "sidx") == [1, 2, 3, 7, -1]
    assert ids_in("mean, 1-2", "sidx", words=True) == ["mean", 1, 2]
    for text in ("", "1-", "a", "1..3", "1,"):
        with pytest.raises(ValueError, match="sidx is"):
            ids_in(text, "sidx")
    assert widths_in({"widths": "oasis_float=f8, oasis_int=i8"}) == {
        "oasis_float": "f8",
        "oasis_int": "i8",
    }
    with pytest.raises(ValueError, match="expected TYPE=WIDTH"):
        widths_in({"widths": "f8"})


def test_filters_are_taken_on_request_and_given_back(gul: Path):
    source = source_of(gul, pushdown="true")
    filters = [In(("event_id",), (3, 7)), EqualTo(("sidx",), 1), GreaterThan(("loss",), 0)]
    reader = source.reader(source.schema())
    assert isinstance(reader, PushingReader)
    assert list(reader.pushFilters(filters)) == filters
    assert same(table_of(reader), evstream.read_columns(gul, [3, 7], 1))
    assert not isinstance(source_of(gul).reader(source.schema()), PushingReader)


def test_filters_go_with_the_options(gul: Path):
    source = source_of(gul, pushdown="TRUE", events="3-5")
    reader = source.reader(source.schema())
    list(reader.pushFilters([In(("event_id",), (5, 6)), EqualTo(("sidx",), 1.5)]))
    assert same(table_of(reader), evstream.read_columns(gul, [5]))
    list(reader.pushFilters([EqualTo(("event_id",), 9)]))  # nothing passes: Spark finds that out
    assert same(table_of(reader), evstream.read_columns(gul, [5]))


def fields(**types: Any) -> StructType:
    return StructType([StructField(name, kind) for name, kind in types.items()])


def test_a_schema_of_fewer_columns_is_what_is_read(gul: Path):
    expected = evstream.read_columns(gul)
    table = read(gul, fields(loss=FloatType(), event_id=IntegerType()))
    assert same(table, {name: expected[name] for name in ("loss", "event_id")})
    with pytest.raises(ValueError, match="loss is double, expected float"):
        read(gul, fields(loss=DoubleType()))
    with pytest.raises(ValueError, match="no column 'los'"):
        read(gul, fields(los=FloatType()))


def test_a_missing_path_is_an_error():
    with pytest.raises(ValueError, match="there is no path"):
        EvstreamSource({}).schema()
    with pytest.raises(ValueError, match="there is no path"):
        StreamWriter({"len_sample": "1"}, False)


def batches(*rows: tuple[int, int, int, float]) -> Any:
    names = ["event_id", "item_id", "sidx", "loss"]
    columns = [list(column) for column in zip(*rows, strict=True)]
    return iter([pa.record_batch(columns, names)])


def writer_to(path: Path, overwrite: bool = False) -> StreamWriter:
    writer = StreamWriter({"path": str(path), "len_sample": "5", "stream": "loss"}, overwrite)
    return pickle.loads(pickle.dumps(writer))  # workers have copies


def test_streams_appear_when_the_job_commits(tmp_path: Path):
    writer = writer_to(tmp_path / "out")
    first = writer.write(batches((1, 1, 1, 1.5)))
    again = writer.write(batches((1, 1, 1, 1.5)))  # the same task elsewhere, which does not count
    assert evstream_files(tmp_path) == []
    none = writer.write(iter([]))
    writer.commit([first, none])
    assert len(evstream_files(tmp_path)) == len(os.listdir(tmp_path / "out")) == 1
    assert again.path != first.path
    assert evstream.read_columns(str(tmp_path / "out"))["loss"].tolist() == [1.5]


def evstream_files(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / "out").iterdir() if not path.name.startswith("."))


def test_a_job_appends_or_overwrites(tmp_path: Path):
    for overwrite, expected in [(False, [1.0]), (False, [1.0, 2.0]), (True, [3.0])]:
        writer = writer_to(tmp_path / "out", overwrite)
        writer.commit([writer.write(batches((len(expected), 1, 1, expected[-1])))])
        assert sorted(evstream.read_columns(str(tmp_path / "out"))["loss"]) == expected


def test_a_failed_job_leaves_nothing(tmp_path: Path):
    writer = writer_to(tmp_path / "out")
    written = writer.write(batches((1, 1, 1, 1.5)))
    with pytest.raises(WriteError):
        writer.write(batches((1, 1, 1, 1.5), (1, 1, 1, 2.5)))
    writer.abort([written])
    assert os.listdir(tmp_path / "out") == []


@pytest.mark.parametrize("text", ["x", "", "0x1", "1_0", "1.5", "9" * 30])
def test_a_header_field_that_is_not_a_number_is_named(tmp_path: Path, text: str):
    options = {"path": str(tmp_path / "out"), "stream": "loss", "len_sample": text}
    with pytest.raises(ValueError, match=f"len_sample is '{text}', expected a whole number"):
        StreamWriter(options, overwrite=False)
    assert not (tmp_path / "out").exists()


def test_a_header_that_is_not_complete_is_refused(tmp_path: Path):
    with pytest.raises(TypeError, match="len_sample"):
        StreamWriter({"path": str(tmp_path), "stream": "loss"}, False)


@pytest.mark.keeps_files_open  # a store keeps its connections
def test_a_job_writes_objects(store: S3):
    options = {f"storage.{n}": v for n, v in store.options.items() if isinstance(v, str)}
    given = {"path": "s3://data/out", "len_sample": "5", **options}
    writer = StreamWriter(given, False)
    first, again = (writer.write(batches((1, 1, 1, 1.5))) for _ in range(2))
    writer.commit([first])
    keys = store.keys()
    assert [f"s3://data/{key}" for key in keys] == [first.path] != [again.path]
    assert read("s3://data/out/", **options)["loss"].to_pylist() == [1.5]
    failed = StreamWriter(given, True)
    failed.abort([failed.write(batches((2, 1, 1, 1.5)))])
    assert len(store.keys()) == 1


def test_java_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("JAVA_HOME", "/nowhere")
    with pytest.raises(MissingExtraError, match="Spark needs Java 17 or later, and JAVA_HOME"):
        refuse_missing_java()
    monkeypatch.delenv("JAVA_HOME")
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(MissingExtraError, match="there is no java on PATH"):
        refuse_missing_java()
    monkeypatch.setitem(sys.modules, "pyspark.sql", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'evstream\[spark\]'"):
        evstream.spark.register()


def test_the_schema_is_that_of_the_header():
    out = io.BytesIO()
    with evstream.create(out, "loss", len_sample=1, widths={"oasis_float": "f8"}):
        pass
    with evstream.open(io.BytesIO(out.getvalue()), widths={"oasis_float": "f8"}) as stream:
        assert schema_of(stream.header)["loss"].dataType.simpleString() == "double"
