"""The README's examples run, in order, and print what it says."""

from __future__ import annotations

import io
import re
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
    cut_stream_raises_the_line_of_the_readme(tmp_path)


def cut_stream_raises_the_line_of_the_readme(folder):
    (line,) = [line for line in README.splitlines() if line.startswith("gul.bin: byte")]
    (length,) = map(int, re.findall(r"for the first (\d+) bytes of it", README))
    whole = (folder / "gul.bin").read_bytes()
    Path("gul.bin").write_bytes(whole[:length])
    with pytest.raises(evstream.TruncatedStreamError) as caught:
        list(evstream.open("gul.bin"))
    assert str(caught.value) == line


@pytest.mark.parametrize("path", re.findall(r"\]\((?!http)([^)]+)\)", README))
def test_every_link_of_the_readme_leads_somewhere(path):
    assert (Path(__file__).resolve().parent.parent / path).exists()
