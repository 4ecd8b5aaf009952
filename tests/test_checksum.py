"""Checksums of large pieces are those of zlib."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

from evstream._support import checksum

DATA = np.random.default_rng(1).integers(0, 256, 3 * checksum.LEAST, np.uint8)


@pytest.mark.parametrize("more", [-1, 0, 1, 127, 128, 129, 70_000])
@pytest.mark.parametrize("value", [0, 1, 0x80000000, 0xFFFFFFFF])
def test_a_checksum_is_that_of_zlib(more: int, value: int):
    size = checksum.LEAST + more
    for start in (0, 3):
        piece = DATA[start : start + size]
        assert checksum.crc32(piece.data, value) == zlib.crc32(piece, value)
        assert checksum.crc32(piece.tobytes(), value) == zlib.crc32(piece, value)


def test_pieces_of_any_size_join_to_one_checksum():
    at = found = 0
    for size in (5, checksum.LEAST, 0, checksum.LEAST + 77, 300):
        found = checksum.crc32(DATA[at : at + size].data, found)
        at += size
    assert found == zlib.crc32(DATA[:at])


def test_each_bit_counts():
    size = checksum.LEAST + 40
    for bit in [*range(0, 3000, 7), *range(8 * size - 600, 8 * size, 5)]:
        data = np.zeros(size, np.uint8)
        data[bit // 8] = 1 << bit % 8
        assert checksum.crc32(data) == zlib.crc32(data)


def test_a_processor_without_the_instruction_uses_zlib(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(checksum, "_kernel", lambda: None)
    assert checksum.crc32(DATA) == zlib.crc32(DATA)
