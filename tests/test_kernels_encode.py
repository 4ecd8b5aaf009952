"""Encoding resumes with any room, always with the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest

from evstream._support.protocol import IN_ENTRIES
from kernel_cases import (
    DELIMITED,
    HEADERS,
    OTHER_WIDTHS,
    STREAMS,
    Array,
    Case,
    assert_guarded,
    guarded,
    make_case,
)
from oracle import Widths, encode


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
def test_rows_of_a_small_stream_fill_buffers_of_any_size(block: str) -> None:
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
def test_the_other_widths_are_encoded_into_any_buffers(block: str, widths: Widths) -> None:
    case = make_case(block, widths)
    for size in (max(case.records), max(case.records) + 1, len(case.body)):
        assert encode_blocks(case, size) == case.body
        if block in DELIMITED:
            assert encode_rows(case, size) == rows_only(case)


@pytest.mark.parametrize("block", DELIMITED)
def test_rows_continue_the_block_of_an_earlier_call(block: str) -> None:
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
