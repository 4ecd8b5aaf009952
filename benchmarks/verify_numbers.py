"""Every float32 printed and read back; float64 by the million.

    python -m benchmarks.verify_numbers --seconds 3600

Each number is printed with the fewest digits and read by three: our kernel, pyarrow (which
shares no code with it), and numpy or Python for a sample, whose own shortest text must not
have fewer digits. All finite float32 take an hour or so; --seconds stops earlier,
after pieces that are spread over all exponents, and --first goes on from there.
"""

from __future__ import annotations

import argparse
import time
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--doubles", type=int, default=100_000_000)
    parser.add_argument("--first", type=int, default=0, help="number of the first piece")
    options = parser.parse_args()
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
