"""A command that gets a signal ends as documented, and leaves nothing that looks whole."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import evstream
from fault_cases import SECONDS, STREAM, bytes_in, wait_for
from support import ROOT, child_environment

pytestmark = pytest.mark.usefixtures("kernels_are_loaded")

NOHUP = 'trap "" HUP; exec "$0" "$@"'


@contextlib.contextmanager
def evstream_reading(
    data: bytes, *arguments: object, ignoring_hup: bool = False
) -> Iterator[tuple[subprocess.Popen[bytes], threading.Thread]]:
    """The command line with a stdin that gives `data` and then neither more nor its end, and the
    thread that gives it."""
    command = [sys.executable, "-m", "evstream", *map(str, arguments)]
    if ignoring_hup:
        command = ["sh", "-c", NOHUP, *command]
    process = subprocess.Popen(
        command, cwd=ROOT, env=child_environment(),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    stdin = process.stdin
    assert stdin is not None

    def feed() -> None:
        with contextlib.suppress(BrokenPipeError):
            stdin.write(data)
            stdin.flush()

    feeder = threading.Thread(target=feed)
    feeder.start()
    try:
        yield process, feeder
    finally:
        process.kill()
        feeder.join()
        with contextlib.suppress(BrokenPipeError):
            stdin.close()
        process.wait()
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        process.stderr.close()


def sizes_of_files(pid: int, folder: Path) -> set[int]:
    """Sizes of the files of a folder that a process has open, those without a name included."""
    places = [*folder.iterdir()]
    with contextlib.suppress(OSError):
        places += Path(f"/proc/{pid}/fd").iterdir()
    sizes = set()
    for place in places:
        with contextlib.suppress(OSError):
            found = place.stat()
            if stat.S_ISREG(found.st_mode) and str(place.resolve()).startswith(str(folder)):
                sizes.add(found.st_size)
    return sizes


def each_signal(places: list[str]) -> list[tuple[signal.Signals, str]]:
    """The two that Python raises in ways of its own at each place; SIGHUP, which is handled as
    SIGTERM is, at the first."""
    pairs = [(number, place) for number in (signal.SIGTERM, signal.SIGINT) for place in places]
    return [*pairs, (signal.SIGHUP, places[0])]


@pytest.mark.parametrize(
    ("number", "name"), each_signal(["out.csv", "out.jsonl", "out.parquet", "out.bin"])
)
def test_a_conversion_that_gets_a_signal_leaves_no_file(
    number: signal.Signals, name: str, big_file: Path, tmp_path: Path
) -> None:
    """While it waits for its source; also behind the handler of Polars, which restarts reads."""
    pytest.importorskip("polars")
    data = big_file.read_bytes()
    arguments = ["convert", "-", tmp_path / name, "--from", "bin"]
    with evstream_reading(data, *arguments) as (process, feeder):
        wait_for(lambda: any(sizes_of_files(process.pid, tmp_path)))
        feeder.join()
        assert process.stdin is not None
        stdin = process.stdin.fileno()
        wait_for(lambda: bytes_in(stdin) == 0)  # it has taken all, and waits for more
        process.send_signal(number)
        assert process.wait(SECONDS) == 128 + number
        assert process.stderr is not None
        assert process.stderr.read() == b""
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("number", "command"), each_signal(["tee", "tee to a file", "convert bin", "convert csv"])
)
def test_a_command_that_gets_a_signal_leaves_no_whole_pipe(
    number: signal.Signals, command: str, tmp_path: Path
) -> None:
    arguments: list[object] = ["tee", "--seal", tmp_path / "out.seal"]
    data, more, size = STREAM[:5000], STREAM[5000:], 5000
    if command == "tee to a file":
        arguments += ["--output", tmp_path / "out.bin"]
    elif command == "convert bin":
        arguments = ["convert", "-", "-", "--from", "bin", "--to", "bin"]
    elif command == "convert csv":
        pytest.importorskip("pyarrow")
        rows = "".join(f"{event},1,1,1.5\n" for event in range(1, 400_000))
        data = f"event_id,item_id,sidx,loss\n{rows}".encode()
        arguments = ["convert", "-", "-", "--from", "csv", "--to", "bin", "--len-sample", "1"]
        more, size = b"", 1 << 20
    with evstream_reading(data, *arguments) as (process, _):
        assert process.stdin is not None
        assert process.stdout is not None
        received = b""
        if command == "tee to a file":
            wait_for(lambda: size - 1 in sizes_of_files(process.pid, tmp_path))
        else:
            # Of a stream whose header is known the last byte comes with the end.
            received = process.stdout.read(size - 1)
            if more:
                process.stdin.write(more)
                process.stdin.flush()
                received += process.stdout.read(len(more))
                assert received == STREAM[:-1]
        process.send_signal(number)
        received += process.stdout.read()
        assert process.wait(SECONDS) == 128 + number
    assert os.listdir(tmp_path) == []
    if command != "tee to a file":
        with pytest.raises(evstream.TruncatedStreamError):
            list(evstream.open(io.BytesIO(received)))


def test_a_command_under_nohup_survives_its_terminal(tmp_path: Path) -> None:
    arguments = ["tee", "--seal", tmp_path / "out.seal"]
    with evstream_reading(STREAM, *arguments, ignoring_hup=True) as (process, _):
        assert process.stdin is not None
        assert process.stdout is not None
        received = process.stdout.read(len(STREAM) - 1)
        process.send_signal(signal.SIGHUP)
        process.stdin.close()
        assert received + process.stdout.read() == STREAM
        assert process.wait(SECONDS) == 0


@pytest.mark.parametrize("to", ["csv", "jsonl", "parquet"])
def test_a_conversion_to_a_blocked_reader_ends_on_a_signal(tmp_path: Path, to: str) -> None:
    path = tmp_path / "loss.bin"
    with evstream.create(path, "loss", len_sample=1000) as out:
        losses = np.random.default_rng(1).random((1000, 1000))
        for event in range(1, 5):
            out.write_event(event, range(1, 1001), losses)
    ours, theirs = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "evstream", "convert", str(path), "-", "--to", to],
        stdout=theirs, stderr=subprocess.PIPE, env=child_environment(),
    )  # fmt: skip
    os.close(theirs)
    assert process.stderr is not None
    with process, process.stderr, open(ours, "rb", 0):
        try:
            wait_for(lambda: bytes_in(ours))
            for _ in range(2):  # the second, should the first wait for the reader
                process.send_signal(signal.SIGTERM)
            assert process.wait(SECONDS) == 128 + signal.SIGTERM
            assert process.stderr.read() == b""
        finally:
            process.kill()
