"""The defects of the reference implementation, each as a statement of what happens here.

The numbers are those of the list of known defects in docs/compatibility notes: a test that
fails here means that evstream has come to behave as described there.
"""

from __future__ import annotations

import gzip
import io
import logging
import os
import resource
import socket
import subprocess
import sys
import threading
import time
import tracemalloc
import warnings
from contextlib import ExitStack, closing
from pathlib import Path

import numba
import numpy as np
import pytest

import evstream
import oracle
from evstream import event_stream as es
from row_reader import RowReader, parse
from support import PATIENCE, in_time

PAIR = np.dtype([("sidx", "<i4"), ("loss", "<f4")])
SECONDS = PATIENCE


def loss_stream(
    events: dict[int, dict[int, list[tuple[int, float]]]], len_sample: int = 10
) -> bytes:
    """A loss stream of {event_id: {item_id: [(sidx, loss), ...]}}, by the oracle."""
    blocks = [((e, i), pairs) for e, items in events.items() for i, pairs in items.items()]
    return oracle.encode("loss", {"len_sample": len_sample}, blocks)


def samples(number: int, start: int = 1) -> list[tuple[int, float]]:
    return [(sidx, float(sidx)) for sidx in range(start, start + number)]


class BufferReader(es.EventReader):
    """Yields once per buffer, as programs that change losses in place do."""

    def __init__(self) -> None:
        self.logger = logging.getLogger("BufferReader")
        self.ids = (0, 0)

    def read_buffer(self, byte_mv, cursor, valid_buff, event_id, item_id, file_idx):
        rows, used = np.zeros((valid_buff, 4)), np.zeros(1, np.int64)
        yield_event = 1
        while yield_event:
            cursor, *ids, yield_event = parse(byte_mv, cursor, valid_buff, *self.ids, rows, used)
            self.ids = (0, 0) if yield_event else tuple(ids)
        return cursor, *self.ids, 1


def read_rows(data: bytes, room: int = 100_000) -> tuple[list[int], list[tuple[float, ...]]]:
    stream = io.BytesIO(data)
    es.read_stream_info(stream)
    return RowReader(room).collect([stream])


def expected_rows(data: bytes) -> list[tuple[float, ...]]:
    return [tuple(map(float, row)) for row in oracle.decode(data).records]


SMALL = loss_stream({1: {1: samples(3), 2: samples(2)}, 2: {1: samples(4)}, 3: {5: samples(1)}})


@pytest.mark.parametrize("length", range(8, len(SMALL)))
def test_01_a_stream_cut_at_any_byte_is_noticed(length):
    cut = SMALL[:length]
    expected_end = oracle.decode(cut)
    if expected_end.error is not None:
        with pytest.raises(evstream.TruncatedStreamError, match="BytesIO"):
            read_rows(cut)
    elif expected_end.final_delimiter is False:
        with pytest.warns(evstream.MissingDelimiterWarning, match=f"byte {length}"):
            assert read_rows(cut)[1] == expected_rows(cut)
    else:
        assert read_rows(cut)[1] == expected_rows(cut)


@pytest.mark.parametrize("tail", [b"", b"\x09\x00\x00\x00", b"\x09\x00\x00\x00\x01\x00\x00"])
def test_02_an_event_larger_than_the_window_invents_no_event(tail):
    data = loss_stream({7: {1: samples(20_000)}}, len_sample=20_000)
    cut = data[:-8] + tail
    if tail:
        with pytest.raises(evstream.TruncatedStreamError):
            read_rows(cut)
    else:
        with pytest.warns(evstream.MissingDelimiterWarning):
            event_ids, rows = read_rows(cut)
        assert event_ids == [7]
        assert rows == expected_rows(data)


@pytest.mark.parametrize("trailing", range(1, 8))
def test_03_trailing_bytes_end_a_reader_that_yields_per_buffer(trailing):
    stream = io.BytesIO(SMALL + b"\x01" * trailing)
    es.read_stream_info(stream)

    def read():
        with pytest.raises(evstream.TruncatedStreamError, match=f"byte {len(SMALL)}"):
            list(BufferReader().read_streams([stream]))
        return True

    assert in_time(read)


@pytest.mark.parametrize("room", [1, 2, 3, 5, 7])
def test_04_an_output_that_is_full_within_an_item_keeps_its_ids(room):
    event_ids, rows = read_rows(SMALL, room)
    assert rows == expected_rows(SMALL)
    assert list(dict.fromkeys(event_ids)) == [1, 2, 3]


def test_04_holds_for_items_larger_than_the_window():
    data = loss_stream({1: {1: samples(9000), 2: samples(9000)}}, len_sample=9000)
    assert read_rows(data, room=1000)[1] == expected_rows(data)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 9, 11, 13])
@pytest.mark.parametrize("room", [2, 1000])
def test_04_holds_for_streams_that_come_in_pieces(size, room):
    class Pieces(io.BytesIO):
        def readinto1(self, view):
            return self.readinto(view[:size])

    stream = Pieces(SMALL)
    es.read_stream_info(stream)
    assert RowReader(room).collect([stream])[1] == expected_rows(SMALL)
    cut = Pieces(SMALL[:-12])
    es.read_stream_info(cut)
    with pytest.raises(evstream.TruncatedStreamError, match=f"byte {len(SMALL) - 16}, event_id 3"):
        RowReader(room).collect([cut])


def test_05_large_streams_side_by_side_do_not_mix(tmp_path):
    files, wanted = [], set()
    for number in (1, 2, 3):
        events = {e: {number: samples(3000)} for e in range(number, 60, 3)}
        data = loss_stream(events, len_sample=3000)
        files.append(tmp_path / f"{number}.bin")
        files[-1].write_bytes(data)
        wanted |= set(expected_rows(data))
    with ExitStack() as stack:
        streams, _ = es.init_streams_in([str(f) for f in files], stack)
        event_ids, rows = RowReader().collect(streams)
    assert len(rows) == len(wanted)
    assert set(rows) == wanted
    assert sorted(event_ids) == list(range(1, 60))


@pytest.mark.parametrize("buffered", [True, False])
def test_06_a_complete_event_is_yielded_from_an_open_pipe(buffered):
    read_end, write_end = os.pipe()
    with (
        open(read_end, "rb", buffering=-1 if buffered else 0) as stream,
        closing(os.fdopen(write_end, "wb", buffering=0)) as out,
    ):
        out.write(SMALL)  # events 1 and 2 are complete: event 3 has begun
        es.read_stream_info(stream)
        events = RowReader().read_streams([stream])
        assert in_time(next, events) == 1
        assert in_time(next, events) == 2
        out.close()
        assert in_time(next, events) == 3
        events.close()


def test_06_holds_for_the_iterator_of_events():
    read_end, write_end = os.pipe()
    with closing(os.fdopen(write_end, "wb", buffering=0)) as out:
        out.write(SMALL)
        with evstream.open(read_end) as stream:
            assert in_time(next, iter(stream)).event_id == 1
            assert in_time(next, iter(stream)).event_id == 2
    os.close(read_end)


def test_07_an_incomplete_event_does_not_hold_up_other_streams():
    pipes = [os.pipe() for _ in range(2)]
    slow, fast = (os.fdopen(w, "wb", buffering=0) for _, w in pipes)
    with open(pipes[0][0], "rb") as slow_in, open(pipes[1][0], "rb") as fast_in:
        slow.write(SMALL[:40])  # in the middle of its first event
        fast.write(SMALL)
        streams = [slow_in, fast_in]
        es.get_and_check_header_in(streams)
        events = RowReader().read_streams(streams)
        assert in_time(next, events) == 1
        assert in_time(next, events) == 2
        slow.write(SMALL[40:])
        slow.close()
        fast.close()
        assert sorted(in_time(list, events)) == [1, 2, 3, 3]


PRODUCER = """
import os, sys
head, body = open(sys.argv[1], "rb").read(8), open(sys.argv[1], "rb").read()[8:]
outs = [open(name, "wb", buffering=0) for name in sys.argv[2:]]
for out in outs:
    out.write(head)
for at in range(0, len(body), 1 << 16):  # in turn, a piece to each: no event is whole for long
    for out in outs:
        out.write(body[at : at + (1 << 16)])
"""


def test_07_one_producer_of_two_fifos_does_not_deadlock(tmp_path):
    data = loss_stream({e: {1: samples(400_000)} for e in (1, 2)}, len_sample=400_000)
    source = tmp_path / "stream.bin"
    source.write_bytes(data)
    fifos = [str(tmp_path / name) for name in ("a", "b")]
    for fifo in fifos:
        os.mkfifo(fifo)
    producer = subprocess.Popen([sys.executable, "-c", PRODUCER, str(source), *fifos])

    def read():
        with ExitStack() as stack:
            streams, _ = es.init_streams_in(fifos, stack)
            return RowReader(2_000_000).collect(streams)

    try:
        event_ids, rows = in_time(read)
    finally:
        producer.kill()
        producer.wait()
    assert sorted(event_ids) == [1, 1, 2, 2]
    assert len(rows) == 4 * 400_000


@pytest.fixture
def high_descriptor():
    """A function that moves a descriptor to 1024 or more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 1200:
        pytest.skip(f"only {hard} descriptors are allowed here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 1200), hard))

    def move(descriptor: int, number: int) -> int:
        os.dup2(descriptor, number)
        os.close(descriptor)
        return number

    yield move
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_08_descriptors_of_1024_and_more_work(high_descriptor):
    read_end, write_end = os.pipe()
    read_end, write_end = high_descriptor(read_end, 1100), high_descriptor(write_end, 1101)
    with os.fdopen(write_end, "wb", buffering=0) as out:
        es.write_mv_to_stream(out, np.frombuffer(SMALL, np.uint8), len(SMALL))
    with os.fdopen(read_end, "rb") as stream:
        es.read_stream_info(stream)
        assert RowReader().collect([stream])[1] == expected_rows(SMALL)


@pytest.mark.parametrize("buffering", [0, 4096])
def test_09_a_non_blocking_output_is_waited_for(buffering):
    data = np.arange(3_000_000, dtype=np.uint8)
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    received = []

    def drain():
        with open(read_end, "rb", buffering=0) as stream:
            while piece := stream.read(50_000):
                received.append(piece)
                time.sleep(0.001)

    thread = threading.Thread(target=drain, daemon=True)
    thread.start()
    out = os.fdopen(write_end, "wb", buffering=buffering)
    es.write_mv_to_stream(out, data, len(data))
    os.set_blocking(write_end, True)
    out.close()
    thread.join(SECONDS)
    assert b"".join(received) == data.tobytes()


def test_10_an_empty_input_names_the_file_and_the_byte(tmp_path):
    empty = tmp_path / "empty.bin"
    empty.touch()
    with ExitStack() as stack, pytest.raises(evstream.StreamHeaderError) as caught:
        es.init_streams_in(str(empty), stack)
    assert caught.value.source == str(empty)
    assert caught.value.offset == 0
    with pytest.raises(evstream.StreamHeaderError, match=r"empty\.bin: byte 0"):
        evstream.open(empty)


def test_11_streams_in_memory_compressed_and_from_sockets_work(tmp_path):
    wanted = expected_rows(SMALL)
    assert read_rows(SMALL)[1] == wanted
    packed = tmp_path / "stream.bin.gz"
    packed.write_bytes(gzip.compress(SMALL))
    with gzip.open(packed) as stream:
        es.read_stream_info(stream)
        assert RowReader().collect([stream])[1] == wanted
    ours, theirs = socket.socketpair()
    theirs.sendall(SMALL)
    theirs.close()
    with ours, ours.makefile("rb") as stream:
        es.read_stream_info(stream)
        assert RowReader().collect([stream])[1] == wanted


def test_12_an_abandoned_reader_leaves_nothing_open(tmp_path):
    path = tmp_path / "stream.bin"
    path.write_bytes(SMALL)
    before = len(os.listdir("/dev/fd"))
    for _ in range(5):
        with ExitStack() as stack:
            streams, _ = es.init_streams_in([str(path)] * 3, stack)
            events = RowReader().read_streams(streams)
            next(events)
            events.close()
        with evstream.open(path) as stream:
            next(iter(stream))
    assert len(os.listdir("/dev/fd")) == before


def test_13_writing_makes_no_copy_of_the_data(tmp_path):
    data = np.zeros(64_000_000, np.uint8)
    with open(tmp_path / "out", "wb") as out:
        tracemalloc.start()
        es.write_mv_to_stream(out, data, len(data))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 1_000_000


def test_13_a_refill_moves_less_than_a_record():
    moved = []

    class Watching(RowReader):
        def read_buffer(self, byte_mv, cursor, valid_buff, event_id, item_id, **kwargs):
            result = super().read_buffer(byte_mv, cursor, valid_buff, event_id, item_id)
            if not result[3]:
                moved.append(valid_buff - result[0])
            return result

    data = loss_stream({e: {1: samples(999)} for e in range(1, 50)}, len_sample=999)
    stream = io.BytesIO(data)
    es.read_stream_info(stream)
    Watching().collect([stream])
    assert max(moved) < PAIR.itemsize


def test_14_a_sidx_above_len_sample_lands_nowhere_else():
    data = loss_stream({1: {1: [(1, 1.0), (11, 2.0)], 2: [(1, 3.0)]}}, len_sample=10)
    (event,) = evstream.open(io.BytesIO(data))
    assert event.sidx.tolist() == [1, 11, 1]
    with pytest.raises(evstream.CorruptStreamError, match="event_id 1, item_id 1: sidx 11"):
        event.to_dense()


def test_15_a_stream_header_of_wide_ids_has_its_own_size():
    widths = {"oasis_int": "i8", "oasis_float": "f4", "areaperil_int": "u4"}
    header = {"len_sample": 3, "summary_set_id": 1 << 40}
    data = oracle.encode("summary", header, [((1, 2, 5.0), [(1, 4.0)])], widths)
    with evstream.open(io.BytesIO(data), widths={"oasis_int": "i8"}) as stream:
        assert stream.header.size == 16
        assert stream.header.summary_set_id == 1 << 40
        (event,) = stream
    assert event.summary_ids.tolist() == [2]
    assert event.loss.tolist() == [4.0]


@numba.njit
def add_bin(seen, prob_to, bin_mean):
    seen[1] += 1


@numba.njit
def add_block(seen, event_id, areaperil_id, vulnerability_id, no_of_bins):
    seen[0] += 1


@pytest.mark.parametrize("pieces", [1 << 20, 7])
def test_what_comes_before_a_negative_count_is_given(pieces):
    """Complete events, then an error that names the block."""
    bins = [(0.5, 0.1), (1.0, 0.2)]
    data = oracle.encode("cdf", {}, [((1, 2, 3), bins), ((2, 2, 3), bins), ((2, 3, 3), bins)])
    offset = len(data)
    data += np.array([3, 4, 5, -6], "<i4").tobytes() + bytes(32)

    class InPieces(io.BytesIO):
        def readinto(self, view):
            return super().readinto(memoryview(view)[:pieces])

    seen = np.zeros(2)
    events = []
    with pytest.raises(evstream.CorruptStreamError) as caught:
        events.extend(evstream.reader_class("cdf", add_block, add_bin)(seen).read(InPieces(data)))
    with pytest.raises(evstream.CorruptStreamError) as opened:
        list(evstream.open(InPieces(data)))
    assert str(caught.value) == str(opened.value)
    assert f"byte {offset}, event_id 3, areaperil_id 4" in str(caught.value)
    assert "no_of_bins is -6, expected 0 or more" in str(caught.value)
    assert seen.tolist() == [3, 6]


def test_16_a_cdf_block_larger_than_the_window_is_read():
    bins = [(i / 20_000, i / 20_000) for i in range(1, 20_001)]
    data = oracle.encode("cdf", {}, [((1, 2, 3), bins), ((2, 2, 3), bins[:1])])
    counted = np.zeros(2)

    @numba.njit
    def on_entry(total, prob_to, bin_mean):
        total[0] += 1

    @numba.njit
    def on_block(total, event_id, areaperil_id, vulnerability_id, no_of_bins):
        total[1] += no_of_bins

    reader = evstream.reader_class("cdf", on_block, on_entry)(counted)
    assert in_time(list, reader.read(io.BytesIO(data))) == [1, 2]
    assert counted.tolist() == [20_001, 20_001]


def test_17_a_stream_of_another_type_is_refused():
    summary = oracle.encode("summary", {"len_sample": 3, "summary_set_id": 1}, [])
    with pytest.raises(evstream.StreamMismatchError, match="expected a loss stream"):
        evstream.open(io.BytesIO(summary), "loss")
    reader = evstream.reader_class("loss")(np.zeros(1))
    with pytest.raises(evstream.StreamMismatchError, match="type summary"):
        list(reader.read(io.BytesIO(summary)))
    with pytest.raises(OSError, match="source, aggregation and len_sample are 3, 1, 3"):
        es.get_and_check_header_in([io.BytesIO(SMALL), io.BytesIO(summary)])


def test_18_a_failed_writer_leaves_nothing_that_looks_whole(tmp_path):
    path: Path = tmp_path / "out.bin"

    def fail_after_one_event(target):
        with evstream.create(target, "loss", len_sample=2) as out:
            out.write_event(1, [1], [[1.0, 2.0]])
            out.flush()
            raise RuntimeError("model failed")

    with pytest.raises(RuntimeError, match="model failed"):
        fail_after_one_event(path)
    assert list(tmp_path.iterdir()) == []
    in_memory = io.BytesIO()
    with pytest.raises(RuntimeError, match="model failed"):
        fail_after_one_event(in_memory)
    in_memory.seek(0)
    with warnings.catch_warnings(), pytest.raises(evstream.TruncatedStreamError):
        list(evstream.open(in_memory))
