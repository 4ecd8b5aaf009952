"""Result tables report how far their reading is; the commands show it on a terminal."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

import evstream
from evstream.cli import progress
from evstream.cli.program import main
from result_cases import made_blocks, occurrence_file, stream_of

SUMMARY = stream_of(made_blocks())

TABLES = {
    "elt": lambda path, occurrence, **options: evstream.elt(path, **options),
    "aal": evstream.aal,
    "ept": evstream.ept,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.bin").write_bytes(SUMMARY)
    occurrence_file(tmp_path, [(event, 1) for event in range(1, 10)])
    return tmp_path


@pytest.mark.parametrize("table", TABLES)
def test_progress_of_a_table_ends_at_the_bytes_read(folder: Path, table):
    (folder / "b.bin").write_bytes(SUMMARY)
    files, occurrence = [folder / "a.bin", folder / "b.bin"], folder / "occurrence.bin"
    for threads in (1, 2):
        done: list[int] = []
        TABLES[table](files, occurrence, threads=threads, progress=done.append)
        assert done == sorted(done)
        assert 2 * (len(SUMMARY) - 12) <= done[-1] <= 2 * len(SUMMARY)  # with headers or without
    with pytest.raises(TypeError, match=r"^progress is 'x', expected a function"):
        TABLES[table](files[0], occurrence, progress="x")


@pytest.mark.parametrize("table", TABLES)
def test_commands_of_tables_show_progress(folder: Path, table, monkeypatch, capsys):
    monkeypatch.setattr(progress, "_FIRST_AFTER", -1.0)
    monkeypatch.setattr(progress, "_EVERY", 0.0)
    monkeypatch.setattr(progress, "_is_terminal", lambda stream: stream is sys.stderr)
    path = str(folder / "a.bin")
    more = [] if table == "elt" else ["--occurrence", str(folder / "occurrence.bin")]
    assert main([table, path, *more, "-o", str(folder / "t.csv")]) == 0
    shown = capsys.readouterr().err.split("\r\x1b[K")
    assert re.fullmatch(rf"{path}: 0 MB, \d+ MB/s \[#{{19,20}}\.?\] \d+%, 0 s left", shown[1])
    assert shown[-1] == ""
