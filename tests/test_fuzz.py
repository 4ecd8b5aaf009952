"""A short run of the fuzzers of tests/fuzz, and whether they would notice anything.

`make fuzz` is the long run: with bounds checks, at all widths, and guided by coverage.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evstream.errors import EvstreamError
from evstream.reading.block_tracker import BlockTracker
from evstream.reading.decoder import Decoder

sys.path.insert(0, str(Path(__file__).parent / "fuzz"))

import targets

WIDTHS = targets.WIDTHS[:1]
INPUTS = 1500

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def corpus() -> list[bytes]:
    return targets.seeds_for(WIDTHS)


def test_every_seed_is_read_as_promised(corpus: list[bytes]) -> None:
    assert len(corpus) > 300
    for seed in corpus:
        targets.run(seed, WIDTHS)


def test_mutated_streams_are_refused_or_read_as_by_the_oracle(corpus: list[bytes]) -> None:
    for number in range(INPUTS):
        given = targets.new_input(random.Random(f"test:{number}"), corpus, len(WIDTHS))
        try:
            targets.run(given, WIDTHS)
        except Exception as error:
            raise AssertionError(f"input {number}: {given.hex()}") from error


def run_all(corpus: list[bytes]) -> None:
    for seed in corpus:
        targets.run(seed, WIDTHS)


def misattribute_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    decode = Decoder.decode

    def changing(self: Decoder, window: Any) -> Any:
        chunk = decode(self, window)
        if len(chunk.columns.block[0]) > 1:
            chunk.columns.block[0][-1] += 1
        return chunk

    monkeypatch.setattr(Decoder, "decode", changing)


def accept_any_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Decoder, "finish", lambda self, window: None)
    monkeypatch.setattr(BlockTracker, "check_end", lambda self: None)


def break_the_decoder(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Decoder, window: Any) -> Any:
        return np.zeros(0)[1]

    monkeypatch.setattr(Decoder, "decode", broken)


@pytest.mark.parametrize("fault", [misattribute_a_block, accept_any_end, break_the_decoder])
def test_a_fault_would_be_noticed(
    fault: Any, corpus: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    fault(monkeypatch)
    with pytest.raises(Exception) as caught:  # noqa: PT011 (whatever escapes is a finding)
        run_all(corpus)
    assert not isinstance(caught.value, EvstreamError)
