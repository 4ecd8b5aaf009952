"""A stream whose losses say where they belong, its readers and writers, and child processes.

Each fault is caused many times at random places; EVSTREAM_FAULTS is the number (30 by default,
300 for the table in docs/reliability.md), and the outcomes are printed with `pytest -rP`.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import random
import resource
import signal
import sys
import termios
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numba
import numpy as np

import evstream
import oracle
from evstream import event_stream as es
from evstream.cli.warmup import warm_up
from row_reader import RowReader
from support import PATIENCE

FAULTS = int(os.environ.get("EVSTREAM_FAULTS", "30"))

SECONDS = PATIENCE

Rows = list[tuple[float, ...]]


def make_stream() -> bytes:
    """60 events of 1 to 4 items with 1 to 12 samples; every loss says where it belongs."""
    chance = random.Random(5)
    blocks = [
        ((event, item), [(s, event * 1000.0 + item * 100 + s) for s in range(1, samples + 1)])
        for event in range(1, 61)
        for item in range(1, chance.randrange(2, 6))
        for samples in [chance.randrange(1, 13)]
    ]
    return oracle.encode("loss", {"len_sample": 12}, blocks)


STREAM = make_stream()

WANTED = oracle.decode(STREAM)

ROWS: Rows = [tuple(map(float, row)) for row in WANTED.records]


@contextlib.contextmanager
def child(work: Callable[[], Any]) -> Iterator[int]:
    """A forked process that runs `work`; it is killed if it is still there at the end.

    Its exit status is what `work` returns, 0 for None, 99 for an exception.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads
        pid = os.fork()
    if pid == 0:
        status = 99
        try:
            status = work() or 0
        except BaseException as error:
            os.write(2, f"child: {error!r}\n".encode())
        finally:
            os._exit(status)
    try:
        yield pid
    finally:
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def exit_status(pid: int) -> int:
    """How a child ended (minus the signal if by one), which must be in time."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    raise AssertionError("stuck")


def write_in_pieces(descriptor: int, data: bytes, chance: random.Random) -> None:
    """Write with os.write, in pieces of 1 to 200 bytes, with a pause here and there."""
    at = 0
    while at < len(data):
        at += os.write(descriptor, data[at : at + chance.randrange(1, 200)])
        if chance.random() < 0.3:
            time.sleep(chance.random() * 0.0004)


def write_with_evstream(descriptor: int, data: bytes, chance: random.Random) -> None:
    """Write the same rows with evstream.create, handing on after every few of them."""
    columns = np.array(ROWS).T
    with evstream.create(descriptor, "loss", len_sample=12) as out:
        at = 0
        while at < len(ROWS):
            size = chance.randrange(1, 30)
            event, item, sidx, loss = columns[:, at : at + size]
            out.write_columns(event.astype("i4"), item.astype("i4"), sidx.astype("i4"), loss)
            out.flush()
            at += size
            if chance.random() < 0.5:
                time.sleep(chance.random() * 0.0004)


Write = Callable[[int, bytes, random.Random], None]

WRITERS: list[Write] = [write_in_pieces, write_with_evstream]


def read_with_open(descriptor: int) -> tuple[Rows, list[int], Exception | None]:
    """Rows of the events that evstream.open delivers, the event ids, and the error."""
    rows: Rows = []
    event_ids: list[int] = []
    try:
        with evstream.open(descriptor) as stream:
            for event in stream:
                event_ids.append(event.event_id)
                rows += zip(*(map(float, c) for c in event.to_rows().values()), strict=True)
    except evstream.EvstreamError as error:
        return rows, event_ids, error
    return rows, event_ids, None


def read_with_reader(descriptor: int) -> tuple[Rows, list[int], Exception | None]:
    """The same from a documented subclass of EventReader."""
    reader = RowReader()
    rows: Rows = []
    event_ids: list[int] = []
    try:
        with open(descriptor, "rb", closefd=False) as stream:
            blocking = os.get_blocking(descriptor)
            os.set_blocking(descriptor, True)
            es.read_stream_info(stream)
            os.set_blocking(descriptor, blocking)
            for event_id in reader.read_streams([stream]):
                event_ids.append(event_id)
                rows += [tuple(row) for row in reader.rows[: reader.used[0]]]
                reader.used[0] = 0
    except evstream.EvstreamError as error:
        return rows, event_ids, error
    return rows, event_ids, None


Read = Callable[[int], tuple[Rows, list[int], Exception | None]]

READERS: list[Read] = [read_with_open, read_with_reader]


@contextlib.contextmanager
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        with contextlib.suppress(OSError):  # closed by the test
            os.close(end)


BIG_EVENTS = 40


def write_big(target: Any) -> None:
    """6 MB, more than any pipe holds."""
    with evstream.create(target, "loss", len_sample=1000) as out:
        for event in range(1, BIG_EVENTS + 1):
            losses = np.arange(20_000).reshape(20, 1000) + float(event)
            out.write_event(event, range(1, 21), losses)


def wait_for(what: Callable[[], Any]) -> None:
    end = time.monotonic() + SECONDS
    while not what():
        assert time.monotonic() < end, "stuck"
        time.sleep(0.01)


@numba.njit
def add_loss(total: Any, sidx: Any, loss: Any) -> None:
    total[0] += loss
    total[1] += 1


SumReader: Any = evstream.reader_class("loss", on_entry=add_loss)


def resident() -> int:
    """Bytes of memory that this process has at the moment."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def bytes_in(pipe: int) -> int:
    """How many bytes wait to be read."""
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)


def load_kernels() -> None:
    """Compile them now: neither their time nor memory is measured, and children have them."""
    for read in READERS:
        with pipe() as (reader, writer):
            os.write(writer, STREAM)
            os.close(writer)
            assert read(reader) == (ROWS, list(range(1, 61)), None)
    assert evstream.validate(io.BytesIO(STREAM)).records == len(ROWS)
    assert list(SumReader(np.zeros(2)).read(io.BytesIO(STREAM))) == list(range(1, 61))
    with open(os.devnull, "wb") as nowhere:
        write_with_evstream(nowhere.fileno(), STREAM, random.Random(0))
    warm_up("loss", {})  # rows as text too
