"""evstream and generated packages are typed: strict clients pass both type checkers."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest

import evstream
import typed_client
from codegen.generate import generate
from codegen.language import FACADE
from codegen.outputs import package_outputs
from evstream.binding import bound_names
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


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where clients lie, beside a generated package and the cache of mypy."""
    folder = tmp_path_factory.mktemp("typed")
    with contextlib.redirect_stdout(io.StringIO()):
        outputs = package_outputs(NAME)
        assert generate(SPEC, folder, outputs, only=("python",), pretty=False) == 0
    return folder


def check(folder: Path, client: str, *command: str) -> str:
    """The output of a type checker on a program outside the sources, as its users have it."""
    (folder / "client.py").write_text(client)
    done = subprocess.run(
        [sys.executable, "-m", *command, "client.py"],
        check=False, cwd=folder, capture_output=True, text=True, env=child_environment(),
    )  # fmt: skip
    return done.stdout + done.stderr


def mypy(folder: Path, client: str, *more: str) -> str:
    return check(folder, client, "mypy", "--strict", "--cache-dir", str(folder / "cache"), *more)


def pyright(folder: Path, client: str) -> str:
    return check(folder, client, "pyright", "--pythonpath", sys.executable)


WRONG = (
    CLIENT.read_text()
    + """

text: str = evstream.read_columns(3.5)["loss"]
evstream.convert("a.bin", "b.csv", precision="two")
evstream.reader_class("loss")(0).read(2.5)
"""
)


def test_the_package_is_marked_as_typed():
    assert resources.files(evstream).joinpath("py.typed").is_file()


def test_a_strict_client_passes_mypy(folder):
    assert "Success: no issues found" in mypy(folder, CLIENT.read_text())


def test_mypy_finds_wrong_arguments_and_a_wrong_result(folder):
    found = mypy(folder, WRONG)
    assert found.count("[arg-type]") == 3
    assert found.count("[assignment]") == 1


def test_a_generated_package_and_its_client_pass_mypy(folder):
    assert (folder / NAME / "py.typed").is_file()
    assert "Success: no issues found in 1" in mypy(folder, GAUGE_CLIENT, NAME)


def test_mypy_finds_a_wrong_source_of_a_generated_package(folder):
    assert mypy(folder, GAUGE_CLIENT + "\n\ngauges.open(1.5)\n").count("[arg-type]") == 1


def test_the_stub_of_a_package_has_the_names_that_it_binds():
    assert sorted(FACADE) == sorted(bound_names())


@pytest.fixture
def with_pyright(tmp_path):
    if importlib.util.find_spec("pyright") is None:
        pytest.skip("pyright is not installed: pip install pyright")
    found = pyright(tmp_path, "x: int = 1\n")
    if "0 errors" not in found:
        pytest.skip(f"pyright does not run, as without node or a network: {found[-200:]}")


@pytest.mark.usefixtures("with_pyright")
def test_a_strict_client_passes_pyright(folder):
    assert "0 errors, 0 warnings" in pyright(folder, CLIENT.read_text())


@pytest.mark.usefixtures("with_pyright")
def test_pyright_finds_wrong_arguments_and_a_wrong_result(folder):
    found = pyright(folder, WRONG)
    assert found.count("reportArgumentType") == 3
    assert found.count("reportAssignmentType") == 1


@pytest.mark.usefixtures("with_pyright")
def test_a_client_of_a_generated_package_passes_pyright(folder):
    assert "0 errors, 0 warnings" in pyright(folder, GAUGE_CLIENT)


def test_the_client_runs():
    data = io.BytesIO()
    typed_client.write(data)
    data.seek(0)
    assert list(typed_client.totals(data)) == [(1, 7.0), (2, 1.0)]


CLASSES_AND_FUNCTIONS = [name for name in evstream.__all__ if not name.endswith("Like")]


@pytest.mark.parametrize("name", CLASSES_AND_FUNCTIONS)
def test_every_public_name_is_there_under_its_own_name(name):
    assert getattr(evstream, name).__name__ == name
