"""A number that is not 0 never becomes 0 on its way into a stream; a denormal one is kept."""

from __future__ import annotations

import decimal
import io
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evstream
from evstream import TableError, WriteError

DENORMAL = 1e-45
"""The smallest number above 0 that f4 has."""

TINY = [1e-46, -1e-46, 5e-324]
ROW = {"event_id": [1], "item_id": [1], "sidx": [1]}


def loss_writer(width: str = "f4", target: Any = None) -> evstream.Writer:
    widths = {"oasis_float": width}
    return evstream.create(target or io.BytesIO(), len_sample=1, widths=widths, validate=False)


@pytest.mark.parametrize("value", TINY)
def test_rows_refuse_a_loss_that_would_become_zero(value: float) -> None:
    writer = loss_writer()
    expected = r'expected 0, or a number of at least 1.4e-45, or widths={"oasis_float": "f8"}'
    with pytest.raises(WriteError, match=f"loss {value} does not fit into f4, {expected}"):
        writer.write_columns(1, 1, 1, np.array([value]))
    writer.abort()


@pytest.mark.parametrize("value", TINY)
def test_a_matrix_refuses_a_loss_that_would_become_zero(value: float) -> None:
    writer = loss_writer()
    with pytest.raises(WriteError, match=f"sidx 1: losses {value} does not fit into f4"):
        writer.write_event(1, [1], [[value]])
    with pytest.raises(WriteError, match=f"mean {value} does not fit into f4"):
        writer.write_event(1, [1], [[1.0]], mean=value)
    writer.abort()


def test_an_exposure_that_would_become_zero_is_refused() -> None:
    writer = evstream.create(io.BytesIO(), "summary", len_sample=1, summary_set_id=1)
    with pytest.raises(WriteError, match="exposure_value 1e-60 does not fit into f4"):
        writer.write_columns(1, 1, 1e-60, 1, 1.0)
    writer.abort()


def test_bins_that_would_become_zero_are_refused() -> None:
    with evstream.create(io.BytesIO(), "cdf") as writer:
        for prob_to, bin_mean in ((1e-60, 0.5), (0.5, 1e-60)):
            with pytest.raises(WriteError, match="1e-60 does not fit into f4"):
                writer.write_columns(1, 1, 1, 1, prob_to, bin_mean)


@pytest.mark.parametrize("value", [0.0, -0.0, DENORMAL, -DENORMAL, 1e-40])
def test_zeros_and_denormal_losses_are_written(value: float) -> None:
    target = io.BytesIO()
    with loss_writer("f4", target) as writer:
        writer.write_columns(1, 1, 1, np.array([value]))
    assert target.getvalue()[20:24] == struct.pack("<f", value)


def test_a_tiny_loss_fits_into_f8() -> None:
    target = io.BytesIO()
    with loss_writer("f8", target) as writer:
        writer.write_columns(1, 1, 1, 5e-324)
    assert target.getvalue()[20:28] == struct.pack("<d", 5e-324)


TABLES = {
    "of numpy columns": lambda pa, value: pa.table({**ROW, "loss": [value]}),
    "of decimals": lambda pa, value: pa.table(
        {**ROW, "loss": pa.array([decimal.Decimal(str(value))], pa.decimal256(76, 60))}
    ),
}


@pytest.mark.parametrize("kind", TABLES)
def test_a_table_refuses_a_loss_that_would_become_zero(kind: str) -> None:
    pa = pytest.importorskip("pyarrow")
    with pytest.raises((WriteError, TableError), match=r"0, or a number of at least 1\.4e-45"):
        evstream.write_arrow(TABLES[kind](pa, 1e-50), io.BytesIO(), len_sample=1)


@pytest.mark.parametrize("format_", ["parquet", "arrow"])
def test_a_file_of_f8_refuses_a_loss_lost_in_f4(format_: str, tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    table = pa.table({**ROW, "loss": [1e-50]})
    path = tmp_path / f"in.{format_}"
    if format_ == "parquet":
        pq.write_table(table, path)
    else:
        with pa.ipc.new_file(path, table.schema) as file:
            file.write_table(table)
    with pytest.raises(TableError, match="row 0, column loss: 1e-50, expected 0, or a number"):
        evstream.convert(path, tmp_path / "out.bin")
    assert not (tmp_path / "out.bin").exists()


LOST_TEXTS = ["1e-46", "-1E-0046", "0.00000001e-40", "0." + 50 * "0" + "1", "9e-999", "1e-400"]
KEPT_TEXTS = ["0e-400", "0." + 60 * "0", "-0.0", "1e-40", "1e-45", "0"]


def text_file(folder: Path, format_: str, loss: str) -> Path:
    path = folder / f"in.{format_}"
    if format_ == "csv":
        path.write_text(f"event_id,item_id,sidx,loss\n1,1,1,0\n1,1,2,{loss}\n")
    else:
        rows = [json.dumps({"event_id": 1, "item_id": 1, "sidx": i, "loss": 7}) for i in (1, 2)]
        path.write_text(rows[0] + "\n" + rows[1].replace("7", loss) + "\n")
    return path


@pytest.mark.parametrize("format_", ["csv", "jsonl"])
@pytest.mark.parametrize("text", LOST_TEXTS)
def test_text_of_a_loss_that_would_become_zero_is_refused(
    text: str, format_: str, tmp_path: Path
) -> None:
    pytest.importorskip("pyarrow")
    line = 3 if format_ == "csv" else 2
    source = text_file(tmp_path, format_, text)
    with pytest.raises(TableError, match=f"line {line}, column loss: .*, expected 0, or a number"):
        evstream.convert(source, tmp_path / "out.bin")


@pytest.mark.parametrize("format_", ["csv", "jsonl"])
@pytest.mark.parametrize("text", KEPT_TEXTS)
def test_text_of_zero_or_a_denormal_loss_is_written(
    text: str, format_: str, tmp_path: Path
) -> None:
    pytest.importorskip("pyarrow")
    evstream.convert(text_file(tmp_path, format_, text), tmp_path / "out.bin")
    assert (tmp_path / "out.bin").read_bytes()[28:32] == struct.pack("<f", float(text))


def test_a_tiny_loss_of_a_text_fits_into_f8_alone(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    source = text_file(tmp_path, "csv", "1e-60")
    evstream.convert(source, tmp_path / "out.bin", widths={"oasis_float": "f8"})
    assert (tmp_path / "out.bin").read_bytes()[32:40] == struct.pack("<d", 1e-60)


def test_json_text_beyond_a_python_float_is_refused(tmp_path: Path) -> None:
    """1e400 is infinite as a Python float, which is a legal loss of a table."""
    pytest.importorskip("pyarrow")
    for text in ("1e400", "-1e400"):
        with pytest.raises(TableError, match=r"line 2, column loss: .*, expected a number within"):
            evstream.convert(
                text_file(tmp_path, "jsonl", text), tmp_path / "out.bin",
                widths={"oasis_float": "f8"},
            )  # fmt: skip
