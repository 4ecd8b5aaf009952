"""`evstream generate` from an installed wheel: a codec for another format, without a checkout."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from support import ROOT


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory, kernels_are_loaded: None) -> Path:
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
    # Kernels of text take seconds to compile, and are those of this package.
    text, ignore = "evstream/text/__pycache__", shutil.ignore_patterns("*.pyc")
    shutil.copytree(ROOT / "src" / text, site / text, ignore=ignore)
    # numpy, numba, jinja2 and yaml come from this environment, which an installer would fetch.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "env" / "bin" / "python"


def run(python: Path, folder: Path, *arguments: str, status: int = 0) -> str:
    """Commands in plain Python: they would compile for seconds what the program has compiled."""
    clean = {k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", "PYTHONHOME"}}
    if arguments[0] == "-m":
        clean["NUMBA_DISABLE_JIT"] = "1"
    result = subprocess.run(
        [str(python), *arguments],
        cwd=folder, env=clean, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == status, result.stdout + result.stderr
    return result.stdout + result.stderr


SECTION = (ROOT / "docs" / "start" / "format.md").read_text()
SPEC, PROGRAM, PRINTED, SESSION = re.search(
    r"```yaml\n(.*?)```.*?```py\n(.*?)```\n\nprints\n\n```\n(.*?)```.*?```shell-session\n(.*?)```",
    SECTION, re.DOTALL,
).groups()  # type: ignore[union-attr]  # fmt: skip
"""What the first steps show: a spec, a program and what it prints, commands and what they print."""


@pytest.fixture(scope="module")
def parcels(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package of that format, and the stream that its program writes."""
    folder = tmp_path_factory.mktemp("parcels")
    (folder / "parcels.yaml").write_text(SPEC)
    (command,) = re.findall(r"(?m)^evstream (generate .*)", SECTION)
    run(python, folder, "-m", "evstream", *command.split())
    assert run(python, folder, "-c", PROGRAM) == PRINTED
    return folder


def test_the_codec_of_the_language_reference_works(python: Path, tmp_path: Path) -> None:
    """The spec, the command and the program of spec/README.md, and a command of the package."""
    text = (ROOT / "spec" / "README.md").read_text()
    (tmp_path / "parcels.yaml").write_text("".join(re.findall(r"(?ms)^```yaml\n(.*?)^```", text)))
    (command,) = re.findall(r"(?m)^evstream (generate .*)", text)
    (program,) = re.findall(r"(?ms)^```py\n(.*?)^```", text)
    run(python, tmp_path, "-m", "evstream", *command.split())
    plain = "import os, sys; os.environ['NUMBA_DISABLE_JIT'] = '1'; sys.path.insert(0, 'src')\n"
    printed = run(python, tmp_path, "-c", plain + program)
    assert printed == "1 [4 5] [-1  1 -1  2] [1.25 2.5  3.5  7.  ]\n"
    cat = plain + "import evstream.console; evstream.console.console('mycodec._generated')"
    rows = run(python, tmp_path, "-c", cat, "cat", "day.bin")
    assert rows.startswith("event_id,parcel_id,sidx,weight\n1,4,-1,1.25\n1,4,1,2.5\n")


def test_the_wheel_is_what_runs(python: Path, tmp_path: Path) -> None:
    printed = run(python, tmp_path, "-c", "import evstream; print(evstream.__file__)")
    assert str(python.parent.parent) in printed


def test_the_commands_print_what_the_page_says(python: Path, parcels: Path) -> None:
    commands = re.findall(r"\$ (.*)\n((?:[^$].*\n)*)", SESSION)
    assert len(commands) == SESSION.count("$ ") == 3
    for line, printed in commands:
        parts = [part.split() for part in line.split(" && ")]
        assert {tuple(part[:3]) for part in parts} == {("python", "-m", "parcels")}
        assert "".join(run(python, parcels, *part[1:]) for part in parts) == printed


def test_a_table_becomes_the_same_stream(python: Path, parcels: Path) -> None:
    run(python, parcels, "-m", "parcels", "convert", "day.bin", "table.csv")
    run(python, parcels, "-m", "parcels", "convert", "table.csv", "back.bin")
    assert (parcels / "day.bin").read_bytes() == (parcels / "back.bin").read_bytes()


def test_the_stream_of_another_format_is_refused(python: Path, parcels: Path) -> None:
    summary = str(ROOT / "tests/golden/summary_i4_f4.bin")
    printed = run(python, parcels, "-m", "parcels", "info", summary, status=2)
    assert "unknown stream type 3/1" in printed


def test_the_names_of_a_stub_have_one_order(parcels: Path) -> None:
    """Names that differ in case alone too, such as Parts and parts."""
    lines = (parcels / "parcels" / "__init__.pyi").read_text().splitlines()
    names = [line for line in lines if line.startswith("from evstream import")]
    assert len(names) > 40
    assert names == sorted(names)


def test_check_reports_a_stale_package(python: Path, parcels: Path) -> None:
    arguments = ["-m", "evstream", "generate", "parcels.yaml", "--package", "parcels"]
    assert "0 changed" in run(python, parcels, *arguments, "--check")
    path = parcels / "parcels.yaml"
    text = path.read_text()
    try:
        path.write_text(text.replace("The reading.", "A reading."))
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


def test_the_wheel_tells_type_checkers_that_it_is_typed(python: Path) -> None:
    (site,) = python.parent.parent.glob("lib/python*/site-packages")
    assert (site / "evstream" / "py.typed").read_text() == ""
