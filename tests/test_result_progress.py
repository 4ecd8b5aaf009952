"""Result tables report how far their reading is."""

from __future__ import annotations

from pathlib import Path

import pytest

import evstream
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
