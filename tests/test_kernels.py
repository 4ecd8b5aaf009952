"""The generated kernels: resumable at every byte and with any room, and always the same answer.

A kernel is called as the runtime calls it: what it leaves unread comes again in front of
the next piece, and a full output is emptied before the next call. Every array that it gets
is a view with a guard behind it, so that a write past the end is seen.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from evstream._generated import layout
from evstream._support.protocol import AT_HEADER, BAD_COUNT, IN_ENTRIES, NEED_INPUT, OUTPUT_FULL
from evstream.wire.header import StreamHeader
from evstream.wire.kernels import block_kernels, new_state, record_functions
from oracle import DEFAULT_WIDTHS, Bits, Decoded, Row, Widths, decode, encode
from support import BlockRow, raw

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
        return new_state(self.header)


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


# Decoding

GUARD = 3


def guarded(dtype: np.dtype[Any] | str, room: int) -> Array:
    """An array of `room` numbers with GUARD more behind it."""
    return np.full((room + GUARD) * np.dtype(dtype).itemsize, 0xAB, np.uint8).view(dtype)[:room]


def assert_guarded(arrays: Iterable[Array]) -> None:
    for array in arrays:
        base = array.base.view(np.uint8)
        assert (base[-GUARD * array.itemsize :] == 0xAB).all()


Outputs = tuple[Array, ...]
Collect = Callable[[Outputs, int], None]


def feed(
    case: Case,
    kernel: Any,
    pieces: Iterable[bytes],
    new_outputs: Callable[[], Outputs],
    collect: Callable[[Outputs, Any], None],
) -> Any:
    """Give the pieces to a kernel; `collect` gets the outputs and row counts of each call."""
    state = case.new_state()
    base, tail = case.header.size, b""
    for piece in pieces:
        data = tail + piece
        # What lies behind the valid bytes looks like delimiters and must not be read.
        buffer = np.frombuffer(bytearray(data + bytes(64)), np.uint8)
        cursor = 0
        for _ in range(2 * len(data) + 4):
            outputs = new_outputs()
            cursor, *counts, status = kernel(
                buffer, cursor, len(data), base, state, *outputs, *[0] * (kernel_counts(kernel))
            )
            assert_guarded(outputs)
            collect(outputs, counts)
            assert status in (NEED_INPUT, OUTPUT_FULL)
            if status == NEED_INPUT:
                break
        else:
            raise AssertionError("the kernel does not come to an end")
        tail, base = data[cursor:], base + cursor
        assert len(tail) < max(case.records)
    assert tail == b""
    return state


def kernel_counts(kernel: Any) -> int:
    return 2 if kernel.__name__ == "decode_blocks" else 1


def find_blocks(case: Case, pieces: Iterable[bytes], room: int) -> list[Row]:
    """(start, ids, entries) of each block, as the oracle lists it without its floats."""
    found: list[Row] = []

    def new_outputs() -> Outputs:
        return tuple(guarded(dtype, room) for dtype in [*case.keys, "i8", "i8"])

    def collect(outputs: Outputs, counts: list[int]) -> None:
        *ids, start, entries = (raw(array[: counts[0]]) for array in outputs)
        found.extend(zip(start, *ids, entries, strict=True))

    feed(case, case.kernels.find_blocks, pieces, new_outputs, collect)
    return found


def decode_rows(case: Case, pieces: Iterable[bytes], room: int) -> list[Row]:
    found: list[Row] = []
    index = ["i8"] if case.header.block.index else []
    dtypes = [*case.columns.values(), *index, *case.entry.values()]

    def new_outputs() -> Outputs:
        return tuple(guarded(dtype, room) for dtype in dtypes)

    def collect(outputs: Outputs, counts: list[int]) -> None:
        found.extend(zip(*(raw(array[: counts[0]]) for array in outputs), strict=True))

    feed(case, case.kernels.decode_rows, pieces, new_outputs, collect)
    return found


def decode_blocks(case: Case, pieces: Iterable[bytes], blocks: int, entries: int) -> list[BlockRow]:
    found: list[BlockRow] = []
    state = np.zeros(1)
    is_open = False

    def new_outputs() -> Outputs:
        return (
            *(guarded(dtype, blocks) for dtype in case.columns.values()),
            guarded("i8", blocks + 1),
            *(guarded(dtype, entries) for dtype in case.entry.values()),
        )

    def collect(outputs: Outputs, counts: list[int]) -> None:
        nonlocal is_open
        b, n = counts
        width = len(case.columns)
        ids = list(zip(*(raw(column[:b]) for column in outputs[:width]), strict=True))
        offsets = outputs[width][: b + 1].tolist()
        rows = list(zip(*(raw(column[:n]) for column in outputs[width + 1 :]), strict=True))
        parts = [(i, rows[f:t]) for i, f, t in zip(ids, offsets[:-1], offsets[1:], strict=True)]
        assert offsets[-1] == n
        if is_open and parts:
            assert found[-1][0] == parts[0][0]
            found[-1][1].extend(parts.pop(0)[1])
        found.extend(parts)
        is_open = case.header.block.entry is not None and probe["state"]["phase"] == IN_ENTRIES

    probe: dict[str, Any] = {"state": state}
    kernel = case.kernels.decode_blocks

    def watched(*arguments: Any) -> Any:
        probe["state"] = arguments[4]
        return kernel(*arguments)

    watched.__name__ = "decode_blocks"
    feed(case, watched, pieces, new_outputs, collect)
    return found


def expected_blocks(case: Case) -> list[Row]:
    """The oracle's blocks without float fields."""
    floats = [i for i, dtype in enumerate(case.columns.values(), start=1) if dtype.kind == "f"]
    return [
        tuple(value for i, value in enumerate(row) if i not in floats)
        for row in case.decoded.blocks
    ]


def pieces_of(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


def check_decoding(case: Case, pieces: list[bytes], room: int) -> None:
    """All three kernels say what the oracle says."""
    assert find_blocks(case, pieces, room) == expected_blocks(case)
    assert decode_rows(case, pieces, room) == case.decoded.raw_records
    assert decode_blocks(case, pieces, room, room) == case.decoded.block_entries()


@pytest.mark.parametrize("block", STREAMS)
def test_a_small_stream_is_decoded_in_one_call(block: str) -> None:
    case = make_case(block)
    check_decoding(case, [case.body], 100)


@pytest.mark.parametrize("block", STREAMS)
@pytest.mark.parametrize("room", [1, 2, 3, 4, 5, 100])
def test_a_small_stream_is_decoded_the_same_with_any_room(block: str, room: int) -> None:
    case = make_case(block)
    check_decoding(case, [case.body], room)


@pytest.mark.parametrize("block", STREAMS)
@pytest.mark.parametrize("room", [1, 2, 100])
def test_a_stream_may_be_split_at_any_byte(block: str, room: int) -> None:
    case = make_case(block)
    for at in range(len(case.body) + 1):
        check_decoding(case, [case.body[:at], case.body[at:]], room)


@pytest.mark.parametrize("block", STREAMS)
def test_a_small_stream_may_come_in_pieces_of_any_size(block: str) -> None:
    case = make_case(block)
    for size in range(1, 40):
        check_decoding(case, list(pieces_of(case.body, size)), 100)
    check_decoding(case, list(pieces_of(case.body, 1)), 1)


@pytest.mark.parametrize(("block", "widths"), OTHER_WIDTHS)
def test_the_other_widths_are_decoded_in_pieces_and_with_little_room(
    block: str, widths: Widths
) -> None:
    case = make_case(block, widths)
    check_decoding(case, [case.body], 100)
    check_decoding(case, list(pieces_of(case.body, 5)), 1)


def make_long_case(block: str, widths: Widths) -> Case:
    """Blocks of 0 to 40 entries, so that delimiters stand at every place of a cache line; an
    index or value whose lower bytes are zero is no delimiter."""
    stream = STREAMS[block]
    low = 1 << 32 if widths["oasis_int"] == "i8" else 1 << 16
    ids = (1.5,) if block == "summary" else ((7,) if block == "cdf" else ())
    pairs = [(0.0, 0.5), (0.5, 0.0)] if block == "cdf" else [(low, 0.0), (5, 1.0), (-3, 0.0)]
    blocks = [
        ((event, item, *ids), [pairs[(item + k) % len(pairs)] for k in range(count)])
        for event, counts in enumerate((range(41), range(40, -1, -1)), 1)
        for item, count in enumerate(counts, 1)
    ]
    data = encode(stream, HEADERS[stream], blocks, widths)
    header = StreamHeader(stream, HEADERS[stream], widths | {"sample_count": "i4"})
    kernels = block_kernels(header)
    return Case(kernels, header, data[header.size :], decode(data, stream, widths))


@pytest.mark.parametrize(
    ("block", "widths"), [(b, w) for b in (*DELIMITED, "cdf") for w in widths_of(b)]
)
def test_blocks_of_any_length_are_decoded(block: str, widths: Widths) -> None:
    case = make_long_case(block, widths)
    check_decoding(case, [case.body], 2000)
    check_decoding(case, [case.body], 17)
    for size in (64, 100, 1000):
        check_decoding(case, list(pieces_of(case.body, size)), 33)


@pytest.mark.parametrize("block", [*DELIMITED, "cdf"])
@pytest.mark.parametrize(("blocks", "entries"), [(1, 100), (100, 1), (2, 3)])
def test_room_may_run_out_for_blocks_or_for_entries(block: str, blocks: int, entries: int) -> None:
    case = make_case(block)
    for size in (1, 7, len(case.body)):
        found = decode_blocks(case, list(pieces_of(case.body, size)), blocks, entries)
        assert found == case.decoded.block_entries()


@pytest.mark.parametrize("block", STREAMS)
def test_outputs_may_be_filled_over_several_calls(block: str) -> None:
    """With b above 0, a block that is open goes on where it stands."""
    case = make_case(block)
    for at in range(len(case.body) + 1):
        state = case.new_state()
        columns = [guarded(dtype, 20) for dtype in case.columns.values()]
        offsets = guarded("i8", 21)
        entry = [guarded(dtype, 20) for dtype in case.entry.values()]
        buffer = np.frombuffer(bytearray(case.body), np.uint8)
        cursor = b = n = 0
        for valid in (at, len(case.body)):
            cursor, b, n, status = case.kernels.decode_blocks(
                buffer, cursor, valid, 0, state, *columns, offsets, *entry, b, n
            )
            assert status == NEED_INPUT
        expected = case.decoded.block_entries()
        counts = [len(entries) for _, entries in expected]
        assert np.diff(offsets[: b + 1]).tolist() == counts
        assert list(zip(*(raw(c[:b]) for c in columns), strict=True)) == [i for i, _ in expected]
        rows = [row for _, entries in expected for row in entries]
        assert list(zip(*(raw(c[:n]) for c in entry), strict=True)) == rows


@pytest.mark.parametrize("block", STREAMS)
def test_rows_before_the_first_free_one_are_kept(block: str) -> None:
    case = make_case(block)
    index = ["i8"] if case.header.block.index else []
    dtypes = [*case.columns.values(), *index, *case.entry.values()]
    outputs = tuple(guarded(dtype, 20) for dtype in dtypes)
    before = [raw(array[:2]) for array in outputs]
    buffer = np.frombuffer(bytearray(case.body), np.uint8)
    _, n, _ = case.kernels.decode_rows(buffer, 0, len(buffer), 0, case.new_state(), *outputs, 2)
    assert [raw(array[:2]) for array in outputs] == before
    rows = list(zip(*(raw(array[2:n]) for array in outputs), strict=True))
    assert rows == case.decoded.raw_records


@pytest.mark.parametrize("block", [*DELIMITED, "cdf"])
def test_the_state_tells_the_open_block(block: str) -> None:
    case = make_case(block)
    dtypes = [*case.columns.values(), guarded("i8", 9).dtype, *case.entry.values()]
    header_size, entry_size = case.records
    for entries in (0, 1):
        state = case.new_state()
        outputs = [guarded(dtype, 20) for dtype in dtypes]
        valid = header_size + entries * entry_size
        case.kernels.decode_blocks(
            np.frombuffer(bytearray(case.body), np.uint8), 0, valid, 1000, state, *outputs, 0, 0
        )
        assert (state["phase"], state["start"], state["entries"]) == (IN_ENTRIES, 1000, entries)
        ids = case.decoded.blocks[0][1:-1]
        assert tuple(raw(np.atleast_1d(state[f"{name}_"]))[0] for name in case.columns) == ids
        if block == "cdf":
            assert state["left"] == 2 - entries


@pytest.mark.parametrize("signed", [np.int8, np.uint8])
def test_a_buffer_may_be_signed_and_begin_at_any_address(signed: type) -> None:
    case = make_case("item")
    for shift in range(9):
        memory = np.frombuffer(bytearray(shift) + bytearray(case.body), signed)
        outputs = [guarded(dtype, 20) for dtype in (*case.columns.values(), *case.entry.values())]
        cursor, n, status = case.kernels.decode_rows(
            memory[shift:], 0, len(case.body), 0, case.new_state(), *outputs, 0
        )
        assert (cursor, status) == (len(case.body), NEED_INPUT)
        rows = list(zip(*(raw(array[:n]) for array in outputs), strict=True))
        assert rows == case.decoded.raw_records


def cdf_body(count: int, widths: Widths) -> bytes:
    """A whole block of one bin, and the header of a block of `count` bins."""
    i, u, f = (
        {"i4": "i", "i8": "q", "u4": "I", "u8": "Q", "f4": "f", "f8": "d"}[widths[name]]
        for name in ("oasis_int", "areaperil_int", "oasis_float")
    )
    return struct.pack(f"<{i}{u}{i}{i}{f}{f}", 1, 1, 1, 1, 0.5, 0.5) + struct.pack(
        f"<{i}{u}{i}{i}", 2, 3, 4, count
    )


@pytest.mark.parametrize("widths", ALL_WIDTHS, ids=lambda widths: "_".join(widths.values()))
@pytest.mark.parametrize("kernel", ["find_blocks", "decode_rows", "decode_blocks"])
def test_a_negative_count_stops_at_its_header(kernel: str, widths: Widths) -> None:
    case = make_case("cdf", widths)
    header_size, entry_size = case.records
    for count in (-1, -(2 ** (8 * int(widths["oasis_int"][1]) - 1))):
        state = case.new_state()
        result = call_on_cdf(case, kernel, cdf_body(count, widths), state)
        assert result == (header_size + entry_size, 1, BAD_COUNT)
        assert state["phase"] == AT_HEADER


@pytest.mark.parametrize("widths", ALL_WIDTHS, ids=lambda widths: "_".join(widths.values()))
@pytest.mark.parametrize("kernel", ["find_blocks", "decode_rows", "decode_blocks"])
def test_the_largest_count_waits_for_its_bins(kernel: str, widths: Widths) -> None:
    case = make_case("cdf", widths)
    largest = 2 ** (8 * int(widths["oasis_int"][1]) - 1) - 1
    state = case.new_state()
    body = cdf_body(largest, widths)
    cursor, rows, status = call_on_cdf(case, kernel, body, state)
    assert (cursor, status) == (len(body), NEED_INPUT)
    assert rows == (2 if kernel == "decode_blocks" else 1)
    assert (state["phase"], state["left"]) == (IN_ENTRIES, largest)


def call_on_cdf(case: Case, kernel: str, body: bytes, state: Any) -> tuple[int, int, int]:
    """(cursor, blocks or rows, status) of one call with enough room."""
    buffer = np.frombuffer(bytearray(body), np.uint8)
    numbers = {
        "find_blocks": [*case.keys, "i8", "i8"],
        "decode_rows": [*case.columns.values(), "i8", *case.entry.values()],
        "decode_blocks": [*case.columns.values(), "i8", *case.entry.values()],
    }[kernel]
    outputs = [guarded(dtype, 20) for dtype in numbers]
    counts = (0, 0) if kernel == "decode_blocks" else (0,)
    cursor, rows, *_, status = getattr(case.kernels, kernel)(
        buffer, 0, len(buffer), 0, state, *outputs, *counts
    )
    return cursor, rows, status


# Encoding


def encode_all(size: int, step: Callable[[Array, int], tuple[int, bool]], start: int = 0) -> bytes:
    """Encode into a guarded buffer of `size` bytes until all is written: `step` takes the
    buffer and a cursor and gives the new cursor and whether it is done."""
    data, done = b"", False
    while not done:
        buffer = guarded("u1", size)
        cursor, done = step(buffer, start)
        assert_guarded([buffer])
        assert (buffer[:start] == 0xAB).all()
        assert (buffer[cursor:] == 0xAB).all()
        assert done or cursor > start, "no progress"
        data += bytes(buffer[start:cursor])
    return data


def as_columns(case: Case) -> tuple[list[Array], Array, list[Array]]:
    """The case's blocks as columns, offsets and entry columns."""
    blocks = case.decoded.block_entries()
    offsets = np.cumsum([0, *(len(entries) for _, entries in blocks)])

    def column(values: Iterable[int], dtype: np.dtype[Any]) -> Array:
        bits = np.dtype(f"u{dtype.itemsize}") if dtype.kind == "f" else dtype
        return np.array(list(values), bits).view(dtype)

    ids = [
        column((row[i] for row, _ in blocks), dtype)
        for i, dtype in enumerate(case.columns.values())
    ]
    rows = [row for _, entries in blocks for row in entries]
    entry = [column((r[i] for r in rows), d) for i, d in enumerate(case.entry.values())]
    return ids, offsets, entry


def encode_blocks(case: Case, size: int, start: int = 0) -> bytes:
    ids, offsets, entry = as_columns(case)
    b, k = 0, -1

    def step(buffer: Array, cursor: int) -> tuple[int, bool]:
        nonlocal b, k
        cursor, b, k = case.kernels.encode_blocks(
            buffer, cursor, case.new_state(), *ids, offsets, *entry, b, k
        )
        return cursor, b == len(ids[0])

    return encode_all(size, step, start)


def encode_rows(case: Case, size: int, start: int = 0) -> bytes:
    """Blocks without rows cannot be written so; the last one stays open."""
    ids, offsets, entry = as_columns(case)
    rows = [np.repeat(column, np.diff(offsets)) for column in ids]
    state = case.new_state()
    n = 0

    def step(buffer: Array, cursor: int) -> tuple[int, bool]:
        nonlocal n
        cursor, n = case.kernels.encode_rows(buffer, cursor, state, *rows, *entry, n)
        return cursor, n == len(entry[0])

    data = encode_all(size, step, start)
    assert state["phase"] == IN_ENTRIES
    return data


def rows_only(case: Case) -> bytes:
    """The body of the blocks that have rows, the last one not closed."""
    stream, widths = case.decoded.stream, case.decoded.widths
    blocks = [(ids, entries) for ids, entries in case.decoded.block_entries() if entries]
    assert stream is not None
    data = encode(stream, case.decoded.header, blocks, widths, final_delimiter=False)
    return data[case.header.size :]


@pytest.mark.parametrize("block", STREAMS)
def test_a_small_stream_is_encoded_into_buffers_of_any_size(block: str) -> None:
    case = make_case(block)
    for size in range(max(case.records), len(case.body) + 2):
        assert encode_blocks(case, size) == case.body


@pytest.mark.parametrize("block", DELIMITED)
def test_rows_of_a_small_stream_are_encoded_into_buffers_of_any_size(block: str) -> None:
    case = make_case(block)
    for size in range(max(case.records), len(case.body) + 2):
        assert encode_rows(case, size) == rows_only(case)


@pytest.mark.parametrize("block", STREAMS)
def test_bytes_before_the_cursor_are_kept(block: str) -> None:
    case = make_case(block)
    for start in (1, 3, 8):
        for size in (max(case.records) + start, len(case.body) + start):
            assert encode_blocks(case, size, start) == case.body
            if block in DELIMITED:
                assert encode_rows(case, size, start) == rows_only(case)


@pytest.mark.parametrize(("block", "widths"), OTHER_WIDTHS)
def test_the_other_widths_are_encoded_into_small_and_large_buffers(
    block: str, widths: Widths
) -> None:
    case = make_case(block, widths)
    for size in (max(case.records), max(case.records) + 1, len(case.body)):
        assert encode_blocks(case, size) == case.body
        if block in DELIMITED:
            assert encode_rows(case, size) == rows_only(case)


@pytest.mark.parametrize("block", DELIMITED)
def test_rows_go_on_with_the_block_that_an_earlier_call_left_open(block: str) -> None:
    case = make_case(block)
    ids, offsets, entry = as_columns(case)
    rows = [np.repeat(column, np.diff(offsets)) for column in ids]
    for split in range(len(entry[0]) + 1):
        state, buffer, cursor = case.new_state(), np.zeros(1000, np.uint8), 0
        for part in (slice(0, split), slice(split, None)):
            columns = [column[part] for column in (*rows, *entry)]
            cursor, n = case.kernels.encode_rows(buffer, cursor, state, *columns, 0)
            assert n == len(columns[0])
        assert bytes(buffer[:cursor]) == rows_only(case)


# Matrices: specials, then losses; row 1 is empty, row 3 has specials alone.
SPECIALS = np.array([[9.0, 0.0], [0.0, 0.0], [7.0, -0.0], [0.5, 2.0]])
LOSSES = np.array([[0.0, 1.5, 0.0, 2.5], [0.0, 0.0, 0.0, -0.0], [0, 0, 0, 0], [1, 2, 3, 4]])


def matrix_blocks(block: str, special_sidx: list[int], specials: Array) -> list[tuple[Any, Any]]:
    blocks = []
    for row, losses in enumerate(LOSSES.tolist()):
        entries = [*zip(special_sidx, specials[row].tolist(), strict=True)]
        entries += [(sidx, loss) for sidx, loss in enumerate(losses, start=1) if loss != 0]
        exposure = (row / 2,) if block == "summary" else ()
        if entries:
            blocks.append(((6, row + 1, *exposure), entries))
    return blocks


def check_dense(case: Case, block: str, sizes: Iterable[int], special_sidx: list[int]) -> None:
    stream, widths = STREAMS[block], case.decoded.widths
    specials = SPECIALS[:, : len(special_sidx)]
    blocks = matrix_blocks(block, special_sidx, specials)
    expected = encode(stream, HEADERS[stream], blocks, widths)[case.header.size :]
    int_type, float_type = case.entry.values()
    ids = [np.arange(1, 5).astype(int_type)]
    if block == "summary":
        ids.append((np.arange(4) / 2).astype(float_type))
    arguments = (
        int_type.type(6), *ids, np.array(special_sidx, int_type),
        np.ascontiguousarray(specials, float_type), LOSSES.astype(float_type),
    )  # fmt: skip
    for size in sizes:
        b, k = 0, -1

        def step(buffer: Array, cursor: int) -> tuple[int, bool]:
            nonlocal b, k
            cursor, b, k = case.kernels.encode_dense(
                buffer, cursor, case.new_state(), *arguments, b, k
            )
            return cursor, b == len(LOSSES)

        assert encode_all(size, step) == expected


@pytest.mark.parametrize("special_sidx", [[], [-1], [-3, -1]])
@pytest.mark.parametrize("block", DELIMITED)
def test_a_small_matrix_is_encoded_into_buffers_of_any_size(
    block: str, special_sidx: list[int]
) -> None:
    case = make_case(block)
    check_dense(case, block, range(max(case.records), 200), special_sidx)


@pytest.mark.parametrize(
    ("block", "widths"), [param for param in OTHER_WIDTHS if param.values[0] in DELIMITED]
)
def test_a_matrix_is_encoded_at_the_other_widths(block: str, widths: Widths) -> None:
    case = make_case(block, widths)
    largest = max(case.records)
    check_dense(case, block, (largest, largest + 5, 1000), [-3, -1])


# Records

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
