"""What `evstream tee` tells of its pipe, and `evstream monitor` of all."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from evstream.checking.tee import tee
from evstream.cli import tee_monitor
from evstream.cli.program import main
from evstream.monitoring.flow import Flow
from evstream.monitoring.prometheus import metrics
from evstream.monitoring.record import DONE, FAILED, RUNNING, Recent, Record
from evstream.monitoring.register import KILLED, latest_run, read_all
from oracle import encode
from support import PATIENCE, ROOT, child_environment

HEADER = {"len_sample": 2}
BLOCKS = [((event, item), [(1, 5.0), (2, 6.0)]) for event in (1, 2, 30) for item in (1, 2)]
STREAM = encode("loss", HEADER, BLOCKS)


class Input:
    """In the place of stdin."""

    def __init__(self, data: bytes) -> None:
        self.buffer = io.BytesIO(data)


def run_tee(data: bytes, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "stdin", Input(data))
    return main(["tee", "--output", "out.bin", *arguments])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVSTREAM_MONITOR", "run")
    return tmp_path


def test_a_tee_registers_and_tells_its_end(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told = ["--name", "gul-P1", "--json", "gul.jsonl", "--metrics", "gul.prom", "--progress"]
    assert run_tee(STREAM, monkeypatch, *told) == 0
    assert Path("out.bin").read_bytes() == STREAM
    [record], problems = read_all(["run"])
    assert problems == []
    assert (record.name, record.state, record.stream) == ("gul-P1", DONE, "loss")
    assert (record.bytes, record.events, record.event) == (len(STREAM), 3, 30)
    lines = [json.loads(line) for line in Path("gul.jsonl").read_text().splitlines()]
    assert (lines[0]["state"], lines[0]["bytes"], lines[-1]["state"]) == (RUNNING, 0, DONE)
    assert f'bytes_total{{pipe="gul-P1"}} {len(STREAM)}\n' in Path("gul.prom").read_text()
    assert capsys.readouterr().err.startswith("evstream: gul-P1: done after ")
    assert sorted(os.listdir()) == ["gul.jsonl", "gul.prom", "out.bin", "run"]


def test_a_tee_of_a_cut_stream_tells_that_it_failed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_tee(STREAM[:-3], monkeypatch) == 1
    [record], _ = read_all(["run"])
    assert record.state == FAILED
    assert "<stdin>" in record.problem
    assert main(["monitor", "--once"]) == 1
    assert main(["monitor"]) == 1  # ends, since the pipe has
    assert f"failed: {record.problem}\n" in capsys.readouterr().out


def test_a_folder_that_cannot_be_made_stops_no_data(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("run").write_text("")
    assert run_tee(STREAM, monkeypatch, "--metrics", "no/such/m.prom") == 0
    assert Path("out.bin").read_bytes() == STREAM
    warnings = capsys.readouterr().err.splitlines()
    assert [line.split(": ", 2)[1] for line in warnings] == ["warning", "warning"]
    assert "the pipe is not registered" in warnings[0]
    assert "no/such/m.prom" in warnings[1]


@pytest.mark.parametrize(
    ("option", "place"),
    [(option, place) for option in ("--json", "--metrics") for place in ("no/such/file", "fifo")]
    + [("--json", "/dev/full")],
)
def test_a_place_that_takes_no_progress_stops_no_data(
    option: str, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EVSTREAM_MONITOR", raising=False)
    if place == "fifo":
        os.mkfifo(place)  # nobody reads it
    assert run_tee(STREAM, monkeypatch, option, place) == 0
    assert Path("out.bin").read_bytes() == STREAM
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"evstream: warning: {place}: ")
    assert line.endswith(": progress is not reported")
    assert place != "fifo" or stat.S_ISFIFO(os.stat(place).st_mode)


@pytest.mark.parametrize("option", ["--json", "--metrics", "--seal", "--index"])
def test_nothing_else_goes_into_the_pipe_of_a_stream(
    option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    read_end, write_end = os.pipe()
    os.mkfifo("fifo")
    os.symlink("fifo", "name")
    os.link("fifo", "other")
    try:
        output = f"/dev/fd/{write_end}"
        assert (
            run_tee(STREAM, monkeypatch, "--output", output, option, f"/dev/./fd/{write_end}") == 2
        )
        assert run_tee(STREAM, monkeypatch, "--output", "other", option, "name") == 2
        assert capsys.readouterr().err.count("need a file each") == 2
    finally:
        os.close(write_end)
        os.close(read_end)


def test_a_terminal_of_unknown_width_shows_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []
    monkeypatch.setattr(os, "get_terminal_size", lambda *_: os.terminal_size((0, 0)))
    monkeypatch.setattr(sys, "stderr", sys.__stderr__)
    monkeypatch.setattr(tee_monitor.StatusLine, "show", lambda self, text: drawn.append(text))
    with contextlib.ExitStack() as stack:
        tee_monitor._drawn(stack)(Record("gul", events=3))
    assert drawn == ["gul: 3 events, 0.0 MB"]


def test_outputs_of_a_tee_are_different_files(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_tee(STREAM, monkeypatch, "--metrics", "out.bin") == 2
    assert "need a file each" in capsys.readouterr().err


def test_a_tee_that_nobody_watches_counts_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EVSTREAM_MONITOR", raising=False)
    monkeypatch.setattr(Flow, "__init__", None)
    assert run_tee(STREAM, monkeypatch) == 0
    assert os.listdir() == ["out.bin"]


@pytest.mark.parametrize("validate", [False, True])
def test_a_flow_counts_each_read_and_write(validate: bool) -> None:
    now = [0.0]

    class Slow(io.BytesIO):
        def readinto(self, view: Any) -> int:
            now[0] += 3
            return super().readinto(memoryview(view)[:10])

        readinto1 = readinto

        def write(self, data: Any) -> int:
            now[0] += 1
            return super().write(data)

    flow, target = Flow(lambda: now[0], lambda: 0.0), Slow()
    tee(Slow(STREAM), target, validate=validate, flow=flow)
    assert target.getvalue() == STREAM
    assert flow.look().bytes == len(STREAM)
    assert flow.waited("input", now[0]) > 2 * flow.waited("output", now[0]) > 0
    total = flow.waited("input", now[0]) + flow.waited("output", now[0])
    assert now[0] - 2 <= total <= now[0]  # the last byte is written after the last read


def test_the_line_of_a_tee_says_what_it_waits_for() -> None:
    record = Record(
        "gul", seconds=20, bytes=30_000_000, events=1200, event=17,
        recent=Recent(10, 20_000_000, 1000, 9.0, 0.5),
    )  # fmt: skip
    assert tee_monitor.text(record) == (
        "gul: event 17, 1,200 events, 30.0 MB, 2.0 MB/s, waits 90% for input and 5% for output"
    )
    record.state, record.waited_input, record.waited_output = DONE, 15.0, 1.0
    assert tee_monitor.text(record) == (
        "gul: done after 20.0 s: event 17, 1,200 events, 30.0 MB, 1.5 MB/s, "
        "waited 15.0 s for input, 1.0 s for output"
    )


def test_monitor_needs_a_folder(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.delenv("EVSTREAM_MONITOR", raising=False)
    assert main(["monitor"]) == 2
    assert "evstream monitor DIR" in capsys.readouterr().err
    assert main(["monitor", "--once", str(tmp_path / "none")]) == 2
    assert main(["monitor", "--once", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"no pipes in {tmp_path}\n"
    assert main(["monitor", "--every", "0", str(tmp_path)]) == 2


@pytest.mark.parametrize("seconds", ["nan", "0", "-1", "inf", "1e12"])
def test_a_pause_that_no_system_can_sleep_is_refused(
    seconds: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["monitor", f"--every={seconds}", str(tmp_path)]) == 2
    assert "expected seconds above 0, at most 86400" in capsys.readouterr().err


def test_a_stuck_and_a_killed_pipe_are_distinguished(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("in.bin").write_bytes(STREAM[:8] + STREAM[8:] * 20_000)  # more than a pipe holds
    with (
        open("in.bin", "rb") as data,
        subprocess.Popen(
            [sys.executable, "-m", "evstream", "tee", "--name", "stuck"], stdin=data,
            stdout=subprocess.PIPE, env=child_environment(),
        ) as process,
    ):  # fmt: skip
        deadline = time.monotonic() + PATIENCE
        records: list[Record] = []
        while not (records and records[0].waiting == "output" and records[0].waiting_seconds > 1):
            records, _ = read_all(["run"])
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert main(["monitor", "--once", "--json", "--metrics", "all.prom"]) == 0
        shown = json.loads(capsys.readouterr().out)
        assert [one["state"] for one in shown["pipes"]] == [RUNNING]
        assert 'evstream_pipe_state{pipe="stuck",state="running"} 1' in Path("all.prom").read_text()
        assert main(["monitor", "--once", "run/stuck.pipe"]) == 0
        assert "waits for output for " in capsys.readouterr().out
        process.send_signal(signal.SIGKILL)
        process.wait(PATIENCE)
        assert process.stdout is not None
        process.stdout.close()
    [record], _ = latest_run(read_all(["run"])[0], time.time())
    assert record.state == KILLED
    assert main(["monitor", "run"]) == 1
    assert "killed" in capsys.readouterr().out


def test_the_page_about_monitoring_names_all_metrics() -> None:
    page = (ROOT / "docs" / "monitoring.md").read_text()
    text = metrics([Record("gul", event=1)])
    assert set(re.findall(r"evstream_pipe_\w+", page)) == set(re.findall(r"(?m)^\w+", text))
