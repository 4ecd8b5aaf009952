"""The documented module: every name, signature and observable behaviour."""

from __future__ import annotations

import gc
import gzip
import inspect
import io
import itertools
import os
import struct
import subprocess
import sys
import weakref
from contextlib import ExitStack
from types import SimpleNamespace

import numpy as np
import pytest

import evstream
import oracle
from event_reader_cases import EVENTS, HEADER, LOSS, ROWS, SUMMARY, Collector, two_events
from evstream import event_stream as es

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
    "mv_write_summary_header_cached": (
        "(byte_mv, cursor, event_id, summary_id, exposure_value, event_id_type, event_id_size, "
        "summary_id_dtype, summary_id_size, exposure_value_dtype, exposure_value_size)"
    ),
    "mv_write_sidx_loss_cached": (
        "(byte_mv, cursor, sidx, loss, sidx_type, loss_type, sidx_size, loss_size)"
    ),
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


def test_event_reader_methods_take_the_documented_arguments():
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


def test_header_values_are_numpy_scalars():
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


def test_bytes_buffered_after_the_header_are_not_lost():
    read_end, write_end = os.pipe()
    with os.fdopen(write_end, "wb") as out:
        out.write(LOSS)
    with os.fdopen(read_end, "rb") as stream:
        stream.peek(1)
        es.read_stream_info(stream)
        assert collect(stream) == [(1, 2, -1, 1.5), (1, 2, 1, 2.5)]


def collect(stream) -> list[tuple[float, ...]]:
    reader = Collector()
    list(reader.read_streams([stream]))
    return reader.rows


def test_unused_widths_do_not_keep_an_event_from_being_written():
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


def test_input_that_is_not_an_event_stream_is_refused(tmp_path):
    for start, said in [
        (b"y\n" * 10, "not an event stream: it begins with 79 0a 79 0a"),
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


def test_a_corrupt_stream_is_forgotten_with_its_last_owner() -> None:
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
