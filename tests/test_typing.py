"""The package says that it is typed, and a program in strict mode passes both type checkers."""

from __future__ import annotations

import importlib.util
import io
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest

import evstream
import typed_client
from support import child_environment

CLIENT = Path(typed_client.__file__)


def check(folder: Path, client: str, *command: str) -> str:
    """The output of a type checker on a program outside the sources, as its users have it."""
    (folder / "client.py").write_text(client)
    done = subprocess.run(
        [sys.executable, "-m", *command, "client.py"],
        check=False, cwd=folder, capture_output=True, text=True, env=child_environment(),
    )  # fmt: skip
    return done.stdout + done.stderr


def mypy(folder: Path, client: str) -> str:
    return check(folder, client, "mypy", "--strict", "--cache-dir", str(folder / "cache"))


def pyright(folder: Path, client: str) -> str:
    return check(folder, client, "pyright", "--pythonpath", sys.executable)


WRONG = CLIENT.read_text() + '\n\ntext: str = evstream.read_columns(3.5)["loss"]\n'


def test_the_package_is_marked_as_typed():
    assert resources.files(evstream).joinpath("py.typed").is_file()


def test_a_strict_client_passes_mypy(tmp_path):
    assert "Success: no issues found" in mypy(tmp_path, CLIENT.read_text())


def test_mypy_finds_a_wrong_source_and_result(tmp_path):
    found = mypy(tmp_path, WRONG)
    assert "[arg-type]" in found
    assert "[assignment]" in found


@pytest.fixture
def with_pyright(tmp_path):
    if importlib.util.find_spec("pyright") is None:
        pytest.skip("pyright is not installed: pip install pyright")
    found = pyright(tmp_path, "x: int = 1\n")
    if "0 errors" not in found:
        pytest.skip(f"pyright does not run, as without node or a network: {found[-200:]}")


@pytest.mark.usefixtures("with_pyright")
def test_a_strict_client_passes_pyright(tmp_path):
    assert "0 errors, 0 warnings" in pyright(tmp_path, CLIENT.read_text())


@pytest.mark.usefixtures("with_pyright")
def test_pyright_finds_a_wrong_source_and_result(tmp_path):
    found = pyright(tmp_path, WRONG)
    assert "reportArgumentType" in found
    assert "reportAssignmentType" in found


def test_the_client_runs():
    data = io.BytesIO()
    typed_client.write(data)
    data.seek(0)
    assert list(typed_client.totals(data)) == [(1, 7.0), (2, 1.0)]


CLASSES_AND_FUNCTIONS = [name for name in evstream.__all__ if not name.endswith("Like")]


@pytest.mark.parametrize("name", CLASSES_AND_FUNCTIONS)
def test_every_public_name_is_there_under_its_own_name(name):
    assert getattr(evstream, name).__name__ == name
