"""Parquet files whose row groups are encoded apart: columns of runs, joined metadata."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import evstream
from evstream.conversion.parquet_groups import GroupEncoder, GroupsFile
from evstream.conversion.parquet_runs import FEWEST_ROWS, runs_of
from evstream.conversion.table import Options
from evstream.conversion.thrift import I32, LIST, STRUCT, TRUE, read_struct, write_struct

KINDS = ["i4", "u4", "i8", "u8", "f4", "f8"]


def required(rows: dict[str, Any]) -> pa.Table:
    """Columns of a schema that allows no missing values, as that of a stream."""
    fields = [
        pa.field(name, pa.from_numpy_dtype(c.dtype), nullable=False) for name, c in rows.items()
    ]
    return pa.table(rows, pa.schema(fields))


def footer_of(data: bytes) -> bytes:
    return data[-8 - int.from_bytes(data[-8:-4], "little") : -8]


def written(groups: list[pa.Table], options: Options | None = None) -> bytes:
    out, options = io.BytesIO(), options or Options()
    encoder = GroupEncoder(groups[0].schema, options)
    file = GroupsFile(out, groups[0].schema, options)
    for group in groups:
        file.add(encoder.encode(group))
    file.close({"said": "last"})
    return out.getvalue()


def column_of_runs(rng: Any, kind: str, lengths: Any) -> Any:
    """Every bit pattern may come, such as NaN of any kind, and the same value in several runs."""
    size = int(kind[1])
    few = rng.integers(0, 256, (max(len(lengths) // 3, 1), size), np.uint8).view(kind)[:, 0]
    return np.repeat(rng.choice(few, len(lengths)), lengths)


@pytest.mark.parametrize("runs", [1, 2, 3, 200, 3000])
def test_columns_of_runs_come_back_bit_for_bit(runs: int) -> None:
    """Numbers in a dictionary of one bit to two bytes, runs of up to four bytes."""
    rng = np.random.default_rng(runs)
    lengths = rng.integers(10, 40, runs)
    lengths[rng.integers(0, runs)] = {1: 1_100_000, 2: 20_000}.get(runs, 100)
    rows = {kind: column_of_runs(rng, kind, lengths) for kind in KINDS}
    rows["i1"] = rng.integers(0, 9, len(rows["i4"]), np.int8)  # left to pyarrow
    assert all(runs_of(rows[kind]) is not None for kind in KINDS)
    table = required(rows)
    table = pa.concat_tables([table.slice(0, 11), table.slice(11)])  # in several pieces
    data = written([table])
    for found in (
        pq.read_table(io.BytesIO(data), page_checksum_verification=True),
        pl.read_parquet(io.BytesIO(data)).to_arrow(),
    ):
        assert found.num_rows == len(rows["i4"])
        for name, column in rows.items():
            assert found.column(name).to_numpy().tobytes() == column.tobytes(), name
    group = pq.ParquetFile(io.BytesIO(data)).metadata.row_group(0)
    for at, name in enumerate(KINDS):
        statistics = group.column(at).statistics
        if name[0] == "f":
            assert statistics is None
        else:
            assert (statistics.min, statistics.max) == (rows[name].min(), rows[name].max())


def test_columns_of_short_runs_are_left_to_pyarrow() -> None:
    many = np.repeat(np.arange(5000, dtype=np.int32), FEWEST_ROWS)
    assert runs_of(many) is not None
    assert runs_of(many[1::2]) is None
    late = np.concatenate([np.zeros(10_000, np.int32), np.arange(10_000, dtype=np.int32)])
    assert runs_of(late) is None
    assert runs_of(many[:0]) is None
    assert runs_of(many.astype(np.int16)) is None


@pytest.mark.parametrize("codec", ["none", "snappy", "gzip", "brotli", "lz4", "zstd", "ZSTD"])
def test_row_groups_are_joined_with_any_compression(codec: str) -> None:
    groups = [
        required({
            "event_id": np.full(1000 * k, k, np.int32), "sidx": np.arange(1000 * k, dtype=np.int32)
        })
        for k in range(1, 20)
    ]  # fmt: skip
    groups = [g.replace_schema_metadata({"evstream": "{}"}) for g in groups]
    data = written(groups, Options(compression=codec))
    file = pq.ParquetFile(io.BytesIO(data), page_checksum_verification=True)
    assert file.read().equals(pa.concat_tables(groups))
    assert file.schema_arrow.metadata == {b"evstream": b"{}"}
    assert file.metadata.metadata[b"said"] == b"last"
    assert [file.metadata.row_group(k).num_rows for k in range(19)] == [g.num_rows for g in groups]
    for k in range(19):
        group = file.metadata.row_group(k)
        columns = [group.column(i) for i in range(2)]
        assert {c.compression for c in columns} == {
            {"none": "UNCOMPRESSED", "lz4": "LZ4"}.get(codec, codec.upper())
        }
        assert group.total_byte_size == sum(c.total_uncompressed_size for c in columns)
        assert file.read_row_group(k).equals(groups[k])


def test_rows_of_each_event_are_found_by_statistics(tmp_path: Path) -> None:
    path, target = tmp_path / "a.bin", tmp_path / "a.parquet"
    with evstream.create(path, "loss", len_sample=100, durable=False) as out:
        for event in range(1, 40):
            out.write_event(event, np.arange(1, 11), np.ones((10, 100)), mean=1.0, tiv=1.0)
    evstream.convert(path, target, durable=False)
    metadata = pq.read_metadata(target)
    assert metadata.row_group(0).column(0).encodings == ("PLAIN", "RLE", "RLE_DICTIONARY")
    rows = pl.scan_parquet(target).filter(pl.col("event_id") == 7).collect()
    assert (rows.height, rows["item_id"].unique().to_list()) == (1020, list(range(1, 11)))
    back = tmp_path / "back.bin"
    evstream.convert(target, back, durable=False)
    assert back.read_bytes() == path.read_bytes()


def test_metadata_are_written_as_they_were_read() -> None:
    table = pa.table({f"column {k}": pa.array([k, None, 3]) for k in range(40)})
    sink = io.BytesIO()
    pq.write_table(table, sink, write_page_index=True, bloom_filter_options={"column 3": True})
    footer = footer_of(sink.getvalue())
    found, end = read_struct(footer)
    assert end == len(footer)
    assert write_struct(found) == footer
    odd = {
        1: (LIST, (TRUE, [1, 2])), 40: (I32, -(2**31)), 41: (I32, 2**31 - 1),
        300: (STRUCT, {7: (7, 0.5), 8: (3, 200)}),
    }  # fmt: skip
    assert read_struct(write_struct(odd)) == (odd, len(write_struct(odd)))
