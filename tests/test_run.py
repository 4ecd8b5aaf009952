"""`evstream run`: a pipeline of a shell, cut at its pipes and measured; status as of pipefail."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from evstream.cli import run as command
from evstream.cli.pipeline_text import stages
from evstream.cli.program import main
from evstream.monitoring.record import DONE
from evstream.monitoring.register import read_all
from oracle import encode

STREAM = encode("loss", {"len_sample": 2}, [((e, 1), [(1, 5.0)]) for e in (1, 2, 3)])

PIPELINES = {
    "a | b|c": ["a", "b", "c"],
    "a '|' | b \"x|y\"": ["a '|'", 'b "x|y"'],
    r"a \| x | b": [r"a \| x", "b"],
    r"a $'x\'|' | b": [r"a $'x\'|'", "b"],
    "a $(x | y) | (b; c | d) | e `f|g`": ["a $(x | y)", "(b; c | d)", "e `f|g`"],
    'a "${x|y}" "$(p | q "r|s")" | b 2>&1 | c': ['a "${x|y}" "$(p | q "r|s")"', "b 2>&1", "c"],
    "a <(b | c) | d >| f": ["a <(b | c)", "d >| f"],
    'a "it\'s (" | b': ['a "it\'s ("', "b"],
    "a <<< x | b": ["a <<< x", "b"],
    "a x#y ${x#y} | b &>z": ["a x#y ${x#y}", "b &>z"],
    "awk '{ print $1; }' | b": ["awk '{ print $1; }'", "b"],
}


@pytest.mark.parametrize("text", PIPELINES)
def test_a_pipeline_is_cut_at_its_pipes_alone(text: str) -> None:
    assert stages(text) == PIPELINES[text]


@pytest.mark.parametrize(
    "text",
    ["a || b", "a |& b", "a; b", "a & ", "a | b &", "a && b", "a\nb", "a | ", "| a", "a | | b",
     "a 'x", 'a "x', "a (x", "a << E", " ", "a | # x", "a $(b | c", "a `b", "! a | b",
     "a | while read x; do b; done"],
)  # fmt: skip
def test_what_is_more_than_a_pipeline_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected|has no"):
        stages(text)


def test_programs_have_the_names_of_their_commands() -> None:
    texts = [
        "/bin/cat x",
        "OMP=1 fmpy -a2",
        "(head)",
        "cat y",
        "cat",
        "'",
        "exec nice -n 5 gulmc -S1",
        "nice",
    ]
    names = [one.name for one in command.named(texts)]
    assert names == ["cat", "fmpy", "head", "cat.2", "cat.3", "program", "gulmc", "nice"]


def test_a_stream_passes_unchanged_and_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in.bin").write_bytes(STREAM)
    assert main(["run", "--monitor", "pipes", "cat in.bin | cat > out.bin"]) == 0
    assert Path("out.bin").read_bytes() == STREAM
    [record], _ = read_all(["pipes"])
    assert (record.name, record.state, record.stream) == ("cat", DONE, "loss")
    assert (record.bytes, record.events, record.event) == (len(STREAM), 3, 3)
    assert re.search(r"^evstream: cat +3 +3 ", capsys.readouterr().err, re.MULTILINE)


def test_the_program_that_failed_first_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    # The first one loses its reader, the last one fails on account of it.
    pipeline = "yes | (read x; exit 3) | (cat > text; exit 5)"
    assert main(["run", "--no-progress", pipeline]) == 5
    line = "read failed first, with status 3: (read x; exit 3); and with it yes (141), cat (5)"
    assert capfd.readouterr().err == f"evstream: {line}\n"
    assert Path("text").read_bytes() == b""


@pytest.mark.parametrize("arguments", [["cat"], ["a || b"], [""]])
def test_a_run_needs_a_pipe(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "_start", None)
    assert main(["run", *arguments]) == 2


def test_a_run_that_is_ended_ends_its_programs() -> None:
    ended: list[str] = []

    class Process:
        returncode: int | None = None

        def poll(self) -> None:
            ended.append("poll")

        def terminate(self) -> None:
            ended.append("terminate")
            self.returncode = -15

        def wait(self, timeout: float | None = None) -> Any:
            ended.append("wait")

    command._end(Process())  # type: ignore[arg-type]
    assert ended == ["poll", "terminate", "wait", "wait"]
