"""Compare kernels over bytes in memory with C, the reference's functions and memory itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import lru_cache, partial
from typing import Any

import numpy as np

from benchmarks import peers
from benchmarks.inputs import SHAPES, Inputs, Shape, named
from benchmarks.measure import Case, Later, Race
from evstream import event_stream
from evstream.wire.kernels import block_kernels, new_states

CHUNK_ROWS = 1 << 14  # rows of output that stay in the cache


def cases(inputs: Inputs, c: Any, reference: Any) -> Iterator[Case]:
    """The cases in the order of the table."""
    yield mv_read(inputs, c, reference)
    yield mv_read_window(inputs, c)
    yield mv_write(c, reference)
    yield boundaries(inputs, c)
    yield decode_chunks(inputs, c, reference)
    yield decode_whole(inputs, c)
    yield encode_rows(inputs, c)
    yield encode_dense(inputs, c)
    yield from other_streams()


def mv_read(inputs: Inputs, c: Any, reference: Any) -> Race:
    ours = peers.sum_with(event_stream)
    theirs: Any = peers.sum_with(reference) if reference else None
    data, size = inputs.body, inputs.size
    return Race(
        "mv_read in an njit loop",
        size,
        named(
            evstream=lambda: ours(data, size),
            reference=theirs and (lambda: theirs(data, size)),
            C=c and (lambda: c.sum_losses(peers.pointer(data), size)),
        ),
        {"reference": 30, "C": 0.9},
    )


def mv_read_window(inputs: Inputs, c: Any) -> Race:
    """The same over a window that stays in the cache, like that of a reader."""
    ours = peers.sum_with(event_stream)
    size, repeats = 64 << 10, 2000
    data = inputs.body[:size].copy()

    def repeat(run: Callable[[], object]) -> Callable[[], None]:
        def runs() -> None:
            for _ in range(repeats):
                run()

        return runs

    return Race(
        "mv_read in an njit loop, a window of 64 KiB",
        size * repeats,
        named(
            evstream=repeat(lambda: ours(data, size)),
            C=c and repeat(lambda: c.sum_losses(peers.pointer(data), size)),
        ),
        {"C": 0.9},
    )


def mv_write(c: Any, reference: Any) -> Race:
    blocks, pairs = 20_000, 100
    out = np.zeros(blocks * (pairs + 2) * 8, np.uint8)
    ours = peers.write_with(event_stream)
    theirs: Any = peers.write_with(reference) if reference else None
    return Race(
        "mv_write_* in an njit loop",
        len(out),
        named(
            evstream=lambda: ours(out, blocks, pairs),
            reference=theirs and (lambda: theirs(out, blocks, pairs)),
            C=c and (lambda: c.write_blocks(peers.pointer(out), blocks, pairs)),
        ),
        {"reference": 40, "C": 0.9},
    )


def boundaries(inputs: Inputs, c: Any) -> Race:
    size = inputs.size
    room = size // 16
    event, item = np.empty(room, np.int32), np.empty(room, np.int32)
    start, entries = np.empty(room, np.int64), np.empty(room, np.int64)
    out = [event, item, start, entries]
    words = inputs.body[: size // 8 * 8].view(np.int64)

    def ours() -> None:
        state = inputs.state()
        inputs.kernels.find_blocks(inputs.body, 0, size, 0, state, *out, 0)

    return Race(
        "block boundaries",
        size,
        named(
            evstream=ours,
            np_sum=words.sum,
            C=c
            and (lambda: c.find_blocks(peers.pointer(inputs.body), size, *map(peers.pointer, out))),
        ),
        {"np_sum": 0.5, "C": 0.95},
    )


def decode_chunks(inputs: Inputs, c: Any, reference: Any) -> Race:
    """Decode rows into a small reused output, as for a program that prints or sums them."""
    size, room = inputs.size, CHUNK_ROWS
    out = [np.empty(room, d) for d in (np.int32, np.int32, np.int32, np.float32)]
    cursor, opened = np.zeros(1, np.int64), np.zeros(3, np.int32)

    def ours() -> None:
        state, at, status = inputs.state(), 0, 1
        while status:
            at, _, status = inputs.kernels.decode_rows(inputs.body, at, size, 0, state, *out, 0)

    def in_c() -> None:
        cursor[0], opened[:] = 0, 0
        arguments = [*map(peers.pointer, (cursor, opened, *out)), room]
        while c.decode_rows(peers.pointer(inputs.body), size, *arguments):
            pass

    def theirs() -> None:
        reader = make_reader(inputs.len_sample)
        with ExitStack() as stack:
            streams, _ = reference.init_streams_in(inputs.path, stack)
            for _ in reader.read_streams(streams):
                reader.idx[0] = 0

    make_reader: Any = peers.reference_gul_reader() if reference else None
    return Race(
        "decode to four columns, in chunks",
        size,
        named(evstream=ours, reference=reference and theirs, C=c and in_c),
        {"reference": 2.5, "C": 0.9},
        note="the reference's GulReader reads the file, the others memory",
    )


def decode_whole(inputs: Inputs, c: Any) -> Race:
    size, rows = inputs.size, inputs.rows

    def fresh() -> list[Any]:
        return [np.empty(rows, d) for d in (np.int32, np.int32, np.int32, np.float32)]

    def in_c() -> None:
        arrays = [np.zeros(1, np.int64), np.zeros(3, np.int32), *fresh()]
        c.decode_rows(peers.pointer(inputs.body), size, *map(peers.pointer, arrays), rows)

    def ours() -> None:
        inputs.kernels.decode_rows(inputs.body, 0, size, 0, inputs.state(), *fresh(), 0)

    return Race(
        "decode to four whole columns", size, named(evstream=ours, C=c and in_c), {"C": 0.9}
    )


def encode_rows(inputs: Inputs, c: Any) -> Race:
    columns = list(inputs.columns.values())
    out = np.empty(inputs.size, np.uint8)
    rows = inputs.rows
    return Race(
        "encode from four columns",
        inputs.size,
        named(
            evstream=lambda: inputs.kernels.encode_rows(out, 0, inputs.state(), *columns, 0),
            C=c and (lambda: c.encode_rows(peers.pointer(out), *map(peers.pointer, columns), rows)),
            np_copyto=lambda: np.copyto(out, inputs.body),
        ),
        {"C": 0.95},
    )


def encode_dense(inputs: Inputs, c: Any) -> Race:
    items, samples = inputs.losses.shape
    out = np.empty((samples + 2) * 8 * items, np.uint8)
    nothing = np.empty(0, np.int32), np.empty((items, 0), np.float32)
    repeats = 200
    written = int(inputs.kernels.encode_dense(
        out, 0, inputs.state(), 1, inputs.items, *nothing, inputs.losses, 0, -1)[0])  # fmt: skip

    state = inputs.state()  # which a matrix leaves as it is

    def ours() -> None:
        for _ in range(repeats):
            inputs.kernels.encode_dense(
                out, 0, state, 1, inputs.items, *nothing, inputs.losses, 0, -1
            )

    def in_c() -> None:
        arguments = peers.pointer(inputs.items), peers.pointer(inputs.losses), items, samples
        for _ in range(repeats):
            c.encode_dense(peers.pointer(out), 1, *arguments)

    def copy() -> None:
        for _ in range(repeats):
            np.copyto(out[:written], inputs.body[:written])

    return Race(
        "encode from a matrix, zeros dropped",
        written * repeats,
        named(evstream=ours, C=c and in_c, np_copyto=copy),
        {"C": 0.9},
    )


def other_streams() -> Iterator[Later]:
    """Decode in chunks and encode other shapes, types and widths, compared with a copy."""
    for name in SHAPES:
        yield Later(f"decode in chunks: {name}", partial(decode_shape, name))
        if name != "cdf":  # a block of cdf begins with its count, so its rows are grouped first
            yield Later(f"encode: {name}", partial(encode_shape, name))


@lru_cache(1)
def shape(name: str) -> Shape:
    return SHAPES[name]()


def decode_shape(name: str) -> Race:
    header, columns, data = shape(name)
    kernels = block_kernels(header)
    out = [np.empty(CHUNK_ROWS, column.dtype) for column in columns]
    target = np.empty_like(data)

    def decode() -> None:
        state, at, status = new_states(header), 0, 1
        while status:
            at, _, status = kernels.decode_rows(data, at, len(data), 0, state, *out, 0)

    contestants = {"evstream": decode, "np_copyto": lambda: np.copyto(target, data)}
    return Race(f"decode in chunks: {name}", len(data), contestants)


def encode_shape(name: str) -> Race:
    header, columns, data = shape(name)
    kernels, rows, size = block_kernels(header), len(columns[0]), len(data)
    target = np.empty(size + (64 << 10), np.uint8)

    def encode() -> None:
        _, n = kernels.encode_rows(target, 0, new_states(header), *columns, 0)
        assert n == rows

    contestants = {"evstream": encode, "np_copyto": lambda: np.copyto(target[:size], data)}
    return Race(f"encode: {name}", size, contestants)
