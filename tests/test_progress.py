"""Progress of commands: what it says at a time, where it shows, and that it adds up."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import gzip
import io
import os
import pty
import re
import select
import shutil
import struct
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import evstream
from evstream.cli import log, progress, status_line
from evstream.cli.program import main
from evstream.cli.progress import Pace, Progress
from evstream.cli.status_line import WIPE
from oracle import encode
from result_cases import made_blocks, occurrence_file, stream_of
from support import PATIENCE

LOSS = encode("loss", {"len_sample": 2}, [((e, 1), [(1, 5.0), (2, 6.0)]) for e in range(1, 400)])
ASKED, NOT_ASKED = argparse.Namespace(progress=True), argparse.Namespace(progress=None)
MB = 10**6


def told(pace: Pace, now: float, done: int, total: int | None) -> str:
    return pace.status("gul.bin", now, done, total).text


def test_the_first_line_has_share_rate_and_time_left() -> None:
    pace = Pace(0.0)
    line = told(pace, 0.5, 100 * MB, 400 * MB)
    assert line == "gul.bin: 100 of 400 MB, 25%, 200 MB/s, 2 s left"
    line = told(pace, 100.0, 399 * MB, 400 * MB)
    assert line == "gul.bin: 399 of 400 MB, 99%, 3.0 MB/s, 0 s left"
    assert told(pace, 101.0, 400 * MB, 400 * MB).endswith(
        "400 of 400 MB, 100%, all read, finishing"
    )


def test_a_pipe_has_bytes_and_a_rate_but_no_share() -> None:
    pace = Pace(0.0)
    assert told(pace, 1.0, 3 * MB, None) == "gul.bin: 3.0 MB, 3.0 MB/s"
    assert told(pace, 2.0, 20_000 * MB, None) == "gul.bin: 20.0 GB, 10,000 MB/s"


def test_a_stalled_input_has_no_rate_but_the_time_without_data() -> None:
    pace = Pace(10.0)
    assert told(pace, 13.0, 0, None) == "gul.bin: 0.0 MB, nothing read for 3 s"
    told(pace, 14.0, 5 * MB, None)
    assert (
        told(pace, 74.0, 5 * MB, 10 * MB) == "gul.bin: 5.0 of 10.0 MB, 50%, nothing read for 60 s"
    )


def test_more_bytes_than_the_file_had_are_no_share() -> None:
    assert told(Pace(0.0), 1.0, 5 * MB, 4 * MB) == "gul.bin: 5.0 MB, 5.0 MB/s"


@contextmanager
def a_terminal() -> Iterator[io.FileIO]:
    """What a terminal shows that has our stderr; drawn at once. Not a fixture: pytest sets the
    standard streams after those."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 120, 0, 0))
    with (
        open(ours, "rb", 0) as shown,
        open(theirs, "w") as stderr,
        pytest.MonkeyPatch.context() as given,
    ):
        given.setattr(sys, "stderr", stderr)
        given.setattr(sys, "stdout", io.StringIO())
        given.setattr(progress, "_FIRST_AFTER", 0.0)
        given.setattr(progress, "_EVERY", 0.01)
        given.setattr(status_line, "_is_in_foreground", lambda: True)
        given.setenv("TERM", "xterm")
        given.setenv("NO_COLOR", "1")
        yield shown


def read_until(shown: io.FileIO, words: str) -> str:
    text = ""
    while words not in text:
        assert select.select([shown], [], [], PATIENCE)[0], text
        text += os.read(shown.fileno(), 1 << 12).decode()
    return text


def test_a_line_is_wiped_before_an_error_and_at_the_end(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(bytes(4 * MB))
    with a_terminal() as terminal:
        with Progress(NOT_ASKED, [str(tmp_path / "a.bin")]) as shown:
            shown.update(1 * MB)
            text = read_until(terminal, "1.0 of 4.0 MB")
            assert text.startswith(WIPE)
            assert text.count("\n") == 0
            log.note("something is wrong")
            assert f"{WIPE}evstream: something is wrong\r\n" in read_until(terminal, "wrong\r\n")
            read_until(terminal, "1.0 of 4.0 MB")  # and again
        assert log.above_line is contextlib.nullcontext
        print("end", file=sys.stderr, flush=True)
        assert read_until(terminal, "end\r\n").endswith(f"{WIPE}end\r\n")


def test_a_line_is_never_wider_than_the_terminal(tmp_path: Path) -> None:
    with a_terminal():
        line = progress.drawer()(Pace(0.0).status("long/" * 50 + "gul.bin", 1.0, 500, 1000))
    assert "/gul.bin" in line
    assert "50%" in line
    assert len(re.sub("\x1b.*?m", "", line)) <= 120


@pytest.mark.parametrize(
    ("asked", "prints", "term", "way"),
    [
        (None, False, "xterm", "line"),
        (None, False, "dumb", None),
        (True, False, "dumb", "lines"),
        (False, False, "xterm", None),
    ],
)
def test_progress_shows_where_it_can_be_drawn(
    asked: bool | None, prints: bool, term: str, way: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with a_terminal():
        monkeypatch.setenv("TERM", term)
        assert progress._way(asked, prints) == way


def test_progress_stays_out_of_what_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    with open(reader), open(writer, "w") as pipe, a_terminal():
        monkeypatch.setattr(sys, "stdout", pipe)  # to a pager, for instance
        assert progress._way(None, False) is None
        assert progress._way(True, False) == "line"
        monkeypatch.setattr(sys, "stdout", sys.stderr)
        assert progress._way(True, True) is None
        assert progress._way(None, False) == "line"


def test_without_a_terminal_progress_is_silent_or_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "a.bin").write_bytes(LOSS)
    assert progress._way(None, False) is None
    monkeypatch.setattr(progress, "_FIRST_LINE_AFTER", 0.0)
    with Progress(ASKED, [str(tmp_path / "a.bin")]) as shown:
        text = ""
        while "\n" not in text:
            text += capsys.readouterr().err
        assert text.startswith(f"evstream: {tmp_path / 'a.bin'}: 0.0 of 0.0 MB, 0%")
        assert WIPE not in text
        assert shown.total == len(LOSS)


def test_only_who_asks_for_progress_hears_of_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rich", None)
    monkeypatch.setitem(sys.modules, "rich.console", None)
    with a_terminal() as terminal:
        with Progress(NOT_ASKED, ["-"]):
            pass
        with Progress(ASKED, ["-"]):
            pass
        print("end", file=sys.stderr, flush=True)
        line = "evstream: warning: --progress: this needs rich: pip install 'evstream[progress]'"
        assert read_until(terminal, "end\r\n") == f"{line}\r\nend\r\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "a.bin").write_bytes(LOSS)
    (tmp_path / "a.bin.gz").write_bytes(gzip.compress(LOSS))
    with evstream.create(tmp_path / "b.bin", "loss", len_sample=2) as out:
        out.write_event(1000, [1], [[5.0, 6.0]])
    (tmp_path / "s.bin").write_bytes(stream_of(made_blocks()))
    occurrence_file(tmp_path, [(event, 1) for event in range(1, 10)])
    monkeypatch.chdir(tmp_path)
    return tmp_path


COMMANDS = {
    "info a.bin b.bin": ["a.bin", "b.bin"],
    "info a.bin.gz": ["a.bin.gz"],
    "cat a.bin.gz": ["a.bin.gz"],
    "validate a.bin a.bin.gz": ["a.bin", "a.bin.gz"],
    "seal a.bin b.bin --jobs 2": ["a.bin", "b.bin"],
    "index a.bin": ["a.bin"],
    "convert a.bin.gz a.csv": ["a.bin.gz"],
    "diff a.bin.gz b.bin": ["a.bin.gz"],
    "merge a.bin b.bin all.bin --order ids": ["a.bin", "b.bin"],
    "merge a.bin b.bin all.bin": ["a.bin", "a.bin", "b.bin", "b.bin"],
    "elt s.bin -o elt.csv": ["s.bin"],
    "aal s.bin --occurrence occurrence.bin -o aal.csv": ["s.bin"],
    "ept s.bin --occurrence occurrence.bin -o ept.csv": ["s.bin"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_progress_of_a_command_ends_at_its_total(
    command: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[tuple[int | None, int]] = []
    leave = Progress.__exit__

    def end(self: Progress, *problem: object) -> None:
        leave(self, None, None, None)
        ended.append((self.total, self.done))

    monkeypatch.setattr(Progress, "__exit__", end)
    main([*command.split(), "--progress"])
    size = sum(os.path.getsize(folder / name) for name in COMMANDS[command])
    [(total, done)] = ended
    assert total == size
    assert size - 64 < done <= size  # with headers, or without


def test_progress_of_a_pattern_has_the_size_of_its_files(folder: Path) -> None:
    shutil.copy(folder / "a.bin", folder / "c.bin")
    assert Progress(ASKED, [str(folder / "[ac].bin")]).total == 2 * len(LOSS)
    assert Progress(ASKED, ["-"]).total is None
    assert Progress(ASKED, [str(folder / "none.bin")]).total is None
