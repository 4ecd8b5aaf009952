"""The documented module: every name, signature and observable behaviour."""

from __future__ import annotations

import gc
import gzip
import inspect
import io
import itertools
import logging
import os
import selectors
import struct
import subprocess
import sys
import threading
import weakref
from contextlib import ExitStack
from types import SimpleNamespace

import numba
import numpy as np
import pytest

import evstream
import oracle
from evstream import event_stream as es
from evstream.compat.selector import InputSelector

SIGNATURES = {
    "stream_info_to_bytes": "(stream_source_type, stream_agg_type)",
    "bytes_to_stream_types": "(stream_header)",
    "read_stream_info": "(stream_obj)",
    "init_streams_in": "(files_in, stack)",
    "get_streams_in": "(files_in, stack)",
    "get_and_check_header_in": "(streams_in)",
    "mv_read": "(byte_mv, cursor, _dtype, itemsize)",
    "mv_write": "(byte_mv, cursor, _dtype, itemsize, value)",
    "mv_write_summary_header": "(byte_mv, cursor, event_id, summary_id, exposure_value)",
    "mv_write_item_header": "(byte_mv, cursor, event_id, item_id)",
    "mv_write_sidx_loss": "(byte_mv, cursor, sidx, loss)",
    "mv_write_delimiter": "(byte_mv, cursor)",
    "write_mv_to_stream": "(stream, byte_mv, cursor)",
    "reservation_overflows": "(idx, reservation, capacity, name)",
}

# Arguments that evstream adds, behind the documented ones; None does as documented.
OURS = dict.fromkeys(
    ("read_stream_info", "init_streams_in", "get_and_check_header_in"), ("timeout",)
)

CONSTANTS = {
    "PIPE_CAPACITY": 65536,
    "CDF_STREAM_ID": 0,
    "GUL_STREAM_ID": 1,
    "FM_STREAM_ID": 2,
    "LOSS_STREAM_ID": 2,
    "SUMMARY_STREAM_ID": 3,
    "ITEM_STREAM": 1,
    "COVERAGE_STREAM": 2,
    "MEAN_IDX": -1,
    "STD_DEV_IDX": -2,
    "TIV_IDX": -3,
    "CHANCE_OF_LOSS_IDX": -4,
    "NUMBER_OF_AFFECTED_RISK_IDX": -4,
    "MAX_LOSS_IDX": -5,
    "NUM_SPECIAL_SIDX": 5,
    "oasis_int_size": 4,
    "oasis_float_size": 4,
}

LOSS = oracle.encode("loss", {"len_sample": 3}, [((1, 2), [(-1, 1.5), (1, 2.5)])])
SUMMARY = oracle.encode(
    "summary", {"len_sample": 3, "summary_set_id": 9}, [((1, 2, 7.0), [(-1, 1.5), (1, 2.5)])]
)


@pytest.mark.parametrize("name", SIGNATURES)
def test_each_function_takes_the_documented_arguments(name):
    function = getattr(es, name)
    function = getattr(function, "py_func", function)
    parameters = list(inspect.signature(function).parameters.values())
    while parameters and parameters[-1].name in OURS.get(name, ()):
        assert parameters.pop().default is None
    assert f"({', '.join(p.name for p in parameters)})" == SIGNATURES[name]


@pytest.mark.parametrize("name", CONSTANTS)
def test_each_constant_has_the_documented_value(name):
    assert getattr(es, name) == CONSTANTS[name]


def test_the_methods_of_event_reader_take_the_documented_arguments():
    parameters = list(inspect.signature(es.EventReader.read_event).parameters)
    documented = "self stream_in main_selector stream_selector mv byte_mv cursor valid_buff"
    assert parameters[:8] == documented.split()
    assert isinstance(inspect.getattr_static(es.EventReader, "register_streams_in"), staticmethod)
    assert es.EventReader().item_exit() is None
    assert es.EventReader().event_read_log(1) is None
    assert es.EventReader().finalize_event() is None
    with pytest.raises(NotImplementedError):
        es.EventReader().read_buffer(None, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("source", "aggregation", "word"),
    [(2, 1, "01000002"), (0, 1, "01000000"), (3, 1, "01000003"), (1, 2, "02000001")],
)
def test_type_words(source, aggregation, word):
    assert es.stream_info_to_bytes(source, aggregation).hex() == word
    assert es.stream_info_to_bytes(np.int8(source), np.int32(aggregation)).hex() == word
    back = es.bytes_to_stream_types(bytes.fromhex(word))
    assert back == (source, aggregation)
    assert all(isinstance(value, np.integer) for value in back)


def test_the_header_values_are_numpy_scalars_that_copy_into_another_stream():
    info = es.read_stream_info(io.BytesIO(LOSS))
    assert info == (2, 1, 3)
    assert info[2].tobytes() == struct.pack("<i", 3)
    assert es.stream_info_to_bytes(*info[:2]) + info[2].tobytes() == LOSS[:8]


def test_the_summary_set_id_is_left_for_the_subclass():
    stream = io.BytesIO(SUMMARY)
    es.read_stream_info(stream)
    assert stream.read(4) == struct.pack("<i", 9)


@pytest.mark.parametrize("as_list", [True, False])
def test_init_streams_in_opens_on_the_stack(tmp_path, as_list):
    path = tmp_path / "loss.bin"
    path.write_bytes(LOSS)
    with ExitStack() as stack:
        streams, info = es.init_streams_in([path] if as_list else str(path), stack)
        assert info == (2, 1, 3)
        assert streams[0].read() == LOSS[8:]
    assert streams[0].closed


def test_without_files_stdin_is_read_even_a_stand_in_for_it(monkeypatch):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(LOSS)))
    with ExitStack() as stack:
        streams, info = es.init_streams_in(None, stack)
    assert info == (2, 1, 3)
    assert streams == [sys.stdin.buffer]


def test_streams_of_different_headers_are_refused(tmp_path):
    paths = [tmp_path / "a.bin", tmp_path / "b.bin"]
    paths[0].write_bytes(LOSS)
    paths[1].write_bytes(LOSS[:4] + struct.pack("<i", 4))
    with ExitStack() as stack, pytest.raises(OSError, match=r"b\.bin: byte 0: .* are 2, 1, 4"):
        es.init_streams_in(paths, stack)


def test_what_a_buffered_stream_holds_behind_the_header_is_not_lost():
    read_end, write_end = os.pipe()
    with os.fdopen(write_end, "wb") as out:
        out.write(LOSS)
    with os.fdopen(read_end, "rb") as stream:
        stream.peek(1)
        es.read_stream_info(stream)
        assert collect(stream) == [(1, 2, -1, 1.5), (1, 2, 1, 2.5)]


NUMBERS = [
    (np.dtype("i4"), -5),
    (np.dtype("u4"), 2**32 - 1),
    (np.dtype("i8"), -(2**62)),
    (np.dtype("u8"), 2**64 - 1),
    (np.dtype("f4"), 1.5),
    (np.dtype("f8"), -0.1),
]


@pytest.mark.parametrize(("dtype", "value"), NUMBERS)
@pytest.mark.parametrize("buffer_dtype", ["i1", "u1"])
@pytest.mark.parametrize("offset", [0, 1, 3])
def test_mv_write_and_mv_read_from_python_and_from_njit(dtype, value, buffer_dtype, offset):
    size = dtype.itemsize

    @numba.njit
    def write_and_read(buffer, offset, value):
        end = es.mv_write(buffer, offset, dtype, size, value)
        return es.mv_read(buffer, offset, dtype, size), end

    value = dtype.type(value)
    for run in (write_and_read, write_and_read.py_func):
        buffer = np.zeros(24, buffer_dtype)
        assert run(buffer, offset, value) == ((value, offset + size), offset + size)
        assert buffer.tobytes()[offset : offset + size] == value.tobytes()


@pytest.mark.parametrize("number", [np.int32, np.uint64, np.float32, np.float64])
def test_a_scalar_type_stands_for_its_dtype(number):
    size = np.dtype(number).itemsize

    @numba.njit
    def write_and_read(buffer, value):
        es.mv_write(buffer, 1, number, size, value)
        return es.mv_read(buffer, 1, number, size)

    for run in (write_and_read, write_and_read.py_func):
        assert run(np.zeros(16, np.int8), number(7)) == (7, 1 + size)


def test_mv_read_takes_a_read_only_mapping(tmp_path):
    path = tmp_path / "loss.bin"
    path.write_bytes(LOSS)
    mapped = np.memmap(path, np.int8, "r")

    @numba.njit
    def type_word(buffer):
        return es.mv_read(buffer, 0, np.dtype("u4"), 4)

    assert type_word(mapped) == (0x02000001, 4)
    assert es.mv_read(mapped, 4, np.dtype("i4"), 4) == (3, 8)


@pytest.mark.parametrize("value", [7, 7.0, np.float64(7), np.array(7.0), np.float32(7), True])
def test_losses_may_be_any_kind_of_number(value):
    @numba.njit
    def write(buffer, value):
        return es.mv_write_sidx_loss(buffer, 0, 3, value)

    for run in (write, write.py_func):
        buffer = np.zeros(8, np.int8)
        assert run(buffer, value) == 8
        assert struct.unpack("<if", buffer.tobytes()) == (3, float(value))


def test_the_record_writers_write_the_wire_format():
    @numba.njit
    def write(buffer):
        cursor = es.mv_write_summary_header(buffer, 0, 1, 2, 3.0)
        cursor = es.mv_write_item_header(buffer, cursor, 4, 5)
        cursor = es.mv_write_sidx_loss(buffer, cursor, -1, 6.0)
        return es.mv_write_delimiter(buffer, cursor)

    for run in (write, write.py_func):
        buffer = np.full(40, 1, np.int8)
        assert run(buffer) == 36
        packed = struct.pack("<iif ii if if", 1, 2, 3.0, 4, 5, -1, 6.0, 0, 0.0)
        assert buffer.tobytes() == packed + b"\x01" * 4


def test_reservation_overflows():
    assert not es.reservation_overflows(5, 5, 10, "SELT")
    assert es.reservation_overflows(6, 5, 10, "SELT")
    line = "SELT needs room for 11 rows of one summary, while its output buffer holds 10: .*"
    for function in (es.reservation_overflows, es.reservation_overflows.py_func):
        with pytest.raises(ValueError, match=line + "OASIS_DEFAULT_BUFFER_SIZE"):
            function(0, 11, 10, "SELT")


class Collector(es.EventReader):
    """Parses with plain Python, in the documented form; notes the order of calls."""

    def __init__(self) -> None:
        self.rows: list[tuple[float, ...]] = []
        self.calls: list[object] = []

    def read_buffer(self, byte_mv, cursor, valid_buff, event_id, item_id, **kwargs):
        last_event_id = event_id
        while valid_buff - cursor >= 8:
            first, second = struct.unpack_from("<ii", byte_mv, cursor)
            if item_id and first:
                loss = struct.unpack_from("<f", byte_mv, cursor + 4)[0]
                self.rows.append((event_id, item_id, first, loss))
            elif item_id:
                item_id = 0
            elif last_event_id and first != last_event_id:
                return cursor, last_event_id, 0, 1
            else:
                event_id = last_event_id = first
                item_id = second
            cursor += 8
        return cursor, event_id, item_id, 0

    def event_read_log(self, event_id):
        self.calls.append(("event_read_log", event_id))

    def finalize_event(self):
        self.calls.append("finalize_event")

    def item_exit(self):
        self.calls.append("item_exit")


def collect(stream) -> list[tuple[float, ...]]:
    reader = Collector()
    list(reader.read_streams([stream]))
    return reader.rows


def two_events() -> io.BytesIO:
    data = oracle.encode("loss", {"len_sample": 3}, [((e, 1), [(1, 2.0)]) for e in (1, 2)])
    stream = io.BytesIO(data)
    es.read_stream_info(stream)
    return stream


def test_hooks_come_in_the_documented_order_before_the_event():
    reader = Collector()
    for event_id in reader.read_streams([two_events()]):
        reader.calls.append(event_id)
    assert reader.calls == [
        ("event_read_log", 1), "finalize_event", 1,
        "item_exit", ("event_read_log", 2), "finalize_event", 2,
    ]  # fmt: skip


def test_read_event_works_with_the_documented_arguments_alone():
    stream = two_events()
    reader = Collector()
    main_selector, (data,) = es.EventReader.register_streams_in(InputSelector, [stream])
    names = ("stream_selector", "mv", "byte_mv", "cursor", "valid_buff")
    documented = [data[name] for name in names]
    assert data["byte_mv"].dtype == np.int8
    assert len(data["mv"]) == es.PIPE_CAPACITY
    event_id, cursor, valid_buff = reader.read_event(stream, main_selector, *documented)
    assert event_id == 1
    assert 0 <= cursor < valid_buff
    assert stream in main_selector.get_map()


@pytest.mark.parametrize("opened", ["pipe", "file", "object"])
def test_read_event_gives_what_was_buffered_behind_the_header(tmp_path, opened):
    stream, selector_class = opened_in(opened, tmp_path, oracle.encode("loss", HEADER, EVENTS))
    with stream:
        es.read_stream_info(stream)
        reader = Collector()
        main_selector, (data,) = es.EventReader.register_streams_in(selector_class, [stream])
        names = ("stream_selector", "mv", "byte_mv", "cursor", "valid_buff")
        arguments = [data[name] for name in names]
        event_ids = []
        while main_selector.get_map():
            event_id, *window = reader.read_event(stream, main_selector, *arguments)
            arguments[3:] = window
            event_ids.append(event_id)
    assert event_ids == [1, 2, 3, 4]
    assert reader.rows == ROWS


HEADER = {"len_sample": 3}
EVENTS = [((e, i), [(1, 2.0), (2, 0.5)]) for e in range(1, 5) for i in (1, 2)]
ROWS = [(*ids, *pair) for ids, pairs in EVENTS for pair in pairs]


def opened_in(way, folder, data):
    """A stream that holds `data`, and a selector class that takes it."""
    if way == "object":
        return io.BytesIO(data), InputSelector
    if way == "file":
        path = folder / "stream.bin"
        path.write_bytes(data)
        return path.open("rb"), selectors.SelectSelector
    read_end, write_end = os.pipe()
    threading.Thread(target=lambda: os.write(write_end, data) and os.close(write_end)).start()
    return os.fdopen(read_end, "rb"), selectors.SelectSelector


@pytest.mark.parametrize("opened", ["pipe", "file", "object"])
@pytest.mark.parametrize("taken", [1, 2, 3])
def test_what_is_read_after_a_break_goes_on_where_that_left_off(tmp_path, opened, taken):
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
def test_what_is_read_after_a_stall_goes_on_where_that_left_off(at):
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


def test_a_stall_in_an_event_larger_than_the_window_keeps_its_ids():
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
def test_a_callback_reader_finds_the_blocks_behind_a_summary_set_id_taken(tmp_path, opened):
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


def test_from_a_place_that_a_program_chose_nothing_is_tracked_wrongly():
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


def test_an_event_is_written_where_only_widths_without_use_differ():
    (event,) = evstream.open(io.BytesIO(LOSS), widths={"areaperil_int": "u8"})
    out = io.BytesIO()
    with evstream.create(out, "loss", len_sample=3) as writer:
        writer.write(event)
    assert out.getvalue() == LOSS
    with (
        evstream.create(io.BytesIO(), "loss", len_sample=3, widths={"oasis_float": "f8"}) as writer,
        pytest.raises(evstream.WriteError, match="at the same widths"),
    ):
        writer.write(event)


def test_what_is_no_event_stream_is_refused(tmp_path):
    for start, said in [
        (b"y\n" * 10, "this is no event stream: it begins with 79 0a 79 0a"),
        (gzip.compress(LOSS), r"compressed with gzip, expected .* evstream\.open"),
        (
            struct.pack("<III", 4 << 24 | 1, 3, 0),
            "source 4 and aggregation 1, expected source 0 or",
        ),
    ]:
        (tmp_path / "in.bin").write_bytes(start)
        with ExitStack() as stack, pytest.raises(evstream.StreamHeaderError, match=said):
            es.init_streams_in(tmp_path / "in.bin", stack)
    assert es.read_stream_info(io.BytesIO(struct.pack("<IIi", 2 << 24 | 2, 3, 0))) == (2, 2, 3)


SUMMARY_20 = struct.pack("<I", 3 << 24 | 20) + SUMMARY[4:]


@pytest.mark.parametrize("number", [0, 3, 20, 1 << 23])
@pytest.mark.parametrize("source", [0, 1, 2, 3])
def test_an_aggregation_that_is_in_no_list_is_read(source, number):
    """By its source type, as the reference does, whose programs have written such streams."""
    stream = io.BytesIO(struct.pack("<Ii", source << 24 | number, 3) + bytes(4))
    with pytest.warns(evstream.AggregationWarning, match=f"has aggregation {number}, which") as w:
        assert es.read_stream_info(stream) == (source, number, 3)
    assert len(w) == 1
    assert stream.tell() == 8


def test_a_summary_stream_of_another_aggregation_is_whole(tmp_path):
    """Its blocks are tracked, its header is told to be the same as its neighbour's."""
    path = tmp_path / "in.bin"
    path.write_bytes(SUMMARY_20)
    events = [e.event_id for e in evstream.open(io.BytesIO(SUMMARY), "summary")]
    with ExitStack() as stack:
        with pytest.warns(evstream.AggregationWarning, match=f"{path}: the type"):
            streams, info = es.init_streams_in([path, path], stack)
        assert info == (3, 20, 3)
        reader = evstream.reader_class("summary")(np.zeros(1))
        assert sorted(reader.read_streams(streams)) == sorted(events * 2)
    path.write_bytes(SUMMARY_20[:-3])
    with ExitStack() as stack:
        with pytest.warns(evstream.AggregationWarning):
            streams, _ = es.init_streams_in(path, stack)
        reader = evstream.reader_class("summary")(np.zeros(1))
        with pytest.raises(evstream.TruncatedStreamError, match="ends inside record sidx_loss"):
            list(reader.read_streams(streams))


def test_a_named_type_may_have_another_aggregation():
    expected = evstream.open(io.BytesIO(SUMMARY)).header
    with pytest.warns(evstream.AggregationWarning, match="aggregation 20, which the format does"):
        stream = evstream.open(io.BytesIO(SUMMARY_20), stream="summary")
    assert stream.header == expected
    assert [e.event_id for e in stream] == [e.event_id for e in evstream.open(io.BytesIO(SUMMARY))]
    with pytest.raises(evstream.StreamHeaderError, match="unknown stream type 3/20"):
        evstream.open(io.BytesIO(SUMMARY_20))
    for other in ("loss", "cdf"):
        with pytest.raises(evstream.StreamHeaderError, match="unknown stream type 3/20"):
            evstream.open(io.BytesIO(SUMMARY_20), stream=other)
    with pytest.raises(evstream.StreamMismatchError, match="this is a gul_coverage stream"):
        evstream.open(io.BytesIO(struct.pack("<Ii", 1 << 24 | 2, 3)), stream="gul_item")


@pytest.mark.parametrize("start", [b"", b"\x01", b"\x01\0\0"])
def test_a_type_word_is_whole(start):
    with pytest.raises(evstream.StreamHeaderError, match=f"{len(start)} bytes, expected 4"):
        es.bytes_to_stream_types(start)


def test_no_inputs_are_none():
    with ExitStack() as stack, pytest.raises(ValueError, match="empty list"):
        es.init_streams_in([], stack)


def test_plain_python_gets_python_numbers():
    buffer = np.frombuffer(struct.pack("<if", 2**31 - 1, 0.1), np.int8)
    number, cursor = es.mv_read(buffer, 0, np.int32, 4)
    loss, _ = es.mv_read(buffer, cursor, np.dtype("f4"), 4)
    assert number + 1 == 2**31
    assert type(number) is int
    assert type(loss) is float


def test_a_subclass_may_override_read_event_and_register_streams_in():
    calls = []

    class Overriding(Collector):
        @staticmethod
        def register_streams_in(selector_class, streams_in):
            calls.append("register_streams_in")
            return es.EventReader.register_streams_in(selector_class, streams_in)

        def read_event(
            self, stream_in, main_selector, stream_selector, mv, byte_mv, cursor, valid_buff
        ):
            calls.append("read_event")
            return super().read_event(
                stream_in, main_selector, stream_selector, mv, byte_mv, cursor, valid_buff
            )

        def read_buffer(self, byte_mv, cursor, valid_buff, event_id, item_id, file_idx):
            calls.append(file_idx)
            return super().read_buffer(byte_mv, cursor, valid_buff, event_id, item_id)

    streams = [two_events(), two_events()]
    reader = Overriding()
    assert sorted(reader.read_streams(streams)) == [1, 1, 2, 2]
    assert len(reader.rows) == 4
    assert calls[0] == "register_streams_in"
    assert calls.count("read_event") >= 4
    assert {0, 1} <= set(calls[1:]) - {"read_event"}


class OnlyRead:
    """A stream that has `read` alone, and compares by value, so that it has no hash."""

    def __init__(self, data: bytes) -> None:
        self.read = io.BytesIO(data).read

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OnlyRead)

    __hash__ = None  # type: ignore[assignment]


def test_streams_that_have_only_read_and_no_hash():
    streams = [OnlyRead(oracle.encode("loss", HEADER, EVENTS)) for _ in range(2)]
    es.get_and_check_header_in(streams)
    reader = Collector()
    first = list(itertools.islice(reader.read_streams(streams), 1))
    assert sorted(first + list(reader.read_streams(streams))) == [1, 1, 2, 2, 3, 3, 4, 4]
    assert sorted(reader.rows) == sorted(ROWS * 2)
    es.get_and_check_header_in(streams := [OnlyRead(LOSS)])
    assert list(evstream.reader_class("loss")(np.zeros(1)).read_streams(streams)) == [1]


def test_a_stream_that_is_dropped_is_closed():
    stream = two_events()
    list(itertools.islice(Collector().read_streams([stream]), 1))
    alive = weakref.ref(stream)
    del stream
    assert alive() is None


def test_a_subclass_with_five_arguments_works():
    class Five(Collector):
        def read_buffer(self, byte_mv, cursor, valid_buff, event_id, item_id):
            return super().read_buffer(byte_mv, cursor, valid_buff, event_id, item_id)

    assert list(Five().read_streams([two_events()])) == [1, 2]


def test_a_subclass_that_asks_for_it_gets_file_idx():
    seen = set()

    class WithIndex(Collector):
        def read_buffer(self, byte_mv, cursor, valid_buff, event_id, item_id, file_idx):
            seen.add(file_idx)
            return super().read_buffer(byte_mv, cursor, valid_buff, event_id, item_id)

    assert sorted(WithIndex().read_streams([two_events(), two_events()])) == [1, 1, 2, 2]
    assert seen == {0, 1}


def test_the_window_starts_at_cursor_0_and_may_be_changed_in_place():
    data = oracle.encode(
        "loss", {"len_sample": 9999}, [((e, 1), [(s, 1.0) for s in range(1, 9999)]) for e in (1, 2)]
    )
    starts = []

    class Doubling(Collector):
        def read_buffer(self, byte_mv, cursor, valid_buff, event_id, item_id, **kwargs):
            starts.append((cursor, valid_buff))
            byte_mv[valid_buff - 1] = 0x41  # 1.0 becomes 16.0 at most: structure stays
            return super().read_buffer(byte_mv, cursor, valid_buff, event_id, item_id)

    stream = io.BytesIO(data)
    es.read_stream_info(stream)
    assert list(Doubling().read_streams([stream])) == [1, 2]
    assert max(valid for _, valid in starts) <= es.PIPE_CAPACITY
    assert sum(cursor == 0 for cursor, _ in starts) >= 2


def test_an_error_of_the_subclass_says_where_it_happened(caplog):
    class Failing(Collector):
        logger = logging.getLogger("Failing")

        def read_buffer(self, byte_mv, cursor, valid_buff, event_id, item_id, **kwargs):
            raise ValueError("duplicated sidx in input stream")

    place = "byte 8: read_buffer of Failing raised ValueError: duplicated sidx"
    with pytest.raises(evstream.ReaderError, match=place) as caught:
        list(Failing().read_streams([two_events()]))
    assert isinstance(caught.value.__cause__, ValueError)
    assert place in caplog.text


def test_a_subclass_that_takes_nothing_is_told_so():
    class Stuck(Collector):
        def read_buffer(self, byte_mv, cursor, valid_buff, event_id, item_id, **kwargs):
            return cursor, 0, 0, 0

    with pytest.raises(evstream.ReaderError, match="left the last 48 bytes unread"):
        list(Stuck().read_streams([two_events()]))


def test_a_summary_stream_without_events_ends_without_one():
    stream = io.BytesIO(SUMMARY[:12])
    es.read_stream_info(stream)
    assert list(Collector().read_streams([stream])) == []


def test_widths_follow_the_environment():
    code = (
        "import numpy as np; from evstream import event_stream as es;"
        "b = np.zeros(40, np.int8); end = es.mv_write_item_header(b, 0, 1, 2);"
        "end = es.mv_write_sidx_loss(b, end, 3, 0.1); print(end, b[:end].tobytes().hex());"
        "print(es.oasis_int, es.oasis_float_size)"
    )
    environment = os.environ | {"OASIS_INT": "i8", "OASIS_FLOAT": "f8"}
    out = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    ).stdout
    packed = struct.pack("<qqqd", 1, 2, 3, 0.1).hex()
    assert out == f"32 {packed}\nint64 8\n"


def test_a_width_that_the_format_does_not_have_is_refused():
    environment = os.environ | {"OASIS_FLOAT": "f2"}
    result = subprocess.run(
        [sys.executable, "-c", "import evstream.event_stream"],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "environment variable OASIS_FLOAT is 'f2', expected f4 or f8" in result.stderr


@pytest.mark.parametrize("target", ["file", "memory", "own"])
def test_write_mv_to_stream_writes_all_and_aliases_nothing(tmp_path, target):
    pieces: list[bytes] = []
    out = {
        "file": (tmp_path / "out").open,
        "memory": io.BytesIO,
        "own": lambda: SimpleNamespace(write=lambda data: pieces.append(data) or len(data)),
    }[target](*(["wb"] if target == "file" else []))
    buffer = np.arange(100, dtype=np.int8)
    es.write_mv_to_stream(out, buffer, 60)
    buffer[:] = 0
    if target == "file":
        out.close()
        written = (tmp_path / "out").read_bytes()
    else:
        written = out.getvalue() if target == "memory" else b"".join(pieces)
    assert written == bytes(range(60))


def test_a_stream_that_is_corrupt_is_forgotten_with_its_last_owner() -> None:
    """What is remembered of a stream must not keep it: a fuzzer saw memory grow."""
    data = oracle.encode("cdf", {}, [((event, 1, 1), [(1.0, 0.5)]) for event in range(1, 9)])
    broken = bytearray(data)
    broken[4 + 7 * 24 + 12 : 4 + 7 * 24 + 16] = struct.pack("<i", -1)  # no_of_bins of the last
    stream = io.BytesIO(bytes(broken))
    reader = evstream.reader_class("cdf")(np.zeros(1))
    with pytest.raises(evstream.CorruptStreamError):
        list(reader.read(stream))
    gone = weakref.ref(stream)
    del stream
    gc.collect()
    assert gone() is None
