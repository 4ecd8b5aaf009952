"""Standard input and pipes give events as soon as they are complete, at no cost of waiting."""

from __future__ import annotations

import fcntl
import io
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import evstream
from oracle import encode
from source_cases import SMALL, as_file, as_pipe, expected, write_slowly
from support import PATIENCE, ROOT, child_environment, read_all

pytestmark = pytest.mark.usefixtures("no_descriptor_is_left")


def read_stdin_in_child(code: str, stdin: Any, **options: Any) -> str:
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=child_environment(),
        stdin=stdin, capture_output=True, text=True, check=False, **options,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return result.stdout


PRINT_STDIN = """if True:
    import evstream, sys
    with evstream.open("-") as stream:
        print(stream.name, [(event.event_id, len(event)) for event in stream])
    print(sys.stdin.closed, repr(sys.stdin.read()))
"""


def test_stdin_is_read_as_a_pipe(tmp_path: Path) -> None:
    with as_pipe(SMALL, tmp_path) as reader:
        found = read_stdin_in_child(PRINT_STDIN, reader)
    assert found == "<stdin> [(1, 2), (5, 1)]\nFalse ''\n"


def test_stdin_is_read_as_a_file(tmp_path: Path) -> None:
    with as_file(SMALL, tmp_path) as file:
        found = read_stdin_in_child(PRINT_STDIN, file)
    assert found == "<stdin> [(1, 2), (5, 1)]\nFalse ''\n"


def test_a_stand_in_for_stdin_needs_a_buffer_only(monkeypatch: pytest.MonkeyPatch) -> None:
    class StandIn:
        buffer = io.BytesIO(SMALL)

    monkeypatch.setattr(sys, "stdin", StandIn())
    reading = read_all("-")
    assert reading == expected(SMALL)
    assert not StandIn.buffer.closed


def test_a_binary_stand_in_for_stdin_is_read_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.BytesIO(SMALL))
    assert read_all("-") == expected(SMALL)


class Demanded:
    """Gives its pieces one by one, and says so when it is asked for more."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = list(pieces)

    def readinto(self, view: memoryview) -> int:
        assert self.pieces, "asked for more than is needed"
        piece = self.pieces.pop(0)
        given = piece[: len(view)]
        view[: len(given)] = given
        if piece[len(view) :]:
            self.pieces.insert(0, piece[len(view) :])
        return len(given)


def test_the_stream_header_is_there_before_any_event_is() -> None:
    with evstream.open(Demanded(SMALL[:8])) as stream:
        assert stream.header.len_sample == 10


def test_an_event_is_given_as_soon_as_the_next_begins() -> None:
    blocks = [((event, 1), [(1, 5.0)]) for event in (1, 2, 3)]
    data = encode("loss", {"len_sample": 1}, blocks)
    header, block = 8, 8 + 8 + 8
    first = data[: header + block + 8]
    with evstream.open(Demanded(first, data[len(first) : header + 2 * block + 8])) as stream:
        events = iter(stream)
        assert next(events).event_id == 1
        assert next(events).event_id == 2


def test_descriptors_above_1024_can_be_waited_for(tmp_path: Path) -> None:
    with as_pipe(SMALL, tmp_path, blocking=False) as reader:
        try:
            high = fcntl.fcntl(reader, fcntl.F_DUPFD, 1500)
        except OSError:
            pytest.skip("no descriptors above 1024 here")
        try:
            assert high >= 1500
            assert read_all(high) == expected(SMALL)
        finally:
            os.close(high)


@pytest.mark.parametrize("blocking", [True, False])
def test_waiting_for_data_takes_no_processor_time(blocking: bool) -> None:
    reader, writer = os.pipe()
    os.set_blocking(reader, blocking)
    thread = write_slowly(writer, SMALL, pause=0.2)
    start, began = time.thread_time(), time.monotonic()
    assert read_all(reader) == expected(SMALL)
    assert time.thread_time() - start < (time.monotonic() - began) / 2
    thread.join(PATIENCE)
    os.close(reader)


def test_an_object_without_data_and_descriptor_is_an_error() -> None:
    class Empty:
        def readinto(self, view: memoryview) -> None:
            return None

    with pytest.raises(BlockingIOError, match="<Empty> has no data and nothing to wait on"):
        evstream.open(Empty())
