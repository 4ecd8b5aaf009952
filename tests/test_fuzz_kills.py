"""A killed writer leaves a stream that readers refuse; a short run of `fuzz_kills.py`."""

from __future__ import annotations

import random
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "fuzz"))

import fuzz_kills
from fuzz_kills import Case, Kills, Trial

CASE = Case("loss", 0, 60)
KILLS = 3
OWN = [name for name in fuzz_kills.WRITERS if name != fuzz_kills.EXPECTED]


@pytest.fixture(scope="module")
def kills() -> Iterator[Kills]:
    with fuzz_kills.folder():
        yield Kills()


@pytest.mark.parametrize("writer", OWN)
def test_a_killed_writer_leaves_no_complete_stream(writer: str, kills: Kills) -> None:
    if writer == "c" and shutil.which("gcc") is None:
        pytest.skip("no gcc here: the C writer was not tried")
    for number in range(KILLS):
        kills.run(Trial(writer, CASE, True, f"test:{number}"), random.Random(number))
    assert kills.silent == []
    assert sum(kills.counts[writer].values()) == KILLS


def test_a_cut_between_blocks_would_be_noticed() -> None:
    data, places = fuzz_kills.stream_of(CASE), fuzz_kills.boundaries(CASE)
    assert fuzz_kills.judged(CASE, data) == "whole"
    assert fuzz_kills.judged(CASE, data[: places[5]]) == fuzz_kills.SILENT
    assert fuzz_kills.judged(CASE, data[: places[5] - 1]) == "TruncatedStreamError"
    assert fuzz_kills.judged(CASE, data[: places[0]]) == fuzz_kills.HEADER_ALONE
    assert fuzz_kills.judged(CASE, b"") == "nothing"
