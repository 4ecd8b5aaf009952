"""Streams as dataframes, Arrow tables and matrices, and the way back."""

from __future__ import annotations

import gc
import io
import json
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import evstream
from evstream._generated import layout
from evstream.reading.stream import EventStream
from evstream.tables import dataframes as frames
from evstream.tables.arrow import FINAL_DELIMITER, METADATA, header_of
from evstream.tables.dense import join_chunks
from evstream.tables.rows import Selection, iter_rows, keep_blocks, named_rows, whole_blocks
from evstream.wire.header import StreamHeader
from golden_files import (
    CORPUS,
    DELIMITER_WITH_LOSS,
    GOLDEN,
    LEGAL,
    NOT_REALLY_GZIP,
    UNCLOSED,
    Entry,
    corpus_entries,
    file_name,
    golden_bytes,
)
from oracle import DEFAULT_WIDTHS, Bits, decode, encode
from support import ROOT, Trickle, child_environment, raw, run_examples

c = pl.col

SAID_BY_NO_ROW = {
    "cdf_zero_bins.bin",
    "loss_empty_block.bin",
    "loss_empty_blocks_between.bin",
    "loss_item_repeated.bin",
    "summary_empty_block.bin",
}
"""Golden files with blocks that leave no trace in rows."""

FAITHFUL = [
    entry
    for entry in LEGAL
    if entry["file"] not in SAID_BY_NO_ROW and entry["file"] != DELIMITER_WITH_LOSS
]
REAL = [
    entry
    for entry in corpus_entries()
    if not entry["error"] and entry["file"] != NOT_REALLY_GZIP
]  # fmt: skip
OF_ALL = [pytest.param(GOLDEN / e["file"], e, id=e["file"]) for e in LEGAL] + [
    pytest.param(CORPUS / e["file"], {"stream": e.get("stream")}, id=e["file"]) for e in REAL
]


def options(entry: Entry) -> dict[str, Any]:
    """How a golden file is opened."""
    stream = "event_ids" if entry["stream"] == "event_ids" else None
    return {"stream": stream, "widths": entry.get("widths")}


READERS: dict[str, Callable[..., Any]] = {
    "polars": evstream.read_polars,
    "scan": lambda *args, **kwargs: evstream.scan_polars(*args, **kwargs).collect(),
    "pandas": evstream.read_pandas,
    "arrow": evstream.read_arrow,
    "reader": evstream.arrow_reader,
    "columns": evstream.read_columns,
}


def loss_file(path: Path, events: int = 60, items: int = 9, samples: int = 8) -> Path:
    """A loss stream with zeros left out, so that blocks differ in length."""
    rng = np.random.default_rng(5)
    with evstream.create(path, "loss", len_sample=samples, widths=DEFAULT_WIDTHS) as out:
        for event in range(1, events + 1):
            losses = rng.integers(0, 3, (items, samples)).astype(float)
            out.write_event(event, range(1, items + 1), losses, mean=losses.mean(axis=1))
    return path


@pytest.fixture(scope="module")
def gul(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return loss_file(tmp_path_factory.mktemp("frames") / "gul.bin")


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scans decode a few blocks at a time, and cut blocks in two."""
    monkeypatch.setattr(frames, "CHUNK", 300)


# There


@pytest.mark.filterwarnings("ignore::evstream.RowsWarning")
@pytest.mark.parametrize("kind", [kind for kind in READERS if kind != "columns"])
@pytest.mark.parametrize(("path", "entry"), OF_ALL)
def test_every_way_to_read_gives_the_same_bits(kind: str, path: Path, entry: Entry) -> None:
    expected = evstream.read_columns(path, **options(entry))
    table = READERS[kind](path, **options(entry))
    if isinstance(table, pa.RecordBatchReader):
        table = table.read_all()
    columns = {name: np.asarray(table[name]) for name in expected}
    names = table.schema.names if isinstance(table, pa.Table) else list(table.columns)
    assert names == list(expected)
    for name, column in expected.items():
        assert columns[name].dtype == column.dtype
        assert raw(columns[name]) == raw(column)


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize("entry", [e for e in FAITHFUL if not e["records"]], ids=file_name)
def test_a_stream_without_records_gives_an_empty_table_of_the_right_types(
    kind: str, entry: Entry
) -> None:
    table = READERS[kind](GOLDEN / entry["file"], **options(entry))
    if isinstance(table, pa.RecordBatchReader):
        table = table.read_all()
    header = StreamHeader(entry["stream"], entry["header"], entry["widths"] | SAMPLE_COUNT)
    for name, dtype in header.row_columns.items():
        assert np.asarray(table[name]).shape == (0,)
        assert np.asarray(table[name]).dtype == dtype


SAMPLE_COUNT = {"sample_count": "i4"}


def test_a_nan_is_a_number_and_not_a_missing_value() -> None:
    block = ((1, 1), [(1, Bits(0x7FC00123)), (2, Bits(0x7F800001)), (3, 4.0), (4, -0.0)])
    data = encode("loss", {"len_sample": 5}, [block])
    bits = [0x7FC00123, 0x7F800001, 0x40800000, 0x80000000]
    table = evstream.read_arrow(io.BytesIO(data))
    assert table["loss"].null_count == 0
    assert raw(table["loss"].to_numpy()) == bits
    frame = evstream.read_polars(io.BytesIO(data))
    assert frame["loss"].null_count() == 0
    assert frame["loss"].is_nan().to_list() == [True, True, False, False]
    for read in (evstream.read_polars, evstream.read_pandas):
        frame = read(io.BytesIO(data))
        assert raw(np.asarray(frame["loss"])) == bits
        assert write_back(frame, "loss", len_sample=5, validate=False) == data
        with pytest.raises(evstream.WriteError, match="loss nan breaks loss-finite"):
            write_back(frame, "loss", len_sample=5)


def test_a_polars_frame_shares_the_memory_that_was_decoded(gul: Path) -> None:
    frame = evstream.read_polars(gul)
    for name in frame.columns:
        assert not frame[name].to_numpy(allow_copy=False).flags.owndata


# Selections


SELECTIONS: list[dict[str, Any]] = [
    {"events": 3},
    {"events": [1, 7, 60, 99]},
    {"events": range(10, 20)},
    {"events": np.int64(4), "sidx": np.array([-1, 2])},
    {"events": pl.Series([5, 6])},
    {"events": {2, 3}, "sidx": -1},
    {"sidx": range(1, 4)},
    {"events": []},
    {"sidx": 77},
]


@pytest.mark.filterwarnings("ignore::evstream.AbsentEventWarning")
@pytest.mark.parametrize("kind", [kind for kind in READERS if kind != "scan"])
@pytest.mark.parametrize("number", range(len(SELECTIONS)))
def test_a_selection_gives_the_rows_that_a_filter_does(gul: Path, kind: str, number: int) -> None:
    wanted = SELECTIONS[number]
    columns = evstream.read_columns(gul)
    keep = np.ones(len(columns["sidx"]), bool)
    for name, values in wanted.items():
        column = columns["event_id" if name == "events" else "sidx"]
        keep &= np.isin(column, list(values) if np.iterable(values) else values)
    table = READERS[kind](gul, **wanted)
    if isinstance(table, pa.RecordBatchReader):
        table = table.read_all()
    for name, column in columns.items():
        assert np.asarray(table[name]).tolist() == column[keep].tolist()


def test_a_generator_and_a_numpy_number_select_too(gul: Path) -> None:
    expected = evstream.read_columns(gul, [5, 6])["loss"].tolist()
    assert evstream.read_columns(gul, (e for e in (5, 6)))["loss"].tolist() == expected
    one = evstream.read_columns(gul, 5)["loss"].tolist()
    assert evstream.read_columns(gul, np.int32(5))["loss"].tolist() == one


@pytest.mark.parametrize("events", ["12", 1.5, [1.0], True, ["1"]])
def test_a_selection_of_no_integers_is_refused(gul: Path, events: Any) -> None:
    with pytest.raises(TypeError):
        evstream.read_columns(gul, events)


def test_a_selection_by_sidx_needs_samples() -> None:
    with pytest.raises(TypeError, match="a cdf stream has no sidx"):
        evstream.read_polars(GOLDEN / "cdf_i4_f4_u4.bin", sidx=1)


@pytest.mark.parametrize("chunk", [256, 300, 333, 1000])
@pytest.mark.parametrize("name", ["cdf_i4_f4_u4.bin", "loss_i4_f4.bin", "summary_i4_f4.bin",
                                  "cdf_block_larger_than_65536.bin"])  # fmt: skip
def test_a_selection_is_the_same_through_windows_of_any_size(name: str, chunk: int) -> None:
    whole = evstream.read_columns(GOLDEN / name)
    for event in np.unique(whole["event_id"]).tolist():
        with EventStream(GOLDEN / name, chunk=chunk) as stream:
            batches = list(iter_rows(stream, event))
        for column in whole:
            found = np.concatenate([batch[column] for batch in batches])
            assert found.tolist() == whole[column][whole["event_id"] == event].tolist()


@given(wanted=st.lists(st.booleans(), min_size=8, max_size=8), first=st.integers(0, 3))
def test_kept_blocks_are_those_that_a_mask_of_rows_keeps(wanted: list[bool], first: int) -> None:
    blocks = [((1, i + 1), [(s, 1.0 * s) for s in range(1, 1 + (i * 5) % 7)]) for i in range(8)]
    data = encode("loss", {"len_sample": 9}, blocks[first:])
    mask = np.array(wanted)[first:]
    with EventStream(io.BytesIO(data)) as stream:
        [chunk] = stream.chunks()
    kept = named_rows(stream.header, keep_blocks(chunk, mask), ["item_id", "sidx"])
    expected = [(b[0][1], s) for b, keep in zip(blocks[first:], mask, strict=True) if keep
                for s, _ in b[1]]  # fmt: skip
    assert list(zip(*(column.tolist() for column in kept.values()), strict=True)) == expected


# Lazy scans


QUERIES: dict[str, Callable[[Any], Any]] = {
    "everything": lambda t: t,
    "an event": lambda t: t.filter(c("event_id") == 7),
    "no event": lambda t: t.filter(c("event_id") == 777),
    "some events": lambda t: t.filter(c("event_id").is_in([1, 5, 60])),
    "between": lambda t: t.filter(c("event_id").is_between(3, 9)),
    "an item": lambda t: t.filter(c("item_id") == 3),
    "of both block columns": lambda t: t.filter((c("event_id") + c("item_id")) % 5 == 0),
    "means": lambda t: t.filter(c("sidx") == -1),
    "means of an event": lambda t: t.filter((c("sidx") == -1) & (c("event_id") == 7)),
    "one after the other": lambda t: t.filter(c("loss") > 1).filter(c("item_id") > 2)
                                      .filter(c("sidx") > 0).filter(c("event_id") < 9),
    "either": lambda t: t.filter((c("sidx") == -1) | (c("event_id") == 7)),
    "neither": lambda t: t.filter(~((c("sidx") == -1) | (c("event_id") == 7))),
    "block against entry": lambda t: t.filter(c("item_id") == c("sidx")),
    "null": lambda t: t.filter(pl.when(c("event_id") > 5).then(True)),
    "nothing": lambda t: t.filter(pl.lit(False)),
    "all the same": lambda t: t.filter(pl.lit(True)),
    "a column": lambda t: t.select("loss"),
    "columns in another order": lambda t: t.select("loss", "event_id"),
    "a column of some": lambda t: t.filter(c("event_id") == 7).select("loss"),
    "a column of some rows": lambda t: t.filter((c("sidx") > 3) & (c("item_id") == 2))
                                        .select("loss"),
    "renamed": lambda t: t.select(c("loss").alias("event_id"), c("event_id").alias("x"))
                          .filter(c("x") == 7),
    "first rows": lambda t: t.head(11),
    "no rows": lambda t: t.head(0),
    "first rows, then some": lambda t: t.head(500).filter(c("event_id") == 3),
    "first rows of some": lambda t: t.filter(c("event_id") > 3).head(5),
    "last rows": lambda t: t.tail(4),
    "a slice": lambda t: t.slice(100, 7),
    "the number": lambda t: t.select(pl.len()),
    "the number of some": lambda t: t.filter(c("event_id") == 7).select(pl.len()),
    "above the mean": lambda t: t.filter(c("event_id") > c("event_id").mean()),
    "first of each event": lambda t: t.filter(c("event_id").is_first_distinct()),
    "changes of event": lambda t: t.filter(c("event_id") != c("event_id").shift(1)),
    "largest of each event": lambda t: t.filter(c("loss") == c("loss").max().over("event_id")),
    "by row number": lambda t: t.with_row_index().filter(c("event_id") == 2),
    "sums": lambda t: t.filter(c("sidx") > 0).group_by("event_id", maintain_order=True)
                       .agg(c("loss").sum()),
    "joined with itself": lambda t: t.filter(c("event_id") < 3).join(
        t.filter(c("sidx") == -1).select("event_id", "item_id", mean="loss"),
        on=["event_id", "item_id"], maintain_order="left_right"),
}  # fmt: skip


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("engine", ["in-memory", "streaming"])
@pytest.mark.parametrize("query", QUERIES)
def test_a_scan_answers_like_the_frame(gul: Path, query: str, engine: Any) -> None:
    expected = QUERIES[query](evstream.read_polars(gul))
    answer = QUERIES[query](evstream.scan_polars(gul)).collect(engine=engine)
    assert_frame_equal(answer, expected)


CDF_QUERIES: dict[str, Callable[[Any], Any]] = {
    "everything": lambda t: t,
    "an areaperil": lambda t: t.filter(c("areaperil_id") % 2 == 0),
    "first bins": lambda t: t.filter(c("bin_index") == 1),
    "bin numbers alone": lambda t: t.select("bin_index"),
    "bin numbers of some": lambda t: t.filter(c("vulnerability_id") == 1).select("bin_index"),
    "the highest of each": lambda t: t.group_by("event_id", "areaperil_id", maintain_order=True)
                                      .agg(c("bin_index").max()),
}  # fmt: skip


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("query", CDF_QUERIES)
@pytest.mark.parametrize("entry", [e for e in FAITHFUL if e["stream"] == "cdf"], ids=file_name)
def test_a_scan_numbers_bins_across_chunks(entry: Entry, query: str) -> None:
    if entry["bytes"] > 100_000:
        pytest.skip("many chunks")
    path = GOLDEN / entry["file"]
    expected = CDF_QUERIES[query](evstream.read_polars(path, **options(entry)))
    answer = CDF_QUERIES[query](evstream.scan_polars(path, **options(entry))).collect()
    assert_frame_equal(answer, expected)


def test_a_scan_of_event_ids_has_one_column() -> None:
    scan = evstream.scan_polars(GOLDEN / "event_ids_i4.bin", stream="event_ids",
                                widths=DEFAULT_WIDTHS)  # fmt: skip
    every = scan.collect()["event_id"].to_list()
    assert scan.filter(c("event_id") > 2).collect()["event_id"].to_list() == [
        event for event in every if event > 2
    ]


def test_the_plan_of_a_scan_shows_what_it_leaves_out(gul: Path) -> None:
    query = evstream.scan_polars(gul).filter(c("event_id") == 7).select("event_id", "loss")
    assert "SELECTION" in query.explain()
    assert "PROJECT 2/4 COLUMNS" in query.explain()


def test_a_condition_on_blocks_is_decided_before_rows_are_made(
    gul: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[int, list[str]]] = []

    def watched(header: Any, chunk: Any, names: Any) -> Any:
        made.append((len(chunk.columns.entry[0]), list(names)))
        return named_rows(header, chunk, names)

    monkeypatch.setattr(frames, "named_rows", watched)
    query = evstream.scan_polars(gul).filter((c("event_id") == 7) & (c("sidx") > 0))
    rows = len(evstream.read_columns(gul, 7)["sidx"])
    query.select("loss").collect()
    assert [count for count, _ in made] == [rows]
    assert {"sidx", "loss"} <= set(made[0][1])
    assert "item_id" not in made[0][1]
    made.clear()
    assert evstream.scan_polars(gul).filter(c("event_id") == 99).collect().height == 0
    assert made == []


def test_a_condition_is_split_into_that_of_blocks_and_that_of_rows() -> None:
    def split(predicate: Any) -> tuple[str, str]:
        blocks, rows = frames._split(predicate, {"event_id", "item_id"})
        return str(blocks), str(rows)

    event, sidx = c("event_id") == c("item_id"), c("sidx") > c("item_id")
    assert split(event) == (str(event), "None")
    assert split(sidx) == ("None", str(sidx))
    assert split(event & sidx) == (str(event), str(sidx))
    assert split(sidx & event) == (str(event), str(sidx))
    assert split(event | sidx) == ("None", str(event | sidx))
    assert split(sidx & event & sidx & event) == (str(event & event), str(sidx & sidx))
    assert split(pl.lit(True)) == ("None", str(pl.lit(True)))
    assert split(~(event & sidx)) == ("None", str(~(event & sidx)))


@pytest.mark.parametrize("batch_size", [None, 1, 7, 100, 10**6])
@pytest.mark.parametrize("n_rows", [None, 0, 1, 100, 10**6])
def test_a_scan_keeps_to_the_number_and_size_asked_for(
    gul: Path, batch_size: int | None, n_rows: int | None
) -> None:
    scan = frames._Scan(gul, None, None, False)
    pieces = list(scan.read(["sidx", "event_id"], None, n_rows, batch_size))
    if batch_size is not None:
        assert max((piece.height for piece in pieces), default=0) <= batch_size
    expected = evstream.read_polars(gul).select("sidx", "event_id")
    expected = expected if n_rows is None else expected.head(n_rows)
    assert_frame_equal(pl.concat([*pieces, expected.clear()]), expected)


def test_a_limit_counts_rows_before_the_condition(gul: Path) -> None:
    """That is how Polars means it."""
    scan = frames._Scan(gul, None, None, False)
    found = pl.concat(scan.read(None, c("event_id") == 2, 100, None))
    expected = evstream.read_polars(gul).head(100).filter(c("event_id") == 2)
    assert 0 < found.height == expected.height


def test_a_scan_takes_a_filter_that_is_a_python_function(gul: Path) -> None:
    """Polars hands it to us as bytes, which the extra's cloudpickle makes and reads."""
    pytest.importorskip("cloudpickle")
    is_even = c("event_id").map_batches(lambda ids: ids % 2 == 0, return_dtype=pl.Boolean)
    found = evstream.scan_polars(gul).filter(is_even).collect()
    whole = evstream.read_polars(gul)
    assert_frame_equal(found, whole.filter(c("event_id") % 2 == 0))
    assert 0 < found.height < whole.height


def test_a_scan_that_stops_early_closes_its_file(gul: Path) -> None:
    scan = evstream.scan_polars(gul)
    for engine in ("in-memory", "streaming"):
        assert scan.head(3).collect(engine=engine).height == 3
        assert scan.filter(c("event_id") > 1).head(3).collect(engine=engine).height == 3
    batches = frames._Scan(gul, None, None, False).read(None, None, None, 5)
    next(batches)
    del batches, scan
    gc.collect()  # an unclosed file would be a ResourceWarning, which is an error here


def test_a_scan_of_a_file_is_read_anew_by_each_query(tmp_path: Path) -> None:
    path = loss_file(tmp_path / "gul.bin", events=2)
    scan = evstream.scan_polars(str(path))
    first = scan.select(pl.len()).collect().item()
    loss_file(path, events=4)
    assert scan.select(pl.len()).collect().item() > first
    path.write_bytes(b"\1\0\0\1\5\0\0\0")
    with pytest.raises(evstream.StreamMismatchError, match="this is a gul_item stream"):
        scan.collect()


def test_a_scan_keeps_the_widths_that_it_was_made_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan = evstream.scan_polars(loss_file(tmp_path / "gul.bin", 2), widths=DEFAULT_WIDTHS)
    expected = scan.collect()
    monkeypatch.setenv("OASIS_FLOAT", "f8")
    assert_frame_equal(scan.collect(), expected)


ONE_SHOT: dict[str, Callable[[Path], Any]] = {
    "BytesIO": lambda path: io.BytesIO(path.read_bytes()),
    "pipe": lambda path: subprocess.Popen(["cat", path], stdout=subprocess.PIPE),
    "trickle": lambda path: Trickle(path.read_bytes(), 1000),
    "file object": lambda path: path.open("rb"),
    "descriptor": lambda path: os.open(path, os.O_RDONLY),
}


@pytest.mark.parametrize("kind", ONE_SHOT)
def test_what_can_be_read_once_is_read_by_one_query_and_refused_to_the_next(
    gul: Path, kind: str
) -> None:
    source = ONE_SHOT[kind](gul)
    scan = evstream.scan_polars(source.stdout if kind == "pipe" else source)
    assert scan.collect_schema() == evstream.scan_polars(gul).collect_schema()
    assert_frame_equal(scan.collect(), evstream.read_polars(gul))
    for query in (scan, scan.select(pl.len()), scan.filter(c("event_id") == 1)):
        with pytest.raises(evstream.EvstreamError, match="an earlier query has read it"):
            query.collect()
    if kind == "pipe":
        with source:
            pass
    elif kind == "file object":
        assert not source.closed
        source.close()
    elif kind == "descriptor":
        os.close(source)


def test_both_sides_of_a_join_cannot_read_one_pipe(gul: Path) -> None:
    scan = evstream.scan_polars(io.BytesIO(gul.read_bytes()))
    query = scan.join(scan.filter(c("sidx") == -1), on=["event_id", "item_id"])
    with pytest.raises(evstream.EvstreamError, match="an earlier query has read it"):
        query.collect()


def test_a_fifo_by_its_path_is_read_once(gul: Path, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    data = gul.read_bytes()
    feeder = threading.Thread(target=lambda: fifo.write_bytes(data))
    feeder.start()
    scan = evstream.scan_polars(fifo)
    assert_frame_equal(scan.collect(), evstream.read_polars(gul))
    feeder.join()
    with pytest.raises(evstream.EvstreamError, match=f"^{fifo}: an earlier query"):
        scan.collect()


def test_a_compressed_file_is_scanned_twice(gul: Path, tmp_path: Path) -> None:
    import gzip

    path = tmp_path / "gul.bin.gz"
    path.write_bytes(gzip.compress(gul.read_bytes()))
    scan = evstream.scan_polars(path)
    for _ in range(2):
        assert_frame_equal(scan.collect(), evstream.read_polars(gul))


def test_the_errors_of_a_stream_come_out_of_collect(gul: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.bin"
    cut.write_bytes(gul.read_bytes()[:-3])
    scan = evstream.scan_polars(cut)
    for query in (scan, scan.filter(c("event_id") == 1), scan.select(pl.len())):
        with pytest.raises(evstream.TruncatedStreamError, match=rf"^{cut}: byte \d+, event_id 60"):
            query.collect()
    assert scan.head(3).collect().height == 3
    with pytest.raises(FileNotFoundError):
        evstream.scan_polars(tmp_path / "none.bin")
    with pytest.raises(evstream.StreamMismatchError):
        evstream.scan_polars(gul, stream="summary")


def test_strict_is_kept_until_collect() -> None:
    path = GOLDEN / "loss_no_final_delimiter.bin"
    with pytest.warns(evstream.MissingDelimiterWarning):
        evstream.scan_polars(path, widths=DEFAULT_WIDTHS).collect()
    with pytest.raises(evstream.TruncatedStreamError):
        evstream.scan_polars(path, widths=DEFAULT_WIDTHS, strict=True).collect()


# Batches


@pytest.mark.parametrize("rows", [1, 2, 7, 100, 4999, 1 << 17])
def test_batches_have_the_size_asked_for_and_the_last_what_is_left(gul: Path, rows: int) -> None:
    table = evstream.read_arrow(gul)
    batches = list(evstream.iter_batches(gul, rows=rows))
    sizes = [batch.num_rows for batch in batches]
    assert sizes == [rows] * (table.num_rows // rows) + (
        [table.num_rows % rows] if table.num_rows % rows else []
    )
    assert pa.Table.from_batches(batches).equals(table)
    assert all(batch.schema.equals(table.schema, check_metadata=True) for batch in batches)


@pytest.mark.parametrize("rows", [1, 3, 8, 65536])
@pytest.mark.parametrize("name", ["cdf_i4_f4_u4.bin", "cdf_block_larger_than_65536.bin"])
def test_bins_are_numbered_across_batches_and_chunks(name: str, rows: int) -> None:
    if rows < 8 and "larger" in name:
        pytest.skip("many batches")
    table = pa.Table.from_batches(list(evstream.iter_batches(GOLDEN / name, rows=rows)))
    decoded = decode((GOLDEN / name).read_bytes())
    assert table["bin_index"].to_pylist() == [record[3] for record in decoded.raw_records]


@pytest.mark.parametrize("rows", [0, -1])
def test_batches_of_no_rows_are_refused(gul: Path, rows: int) -> None:
    with pytest.raises(ValueError, match=f"batches of {rows} rows"):
        list(evstream.iter_batches(gul, rows=rows))


def test_a_stream_without_rows_is_one_empty_batch() -> None:
    path = GOLDEN / "loss_header_only.bin"
    [batch] = evstream.iter_batches(path, widths=DEFAULT_WIDTHS)
    assert batch.num_rows == 0
    with evstream.arrow_reader(path, widths=DEFAULT_WIDTHS) as reader:
        assert reader.schema.names == ["event_id", "item_id", "sidx", "loss"]
        assert reader.read_all().num_rows == 0


def test_batches_that_nobody_reads_to_the_end_leave_no_open_file(gul: Path) -> None:
    evstream.arrow_reader(gul)
    reader = evstream.arrow_reader(gul, rows=10)
    reader.read_next_batch()
    batches = evstream.iter_batches(gul, rows=10)
    next(batches)
    del reader, batches
    gc.collect()  # an unclosed file would be a ResourceWarning, which is an error here


def test_duckdb_queries_a_reader(gul: Path) -> None:
    reader = evstream.arrow_reader(gul, rows=1000)  # noqa: F841 (by its name)
    query = "select event_id, sum(loss) from reader where sidx > 0 group by event_id order by 1"
    columns = evstream.read_columns(gul)
    positive = columns["sidx"] > 0
    sums = np.bincount(columns["event_id"][positive], columns["loss"][positive])
    assert duckdb.sql(query).fetchall() == list(enumerate(sums))[1:]


# Sources


SOURCES: dict[str, Callable[[Path], Any]] = {
    **ONE_SHOT,
    "path": lambda path: path,
    "text path": str,
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("kind", SOURCES)
def test_every_kind_of_source_is_read(gul: Path, kind: str, reader: str) -> None:
    source = SOURCES[kind](gul)
    table = READERS[reader](source.stdout if kind == "pipe" else source)
    if isinstance(table, pa.RecordBatchReader):
        table = table.read_all()
    expected = evstream.read_columns(gul)["loss"].tolist()
    assert np.asarray(table["loss"]).tolist() == expected
    if kind == "pipe":
        with source:
            pass
    elif kind == "file object":
        source.close()
    elif kind == "descriptor":
        os.close(source)


def test_standard_input_is_scanned(gul: Path) -> None:
    code = "import evstream; print(evstream.scan_polars('-').collect().height)"
    with gul.open("rb") as file:
        done = subprocess.run([sys.executable, "-c", code], stdin=file, capture_output=True,
                              cwd=ROOT, env=child_environment(), check=True)  # fmt: skip
    assert int(done.stdout) == evstream.read_arrow(gul).num_rows


# And back


def write_back(table: Any, stream: str | None = None, **values: Any) -> bytes:
    target = io.BytesIO()
    evstream.write_arrow(table, target, stream, **values)
    return target.getvalue()


def as_duckdb(table: pa.Table) -> Any:
    return duckdb.from_arrow(table)


FRAMES: dict[str, Callable[..., Any]] = {
    "polars": evstream.read_polars,
    "scan": READERS["scan"],
    "pandas": evstream.read_pandas,
    "pandas of arrow": lambda *a, **k: evstream.read_arrow(*a, **k).to_pandas(
        types_mapper=pd.ArrowDtype
    ),
    "columns": evstream.read_columns,
    "duckdb": lambda *a, **k: as_duckdb(evstream.read_arrow(*a, **k)),
}
"""Tables that do not carry a stream header."""


@pytest.mark.parametrize("kind", FRAMES)
@pytest.mark.parametrize("entry", FAITHFUL, ids=file_name)
def test_a_golden_file_comes_back_from_a_frame(kind: str, entry: Entry) -> None:
    frame = FRAMES[kind](GOLDEN / entry["file"], **options(entry))
    written = write_back(
        frame, entry["stream"], widths=entry["widths"], validate=False, **entry["header"]
    )
    assert written == closed(entry)


def closed(entry: Entry) -> bytes:
    """The bytes of a golden file, with its final delimiter."""
    size = sum(int(entry["widths"][name][1]) for name in ("oasis_int", "oasis_float"))
    return golden_bytes(entry) + bytes(size if entry in UNCLOSED else 0)


@pytest.mark.parametrize("entry", FAITHFUL, ids=file_name)
def test_a_golden_file_comes_back_from_arrow_without_being_told_anything(entry: Entry) -> None:
    path = GOLDEN / entry["file"]
    table = evstream.read_arrow(path, **options(entry))
    keeps_rules = not evstream.validate(path, **options(entry)).errors
    if not keeps_rules:
        with pytest.raises(evstream.WriteError, match=" breaks "):
            write_back(table)
    assert write_back(table, validate=keeps_rules) == golden_bytes(entry)
    for rows in (1, 7, 1 << 17):
        if entry["records"] // rows < 5000:
            reader = evstream.arrow_reader(path, rows=rows, **options(entry))
            assert write_back(reader, validate=keeps_rules) == closed(entry)


@pytest.mark.parametrize("entry", REAL, ids=file_name)
def test_a_real_stream_comes_back(entry: Entry) -> None:
    path = CORPUS / entry["file"]
    data = path.read_bytes()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        table = evstream.read_arrow(path)
    said = {warning.category for warning in caught}
    header = header_of(table.schema)
    assert header is not None
    if entry["file"] == "e14_delimiter_with_loss.bin":
        assert len(write_back(table)) == len(data)
        return
    same = evstream.RowsWarning not in said
    assert (write_back(table, validate=False) == data) is same
    if not same:
        return
    for frame in (pl.from_arrow(table), table.to_pandas()):
        written = write_back(frame, header.stream, validate=False, **header.values)
        assert written == data + bytes(8 if table.schema.metadata.get(FINAL_DELIMITER) else 0)


def test_the_files_that_rows_cannot_say_give_a_warning() -> None:
    for entry in LEGAL:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", evstream.RowsWarning)
            evstream.read_arrow(GOLDEN / entry["file"], **options(entry))
        warned = any(warning.category is evstream.RowsWarning for warning in caught)
        assert warned is (entry["file"] in SAID_BY_NO_ROW), entry["file"]


PAIR = [(1, 1.0)]
UNSAID = {
    "1 blocks without entries, which have no row": [((1, 1), PAIR), ((1, 2), [])],
    "2 blocks without entries, which have no row": [((1, 1), []), ((1, 2), []), ((1, 3), PAIR)],
    "1 blocks that rows cannot tell from the one before": [((1, 1), PAIR), ((1, 1), PAIR)],
    "1 blocks without entries, which have no row and 1 blocks that rows cannot tell from the "
    "one before": [((1, 1), PAIR), ((1, 1), [])],
}


@pytest.mark.parametrize("said", UNSAID)
@pytest.mark.parametrize("kind", [kind for kind in READERS if kind != "reader"])
def test_a_warning_counts_what_rows_cannot_say(kind: str, said: str) -> None:
    data = encode("loss", {"len_sample": 5}, UNSAID[said])
    with pytest.warns(evstream.RowsWarning, match=f"<BytesIO>: the stream has {said}$"):
        READERS[kind](io.BytesIO(data), widths=DEFAULT_WIDTHS)


@pytest.mark.parametrize("chunk", [256, 257, 300, 512])
def test_what_rows_cannot_say_is_counted_across_chunks(chunk: int) -> None:
    entries = [[(s, 1.0) for s in range(1, 1 + n)] for n in (0, 1, 5, 0, 40, 3, 0, 0)]
    blocks = [((1, 1 + i // 2), entries[i % 8]) for i in range(120)]
    data = encode("loss", {"len_sample": 50}, blocks)
    empty = sum(not block[1] for block in blocks)
    said = f"has {empty} blocks without entries, which have no row and 60 blocks that"
    with (
        EventStream(io.BytesIO(data), widths=DEFAULT_WIDTHS, chunk=chunk) as stream,
        pytest.warns(evstream.RowsWarning, match=said),
    ):
        list(iter_rows(stream))


def test_blocks_of_a_cdf_that_repeat_are_told_by_their_bins() -> None:
    blocks = [((1, 1, 1), [(0.5, 0.1), (1.0, 0.2)])] * 3
    data = encode("cdf", {}, blocks)
    assert write_back(evstream.read_arrow(io.BytesIO(data))) == data


@pytest.mark.parametrize("sizes", [[1], [2], [1, 5, 2], [100]])
def test_whole_blocks_come_together(sizes: list[int]) -> None:
    header = StreamHeader("cdf", {}, DEFAULT_WIDTHS | SAMPLE_COUNT)
    index = np.array([1, 2, 3, 1, 1, 2, 1, 2, 3, 4, 5, 1])
    rows = {"event_id": np.repeat(np.arange(5), [3, 1, 2, 5, 1]), "bin_index": index}
    batches: list[dict[str, Any]] = []
    at = 0
    while at < len(index):
        size = sizes[len(batches) % len(sizes)]
        batches.append({name: column[at : at + size] for name, column in rows.items()})
        at += size
    whole = [batch for batch in whole_blocks(header, batches) if len(batch["bin_index"])]
    assert all(batch["bin_index"][0] == 1 for batch in whole)
    for name, column in rows.items():
        assert np.concatenate([batch[name] for batch in whole]).tolist() == column.tolist()


def test_a_cdf_larger_than_a_chunk_comes_back_from_arrow(tmp_path: Path) -> None:
    path = tmp_path / "cdf.bin"
    bins = np.arange(1, 1001)
    with evstream.create(path, "cdf") as out:
        for event in range(1, 301):
            out.write_columns(event, 1, 1, bins, bins / 1000, 0.5)
    table = evstream.read_arrow(path)
    assert table["bin_index"].num_chunks > 1
    assert write_back(table) == path.read_bytes()
    assert write_back(evstream.read_polars(path), "cdf") == path.read_bytes()


# What a schema carries


def test_the_schema_carries_the_header_the_widths_and_the_spec() -> None:
    path = GOLDEN / "summary_i8_f8.bin"
    widths = {"oasis_int": "i8", "oasis_float": "f8"}
    table = evstream.read_arrow(path, widths=widths)
    facts = json.loads(table.schema.metadata[METADATA])
    with evstream.open(path, widths=widths) as stream:
        header = stream.header
    assert facts == {
        "stream": "summary",
        "header": dict(header.values),
        "widths": dict(header.widths),
        "spec": layout.DIGEST,
    }
    assert header_of(table.schema) == header
    assert FINAL_DELIMITER not in table.schema.metadata
    assert all(not field.nullable for field in table.schema)


def test_the_header_survives_parquet_and_the_arrow_file_format(gul: Path, tmp_path: Path) -> None:
    import pyarrow.feather
    import pyarrow.parquet

    table = evstream.read_arrow(gul)
    pyarrow.parquet.write_table(table, tmp_path / "gul.parquet")
    pyarrow.feather.write_feather(table, tmp_path / "gul.arrow")
    for read, name in (
        (pyarrow.parquet.read_table, "gul.parquet"),
        (pyarrow.feather.read_table, "gul.arrow"),
    ):
        assert write_back(read(tmp_path / name)) == gul.read_bytes()


def test_a_missing_final_delimiter_is_carried_and_left_out_again() -> None:
    path = GOLDEN / "loss_no_final_delimiter.bin"
    table = evstream.read_arrow(path, widths=DEFAULT_WIDTHS)
    assert table.schema.metadata[FINAL_DELIMITER] == b"false"
    assert write_back(table) == path.read_bytes()


def test_what_is_given_goes_before_what_is_carried(gul: Path) -> None:
    table = evstream.read_arrow(gul)
    data = write_back(table, len_sample=20, widths={"oasis_float": "f8"})
    with evstream.open(io.BytesIO(data), widths={"oasis_float": "f8"}) as stream:
        assert stream.header.len_sample == 20
        assert sum(len(event) for event in stream) == 540


@pytest.mark.parametrize("facts", [
    b"{", b"[]", b"{}", b'{"stream": "loss", "header": [], "widths": {}}',
    b'{"stream": "loss", "header": {}, "widths": {}}',
    b'{"stream": "loss", "header": {"len_sample": -1}, "widths": {}}',
    b'{"stream": "none", "header": {}, "widths": {}}',
    b'{"stream": "cdf", "header": {}, "widths": {"oasis_int": "i2"}}',
])  # fmt: skip
def test_broken_metadata_is_refused(facts: bytes) -> None:
    table = pa.table({"event_id": [1]}).replace_schema_metadata({METADATA: facts})
    with pytest.raises(evstream.TableError, match="the evstream metadata is broken"):
        write_back(table)


# What cannot be written


GOOD = {"event_id": [1, 1], "item_id": [1, 1], "sidx": [1, 2], "loss": [0.5, 2.5]}
GOOD_BYTES = encode("loss", {"len_sample": 5}, [((1, 1), [(1, 0.5), (2, 2.5)])])
TABLES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "polars": pl.DataFrame,
    "pandas": pd.DataFrame,
    "nullable pandas": lambda columns: pd.DataFrame(columns).convert_dtypes(),
    "arrow": pa.table,
    "batch": pa.record_batch,
    "dict": dict,
}


def write_loss(table: Any) -> bytes:
    return write_back(table, "loss", len_sample=5, widths=DEFAULT_WIDTHS)


@pytest.mark.parametrize("kind", TABLES)
def test_a_table_of_wide_numbers_becomes_a_stream_of_narrow_ones(kind: str) -> None:
    assert write_loss(TABLES[kind](GOOD)) == GOOD_BYTES


@pytest.mark.parametrize("kind", TABLES)
def test_columns_in_another_order_and_others_beside_them_are_no_hindrance(kind: str) -> None:
    columns = {"name": ["a", None], **dict(reversed(GOOD.items()))}
    assert write_loss(TABLES[kind](columns)) == GOOD_BYTES


def test_an_index_of_pandas_is_left_alone() -> None:
    frame = pd.DataFrame({"x": [1, 2, 3], **{k: [9, *v] for k, v in GOOD.items()}}).iloc[1:]
    assert write_loss(frame.set_index("x")) == GOOD_BYTES


@pytest.mark.parametrize(("column", "value", "width"), [
    ("item_id", 2**31, "i4"), ("item_id", -(2**31) - 1, "i4"), ("event_id", 2**40, "i4"),
    ("sidx", 1.5, "i4"), ("loss", 1e39, "f4"), ("loss", -1e300, "f4"),
])  # fmt: skip
@pytest.mark.parametrize("kind", TABLES)
def test_a_number_that_does_not_fit_is_refused(
    kind: str, column: str, value: float, width: str
) -> None:
    first = type(value)(GOOD[column][0])
    with np.errstate(invalid="ignore"):  # older versions of pandas try a cast
        table = TABLES[kind]({**GOOD, column: [first, value]})
    with pytest.raises(evstream.WriteError, match=f"{column} .* does not fit into {width}"):
        write_loss(table)


@pytest.mark.parametrize("column", GOOD)
@pytest.mark.parametrize("kind", TABLES)
def test_a_missing_value_is_refused_with_its_row_and_column(kind: str, column: str) -> None:
    table = TABLES[kind]({**GOOD, column: [GOOD[column][0], None]})
    if kind == "pandas" and column == "loss":
        with pytest.raises(evstream.WriteError, match="loss nan breaks loss-finite"):
            write_loss(table)
        return
    with pytest.raises(evstream.TableError) as caught:
        write_loss(table)
    assert str(caught.value) == f"row 1, column {column}: a value is missing"
    assert (caught.value.row, caught.value.column) == (1, column)


def test_the_row_of_an_error_counts_from_the_start_of_the_table() -> None:
    batch = pa.record_batch(GOOD)
    more = pa.record_batch({**GOOD, "item_id": [2, 2], "sidx": [1, 9]})
    with pytest.raises(evstream.WriteError) as caught:
        write_loss(pa.Table.from_batches([batch, more]))
    assert caught.value.row == 3
    assert caught.value.ids == {"event_id": 1, "item_id": 2}
    missing = pa.record_batch({**GOOD, "loss": [None, 1.0]})
    with pytest.raises(evstream.TableError, match=r"^row 2, column loss"):
        write_loss(pa.Table.from_batches([batch, missing]))


@pytest.mark.parametrize("values", [["1", "2"], [True, False], [b"1", b"2"], [[1], [2]]])
@pytest.mark.parametrize("kind", TABLES)
def test_a_column_that_is_not_of_numbers_is_refused(kind: str, values: list[Any]) -> None:
    table = TABLES[kind]({**GOOD, "item_id": values})
    with pytest.raises(evstream.TableError, match=r"^column item_id: of type .*, expected numbers"):
        write_loss(table)


@pytest.mark.parametrize("column", GOOD)
@pytest.mark.parametrize("rows", [0, 2])
def test_a_column_that_is_not_there_is_refused_before_anything_is_written(
    column: str, rows: int
) -> None:
    target = io.BytesIO()
    table = {name: values[:rows] for name, values in GOOD.items() if name != column}
    with pytest.raises(evstream.TableError, match=f"^no column {column}, expected columns event"):
        evstream.write_arrow(table, target, "loss", len_sample=5)
    assert target.getvalue() == b""


def test_a_column_that_is_there_twice_is_refused() -> None:
    table = pa.table(list(map(pa.array, [*GOOD.values(), [1, 2]])), [*GOOD, "sidx"])
    with pytest.raises(evstream.TableError, match=r"^2 columns sidx"):
        write_loss(table)


@pytest.mark.parametrize("kind", TABLES)
def test_a_table_without_rows_becomes_a_stream_without_records(kind: str) -> None:
    table = TABLES[kind]({name: [] for name in GOOD})
    assert write_loss(table) == encode("loss", {"len_sample": 5}, [])


def test_what_a_frame_does_not_carry_has_to_be_given() -> None:
    with pytest.raises(TypeError, match="a loss stream needs len_sample"):
        write_back(pl.DataFrame(GOOD))


def test_decimals_of_sql_are_numbers() -> None:
    query = """
        select 1 as event_id, sum(i) as item_id, 1 as sidx, 1.5 as loss
        from (values (1), (1), (2), (2)) t(i) group by i order by 2
    """
    data = write_loss(duckdb.sql(query))
    assert decode(data).records == [(1, 2, 1, 1.5), (1, 4, 1, 1.5)]
    with pytest.raises(evstream.TableError, match=r"^row 0, column item_id: 1\.5, expected a"):
        write_loss(duckdb.sql(query.replace("sum(i)", "1.5")))


def test_the_rules_of_a_stream_hold_for_a_frame_unless_told_otherwise(tmp_path: Path) -> None:
    target = tmp_path / "gul.bin"
    table = pl.DataFrame({**GOOD, "sidx": [2, 1]})
    with pytest.raises(evstream.WriteError, match="breaks sidx-ascending"):
        evstream.write_arrow(table, target, "loss", len_sample=5)
    assert not target.exists()
    evstream.write_arrow(table, target, "loss", len_sample=5, validate=False)
    assert evstream.read_polars(target)["sidx"].to_list() == [2, 1]


def test_a_frame_that_was_filtered_is_written(gul: Path) -> None:
    scan = evstream.scan_polars(gul).filter(c("item_id") < 4, c("sidx") > 0)
    data = write_back(scan.collect(), "loss", len_sample=8)
    assert_frame_equal(evstream.read_polars(io.BytesIO(data)), scan.collect())


# Matrices


def matrix_by_events(path: Path, events: Any = None, **how: Any) -> list[tuple[Any, ...]]:
    rows = []
    with evstream.open(path, **how) as stream:
        for event in stream:
            if events is None or event.event_id in events:
                dense = event.to_dense()
                for i in range(len(event)):
                    specials = {name: v[i] for name, v in dense.specials.items()}
                    columns = {name: v[i] for name, v in dense.columns.items()}
                    rows.append((event.event_id, dense.ids[i], dense.losses[i], specials, columns))
    return rows


def assert_same_matrix(table: evstream.DenseTable, rows: list[tuple[Any, ...]]) -> None:
    assert table.event_ids.tolist() == [row[0] for row in rows]
    assert table.ids.tolist() == [row[1] for row in rows]
    assert table.losses.flags.c_contiguous
    assert raw(table.losses.ravel()) == raw(np.array([row[2] for row in rows]).ravel())
    for name, column in table.specials.items():
        assert raw(column) == raw(np.array([row[3].get(name, np.nan) for row in rows],
                                           column.dtype))  # fmt: skip
    assert set(table.specials) == {name for row in rows for name in row[3]}
    for name, column in table.columns.items():
        assert raw(column) == raw(np.array([row[4][name] for row in rows]))


WITHOUT_MATRIX = {
    "loss_ids_i8.bin",
    "loss_sidx_above_len_sample.bin",
    "loss_sidx_duplicate.bin",
    "loss_sidx_minus_6.bin",
}
"""Golden files with a sidx that has no place."""


DENSE = [e for e in LEGAL if e["stream"] not in ("cdf", "event_ids") and e["records"]]
DENSE = [e for e in DENSE if e["file"] != "loss_len_sample_max.bin"]  # two thousand million columns


@pytest.mark.parametrize("entry", DENSE, ids=file_name)
def test_the_matrix_of_a_stream_is_that_of_its_events(entry: Entry) -> None:
    path, how = GOLDEN / entry["file"], {"widths": entry["widths"]}
    if entry["file"] in WITHOUT_MATRIX:
        with pytest.raises(evstream.CorruptStreamError) as of_event:
            matrix_by_events(path, **how)
        with pytest.raises(evstream.CorruptStreamError) as of_table:
            evstream.read_dense(path, **how)
        assert str(of_table.value) == str(of_event.value)
        return
    assert_same_matrix(evstream.read_dense(path, **how), matrix_by_events(path, **how))


@pytest.mark.filterwarnings("ignore::evstream.AbsentEventWarning")
@pytest.mark.parametrize("events", [3, [1, 59, 60], [], [99]])
def test_the_matrix_of_some_events(gul: Path, events: Any) -> None:
    wanted = [events] if isinstance(events, int) else events
    table = evstream.read_dense(gul, events)
    assert table.losses.shape == (len(table.ids), 8)
    if len(table.ids):
        assert_same_matrix(table, matrix_by_events(gul, wanted))


@pytest.mark.parametrize("chunk", [256, 270, 311, 1000])
def test_chunks_are_joined_where_a_block_was_cut(gul: Path, chunk: int) -> None:
    with EventStream(gul) as stream:
        [whole] = stream.chunks()
    with EventStream(gul, chunk=chunk) as stream:
        joined = join_chunks(stream.header, stream.chunks())
    for a, b in zip((*whole.columns.block, whole.columns.offsets, *whole.columns.entry),
                    (*joined.block, joined.offsets, *joined.entry), strict=True):  # fmt: skip
        assert a.tolist() == b.tolist()
    with EventStream(gul, chunk=chunk) as stream:
        selection = Selection(stream.header, [2, 3, 50])
        some = join_chunks(stream.header, (selection.blocks(part) for part in stream.chunks()))
    assert (
        np.diff(some.offsets).tolist()
        == np.diff(whole.columns.offsets)[np.isin(whole.columns.block[0], [2, 3, 50])].tolist()
    )


def test_the_matrix_of_a_stream_without_records_has_no_rows() -> None:
    table = evstream.read_dense(GOLDEN / "loss_header_only.bin", widths=DEFAULT_WIDTHS)
    with evstream.open(GOLDEN / "loss_header_only.bin") as stream:
        len_sample = stream.header.len_sample
    assert table.losses.shape == (0, len_sample)
    assert (table.event_ids.dtype, table.losses.dtype) == ("i4", "f4")
    assert (table.specials, table.columns) == ({}, {})


def test_the_matrix_of_summaries_has_their_exposures() -> None:
    blocks = [((1, 1, 100.0), [(-3, 7.0), (2, 5.0)]), ((2, 3, 250.0), [(1, 4.0)])]
    data = encode("summary", {"len_sample": 2, "summary_set_id": 1}, blocks)
    table = evstream.read_dense(io.BytesIO(data), widths=DEFAULT_WIDTHS)
    assert table.columns["exposure_values"].tolist() == [100.0, 250.0]
    assert table.losses.tolist() == [[0, 5], [4, 0]]
    assert table.specials["tiv"][0] == 7
    assert np.isnan(table.specials["tiv"][1])
    with evstream.open(io.BytesIO(data), widths=DEFAULT_WIDTHS) as stream:
        assert [event.to_dense().columns["exposure_values"].tolist() for event in stream] == [
            [100.0], [250.0],
        ]  # fmt: skip


def test_a_stream_without_samples_has_no_matrix() -> None:
    with pytest.raises(TypeError, match="a cdf stream has no samples"):
        evstream.read_dense(GOLDEN / "cdf_i4_f4_u4.bin")


@pytest.mark.parametrize(("entries", "problem"), [
    ([(1, 1.0), (6, 1.0)], "sidx 6 has no place in the matrix"),
    ([(-6, 1.0), (6, 1.0)], "sidx -6 has no place in the matrix"),
    ([(3, 1.0), (9, 1.0), (-9, 1.0)], "sidx 9 has no place in the matrix"),
    ([(2, 1.0), (1, 1.0), (2, 1.0)], "sidx 2 occurs twice in its block"),
    ([(-1, 1.0), (-1, 1.0)], "sidx -1 occurs twice in its block"),
    ([(5, 1.0), (-5, 1.0), (5, 2.0), (-5, 1.0)], "sidx 5 occurs twice in its block"),
])  # fmt: skip
@pytest.mark.parametrize("before", [0, 1, 3])
def test_an_entry_without_a_place_is_refused_with_its_ids(
    entries: list[tuple[int, float]], problem: str, before: int
) -> None:
    good = [((7, i + 1), [(5, 1.0), (-1, 2.0), (1, 3.0)]) for i in range(before)]
    data = encode("loss", {"len_sample": 5}, [*good, ((7, 9), entries)])
    with pytest.raises(evstream.CorruptStreamError) as caught:
        evstream.read_dense(io.BytesIO(data), widths=DEFAULT_WIDTHS)
    assert caught.value.ids == {"event_id": 7, "item_id": 9}
    assert problem in str(caught.value)


@given(st.lists(st.lists(st.integers(-5, 6).filter(bool), max_size=6, unique=True), max_size=6))
def test_entries_in_any_order_find_their_place(blocks: list[list[int]]) -> None:
    encoded = [((1, i + 1), [(s, float(s)) for s in sidx]) for i, sidx in enumerate(blocks)]
    data = encode("loss", {"len_sample": 6}, encoded)
    table = evstream.read_dense(io.BytesIO(data), widths=DEFAULT_WIDTHS)
    for i, sidx in enumerate(blocks):
        assert table.losses[i].tolist() == [s if s in sidx else 0 for s in range(1, 7)]
        for name, column in table.specials.items():
            value = layout.SPECIAL_PARAMETERS[name]
            assert column[i] == value if value in sidx else np.isnan(column[i])


# Extras


@pytest.mark.parametrize(("module", "call", "extra"), [
    ("polars", evstream.read_polars, "polars"),
    ("polars", evstream.scan_polars, "polars"),
    ("pandas", evstream.read_pandas, "pandas"),
    ("pyarrow", evstream.read_arrow, "arrow"),
    ("pyarrow", evstream.arrow_reader, "arrow"),
    ("pyarrow", lambda path: evstream.write_arrow({}, path), "arrow"),
])  # fmt: skip
def test_a_missing_extra_is_named(
    gul: Path, monkeypatch: pytest.MonkeyPatch, module: str, call: Any, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(evstream.MissingExtraError) as caught:
        call(gul)
    assert str(caught.value) == f"this needs {module}: pip install 'evstream[{extra}]'"
    gc.collect()


def test_pandas_and_matrices_need_no_arrow(gul: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert len(evstream.read_pandas(gul)) == len(evstream.read_columns(gul)["loss"])
    assert len(evstream.read_dense(gul).ids) == 540


def test_reading_columns_imports_no_extra(gul: Path) -> None:
    code = (
        "import sys, evstream; evstream.read_dense(sys.argv[1]); evstream.frames; "
        "print([m for m in ('polars', 'pandas', 'pyarrow') if m in sys.modules])"
    ).replace("evstream.tables.dataframes", "import evstream.tables.dataframes")
    done = subprocess.run([sys.executable, "-c", code, gul], capture_output=True, text=True,
                          cwd=ROOT, env=child_environment(), check=True)  # fmt: skip
    assert done.stdout == "[]\n"


# The page on analysis


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("folder")
def test_the_examples_of_the_page_on_analysis_print_what_it_says() -> None:
    assert run_examples(ROOT / "docs" / "analysis.md") == 10


@pytest.mark.parametrize(
    "read",
    [
        evstream.read_columns, evstream.read_arrow, evstream.read_polars, evstream.read_pandas,
        evstream.read_dense, evstream.iter_batches, evstream.arrow_reader,
        lambda source, **options: evstream.scan_polars(source, **options).collect(),
    ],
)  # fmt: skip
def test_a_pipe_that_gives_nothing_is_told_after_the_timeout(read: Callable[..., Any]) -> None:
    readable, writable = os.pipe()
    try:
        with pytest.raises(evstream.StallError, match=r"no byte came for 0\.05 s"):
            read(readable, timeout=0.05)
    finally:
        os.close(readable)
        os.close(writable)


@pytest.mark.parametrize("read", [evstream.iter_batches, evstream.arrow_reader])
def test_what_is_wrong_with_a_source_is_told_at_once(read: Callable[..., Any]) -> None:
    with pytest.raises(FileNotFoundError):
        read("nowhere.bin")
    with pytest.raises(ValueError, match="batches of 0 rows"):
        read(GOLDEN / "loss_i4_f4.bin", rows=0)
    with pytest.raises(TypeError):
        read(GOLDEN / "loss_i4_f4.bin", rows="5")


def test_what_comes_in_batches_or_is_lazy_is_a_table_too() -> None:
    path = GOLDEN / "loss_i4_f4.bin"
    data = path.read_bytes()
    assert write_back(evstream.iter_batches(path, rows=3)) == data
    lazy = evstream.scan_polars(path).filter(pl.col("sidx") < 100)
    assert write_back(lazy, "loss", len_sample=int.from_bytes(data[4:8], "little")) == data


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        (None, "NoneType is not a table"), ("gul.bin", "str is not a table"),
        ([{"event_id": 1}], "list is not a table"), (iter([]), "there is no batch"),
        (iter([1]), "a batch is a int"), ({"event_id": [2**64 + 1]}, "row 0, column event_id"),
    ],
)  # fmt: skip
def test_what_is_no_table_is_told_in_a_line(table: Any, problem: str) -> None:
    with pytest.raises(evstream.TableError, match=problem):
        evstream.write_arrow(table, io.BytesIO(), "loss", len_sample=1)


def test_a_table_in_a_file_is_told_from_a_stream(tmp_path: Path) -> None:
    path = tmp_path / "loss.parquet"
    pq.write_table(evstream.read_arrow(GOLDEN / "loss_i4_f4.bin"), path)
    with pytest.raises(evstream.StreamHeaderError, match="this is a Parquet file, which `evstream"):
        evstream.read_columns(path)
