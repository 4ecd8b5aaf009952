"""A short run of the fuzzer of the files of a run folder, and whether it would notice anything."""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Any

import pytest

import evstream

sys.path.insert(0, str(Path(__file__).parent / "fuzz"))

import fuzz_files

pytestmark = pytest.mark.filterwarnings("ignore")

INPUTS = 150


def test_mutated_files_are_refused_or_have_the_right_rows(tmp_path: Path) -> None:
    legal = 0
    for number in range(INPUTS):
        try:
            legal += fuzz_files.numbered(0, number, tmp_path)
        except Exception as error:
            raise AssertionError(f"input {number} of seed 0") from error
    assert INPUTS // 10 < legal < INPUTS


def test_every_seed_has_the_right_rows(tmp_path: Path) -> None:
    for seed in fuzz_files.seeds():
        assert fuzz_files.run(seed, list(seed.contents().values()), tmp_path, random.Random(0))


def test_a_wrong_row_would_be_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = evstream.read_columns

    def last_row_left_out(*args: Any, **options: Any) -> Any:
        return {name: column[:-1] for name, column in read(*args, **options).items()}

    monkeypatch.setattr(evstream, "read_columns", last_row_left_out)
    for seed in fuzz_files.seeds():
        with pytest.raises(AssertionError, match="rows that the files do not have"):
            fuzz_files.run(seed, list(seed.contents().values()), tmp_path, random.Random(0))
        assert list(tmp_path.iterdir()) == []
