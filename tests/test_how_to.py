"""The recipes of the pages under "How to" run on the files that they name."""

from __future__ import annotations

import re
import shlex
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import evstream
from chart_engine import ChartEngine
from result_cases import made_blocks, occurrence_file, period_file, stream_of
from support import PATIENCE, ROOT, child_environment, run_examples, run_main

DOCS = ROOT / "docs"
TESTED_ELSEWHERE = {
    "analysis": "test_frames.py",
    "monitoring": "test_tee_progress.py",
    "container": "test_warmup.py",
}
SCRIPTS = ["scale"]
"""Pages whose blocks start processes, which import the functions of a program."""
IN_PLACE = ["results", "report", "component", "testing"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that the pages name."""
    monkeypatch.setitem(sys.modules, "vl_convert", ChartEngine)
    monkeypatch.chdir(tmp_path)
    for name, events in (
        ("gul.bin", range(15, 20)),
        ("a.bin", [1, 2]),
        ("b.bin", [3]),
        ("out/1.bin", [1, 2]),
        ("out/2.bin", [3, 4]),
    ):
        Path(name).parent.mkdir(exist_ok=True)
        with evstream.create(name, "loss", len_sample=3) as stream:
            for event_id in events:
                stream.write_event(event_id, [1, 2], np.full((2, 3), 10.0), mean=[10.0, 10.0])
    blocks = made_blocks()
    Path("work/gul").mkdir(parents=True)
    Path("summary.bin").write_bytes(stream_of(blocks))
    Path("work/gul/1.bin").write_bytes(stream_of([b for b in blocks if b[0][0] <= 4]))
    Path("work/gul/2.bin").write_bytes(stream_of([b for b in blocks if b[0][0] > 4]))
    occurrence_file(tmp_path)
    period_file(tmp_path)
    Path("returnperiods.bin").write_bytes(struct.pack("<3i", 250, 100, 5))
    Path("events.bin").write_bytes(struct.pack("<3i", 4, 5, 6))
    Path("input").mkdir()
    Path("input/items.bin").write_bytes(struct.pack("<10i", 1, 1, 7, 1, 1, 2, 2, 7, 1, 2))
    Path("input/coverages.bin").write_bytes(struct.pack("<2f", 1000, 500))
    Path("quantile.bin").write_bytes(struct.pack("<3f", 0.25, 0.5, 0.75))
    return tmp_path


def python_blocks(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (DOCS / f"{page}.md").read_text(), re.DOTALL)


def commands(page: str) -> list[str]:
    """The lines of blocks without a language that run evstream on files."""
    text = (DOCS / f"{page}.md").read_text()
    lines = [
        line
        for language, block in re.findall(r"(?ms)^```([\w-]*)\n(.*?)^```$", text)
        if not language
        for line in block.splitlines()
    ]
    return [line for line in lines if re.match(r"evstream |model \| evstream ", line)]


def run(command: str) -> tuple[int, str]:
    """Run a command in this process; `model` writes gul.bin. Its status, and what it reports."""
    words = shlex.split(command)
    stdin = None
    if words[:2] == ["model", "|"]:
        words, stdin = words[2:], Path("gul.bin").read_bytes()
        Path("gul.bin").unlink()
    assert words[0] == "evstream"
    assert "|" not in words
    result = run_main(*words[1:], stdin=stdin)
    return result.returncode, result.stderr.decode()


def test_all_pages_are_tested() -> None:
    pages = re.findall(
        r"(?m)^(\w+)$", (DOCS / "how-to.md").read_text().partition("```{toctree}")[2]
    )
    assert len(pages) >= 3
    assert set(pages) == {*IN_PLACE, *SCRIPTS, *TESTED_ELSEWHERE}
    for page, test in TESTED_ELSEWHERE.items():
        assert f'"{page}.md"' in (ROOT / "tests" / test).read_text()


@pytest.mark.filterwarnings("ignore::evstream.WithoutPeriodWarning")
@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("page", IN_PLACE)
def test_blocks_run_in_order(page: str) -> None:
    assert python_blocks(page)
    run_examples(DOCS / f"{page}.md")


@pytest.mark.parametrize("page", SCRIPTS)
def test_blocks_run_as_a_program(page: str, folder: Path) -> None:
    program = folder / "page.py"
    program.write_text("\n".join(python_blocks(page)))
    result = subprocess.run(
        [sys.executable, "page.py"], cwd=folder, env=child_environment(),
        capture_output=True, text=True, check=False, timeout=PATIENCE,
    )  # fmt: skip
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.split() == ["1", "2", "3", "80.0", "80.0"]


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    "command",
    [c for page in IN_PLACE + SCRIPTS for c in commands(page) if "s3://" not in c],
)  # test_remote_*.py has the object stores
def test_commands_run(command: str) -> None:
    status, reported = run(command)
    assert status == 0, reported
    for name in re.findall(r"(?:-o|--output|--index|--ep|--aal|--largest) (\S+)", command):
        assert Path(name).stat().st_size
