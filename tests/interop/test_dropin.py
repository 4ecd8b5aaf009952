"""The switch itself: what it does, undoes and refuses."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from evstream import dropin
from evstream.dropin.module_names import missing_names
from interop.programs import run

MODULE = dropin.MODULE


def python(code: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=300,
        env={**os.environ, **env},
    )  # fmt: skip


def test_install_and_uninstall() -> None:
    result = python(f"""
from evstream import dropin, event_stream
dropin.install(); dropin.install()
assert dropin.installed()
import {MODULE} as by_name
from {MODULE.rpartition(".")[0]} import event_stream as from_package
assert by_name is from_package is event_stream
assert event_stream.__name__ == event_stream.__spec__.name == "evstream.event_stream"
dropin.uninstall(); dropin.uninstall()
assert not dropin.installed()
from {MODULE} import EventReader
assert EventReader is not event_stream.EventReader
""")
    assert result.returncode == 0, result.stderr


def test_too_late_is_refused() -> None:
    result = python(f"import {MODULE}; from evstream import dropin; dropin.install()")
    assert f"{MODULE} was imported before" in result.stderr
    assert "before the first import" in result.stderr


def test_installed_again_it_imports_nothing_of_the_reference() -> None:
    result = python("from evstream import dropin; dropin.install(); import sys; print(sys.modules)")
    assert result.returncode == 0, result.stderr
    assert "'oasislmf" not in result.stdout


def test_no_name_is_missing() -> None:
    assert missing_names(MODULE, dropin.STAND_IN) == {}


@pytest.fixture
def made_up_reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    package = tmp_path / "made_up" / "common"
    package.mkdir(parents=True)
    (package / "event_stream.py").write_text("mv_read = NEW_CONSTANT = 6\ndef helper(): ...\n")
    (package / "program.py").write_text("from made_up.common.event_stream import mv_read, other\n")
    for folder in (package, package.parent):
        (folder / "__init__.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    return "made_up.common.event_stream"


def test_missing_names_are_told_with_their_places(made_up_reference: str) -> None:
    with pytest.raises(ImportError) as raised:
        dropin.install(made_up_reference)
    assert str(raised.value).splitlines() == [
        f"evstream.event_stream lacks names of {made_up_reference} that are used:",
        f"  NEW_CONSTANT: defined in {made_up_reference}",
        f"  helper: defined in {made_up_reference}",
        "  other: made_up/common/program.py:1",
    ]
    assert not dropin.installed()


def test_compiled_code_is_kept_apart(tmp_path: Path) -> None:
    show = "import os; print(os.environ['NUMBA_CACHE_DIR'])"
    code = f"from evstream import dropin; dropin.install(); {show}"
    plain = python(code, NUMBA_CACHE_DIR=str(tmp_path)).stdout.strip()
    wide = python(code, NUMBA_CACHE_DIR=str(tmp_path), OASIS_FLOAT="f8").stdout.strip()
    assert Path(plain).parent == Path(wide).parent == tmp_path / "dropin"
    assert plain != wide
    (tmp_path / "p.py").write_text(show)
    inherited = run("python p.py", tmp_path, dropin=True, env={"NUMBA_CACHE_DIR": str(tmp_path)})
    assert inherited.stdout.strip() == plain, inherited.stderr


def test_an_existing_sitecustomize_still_runs(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("print('mine')")
    (tmp_path / "p.py").write_text("from evstream import dropin; print(dropin.installed())")
    paths = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    result = run("python p.py", tmp_path, dropin=True, env={"PYTHONPATH": paths})
    assert result.stdout.split() == ["mine", "mine", "True"], result.stderr


@pytest.mark.parametrize(
    "arguments", [["-m", "oasislmf.pytools.summary.cli", "--help"], ["summarypy", "--help"]]
)
def test_modules_and_console_scripts_run_in_this_process(arguments: list[str]) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "evstream.dropin", "--", *arguments],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert "--static-path" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "environment", "status", "said"),
    [
        (["--", "nosuch"], {}, 127, "nosuch: no such command"),
        (["--", "nosuch.py"], {}, 2, "nosuch.py: no such file"),
        (["--", "-m", "nosuchmod"], {}, 2, "no module named nosuchmod"),
        (["--", "-m", "email"], {}, 2, "email, or it is a package without a __main__"),
        (["--", "summarypy"], {"OASIS_INT": "zz"}, 2, "OASIS_INT is 'zz', expected i4 or i8"),
        ([], {}, 2, "usage: "),
    ],
)
def test_what_cannot_be_run_is_told_in_a_line(
    arguments: list[str], environment: dict[str, str], status: int, said: str
) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "evstream.dropin", *arguments], env=os.environ | environment,
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert (result.returncode, result.stderr.count("\n"), result.stdout) == (status, 1, "")
    assert said in result.stderr


def test_widths_that_mean_other_bytes_are_told_in_a_line() -> None:
    """Where ids have one width; 2.3 takes it from OASIS_INT, as evstream does."""
    source = Path(str(dropin.source_of(dropin.MODULE))).parent / "data.py"
    result = subprocess.run(
        [sys.executable, "-m", "evstream.dropin", "--", "summarypy", "--help"],
        env=os.environ | {"OASIS_INT": "i8"},
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    if "def_to_type_and_size" in source.read_text():
        assert (result.returncode, result.stderr.count("\n")) == (2, 1)
        assert "unset OASIS_INT" in result.stderr
    else:
        assert result.returncode == 0


def test_help_is_no_error() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "evstream.dropin", "-h"],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("usage: ")
