"""One end of a pipe dies: the other reads or reports what there was.

The promise: no loss is dropped, invented or misattributed silently.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evstream
import oracle
from fault_cases import (
    FAULTS,
    READERS,
    ROWS,
    SECONDS,
    STREAM,
    WANTED,
    WRITERS,
    Read,
    Rows,
    Write,
    child,
    exit_status,
    pipe,
)
from support import ROOT, child_environment, read_all

pytestmark = pytest.mark.usefixtures("kernels_are_loaded")

BOUNDARIES = {8, len(STREAM), *(block[0] for block in WANTED.blocks)}


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("read", READERS)
def test_a_killed_producer_leaves_a_prefix_and_a_reported_end(read: Read, write: Write) -> None:
    outcomes = Counter(kill_and_read(read, write, random.Random(seed)) for seed in range(FAULTS))
    outcomes += (by_itself := Counter(kill_and_read(read, write, Deadly(n)) for n in range(1, 12)))
    print(json.dumps(outcomes))
    assert "whole" not in by_itself
    assert by_itself.keys() & {"TruncatedStreamError", "MissingDelimiterWarning"}


class Deadly(random.Random):
    """Kills the process, a writer, at the n-th piece that it is asked the size of."""

    def __init__(self, n: int) -> None:
        super().__init__(n)
        self.left = n

    def randrange(self, *arguments: int) -> int:  # type: ignore[override]
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().randrange(*arguments)


def kill_and_read(read: Read, write: Write, chance: random.Random) -> str:
    """Kill a producer somewhere; what the reader said."""
    with pipe() as (reader, writer):
        relay, relayed = os.pipe()  # so that the test knows every byte that was written
        with child(lambda: write(writer, STREAM, chance)) as producer:
            os.close(writer)
            after = SECONDS if isinstance(chance, Deadly) else chance.random() * 0.02
            killer = threading.Timer(after, os.kill, (producer, signal.SIGKILL))
            killer.start()
            received = bytearray()

            def pass_on() -> None:
                while piece := os.read(reader, 1 << 16):
                    received.extend(piece)
                    os.write(relayed, piece)
                os.close(relayed)

            passing = threading.Thread(target=pass_on)
            passing.start()
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always", evstream.MissingDelimiterWarning)
                rows, event_ids, error = read(relay)
            killer.cancel()
            killer.join()
            passing.join()
            os.close(relay)
    assert STREAM.startswith(received)
    assert rows == ROWS[: len(rows)]
    assert event_ids == list(range(1, len(event_ids) + 1))
    return judged(bytes(received), rows, error, [w.message for w in caught])


def judged(received: bytes, rows: Rows, error: Exception | None, warned: list[Any]) -> str:
    """The class of an outcome, after checking that it is the right one for what was received."""
    size, decoded = len(received), oracle.decode(received)
    if error is not None:
        assert isinstance(error, (evstream.TruncatedStreamError, evstream.StreamHeaderError))
        assert size not in BOUNDARIES
        assert decoded.error is not None
        assert error.offset == decoded.error_offset
        return type(error).__name__
    assert len(rows) == len(decoded.records)
    if warned:
        assert [type(message) for message in warned] == [evstream.MissingDelimiterWarning]
        assert f"byte {size}" in str(warned[0])
        assert size not in BOUNDARIES
        return "MissingDelimiterWarning"
    assert size in BOUNDARIES
    return "whole" if size == len(STREAM) else "cut between two blocks, not reported"


@pytest.mark.parametrize("read", READERS)
def test_a_stream_cut_at_every_byte_ends_as_the_oracle_says(read: Read) -> None:
    outcomes: Counter[str] = Counter()
    step = max(1, len(STREAM) // (FAULTS * 10))
    for size in {*range(0, len(STREAM), step), len(STREAM)}:
        with pipe() as (reader, writer):
            os.write(writer, STREAM[:size])
            os.close(writer)
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always", evstream.MissingDelimiterWarning)
                rows, _, error = read(reader)
        assert rows == ROWS[: len(rows)]
        outcomes[judged(STREAM[:size], rows, error, [w.message for w in caught])] += 1
    print(json.dumps(outcomes))
    assert outcomes["whole"] == 1
    assert outcomes["StreamHeaderError"] > 0
    assert outcomes["TruncatedStreamError"] > len(outcomes)


def test_a_killed_writer_leaves_no_file_under_its_name(
    tmp_path: Path,
) -> None:
    chance = random.Random(7)
    columns = np.array(ROWS).T
    outcomes: Counter[str] = Counter()
    for number in range(FAULTS):
        path = tmp_path / f"{number}.bin"
        fatal = 10 * number if number < 10 else -1  # these processes kill themselves

        def write(path: Path = path, fatal: int = fatal) -> None:
            with evstream.create(path, "loss", len_sample=12) as out:
                for at in range(0, len(ROWS), 10):
                    if at == fatal:
                        os.kill(os.getpid(), signal.SIGKILL)
                    event, item, sidx, loss = columns[:, at : at + 10]
                    out.write_columns(event.astype(int), item.astype(int), sidx.astype(int), loss)
                    out.flush()

        with child(write) as pid:
            if fatal < 0:
                time.sleep(chance.random() * 0.1)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            exit_status(pid)
        if path.exists():
            assert fatal < 0
            assert path.read_bytes() == STREAM
        outcomes["whole file" if path.exists() else "no file"] += 1
    left = [name for name in os.listdir(tmp_path) if not name.endswith(".part")]
    assert sorted(left) == sorted(f"{n}.bin" for n in range(FAULTS) if f"{n}.bin" in left)
    assert all(name.startswith(".") for name in os.listdir(tmp_path) if name not in left)
    print(json.dumps(outcomes))
    assert outcomes["no file"] >= 10


def test_a_writer_stops_with_an_error_when_its_reader_is_gone() -> None:
    chance = random.Random(11)

    def write_for_ever(writer: int) -> int:
        out = evstream.create(writer, "loss", len_sample=100)
        losses = np.ones((20, 100))
        try:
            event = 1
            while True:
                out.write_event(event, range(1, 21), losses)
                event += 1
        except BrokenPipeError:
            out.abort()
            return 7

    for _ in range(FAULTS):
        with pipe() as (reader, writer):

            def work(reader: int = reader, writer: int = writer) -> int:
                os.close(reader)
                return write_for_ever(writer)

            with child(work) as pid:
                os.close(writer)
                left = chance.randrange(200_000)
                while left > 0:
                    left -= len(os.read(reader, min(left, 8192)))
                os.close(reader)
                assert exit_status(pid) == 7


def test_the_command_line_stops_quietly_when_its_reader_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "large.bin"
    with evstream.create(path, "loss", len_sample=1000) as out:
        for event in range(1, 200):
            out.write_event(event, range(1, 11), np.ones((10, 1000)))
    command = [sys.executable, "-m", "evstream", "cat", str(path)]
    for lines in (0, 1, 1000):
        process = subprocess.Popen(
            command, cwd=ROOT, env=child_environment(),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        with process, process.stdout, process.stderr:
            for _ in range(lines):
                process.stdout.readline()
            process.stdout.close()
            assert process.wait(SECONDS) == 0
            assert process.stderr.read() == b""


def test_a_whole_stream_has_the_losses_it_was_made_of() -> None:
    reading = read_all(io.BytesIO(STREAM))
    assert reading.clean_end
    assert len(reading.events) == 60
