"""The matrix of a stream has the losses of its events."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import evstream
from evstream._generated import layout
from evstream.reading.selection import Selection
from evstream.reading.stream import EventStream
from evstream.wire.whole_blocks import join_chunks
from golden_files import (
    GOLDEN,
    LEGAL,
    Entry,
    file_name,
)
from oracle import DEFAULT_WIDTHS, encode
from support import raw


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


@pytest.fixture(params=[256, 311, 1 << 22])
def chunk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Bytes that the matrix is filled from at once: most blocks span several of the smallest."""
    monkeypatch.setattr("evstream.tables.dense.LARGE_CHUNK", request.param)
    return int(request.param)


@pytest.mark.parametrize("entry", DENSE, ids=file_name)
@pytest.mark.usefixtures("chunk")
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
@pytest.mark.usefixtures("chunk")
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


@pytest.mark.usefixtures("chunk")
def test_sidx_in_any_order_have_their_cells() -> None:
    entries = [(3, 5.0), (-1, 2.0), (1, 4.0), (-3, 7.0)]
    blocks = [((1, item), entries[item % 2 :]) for item in range(1, 40)]
    data = encode("loss", {"len_sample": 3}, blocks)
    table = evstream.read_dense(io.BytesIO(data), widths=DEFAULT_WIDTHS)
    assert table.losses.tolist() == [[4, 0, 0 if item % 2 else 5] for item in range(1, 40)]
    assert table.specials["mean"].tolist() == [2.0] * 39
    assert table.specials["tiv"].tolist() == [7.0] * 39


@pytest.mark.usefixtures("chunk")
def test_a_cut_is_reported_before_a_sidx_without_a_place() -> None:
    blocks = [((1, item), [(9, 1.0)] * 2) for item in range(1, 40)]
    data = encode("loss", {"len_sample": 3}, blocks)
    with pytest.raises(evstream.CorruptStreamError, match="sidx 9 has no place"):
        evstream.read_dense(io.BytesIO(data), widths=DEFAULT_WIDTHS)
    with pytest.raises(evstream.TruncatedStreamError):
        evstream.read_dense(io.BytesIO(data[:-13]), widths=DEFAULT_WIDTHS)


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


def test_a_matrix_has_labels_in_xarray() -> None:
    dense = evstream.read_dense(GOLDEN / "summary_i4_f4.bin")
    data = dense.to_xarray()
    assert (data["losses"].dims, data["losses"].shape) == (("block", "sidx"), dense.losses.shape)
    assert data["sidx"].values.tolist() == list(range(1, dense.losses.shape[1] + 1))
    assert data["event"].values.tolist() == dense.event_ids.tolist()
    assert data["item"].values.tolist() == dense.ids.tolist()
    for name, column in {**dense.specials, **dense.columns}.items():
        assert raw(data[name].values) == raw(column)
    of_sample = data["losses"].sel(sidx=2).groupby("event").sum()
    expected = [
        dense.losses[dense.event_ids == event, 1].sum()
        for event in of_sample["event"].values.tolist()
    ]
    assert of_sample.values.tolist() == pytest.approx(expected)
