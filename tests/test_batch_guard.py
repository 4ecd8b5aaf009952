"""What a Parquet or Arrow file may ask for: small files that expand, and sizes that are lies."""

from __future__ import annotations

import io
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evstream.conversion.convert import convert
from evstream.errors import TableError

ROWS = 1 << 17


def table(rows: int = ROWS) -> pa.Table:
    """Rows of one block that compress to nearly nothing."""
    zeros = np.zeros(rows, "f4")
    ones = np.ones(rows, "i4")
    sidx = np.arange(1, rows + 1, dtype="i4")
    return pa.table({"event_id": ones, "item_id": ones, "sidx": sidx, "loss": zeros})


def parquet(path: Path, **style: Any) -> Path:
    pq.write_table(table(), path, use_dictionary=False, **style)
    return path


def ipc(path: Path, *, is_file: bool, compression: str | None) -> Path:
    style = pa.ipc.IpcWriteOptions(compression=compression)
    new = pa.ipc.new_file if is_file else pa.ipc.new_stream
    with new(path, table().schema, options=style) as out:
        out.write_table(table())
    return path


def to_bin(path: Path, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    convert(path, out, from_=kind, to="bin", stream="loss", len_sample=ROWS, **options)
    return out.getvalue()


PARQUETS = {
    "zstd": {"compression": "zstd"}, "none": {"compression": "none"},
    "large pages": {"compression": "zstd", "data_page_size": 1 << 26},
    "pages of version 2": {"compression": "zstd", "data_page_version": "2.0"},
    "statistics and checksums": {"write_page_checksum": True, "write_page_index": True},
    "several row groups": {"row_group_size": 10_000},
}  # fmt: skip
ARROWS = [(is_file, c) for is_file in (True, False) for c in ("zstd", "lz4", None)]


@pytest.mark.parametrize("style", PARQUETS.values(), ids=PARQUETS)
def test_parquet_within_the_limits_is_read(tmp_path: Path, style: dict[str, Any]) -> None:
    path = parquet(tmp_path / "t.parquet", **style)
    assert len(to_bin(path, "parquet")) == 8 + 8 + 8 * ROWS + 8


@pytest.mark.parametrize(("is_file", "compression"), ARROWS)
def test_arrow_within_the_limits_is_read(
    tmp_path: Path, is_file: bool, compression: str | None
) -> None:
    path = ipc(tmp_path / "t.arrow", is_file=is_file, compression=compression)
    assert len(to_bin(path, "arrow")) == 8 + 8 + 8 * ROWS + 8


def test_a_parquet_page_above_max_batch_is_refused(tmp_path: Path) -> None:
    """The file is far smaller than what it expands to."""
    path = parquet(tmp_path / "t.parquet", compression="zstd", data_page_size=1 << 26)
    with pytest.raises(TableError, match=r"pages of row group 0 asks for [\d,]+ bytes.*max_batch"):
        to_bin(path, "parquet", max_batch=1 << 18)
    assert to_bin(path, "parquet", max_batch=1 << 22)


@pytest.mark.parametrize(("is_file", "compression"), ARROWS)
def test_an_arrow_batch_above_max_batch_is_refused(
    tmp_path: Path, is_file: bool, compression: str | None
) -> None:
    path = ipc(tmp_path / "t.arrow", is_file=is_file, compression=compression)
    with pytest.raises(TableError, match=r"a batch.* asks for [\d,]+ bytes.*max_batch"):
        to_bin(path, "arrow", max_batch=1 << 20)
    assert to_bin(path, "arrow", max_batch=1 << 22)


@pytest.mark.parametrize("kind", ["parquet", "arrow"])
def test_a_footer_above_max_metadata_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"t.{kind}"
    if kind == "parquet":
        parquet(path)
    else:
        ipc(path, is_file=True, compression=None)
    with pytest.raises(TableError, match=r"a footer asks for [\d,]+ bytes.*max_metadata"):
        to_bin(path, kind, max_metadata=100)


def test_the_metadata_of_an_arrow_stream_is_limited(tmp_path: Path) -> None:
    path = ipc(tmp_path / "t.arrow", is_file=False, compression=None)
    with pytest.raises(TableError, match=r"the metadata of a batch asks for [\d,]+ bytes"):
        to_bin(path, "arrow", max_metadata=100)


def test_a_buffer_that_lies_about_its_size_is_refused(tmp_path: Path) -> None:
    """2^60 bytes, says the size before a compressed buffer of a few hundred."""
    path = ipc(tmp_path / "t.arrow", is_file=True, compression="zstd")
    data = bytearray(path.read_bytes())
    at = data.index(struct.pack("<q", 4 * ROWS) + b"\x28\xb5\x2f\xfd")
    data[at : at + 8] = struct.pack("<q", 1 << 60)
    path.write_bytes(data)
    with pytest.raises(TableError, match=re.escape("a batch asks for 1,152,921,504,606,846,976")):
        to_bin(path, "arrow")


@pytest.mark.parametrize("kind", ["parquet", "arrow"])
def test_a_broken_header_is_one_error(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"t.{kind}"
    if kind == "parquet":
        parquet(path, compression="none")
    else:
        ipc(path, is_file=True, compression="zstd")
    data = path.read_bytes()
    random = np.random.default_rng(5)
    for _ in range(150):
        spoilt = bytearray(data)
        places = [*range(4, 60), *range(len(data) - 500, len(data) - 8)]
        for at in random.choice(places, 3):
            spoilt[at] = int(random.integers(256))
        path.write_bytes(spoilt)
        error = outcome(path, kind)
        if error is not None:
            assert "\n" not in str(error)
            assert type(error).__module__ in {"evstream.errors", "builtins"}


def outcome(path: Path, kind: str) -> Exception | None:
    """A spoilt stream header is a TypeError or ValueError, all else a TableError."""
    try:
        to_bin(path, kind)
    except (TableError, TypeError, ValueError) as error:
        return error
    return None
