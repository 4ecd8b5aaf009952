"""The switch in subprocesses: before the other sitecustomize, whatever that one does.

The reference is a stand-in here: a package of its name with an empty event-stream module.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import evstream
from support import ROOT, child_environment

OURS = str(Path(evstream.__file__).with_name("event_stream.py"))


@pytest.fixture
def reference(tmp_path: Path) -> Path:
    """A folder to put on PYTHONPATH."""
    package = tmp_path / "site" / "oasislmf" / "pytools" / "common"
    package.mkdir(parents=True)
    for folder in (package, package.parent, package.parent.parent):
        (folder / "__init__.py").touch()
    (package / "data.py").touch()
    (package / "event_stream.py").write_text("PIPE_CAPACITY = 65536\n")
    return tmp_path / "site"


def run(folder: Path, program: str, *parts: Path | str) -> subprocess.CompletedProcess[str]:
    """A Python process under the switch, with these parts of PYTHONPATH."""
    (folder / "program.py").write_text(program)
    python_path = os.pathsep.join(map(str, [*parts, ROOT / "src"]))
    command = [sys.executable, "-m", "evstream.dropin", "--", sys.executable, "program.py"]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False,
        env=child_environment(PYTHONPATH=python_path),
    )  # fmt: skip


WHICH = f"import {evstream.dropin.MODULE} as module; print(module.__file__)"


def test_the_switch_is_on_when_the_other_sitecustomize_runs(
    reference: Path, tmp_path: Path
) -> None:
    """Which sees itself under its name, as without the switch."""
    (tmp_path / "other").mkdir()
    body = "import sys, os\nif 'EVSTREAM_DROPIN' in os.environ:\n    " + WHICH
    (tmp_path / "other" / "sitecustomize.py").write_text(f"{body}\nseen = __name__\n")
    program = "import sitecustomize; print(sitecustomize.seen)"
    done = run(tmp_path, program, tmp_path / "other", reference)
    assert done.stdout.split() == [OURS, "sitecustomize"]
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("failure", ["raise RuntimeError('theirs')", "import no_such_module"])
def test_another_sitecustomize_that_fails_leaves_it_on(
    failure: str, reference: Path, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "sitecustomize.py").write_text(failure)
    done = run(tmp_path, WHICH, tmp_path / "other", reference)
    assert done.stdout.split() == [OURS]
    assert "Error in sitecustomize" in done.stderr
    assert done.returncode == 0


def test_another_sitecustomize_may_bring_the_reference(reference: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    body = f"import sys\nsys.path.append({str(reference)!r})\n"
    (tmp_path / "other" / "sitecustomize.py").write_text(body)
    done = run(tmp_path, WHICH, tmp_path / "other")
    assert done.stdout.split() == [OURS], done.stderr


@pytest.mark.parametrize("position", ["first", "last", "middle"])
def test_an_empty_part_of_pythonpath_is_kept(
    position: str, reference: Path, tmp_path: Path
) -> None:
    """It stands for the working folder."""
    src = ROOT / "src"
    parts = {
        "first": ["", reference, src],
        "last": [src, reference, ""],
        "middle": [reference, "", src],
    }
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "nearby.py").touch()
    (tmp_path / "script").mkdir()
    (tmp_path / "script" / "program.py").write_text(f"import nearby\n{WHICH}")
    command = [sys.executable, "-m", "evstream.dropin", "--", sys.executable]
    done = subprocess.run(
        [*command, str(tmp_path / "script" / "program.py")], cwd=tmp_path / "work",
        capture_output=True, text=True, check=False,
        env=child_environment(PYTHONPATH=os.pathsep.join(map(str, parts[position]))),
    )  # fmt: skip
    assert done.stdout.split() == [OURS], done.stderr


def test_an_empty_pythonpath_has_no_part() -> None:
    site = evstream.dropin.environment({})["PYTHONPATH"]
    assert os.pathsep not in site
    assert evstream.dropin.environment({"PYTHONPATH": ""})["PYTHONPATH"] == site
    assert evstream.dropin.environment({"PYTHONPATH": site})["PYTHONPATH"] == site
    twice = evstream.dropin.environment({"PYTHONPATH": f"{site}{os.pathsep}"})["PYTHONPATH"]
    assert twice == f"{site}{os.pathsep}"


def test_compiled_code_stays_apart_without_a_folder(reference: Path, tmp_path: Path) -> None:
    """numba would keep it beside the reference's own."""
    place = tmp_path / "cache"
    place.touch()
    code = """if True:
        import os, evstream.dropin
        evstream.dropin.install(check=False)
        print(os.environ["NUMBA_CACHE_DIR"], os.path.isdir(os.environ["NUMBA_CACHE_DIR"]))
    """
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env=child_environment(PYTHONPATH=f"{reference}:{ROOT / 'src'}", NUMBA_CACHE_DIR=str(place)),
    )  # fmt: skip
    folder, made = done.stdout.split()
    assert made == "True"
    assert not folder.startswith(str(place))
    assert Path(folder).parent.name == "dropin"
    assert not Path(folder).exists()  # it went with the process
    assert done.stderr.startswith(f"evstream.dropin: compiled code cannot be cached in {place}/")
    assert ": Not a directory; it is compiled again" in done.stderr
    assert done.stderr.count("\n") == 1
