"""The checksums of a file that is read in stretches are those of one pass."""

from __future__ import annotations

import zlib
from itertools import pairwise

import numpy as np
import pytest

from evstream.checking.in_parts import RangeSums
from evstream.checking.seal import RANGE

MIDDLE = RANGE // 2
CUTS = (
    [0, RANGE, 2 * RANGE],
    [0, MIDDLE],
    [0, MIDDLE, MIDDLE + 1, MIDDLE + 1, 2 * RANGE - 1],
    [0, 0, RANGE, RANGE + 1, 3 * RANGE],
    [0, RANGE - 1, 3 * RANGE + 1],
    [0, 7, RANGE, RANGE, 2 * RANGE + 7],
)


def joined(stretches: list[tuple[int, int]], data: bytes) -> dict[int, int]:
    whole = RangeSums()
    for first, last in stretches:
        stretch = RangeSums()
        stretch.begin(first)
        for at in range(first, last, 300_000):
            stretch.update(memoryview(data)[at : min(at + 300_000, last)])
        whole.join(stretch)
    return whole._known


@pytest.mark.parametrize("cuts", CUTS)
def test_checksums_of_stretches_are_those_of_one_pass(cuts: list[int]) -> None:
    data = np.random.default_rng(3).bytes(3 * RANGE + 500)
    sums = [zlib.crc32(data[at : at + RANGE]) for at in range(0, 3 * RANGE, RANGE)]
    assert joined(list(pairwise([*cuts, len(data)])), data) == dict(enumerate(sums))


def test_a_range_with_a_gap_is_not_known() -> None:
    data = bytes(2 * RANGE)
    stretches = [(0, 10), (20, RANGE), (RANGE, 2 * RANGE)]
    assert joined(stretches, data) == {1: zlib.crc32(bytes(RANGE))}
