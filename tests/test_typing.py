"""evstream and generated packages are typed: strict clients pass both type checkers."""

from __future__ import annotations

import importlib.util
import io
import re
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest

import evstream
import typed_client
from codegen.language import FACADE
from evstream.binding import bound_names
from generated_packages import write_package
from support import ROOT, child_environment

CLIENT = Path(typed_client.__file__)
NAME = "typed_gauges"
SPEC = ROOT / "tests" / "any_format_spec.yaml"

GAUGE_CLIENT = f"""
# pyright: strict

import {NAME} as gauges


def write(target: gauges.TargetLike) -> None:
    with gauges.create(target, "sampled", how_many=2) as out:
        out.write_event(run=1, gauges=[4, 5], height=[[1.0, 2.0], [3.0, 4.0]])


def heights(source: gauges.SourceLike) -> list[float]:
    with gauges.open(source) as stream:
        return [float(event.height.sum()) for event in stream]


def findings(source: gauges.SourceLike) -> list[gauges.Finding]:
    return gauges.validate(source, format=gauges.FORMAT).findings
"""


WRONG = """

text: str = evstream.read_columns(3.5)["loss"]
evstream.convert("a.bin", "b.csv", precision="two")
evstream.reader_class("loss")(0).read(2.5)
"""

CLIENTS = {
    "client.py": CLIENT.read_text(),
    "wrong.py": CLIENT.read_text() + WRONG,
    "gauge_client.py": GAUGE_CLIENT,
    "wrong_gauge.py": GAUGE_CLIENT + "\n\ngauges.open(1.5)\n",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clients outside the sources, as their users have them, beside a generated package."""
    folder = tmp_path_factory.mktemp("typed")
    write_package(SPEC, folder, NAME, ("python",))
    for name, text in CLIENTS.items():
        (folder / name).write_text(text)
    return folder


def check(folder: Path, *command: str) -> str:
    """The output of a type checker on all clients at once, since it takes seconds to start."""
    done = subprocess.run(
        [sys.executable, "-m", *command, *CLIENTS],
        check=False, cwd=folder, capture_output=True, text=True, env=child_environment(),
    )  # fmt: skip
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def mypy(folder: Path) -> str:
    cache = str(ROOT / ".mypy_cache" / "clients")  # the next run need not read numpy again
    found = check(folder, "mypy", "--strict", "--cache-dir", cache, NAME)
    assert re.search(r"\nFound \d+ errors in 2 files \(checked \d+ source files\)", found), found
    return found


@pytest.fixture(scope="module")
def pyright(folder: Path) -> str:
    if importlib.util.find_spec("pyright") is None:
        pytest.skip("pyright is not installed: pip install pyright")
    found = check(folder, "pyright", "--pythonpath", sys.executable)
    if not re.search(r"\d+ errors, \d+ warnings", found):
        pytest.skip(f"pyright does not run, as without node or a network: {found[-200:]}")
    return found


def errors(found: str, file: str) -> list[str]:
    """The codes of the errors in a client; one of pyright stands after the last of its lines."""
    codes, is_here = [], False
    for line in found.splitlines():
        if place := re.match(r" *(\S+\.pyi?):\d+:", line):
            is_here = Path(place[1]).name == file
        if is_here and (code := re.search(r"\[([a-z-]+)\]$|\((report\w+)\)$", line)):
            codes.append(code[1] or code[2])
    return sorted(codes)


def test_the_package_is_marked_as_typed():
    assert resources.files(evstream).joinpath("py.typed").is_file()


def test_a_strict_client_passes_mypy(mypy):
    assert errors(mypy, "client.py") == []


def test_mypy_finds_wrong_arguments_and_a_wrong_result(mypy):
    assert errors(mypy, "wrong.py") == ["arg-type"] * 3 + ["assignment"]


def test_a_generated_package_and_its_client_pass_mypy(mypy, folder):
    assert (folder / NAME / "py.typed").is_file()
    assert errors(mypy, "gauge_client.py") == []
    assert f"{NAME}/" not in mypy


def test_mypy_finds_a_wrong_source_of_a_generated_package(mypy):
    assert errors(mypy, "wrong_gauge.py") == ["arg-type"]


def test_the_stub_of_a_package_has_the_names_that_it_binds():
    assert sorted(FACADE) == sorted(bound_names())


def test_a_strict_client_passes_pyright(pyright):
    assert errors(pyright, "client.py") == []


def test_pyright_finds_wrong_arguments_and_a_wrong_result(pyright):
    assert errors(pyright, "wrong.py") == ["reportArgumentType"] * 3 + ["reportAssignmentType"]


def test_a_client_of_a_generated_package_passes_pyright(pyright):
    assert errors(pyright, "gauge_client.py") == []
    assert errors(pyright, "wrong_gauge.py") == ["reportArgumentType"]


def test_the_client_runs():
    data = io.BytesIO()
    typed_client.write(data)
    data.seek(0)
    assert list(typed_client.totals(data)) == [(1, 7.0), (2, 1.0)]


CLASSES_AND_FUNCTIONS = [name for name in evstream.__all__ if not name.endswith("Like")]


@pytest.mark.parametrize("name", CLASSES_AND_FUNCTIONS)
def test_every_public_name_is_there_under_its_own_name(name):
    assert getattr(evstream, name).__name__ == name
