"""Streams written by evstream are read by the reference's programs, and the other way round."""

from __future__ import annotations

import csv
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

import evstream
from interop.programs import run

FLOATS = ["f4", "f8"]

COLUMNS = {
    "event_id": np.repeat([1, 2, 3], 10),
    "item_id": np.tile(np.repeat([1, 2], 5), 3),
    "sidx": np.tile([-3, -1, 1, 2, 3], 6),
    "loss": np.tile([1000.0, 12.5, 0.25, 7.75, 29.5], 6) + np.repeat(np.arange(6), 5),
}

pytestmark = pytest.mark.skipif(shutil.which("bintocsv") is None, reason="2.3 has no bintocsv")


def reference(command: str, folder: Path, width: str) -> None:
    """Run with the reference's own module; compiled code of each width apart."""
    env = {"OASIS_FLOAT": width}
    if width != "f4":
        env["NUMBA_CACHE_DIR"] = str(Path.home() / ".cache" / "evstream" / f"reference-{width}")
    result = run(command, folder, dropin=False, env=env)
    assert result.returncode == 0, result.stderr


def rows_of(path: Path) -> list[list[float]]:
    with path.open() as file:
        return [[float(cell) for cell in row] for row in list(csv.reader(file))[1:]]


@pytest.mark.parametrize("width", FLOATS)
@pytest.mark.parametrize("program", ["gul", "fm"])
def test_loss_streams(tmp_path: Path, program: str, width: str) -> None:
    widths = {"oasis_float": width}
    with evstream.create(tmp_path / "ours.bin", "loss", len_sample=3, widths=widths) as out:
        out.write_columns(**COLUMNS)
    reference(f"bintocsv {program} -i ours.bin -o ours.csv", tmp_path, width)
    expected = np.column_stack(list(COLUMNS.values()))
    assert rows_of(tmp_path / "ours.csv") == expected.tolist()

    reference(f"csvtobin {program} -S 3 -i ours.csv -o theirs.bin", tmp_path, width)
    assert (tmp_path / "theirs.bin").read_bytes() == (tmp_path / "ours.bin").read_bytes()
    columns = evstream.read_columns(tmp_path / "theirs.bin", widths=widths)
    assert np.column_stack(list(columns.values())).tolist() == expected.tolist()


@pytest.mark.parametrize("width", FLOATS)
def test_summary_streams(tmp_path: Path, width: str) -> None:
    widths = {"oasis_float": width}
    names = ["event_id", "summary_id", "exposure_value", "sidx", "loss"]
    columns = dict(zip(names, [*list(COLUMNS.values())[:2], np.full(30, 500.0),
                               *list(COLUMNS.values())[2:]], strict=True))  # fmt: skip
    columns["sidx"] = np.tile([-4, -1, 1, 2, 3], 6)
    with evstream.create(
        tmp_path / "ours.bin", "summary", len_sample=3, summary_set_id=1, widths=widths
    ) as out:
        out.write_columns(**columns)
    reference("eltpy -i ours.bin -s ours.csv", tmp_path, width)
    order = ["event_id", "summary_id", "sidx", "loss", "exposure_value"]
    # eltpy prints no number of affected risks.
    expected = np.column_stack([columns[name] for name in order])
    expected = expected[expected[:, 2] != -4]
    found = [row for row in rows_of(tmp_path / "ours.csv") if row[2] != -4]
    assert sorted(found) == sorted(expected.tolist())

    if width != "f4":
        return  # csvtobin summarycalc writes 4 bytes whatever OASIS_FLOAT says
    reference("csvtobin summarycalc -S 3 -t 1 -i ours.csv -o theirs.bin", tmp_path, width)
    theirs = evstream.read_columns(tmp_path / "theirs.bin", widths=widths)
    rows = np.column_stack([theirs[name] for name in order])
    assert sorted(rows[rows[:, 2] != -4].tolist()) == sorted(expected.tolist())


def test_summary_csv_of_evstream_is_read(tmp_path: Path) -> None:
    """`csvtobin summarycalc` takes the columns by name; what `evstream cat` prints comes back."""
    columns = {
        "event_id": np.repeat([1, 2], 4),
        "summary_id": np.tile([7, 7, 9, 9], 2),
        "exposure_value": np.tile([1000.0, 1000.0, 250.5, 250.5], 2),
        "sidx": np.tile([-1, 3], 4),
        "loss": np.array([0.25, 29.5, 0, 1, 2, 3, 4, 9e9]),
    }
    with evstream.create(tmp_path / "ours.bin", "summary", len_sample=3, summary_set_id=2) as out:
        out.write_columns(**columns)
    for make in ("cat ours.bin > ours.csv", "convert ours.bin ours.csv"):
        reference(f"{sys.executable} -m evstream {make}", tmp_path, "f4")
        reference("csvtobin summarycalc -S 3 -t 2 -i ours.csv -o theirs.bin", tmp_path, "f4")
        assert (tmp_path / "theirs.bin").read_bytes() == (tmp_path / "ours.bin").read_bytes()


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_selt_of_the_reference_becomes_a_stream(tmp_path: Path, kind: str) -> None:
    """Its ImpactedExposure is 0 where the loss is 0; the stream has it in each block."""
    columns = {"event_id": np.repeat([1, 2], 4), "summary_id": np.ones(8, int),
               "exposure_value": np.full(8, 1000.0), "sidx": np.tile([-3, -1, 1, 2], 2),
               "loss": np.array([1000.0, 50, 100, 0, 1000, 10, 0, 30])}  # fmt: skip
    with evstream.create(tmp_path / "ours.bin", "summary", len_sample=2, summary_set_id=1) as out:
        out.write_columns(**columns)
    reference(f"eltpy -E {kind} -i ours.bin -s selt.{kind}", tmp_path, "f4")
    evstream.convert(
        tmp_path / f"selt.{kind}", tmp_path / "again.bin", len_sample=2, summary_set_id=1
    )
    assert (tmp_path / "again.bin").read_bytes() == (tmp_path / "ours.bin").read_bytes()


def test_cdf_streams(workspace: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(workspace / "model", model)
    reference("cat input/events.bin | modelpy > theirs.bin", model, "f4")
    columns = evstream.read_columns(model / "theirs.bin")
    assert len(columns["event_id"])
    with evstream.open(model / "theirs.bin") as stream, evstream.create(
        model / "ours.bin", "cdf"
    ) as out:  # fmt: skip
        for event in stream:
            out.write(event)
    assert (model / "ours.bin").read_bytes() == (model / "theirs.bin").read_bytes()
    reference("bintocsv cdf -i ours.bin -o ours.csv", model, "f4")
    assert len(rows_of(model / "ours.csv")) == len(columns["event_id"])
