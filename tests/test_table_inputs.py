"""What people have as a table: the types that are numbers, and what is said of all others."""

from __future__ import annotations

import decimal
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import evstream
from evstream.conversion.convert import convert
from evstream.errors import EvstreamError, TableError
from oracle import encode

GOOD = {"event_id": [1, 1], "item_id": [7, 7], "sidx": [1, 2], "loss": [1.5, 2.0]}
STREAM = encode("loss", {"len_sample": 3}, [((1, 7), [(1, 1.5), (2, 2.0)])])


def typed(**columns: pa.Array) -> pa.Table:
    given = {name: columns.get(name, pa.array(values)) for name, values in GOOD.items()}
    return pa.table(given)


def by_write_arrow(table: pa.Table, tmp_path: Path) -> bytes:
    evstream.write_arrow(table, out := io.BytesIO(), "loss", len_sample=3)
    return out.getvalue()


def by_convert(table: pa.Table, tmp_path: Path) -> bytes:
    with pa.ipc.new_file(tmp_path / "table.arrow", table.schema) as file:
        file.write_table(table)
    convert(tmp_path / "table.arrow", tmp_path / "out.bin", stream="loss", len_sample=3)
    return (tmp_path / "out.bin").read_bytes()


WAYS = pytest.mark.parametrize("way", [by_write_arrow, by_convert])
SMALL = pa.decimal128(9, 2)
ACCEPTED = {
    "dictionary of ids": {"item_id": pa.array([7, 7]).dictionary_encode()},
    "dictionary of floats": {"loss": pa.array([1.5, 2.0]).dictionary_encode()},
    "run ends": {"event_id": pc.run_end_encode(pa.array([1, 1]))},
    "whole decimals": {"item_id": pa.array([decimal.Decimal("7.00")] * 2, SMALL)},
    "decimals": {"loss": pa.array([decimal.Decimal("1.5"), decimal.Decimal(2)], SMALL)},
    "decimals behind a dictionary": {
        "item_id": pa.array([decimal.Decimal(7)] * 2, SMALL).dictionary_encode()
    },
    "unsigned": {"item_id": pa.array([7, 7], pa.uint64())},
    "bytes": {"sidx": pa.array([1, 2], pa.int8())},
    "whole floats": {"item_id": pa.array([7.0, 7.0])},
    "half floats": {"loss": pa.array(np.array([1.5, 2], "f2"))},
}
REFUSED = {
    "text": ({"loss": pa.array(["1", "2"])}, "column loss: .*of type string"),
    "dictionary of text": (
        {"item_id": pa.array(["7", "8"]).dictionary_encode()}, "column item_id: .*of type dict",
    ),
    "bool": ({"loss": pa.array([True, False])}, "column loss: .*of type bool"),
    "timestamps": ({"loss": pa.array([1, 2], pa.timestamp("s"))}, "column loss: .*of type time"),
    "lists": ({"loss": pa.array([[1.0], [2.0]])}, "column loss: .*of type list"),
    "a decimal id": (
        {"item_id": pa.array([decimal.Decimal(7), decimal.Decimal("7.5")], SMALL)},
        "row 1, column item_id: 7.50, expected a whole number from",
    ),
    "a huge decimal id": (
        {"item_id": pa.array([decimal.Decimal(10) ** 20] * 2)}, "row 0, column item_id: 1000000",
    ),
    "a missing value in a dictionary": (
        {"item_id": pa.array([7, None]).dictionary_encode()}, "row 1, column item_id: a value is m",
    ),
    "a missing value of run ends": (
        {"event_id": pc.run_end_encode(pa.array([1, None]))}, "row 1, column event_id: a value is",
    ),
}  # fmt: skip


@WAYS
@pytest.mark.parametrize("columns", ACCEPTED.values(), ids=ACCEPTED)
def test_a_type_that_is_numbers(way: Callable[..., bytes], columns: Any, tmp_path: Path) -> None:
    assert way(typed(**columns), tmp_path) == STREAM


@WAYS
@pytest.mark.parametrize(("columns", "problem"), REFUSED.values(), ids=REFUSED)
def test_a_type_that_is_not_numbers(
    way: Callable[..., bytes], columns: Any, problem: str, tmp_path: Path
) -> None:
    with pytest.raises(TableError, match=problem):
        way(typed(**columns), tmp_path)
    assert not (tmp_path / "out.bin").exists()


@WAYS
def test_columns_of_type_null_are_empty(way: Callable[..., bytes], tmp_path: Path) -> None:
    table = pa.table({name: pa.array([], pa.null()) for name in GOOD})
    assert way(table, tmp_path) == STREAM[:8]


@WAYS
def test_a_float_id_may_have_been_rounded(way: Callable[..., bytes], tmp_path: Path) -> None:
    with pytest.raises(EvstreamError, match="9007199254740992"):
        way(typed(item_id=pa.array([2.0**53] * 2)), tmp_path)


def pandas_with(column: str, row: int, value: Any) -> Any:
    table = pd.DataFrame(GOOD).astype(object)
    table.loc[row, column] = value
    return table


def panicking() -> Iterator[Any]:
    yield pa.record_batch(GOOD)
    yield pa.record_batch({"event_id": [1]})


FOREIGN: dict[str, tuple[Callable[[], Any], str]] = {
    "text among numbers": (lambda: pandas_with("loss", 1, "n/a"), "row 1, column loss: 'n/a'"),
    "an id of 2**70": (lambda: pandas_with("event_id", 1, 2**70), "row 1, column event_id: 1180"),
    "a Decimal among floats": (
        lambda: pandas_with("loss", 1, decimal.Decimal("1.5")), "row 1, column loss: Decimal",
    ),
    "an object": (lambda: pandas_with("loss", 1, object()), "row 1, column loss: <object"),
    "a missing object": (lambda: pandas_with("loss", 1, None), "row 1, column loss: a value is"),
    "complex": (
        lambda: pd.DataFrame(GOOD).astype({"loss": complex}), "column loss: of type complex128",
    ),
    "long doubles": (
        lambda: pd.DataFrame(GOOD).astype({"loss": "longdouble"}), "column loss: of type float128",
    ),
    "a pandas Series": (lambda: pd.Series([1]), "a Series is not a table"),
    "a Polars Series": (lambda: pl.Series([1]), "a Series is not a table"),
    "Polars Int128": (
        lambda: pl.DataFrame(GOOD).with_columns(pl.col("event_id").cast(pl.Int128)),
        "column event_id: Arrow has no such numbers",
    ),
    "Polars objects": (
        lambda: pl.DataFrame({**GOOD, "loss": pl.Series([object()] * 2, dtype=pl.Object)}),
        "column loss: ",
    ),
    "a ragged dict": (lambda: {**GOOD, "loss": [1]}, "columns of different lengths: .*loss 1"),
    "a dict of numbers": (lambda: dict.fromkeys(GOOD, 1), "column event_id: "),
    "a dict of matrices": (lambda: {**GOOD, "loss": np.ones((2, 2))}, "column loss: "),
    "a dict of text": (lambda: {**GOOD, "loss": [1.0, "x"]}, "row 1, column loss: 'x'"),
    "a bad query": (
        lambda: pl.LazyFrame(GOOD).select(pl.col("nothing")), "LazyFrame is not a table",
    ),
    "batches that differ": (panicking, "a batch has the columns event_id, expected"),
    "an array": (lambda: pa.array([1, 2]), "not a table"),
    "a number": (lambda: 7, "int is not a table"),
}  # fmt: skip


@pytest.mark.parametrize(("make", "problem"), FOREIGN.values(), ids=FOREIGN)
def test_no_library_raises_through_write_arrow(
    make: Callable[[], Any], problem: str, tmp_path: Path
) -> None:
    with pytest.raises(TableError, match=problem) as caught:
        evstream.write_arrow(make(), tmp_path / "out.bin", "loss", len_sample=3)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out.bin").exists()


def test_a_sparse_column_is_numbers() -> None:
    table = pd.DataFrame(GOOD).assign(loss=pd.arrays.SparseArray(GOOD["loss"]))
    evstream.write_arrow(table, out := io.BytesIO(), "loss", len_sample=3)
    assert out.getvalue() == STREAM


def test_an_error_of_the_callers_own_batches_comes_through() -> None:
    def batches() -> Iterator[Any]:
        yield pa.record_batch(GOOD)
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        evstream.write_arrow(batches(), io.BytesIO(), "loss", len_sample=3)


def test_a_parquet_table_of_dictionaries_converts(tmp_path: Path) -> None:
    pq.write_table(typed(**ACCEPTED["dictionary of ids"]), tmp_path / "table.parquet")
    convert(tmp_path / "table.parquet", tmp_path / "out.bin", stream="loss", len_sample=3)
    assert (tmp_path / "out.bin").read_bytes() == STREAM
