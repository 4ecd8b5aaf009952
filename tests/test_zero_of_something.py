"""Queries and conversions with zero of something: columns, rows, batches, events, samples."""

from __future__ import annotations

import io
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import evstream
from evstream.conversion.convert import convert
from oracle import encode

BLOCKS = [((event, item), [(-1, 1.0), (1, 2.0), (2, 3.0)]) for event in (1, 2) for item in (5, 6)]
ROWS = 12
LOSS = encode("loss", {"len_sample": 2}, BLOCKS)
EVENTS = encode("event_ids", {}, [((event,), []) for event in range(1, 8)])

HEADERS: dict[str, dict[str, int]] = {
    "loss": {"len_sample": 0},
    "gul_item": {"len_sample": 3},
    "gul_coverage": {"len_sample": 3},
    "summary": {"len_sample": 3, "summary_set_id": 4},
    "cdf": {},
    "event_ids": {},
}


@pytest.fixture
def loss(tmp_path: Path) -> Path:
    (tmp_path / "loss.bin").write_bytes(LOSS)
    return tmp_path / "loss.bin"


Query = Callable[[pl.LazyFrame], pl.LazyFrame]
INDEXED: dict[str, tuple[Query, Any]] = {
    "len": (lambda scan: scan.select(pl.len()), ROWS),
    "len of a row index": (lambda scan: scan.with_row_index("i").select(pl.len()), ROWS),
    "last of a row index": (lambda scan: scan.with_row_index("i").select(pl.col("i").last()), 11),
    "sum of a row index": (lambda scan: scan.with_row_index("i").select(pl.col("i").sum()), 66),
    "a part of it": (
        lambda scan: scan.with_row_index("i").filter(pl.col("i") >= 10).select(pl.len()), 2,
    ),
    "head": (lambda scan: scan.head(5).with_row_index("i").select(pl.len()), 5),
    "slice": (lambda scan: scan.slice(3, 4).with_row_index("i").select(pl.len()), 4),
    "tail": (lambda scan: scan.tail(2).with_row_index("i").select(pl.len()), 2),
    "head of none": (lambda scan: scan.head(0).with_row_index("i").select(pl.len()), 0),
    "a constant": (lambda scan: scan.with_columns(x=pl.lit(1)).select(pl.col("x").sum()), ROWS),
    "always": (
        lambda scan: scan.filter(pl.lit(True)).with_row_index("i").select(pl.len()), ROWS,
    ),
    "never": (lambda scan: scan.filter(pl.lit(False)).with_row_index("i").select(pl.len()), 0),
    "a filter on blocks": (
        lambda scan: scan.filter(pl.col("item_id") == 5).with_row_index("i").select(pl.len()), 6,
    ),
    "a filter on rows": (
        lambda scan: scan.filter(pl.col("sidx") > 0).with_row_index("i").select(pl.len()), 8,
    ),
    "filters on both": (
        lambda scan: scan.filter(pl.col("item_id") == 5, pl.col("sidx") > 0)
        .with_row_index("i").select(pl.len()), 4,
    ),
    "a filter that nothing passes": (
        lambda scan: scan.filter(pl.col("item_id") == 9).with_row_index("i").select(pl.len()), 0,
    ),
    "a cross join": (
        lambda scan: scan.select(pl.len()).join(scan.with_row_index("i").select("i"), how="cross")
        .select(pl.len()), ROWS,
    ),
    "two scans at once": (
        lambda scan: pl.concat([scan, scan]).with_row_index("i").select(pl.len()), 2 * ROWS,
    ),
}  # fmt: skip


@pytest.mark.parametrize("engine", ["in-memory", "streaming"])
@pytest.mark.parametrize(("query", "expected"), INDEXED.values(), ids=INDEXED)
def test_a_query_without_columns_has_all_rows(
    loss: Path, query: Query, expected: int, engine: Any
) -> None:
    assert query(evstream.scan_polars(loss)).collect(engine=engine).item() == expected


@pytest.mark.parametrize("engine", ["in-memory", "streaming"])
def test_blocks_without_entries_are_counted(tmp_path: Path, engine: Any) -> None:
    (tmp_path / "events.bin").write_bytes(EVENTS)
    scan = evstream.scan_polars(tmp_path / "events.bin", stream="event_ids")
    assert scan.with_row_index("i").select(pl.len()).collect(engine=engine).item() == 7


@pytest.mark.parametrize(
    ("query", "expected"),
    [("select count(*) from gul", [(12,)]), ("select 1 from gul limit 0", []),
     ("select count(*) from (select 1 from gul where sidx > 0)", [(8,)]),
     ("select count(*) from gul where false", [(0,)]), ("select 1 from gul", [(1,)] * 12)],
)  # fmt: skip
def test_duckdb_counts_without_columns(loss: Path, query: str, expected: Any) -> None:
    gul = evstream.arrow_reader(loss, rows=5)  # noqa: F841 (DuckDB finds it by its name)
    assert duckdb.sql(query).fetchall() == expected


EMPTY_SELECTIONS = [
    {"events": []},
    {"sidx": []},
    {"events": 99},
    {"sidx": 99},
    {"events": range(0)},
]


@pytest.mark.filterwarnings("ignore::evstream.AbsentEventWarning")
@pytest.mark.parametrize("selection", EMPTY_SELECTIONS, ids=str)
def test_a_selection_of_nothing_is_an_empty_table(loss: Path, selection: dict[str, Any]) -> None:
    names = ["event_id", "item_id", "sidx", "loss"]
    assert list(evstream.read_pandas(loss, **selection).columns) == names
    assert evstream.read_pandas(loss, **selection).shape == (0, 4)
    assert evstream.read_polars(loss, **selection).shape == (0, 4)
    assert evstream.read_arrow(loss, **selection).num_rows == 0
    columns = evstream.read_columns(loss, **selection)
    assert [(name, len(column)) for name, column in columns.items()] == [(n, 0) for n in names]
    [batch] = evstream.iter_batches(loss, **selection)
    assert (batch.num_rows, batch.schema.names) == (0, names)
    assert evstream.arrow_reader(loss, **selection).read_all().num_rows == 0


def test_a_matrix_of_no_events(loss: Path) -> None:
    dense = evstream.read_dense(loss, events=[])
    assert (dense.losses.shape, dense.event_ids.shape) == ((0, 2), (0,))


def test_a_matrix_of_no_samples(tmp_path: Path) -> None:
    blocks = [((1, 5), [(-1, 1.5)]), ((2, 5), [(-1, 2.5)])]
    (tmp_path / "mean.bin").write_bytes(encode("loss", {"len_sample": 0}, blocks))
    dense = evstream.read_dense(tmp_path / "mean.bin")
    assert dense.losses.shape == (2, 0)
    assert dense.specials["mean"].tolist() == [1.5, 2.5]
    with evstream.open(tmp_path / "mean.bin") as stream:
        assert [event.to_dense().losses.shape for event in stream] == [(1, 0), (1, 0)]


@pytest.mark.parametrize("stream", HEADERS)
def test_no_rows_in_every_reader(tmp_path: Path, stream: str) -> None:
    path = tmp_path / "empty.bin"
    path.write_bytes(encode(stream, HEADERS[stream], []))
    how = {"stream": stream}
    assert evstream.read_arrow(path, **how).num_rows == 0
    assert evstream.read_polars(path, **how).height == 0
    assert evstream.scan_polars(path, **how).with_row_index("i").collect().height == 0
    assert evstream.scan_polars(path, **how).select(pl.len()).collect().item() == 0
    gul = evstream.arrow_reader(path, **how)  # noqa: F841 (DuckDB finds it by its name)
    assert duckdb.sql("select count(*) from gul").fetchall() == [(0,)]
    for make in (evstream.read_arrow, evstream.arrow_reader, evstream.iter_batches):
        evstream.write_arrow(make(path, **how), out := io.BytesIO())
        assert out.getvalue() == path.read_bytes()


@pytest.mark.parametrize("stream", HEADERS)
@pytest.mark.parametrize("make", [dict, pl.DataFrame, pa.table, pd.DataFrame])
def test_a_table_of_no_rows_becomes_a_header(stream: str, make: Any) -> None:
    names = list(evstream.read_columns(io.BytesIO(encode(stream, HEADERS[stream], [])),
                                       stream=stream))  # fmt: skip
    columns = {name: np.empty(0, "f8") for name in names}
    evstream.write_arrow(make(columns), out := io.BytesIO(), stream, **HEADERS[stream])
    assert out.getvalue() == encode(stream, HEADERS[stream], [])


FORMATS = ["bin", "csv", "parquet", "arrow", "jsonl"]


@pytest.mark.parametrize("stream", HEADERS)
@pytest.mark.parametrize(("first", "second"), [*product(FORMATS, FORMATS)])
def test_no_rows_convert_between_all_formats(
    tmp_path: Path, stream: str, first: str, second: str
) -> None:
    """CSV and JSON lines need to be told what the stream header says."""
    source = tmp_path / "empty.bin"
    source.write_bytes(encode(stream, HEADERS[stream], []))
    one, two, back = (tmp_path / name for name in (f"1.{first}", f"2.{second}", "back.bin"))
    named = {"stream": stream}
    needed = {**named, **HEADERS[stream]}
    convert(source, one, **named)
    convert(one, two, **(needed if first in {"csv", "jsonl"} else named))
    convert(two, back, **(needed if second in {"csv", "jsonl"} else named))
    assert back.read_bytes() == source.read_bytes()
