"""`evstream tee`, and a chain of processes in which one is killed or cuts a stream."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evstream
from evstream.checking.seal import Seal
from evstream.checking.tee import tee
from evstream.checking.validated_sources import validate
from evstream.cli.program import main
from evstream.event_stream import read_stream_info
from oracle import encode
from support import ROOT, child_environment, read_all

HEADER = {"len_sample": 2}
BLOCKS = [((event, item), [(1, 5.0), (2, 6.0)]) for event in (1, 2, 3) for item in (1, 2)]
STREAM = encode("loss", HEADER, BLOCKS)
UNCLOSED = encode("loss", HEADER, BLOCKS, final_delimiter=False)
BROKEN_RULE = encode("loss", HEADER, [((1, 1), [(1, 5.0), (9, 6.0)])])
SECONDS = 60


def passed(data: bytes, **options: Any) -> tuple[Any, bytes]:
    target = io.BytesIO()
    return tee(io.BytesIO(data), target, **options), target.getvalue()


def test_tee_passes_a_whole_stream_on_unchanged(tmp_path: Path) -> None:
    seal = str(tmp_path / "loss.seal")
    for options in ({}, {"strict": True}, {"validate": True}):
        result, data = passed(STREAM, seal=seal, **options)
        assert (result.problem, data) == (None, STREAM)
        assert Seal.read(seal).complete


def test_an_unclosed_stream_is_not_sealed_complete(tmp_path: Path) -> None:
    seal = str(tmp_path / "loss.seal")
    result, data = passed(UNCLOSED, seal=seal)
    assert result.problem is None
    assert result.unclosed is not None
    assert data == UNCLOSED
    assert not Seal.read(seal).complete


def test_strict_tee_passes_a_missing_delimiter_on_as_a_cut(tmp_path: Path) -> None:
    seal = str(tmp_path / "loss.seal")
    result, data = passed(UNCLOSED, seal=seal, strict=True)
    assert "without the final delimiter" in str(result.problem)
    assert not Seal.read(seal).complete
    error = read_all(io.BytesIO(data)).error
    assert isinstance(error, evstream.TruncatedStreamError)
    assert error.problem == "the stream is not complete: its writer gave up here"


def test_tee_checks_the_rules_in_flight(tmp_path: Path) -> None:
    result, data = passed(BROKEN_RULE, validate=True)
    assert "sidx 9" in str(result.problem)
    assert [finding.rule for finding in result.report.findings] != []
    assert read_all(io.BytesIO(data)).error is not None
    seal = str(tmp_path / "loss.seal")
    passed(BROKEN_RULE, validate=True, seal=seal)
    assert not Seal.read(seal).complete
    assert passed(BROKEN_RULE)[1] == BROKEN_RULE


@pytest.mark.parametrize("options", [{}, {"validate": True}], ids=["plain", "validate"])
@pytest.mark.parametrize("size", [0, 5, 8 + 8, 8 + 8 + 3, 8 + 8 + 8, len(STREAM) - 1])
def test_a_broken_stream_stays_one(size: int, options: dict[str, bool]) -> None:
    result, data = passed(STREAM[:size], strict=True, **options)
    assert result.problem is not None
    assert read_all(io.BytesIO(data)).error is not None
    assert STREAM.startswith(data[:size])


@pytest.mark.parametrize("data", [STREAM[:-3], UNCLOSED, BROKEN_RULE])
def test_a_file_of_a_broken_stream_does_not_appear(data: bytes, tmp_path: Path) -> None:
    result = tee(
        io.BytesIO(data), tmp_path / "out.bin", seal=str(tmp_path / "out.seal"),
        strict=True, validate=True,
    )  # fmt: skip
    assert result.problem is not None
    assert list(tmp_path.iterdir()) == []


def test_tee_of_every_stream_and_every_piece(tmp_path: Path) -> None:
    class Pieces(io.BytesIO):
        def readinto(self, view: Any) -> int:
            return super().readinto(memoryview(view)[:7])

        readinto1 = readinto

    rows = encode("event_ids", {}, [((event,), []) for event in (1, 2, 3)])
    for stream, data in (("loss", STREAM), ("event_ids", rows)):
        for options in ({}, {"validate": True}):
            target = io.BytesIO()
            result = tee(Pieces(data), target, stream=stream, **options)
            assert (result.problem, target.getvalue()) == (None, data)


def run(*arguments: object, data: bytes, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "evstream", *map(str, arguments)],
        input=data, capture_output=True, check=False, cwd=ROOT, timeout=SECONDS,
        env=child_environment() | environment,
    )  # fmt: skip


def test_the_command_has_a_status_for_each_end(tmp_path: Path) -> None:
    result = run("tee", data=UNCLOSED)
    assert (result.returncode, result.stdout) == (0, UNCLOSED)
    assert b"warning: <stdin>: byte" in result.stderr
    assert run("tee", "--strict", data=UNCLOSED).returncode == 1
    assert run("tee", data=UNCLOSED, EVSTREAM_STRICT="1").returncode == 1
    assert run("tee", "--no-strict", data=UNCLOSED, EVSTREAM_STRICT="1").returncode == 0
    result = run("tee", "--validate", data=BROKEN_RULE)
    assert result.returncode == 1
    assert b"sidx 9" in result.stderr


@pytest.mark.parametrize("how", ["argument", "environment"])
def test_a_tee_that_gets_no_data_ends_with_the_timeout(how: str) -> None:
    reader, writer = os.pipe()
    arguments = ["--timeout", "0.2"] if how == "argument" else []
    environment = {"EVSTREAM_TIMEOUT": "0.2"} if how == "environment" else {}
    os.write(writer, STREAM[:-20])
    process = subprocess.Popen(
        [sys.executable, "-m", "evstream", "tee", *arguments], stdin=reader,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=child_environment() | environment,
    )  # fmt: skip
    os.close(reader)
    out, problem = process.communicate(timeout=SECONDS)
    os.close(writer)
    assert process.returncode == 2
    assert b"0.2 s" in problem
    assert read_all(io.BytesIO(out)).error is not None


# The environment


def test_the_environment_makes_every_reader_strict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "loss.bin"
    path.write_bytes(UNCLOSED)
    monkeypatch.setenv("EVSTREAM_STRICT", "1")
    readers = [
        lambda: list(evstream.open(path)),
        lambda: evstream.read_columns(path),
        lambda: evstream.convert(path, tmp_path / "copy.bin"),
        lambda: list(evstream.reader_class("loss")(np.zeros(1)).read(path)),
    ]
    for read in readers:
        with pytest.raises(evstream.TruncatedStreamError, match="without the final delimiter"):
            read()
    assert main(["cat", str(path)]) == 2
    assert "without the final delimiter" in capsys.readouterr().err
    with pytest.warns(evstream.MissingDelimiterWarning):
        assert len(list(evstream.open(path, strict=False))) == 3
    monkeypatch.setenv("EVSTREAM_STRICT", "maybe")
    with pytest.raises(ValueError, match="EVSTREAM_STRICT is 'maybe', expected 1 or 0"):
        evstream.open(path)


def test_the_environment_gives_every_reader_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVSTREAM_TIMEOUT", "0.05")
    for read in (
        lambda fd: list(evstream.open(fd)),
        lambda fd: list(evstream.reader_class("loss")(np.zeros(1)).read(fd)),
        lambda fd: read_stream_info(io.FileIO(fd, closefd=False)),
    ):
        reader, writer = os.pipe()
        try:
            with pytest.raises(evstream.StallError, match=r"0\.05 s"):
                read(reader)
        finally:
            os.close(reader)
            os.close(writer)
    for text in ("soon", "0", "-1", "nan"):
        monkeypatch.setenv("EVSTREAM_TIMEOUT", text)
        with pytest.raises(ValueError, match=f"EVSTREAM_TIMEOUT is '{text}', expected seconds"):
            evstream.open(io.BytesIO(STREAM))
        assert len(list(evstream.open(io.BytesIO(STREAM), timeout=5))) == 3


# A chain


@pytest.mark.parametrize(("strict", "stage", "of"), [(False, 4, 7), (True, 2, 4)])
def test_a_killed_stage_fails_all_stages_after_it(
    strict: bool, stage: int, of: int, tmp_path: Path
) -> None:
    """The stage of a chain is killed (-9) when 96 of 300 events have come through."""
    rows = encode("loss", HEADER, [((event, 1), [(1, 5.0), (2, 6.0)]) for event in range(1, 301)])
    size = len(rows) * 96 // 300
    command = [sys.executable, "-m", "evstream", "tee", *(["--strict"] if strict else [])]
    stages: list[subprocess.Popen[bytes]] = []
    before: Any = subprocess.PIPE
    for number in range(1, of + 1):
        seal = ["--seal", str(tmp_path / f"{number}.seal")]
        stages.append(
            subprocess.Popen(
                command + seal,
                stdin=before,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=child_environment(),
                bufsize=0,
            )
        )
        if number > 1:
            before.close()  # the stages have it
        before = stages[-1].stdout
    first = stages[0].stdin
    assert first is not None
    first.write(rows[:size])
    received = b""
    while len(received) < size - 1:
        received += before.read(size)
    stages[stage - 1].send_signal(signal.SIGKILL)
    received += before.read()
    before.close()
    statuses = [process.wait(SECONDS) for process in stages[stage - 1 :]]
    first.close()
    for process in stages[: stage - 1]:
        process.wait(SECONDS)
    assert statuses == [-signal.SIGKILL, *[1] * (of - stage)]
    assert rows.startswith(received)
    assert isinstance(read_all(io.BytesIO(received)).error, evstream.TruncatedStreamError)
    for number in range(stage + 1, of + 1):
        assert not Seal.read(tmp_path / f"{number}.seal").complete


def test_a_seal_of_an_unclosed_stream_is_a_finding_later(tmp_path: Path) -> None:
    path = tmp_path / "loss.bin"
    path.write_bytes(UNCLOSED)
    passed(UNCLOSED, seal=str(tmp_path / "loss.bin.seal"))
    assert "sealed" in validate(path).counts or not validate(path).clean
