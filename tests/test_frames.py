"""Streams as dataframes and Arrow tables: the same bits in every library."""

from __future__ import annotations

import gc
import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import evstream
from evstream.wire.header import StreamHeader
from frame_cases import FAITHFUL, ONE_SHOT, READERS, REAL, SAMPLE_COUNT, options, write_back
from golden_files import (
    CORPUS,
    GOLDEN,
    LEGAL,
    Entry,
    file_name,
)
from oracle import Bits, encode
from support import ROOT, child_environment, raw, run_examples

OF_ALL = [pytest.param(GOLDEN / e["file"], e, id=e["file"]) for e in LEGAL] + [
    pytest.param(CORPUS / e["file"], {"stream": e.get("stream")}, id=e["file"]) for e in REAL
]


@pytest.mark.filterwarnings("ignore::evstream.RowsWarning")
@pytest.mark.parametrize(("path", "entry"), OF_ALL)
def test_every_way_to_read_gives_the_same_bits(path: Path, entry: Entry) -> None:
    expected = evstream.read_columns(path, **options(entry))
    bits = {name: raw(column) for name, column in expected.items()}
    for kind in (kind for kind in READERS if kind != "columns"):
        table = READERS[kind](path, **options(entry))
        if isinstance(table, pa.RecordBatchReader):
            table = table.read_all()
        columns = {name: np.asarray(table[name]) for name in expected}
        names = table.schema.names if isinstance(table, pa.Table) else list(table.columns)
        assert names == list(expected), kind
        for name, column in expected.items():
            assert columns[name].dtype == column.dtype, kind
            assert raw(columns[name]) == bits[name], kind


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize("entry", [e for e in FAITHFUL if not e["records"]], ids=file_name)
def test_a_stream_without_records_is_an_empty_table(kind: str, entry: Entry) -> None:
    table = READERS[kind](GOLDEN / entry["file"], **options(entry))
    if isinstance(table, pa.RecordBatchReader):
        table = table.read_all()
    header = StreamHeader(entry["stream"], entry["header"], entry["widths"] | SAMPLE_COUNT)
    for name, dtype in header.row_columns.items():
        assert np.asarray(table[name]).shape == (0,)
        assert np.asarray(table[name]).dtype == dtype


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
        "import sys, evstream, evstream.tables.dataframes; evstream.read_dense(sys.argv[1]); "
        "print([m for m in ('polars', 'pandas', 'pyarrow') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, gul], capture_output=True, text=True,
                          cwd=ROOT, env=child_environment(), check=True)  # fmt: skip
    assert done.stdout == "[]\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("folder")
def test_the_examples_of_the_analysis_page_print_its_output() -> None:
    assert run_examples(ROOT / "docs" / "analysis.md") == 13


@pytest.mark.parametrize(
    "read",
    [
        evstream.read_columns, evstream.read_arrow, evstream.read_polars, evstream.read_pandas,
        evstream.read_dense, evstream.iter_batches, evstream.arrow_reader,
        lambda source, **options: evstream.scan_polars(source, **options).collect(),
    ],
)  # fmt: skip
def test_a_silent_pipe_is_named_after_the_timeout(read: Callable[..., Any]) -> None:
    readable, writable = os.pipe()
    try:
        with pytest.raises(evstream.StallError, match=r"no data received for 0\.05 s"):
            read(readable, timeout=0.05)
    finally:
        os.close(readable)
        os.close(writable)


@pytest.mark.parametrize("read", [evstream.iter_batches, evstream.arrow_reader])
def test_an_invalid_source_is_refused_at_once(read: Callable[..., Any]) -> None:
    with pytest.raises(FileNotFoundError):
        read("nowhere.bin")
    with pytest.raises(ValueError, match="rows is 0"):
        read(GOLDEN / "loss_i4_f4.bin", rows=0)
    with pytest.raises(TypeError):
        read(GOLDEN / "loss_i4_f4.bin", rows="5")
