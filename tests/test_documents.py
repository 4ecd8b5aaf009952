"""The documents name what exists; and the check of them sees what does not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from check_documents import ROOT, documents, headings, problems

ROOMS = [path.parent.name for path in (ROOT / "src" / "evstream").glob("*/__init__.py")]


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.name)
def test_documents_name_what_exists(path: Path):
    assert list(problems(path)) == []


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("See [there](docs/absent.md).", "broken link docs/absent.md"),
        ("See [there](README.md#no-such-heading).", "broken link README.md#no-such-heading"),
        ("Run `make nothing`.", "no target 'nothing' of make in `make nothing`"),
        ("    cat x | evstream explode -", "no command 'explode' of evstream"),
        ("```\nevstream info --wide x\n```", "no option --wide of `evstream info`"),
        ("`python -m benchmarks.absent`", "no module benchmarks.absent"),
        ("`python tests/fuzz/absent.py`", "no file tests/fuzz/absent.py"),
        ("`pytest tests/absent_*.py`", "no file tests/absent_*.py"),
        ("`pytest tests/test_documents.py -k 'name or absent'`", "no test has 'absent'"),
        ("`reading/absent`", "no module 'absent' in reading/"),
    ],
)
def test_what_does_not_exist_is_reported(tmp_path: Path, line: str, problem: str):
    for name in ("Makefile", "src", "tests", "README.md"):
        (tmp_path / name).symlink_to(ROOT / name)
    document = tmp_path / "document.md"
    document.write_text(f"# Title\n\n{line}\n")
    (found,) = problems(document, tmp_path)
    assert found.startswith(f"document.md: {problem}")


def test_prose_and_programs_are_not_commands(tmp_path: Path):
    document = tmp_path / "document.md"
    document.write_text("make sure of it\n\n```python\nevstream explode\n```\n")
    assert list(problems(document)) == []


def test_headings_have_the_anchors_of_github():
    assert headings("# C and C++\n\n## What `a` is\n") == {"c-and-c", "what-a-is"}


@pytest.mark.parametrize("room", ROOMS)
def test_every_package_is_in_the_table_of_rooms(room: str):
    assert f"| `{room}/` |" in (ROOT / "ARCHITECTURE.md").read_text()


@pytest.mark.parametrize(
    ("figure", "row"),
    [
        (
            r"more than (\d+) GB/s into columns",
            r"\| decode to four columns, in chunks \| ([\d.]+) GB",
        ),
        (
            r"runs (\d+) times as fast as the reference's",
            r"\| mv_read in an njit loop \|[^|]*\| reference \|[^|]*\| ([\d.]+)x",
        ),
    ],
)
def test_figures_of_the_readme_are_measured(figure: str, row: str):
    (said,) = re.findall(figure, " ".join((ROOT / "README.md").read_text().split()))
    measured = re.findall(row, (ROOT / "docs" / "performance.md").read_text())
    assert float(said) <= float(measured[0])
