"""Streams that send nothing are named after the timeout, and hold up no others."""

from __future__ import annotations

import io
import os
import random
import resource
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evstream
import oracle
from evstream import event_stream as es
from fault_cases import (
    ROWS,
    SECONDS,
    STREAM,
    WANTED,
    Rows,
    SumReader,
    bytes_in,
    child,
    exit_status,
    pipe,
    resident,
    wait_for,
    write_in_pieces,
)
from row_reader import RowReader
from support import ROOT, child_environment, in_time

pytestmark = pytest.mark.usefixtures("kernels_are_loaded")


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 4400:
        pytest.skip(f"only {hard} descriptors are allowed here, 4400 are needed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4400), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_two_thousand_streams_at_once(many_descriptors: None) -> None:
    number = 2000
    pipes = [os.pipe() for _ in range(number)]
    assert max(max(ends) for ends in pipes) > 4000

    def stream_of(k: int) -> bytes:
        blocks = [((event, k + 1), [(1, k + event / 4)]) for event in (1, 2)]
        return oracle.encode("loss", {"len_sample": 1}, blocks)

    def work() -> None:
        for reader, _ in pipes:
            os.close(reader)
        for k, (_, writer) in enumerate(pipes):  # at first the header and a part of a block
            os.write(writer, stream_of(k)[:21])
        for k in reversed(range(number)):
            os.write(pipes[k][1], stream_of(k)[21:])
            os.close(pipes[k][1])

    reader = RowReader()
    reader.buffer_size = 4096
    with ExitStack() as stack, child(work) as pid:
        for _, writer in pipes:
            os.close(writer)
        streams = [stack.enter_context(open(r, "rb")) for r, _ in pipes]
        es.get_and_check_header_in(streams)
        event_ids, rows = reader.collect(streams)
        assert exit_status(pid) == 0
    assert Counter(event_ids) == {1: number, 2: number}
    assert sorted(rows) == sorted(
        (float(event), k + 1.0, 1.0, k + event / 4) for k in range(number) for event in (1, 2)
    )


def new_fifos(folder: Path, *names: str) -> list[str]:
    paths = [str(folder / name) for name in names]
    for path in paths:
        os.mkfifo(path)
    return paths


def test_a_fifo_without_a_writer_is_named_after_the_timeout(tmp_path: Path) -> None:
    [path] = new_fifos(tmp_path, "never")
    start = time.monotonic()
    with pytest.raises(evstream.StallError) as caught:
        evstream.open(path, timeout=0.2)
    assert time.monotonic() - start > 0.15
    assert str(caught.value) == f"{path}: byte 0: no data received for 0.2 s"
    assert (caught.value.source, caught.value.offset) == (path, 0)
    assert isinstance(caught.value, TimeoutError)


def test_a_fifo_whose_writer_comes_late_is_read_whole(tmp_path: Path) -> None:
    [path] = new_fifos(tmp_path, "late")

    def work() -> None:
        time.sleep(0.2)
        with open(path, "wb", 0) as out:
            time.sleep(0.2)
            write_in_pieces(out.fileno(), STREAM, random.Random(1))

    with child(work) as pid, evstream.open(path, timeout=SECONDS) as stream:
        assert [event.event_id for event in stream] == list(range(1, 61))
        assert exit_status(pid) == 0


@pytest.mark.parametrize("size", [0, 3, 8, 50, 1000])
@pytest.mark.parametrize("kind", ["descriptor", "buffered", "socket"])
def test_a_stalled_stream_gives_its_complete_events_first(kind: str, size: int) -> None:
    ours, theirs = socket.socketpair()
    with ExitStack() as stack:
        stack.enter_context(ours)
        stack.enter_context(theirs)
        theirs.sendall(STREAM[:size])
        source: Any = ours.fileno() if kind == "descriptor" else ours
        if kind == "buffered":
            source = stack.enter_context(ours.makefile("rb"))
        rows: Rows = []

        def read() -> None:
            with evstream.open(source, timeout=0.1) as stream:
                for event in stream:
                    rows.extend(
                        zip(*(map(float, c) for c in event.to_rows().values()), strict=True)
                    )

        with pytest.raises(evstream.StallError, match=rf"byte {size}: no data received for 0\.1 s"):
            read()
    begun = [block[1] for block in WANTED.blocks if block[0] + 8 <= size]  # with its ids
    assert rows == [row for row in ROWS if begun and row[0] < begun[-1]]
    assert bool(rows) == (size == 1000)


def test_bytes_that_lie_in_a_buffered_object_do_not_stall() -> None:
    with pipe() as (reader, writer):
        os.write(writer, b"before" + STREAM)
        with open(reader, "rb", closefd=False) as file:
            assert file.read(6) == b"before"  # and all the rest is in its buffer now
            stream = evstream.open(file, timeout=0.3)
            events = iter(stream)
            assert [next(events).event_id for _ in range(59)] == list(range(1, 60))
            with pytest.raises(evstream.StallError):
                next(events)
            assert os.get_blocking(reader)


def test_a_callback_reader_takes_the_bytes_of_a_buffered_object() -> None:
    class Patient(SumReader):  # type: ignore[misc]
        timeout = 0.3

    with pipe() as (reader, writer):
        os.write(writer, b"before" + STREAM)
        with open(reader, "rb", closefd=False) as file:
            assert file.read(6) == b"before"
            event_ids: list[int] = []
            with pytest.raises(evstream.StallError):
                event_ids.extend(Patient(np.zeros(2)).read(file))
    assert event_ids == list(range(1, 60))


def test_a_reader_names_every_stream_that_gives_nothing(tmp_path: Path) -> None:
    paths = new_fifos(tmp_path, "first", "second", "third")

    class Impatient(RowReader):
        timeout = 0.3

    def work() -> None:
        outs = [open(path, "wb", 0) for path in paths]  # noqa: SIM115
        for out, size in zip(outs, (len(STREAM), 8, 1000), strict=True):
            out.write(STREAM[:size])
        outs[0].close()
        time.sleep(SECONDS)

    reader = Impatient()
    with child(work), ExitStack() as stack:
        streams, _ = es.init_streams_in(paths, stack)
        with pytest.raises(evstream.StallError) as caught:
            in_time(lambda: catching(lambda: list(reader.read_streams(streams))))()
    assert set(caught.value.streams) == set(paths[1:])
    assert f"{paths[1]} at byte 8" in str(caught.value)
    assert f"{paths[2]} at byte 1000" in str(caught.value)
    assert "no data received for 0.3 s" in str(caught.value)


@pytest.mark.parametrize("sent", [0, 5])
def test_init_streams_in_names_the_fifo_that_stalls(sent: int, tmp_path: Path) -> None:
    good, bad = new_fifos(tmp_path, "good", "bad")

    with ExitStack() as stack:
        for path, size in ((good, 8), (bad, sent)):
            both_ends = os.open(path, os.O_RDWR)
            stack.callback(os.close, both_ends)
            os.write(both_ends, STREAM[:size])
        with pytest.raises(evstream.StallError) as caught:
            es.init_streams_in([good, bad], stack, timeout=0.3)
    assert str(caught.value) == f"{bad}: byte {sent}: no data received for 0.3 s"


def test_init_streams_in_opens_fifos_in_any_order(tmp_path: Path) -> None:
    paths = new_fifos(tmp_path, "a", "b", "c")

    def work() -> None:
        outs = [open(path, "wb", 0) for path in reversed(paths)]  # noqa: SIM115
        for out in outs:
            out.write(STREAM)

    with child(work) as pid, ExitStack() as stack:
        streams, _ = in_time(lambda: es.init_streams_in(paths, stack))
        assert all(os.get_blocking(stream.fileno()) for stream in streams)
        event_ids, _ = RowReader().collect(streams)
        assert exit_status(pid) == 0
    assert sorted(event_ids) == sorted(3 * list(range(1, 61)))


def catching(work: Callable[[], Any]) -> Callable[[], Any]:
    """A function that does again, in this thread, what `work` did."""
    try:
        value = work()
    except Exception as error:
        caught = error

        def again() -> None:
            raise caught

        return again
    return lambda: value


@pytest.mark.parametrize("timeout", [0, -1, float("nan")])
def test_a_timeout_is_above_zero(timeout: float) -> None:
    with pytest.raises(ValueError, match=r"timeout is .*, expected seconds above 0"):
        evstream.open(io.BytesIO(STREAM), timeout=timeout)


def test_the_command_line_has_a_timeout(tmp_path: Path) -> None:
    [path] = new_fifos(tmp_path, "never")
    for command in ("cat", "info", "validate"):
        result = subprocess.run(
            [sys.executable, "-m", "evstream", command, "--timeout", "0.2", path],
            cwd=ROOT, env=child_environment(), capture_output=True, text=True,
            check=False, timeout=SECONDS,
        )  # fmt: skip
        assert result.returncode == 2
        assert result.stderr == f"evstream: {path}: byte 0: no data received for 0.2 s\n"


@pytest.mark.parametrize("reverse", [False, True], ids=["in order", "in reverse"])
def test_one_producer_of_two_fifos_does_not_deadlock_callbacks(
    reverse: bool, tmp_path: Path
) -> None:
    paths = new_fifos(tmp_path, "a", "b")
    losses = np.ones((1, 400_000))
    data = io.BytesIO()
    with evstream.create(data, "loss", len_sample=400_000) as out:
        for event in (1, 2):
            out.write_event(event, [1], losses)
    body = data.getvalue()

    def work() -> None:
        order = paths[::-1] if reverse else paths
        outs = [open(path, "wb", 0) for path in order]  # noqa: SIM115
        for out in outs:
            out.write(body[:8])
        for at in range(8, len(body), 1 << 16):
            for out in outs:
                out.write(body[at : at + (1 << 16)])

    class Patient(SumReader):  # type: ignore[misc, valid-type]
        timeout = SECONDS / 2  # with one, FIFOs are opened in any order

    total = np.zeros(2)
    with child(work) as pid:
        assert sorted(in_time(lambda: list(Patient(total).read(*paths)))) == [1, 1, 2, 2]
        assert exit_status(pid) == 0
    assert total.tolist() == [1_600_000, 1_600_000]


def test_a_trickling_socket_costs_no_cpu_until_the_timeout() -> None:
    ours, theirs = socket.socketpair()

    def work() -> None:
        for at in range(60):
            theirs.send(STREAM[at : at + 1])
            wait_for(lambda: not bytes_in(ours.fileno()))  # each is read on its own
        time.sleep(SECONDS)

    def read() -> list[int]:
        # So long that a loaded machine does not take it between two bytes.
        with evstream.open(ours, timeout=3) as stream:
            return [event.event_id for event in stream]

    with ours, theirs, child(work):
        start, memory = time.thread_time(), resident()
        with pytest.raises(evstream.StallError, match=r"byte 60: no data received for 3 s"):
            read()
        assert time.thread_time() - start < 1
        assert resident() - memory < 20 << 20


def test_a_header_read_elsewhere_leaves_no_buffered_bytes() -> None:
    with pipe() as (reader, writer):
        os.write(writer, STREAM)
        with open(reader, "rb", closefd=False) as stream:
            assert stream.read(8) == STREAM[:8]  # and all the rest is in its buffer now
            events = RowReader().read_streams([stream])
            assert in_time(lambda: next(events)) == 1
            events.close()
