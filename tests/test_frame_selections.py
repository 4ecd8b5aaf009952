"""A selection of events, items or samples is what a filter of all rows gives."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import evstream
from evstream.reading.selection import Selection, named_rows
from evstream.reading.stream import EventStream
from evstream.tables.rows import iter_rows
from evstream.wire.columns import keep_blocks
from frame_cases import READERS
from golden_files import (
    GOLDEN,
)
from oracle import encode

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
            batches = list(iter_rows(stream, Selection(stream.header, event)))
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
