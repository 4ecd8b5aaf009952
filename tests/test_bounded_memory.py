"""Large blocks and hostile compressed data are read in bounded memory."""

from __future__ import annotations

import io
import json
import os
import resource
import sys
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import evstream
from evstream.reading.stream import EventStream
from evstream.transport.compression import Expander
from fault_cases import STREAM, SumReader, child, exit_status, pipe, resident

pytestmark = pytest.mark.usefixtures("kernels_are_loaded")


def most_resident() -> int:
    """The most bytes of memory that this process has ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


LARGE = 10_000_000  # entries of a block, 80 MB


def write_large(descriptor: int) -> None:
    """One event of one block."""
    pairs = np.ones(100_000, [("sidx", "<i4"), ("loss", "<f4")]).tobytes()
    with open(descriptor, "wb", closefd=False) as out:
        out.write(STREAM[:8] + np.array([1, 1], "<i4").tobytes())
        for _ in range(LARGE // 100_000):
            out.write(pairs)
        out.write(bytes(8))


def large_by_chunks(descriptor: int) -> int:
    with evstream.open(descriptor) as stream:
        return sum(len(chunk.columns.entry[0]) for chunk in stream.chunks())


def large_by_callbacks(descriptor: int) -> int:
    total = np.zeros(2)
    assert list(SumReader(total).read(descriptor)) == [1]
    return int(total[1])


def large_by_validating(descriptor: int) -> int:
    return evstream.validate(descriptor).records


def large_by_events(descriptor: int) -> int:
    with evstream.open(descriptor) as stream:
        return sum(len(event.loss) for event in stream)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is measured on Linux")
@pytest.mark.parametrize(
    ("read", "megabytes"),
    [
        (large_by_chunks, 30),
        (large_by_callbacks, 30),
        (large_by_validating, 60),
        (large_by_events, 2 * 80 + 30),
    ],
)
def test_a_block_of_ten_million_entries_takes_bounded_memory(
    read: Callable[[int], int], megabytes: int
) -> None:
    def work() -> int:
        before = resident()
        count = read(reader)
        grown = most_resident() - before
        os.write(said, json.dumps([count, grown >> 20]).encode())
        return 0

    hears, said = os.pipe()
    with pipe() as (reader, writer), child(lambda: write_large(writer)):
        os.close(writer)
        with child(work) as pid:
            assert exit_status(pid) == 0
        count, grown = json.loads(os.read(hears, 100))
    os.close(hears)
    os.close(said)
    print(json.dumps({"entries": count, "megabytes": grown}))
    assert count == LARGE
    assert grown < megabytes


class EndlessGzip(io.RawIOBase):
    """A gzip stream of 1 GB and more: a stream header, and events over and over."""

    def __init__(self, entries: int) -> None:
        packer = zlib.compressobj(wbits=31)
        pairs = np.ones(entries, [("sidx", "<i4"), ("loss", "<f4")]).tobytes()
        head = np.array([1, 1], "<i4").tobytes()
        end = zlib.Z_FULL_FLUSH
        first = packer.compress(STREAM[:8]) + packer.flush(end)
        again = packer.compress(head + pairs + bytes(8)) + packer.flush(end)
        self.data, self.again, self.given = first, again, 0

    def readable(self) -> bool:
        return True

    def readinto(self, view: Any) -> int:
        if not self.data:
            self.data = self.again
        size = min(len(view), len(self.data))
        view[:size] = self.data[:size]
        self.data = self.data[size:]
        self.given += size
        return size


def test_compressed_data_without_end_takes_bounded_memory() -> None:
    source = EndlessGzip(100_000)
    with EventStream(source) as stream:
        chunks = stream.chunks()
        next(chunks)
        before, most = resident(), 0
        while stream.offset < 1 << 30:
            next(chunks)
            most = max(most, resident())
        assert source.given < 10 << 20
        grown = most - before
    print(json.dumps({"expanded_megabytes": 1024, "grown_megabytes": grown >> 20}))
    assert grown < 60 << 20


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
def test_a_bomb_of_zeros_takes_bounded_memory(kind: str) -> None:
    """512 MB in half a megabyte of gzip, or 16 kB of zstd."""
    zeros = bytes(1 << 20)
    if kind == "gzip":
        packer: Any = zlib.compressobj(wbits=31)
    else:
        packer = pytest.importorskip("zstandard").ZstdCompressor().compressobj()
    packed = io.BytesIO(b"".join(packer.compress(zeros) for _ in range(512)) + packer.flush())
    expander = Expander(kind, packed.read, "bomb")
    view = memoryview(bytearray(1 << 20))
    before, most, total = resident(), 0, 0
    while size := expander.readinto(view):
        total += size
        most = max(most, resident())
    grown = most - before
    print(json.dumps({"kind": kind, "packed": packed.tell(), "grown_megabytes": grown >> 20}))
    assert total == 512 << 20
    assert grown < 150 << 20


def test_a_zstd_window_of_a_gigabyte_is_refused() -> None:
    zstandard = pytest.importorskip("zstandard")
    parameters = zstandard.ZstdCompressionParameters(window_log=30)
    packer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    data = packer.compress(STREAM) + packer.flush()
    with pytest.raises(evstream.CorruptStreamError, match="a window above 128 MiB"):
        list(evstream.open(io.BytesIO(data)))
