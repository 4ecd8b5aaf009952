"""Tables that are not a stream are refused with row and column."""

from __future__ import annotations

import io
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
from polars.testing import assert_frame_equal

import evstream
from frame_cases import c, write_back
from golden_files import (
    GOLDEN,
)
from oracle import DEFAULT_WIDTHS, decode, encode

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
def test_wide_numbers_become_a_stream_of_narrow_ones(kind: str) -> None:
    assert write_loss(TABLES[kind](GOOD)) == GOOD_BYTES


@pytest.mark.parametrize("kind", TABLES)
def test_columns_are_found_by_name_among_others(kind: str) -> None:
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
def test_a_missing_column_is_refused_before_anything_is_written(column: str, rows: int) -> None:
    target = io.BytesIO()
    table = {name: values[:rows] for name, values in GOOD.items() if name != column}
    with pytest.raises(evstream.TableError, match=f"^no column {column}, expected columns event"):
        evstream.write_arrow(table, target, "loss", len_sample=5)
    assert target.getvalue() == b""


def test_a_column_that_occurs_twice_is_refused() -> None:
    table = pa.table(list(map(pa.array, [*GOOD.values(), [1, 2]])), [*GOOD, "sidx"])
    with pytest.raises(evstream.TableError, match=r"^2 columns sidx"):
        write_loss(table)


@pytest.mark.parametrize("kind", TABLES)
def test_a_table_without_rows_becomes_a_stream_without_records(kind: str) -> None:
    table = TABLES[kind]({name: [] for name in GOOD})
    assert write_loss(table) == encode("loss", {"len_sample": 5}, [])


def test_header_fields_that_a_frame_lacks_have_to_be_given() -> None:
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


def test_the_rules_of_a_stream_hold_for_a_frame(tmp_path: Path) -> None:
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


def test_batches_and_lazy_frames_are_tables() -> None:
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
def test_an_object_that_is_not_a_table_is_refused_in_a_line(table: Any, problem: str) -> None:
    with pytest.raises(evstream.TableError, match=problem):
        evstream.write_arrow(table, io.BytesIO(), "loss", len_sample=1)


def test_a_table_in_a_file_is_not_taken_for_a_stream(tmp_path: Path) -> None:
    path = tmp_path / "loss.parquet"
    pq.write_table(evstream.read_arrow(GOLDEN / "loss_i4_f4.bin"), path)
    with pytest.raises(evstream.StreamHeaderError, match="this is a Parquet file, which `evstream"):
        evstream.read_columns(path)
