"""The README's examples run, in order, and print what it says."""

from __future__ import annotations

import doctest
import io
import re
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path

import pytest

import evstream

README = (Path(__file__).resolve().parent.parent / "README.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```(?:\n\nprints\n\n```\n(.*?)```|\n\nprints `(.*?)`)?",
                      README, re.DOTALL)  # fmt: skip


def test_every_example_runs_and_prints_what_the_readme_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert len(EXAMPLES) >= 4
    printed = 0
    for code, block, inline in EXAMPLES:
        out = io.StringIO()
        with redirect_stdout(out):
            exec(compile(code, "README.md", "exec"), {})
        expected = block or (inline and inline + "\n")
        if expected:
            printed += 1
            assert out.getvalue() == expected
    assert printed >= 2
    lines_in_the_interpreter_print_what_the_readme_says()
    commands_print_what_the_readme_says()
    cut_stream_raises_the_line_of_the_readme(tmp_path)


def lines_in_the_interpreter_print_what_the_readme_says():
    (block,) = re.findall(r"```pycon\n(.*?)```", README, re.DOTALL)
    lines = doctest.DocTestParser().get_doctest(block, {}, "README.md", "README.md", 0)
    assert doctest.DocTestRunner().run(lines) == (0, len(lines.examples))
    assert len(lines.examples) > 8


def commands_print_what_the_readme_says():
    (block,) = re.findall(r"```console\n(.*?)```", README, re.DOTALL)
    commands = re.findall(r"\$ (.*)\n((?:[^$].*\n)*)", block)
    assert len(commands) == block.count("$ ") >= 6
    for command, printed in commands:
        shell = f'evstream() {{ "{sys.executable}" -m evstream "$@"; }}; {command}'
        result = subprocess.run(
            ["bash", "-c", shell],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        assert result.stdout == printed, command


def cut_stream_raises_the_line_of_the_readme(folder):
    (line,) = [line for line in README.splitlines() if line.startswith("gul.bin: byte")]
    (length,) = map(int, re.findall(r"for the first (\d+) bytes of it", README))
    whole = (folder / "gul.bin").read_bytes()
    Path("gul.bin").write_bytes(whole[:length])
    with pytest.raises(evstream.TruncatedStreamError) as caught:
        list(evstream.open("gul.bin"))
    assert str(caught.value) == line
