"""A stream that was not completed is never taken for a complete one.

A file does not appear, and anything else ends in bytes that a reader refuses.
"""

from __future__ import annotations

import errno
import io
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evstream
from evstream import StreamHeaderError, TruncatedStreamError, WriteError, Writer
from oracle import decode
from support import PATIENCE, child_environment, read_all
from writer_cases import (
    HEADERS,
    LARGE_ROWS,
    NARROW_AND_WIDE,
    SAMPLE_STREAMS,
    SOMETHING,
    OnPurposeError,
    good_rows,
    later_rows,
    matrix,
    new_writer,
    with_exposure,
    write_much,
    write_something,
)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
@pytest.mark.parametrize("rows", [1, LARGE_ROWS])
def test_a_full_device_is_a_write_error_that_names_it(rows: int) -> None:
    def write() -> None:
        with evstream.create("/dev/full", "loss", len_sample=LARGE_ROWS) as out:
            out.write_columns(1, 1, np.arange(1, rows + 1), 5.0)

    with pytest.raises(WriteError, match="/dev/full: byte 0: could not write: No space left"):
        write()


def test_a_closed_reader_is_a_broken_pipe(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    os.close(reader)
    out = evstream.create(writer, "loss", len_sample=LARGE_ROWS)
    with pytest.raises(BrokenPipeError) as caught:
        write_much(out)
    out.abort()
    assert caught.value.filename == f"<fd {writer}>"


def test_a_folder_as_target_is_an_os_error_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError) as caught:
        evstream.create(tmp_path, "loss", len_sample=1)
    assert caught.value.filename == str(tmp_path)


def test_a_closed_descriptor_is_an_os_error_with_its_name() -> None:
    closed = os.open("/dev/null", os.O_RDWR)
    os.close(closed)
    with pytest.raises(OSError, match=f"'<fd {closed}>'"):
        evstream.create(closed, "loss", len_sample=1)
    with pytest.raises(OSError, match=f"'<fd {closed}>'"):
        evstream.open(closed)


def test_the_first_of_two_errors_is_raised(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    os.close(reader)
    with pytest.raises(OnPurposeError), new_writer(writer, "loss"):
        raise OnPurposeError


Stopping = Callable[[Writer, str], None]


def stop_at_once(out: Writer, stream: str) -> None:
    pass


def stop_after_the_header(out: Writer, stream: str) -> None:
    out.flush()


def stop_with_rows(out: Writer, stream: str) -> None:
    out.write_columns(**good_rows(stream))


def stop_after_rows(out: Writer, stream: str) -> None:
    out.write_columns(**good_rows(stream))
    out.flush()


def stop_after_each(out: Writer, stream: str) -> None:
    for rows in (good_rows(stream), later_rows(stream)):
        out.flush()
        out.write_columns(**rows)


def stop_after_a_matrix(out: Writer, stream: str) -> None:
    if stream in SAMPLE_STREAMS:
        out.write_event(**with_exposure(stream, matrix()))
    out.flush()


@pytest.mark.parametrize("widths", NARROW_AND_WIDE, ids=lambda w: "_".join(w.values()))
@pytest.mark.parametrize("stream", HEADERS)
@pytest.mark.parametrize(
    "stop",
    [stop_at_once, stop_after_the_header, stop_with_rows, stop_after_rows, stop_after_each,
     stop_after_a_matrix],
)  # fmt: skip
def test_an_aborted_stream_is_refused_by_a_reader(
    stop: Stopping, stream: str, widths: dict[str, str]
) -> None:
    target = io.BytesIO()

    def stopped() -> None:
        with new_writer(target, stream, widths=widths) as out:
            stop(out, stream)
            raise OnPurposeError

    with pytest.raises(OnPurposeError):
        stopped()
    reading = read_all(io.BytesIO(target.getvalue()), stream, widths)
    assert isinstance(reading.error, (TruncatedStreamError, StreamHeaderError))
    assert decode(target.getvalue(), stream, widths).error in (
        "truncated",
        "short_header",
        "unknown_type",
    )


def test_an_aborted_pipe_is_refused_by_a_reader(pipe: tuple[int, int]) -> None:
    reader, writer = pipe

    def stopped() -> None:
        with new_writer(writer, "loss") as out:
            stop_after_rows(out, "loss")
            raise OnPurposeError

    with pytest.raises(OnPurposeError):
        stopped()
    os.close(writer)
    reading = read_all(reader)
    assert type(reading.error) is TruncatedStreamError
    assert len(reading.events) == 1


class Interrupted:
    """Takes `size` bytes; then Ctrl-C is pressed once while it waits for its reader."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.data = bytearray()
        self.was_interrupted = False

    def write(self, view: memoryview) -> int:
        if self.was_interrupted:
            self.data += view
            return len(view)
        if len(self.data) == self.size:
            self.was_interrupted = True
            raise KeyboardInterrupt
        taken = view[: self.size - len(self.data)]
        self.data += taken
        return len(taken)


def test_a_stream_interrupted_at_any_byte_is_refused() -> None:
    accepted = []
    for size in range(len(SOMETHING)):
        target = Interrupted(size)

        def stopped(target: Interrupted = target) -> None:
            with new_writer(target, "loss") as out:
                write_something(out)
                out.flush()

        with pytest.raises(KeyboardInterrupt):
            stopped()
        if read_all(io.BytesIO(bytes(target.data))).error is None:
            accepted.append(size)
    assert accepted == []


class FailsOnce:
    """Refuses one write, as a disk does that is full for a moment."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.has_failed = False

    def write(self, view: memoryview) -> int:
        if not self.has_failed:
            self.has_failed = True
            raise OSError(errno.ENOSPC, "No space left on device")
        self.data += view
        return len(view)


def test_a_writer_that_has_lost_bytes_does_not_go_on() -> None:
    target = FailsOnce()
    with new_writer(target, "loss") as out:
        write_something(out)
        with pytest.raises(WriteError, match="No space left"):
            out.flush()
        with pytest.raises(ValueError, match="closed"):
            out.write_event(9, [1], [[1.0, 2.0, 3.0]])
    assert read_all(io.BytesIO(bytes(target.data))).error is not None


@pytest.mark.filterwarnings("always::ResourceWarning")
def test_a_dropped_writer_leaves_no_whole_stream(tmp_path: Path) -> None:
    """What it has collected is lost, so what it has written must not look whole."""
    target = io.BytesIO()
    for kept in (target, tmp_path / "loss.bin"):
        out = evstream.create(kept, "loss", len_sample=3)
        out.write_event(1, [1], [[1.0, 2.0, 3.0]])
        out.flush()
        out.write_event(2, [1], [[1.0, 2.0, 3.0]])
        with pytest.warns(ResourceWarning, match="was not closed, and is given up"):
            del out
    assert not list(tmp_path.iterdir())
    with pytest.raises(evstream.TruncatedStreamError):
        list(evstream.open(io.BytesIO(target.getvalue())))


def test_a_program_that_does_not_close_leaves_no_whole_stream() -> None:
    code = """if True:
        import evstream
        out = evstream.create("-", "loss", len_sample=3)
        out.write_event(1, [1], [[1.0, 2.0, 3.0]])
        out.flush()
        out.write_event(2, [1], [[1.0, 2.0, 3.0]])
    """
    ended = subprocess.run(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        env=child_environment(),
        timeout=PATIENCE,
        check=True,
    )
    with pytest.raises(evstream.TruncatedStreamError):
        list(evstream.open(io.BytesIO(ended.stdout)))


@pytest.mark.parametrize("name", ["loss.bin", "loss.bin.gz", "loss.bin.zst"])
def test_a_forked_process_leaves_its_parents_stream_alone(tmp_path: Path, name: str) -> None:
    code = """if True:
        import os, sys, evstream
        with evstream.create(sys.argv[1], "loss", len_sample=3) as out:
            out.write_event(1, [1], [[1.0, 2.0, 3.0]])
            out.flush()
            child = os.fork()
            if child == 0:
                try:
                    out.write_event(7, [1], [[1.0, 2.0, 3.0]])
                except ValueError as error:
                    print(error, flush=True)
                sys.exit(0)
            os.waitpid(child, 0)
            out.write_event(2, [1], [[1.0, 2.0, 3.0]])
    """
    path = tmp_path / name
    ended = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", code, str(path)],
        capture_output=True, text=True, env=child_environment(), timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "this one was forked" in ended.stdout
    assert [event.event_id for event in evstream.open(path, strict=True)] == [1, 2]


@pytest.mark.parametrize("name", ["a.bin", "a.bin.gz", "a.bin.zst"])
def test_a_flush_that_fails_gives_the_stream_up(tmp_path: Path, name: str) -> None:
    pytest.importorskip("zstandard")
    losses = np.random.default_rng(1).random((40, 100))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    out = evstream.create(tmp_path / name, "loss", len_sample=100)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
        with pytest.raises(WriteError, match="could not write"):  # noqa: PT012
            for event in range(1, 30):
                out.write_event(event, range(1, 41), losses)
                out.flush()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    with pytest.raises(ValueError, match="is closed"):
        out.write_event(99, range(1, 41), losses)
    out.close()
    assert not list(tmp_path.iterdir())


def test_giving_up_raises_the_error_of_the_program() -> None:
    class Odd(io.BytesIO):
        def write(self, data: Any) -> int:
            raise RuntimeError("not the first")

    with pytest.raises(KeyError, match="mine"), evstream.create(Odd(), "loss", len_sample=1):
        raise KeyError("mine")


def test_a_program_that_does_not_close_waits_for_no_reader() -> None:
    code = """if True:
        import os, evstream
        readable, writable = os.pipe()
        out = evstream.create(writable, "loss", len_sample=3)
        out.flush()
        os.set_blocking(writable, False)
        try:
            while True:
                os.write(writable, bytes(4096))
        except BlockingIOError:
            os.set_blocking(writable, True)
    """
    subprocess.run(
        [sys.executable, "-c", code], env=child_environment(), timeout=PATIENCE, check=True
    )
