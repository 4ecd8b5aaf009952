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


def run_example(number: int) -> str:
    out = io.StringIO()
    with redirect_stdout(out):
        exec(compile(EXAMPLES[number][0], "README.md", "exec"), {})
    return out.getvalue()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the stream that the first example writes."""
    monkeypatch.chdir(tmp_path)
    assert run_example(0) == ""
    assert (tmp_path / "gul.bin").is_file()
    return tmp_path


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
@pytest.mark.usefixtures("folder")
def test_an_example_prints_what_the_readme_says(number: int) -> None:
    _, block, inline = EXAMPLES[number]
    printed = run_example(number)
    if expected := block or (inline and inline + "\n"):
        assert printed == expected


def test_the_readme_shows_what_its_examples_print() -> None:
    assert len(EXAMPLES) >= 4
    assert sum(bool(block or inline) for _, block, inline in EXAMPLES) >= 2


@pytest.mark.usefixtures("folder")
def test_lines_in_the_interpreter_print_what_the_readme_says() -> None:
    (block,) = re.findall(r"```pycon\n(.*?)```", README, re.DOTALL)
    lines = doctest.DocTestParser().get_doctest(block, {}, "README.md", "README.md", 0)
    assert doctest.DocTestRunner().run(lines) == (0, len(lines.examples))
    assert len(lines.examples) > 8


@pytest.mark.usefixtures("folder")
def test_commands_print_what_the_readme_says() -> None:
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


def test_a_cut_stream_raises_the_line_of_the_readme(folder: Path) -> None:
    (line,) = [line for line in README.splitlines() if line.startswith("gul.bin: byte")]
    (length,) = map(int, re.findall(r"for the first (\d+) bytes of it", README))
    whole = (folder / "gul.bin").read_bytes()
    Path("gul.bin").write_bytes(whole[:length])
    with pytest.raises(evstream.TruncatedStreamError) as caught:
        list(evstream.open("gul.bin"))
    assert str(caught.value) == line
