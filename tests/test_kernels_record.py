"""The records that compiled code reads and writes are laid out as struct lays them out."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest

from evstream._generated import layout
from evstream.wire.kernels import record_functions
from kernel_cases import ALL_WIDTHS
from oracle import DEFAULT_WIDTHS, Widths

STRUCT = {"i4": "i", "i8": "q", "u4": "I", "u8": "Q", "f4": "f", "f8": "d"}

EXTREMES: dict[str, list[Any]] = {
    "i4": [-1, 2**31 - 1, -(2**31)],
    "i8": [-1, 2**63 - 1, -(2**63)],
    "u4": [1, 2**32 - 1, 2**31],
    "u8": [1, 2**64 - 1, 2**63],
    "f4": [1.5, -0.0, float("-inf")],
    "f8": [0.1, -0.0, 1.7976931348623157e308],
}


def record_width(record: str, widths: Widths) -> list[str]:
    return [(widths | {"sample_count": "i4"})[f.scalar] for f in layout.FIELDS[record]]


def check_record(record: str, widths: Widths, plain: bool) -> None:
    """Write values at an odd offset and read them back; struct does the same beside it."""
    module = record_functions(layout.FORMAT, widths | {"sample_count": "i4"})
    read = getattr(module, f"mv_read_{record}")
    write = getattr(module, f"mv_write_{record}")
    if plain:
        read, write = getattr(read, "py_func", read), getattr(write, "py_func", write)
    of_fields = record_width(record, widths)
    letters = "<" + "".join(STRUCT[width] for width in of_fields)
    end = 3 + struct.calcsize(letters)
    for turn in range(3):
        values = [EXTREMES[width][(turn + i) % 3] for i, width in enumerate(of_fields)]
        typed = [np.dtype(w).type(value) for w, value in zip(of_fields, values, strict=True)]
        buffer = np.full(end + 5, 0xAB, np.uint8)
        assert write(buffer, 3, *typed) == end
        assert bytes(buffer) == b"\xab" * 3 + struct.pack(letters, *values) + b"\xab" * 5
        found = read(buffer, 3)
        assert found == (*values, end)
        assert struct.pack(letters, *found[:-1]) == struct.pack(letters, *values)


@pytest.mark.parametrize("widths", ALL_WIDTHS, ids=lambda widths: "_".join(widths.values()))
@pytest.mark.parametrize("record", layout.FIELDS)
def test_a_record_is_laid_out_as_struct_lays_it_out(record: str, widths: Widths) -> None:
    check_record(record, widths, plain=True)


@pytest.mark.parametrize("widths", [ALL_WIDTHS[0], ALL_WIDTHS[-1]], ids=["narrow", "wide"])
@pytest.mark.parametrize("record", layout.FIELDS)
def test_a_record_is_the_same_when_compiled(record: str, widths: Widths) -> None:
    check_record(record, widths, plain=False)


@pytest.mark.parametrize("widths", ALL_WIDTHS, ids=lambda widths: "_".join(widths.values()))
def test_the_delimiter_is_all_zeros(widths: Widths) -> None:
    module = record_functions(layout.FORMAT, widths | {"sample_count": "i4"})
    size = int(widths["oasis_int"][1]) + int(widths["oasis_float"][1])
    buffer = np.full(size + 2, 0xAB, np.uint8)
    assert module.mv_write_delimiter(buffer, 1) == 1 + size
    assert bytes(buffer) == b"\xab" + bytes(size) + b"\xab"


@pytest.mark.parametrize("signed", [np.int8, np.uint8])
def test_a_record_is_read_from_and_written_to_mapped_memory(signed: type, tmp_path: Any) -> None:
    module = record_functions(layout.FORMAT, DEFAULT_WIDTHS | {"sample_count": "i4"})
    memory = np.memmap(tmp_path / "records", signed, "w+", shape=(16,))
    assert module.mv_write_sidx_loss(memory, 1, -5, 2.5) == 9
    assert module.mv_read_sidx_loss(memory, 1) == (-5, 2.5, 9)
    memory.flush()
    assert (tmp_path / "records").read_bytes()[1:9] == struct.pack("<if", -5, 2.5)
