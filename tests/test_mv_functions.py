"""mv_read, mv_write and their relatives write and read the wire format."""

from __future__ import annotations

import io
import struct
from functools import cache
from types import SimpleNamespace

import numba
import numpy as np
import pytest

from event_reader_cases import LOSS
from evstream import event_stream as es

NUMBERS = [
    (np.dtype("i4"), -5),
    (np.dtype("u4"), 2**32 - 1),
    (np.dtype("i8"), -(2**62)),
    (np.dtype("u8"), 2**64 - 1),
    (np.dtype("f4"), 1.5),
    (np.dtype("f8"), -0.1),
]


@cache
def writer_and_reader(dtype):
    size = dtype.itemsize

    @numba.njit
    def write_and_read(buffer, offset, value):
        end = es.mv_write(buffer, offset, dtype, size, value)
        return es.mv_read(buffer, offset, dtype, size), end

    return write_and_read


@pytest.mark.parametrize(("dtype", "value"), NUMBERS)
@pytest.mark.parametrize("buffer_dtype", ["i1", "u1"])
@pytest.mark.parametrize("offset", [0, 1, 3])
def test_mv_write_and_mv_read_from_python_and_from_njit(dtype, value, buffer_dtype, offset):
    size, value, write_and_read = dtype.itemsize, dtype.type(value), writer_and_reader(dtype)
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


@cache
def cached_writers(integer, loss_type):
    size, loss_size = integer.itemsize, loss_type.itemsize

    @numba.njit
    def write(buffer, value):
        cursor = es.mv_write_summary_header_cached(
            buffer, 1, 1, 2, value, integer, size, integer, size, loss_type, loss_size
        )
        return es.mv_write_sidx_loss_cached(
            buffer, cursor, sidx=3, loss=value, sidx_type=integer, sidx_size=size,
            loss_type=loss_type, loss_size=loss_size,
        )  # fmt: skip

    return write


@pytest.mark.parametrize(("number", "real"), [("i4", "f4"), ("i8", "f8"), ("i8", "f4")])
@pytest.mark.parametrize(
    ("buffer_dtype", "value"),
    [
        *(("i1", value) for value in (7, 7.0, np.float64(7), np.array(7.0), np.float32(7))),
        ("u1", 7.0),
    ],
)
def test_cached_writers_write_at_the_given_widths(number, real, buffer_dtype, value):
    write = cached_writers(np.dtype(number), np.dtype(real))
    letters = {"i4": "i", "i8": "q", "f4": "f", "f8": "d"}
    form = "<" + letters[number] * 2 + letters[real] + letters[number] + letters[real]
    for run in (write, write.py_func):
        buffer = np.zeros(60, buffer_dtype)
        end = run(buffer, value)
        assert end == 1 + struct.calcsize(form)
        assert struct.unpack(form, buffer[1:end].tobytes()) == (1, 2, 7.0, 3, 7.0)


def test_reservation_overflows():
    assert not es.reservation_overflows(5, 5, 10, "SELT")
    assert es.reservation_overflows(6, 5, 10, "SELT")
    line = "SELT needs room for 11 rows of one summary, while its output buffer holds 10: .*"
    for function in (es.reservation_overflows, es.reservation_overflows.py_func):
        with pytest.raises(ValueError, match=line + "OASIS_DEFAULT_BUFFER_SIZE"):
            function(0, 11, 10, "SELT")


def test_plain_python_gets_python_numbers():
    buffer = np.frombuffer(struct.pack("<if", 2**31 - 1, 0.1), np.int8)
    number, cursor = es.mv_read(buffer, 0, np.int32, 4)
    loss, _ = es.mv_read(buffer, cursor, np.dtype("f4"), 4)
    assert number + 1 == 2**31
    assert type(number) is int
    assert type(loss) is float


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
