"""What a tee counts while it waits, and which program of a run is then called slow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evstream.errors import EvstreamError
from evstream.monitoring import register
from evstream.monitoring.flow import INPUT, OUTPUT, Flow, Position
from evstream.monitoring.neighbours import birth_of, pipe_of, program_name, programs_at
from evstream.monitoring.prometheus import metrics
from evstream.monitoring.publisher import Publisher
from evstream.monitoring.record import DONE, FAILED, RUNNING, Program, Recent, Record
from evstream.monitoring.register import KILLED, SILENT, latest_run, read_all, record_file
from evstream.monitoring.sampler import Sampler
from evstream.monitoring.verdict import conclusion, in_flow_order, slowest
from support import PATIENCE

NOBODY: Callable[[Any], Any] = lambda ends: ([], [])  # noqa: E731


class Clock:
    """Time and processor time, which pass as a test says."""

    def __init__(self) -> None:
        self.now = self.used = 0.0

    def passes(self, seconds: float, used: float = 0.0) -> Callable[[Any], int]:
        """A call that takes so long."""

        def call(view: Any) -> int:
            self.now += seconds
            self.used += used
            return 1

        return call


def a_flow() -> tuple[Clock, Flow]:
    clock = Clock()
    return clock, Flow(lambda: clock.now, lambda: clock.used)


def test_waiting_is_time_less_processor_time() -> None:
    clock, flow = a_flow()
    read, write = flow.reads(clock.passes(9.0)), flow.writes(clock.passes(1.0))
    for _ in range(10):
        read(b"")
        clock.passes(2.0, used=2.0)(b"")  # the work between
        write(b"")
    assert flow.waited(INPUT, clock.now) == pytest.approx(90)
    assert flow.waited(OUTPUT, clock.now) == pytest.approx(10)


def test_copying_bytes_is_not_waiting() -> None:
    clock, flow = a_flow()
    read, write = flow.reads(clock.passes(1.0, used=1.0)), flow.writes(clock.passes(3.0, used=3.0))
    for _ in range(5):
        read(b"")
        write(b"")
    read(b"")  # settles what came before
    assert flow.waited(OUTPUT, clock.now) == 0
    assert flow.waited(INPUT, clock.now) == 1  # may be waiting still: not settled


def test_a_wait_under_way_counts_from_its_begin() -> None:
    clock, flow = a_flow()
    seen = []

    def stuck(view: Any) -> int:
        clock.now += 7
        seen.append((flow.waited(INPUT, clock.now), flow.waiting(clock.now)))
        return 0

    flow.reads(stuck)(b"")
    assert seen == [(7.0, (INPUT, 7.0))]
    assert flow.waiting(clock.now) is None


def test_a_record_has_the_last_ten_seconds_apart() -> None:
    clock, flow = a_flow()
    sampler = Sampler(
        flow, "gul", clock=lambda: clock.now, wall=lambda: 1000 + clock.now, find=NOBODY
    )
    flow.look = lambda: Position(int(clock.now * 100), int(clock.now), int(clock.now), "loss")
    read, write = flow.reads(clock.passes(0.0)), flow.writes(clock.passes(1.0))
    for second in range(30):
        if second == 15:
            read, write = flow.reads(clock.passes(1.0)), flow.writes(clock.passes(0.0))
        read(b"")
        write(b"")
        record = sampler.sample()
    assert (record.waited_input, record.waited_output) == (15, 15)
    assert record.recent == Recent(10, 1000, 10, 10, 0)
    assert (record.seconds, record.bytes, record.events, record.event) == (30, 3000, 30, 30)
    assert (record.started, record.updated) == (1000, 1030)
    assert Record.from_json(record.to_json(), "x") == record


def pipe(name: str, waits_in: float, waits_out: float, **more: Any) -> Record:
    """A pipe that waited so much of the last ten seconds."""
    record = Record(
        name, pid=100 + len(name), seconds=100,
        recent=Recent(10, 1, 1, 10 * waits_in, 10 * waits_out),
    )  # fmt: skip
    return replace(record, **more)


def chain(*pipes: Record) -> list[Record]:
    """Pipes with the programs s0, s1, ... before, between and after them."""
    for at, one in enumerate(pipes):
        one.pid = 1000 + at
        one.upstream = [Program(10 + at, f"s{at}")]
        one.downstream = [Program(11 + at, f"s{at + 1}")]
    return list(pipes)


@pytest.mark.parametrize("slow", range(4))
def test_the_program_that_both_neighbours_wait_for_is_slow(slow: int) -> None:
    names = ("a", "b", "c")
    pipes = [pipe(name, 0.95 if at >= slow else 0.0, 0.95 if at < slow else 0.0)
             for at, name in enumerate(names)]  # fmt: skip
    [found] = slowest(chain(*pipes))
    assert (found.program, found.pid) == (f"s{slow}", 10 + slow)
    assert found.before == list(names[max(slow - 1, 0) : slow])
    assert found.after == list(names[slow : slow + 1])
    [line] = conclusion(pipes)
    assert (
        line
        == [
            "slowest: s0 (pid 10) that feeds a: it waits for input 95% of the time",
            "slowest: s1 (pid 11) between a and b, which both wait for it 95% of the time",
            "slowest: s2 (pid 12) between b and c, which both wait for it 95% of the time",
            "slowest: s3 (pid 13) that reads c: it waits for its reader 95% of the time",
        ][slow]
    )


def test_no_program_is_blamed_where_all_are_about_as_fast() -> None:
    [line] = conclusion(chain(pipe("a", 0.3, 0.3), pipe("b", 0.4, 0.4)))
    assert line.startswith("no stage is slow by itself")
    assert conclusion([replace(pipe("a", 1, 0), recent=Recent(0.1, 0, 0, 0.1, 0))]) == [
        "too early to say which stage is slow"
    ]


def test_a_merge_that_waits_for_one_input_is_not_slow() -> None:
    merge = Program(50, "merge")
    a = pipe("a", 0.9, 0, pid=1, upstream=[Program(8, "model")], downstream=[merge])
    b = pipe("b", 0, 0.9, pid=2, upstream=[Program(9, "other")], downstream=[merge])
    out = pipe("out", 0.9, 0, pid=3, upstream=[merge], downstream=[Program(60, "cat")])
    assert [one.program for one in slowest([a, b, out])] == ["model"]


def test_a_program_that_has_all_its_input_owes_the_rest() -> None:
    a, b = chain(pipe("a", 0, 0, state=DONE), pipe("b", 0.8, 0))
    [line] = conclusion([a, b])
    assert line == (
        "slowest: s1 (pid 11) that writes b, and has all of a: it is waited for 80% of the time"
    )


def test_a_busy_tee_is_named_once_it_has_settled() -> None:
    [found] = slowest(chain(pipe("a", 0.1, 0.1)))
    assert found.is_pipe
    assert "`evstream tee` of a, which is busy 80% of the time" in found.words
    assert slowest(chain(pipe("a", 0.1, 0.1, seconds=10))) == []  # it loads kernels


def test_a_short_run_does_not_blame_a_tee_that_loads() -> None:
    ended = [pipe("a", 0, 0, state=DONE, seconds=4.0, waited_input=0.1, waited_output=1.4)]
    assert conclusion(chain(*ended))[0].startswith("no stage is slow by itself")
    ended[0].seconds = 40.0
    assert "`evstream tee` of a, which is busy 96%" in conclusion(ended)[0]
    started = pipe("a", 0, 0, seconds=2.0, recent=Recent(2, 1, 1, 0, 0))
    assert conclusion(chain(started)) == ["too early to say which stage is slow"]


def test_programs_beyond_an_unmeasured_pipe_may_be_slow() -> None:
    reader = Program(7, "fmpy", beyond=[8])
    [line] = conclusion([pipe("a", 0, 0.9, downstream=[reader])])
    assert line == (
        "slowest: fmpy (pid 7) that reads a, or a program after it:"
        " it waits for its reader 90% of the time"
    )
    [line] = conclusion([pipe("a", 0.9, 0, upstream=[reader])])
    assert "fmpy (pid 7) that feeds a, or a program before it: it waits" in line
    measured = [pipe("a", 0, 0.9, pid=1, downstream=[reader]),
                pipe("b", 0.9, 0, pid=8, upstream=[Program(7, "fmpy")])]  # fmt: skip
    [line] = conclusion(measured)
    assert line.endswith("fmpy (pid 7) between a and b, which both wait for it 90% of the time")
    reader.beyond.append(9)  # as of a second FIFO
    [line] = conclusion(measured)
    assert line.endswith("which both wait for it 90% of the time, or a program after it")
    text = json.dumps({**json.loads(measured[0].to_json()),
                       "upstream": [{"pid": 1, "name": "x", "beyond": 5}]})  # fmt: skip
    with pytest.raises(EvstreamError, match="not a record of a pipe"):
        Record.from_json(text, "x")


def test_programs_that_cannot_be_seen_are_named_by_their_pipes() -> None:
    [one] = conclusion([pipe("a", 0, 0.9)])
    assert one == "slowest: the program that reads a: it waits for its reader 90% of the time"


def test_tees_joined_directly_have_no_program_between() -> None:
    a = pipe("a", 0, 0.9, pid=1, output=[1, 7], downstream=[Program(2, "evstream tee")])
    b = pipe("b", 0, 0.9, pid=2, input=[1, 7], upstream=[Program(1, "evstream tee")])
    assert [found.before for found in slowest([a, b])] == [["b"]]
    assert [one.name for one in in_flow_order([b, a])] == ["a", "b"]


def test_pipes_are_in_the_order_of_the_flow() -> None:
    first, second, third = chain(pipe("z", 0, 0), pipe("y", 0, 0), pipe("x", 0, 0))
    assert [one.name for one in in_flow_order([third, second, first])] == ["z", "y", "x"]


def test_states_of_processes_that_ended_or_are_others() -> None:
    me, host = os.getpid(), os.uname().nodename
    alive = Record("a", me, birth_of(me), host, updated=100)
    assert register.state_of(alive, 101) == RUNNING
    assert register.state_of(alive, 200) == SILENT
    assert register.state_of(replace(alive, born=alive.born + 1), 101) == KILLED
    assert register.state_of(replace(alive, pid=2**22 + 1), 101) == KILLED
    assert register.state_of(replace(alive, pid=2**22 + 1, host="other"), 101) == RUNNING
    assert register.state_of(replace(alive, state=FAILED), 200) == FAILED


def test_records_of_earlier_runs_are_left_out() -> None:
    me = os.getpid()
    running = Record("new", me, birth_of(me), os.uname().nodename, started=500, updated=600)
    ended = [
        Record("early", 1, state=DONE, started=490, updated=550),
        Record("old", 1, state=DONE, started=100, updated=400),
        Record("older", 1, state=FAILED, started=100, updated=450),
    ]
    found, former = latest_run([*ended, running], 601)
    assert ([one.name for one in found], former) == (["early", "new"], 2)
    found, former = latest_run(ended[1:], 601)
    assert ([one.name for one in found], former) == (["old", "older"], 0)


def test_a_folder_may_hold_what_is_no_record(tmp_path: Path) -> None:
    texts = ["", "[]", "{}", '{"evstream_pipe": 2}', "\xff", "[" * 10_000,
             Record("x").to_json().replace('"bytes": 0', '"bytes": "0"'),
             Record("x").to_json()[:-9]]  # fmt: skip
    for number, text in enumerate(texts):
        (tmp_path / f"{number}.pipe").write_text(text)
    (tmp_path / "other.txt").write_text("")
    (tmp_path / "P10.pipe").write_text(Record("P10").to_json())
    (tmp_path / "P2.pipe").write_text(Record("P2").to_json())
    records, problems = read_all([str(tmp_path)])
    assert [record.name for record in records] == ["P2", "P10"]
    assert len(problems) == len(texts)
    assert all("not a record of a pipe" in problem for problem in problems)
    assert read_all([str(tmp_path / "nowhere")]) == ([], [])
    with pytest.raises(EvstreamError, match="not a record"):
        register.read(str(tmp_path / "0.pipe"))


def test_a_name_keeps_its_file_unless_two_run_at_once(tmp_path: Path) -> None:
    folder, me = str(tmp_path / "made"), os.getpid()
    mine = Record("a/b", me, birth_of(me), os.uname().nodename, updated=2e9)
    record_file(folder, "a/b", me)(mine)
    assert os.listdir(folder) == ["a_b.pipe"]
    record_file(folder, "a/b", 77)(replace(mine, pid=77))
    assert sorted(os.listdir(folder)) == ["a_b.77.pipe", "a_b.pipe"]
    record_file(folder, "a/b", me)(replace(mine, state=DONE))
    record_file(folder, "a/b", 78)(replace(mine, pid=78, state=DONE))
    assert sorted(os.listdir(folder)) == ["a_b.77.pipe", "a_b.pipe"]


def test_metrics_have_the_format_of_prometheus() -> None:
    text = metrics([pipe('say "hi"\\', 0.5, 0.25, event="x", waited_input=5.0)])
    lines = text.splitlines()
    assert 'evstream_pipe_waiting_seconds_total{pipe="say \\"hi\\"\\\\",for="input"} 5.0' in lines
    assert 'evstream_pipe_state{pipe="say \\"hi\\"\\\\",state="running"} 1' in lines
    assert not any(line.startswith("evstream_pipe_event{") for line in lines)
    assert text.endswith("\n")
    assert [line.split()[2] for line in lines if line.startswith("# TYPE")] == [
        line.split()[2] for line in lines if line.startswith("# HELP")
    ]


def test_a_target_that_fails_is_reported_once_and_tried_again() -> None:
    _, flow = a_flow()
    tries: list[str] = []
    warnings: list[str] = []

    def fails(record: Record) -> None:
        tries.append(record.state)
        raise OSError(28, "No space left on device", "m.prom")

    sampler = Sampler(flow, "x", find=NOBODY)
    with pytest.raises(ValueError, match="why"), Publisher(sampler, [fails], warnings.append):
        raise ValueError("this is\nwhy")
    assert (tries[0], tries[-1]) == (RUNNING, FAILED)
    assert warnings == ["m.prom: No space left on device: progress is not reported"]
    assert sampler.sample(DONE).problem == ""


def test_the_programs_at_both_ends_are_found() -> None:
    (read_in, write_in), (read_out, write_out) = os.pipe(), os.pipe()
    ends = pipe_of(read_in), pipe_of(write_out)
    read_far, write_far = os.pipe()
    # cat waits for its input, which nobody writes.
    process = subprocess.Popen(["cat"], stdin=read_out, stdout=write_in)
    try:
        for descriptor in (read_out, write_in):
            os.close(descriptor)
        upstream, downstream = programs_at(ends)
        while upstream and upstream[0].name != "cat":  # not executed yet
            upstream, downstream = programs_at(ends)
        assert upstream == downstream == [Program(process.pid, "cat")]
        # Without the measured pipe after it, what comes next is found.
        read_next, write_next = os.pipe()
        first = subprocess.Popen(["cat"], stdin=read_far, stdout=write_next)
        second = subprocess.Popen(["cat"], stdin=read_next)
        for descriptor in (read_far, read_next, write_next):
            os.close(descriptor)
        _, downstream = programs_at((None, pipe_of(write_far)))
        while downstream != [Program(first.pid, "cat", beyond=[second.pid])]:
            _, downstream = programs_at((None, pipe_of(write_far)))
        os.close(write_far)
        assert first.wait(PATIENCE) == second.wait(PATIENCE) == 0
    finally:
        os.close(write_out)
        os.close(read_in)
        process.wait(PATIENCE)
    assert programs_at(ends) == ([], [])
    assert program_name(process.pid) == ""


def test_a_script_has_its_own_name(tmp_path: Path) -> None:
    script = tmp_path / "slow.py"
    script.write_text("import sys; print('started'); sys.stdin.read()")
    with subprocess.Popen(
        [sys.executable, "-u", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"started\n"
        assert program_name(process.pid) == "slow.py"
        process.communicate(timeout=PATIENCE)


def test_a_record_is_one_line_of_json() -> None:
    text = Record("two\nlines", event=1.5).to_json()
    assert "\n" not in text
    assert json.loads(text)["evstream_pipe"] == 1
