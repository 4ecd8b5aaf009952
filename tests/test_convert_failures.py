"""A conversion leaves a whole file or none; pipes and progress."""

from __future__ import annotations

import gc
import io
import os
import re
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evstream
from support import PATIENCE, child_environment

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
pytest.importorskip("zstandard")

from convert_cases import LOSS, TEXT, losses, run  # noqa: E402
from evstream.conversion.convert import convert  # noqa: E402


@pytest.mark.parametrize("name", ["out.bin", "out.csv", "out.parquet", "out.arrow", "out.csv.gz"])
def test_a_full_disk_leaves_what_was_there(name: str, tmp_path: Path) -> None:
    """Here a limit on the size of files, which Python meets as an error."""
    source, target = tmp_path / "in.bin", tmp_path / name
    losses(source, 20, 200, 20)
    convert(str(source), str(target))  # leaves its kernels on disk while there is room
    target.write_bytes(b"before")
    limit = 20_000

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    environment = child_environment(PYTHONDONTWRITEBYTECODE="1")
    result = subprocess.run(
        [sys.executable, "-m", "evstream", "convert", source, target],
        capture_output=True, check=False, env=environment, preexec_fn=limited,
    )  # fmt: skip
    assert result.returncode == 2, result.stderr
    (line,) = result.stderr.decode().splitlines()
    assert line.startswith(f"evstream: {target}: byte ")
    assert line.endswith("could not write: File too large")
    assert target.read_bytes() == b"before"
    assert sorted(os.listdir(tmp_path)) == sorted(["in.bin", name])


@pytest.mark.parametrize("to", ["bin", "csv", "jsonl", "parquet", "arrow"])
def test_a_device_that_is_full_is_one_line(to: str) -> None:
    result = run(LOSS, "/dev/full", "--to", to)
    assert result.returncode == 2
    (line,) = result.stderr.decode().splitlines()
    assert line.startswith("evstream: /dev/full: byte ")
    assert line.endswith("could not write: No space left on device")


@pytest.mark.parametrize("to", ["out.bin", "out.csv", "out.parquet", "out.jsonl.gz", "out.arrow"])
def test_an_exception_in_the_middle_leaves_no_file(to: str, tmp_path: Path) -> None:
    source = tmp_path / "in.bin"
    losses(source, 40, 500, 10)

    def stop(offset: int) -> None:
        raise KeyboardInterrupt

    threads = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        convert(str(source), str(tmp_path / to), progress=stop)
    assert os.listdir(tmp_path) == ["in.bin"]
    deadline = time.monotonic() + 60
    while threading.active_count() > threads:  # the last one may still be on its way out
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("to", ["out.bin", "out.csv", "out.parquet", "out.jsonl", "out.arrow"])
def test_a_stream_that_is_cut_leaves_no_file(to: str, tmp_path: Path) -> None:
    source = tmp_path / "in.bin"
    losses(source, 40, 500, 10)
    os.truncate(source, source.stat().st_size - 20_003)
    with pytest.raises(evstream.TruncatedStreamError):
        convert(str(source), str(tmp_path / to))
    assert os.listdir(tmp_path) == ["in.bin"]


def test_both_sides_may_be_pipes() -> None:
    formats = ["bin", "csv", "parquet", "arrow", "jsonl"]
    data = LOSS.read_bytes()
    for name in formats[1:]:
        there = run("-", "-", "--from", "bin", "--to", name, stdin=data)
        assert (there.returncode, there.stderr) == (0, b"")
        back = run("-", "-", "--from", name, "--to", "bin", stdin=there.stdout)
        assert back.returncode == 0
        said = back.stderr.decode().splitlines()
        if name in TEXT:
            assert said[0] == "evstream: <stdin>: a stream of type loss, by its columns"
            assert re.fullmatch(
                r"evstream: <stdin>: len_sample \d+, the highest sidx \(--len-sample\)", said[1]
            )
            assert back.stdout[8:] == data[8:]
        else:
            assert said == []
            assert back.stdout == data


def test_a_chain_of_pipes_is_the_stream_again(tmp_path: Path) -> None:
    source = tmp_path / "a.bin"
    losses(source, 30, 300, 20)
    python = f"{sys.executable} -m evstream convert - - --from"
    steps = [f"{python} bin --to csv", f"{python} csv --to jsonl", f"{python} jsonl --to parquet",
             f"{python} parquet --to arrow --len-sample 20",
             f"{python} arrow --to bin --len-sample 20"]  # fmt: skip
    line = f"cat {source} | {' | '.join(steps)}"
    result = subprocess.run(
        line, shell=True, capture_output=True, check=True, env=child_environment()
    )
    assert result.stdout == source.read_bytes()


def test_a_reader_that_goes_away_is_one_line(tmp_path: Path) -> None:
    source = tmp_path / "a.bin"
    losses(source, 100, 500, 10)
    for to in ("csv", "jsonl", "bin", "parquet"):
        with subprocess.Popen(
            [sys.executable, "-m", "evstream", "convert", source, "-", "--to", to],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=child_environment(),
        ) as process:  # fmt: skip
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.read(10)
            process.stdout.close()
            line = b"evstream: <stdout>: its reader went away before the end\n"
            assert process.stderr.read() == line
            assert process.wait(PATIENCE) == 1


@pytest.mark.parametrize("name", ["parquet", "arrow", "bin", "bin.gz", "csv.gz", "jsonl.zst"])
def test_a_failed_conversion_leaves_no_whole_file(tmp_path: Path, name: str) -> None:
    """A library that is thrown away may complete its file: then it would look whole."""
    source = io.BytesIO()
    with evstream.create(source, "loss", len_sample=1) as out:
        out.write_columns(np.arange(1, 300_001), 1, 1, 1.0)
    cut = source.getvalue()[: 8 + 24 * 250_000]  # between two events

    class Stops(io.BytesIO):
        def readinto1(self, view: Any) -> int:
            size = super().readinto1(view)
            if not size:
                raise OSError("the line went dead")
            return size

    fifo, left = tmp_path / f"fifo.{name}", tmp_path / f"left.{name}"
    os.mkfifo(fifo)
    reader = threading.Thread(target=lambda: left.write_bytes(fifo.read_bytes()))
    reader.start()
    with pytest.raises(OSError, match="went dead"):
        convert(Stops(cut), fifo, from_="bin")
    gc.collect()
    reader.join()
    with pytest.raises(evstream.EvstreamError):
        convert(left, io.BytesIO(), to="csv")
