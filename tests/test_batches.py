"""Arrow batches have the size asked for, whatever the chunks that they come from."""

from __future__ import annotations

import gc
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest

import evstream
from golden_files import (
    GOLDEN,
)
from oracle import DEFAULT_WIDTHS, decode


@pytest.mark.parametrize("rows", [1, 2, 7, 100, 4999, 1 << 17])
def test_batches_but_the_last_have_the_size_asked_for(gul: Path, rows: int) -> None:
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
    with pytest.raises(ValueError, match=f"rows is {rows}"):
        list(evstream.iter_batches(gul, rows=rows))


def test_a_stream_without_rows_is_one_empty_batch() -> None:
    path = GOLDEN / "loss_header_only.bin"
    [batch] = evstream.iter_batches(path, widths=DEFAULT_WIDTHS)
    assert batch.num_rows == 0
    with evstream.arrow_reader(path, widths=DEFAULT_WIDTHS) as reader:
        assert reader.schema.names == ["event_id", "item_id", "sidx", "loss"]
        assert reader.read_all().num_rows == 0


def test_unread_batches_leave_no_open_file(gul: Path) -> None:
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
