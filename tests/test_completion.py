"""`evstream completion`: what a shell completes by its script, run in bash itself."""

from __future__ import annotations

import subprocess
import sys

import pytest

from evstream.cli.completion import script
from evstream.cli.parser import make_parser
from evstream.cli.program import main

COMPLETED = [
    ("inf", {"info"}),
    ("in", {"info", "index"}),
    ("--quiet val", {"validate"}),
    ("--log-format ''", {"text", "json"}),
    ("info --jso", {"--json"}),
    ("info a.bi", {"a.bin"}),
    ("info a.bin ''", {"a.bin", "folder"}),
    ("info --json --stream gul_c", {"gul_coverage"}),
    ("info --stream evt a.b", {"a.bin"}),
    ("info --width oasis_fl", {"oasis_float=f4", "oasis_float=f8"}),
    ("convert a.bin b --to p", {"parquet"}),
    ("warmup --to ''", {"folder"}),
    ("explain --color ''", {"auto", "always", "never"}),
    ("seal --no-f", {"--no-fsync"}),
]
"""Words after `evstream`, the last of which is completed -> what bash offers."""

_COMPLETE = """\
complete() { COMP_WORDS=(evstream "$@"); COMP_CWORD=$#; _shtab_evstream evstream "${@: -1}"
  printf '%s ' "${COMPREPLY[@]}"; echo; }
"""


def test_bash_completes_by_the_script(tmp_path):
    (tmp_path / "a.bin").touch()
    (tmp_path / "folder").mkdir()
    asked = "\n".join(f"complete {words}" for words, _ in COMPLETED)
    parser = make_parser()
    made = script(parser, "bash", parser.get_default("spec_format"))
    program = f"{made}\nbuiltin complete -p evstream\n{_COMPLETE}{asked}\n"
    told = subprocess.run(
        ["bash", "--norc"], input=program, cwd=tmp_path,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    registered, *offered = told.stdout.splitlines()
    assert registered.endswith("-F _shtab_evstream evstream")
    assert [set(line.split()) for line in offered] == [words for _, words in COMPLETED]
    assert told.stderr == ""


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_a_script_names_every_command(shell, capsys):
    assert main(["completion", shell]) == 0
    said = capsys.readouterr().out
    parser = make_parser()
    commands = next(a for a in parser._actions if a.dest == "command").choices
    assert commands is not None
    assert all(name in said for name in commands)
    assert "gul_coverage" in said


def test_without_shtab_the_error_names_the_extra(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main(["completion", "bash"]) == 2
    assert "pip install 'evstream[completion]'" in capsys.readouterr().err
