"""The documented module: every name, signature and observable behaviour."""

from __future__ import annotations

import inspect
import io
import logging
import os
import struct
import subprocess
import sys
from contextlib import ExitStack
from types import SimpleNamespace

import numba
import numpy as np
import pytest

import evstream
import oracle
from evstream import event_stream as es
from evstream.input_selector import InputSelector

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
    with pytest.raises(ValueError, match="output buffer"):
        es.reservation_overflows(0, 11, 10, "SELT")


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
