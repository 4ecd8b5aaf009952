"""Compare readers of files and pipes with those of the reference and with a bare read."""

from __future__ import annotations

import io
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numba
import numpy as np

import evstream
from benchmarks import peers
from benchmarks.inputs import HEADER, Inputs, named
from benchmarks.measure import Case, Race
from evstream import event_stream
from evstream.transport.source import LARGE_CHUNK
from evstream.wire.entry_limits import entry_limits
from evstream.wire.header_bytes import read_header
from evstream.wire.kernels import read_only


def cases(inputs: Inputs, folder: Path, reference: Any) -> Iterator[Case]:
    """The cases in the order of the table."""
    yield reader_over_file(inputs, reference)
    yield reader_over_pipe(inputs, reference)
    yield import_changed(inputs, reference)
    yield callbacks_over_file(inputs, reference)
    yield callbacks_over_pipe(inputs)
    yield tiny_events(folder, reference)
    yield tiny_events_in_chunks(folder, reference)
    yield from whole_tables(inputs)
    yield two_threads(inputs, folder)
    yield two_threads_of_numpy(inputs)


def read_all(module: Any, reader_class: Any, streams: list[Any]) -> None:
    module.get_and_check_header_in(streams)
    for _ in reader_class().read_streams(streams):
        pass


def bare_loop(inputs: Inputs, reader: Any, stream: Any) -> None:
    """The limit of an EventReader that keeps its guarantees: one call that reads, one that finds
    the blocks, and the subclass's read_buffer, with nothing around them."""
    view = memoryview(bytearray(1 << 19))
    data, signed = np.frombuffer(view, np.uint8), np.frombuffer(view, np.int8)
    columns = [np.empty(len(view) // 16 + 4, dtype) for dtype in ("i4", "i4", "i8", "i8")]
    states, find = inputs.state(), inputs.kernels.find_blocks
    states[0]["limit"], states[0]["rare"] = inputs.len_sample, 1 << 24
    stream.read(HEADER)
    left = carried = event_id = item_id = 0
    while size := stream.readinto(view[left:]):
        valid = left + size
        carried = valid - find(data, left - carried, valid, 0, states, *columns, 0)[0]
        cursor = 0
        while cursor < valid:
            end = min(cursor + event_stream.PIPE_CAPACITY, valid)
            taken, event_id, item_id, is_whole = reader.read_buffer(
                signed[cursor:end], 0, end - cursor, event_id, item_id
            )
            cursor += taken
            if is_whole:
                event_id = item_id = 0
            elif end == valid:
                break
        left = valid - cursor
        view[:left] = view[cursor:valid]


def reader_over_file(inputs: Inputs, reference: Any) -> Race:
    def run(module: Any) -> Callable[[], None]:
        reader = peers.template_reader(module, event_stream)

        def read() -> None:
            with open(inputs.path, "rb") as stream:
                read_all(module, reader, [stream])

        return read

    kernel = peers.template_reader(event_stream, event_stream)()

    def bare() -> None:
        with open(inputs.path, "rb", buffering=0) as stream:
            bare_loop(inputs, kernel, stream)

    return Race(
        "EventReader subclass over a file",
        inputs.size,
        named(evstream=run(event_stream), reference=reference and run(reference), bare_loop=bare),
        {"reference": 1.05},
        note="the same njit read_buffer under all",
    )


def import_changed(inputs: Inputs, reference: Any) -> Race:
    """A program before and after it changes its import: each with the mv_read of its module."""

    def run(module: Any) -> Callable[[], None]:
        reader = peers.template_reader(module)
        return lambda: through_pipe(inputs, lambda s: read_all(module, reader, [s]))

    return Race(
        "EventReader subclass over a pipe, its import changed",
        inputs.size,
        named(evstream=run(event_stream), reference=reference and run(reference)),
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


def reader_over_pipe(inputs: Inputs, reference: Any) -> Race:
    def run(module: Any) -> Callable[[], None]:
        reader = peers.template_reader(module, event_stream)
        return lambda: through_pipe(inputs, lambda s: read_all(module, reader, [s]))

    kernel = peers.template_reader(event_stream, event_stream)()

    def bare(stream: Any) -> None:
        bare_loop(inputs, kernel, stream.raw)

    return Race(
        "EventReader subclass over a pipe",
        inputs.size,
        named(
            evstream=run(event_stream),
            reference=reference and run(reference),
            bare_loop=lambda: through_pipe(inputs, bare),
        ),
        {"reference": 1.05},
    )


@numba.njit
def add_loss(total, sidx, loss):  # type: ignore[no-untyped-def]
    total[0] += loss


SumReader = evstream.reader_class("loss", on_entry=add_loss)


def bare_callbacks(inputs: Inputs, stream: Any) -> None:
    """The limit of a callback reader that keeps its guarantees: one call that reads, one that
    finds the blocks, and the compiled loop around the callbacks, with nothing around them."""
    head = stream.read(HEADER)
    header = read_header(io.BytesIO(head).read, "benchmark", None, None)
    reader, walk, limits = SumReader(np.zeros(1)), inputs.state(), entry_limits(header)
    view = memoryview(bytearray(reader.buffer_size))
    data, signed = read_only(np.frombuffer(view, np.uint8)), np.frombuffer(view, np.int8)
    columns = [np.empty(len(view) // 16 + 4, dtype) for dtype in ("i4", "i4", "i8", "i8")]
    states, find = inputs.state(), inputs.kernels.find_blocks
    states[0]["limit"], states[0]["rare"] = inputs.len_sample, 1 << 24
    left = carried = 0
    while size := stream.readinto(view[left:]):
        valid = left + size
        carried = valid - find(data, left - carried, valid, 0, states, *columns, 0)[0]
        cursor, status = 0, 1
        while status:
            cursor, _, status = reader._read_buffer(
                signed, cursor, valid, walk, reader.state, limits
            )
        left = valid - cursor
        view[:left] = view[cursor:valid]


def callbacks_over_file(inputs: Inputs, reference: Any) -> Race:
    make_reader: Any = peers.reference_gul_reader() if reference else None

    def theirs() -> None:
        reader = make_reader(inputs.len_sample)
        with ExitStack() as stack:
            streams, _ = reference.init_streams_in(inputs.path, stack)
            for _ in reader.read_streams(streams):
                reader.data["loss"][: reader.idx[0]].sum()
                reader.idx[0] = 0

    def bare() -> None:
        with open(inputs.path, "rb", buffering=0) as stream:
            bare_callbacks(inputs, stream)

    return Race(
        "callback reader summing losses over a file",
        inputs.size,
        named(
            evstream=lambda: list(SumReader(np.zeros(1)).read(inputs.path)),
            reference=reference and theirs,
            bare_loop=bare,
        ),
        {"reference": 2},
    )


def callbacks_over_pipe(inputs: Inputs) -> Race:
    def bare(stream: Any) -> None:
        view = memoryview(bytearray(1 << 20))
        while stream.raw.readinto(view):
            pass

    def ours(stream: Any) -> None:
        for _ in SumReader(np.zeros(1)).read(stream.raw):
            pass

    def bare_loop(stream: Any) -> None:
        bare_callbacks(inputs, stream.raw)

    return Race(
        "callback reader summing losses over a pipe",
        inputs.size,
        named(
            evstream=lambda: through_pipe(inputs, ours, wide=True),
            bare_reader=lambda: through_pipe(inputs, bare, wide=True),
            bare_loop=lambda: through_pipe(inputs, bare_loop, wide=True),
        ),
        {"bare_reader": 0.85},
    )


def tiny_stream(folder: Path) -> tuple[str, int]:
    """Path and size of a stream of 100,000 events of two records."""
    path = str(folder / "tiny.bin")
    events = np.repeat(np.arange(1, 100_001, dtype=np.int32), 2)
    sidx = np.tile(np.array([-1, 1], np.int32), 100_000)
    with evstream.create(path, "loss", len_sample=1) as out:
        out.write_columns(events, 1, sidx, 5.0)
    return path, Path(path).stat().st_size


def tiny_by_reference(path: str, reference: Any) -> Callable[[], None] | None:
    if reference is None:
        return None
    template = peers.template_reader(reference)

    def read() -> None:
        with open(path, "rb") as stream:
            read_all(reference, template, [stream])

    return read


def tiny_events(folder: Path, reference: Any) -> Race:
    path, size = tiny_stream(folder)

    def ours() -> None:
        for _ in evstream.open(path):
            pass

    return Race(
        "100,000 tiny events, one by one",
        size,
        named(evstream=ours, reference=tiny_by_reference(path, reference)),
        {"reference": 5},
    )


def tiny_events_in_chunks(folder: Path, reference: Any) -> Race:
    path, size = tiny_stream(folder)

    def ours() -> None:
        for _ in chunks_of(path):
            pass

    return Race(
        "100,000 tiny events, in chunks",
        size,
        named(evstream=ours, reference=tiny_by_reference(path, reference)),
        {"reference": 50},
    )


def chunks_of(path: str) -> Iterator[Any]:
    with evstream.open(path) as stream:
        yield from stream.chunks()


def whole_tables(inputs: Inputs) -> Iterator[Race]:
    """Read a file into memory as each kind of table, against the kernel on bytes in memory, which
    writes 490 MB of columns for 250 MB (a matrix has 130 MB); and against the limits, with nothing
    around them: a read and the kernel (`bare_loop`), and decoding in chunks (`chunks`)."""
    rows, body = inputs.rows, inputs.body

    def fresh() -> list[Any]:
        return [np.empty(rows + 1, d) for d in (np.int32, np.int32, np.int32, np.float32)]

    def kernel() -> None:
        inputs.kernels.decode_rows(body, 0, len(body), 0, inputs.state(), *fresh(), 0)

    def bare() -> None:
        out, states, buffer = fresh(), inputs.state(), np.empty(LARGE_CHUNK, np.uint8)
        used = left = 0
        with open(inputs.path, "rb", buffering=0) as stream:
            stream.read(HEADER)
            while size := stream.readinto(buffer.data[left:]):
                valid = left + size
                cursor, used, _ = inputs.kernels.decode_rows(
                    buffer, 0, valid, 0, states, *out, used
                )
                left = valid - cursor
                buffer[:left] = buffer[cursor:valid]

    def chunks() -> None:
        for _ in chunks_of(inputs.path):
            pass

    for read in (evstream.read_columns, evstream.read_polars, evstream.read_dense):
        contestants = {"evstream": partial(read, inputs.path), "kernel": kernel}
        if read is evstream.read_dense:
            contestants["chunks"] = chunks
        else:
            contestants["bare_loop"] = bare
        yield Race(f"{read.__name__} of a file", inputs.size, contestants, {"kernel": 0.8})


def one_and_two(work: Callable[[Any], object], items: list[Any]) -> dict[str, Callable[[], object]]:
    """Time two items in a thread each, and one after the other."""

    def one() -> None:
        for item in items:
            work(item)

    def two() -> None:
        threads = [threading.Thread(target=work, args=(item,)) for item in items]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return {"two_threads": two, "one_thread": one}


def two_threads(inputs: Inputs, folder: Path) -> Race:
    paths = [inputs.path, str(folder / "copy.bin")]
    shutil.copyfile(*paths)
    contestants = one_and_two(
        lambda path: sum(len(c.columns.offsets) for c in chunks_of(path)), paths
    )
    name = "two threads on two files, decoded in chunks"
    return Race(name, 2 * inputs.size, contestants, {"one_thread": 1.7})


def two_threads_of_numpy(inputs: Inputs) -> Race:
    """The best gain of two threads on this machine."""
    half = inputs.size // 16 * 8
    words = [inputs.body[at : at + half].view(np.int64) for at in (0, half)]
    return Race(
        "two threads: np.sum of two halves, for comparison",
        2 * half,
        one_and_two(lambda data: data.sum(), words),
    )
