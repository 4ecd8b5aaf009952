"""A reading that was left or that stalled goes on where it stopped."""

from __future__ import annotations

import io
import itertools
import os
import struct
import threading

import numba
import numpy as np
import pytest

import evstream
import oracle
from event_reader_cases import EVENTS, HEADER, LOSS, ROWS, Collector, opened_in, two_events
from evstream import event_stream as es


@pytest.mark.parametrize("opened", ["pipe", "file", "object"])
@pytest.mark.parametrize("taken", [1, 2, 3])
def test_reading_after_a_break_goes_on_where_it_stopped(tmp_path, opened, taken):
    stream, _ = opened_in(opened, tmp_path, oracle.encode("loss", HEADER, EVENTS))
    with stream:
        es.read_stream_info(stream)
        reader, event_ids = Collector(), []
        for event_id in reader.read_streams([stream]):
            event_ids.append(event_id)
            if len(event_ids) == taken:
                break
        for event_id in reader.read_streams([stream]):
            event_ids.append(event_id)
            break
        event_ids += reader.read_streams([stream])
        assert list(reader.read_streams([stream])) == []
    assert event_ids == [1, 2, 3, 4]
    assert reader.rows == ROWS


def test_a_break_in_the_middle_of_what_several_streams_sent(tmp_path):
    """The second stream's bytes lie in its window, and beyond it in a backlog."""
    events = [((e, i), [(s, 1.0) for s in range(1, 9000)]) for e in (1, 2) for i in (1, 2, 3, 4)]
    data = oracle.encode("loss", {"len_sample": 9000}, events)
    streams = [opened_in("pipe", tmp_path, data)[0] for _ in range(2)]
    es.get_and_check_header_in(streams)
    reader, event_ids = Collector(), []
    while part := list(itertools.islice(reader.read_streams(streams), 1)):
        event_ids += part
    for stream in streams:
        stream.close()
    assert sorted(event_ids) == [1, 1, 2, 2]
    assert len(reader.rows) == 2 * 8 * 8999
    assert len(set(reader.rows)) == 8 * 8999


@pytest.mark.parametrize("at", range(9, 160, 7))
def test_reading_after_a_stall_goes_on_where_it_stopped(at):
    data = oracle.encode("loss", HEADER, EVENTS)
    read_end, write_end = os.pipe()
    os.write(write_end, data[:at])
    reader = Collector()
    reader.timeout = 0.05
    with os.fdopen(read_end, "rb") as stream:
        es.read_stream_info(stream)
        event_ids = []
        with pytest.raises(evstream.StallError):
            event_ids.extend(reader.read_streams([stream]))
        os.write(write_end, data[at:])
        os.close(write_end)
        seen = list(dict.fromkeys(row[0] for row in reader.rows))
        event_ids = seen + [e for e in reader.read_streams([stream]) if e not in seen]
    assert event_ids == [1, 2, 3, 4]
    assert reader.rows == ROWS


def test_a_stall_in_a_large_event_keeps_its_ids():
    events = [((1, i), [(s, float(s)) for s in range(1, 9000)]) for i in range(1, 12)]
    data = oracle.encode("loss", {"len_sample": 9000}, [*events, ((2, 1), [(1, 1.0)])])
    at = len(data) - 9000 * 8 * 2 - 16 - 4
    read_end, write_end = os.pipe()
    threading.Thread(target=os.write, args=(write_end, data[:at])).start()
    reader = Collector()
    reader.timeout = 1.0
    with os.fdopen(read_end, "rb") as stream:
        es.read_stream_info(stream)
        with pytest.raises(evstream.StallError):
            list(reader.read_streams([stream]))
        threading.Thread(
            target=lambda: os.write(write_end, data[at:]) and os.close(write_end)
        ).start()
        assert list(reader.read_streams([stream])) == [1, 2]
    wanted = [(1, i, s, float(s)) for i in range(1, 12) for s in range(1, 9000)]
    assert reader.rows == [*wanted, (2, 1, 1, 1.0)]


def test_a_reading_that_is_under_way_is_not_joined_by_another():
    stream = two_events()
    events = Collector().read_streams([stream])
    next(events)
    with pytest.raises(evstream.ReaderError, match="another reading of the stream is under way"):
        list(Collector().read_streams([stream]))
    assert list(events) == [2]


@pytest.mark.parametrize("opened", ["file", "object"])
def test_a_stream_that_was_set_back_is_read_anew(tmp_path, opened):
    events = [((e, 1), [(s, 1.0) for s in range(1, 500)]) for e in range(1, 200)]
    stream, _ = opened_in(opened, tmp_path, oracle.encode("loss", {"len_sample": 500}, events))
    with stream:
        es.read_stream_info(stream)
        for number in (1, 200):
            list(itertools.islice(Collector().read_streams([stream]), number))
            stream.seek(8)
            assert list(Collector().read_streams([stream])) == list(range(1, 200))
            stream.seek(0)
            with pytest.raises(evstream.ReaderError, match="before the end of its stream header"):
                list(Collector().read_streams([stream]))
            es.read_stream_info(stream)
            assert list(Collector().read_streams([stream])) == list(range(1, 200))
            stream.seek(8)


@pytest.mark.parametrize("opened", ["pipe", "file", "object"])
@pytest.mark.parametrize("takes", [True, False])
def test_a_program_may_take_the_summary_set_id_itself(tmp_path, opened, takes):
    """Cut inside an item: only a tracker that starts at the right byte names it."""
    header = {"len_sample": 3, "summary_set_id": 1}
    events = [((e, 2, 7.0), [(1, 1.5), (2, 2.5)]) for e in (1, 2, 3)]
    data = oracle.encode("summary", header, events)[:-12]
    stream, _ = opened_in(opened, tmp_path, data)

    class SummaryReader(Collector):
        def read_buffer(self, byte_mv, cursor, valid_buff, event_id, item_id, **kwargs):
            return valid_buff - (valid_buff - cursor) % 4, 0, 0, 0

    with stream:
        es.read_stream_info(stream)
        if takes:
            assert stream.read(4) == struct.pack("<i", 1)
        place = f"byte {len(data) - 4}, event_id 3, summary_id 2: the stream ends inside record"
        with pytest.raises(evstream.TruncatedStreamError, match=place):
            list(SummaryReader().read_streams([stream]))


@pytest.mark.parametrize("opened", ["pipe", "file", "object"])
def test_a_callback_reader_starts_after_the_summary_set_id(tmp_path, opened):
    data = oracle.encode(
        "summary",
        {"len_sample": 3, "summary_set_id": 1},
        [((e, 2, 7.0), [(1, 1.5)]) for e in (1, 2)],
    )
    stream, _ = opened_in(opened, tmp_path, data)
    with stream:
        es.read_stream_info(stream)
        stream.read(4)
        assert list(evstream.reader_class("summary")(np.zeros(1)).read_streams([stream])) == [1, 2]


def test_a_reading_may_start_where_a_program_chose():
    stream = io.BytesIO(oracle.encode("loss", HEADER, EVENTS))
    es.read_stream_info(stream)
    stream.seek(8 + 2 * (8 + 3 * 8))  # the second event
    reader = Collector()
    assert list(reader.read_streams([stream])) == [2, 3, 4]
    assert reader.rows == ROWS[4:]


@pytest.mark.parametrize("at", [0, 3, 20, 45, 100])
def test_callback_readers_go_on_after_a_stall(at):
    data = oracle.encode("loss", HEADER, EVENTS)

    @numba.njit
    def add(total, sidx, loss):
        total[0] += loss

    read_end, write_end = os.pipe()
    os.write(write_end, data[: 8 + at])
    total = np.zeros(1)
    reader = evstream.reader_class("loss", on_entry=add)(total)
    reader.timeout = 0.05
    with os.fdopen(read_end, "rb") as stream:
        es.read_stream_info(stream)
        event_ids = []
        with pytest.raises(evstream.StallError):
            event_ids.extend(reader.read_streams([stream]))
        os.write(write_end, data[8 + at :])
        os.close(write_end)
        rest = list(reader.read_streams([stream]))
    assert rest[-1] == 4
    assert total[0] == len(EVENTS) * 2.5


def test_a_callback_reader_of_other_widths_is_refused():
    stream = io.BytesIO(LOSS)
    es.read_stream_info(stream)
    wide = evstream.reader_class("loss", widths={"oasis_float": "f8"})(np.zeros(1))
    problem = "<BytesIO>: byte 0: this stream is read with oasis_int i4, oasis_float f4.*f8"
    with pytest.raises(evstream.StreamMismatchError, match=problem):
        list(wide.read_streams([stream]))
    unconcerned = evstream.reader_class("loss", widths={"areaperil_int": "u8"})(np.zeros(1))
    assert list(unconcerned.read_streams([stream])) == [1]


@pytest.mark.parametrize("good", [0, 1])
def test_a_corrupt_stream_stays_corrupt_when_read_again(good):
    """Also where not a single byte of it is good: it is not a stream without events."""
    block = struct.pack("<iiifif", 1, 1, 1, 2.0, 0, 0.0)
    header = oracle.encode("loss", HEADER, [])
    stream = io.BytesIO(header + block * good + header + block * 2)
    es.read_stream_info(stream)
    for _ in range(3):
        with pytest.raises(evstream.SecondStreamError) as caught:
            list(Collector().read_streams([stream]))
        assert caught.value.offset == len(header) + len(block) * good
