"""Decoding resumes at every byte and with any room, always with the same answer.

A kernel is called as the runtime calls it: what it leaves unread comes again in front of
the next piece, and a full output is emptied before the next call. Every array that it gets
is a view with a guard after it, so that a write past the end is seen.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import pytest

from evstream._support.protocol import AT_HEADER, BAD_COUNT, IN_ENTRIES, NEED_INPUT, OUTPUT_FULL
from evstream.wire.header import StreamHeader
from evstream.wire.kernels import block_kernels
from kernel_cases import (
    ALL_WIDTHS,
    DELIMITED,
    HEADERS,
    OTHER_WIDTHS,
    STREAMS,
    Array,
    Case,
    as_input,
    assert_guarded,
    guarded,
    make_case,
    widths_of,
)
from oracle import Row, Widths, decode, encode
from support import BlockRow, raw

Outputs = tuple[Array, ...]


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
        # What lies after the valid bytes looks like delimiters and must not be read.
        buffer = as_input(data + bytes(64), kernel)
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
def test_the_other_widths_are_decoded_in_pieces(block: str, widths: Widths) -> None:
    case = make_case(block, widths)
    check_decoding(case, [case.body], 100)
    check_decoding(case, list(pieces_of(case.body, 5)), 1)


def make_long_case(block: str, widths: Widths) -> Case:
    """Blocks of 0 to 40 entries, so that delimiters stand at every place of a cache line; an
    index or value whose lower bytes are zero is not a delimiter."""
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
def test_the_state_holds_the_open_block(block: str) -> None:
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
    function = getattr(case.kernels, kernel)
    buffer = as_input(body, function)
    numbers = {
        "find_blocks": [*case.keys, "i8", "i8"],
        "decode_rows": [*case.columns.values(), "i8", *case.entry.values()],
        "decode_blocks": [*case.columns.values(), "i8", *case.entry.values()],
    }[kernel]
    outputs = [guarded(dtype, 20) for dtype in numbers]
    counts = (0, 0) if kernel == "decode_blocks" else (0,)
    cursor, rows, *_, status = function(buffer, 0, len(buffer), 0, state, *outputs, *counts)
    return cursor, rows, status


LENGTHS = [*range(20), 31, 32, 33, 40, 41, 64, 100, *[3] * 12, 4, *[10] * 12, 11]
"""Entries of blocks: fewer and more than a kernel takes at once; often as many as before."""


def case_of_lengths(block: str, widths: Widths) -> Case:
    stream = STREAMS[block]
    blocks: list[tuple[Any, Any]] = []
    for number, length in enumerate(LENGTHS, start=1):
        if block == "cdf":
            blocks.append(((number, 1, 2), [(k / 128, k + 0.5) for k in range(length)]))
            continue
        more = (number + 0.25,) if block == "summary" else ()
        sidx = [-1, *range(1, length)][:length]
        blocks.append(((number, 7, *more), [(s, s + 0.5) for s in sidx]))
    data = encode(stream, HEADERS[stream], blocks, widths)
    header = StreamHeader(stream, HEADERS[stream], widths | {"sample_count": "i4"})
    return Case(block_kernels(header), header, data[header.size :], decode(data, stream, widths))


@pytest.mark.parametrize("block", ["item", "summary", "cdf"])
@pytest.mark.parametrize("widths", [ALL_WIDTHS[0], ALL_WIDTHS[4]], ids=["i4_f4", "i8_f4"])
def test_blocks_of_equal_lengths_are_decoded(block: str, widths: Widths) -> None:
    case = case_of_lengths(block, widths)
    check_decoding(case, [case.body], 2000)
    check_decoding(case, list(pieces_of(case.body, 501)), 50)


@pytest.mark.parametrize("kernel", ["find_blocks", "decode_rows", "decode_blocks"])
@pytest.mark.parametrize("length", [1, 9, 45])
def test_the_first_sidx_above_the_limit_is_found(kernel: str, length: int) -> None:
    header = {"len_sample": 9}
    for place in range(length):
        entries = [(3, 1.0)] * place + [(6, 1.0), (7, 1.0)] + [(-2, 1.0)] * (length - place)
        blocks: list[tuple[Any, Any]] = [((900, 800), [(5, 1.0)]), ((901, 801), entries)] * 2
        data = encode("loss", header, blocks, {})
        case = make_case("item")
        state = case.new_state()
        state["limit"] = 5
        rooms = {
            "find_blocks": [*case.keys, "i8", "i8"],
            "decode_rows": [*case.columns.values(), *case.entry.values()],
            "decode_blocks": [*case.columns.values(), "i8", *case.entry.values()],
        }
        outputs = [np.empty(1000, dtype) for dtype in rooms[kernel]]
        function = getattr(case.kernels, kernel)
        body = as_input(data[8:], function)
        function(body, 0, len(body), 8, state, *outputs, *[0] * kernel_counts(function))
        assert state["beyond"] == 8 + (8 + 2 * 8) + 8 + place * 8
