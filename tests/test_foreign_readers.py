"""Parquet, Arrow and CSV files of evstream, as other programs read and query them.

DuckDB, DataFusion, pandas and Polars must have the values that evstream has, to the bit where they
are not NaN, of every stream type at every width, odd values included.
"""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import datafusion
import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import evstream
from evstream.conversion.convert import convert
from evstream.errors import TableError
from evstream.wire.columns import csv_columns
from golden_files import LEGAL, Entry, golden_bytes
from oracle import encode
from support import raw

NAN, INF = float("nan"), float("inf")
ODD = [NAN, INF, -INF, -0.0, 0.0, 1.5, 1e-45, 3.4e38, -2.0, 0.1]
LIMIT = 2**31 - 1


def odd_stream(width: str) -> tuple[bytes, dict[str, str]]:
    """Losses of all kinds, ids at their limits, and a block of NaN alone."""
    widths = {"oasis_int": "i4", "oasis_float": width, "areaperil_int": "u4"}
    blocks = [
        ((1, 5), list(enumerate(ODD, 1))),
        ((LIMIT, LIMIT), [(-1, NAN), (1, NAN)]),
        ((-(2**31), 1), [(LIMIT, 5.0), (-(2**31), 1 / 3)]),
    ]
    return encode("loss", {"len_sample": 20}, blocks, widths=widths), widths


def wide_cdf() -> tuple[bytes, dict[str, str]]:
    """Ids that only unsigned 64-bit integers hold."""
    widths = {"oasis_int": "i8", "oasis_float": "f8", "areaperil_int": "u8"}
    blocks = [
        ((1, 2**64 - 1, 2**63 - 1), [(0.5, NAN), (1.0, 5e-324)]),
        ((2, 2**63, 8), [(1.0, -0.0)]),
    ]
    return encode("cdf", {}, blocks, widths=widths), widths


def converted(
    data: bytes, path: Path, stream: str | None = None, widths: dict[str, str] | None = None
) -> Path:
    with warnings.catch_warnings(), path.open("wb") as out:
        warnings.simplefilter("ignore", evstream.RowsWarning)
        convert(
            io.BytesIO(data), out, from_="bin", to=path.suffix[1:], stream=stream,
            widths=widths or {},
        )  # fmt: skip
    return path


def session() -> datafusion.SessionContext:
    """One partition, so that rows keep their order."""
    return datafusion.SessionContext(datafusion.SessionConfig().with_target_partitions(1))


def by_duckdb(path: Path, schema: pa.Schema) -> Any:
    columns = ", ".join(f'cast("{f.name}" as {DUCKDB[f.type]}) as "{f.name}"' for f in schema)
    return duckdb.sql(f"select {columns} from '{path}'").to_arrow_table()


def by_datafusion(path: Path, schema: pa.Schema) -> Any:
    context = session()
    if path.suffix == ".csv":
        context.register_csv("rows", str(path), schema=schema)
    elif path.suffix == ".parquet":
        context.register_parquet("rows", str(path))
    else:
        context.register_arrow("rows", str(path))
    batches = context.sql("select * from rows").collect()
    return pa.Table.from_batches(batches, None if batches else schema)


def by_pandas(path: Path, schema: pa.Schema) -> Any:
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    if path.suffix == ".arrow":
        return pd.read_feather(path)
    dtypes = {f.name: f.type.to_pandas_dtype() for f in schema}
    return pd.read_csv(path, dtype=dtypes)


def by_polars(path: Path, schema: pa.Schema) -> Any:
    if path.suffix == ".csv":
        return pl.read_csv(path, schema=pl.from_arrow(schema.empty_table()).schema)
    return pl.read_parquet(path) if path.suffix == ".parquet" else pl.read_ipc(path)


DUCKDB = {pa.int32(): "integer", pa.int64(): "bigint", pa.uint32(): "uinteger",
          pa.uint64(): "ubigint", pa.float32(): "float", pa.float64(): "double"}  # fmt: skip
READERS = {
    "duckdb-parquet": by_duckdb, "duckdb-csv": by_duckdb,
    "datafusion-parquet": by_datafusion, "datafusion-csv": by_datafusion,
    "datafusion-arrow": by_datafusion, "pandas-parquet": by_pandas, "pandas-csv": by_pandas,
    "pandas-arrow": by_pandas, "polars-parquet": by_polars, "polars-csv": by_polars,
    "polars-arrow": by_polars,
}  # fmt: skip


def assert_read_alike(data: bytes, tmp_path: Path, stream: str, widths: dict[str, str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", evstream.RowsWarning)
        ours = evstream.read_columns(io.BytesIO(data), stream=stream, widths=widths)
    header = evstream.StreamHeader(stream, {}, widths)
    for suffix in ("parquet", "csv", "arrow"):
        path = converted(data, tmp_path / f"rows.{suffix}", stream, widths)
        names = csv_columns(header) if suffix == "csv" else {name: name for name in ours}
        schema = pa.schema(
            [(names[n], pa.from_numpy_dtype(ours[n].dtype.newbyteorder("="))) for n in names]
        )
        for label, read in READERS.items():
            if not label.endswith(suffix):
                continue
            table = read(path, schema)
            for name, column in ours.items():
                found = np.asarray(table[names[name]]).astype(column.dtype)
                assert len(found) == len(column), label
                known = ~np.isnan(column)
                assert (np.isnan(found) == ~known).all(), (label, name)
                assert raw(found[known]) == raw(column[known]), (label, name)


@pytest.mark.parametrize("entry", LEGAL, ids=lambda entry: entry["file"])
def test_golden_streams_in_foreign_readers(entry: Entry, tmp_path: Path) -> None:
    assert_read_alike(golden_bytes(entry), tmp_path, entry["stream"], entry["widths"])


@pytest.mark.parametrize("width", ["f4", "f8"])
def test_odd_values_in_foreign_readers(tmp_path: Path, width: str) -> None:
    data, widths = odd_stream(width)
    assert_read_alike(data, tmp_path, "loss", widths)


def test_ids_of_64_bits_in_foreign_readers(tmp_path: Path) -> None:
    data, widths = wide_cdf()
    assert_read_alike(data, tmp_path, "cdf", widths)


QUERIES = {
    "loss > 5 and not isnan(loss)": lambda rows: rows["loss"] > 5,
    "loss < 0": lambda rows: rows["loss"] < 0,
    "loss = 0": lambda rows: rows["loss"] == 0,
    "isnan(loss)": lambda rows: np.isnan(rows["loss"]),
    "loss = cast('nan' as float)": lambda rows: np.isnan(rows["loss"]),
    "loss is null": lambda rows: np.zeros(len(rows["loss"]), bool),
    "loss between -1 and 2": lambda rows: (rows["loss"] >= -1) & (rows["loss"] <= 2),
    "event_id = 2147483647": lambda rows: rows["event_id"] == LIMIT,
    "event_id < 0": lambda rows: rows["event_id"] < 0,
    "sidx <= -2147483648": lambda rows: rows["sidx"] == -(2**31),
    "item_id in (1, 2)": lambda rows: rows["item_id"] == 1,
}


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_has_the_rows_that_numpy_has(tmp_path: Path, query: str) -> None:
    data, widths = odd_stream("f4")
    ours = evstream.read_columns(io.BytesIO(data), widths=widths)
    expected = int(QUERIES[query](ours).sum())
    parquet = converted(data, tmp_path / "rows.parquet", widths=widths)
    csv = converted(data, tmp_path / "rows.csv", widths=widths)
    rows = evstream.arrow_reader(io.BytesIO(data), widths=widths)  # noqa: F841 (DuckDB finds it)
    for table in (f"'{parquet}'", f"'{csv}'", "rows"):
        asked = f"select count(*) from {table} where {query}"
        assert duckdb.sql(asked).fetchall() == [(expected,)], table
    context = session()
    context.register_parquet("parquet", str(parquet))
    context.register_csv("csv", str(csv))
    for table in ("parquet", "csv"):
        [batch] = context.sql(f"select count(*) as n from {table} where {query}").collect()
        assert batch.to_pydict() == {"n": [expected]}, table


def test_statistics_of_parquet_are_of_integers(tmp_path: Path) -> None:
    """Those of floats leave NaN out, so that `loss = nan` would pass over the row group."""
    data, widths = odd_stream("f4")
    path = converted(data, tmp_path / "rows.parquet", widths=widths)
    group = pq.ParquetFile(path).metadata.row_group(0)
    has = {group.column(i).path_in_schema: group.column(i).statistics for i in range(4)}
    assert has.pop("loss") is None
    assert {name: (s.min, s.max) for name, s in has.items()} == {
        "event_id": (-(2**31), LIMIT), "item_id": (1, LIMIT), "sidx": (-(2**31), LIMIT),
    }  # fmt: skip


def test_a_flipped_bit_in_a_parquet_page_is_an_error(tmp_path: Path) -> None:
    """Without checksums it would be another loss."""
    data, widths = odd_stream("f8")
    with (tmp_path / "rows.parquet").open("wb") as out:
        convert(io.BytesIO(data), out, from_="bin", to="parquet", widths=widths, compression="none")
    spoilt = bytearray((tmp_path / "rows.parquet").read_bytes())
    at = spoilt.index(np.float64(0.1).tobytes())
    spoilt[at] ^= 1
    (tmp_path / "rows.parquet").write_bytes(spoilt)
    with pytest.raises(TableError, match=r"(?i)crc|checksum"):
        convert(tmp_path / "rows.parquet", io.BytesIO(), to="bin")
