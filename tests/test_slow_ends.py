"""Slow ends, non-blocking ends and interrupted system calls lose nothing."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import evstream
import oracle
from evstream import event_stream as es
from fault_cases import (
    BIG_EVENTS,
    FAULTS,
    READERS,
    ROWS,
    STREAM,
    WRITERS,
    Read,
    Write,
    child,
    exit_status,
    pipe,
    read_with_open,
    write_big,
    write_in_pieces,
)
from row_reader import RowReader
from support import in_time

pytestmark = pytest.mark.usefixtures("kernels_are_loaded")


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("blocking", [True, False], ids=["blocking", "non-blocking"])
def test_a_slow_writer_and_non_blocking_ends_lose_nothing(
    blocking: bool, write: Write, read: Read
) -> None:
    with pipe() as (reader, writer):
        os.set_blocking(reader, blocking)

        def work() -> None:
            os.set_blocking(writer, blocking)
            write(writer, STREAM, random.Random(3))

        with child(work) as pid:
            os.close(writer)
            assert read(reader) == (ROWS, list(range(1, 61)), None)
            assert exit_status(pid) == 0


@pytest.mark.parametrize("buffering", [-1, 0])
def test_the_header_of_a_non_blocking_stream_is_waited_for(buffering: int) -> None:
    with pipe() as (reader, writer):
        os.set_blocking(reader, False)

        def work() -> None:
            time.sleep(0.1)
            os.write(writer, STREAM)

        with child(work), open(reader, "rb", buffering, closefd=False) as stream:
            assert tuple(map(int, es.read_stream_info(stream))) == (2, 1, 12)


def sum_big(reader: int, pause: float) -> list[tuple[int, float, int]]:
    """(event_id, sum, entries) of each event, resting after each."""
    found = []
    with evstream.open(reader) as stream:
        for event in stream:
            found.append((event.event_id, float(event.loss.sum(dtype=float)), len(event.loss)))
            time.sleep(pause)
    return found


BIG_SUMS = [
    (event, sum(range(20_000)) + 20_000.0 * event, 20_000) for event in range(1, BIG_EVENTS + 1)
]


@pytest.mark.parametrize("blocking", [True, False], ids=["blocking", "non-blocking"])
def test_a_slow_reader_gets_everything(blocking: bool) -> None:
    with pipe() as (reader, writer):

        def work() -> None:
            os.set_blocking(writer, blocking)
            write_big(writer)

        with child(work) as pid:
            os.close(writer)
            assert sum_big(reader, 0.005) == BIG_SUMS
            assert exit_status(pid) == 0


@contextlib.contextmanager
def interruptions() -> Iterator[list[int]]:
    """A signal with a handler every millisecond; the list has one element per signal."""
    seen: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, frame: seen.append(number))
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    try:
        yield seen
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("read", READERS)
def test_interrupted_reads_lose_nothing(read: Read) -> None:
    with (
        pipe() as (reader, writer),
        child(lambda: write_in_pieces(writer, STREAM, random.Random(4))) as pid,
    ):
        os.close(writer)
        with interruptions() as seen:
            assert read(reader) == (ROWS, list(range(1, 61)), None)
        assert exit_status(pid) == 0
    assert len(seen) > 5


@pytest.mark.parametrize("blocking", [True, False], ids=["blocking", "non-blocking"])
def test_interrupted_writes_lose_nothing(blocking: bool) -> None:
    with pipe() as (reader, writer):

        def work() -> int:
            os.close(writer)
            return 0 if sum_big(reader, 0.002) == BIG_SUMS else 1

        with child(work) as pid:
            os.close(reader)
            os.set_blocking(writer, blocking)
            with interruptions() as seen:
                write_big(writer)
            os.close(writer)
            assert exit_status(pid) == 0
    assert len(seen) > 5


@pytest.mark.parametrize("read", READERS)
def test_an_event_is_delivered_as_soon_as_the_next_one_begins(read: Read) -> None:
    """The writer waits for that, each time, before it goes on."""
    number = max(100, FAULTS)
    stamps = np.frombuffer(shared_memory(8 * (number + 2)), np.int64)
    latencies = []
    delivered, deliver = os.pipe()

    def work() -> None:
        os.close(deliver)
        with evstream.create(writer, "loss", len_sample=10) as out:
            for event in range(1, number + 2):
                stamps[event] = time.monotonic_ns()
                out.write_event(event, range(1, 6), np.ones((5, 10)))
                out.flush()
                if event > 1:
                    assert os.read(delivered, 1) == b"."

    def read_in_turn() -> None:
        for event_id in event_ids_from(read, reader):
            if event_id <= number:
                latencies.append((time.monotonic_ns() - stamps[event_id + 1]) / 1e6)
                os.write(deliver, b".")

    with pipe() as (reader, writer), child(work) as pid:
        os.close(writer)
        in_time(lambda: read_in_turn() or True)
        assert exit_status(pid) == 0
    os.close(delivered)
    os.close(deliver)
    assert len(latencies) == number
    middle, late, latest = np.percentile(latencies, [50, 99, 100])
    print(json.dumps({"median_ms": round(middle, 2), "p99_ms": round(late, 2),
                      "max_ms": round(latest, 2), "events": number}))  # fmt: skip


def shared_memory(size: int) -> Any:
    """Memory that a forked child shares."""
    import mmap

    return mmap.mmap(-1, size)


def event_ids_from(read: Read, descriptor: int) -> Iterator[int]:
    """Event ids as they come."""
    if read is read_with_open:
        with evstream.open(descriptor) as stream:
            yield from (event.event_id for event in stream)
    else:
        with open(descriptor, "rb", closefd=False) as file:
            es.read_stream_info(file)
            reader = RowReader()
            for event_id in reader.read_streams([file]):
                reader.used[0] = 0
                yield event_id


@pytest.mark.parametrize("room", [1, 3, 100])
def test_the_ids_of_an_item_are_kept_between_its_pieces(room: int) -> None:
    """The output fills up inside an item whose bytes were read before the end of its event."""
    samples = [(sidx, float(sidx)) for sidx in range(1, 11)]
    blocks = [((1, 1), samples), ((1, 2), samples[:3]), ((2, 1), samples[:2]), ((3, 1), samples)]
    data = oracle.encode("loss", {"len_sample": 10}, blocks)
    cut = 8 + 8 + 11 * 8 + 8 + 8  # inside the second item

    def work() -> None:
        os.write(writer, data[:cut])
        time.sleep(0.1)
        os.write(writer, data[cut:])

    with pipe() as (reader, writer), child(work) as pid:
        os.close(writer)
        with open(reader, "rb", closefd=False) as stream:
            es.read_stream_info(stream)
            event_ids, rows = RowReader(room).collect([stream])
        assert exit_status(pid) == 0
    assert list(dict.fromkeys(event_ids)) == [1, 2, 3]
    assert rows == [tuple(map(float, row)) for row in oracle.decode(data).records]


def test_an_event_larger_than_any_buffer_passes_a_pipe() -> None:
    with pipe() as (reader, writer):
        losses = np.arange(3_000_000, dtype=np.float32).reshape(3, -1) + 1

        def work() -> None:
            with evstream.create(writer, "loss", len_sample=1_000_000) as out:
                out.write_event(9, [1, 2, 3], losses)

        with child(work) as pid:
            os.close(writer)
            with evstream.open(reader) as stream:
                [event] = stream
            assert exit_status(pid) == 0
    assert event.item_ids.tolist() == [1, 2, 3]
    assert np.array_equal(event.loss.reshape(3, -1), losses)
