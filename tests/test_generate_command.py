"""`evstream generate` from an installed wheel: a codec for another format, without a checkout."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from support import ROOT


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that has the wheel, and what it depends on."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation",
         "--wheel-dir", str(folder), str(ROOT)],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "env")], check=True)
    (site,) = (folder / "env").glob("lib/python*/site-packages")
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    # numpy, numba, jinja2 and yaml come from this environment, which an installer would fetch.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "env" / "bin" / "python"


def run(python: Path, folder: Path, *arguments: str, status: int = 0) -> str:
    clean = {k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", "PYTHONHOME"}}
    result = subprocess.run(
        [str(python), *arguments],
        cwd=folder, env=clean, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == status, result.stdout + result.stderr
    return result.stdout + result.stderr


@pytest.fixture(scope="module")
def parcels(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package of the format that spec/README.md describes."""
    folder = tmp_path_factory.mktemp("parcels")
    text = (ROOT / "spec" / "README.md").read_text()
    spec = "".join(re.findall(r"(?ms)^```yaml\n(.*?)^```", text))
    (folder / "parcels.yaml").write_text(spec)
    run(python, folder, "-m", "evstream", "generate", "parcels.yaml", "--package", "parcels")
    return folder


WRITE = """
import parcels
with parcels.create("a.bin", "parcel", len_sample=2) as out:
    out.write_event(1, [4, 5], [[1, 2], [0, 4]], mean=[1.5, 2])
"""


def test_the_wheel_is_what_runs(python: Path, tmp_path: Path) -> None:
    printed = run(python, tmp_path, "-c", "import evstream; print(evstream.__file__)")
    assert str(python.parent.parent) in printed


def test_a_generated_package_writes_and_reads(python: Path, parcels: Path) -> None:
    run(python, parcels, "-c", WRITE)
    read = """
import parcels
for event in parcels.open("a.bin"):
    print(event.event_id, event.parcel_ids, event.sidx, event.weight)
"""
    assert run(python, parcels, "-c", read) == "1 [4 5] [-1  1  2 -1  2] [1.5 1.  2.  2.  4. ]\n"


def test_a_generated_package_has_the_commands(python: Path, parcels: Path) -> None:
    run(python, parcels, "-c", WRITE)
    assert "parcel (2/1)" in run(python, parcels, "-m", "parcels", "info", "a.bin")
    rows = run(python, parcels, "-m", "parcels", "cat", "a.bin").split()
    assert rows[0] == "event_id,parcel_id,sidx,weight"
    assert len(rows) == 6
    assert "clean" in run(python, parcels, "-m", "parcels", "validate", "a.bin")
    run(python, parcels, "-m", "parcels", "convert", "a.bin", "a.csv")
    run(
        python, parcels, "-m", "parcels", "convert", "a.csv", "b.bin",
        "--stream", "parcel", "--len-sample", "2",
    )  # fmt: skip
    assert (parcels / "a.bin").read_bytes() == (parcels / "b.bin").read_bytes()


def test_the_stream_of_another_format_is_refused(python: Path, parcels: Path) -> None:
    summary = str(ROOT / "tests/golden/summary_i4_f4.bin")
    printed = run(python, parcels, "-m", "parcels", "info", summary, status=2)
    assert "unknown stream type 3/1" in printed


def test_check_reports_a_stale_package(python: Path, parcels: Path) -> None:
    arguments = ["-m", "evstream", "generate", "parcels.yaml", "--package", "parcels"]
    assert "0 changed" in run(python, parcels, *arguments, "--check")
    path = parcels / "parcels.yaml"
    text = path.read_text()
    try:
        path.write_text(text.replace("Weight in kilograms", "Weight in grams"))
        assert "stale" in run(python, parcels, *arguments, "--check", status=1)
    finally:
        path.write_text(text)


def test_a_file_edited_by_hand_is_kept(python: Path, parcels: Path) -> None:
    arguments = ["-m", "evstream", "generate", "parcels.yaml", "--package", "parcels"]
    path = parcels / "parcels" / "__init__.py"
    path.write_text(path.read_text() + "MINE = 1\n")
    assert "edited by hand" in run(python, parcels, *arguments, status=1)
    assert path.read_text().endswith("MINE = 1\n")
    run(python, parcels, *arguments, "--force")
    assert "MINE" not in path.read_text()


def test_only_some_kinds_are_written(python: Path, parcels: Path, tmp_path: Path) -> None:
    run(
        python, parcels, "-m", "evstream", "generate", "parcels.yaml", "--package", "parcels",
        "--out", str(tmp_path), "--only", "c",
    )  # fmt: skip
    files = [p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()]
    assert files == ["parcels/include/parcels.h"]
