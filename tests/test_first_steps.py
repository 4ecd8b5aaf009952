"""The examples of README and of the first steps run, and print what the page says."""

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

ROOT = Path(__file__).resolve().parent.parent
PAGES = {
    path.name: path.read_text()
    for path in [ROOT / "README.md", *sorted((ROOT / "docs" / "start").glob("*.md"))]
}
Example = tuple[str, str, str]
EXAMPLES: dict[str, list[Example]] = {
    name: re.findall(
        r"```python\n(.*?)```(?:\n\nprints\n\n```\n(.*?)```|\n\nprints `(.*?)`)?", text, re.DOTALL
    )
    for name, text in PAGES.items()
}


def blocks(kind: str) -> list[tuple[str, str]]:
    """(page, text) of the blocks of one language."""
    return [
        (name, block)
        for name, text in PAGES.items()
        for block in re.findall(rf"```{kind}\n(.*?)```", text, re.DOTALL)
    ]


def run_example(example: Example) -> str:
    out = io.StringIO()
    with redirect_stdout(out):
        exec(compile(example[0], "example", "exec"), {})
    return out.getvalue()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the stream that the first example writes."""
    monkeypatch.chdir(tmp_path)
    assert run_example(EXAMPLES["author.md"][0]) == ""
    assert (tmp_path / "gul.bin").is_file()
    return tmp_path


@pytest.mark.parametrize(
    "example",
    [pytest.param(one, id=f"{name}-{at}") for name, several in EXAMPLES.items()
     for at, one in enumerate(several)],
)  # fmt: skip
@pytest.mark.usefixtures("folder")
def test_an_example_prints_what_the_page_says(example: Example) -> None:
    _, block, inline = example
    printed = run_example(example)
    if expected := block or (inline and inline + "\n"):
        assert printed == expected


def test_the_pages_show_what_their_examples_print() -> None:
    shown = [bool(block or inline) for found in EXAMPLES.values() for _, block, inline in found]
    assert len(shown) >= 6
    assert sum(shown) >= 2
    assert {name for name, _ in blocks("pycon")} == {"README.md", "analyst.md"}
    assert {name for name, _ in blocks("console")} >= {"README.md", "analyst.md"}


@pytest.mark.parametrize(("name", "block"), blocks("pycon"))
@pytest.mark.usefixtures("folder")
def test_lines_in_the_interpreter_print_what_the_page_says(name: str, block: str) -> None:
    lines = doctest.DocTestParser().get_doctest(block, {}, name, name, 0)
    assert doctest.DocTestRunner().run(lines) == (0, len(lines.examples))
    assert len(lines.examples) > 2


@pytest.mark.parametrize(("name", "block"), blocks("console"))
@pytest.mark.usefixtures("folder")
def test_commands_print_what_the_page_says(name: str, block: str) -> None:
    commands = re.findall(r"\$ (.*)\n((?:[^$].*\n)*)", block)
    assert len(commands) == block.count("$ ") >= 1, name
    for command, printed in commands:
        shell = f'evstream() {{ "{sys.executable}" -m evstream "$@"; }}; {command}'
        result = subprocess.run(
            ["bash", "-c", shell],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        assert result.stdout == printed, command


def test_a_cut_stream_raises_the_line_of_the_pages(folder: Path) -> None:
    (length,) = map(int, re.findall(r"for the first (\d+) bytes of it", PAGES["author.md"]))
    whole = (folder / "gul.bin").read_bytes()
    Path("gul.bin").write_bytes(whole[:length])
    with pytest.raises(evstream.TruncatedStreamError) as caught:
        list(evstream.open("gul.bin"))
    lines = [
        line
        for name in ("README.md", "author.md")
        for line in PAGES[name].splitlines()
        if line.startswith("gul.bin: byte")
    ]
    assert lines == [str(caught.value)] * 2


def test_every_public_name_is_in_the_reference() -> None:
    listed = re.findall(
        r"(?m)^\.\. auto(?:function|class|data|exception):: evstream\.(\w+)$",
        (ROOT / "docs" / "api.md").read_text(),
    )
    assert sorted(listed) == sorted(evstream.__all__)
