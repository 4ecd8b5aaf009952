"""Compressed streams are read as the stream that they hold, and every damage is an error."""

from __future__ import annotations

import gzip
import io
import re
import struct
import sys
import zlib
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import evstream
from evstream import (
    CorruptStreamError,
    MissingExtraError,
    StreamHeaderError,
    TruncatedStreamError,
)
from evstream.transport.compression import PIECE, Expander
from source_cases import LARGE, SMALL, as_path, expected
from support import Trickle, read_all

pytestmark = pytest.mark.usefixtures("no_descriptor_is_left")


def test_a_compressed_stream_may_come_byte_by_byte() -> None:
    assert read_all(Trickle(gzip.compress(SMALL), 1)) == expected(SMALL)


@pytest.mark.parametrize("cuts", [(0,), (8,), (100,), (0, 0, 60, 60), (50, 100, 150), (192,)])
def test_gzip_members_that_follow_one_another_are_one_stream(cuts: tuple[int, ...]) -> None:
    places = [0, *cuts, len(SMALL)]
    members = [SMALL[first:last] for first, last in pairwise(places)]
    data = b"".join(gzip.compress(member) for member in members)
    assert read_all(io.BytesIO(data)) == expected(SMALL)
    assert read_all(Trickle(data, 7)) == expected(SMALL)


def test_a_gzip_stream_of_zeros_expands_piece_by_piece() -> None:
    """5 MB in 5 KB: more than one window, from one piece of the input."""
    pairs = np.zeros(640_000, [("sidx", "<i4"), ("loss", "<f4")])
    pairs["sidx"] = 1
    data = SMALL[:8] + struct.pack("<ii", 1, 1) + pairs.tobytes() + bytes(8)
    with evstream.open(io.BytesIO(gzip.compress(data))) as stream:
        assert [len(event.to_rows()["sidx"]) for event in stream] == [640_000]


def assert_cut_is_noticed(compressed: bytes, magic: int) -> None:
    whole = expected(SMALL).events
    for length in range(len(compressed)):
        reading = read_all(io.BytesIO(compressed[:length]))
        kind = StreamHeaderError if length < magic else TruncatedStreamError
        assert type(reading.error) is kind, length
        assert reading.events == whole[: len(reading.events)]
        assert len(reading.events) < len(whole)


def assert_change_is_noticed(compressed: bytes) -> None:
    """Any flipped bit is an error, or in a place that means nothing (such as a time)."""
    whole = expected(SMALL)
    harmless = 0
    for at in range(len(compressed)):
        changed = bytearray(compressed)
        changed[at] ^= 0x41
        reading = read_all(io.BytesIO(bytes(changed)))
        if reading.error is None:
            assert reading == whole
            harmless += 1
        else:
            assert reading.events == whole.events[: len(reading.events)]
            kinds = (CorruptStreamError, TruncatedStreamError, StreamHeaderError)
            assert type(reading.error) in kinds, at
            assert reading.error.source == "<BytesIO>"
    assert harmless < 10


def test_a_gzip_stream_that_is_cut_anywhere_is_an_error() -> None:
    assert_cut_is_noticed(gzip.compress(SMALL), magic=2)


def test_a_gzip_stream_that_is_changed_anywhere_is_an_error() -> None:
    assert_change_is_noticed(gzip.compress(SMALL, mtime=0))


def test_an_event_cut_by_compressed_data_is_not_given() -> None:
    """What cannot be expanded has no ids: the event before it may go on there."""
    with evstream.create(data := io.BytesIO(), "loss", len_sample=100) as out:
        out.write_event(1, [1], np.ones((1, 100)))
        out.write_event(2, range(1, 1001), np.random.default_rng(1).random((1000, 100)))
    whole = expected(data.getvalue()).events
    for part in (100_000, 500_000):
        compressor = zlib.compressobj(wbits=31)
        compressed = compressor.compress(data.getvalue()[:part])
        compressed += compressor.flush(zlib.Z_FULL_FLUSH) + b"\x07"  # a block of no known type
        reading = read_all(io.BytesIO(compressed), chunk=1 << 15)
        assert type(reading.error) is CorruptStreamError
        assert reading.events == whole[:1]


@pytest.mark.parametrize("cut", [1, 50, 100, 191])
def test_a_gzip_stream_of_a_cut_stream_is_cut(cut: int) -> None:
    data = gzip.compress(SMALL[:-cut])
    error, plain = read_all(io.BytesIO(data)).error, read_all(io.BytesIO(SMALL[:-cut])).error
    assert (type(error), str(error)) == (type(plain), str(plain))


def test_broken_gzip_data_names_the_source(tmp_path: Path) -> None:
    with (
        as_path(b"\x1f\x8b\x08" + SMALL, tmp_path) as path,
        pytest.raises(CorruptStreamError, match=rf"^{path}: byte 0: broken gzip data \("),
    ):
        evstream.open(path)


def test_broken_gzip_data_names_both_bytes() -> None:
    """That of the compressed data, within a piece, and that of the stream in it."""
    data = SMALL[:8] + np.random.default_rng(1).bytes(100_000)
    compressor = zlib.compressobj(wbits=31)
    compressed = compressor.compress(data) + compressor.flush(zlib.Z_FULL_FLUSH)
    broken = compressed + b"\x07"  # a block of no known type
    with pytest.raises(CorruptStreamError) as caught:
        expand(broken)
    found = re.search(r"bytes (\d+) to (\d+) of the compressed data: ", str(caught.value))
    assert found is not None
    first, last = map(int, found.groups())
    assert (first % PIECE["gzip"], last) == (0, len(broken) - 1)
    assert caught.value.offset == len(zlib.decompressobj(wbits=31).decompress(broken[:first]))
    with pytest.raises(TruncatedStreamError, match=f"after {len(compressed) - 1} compressed bytes"):
        expand(compressed[:-1])


def expand(compressed: bytes) -> None:
    expander = Expander("gzip", io.BytesIO(compressed).read, "a.gz")
    view = memoryview(bytearray(1 << 10))
    while expander.readinto(view):
        pass


def zstd(*parts: bytes) -> bytes:
    zstandard = pytest.importorskip("zstandard", reason="zstandard is not installed")
    compressor = zstandard.ZstdCompressor(write_checksum=True)
    return b"".join(compressor.compress(part) for part in parts)


def test_zstd_is_read(tmp_path: Path) -> None:
    for data in (SMALL, LARGE):
        with as_path(zstd(data), tmp_path) as path:
            assert read_all(path) == expected(data)
    assert read_all(Trickle(zstd(SMALL), 1)) == expected(SMALL)


def test_zstd_frames_that_follow_one_another_are_one_stream() -> None:
    data = zstd(SMALL[:50], b"", SMALL[50:100], SMALL[100:])
    assert read_all(io.BytesIO(data)) == expected(SMALL)
    assert read_all(Trickle(data, 7)) == expected(SMALL)


def test_a_zstd_stream_that_is_cut_anywhere_is_an_error() -> None:
    assert_cut_is_noticed(zstd(SMALL), magic=4)


def test_a_zstd_stream_that_is_changed_anywhere_is_an_error() -> None:
    assert_change_is_noticed(zstd(SMALL))


def test_zstd_without_zstandard_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'evstream\[zstd\]'"):
        evstream.open(io.BytesIO(b"\x28\xb5\x2f\xfd" + SMALL))


@pytest.mark.parametrize(
    ("first", "width"),
    [(0x00088B1F, "i4"), (0x12088B1F, "i4"), (-0x2D04AD8, "i4"), (0x1_0008_8B1F, "i8")],
)
def test_event_ids_that_look_compressed_are_event_ids(
    first: int, width: str, tmp_path: Path
) -> None:
    """A stream without a header may begin with any bytes, and so is never expanded."""
    size = int(width[1])
    data = first.to_bytes(size, "little", signed=True) + (7).to_bytes(size, "little")
    assert data.startswith((b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd"))
    with as_path(data, tmp_path) as path:
        for source in (path, io.BytesIO(data), Trickle(data, 1)):
            with evstream.open(source, "event_ids", widths={"oasis_int": width}) as stream:
                assert [event.event_id for event in stream] == [first, 7]
