"""The cases: what a program does with streams, beside what it could use instead."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numba
import numpy as np

import evstream
from benchmarks import peers
from benchmarks.measure import Result, race
from evstream import event_stream
from evstream.header import StreamHeader
from evstream.kernels import block_kernels

HEADER = 8  # bytes of a loss stream before its first block
CHUNK_ROWS = 1 << 14  # rows of output that stay in the cache


class Inputs:
    """A loss stream in memory and on disk, and its columns."""

    def __init__(self, folder: Path, megabytes: int) -> None:
        self.path = str(folder / "loss.bin")
        self.len_sample, items = 100, 1000
        rng = np.random.default_rng(1)
        losses = rng.random((items, self.len_sample), np.float32) * 1000
        losses[losses < 100] = 0
        self.losses, self.items = losses, np.arange(1, items + 1, dtype=np.int32)
        with evstream.create(self.path, "loss", len_sample=self.len_sample) as out:
            event = 0
            while out.offset < megabytes * 1_000_000:
                event += 1
                out.write_event(event, self.items, losses, mean=losses.mean(axis=1), tiv=1e6)
        self.data = np.fromfile(self.path, np.uint8)
        self.body = self.data[HEADER:].copy()
        self.columns = evstream.read_columns(self.path)
        self.rows = len(self.columns["loss"])
        self.kernels = block_kernels(StreamHeader("loss").block, StreamHeader("loss").widths)

    @property
    def size(self) -> int:
        return len(self.body)

    def state(self) -> Any:
        return np.zeros(1, self.kernels.STATE)[0]


def all_cases(inputs: Inputs, folder: Path) -> Iterator[Result]:
    """Every case, in the order of the table."""
    c, reference = peers.compile_c(), peers.reference()
    yield mv_read(inputs, c, reference)
    yield mv_write(c, reference)
    yield boundaries(inputs, c)
    yield decode_chunks(inputs, c, reference)
    yield decode_whole(inputs, c)
    yield encode_rows(inputs, c)
    yield encode_dense(inputs, c)
    yield reader_over_file(inputs, reference)
    yield reader_over_pipe(inputs, reference)
    yield callbacks_over_file(inputs, reference)
    yield callbacks_over_pipe(inputs)
    yield tiny_events(folder, reference)
    yield two_threads(inputs)


def named(**contestants: Callable[[], object] | None) -> dict[str, Callable[[], object]]:
    """The contestants that are there."""
    return {name: run for name, run in contestants.items() if run is not None}


def mv_read(inputs: Inputs, c: Any, reference: Any) -> Result:
    ours = peers.sum_with(event_stream)
    theirs: Any = peers.sum_with(reference) if reference else None
    data, size = inputs.body, inputs.size
    return race(
        "mv_read in an njit loop",
        size,
        named(
            evstream=lambda: ours(data, size),
            reference=theirs and (lambda: theirs(data, size)),
            C=c and (lambda: c.sum_losses(peers.pointer(data), size)),
        ),
        {"reference": 30, "C": 0.9},
    )


def mv_write(c: Any, reference: Any) -> Result:
    blocks, pairs = 20_000, 100
    out = np.zeros(blocks * (pairs + 2) * 8, np.uint8)
    ours = peers.write_with(event_stream)
    theirs: Any = peers.write_with(reference) if reference else None
    return race(
        "mv_write_* in an njit loop",
        len(out),
        named(
            evstream=lambda: ours(out, blocks, pairs),
            reference=theirs and (lambda: theirs(out, blocks, pairs)),
            C=c and (lambda: c.write_blocks(peers.pointer(out), blocks, pairs)),
        ),
        {"reference": 40, "C": 0.9},
    )


def boundaries(inputs: Inputs, c: Any) -> Result:
    size = inputs.size
    room = size // 16
    event, item = np.empty(room, np.int32), np.empty(room, np.int32)
    start, entries = np.empty(room, np.int64), np.empty(room, np.int64)
    out = [event, item, start, entries]
    words = inputs.body[: size // 8 * 8].view(np.int64)

    def ours() -> None:
        state = inputs.state()
        inputs.kernels.find_blocks(inputs.body, 0, size, 0, state, *out, 0)

    return race(
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


def decode_chunks(inputs: Inputs, c: Any, reference: Any) -> Result:
    """Rows into a small reused output, as a program that prints or sums them wants them."""
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
    return race(
        "decode to four columns, in chunks",
        size,
        named(evstream=ours, reference=reference and theirs, C=c and in_c),
        {"reference": 2.5, "C": 0.9},
        note="the reference's GulReader reads the file, the others memory",
    )


def decode_whole(inputs: Inputs, c: Any) -> Result:
    size, rows = inputs.size, inputs.rows

    def fresh() -> list[Any]:
        return [np.empty(rows, d) for d in (np.int32, np.int32, np.int32, np.float32)]

    def in_c() -> None:
        arrays = [np.zeros(1, np.int64), np.zeros(3, np.int32), *fresh()]
        c.decode_rows(peers.pointer(inputs.body), size, *map(peers.pointer, arrays), rows)

    def ours() -> None:
        inputs.kernels.decode_rows(inputs.body, 0, size, 0, inputs.state(), *fresh(), 0)

    return race(
        "decode to four whole columns", size, named(evstream=ours, C=c and in_c), {"C": 0.9}
    )


def encode_rows(inputs: Inputs, c: Any) -> Result:
    columns = list(inputs.columns.values())
    out = np.empty(inputs.size, np.uint8)
    rows = inputs.rows
    return race(
        "encode from four columns",
        inputs.size,
        named(
            evstream=lambda: inputs.kernels.encode_rows(out, 0, inputs.state(), *columns, 0),
            C=c and (lambda: c.encode_rows(peers.pointer(out), *map(peers.pointer, columns), rows)),
            np_copyto=lambda: np.copyto(out, inputs.body),
        ),
        {"C": 0.9},
    )


def encode_dense(inputs: Inputs, c: Any) -> Result:
    items, samples = inputs.losses.shape
    out = np.empty((samples + 2) * 8 * items, np.uint8)
    nothing = np.empty(0, np.int32), np.empty((items, 0), np.float32)
    repeats = 200
    written = int(inputs.kernels.encode_dense(
        out, 0, 1, inputs.items, *nothing, inputs.losses, 0, -1)[0])  # fmt: skip

    def ours() -> None:
        for _ in range(repeats):
            inputs.kernels.encode_dense(out, 0, 1, inputs.items, *nothing, inputs.losses, 0, -1)

    def in_c() -> None:
        arguments = peers.pointer(inputs.items), peers.pointer(inputs.losses), items, samples
        for _ in range(repeats):
            c.encode_dense(peers.pointer(out), 1, *arguments)

    def copy() -> None:
        for _ in range(repeats):
            np.copyto(out[:written], inputs.body[:written])

    return race(
        "encode from a matrix, zeros dropped",
        written * repeats,
        named(evstream=ours, C=c and in_c, np_copyto=copy),
        {"C": 0.9},
    )


def read_all(module: Any, reader_class: Any, streams: list[Any]) -> None:
    module.get_and_check_header_in(streams)
    for _ in reader_class().read_streams(streams):
        pass


def reader_over_file(inputs: Inputs, reference: Any) -> Result:
    def run(module: Any) -> Callable[[], None]:
        reader = peers.template_reader(module)

        def read() -> None:
            with open(inputs.path, "rb") as stream:
                read_all(module, reader, [stream])

        return read

    return race(
        "EventReader subclass over a file",
        inputs.size,
        named(evstream=run(event_stream), reference=reference and run(reference)),
        {"reference": 1.1},
        note="each with the mv_read of its own module",
    )


def through_pipe(inputs: Inputs, read: Callable[[Any], None], wide: bool = False) -> None:
    """Feed the stream into a pipe from another process (`cat`), and read it."""
    read_end, write_end = os.pipe()
    if wide:
        import fcntl

        fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, 1 << 20)
    child = os.posix_spawnp(
        "cat", ["cat", inputs.path], os.environ,
        file_actions=[(os.POSIX_SPAWN_DUP2, write_end, 1), (os.POSIX_SPAWN_CLOSE, read_end)],
    )  # fmt: skip
    os.close(write_end)
    with open(read_end, "rb") as stream:
        read(stream)
    os.waitpid(child, 0)


def reader_over_pipe(inputs: Inputs, reference: Any) -> Result:
    def run(module: Any) -> Callable[[], None]:
        reader = peers.template_reader(module)
        return lambda: through_pipe(inputs, lambda s: read_all(module, reader, [s]))

    return race(
        "EventReader subclass over a pipe",
        inputs.size,
        named(evstream=run(event_stream), reference=reference and run(reference)),
        {"reference": 2},
    )


@numba.njit
def add_loss(total, sidx, loss):  # type: ignore[no-untyped-def]
    total[0] += loss


SumReader = evstream.reader_class("loss", on_entry=add_loss)


def callbacks_over_file(inputs: Inputs, reference: Any) -> Result:
    make_reader: Any = peers.reference_gul_reader() if reference else None

    def theirs() -> None:
        reader = make_reader(inputs.len_sample)
        with ExitStack() as stack:
            streams, _ = reference.init_streams_in(inputs.path, stack)
            for _ in reader.read_streams(streams):
                reader.data["loss"][: reader.idx[0]].sum()
                reader.idx[0] = 0

    return race(
        "callback reader summing losses over a file",
        inputs.size,
        named(
            evstream=lambda: list(SumReader(np.zeros(1)).read(inputs.path)),
            reference=reference and theirs,
        ),
        {"reference": 2.5},
    )


def callbacks_over_pipe(inputs: Inputs) -> Result:
    def bare(stream: Any) -> None:
        view = memoryview(bytearray(1 << 20))
        while stream.raw.readinto(view):
            pass

    def ours(stream: Any) -> None:
        for _ in SumReader(np.zeros(1)).read(stream.raw):
            pass

    return race(
        "callback reader summing losses over a pipe",
        inputs.size,
        named(
            evstream=lambda: through_pipe(inputs, ours, wide=True),
            bare_reader=lambda: through_pipe(inputs, bare, wide=True),
        ),
        {"bare_reader": 0.9},
    )


def tiny_events(folder: Path, reference: Any) -> Result:
    path = str(folder / "tiny.bin")
    events = np.repeat(np.arange(1, 100_001, dtype=np.int32), 2)
    sidx = np.tile(np.array([-1, 1], np.int32), 100_000)
    with evstream.create(path, "loss", len_sample=1) as out:
        out.write_columns(events, 1, sidx, 5.0)
    data = Path(path).read_bytes()
    template: Any = peers.template_reader(reference) if reference else None

    def ours() -> None:
        for _ in evstream.open(path):
            pass

    def chunks() -> None:
        with evstream.open(path) as stream:
            for _ in stream.chunks():
                pass

    def theirs() -> None:
        with open(path, "rb") as stream:
            read_all(reference, template, [stream])

    return race(
        "100,000 tiny events, one by one",
        len(data),
        named(evstream=ours, reference=reference and theirs, evstream_chunks=chunks),
        {"reference": 5},
    )


def two_threads(inputs: Inputs) -> Result:
    half = inputs.size // 2

    def count(data: Any) -> None:
        size = len(data)
        room = size // 16
        out = [np.empty(room, d) for d in (np.int32, np.int32, np.int64, np.int64)]
        inputs.kernels.find_blocks(data, 0, size, 0, inputs.state(), *out, 0)

    halves = [inputs.body[:half], inputs.body[half:]]

    def one() -> None:
        for data in halves:
            count(data)

    def two() -> None:
        threads = [threading.Thread(target=count, args=(data,)) for data in halves]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return race(
        "two threads on two streams", inputs.size, named(evstream=two, one_thread=one),
        {"one_thread": 1.7},
    )  # fmt: skip
