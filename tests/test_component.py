"""Functions as programs: what `evstream.component` reads, writes, prints and returns."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evstream
from evstream import Component, ComponentRun
from evstream.errors import HoleWarning
from evstream.testing import make_stream
from support import ROOT, child_environment

EXAMPLE = ROOT / "examples" / "component.py"
EVENTS = [5, 2, 9, 4]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run folder with a list of events, which is the current one."""
    monkeypatch.chdir(tmp_path)
    inputs = tmp_path / "input"
    inputs.mkdir()
    np.array(EVENTS, "<i4").tofile(inputs / "events.bin")
    return tmp_path


@evstream.component
def flat(event_id: int, run: ComponentRun) -> Any:
    """A loss of the event's number for each sample."""
    return [1], [[float(event_id)] * run.samples], {"mean": event_id, "tiv": 100}


def written(path: str | Path) -> dict[int, list[float]]:
    """The losses of the samples of each event."""
    with evstream.open(path, strict=True) as stream:
        return {event.event_id: event.to_dense().losses.ravel().tolist() for event in stream}


def header_of(path: str) -> evstream.StreamHeader:
    with evstream.open(path) as stream:
        return stream.header


def run(component: Component, *arguments: str, status: int = 0) -> None:
    assert component.main([*arguments, "-o", "out.bin"]) == status
    assert os.path.exists("out.bin") == (status == 0)


def test_a_list_of_events_becomes_a_loss_stream(folder: Path) -> None:
    run(flat, "-i", "input/events.bin", "-S", "2")
    assert written("out.bin") == {event: [event, event] for event in EVENTS}
    assert header_of("out.bin").len_sample == 2


def test_without_samples_there_are_none(folder: Path) -> None:
    run(flat, "-i", "input/events.bin")
    assert written("out.bin") == {event: [] for event in EVENTS}


def test_a_component_is_called_as_its_function() -> None:
    assert flat.__name__ == "flat"
    assert repr(flat) == "<Component test_component>"
    seven = type("Run", (), {"samples": 1})()
    assert flat(7, seven) == ([1], [[7.0]], {"mean": 7, "tiv": 100})


@pytest.mark.parametrize("items", [["-i", "-"], ["-i"], []])
def test_parts_are_those_of_evepy(items: list[str], folder: Path) -> None:
    """Each process of an Oasis run gets every Mth event; the run passes these `items`."""
    Path("settings.json").write_text(json.dumps({"number_of_samples": 1}))
    for number in (1, 2):
        run(flat, "-e", str(number), "2", "-a", "settings.json", "-p", "input", *items)
        assert list(written("out.bin").items()) == [(e, [e]) for e in EVENTS[number - 1 :: 2]]


def test_samples_of_the_command_line_override(folder: Path) -> None:
    Path("settings.json").write_text(json.dumps({"number_of_samples": 1}))
    run(flat, "-i", "input/events.bin", "-a", "settings.json", "-S", "3")
    assert header_of("out.bin").len_sample == 3


@pytest.fixture
def losses(folder: Path) -> bytes:
    """A loss stream of three events, in losses.bin."""
    data = make_stream(losses={event: {1: [event, 1], 2: [2, 3]} for event in (1, 2, 3)})
    data.save("losses.bin")
    return data


def doubled(event: evstream.Event) -> Any:
    """Twice the losses."""
    dense = event.to_dense()
    return {"item_ids": dense.ids, "losses": dense.losses * 2, "mean": 3, "tiv": 10}


def test_a_stream_is_read_event_by_event(losses: bytes) -> None:
    run(evstream.component(doubled, input="loss"), "-i", "losses.bin")
    assert written("out.bin") == {e: [2 * e, 2, 4, 6] for e in (1, 2, 3)}


def test_events_pass_as_they_are(losses: bytes) -> None:
    run(evstream.component(lambda event: event, input=["gul_item", "loss"]), "-i", "losses.bin")
    assert Path("out.bin").read_bytes() == losses


def test_a_generator_writes_parts_of_an_event(folder: Path) -> None:
    @evstream.component
    def parts(event_id: int, run: ComponentRun) -> Iterator[Any]:
        yield [3], [[1.0]]
        yield None
        yield {"item_id": [4, 4], "sidx": [-1, 1], "loss": [0.5, 2]}
        run.out.write_event(event_id, [5], [[3.0]])

    run(parts, "-i", "input/events.bin", "-S", "1")
    assert written("out.bin") == {event: [1, 2, 3] for event in EVENTS}


def test_other_streams_take_rows_and_own_headers(losses: bytes) -> None:
    def cdf(event_id: int) -> Any:
        return {"areaperil_id": 1, "vulnerability_id": 2, "bin_index": [1, 2],
                "prob_to": [0.5, 1], "bin_mean": [0, 1]}  # fmt: skip

    run(evstream.component(cdf, stream="cdf"), "-i", "input/events.bin")
    assert evstream.read_columns("out.bin")["event_id"].tolist() == np.repeat(EVENTS, 2).tolist()
    os.remove("out.bin")

    def summed(event: evstream.Event) -> Any:
        return [1], event.to_dense().losses.sum(axis=0, keepdims=True), {"exposure_values": 20.0}

    summary = evstream.component(
        summed, stream="summary", input="loss", header={"summary_set_id": 4}
    )
    run(summary, "-i", "losses.bin")
    header = header_of("out.bin")
    assert (header.summary_set_id, header.len_sample) == (4, 2)
    assert written("out.bin")[3] == [5, 4]


def test_setup_and_options_of_the_author(folder: Path) -> None:
    def setup(run: ComponentRun) -> Any:
        print("goes to stderr with the stream on stdout")
        with pytest.raises(evstream.EvstreamError, match="not open yet"):
            _ = run.out
        return run.options.factor * run.samples

    scaled = evstream.component(
        lambda event, run: ([1], [[run.data]]),
        setup=setup,
        arguments=lambda parser: parser.add_argument("--factor", type=float, default=2),
    )
    run(scaled, "-i", "input/events.bin", "-S", "1", "--factor", "7")
    assert set(map(tuple, written("out.bin").values())) == {(7,)}


def test_several_inputs_come_in_turn_or_merged(losses: bytes) -> None:
    make_stream(events=[1, 4]).save("a.bin")
    make_stream(events=[2, 3]).save("b.bin")
    copy = evstream.component(lambda event: event, input="loss")
    run(copy, "-i", "a.bin", "b.bin")
    assert list(written("out.bin")) == [1, 4, 2, 3]
    run(copy, "--merge", "-i", "a.bin", "b.bin")
    assert list(written("out.bin")) == [1, 2, 3, 4]
    os.remove("out.bin")


def test_the_error_of_a_merge_is_reported(losses: bytes, capsys: Any) -> None:
    Path("cut.bin").write_bytes(losses[:-3])
    copy = evstream.component(lambda event: event, input="loss")
    run(copy, "--merge", "-i", "losses.bin", "cut.bin", status=2)
    assert "cut.bin: byte" in capsys.readouterr().err


def fails(event: int, run: ComponentRun) -> Any:
    what = run.options.what
    if event == 2 and isinstance(what, BaseException):
        raise what
    return what if event == 2 else None


FAILURES = [
    (ValueError("no wind\nat all"), 1, "ValueError: no wind at all (test_component.py:"),
    (SystemExit(0), 1, "SystemExit: 0"),
    (BrokenPipeError("its own"), 1, "BrokenPipeError: its own"),
    (MemoryError(), 70, "test_component: out of memory"),
    (KeyboardInterrupt(), 130, ""),
    (3, 1, "TypeError: the value that the function returned is 3, expected (item_ids, losses)"),
    (([1], [[1]], 3), 1, "the third value is 3, expected a dict"),
    (([0], [[1]]), 1, "item_id 0: item_id 0 breaks block-id-positive"),
    (([1], [[np.nan]]), 1, "sidx 1: loss nan breaks loss-finite"),
    (([1], [[1, 2]]), 1, "losses has shape (1, 2), expected (1, 1)"),
    ({"item_ids": [1], "lossse": [[1]]}, 1, "no special sidx 'lossse'"),
]


@pytest.mark.parametrize(("what", "status", "expected"), FAILURES)
def test_a_failure_names_event_and_file(
    what: Any, status: int, expected: str, folder: Path, capsys: Any
) -> None:
    component = evstream.component(fails, arguments=lambda parser: parser.set_defaults(what=what))
    run(component, "-q", "-S", "1", "-i", "input/events.bin", status=status)
    line = capsys.readouterr().err
    assert expected in line
    assert line.count("\n") == bool(expected)
    if status == 1:
        assert line.startswith("test_component: input/events.bin: event_id 2")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["-i", "nowhere.bin"], "nowhere.bin: No such file"),
        (["-i", "losses.bin"], "this is a loss stream, expected a summary stream"),
        (["-i", "-", "-"], "stdin can be read once only"),
        (["--merge", "-i", "losses.bin"], "expected several inputs"),
        (["-i"], "argument -i/--input: expected a file"),
        (["-e", "3", "2"], "expected a part from 1 to 2"),
        (["-S", "-1"], "expected 0 or more"),
        (["--smaples", "1"], "did you mean --samples?"),
    ],
)
def test_wrong_input_is_one_line(
    arguments: list[str], expected: str, losses: bytes, capsys: Any
) -> None:
    component = evstream.component(lambda event: event, stream="loss", input="summary")
    run(component, *arguments, status=2)
    assert expected in capsys.readouterr().err.splitlines()[-1]


def test_wrong_settings_are_one_line(folder: Path, capsys: Any) -> None:
    Path("settings.json").write_text("[")
    run(flat, "-a", "settings.json", "-i", "input/events.bin", status=2)
    assert "settings.json: this is not JSON" in capsys.readouterr().err
    Path("settings.json").write_text('{"number_of_samples": "x"}')
    run(flat, "-a", "settings.json", "-i", "input/events.bin", status=2)
    assert "len_sample" in capsys.readouterr().err


def test_the_first_event_may_be_any(folder: Path, capsys: Any) -> None:
    """The type word of a cdf stream is 1."""
    make_stream("event_ids", events=[1, 2]).save("events.bin")
    run(flat, "-i", "events.bin", "-S", "1")
    assert (list(written("out.bin")), capsys.readouterr().err) == ([1, 2], "")


def test_a_stream_in_place_of_a_list_is_reported(losses: bytes, capsys: Any) -> None:
    run(flat, "-i", "losses.bin", status=1)
    assert "are the first bytes of a loss stream" in capsys.readouterr().err


@pytest.mark.filterwarnings("always::RuntimeWarning")
def test_warnings_are_lines_unless_quiet(folder: Path, capsys: Any) -> None:
    def warns(event: int) -> None:
        with np.errstate(all="warn"):
            np.ones(1) / np.zeros(1)

    component = evstream.component(warns)
    run(component, "-i", "input/events.bin", "-S", "1")
    line = capsys.readouterr().err.splitlines()[0]
    assert line.startswith("test_component: warning: divide by zero")
    assert line.endswith(")")
    run(component, "-q", "-i", "input/events.bin", "-S", "1")
    assert capsys.readouterr().err == ""


def test_a_hole_in_the_input_is_a_failure(losses: bytes) -> None:
    Path("hole.bin").write_bytes(losses + bytes(4096))
    copy = evstream.component(lambda event: event, input="loss")
    with pytest.warns(HoleWarning):
        list(evstream.open("hole.bin"))
    assert copy.main(["-i", "hole.bin", "-o", "out.bin"]) == 1


def test_progress_names_start_and_end(folder: Path, capsys: Any) -> None:
    run(flat, "--progress", "-i", "input/events.bin", "-S", "1")
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["test_component: started", "test_component: finished, 4 events, 168 bytes"]


def test_help_is_the_docstring(capsys: Any) -> None:
    assert flat.main(["--help"]) == 0
    out = capsys.readouterr().out
    assert "A loss of the event's number for each sample." in out
    assert "the list of events to run" in out
    assert evstream.component(lambda event: None).main(["-h"]) == 0
    assert "Functions as programs" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("design", "error"),
    [
        ({"stream": np.zeros(3)}, TypeError),
        ({"stream": "lost"}, ValueError),
        ({"input": ["loss", "event_ids"]}, ValueError),
        ({"header": 3}, TypeError),
        ({"setup": 3}, TypeError),
        ({"name": 3}, TypeError),
    ],
)
def test_a_wrong_design_is_refused(design: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        evstream.component(lambda event: None, **design)
    with pytest.raises(TypeError, match="function is 3"):
        evstream.component(3)  # type: ignore[call-overload]


# As processes


def started(*command: str, **more: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, *command], env=child_environment(), stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, **more,
    )  # fmt: skip


def exposure() -> None:
    with evstream.create("input/items.bin", durable=False) as items:
        items.write_columns([1, 2], [1, 2], [1, 1], [1, 1], [1, 2])
    with evstream.create("input/coverages.bin", durable=False) as coverages:
        coverages.write_columns([1, 2], [1000, 3000])


def test_the_example_is_a_filter(folder: Path) -> None:
    exposure()
    with open("input/events.bin", "rb") as events, started(
        str(EXAMPLE), "-S", "4", stdin=events
    ) as model:  # fmt: skip
        out, err = model.communicate()
    assert (model.returncode, err) == (0, b"")
    with evstream.open(io.BytesIO(out), strict=True) as stream:
        events_out = list(stream)
    assert [event.event_id for event in events_out] == EVENTS
    dense = events_out[0].to_dense()
    assert dense.specials["mean"].tolist() == [50, 150]
    draws = np.random.default_rng(5).beta(0.2, 3.8, (2, 4)) * [[1000], [3000]]
    np.testing.assert_allclose(dense.losses, draws, rtol=1e-6)


def test_without_a_reader_it_ends_as_of_sigpipe(folder: Path) -> None:
    exposure()
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, str(EXAMPLE), "-S", "4", "-i", "input/events.bin"]
    ended = subprocess.run(
        command, env=child_environment(), stdout=writer, stderr=subprocess.PIPE, check=False
    )
    os.close(writer)
    assert (ended.returncode, ended.stderr) == (128 + signal.SIGPIPE, b"")


SLOW = """
import time, evstream

@evstream.component
def slow(event, run):
    run.out.write_event(event, [1], [[1.0]])
    print("at work")
    run.out.flush()
    time.sleep(600)

slow.run()
"""


def test_a_signal_leaves_no_stream_that_looks_whole(folder: Path) -> None:
    Path("slow.py").write_text(SLOW)
    with started("slow.py", "-i", "input/events.bin", "-S", "1") as slow:
        assert slow.stderr is not None
        assert slow.stderr.readline() == b"at work\n"  # which is not in the stream
        slow.send_signal(signal.SIGTERM)
        out, err = slow.communicate()
    assert (slow.returncode, err) == (128 + signal.SIGTERM, b"")
    report = evstream.validate(io.BytesIO(out))
    assert "stream-whole" in report.counts


def test_progress_is_a_line_of_a_terminal(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """The event under way is named; what is reported meanwhile stands above the line."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("NO_COLOR", "1")

    @evstream.component
    def reports(event_id: int, run: ComponentRun) -> None:
        run.report("a word")

    make_stream("event_ids", events=[8]).save("events.bin")
    run(reports, "--progress", "-i", "events.bin")
    wiped = capsys.readouterr().err.replace("\r\x1b[K", "|")
    line = "test_component: 0 events, event_id 8 under way"
    assert f"|{line}|test_component: a word\n|{line}|" in wiped
    assert wiped.endswith("|test_component: finished, 1 event, 8 bytes\n")
