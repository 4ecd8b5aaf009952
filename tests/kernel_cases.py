"""A small stream of each block at any widths, and arrays that show a write past their end."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from evstream.wire.header import StreamHeader
from evstream.wire.kernels import block_kernels, new_states, read_only
from oracle import DEFAULT_WIDTHS, Bits, Decoded, Widths, decode, encode

Array = Any

STREAMS = {
    "item": "loss",
    "coverage": "gul_coverage",
    "summary": "summary",
    "cdf": "cdf",
    "event_id": "event_ids",
}

DELIMITED = ["item", "coverage", "summary"]

HEADERS = {
    "loss": {"len_sample": 9},
    "gul_coverage": {"len_sample": 9},
    "summary": {"len_sample": 9, "summary_set_id": 1},
    "cdf": {},
    "event_ids": {},
}

NAN = {"f4": Bits(0x7FC00123), "f8": Bits(0x7FF8000000000123)}

ALL_WIDTHS = [
    {"oasis_int": i, "oasis_float": f, "areaperil_int": u}
    for i, f, u in itertools.product(("i4", "i8"), ("f4", "f8"), ("u4", "u8"))
]


def widths_of(block: str) -> list[Widths]:
    """One choice of widths for each module that the block has."""
    if block == "cdf":
        return ALL_WIDTHS
    narrow = [widths for widths in ALL_WIDTHS if widths["areaperil_int"] == "u4"]
    return narrow[::2] if block == "event_id" else narrow


OTHER_WIDTHS = [
    pytest.param(block, widths, id=f"{block}_{'_'.join(widths.values())}")
    for block in STREAMS
    for widths in widths_of(block)
    if widths != DEFAULT_WIDTHS
]


@dataclass
class Case:
    """A small stream of a block, its bytes without the stream header, and what it says."""

    kernels: Any
    header: StreamHeader
    body: bytes
    decoded: Decoded

    @property
    def columns(self) -> dict[str, np.dtype[Any]]:
        return self.header.block_columns

    @property
    def keys(self) -> list[np.dtype[Any]]:
        return [dtype for dtype in self.columns.values() if dtype.kind != "f"]

    @property
    def entry(self) -> dict[str, np.dtype[Any]]:
        return self.header.entry_columns

    @property
    def records(self) -> list[int]:
        """Sizes of the records of the body."""
        block = self.header.block
        names = [block.header] if block.entry is None else [block.header, block.entry]
        return [self.header.record_dtype(name).itemsize for name in names]

    def new_state(self) -> Any:
        """An array with the state, as the runtime passes it."""
        return new_states(self.header)


def blocks_for(block: str, widths: Widths) -> list[tuple[Any, Any]]:
    nan = NAN[widths["oasis_float"]]
    low = -(2 ** (8 * int(widths["oasis_int"][1]) - 1))
    if block == "event_id":
        return [((event,), []) for event in (1, 5, 5, low)]
    if block == "cdf":
        largest = 2 ** (8 * int(widths["areaperil_int"][1])) - 1
        return [
            ((1, largest, 1), [(0.5, 0.0), (1.0, nan)]),
            ((1, 2, low), []),
            ((2, 1, 1), [(0.25, -0.0), (0.5, 0.5), (1.0, 1.0)]),
        ]
    exposure = [(1.5,), (nan,), (0.0,)] if block == "summary" else [(), (), ()]
    return [
        ((1, 1, *exposure[0]), [(-1, 1.5), (1, nan), (-low - 1, -0.0)]),
        ((1, -low - 1, *exposure[1]), []),
        ((low, 1, *exposure[2]), [(low, 2.5)]),
    ]


def make_case(block: str, widths: Widths = DEFAULT_WIDTHS) -> Case:
    stream = STREAMS[block]
    data = encode(stream, HEADERS[stream], blocks_for(block, widths), widths)
    header = StreamHeader(stream, HEADERS[stream], widths | {"sample_count": "i4"})
    kernels = block_kernels(header)
    return Case(kernels, header, data[header.size :], decode(data, stream, widths))


def as_input(data: bytes, kernel: Any) -> Array:
    """Bytes as the runtime passes them to a kernel: those of `find_blocks` are read-only. Others
    would be compiled for these tests alone."""
    buffer = np.frombuffer(bytearray(data), np.uint8)
    return read_only(buffer) if kernel.__name__ == "find_blocks" else buffer


GUARD = 3


def guarded(dtype: np.dtype[Any] | str, room: int) -> Array:
    """An array of `room` numbers with GUARD more behind it."""
    return np.full((room + GUARD) * np.dtype(dtype).itemsize, 0xAB, np.uint8).view(dtype)[:room]


def assert_guarded(arrays: Iterable[Array]) -> None:
    for array in arrays:
        base = array.base.view(np.uint8)
        assert (base[-GUARD * array.itemsize :] == 0xAB).all()
