"""Pipes, sockets, FIFOs and objects get every byte, however slowly they take it."""

from __future__ import annotations

import io
import os
import socket
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import evstream
from evstream import WriteError
from oracle import decode, encode
from support import PATIENCE, ROOT, child_environment
from writer_cases import (
    HEADERS,
    LARGE_ROWS,
    SOMETHING,
    OnPurposeError,
    new_writer,
    write_much,
    write_something,
)


def much() -> bytes:
    target = io.BytesIO()
    with evstream.create(target, "loss", len_sample=LARGE_ROWS) as out:
        write_much(out)
    assert len(target.getvalue()) == 8 + 8 + 8 * (LARGE_ROWS + 1)
    return target.getvalue()


class SlowReader(threading.Thread):
    """Reads a descriptor to its end, with pauses, in odd pieces."""

    def __init__(self, descriptor: int, pause: float = 0.0005) -> None:
        super().__init__(daemon=True)
        self.descriptor = descriptor
        self.pause = pause
        self.pieces: list[bytes] = []
        self.start()

    def run(self) -> None:
        while piece := os.read(self.descriptor, 50_001):
            self.pieces.append(piece)
            time.sleep(self.pause)

    def result(self) -> bytes:
        self.join(PATIENCE)
        assert not self.is_alive()
        return b"".join(self.pieces)


@pytest.mark.parametrize("blocking", [True, False])
def test_a_pipe_gets_every_byte_however_slow_its_reader(
    pipe: tuple[int, int], blocking: bool
) -> None:
    reader, writer = pipe
    os.set_blocking(writer, blocking)
    slow = SlowReader(reader)
    with evstream.create(writer, "loss", len_sample=LARGE_ROWS) as out:
        assert out.name == f"<fd {writer}>"
        write_much(out)
    os.fstat(writer)  # the caller's descriptor is still open
    os.close(writer)
    assert slow.result() == much()


@pytest.mark.parametrize("blocking", [True, False])
@pytest.mark.parametrize("buffering", [0, 100, 65536])
def test_a_file_object_over_a_pipe_gets_every_byte(
    pipe: tuple[int, int], blocking: bool, buffering: int
) -> None:
    reader, writer = pipe
    os.set_blocking(writer, blocking)
    slow = SlowReader(reader)
    with os.fdopen(writer, "wb", buffering=buffering) as file:
        with evstream.create(file, "loss", len_sample=LARGE_ROWS) as out:
            write_much(out)
        assert not file.closed
    assert slow.result() == much()


@pytest.mark.parametrize("blocking", [True, False])
def test_waiting_for_a_slow_reader_takes_no_processor_time(
    pipe: tuple[int, int], blocking: bool
) -> None:
    reader, writer = pipe
    os.set_blocking(writer, blocking)
    slow = SlowReader(reader, pause=0.02)
    start, began = time.thread_time(), time.monotonic()
    with evstream.create(writer, "loss", len_sample=LARGE_ROWS) as out:
        write_much(out)
    os.close(writer)
    assert time.thread_time() - start < (time.monotonic() - began) / 2
    assert slow.result() == much()


@pytest.mark.parametrize("blocking", [True, False])
def test_a_socket_gets_every_byte(blocking: bool) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(blocking)
        slow = SlowReader(theirs.fileno())
        with evstream.create(ours, "loss", len_sample=LARGE_ROWS) as out:
            write_much(out)
        ours.shutdown(socket.SHUT_WR)
        assert slow.result() == much()


def test_a_fifo_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with new_writer(path, "loss") as out:
        write_something(out)
    assert os.read(reader, 1000) == SOMETHING
    assert os.read(reader, 1000) == b""  # closed, since evstream opened it
    os.close(reader)
    assert stat.S_ISFIFO(path.stat().st_mode)
    assert list(tmp_path.iterdir()) == [path]


class Choosy:
    """Takes a few bytes at a time, and now and then None, as raw files may."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.data = bytearray()

    def write(self, view: memoryview) -> int:
        self.data += view[: self.size]
        return min(len(view), self.size)


@pytest.mark.parametrize("size", [1, 3, 7, 8, 100])
def test_a_target_that_takes_a_part_is_asked_again(size: int) -> None:
    target = Choosy(size)
    with new_writer(target, "loss") as out:
        write_something(out)
    assert bytes(target.data) == SOMETHING


def test_a_target_that_accepts_no_bytes_is_an_error() -> None:
    class Full:
        def write(self, view: memoryview) -> int:
            return 0

    out = new_writer(Full(), "loss")
    with pytest.raises(WriteError, match=r"<Full>.*could not write.*nothing to wait on"):
        out.close()


def test_an_object_that_was_passed_in_stays_open() -> None:
    target = io.BytesIO(b"")
    with new_writer(target, "loss") as out:
        write_something(out)
    assert not target.closed
    with pytest.raises(OnPurposeError), new_writer(target, "loss"):
        raise OnPurposeError
    assert not target.closed


def test_a_stream_is_appended_to_an_open_file() -> None:
    target = io.BytesIO()
    target.write(b"before")
    with new_writer(target, "loss") as out:
        write_something(out)
    assert target.getvalue() == b"before" + SOMETHING


def test_stdout_is_a_target() -> None:
    code = (
        "import evstream, sys; print('text first')\n"
        "with evstream.create('-', 'loss', len_sample=3) as out:\n"
        "    assert out.name == '<stdout>'\n"
        "    out.write_event(1, [1], [[1, 2, 3]])\n"
        "print('text after')"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT, env=child_environment(), capture_output=True, check=True,
    )  # fmt: skip
    stream = encode("loss", HEADERS["loss"], [((1, 1), [(1, 1.0), (2, 2.0), (3, 3.0)])])
    assert result.stdout == b"text first\n" + stream + b"text after\n"


def test_text_files_and_other_objects_are_refused(tmp_path: Path) -> None:
    with open(tmp_path / "text", "w") as file:
        with pytest.raises(TypeError, match="text file, expected one open in binary mode"):
            new_writer(file, "loss")
        with pytest.raises(TypeError, match="text file, expected one open in binary mode"):
            new_writer(io.StringIO(), "loss")
    with pytest.raises(TypeError, match="cannot write to None: expected a path or binary file"):
        new_writer(None, "loss")
    with pytest.raises(TypeError, match="cannot write to b'': expected a path or binary file"):
        new_writer(b"", "loss")


def test_flush_sends_the_rows_and_leaves_the_block_open(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    with new_writer(writer, "loss") as out:
        out.write_columns(1, 1, 1, 5.0)
        out.flush()
        whole = encode("loss", HEADERS["loss"], [((1, 1), [(1, 5.0), (2, 6.0)])])
        handed_over = os.read(reader, 1000)
        assert handed_over == whole[:23]  # all but the last byte of the entry
        out.write_columns(1, 1, 2, 6.0)
    assert handed_over + os.read(reader, 1000) == whole


def test_a_pipe_does_not_wait_for_a_full_buffer(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    os.set_blocking(reader, False)
    with new_writer(writer, "loss") as out:
        out.write_event(1, [1], [[1, 2, 3]])
        time.sleep(0.15)
        out.write_event(2, [1], [[1, 2, 3]])
        assert len(decode(os.read(reader, 1000)).blocks) == 2
