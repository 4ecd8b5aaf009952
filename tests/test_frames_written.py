"""Tables become the stream that they were read from."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import evstream
from evstream.reading.stream import EventStream
from evstream.tables.arrow import FINAL_DELIMITER, header_of
from evstream.tables.batches import whole_blocks
from evstream.tables.rows import iter_rows
from evstream.wire.header import StreamHeader
from frame_cases import FAITHFUL, READERS, REAL, SAID_BY_NO_ROW, SAMPLE_COUNT, options, write_back
from golden_files import (
    CORPUS,
    GOLDEN,
    LEGAL,
    UNCLOSED,
    Entry,
    file_name,
    golden_bytes,
)
from oracle import DEFAULT_WIDTHS, encode


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


@pytest.mark.parametrize("entry", FAITHFUL, ids=file_name)
def test_a_golden_file_comes_back_from_a_frame(entry: Entry) -> None:
    values = {"widths": entry["widths"], "validate": False, **entry["header"]}
    for kind, read in FRAMES.items():
        frame = read(GOLDEN / entry["file"], **options(entry))
        assert write_back(frame, entry["stream"], **values) == closed(entry), kind


def closed(entry: Entry) -> bytes:
    """The bytes of a golden file, with its final delimiter."""
    size = sum(int(entry["widths"][name][1]) for name in ("oasis_int", "oasis_float"))
    return golden_bytes(entry) + bytes(size if entry in UNCLOSED else 0)


@pytest.mark.parametrize("entry", FAITHFUL, ids=file_name)
def test_a_golden_file_comes_back_from_arrow_alone(entry: Entry) -> None:
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


def test_files_that_rows_cannot_represent_give_a_warning() -> None:
    for entry in LEGAL:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", evstream.RowsWarning)
            evstream.read_arrow(GOLDEN / entry["file"], **options(entry))
        warned = any(warning.category is evstream.RowsWarning for warning in caught)
        assert warned is (entry["file"] in SAID_BY_NO_ROW), entry["file"]


PAIR = [(1, 1.0)]

UNSAID = {
    "1 block without entries, which has no row": [((1, 1), PAIR), ((1, 2), [])],
    "2 blocks without entries, which have no row": [((1, 1), []), ((1, 2), []), ((1, 3), PAIR)],
    "1 block that rows cannot distinguish from the one before": [((1, 1), PAIR), ((1, 1), PAIR)],
    "1 block without entries, which has no row and 1 block that rows cannot distinguish from the "
    "one before": [((1, 1), PAIR), ((1, 1), [])],
}


@pytest.mark.parametrize("said", UNSAID)
@pytest.mark.parametrize("kind", [kind for kind in READERS if kind != "reader"])
def test_a_warning_counts_blocks_that_rows_cannot_represent(kind: str, said: str) -> None:
    data = encode("loss", {"len_sample": 5}, UNSAID[said])
    with pytest.warns(evstream.RowsWarning, match=f"<BytesIO>: the stream has {said}$"):
        READERS[kind](io.BytesIO(data), widths=DEFAULT_WIDTHS)


@pytest.mark.parametrize("chunk", [256, 257, 300, 512])
def test_blocks_without_rows_are_counted_across_chunks(chunk: int) -> None:
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


def test_repeated_blocks_of_a_cdf_are_separated_by_bins() -> None:
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
