"""Every float32 printed and read back; float64 by the million.

    python -m benchmarks.verify_numbers --seconds 3600
    python -m benchmarks.verify_numbers --kernels

Each number is printed with the fewest digits and read by three: our kernel, pyarrow (which
shares no code with it), and numpy or Python for a sample, whose own shortest text must not
have fewer digits. All finite float32 take an hour or so; --seconds stops earlier,
after pieces that are spread over all exponents, and --first goes on from there.

--kernels prints all 2^32 by the kernel of float32 and by that of any float, and compares the texts:
the fewest digits, and with --decimals so many.
"""

from __future__ import annotations

import argparse
import time
from decimal import Decimal
from typing import Any

import numba
import numpy as np
import pyarrow as pa
import pyarrow.csv

from evstream.text import column_texts
from evstream.text.limits import F4
from evstream.text.row_parser import RowParser
from evstream.text.rows import RowPrinter

PIECE = 1 << 20
PIECES = (1 << 32) // PIECE
STEP = 1597
"""Odd, so that its multiples visit every piece once."""

SAMPLE = 50
BITS = {4: np.dtype("<u4"), 8: np.dtype("<u8")}


def verify(values: Any, rng: Any) -> None:
    """Raise AssertionError for a number that does not come back, or could be shorter."""
    dtype, bits = values.dtype, BITS[values.dtype.itemsize]
    text = RowPrinter({"x": dtype}).text({"x": values})
    odd: list[str] = []

    def left(line: str, number: int) -> list[Any]:
        odd.append(line)
        return [float(line)]

    ours = RowParser(["x"], {"x": dtype}, left).rows(text, 1)["x"]
    differs(values, ours, bits, "our parser")
    assert not odd, odd[:3]
    kind = pa.from_numpy_dtype(dtype)
    table = pyarrow.csv.read_csv(
        pa.BufferReader(pa.py_buffer(text)),
        read_options=pyarrow.csv.ReadOptions(column_names=["x"], use_threads=False),
        convert_options=pyarrow.csv.ConvertOptions(column_types={"x": kind}, null_values=[]),
    )
    differs(values, table.column("x").to_numpy(), bits, "pyarrow")
    lines = bytes(text).split(b"\n", PIECE)
    for at in rng.integers(0, len(values), SAMPLE):
        value, printed = values[at], lines[at].decode()
        theirs = np.format_float_scientific(value, unique=True, trim="-")
        assert dtype.type(printed) == value, (printed, value)
        assert digits(printed) <= digits(theirs), (printed, theirs)
        if dtype.itemsize == 8:
            assert Decimal(printed) == Decimal(repr(float(value))), (printed, value)


def differs(values: Any, read: Any, bits: Any, reader: str) -> None:
    wrong = np.flatnonzero(values.view(bits) != np.ascontiguousarray(read).view(bits))
    assert not len(wrong), (reader, values[wrong[:3]], read[wrong[:3]])


def digits(text: str) -> int:
    return len(Decimal(text).normalize().as_tuple().digits)


@numba.njit(nogil=True)  # type: ignore[untyped-decorator]
def first_other(first: Any, last: Any, decimals: Any, work: Any) -> Any:
    """The first float32, by its bits, of which the kernels print other texts; -1 for none."""
    rows, bits, numbers, ours, theirs = work
    size, lengths = len(bits), len(ours) - len(bits)
    for base in range(first, last, size):
        for i in range(size):
            bits[i] = base + i
        if decimals < 0:
            done = column_texts.print_shortest_f4(
                rows, 0, F4, size, decimals, numbers, ours, 0, lengths, np.uint8(10)
            )
        else:
            done = column_texts.print_scaled(
                rows, 0, F4, size, decimals, numbers, ours, 0, lengths, np.uint8(10)
            )
        also = column_texts.print_floats(
            rows, 0, F4, size, decimals, theirs, 0, lengths, np.uint8(10)
        )
        if done != also:
            return base + min(done, also)
        at = 0
        for i in range(done):
            if ours[lengths + i] != theirs[lengths + i]:
                return base + i
            for _ in range(ours[lengths + i]):
                if ours[at] != theirs[at]:
                    return base + i
                at += 1
    return -1


def verify_kernels(decimals: int) -> None:
    """Compare the two kernels of float32. Raises AssertionError."""
    bits = np.empty(512, np.uint32)
    texts = np.empty((2, len(bits) * (column_texts.LONGEST + 1)), np.uint8)
    work = (bits.view(np.uint8), bits, np.empty((3, len(bits)), np.uint64), *texts)
    for first in range(0, 1 << 32, 1 << 26):
        other = first_other(first, first + (1 << 26), decimals, work)
        assert other < 0, f"bits {other:#x}"
        print(f"{(first >> 26) + 1} of 64 parts of all float32", flush=True)
    print(f"both kernels print all float32 alike ({decimals} decimals; -1: the fewest digits)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--doubles", type=int, default=100_000_000)
    parser.add_argument("--first", type=int, default=0, help="number of the first piece")
    parser.add_argument("--kernels", action="store_true")
    parser.add_argument("--decimals", type=int, default=-1)
    options = parser.parse_args()
    if options.kernels:
        verify_kernels(options.decimals)
        return
    rng = np.random.default_rng()
    end = time.monotonic() + options.seconds
    count = done = 0
    for number in range(options.first, PIECES):
        if time.monotonic() > end:
            break
        first = number * STEP % PIECES * PIECE
        values = np.arange(first, first + PIECE, dtype=np.uint64).astype("<u4").view("<f4")
        finite = values[np.isfinite(values)]
        if len(finite):
            verify(finite, rng)
        count, done = count + len(finite), number + 1
        if done % 64 == 0:
            print(f"{done} of {PIECES} pieces, {count:,} float32", flush=True)
    if done:
        pieces = f"pieces {options.first} to {done - 1} of {PIECES}"
        print(f"{count:,} float32 in {pieces}: all come back")
    doubles = 0
    while doubles < options.doubles and time.monotonic() < end:
        values = rng.integers(0, 1 << 64, PIECE, dtype=np.uint64).view("<f8")
        verify(values[np.isfinite(values)], rng)
        doubles += PIECE
    print(f"{doubles:,} random float64: all come back")


if __name__ == "__main__":
    main()
