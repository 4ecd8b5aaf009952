"""What commands write to stderr: as text or as JSON, errors alone, in colour; and --version."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import evstream
from evstream import process
from evstream.cli import log
from evstream.cli.parser import make_parser
from evstream.cli.program import main
from generated_packages import imported_package, run_package
from golden_files import GOLDEN
from support import PATIENCE, child_environment

LOSS = str(GOLDEN / "loss_i4_f4.bin")
DATA = Path(LOSS).read_bytes()
MINIMAL = Path(__file__).parent / "minimal_spec.yaml"


@pytest.fixture
def file(tmp_path):
    """A function that writes a file and returns its name."""

    def write(data: bytes, name: str = "loss.bin") -> str:
        (tmp_path / name).write_bytes(data)
        return str(tmp_path / name)

    return write


def messages(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[Any]]:
    """The exit status of a command, and the objects on stderr: one in each line."""
    try:
        status = main([*arguments, "--log-format", "json"])
    except SystemExit as end:
        status = end.code  # type: ignore[assignment]
    lines = capsys.readouterr().err.splitlines()
    return status, [json.loads(line) for line in lines]


def test_an_error_has_the_fields_of_its_exception(file, capsys):
    cut = file(DATA[:100])
    with pytest.raises(evstream.TruncatedStreamError) as raised, evstream.open(cut) as stream:
        list(stream)
    status, [said] = messages(capsys, "cat", cut)
    assert time.strptime(said.pop("time")[:19], "%Y-%m-%dT%H:%M:%S")
    error = raised.value
    assert (status, said) == (2, {
        "level": "error", "program": "evstream", "command": "cat", "message": str(error),
        "status": 2, "type": "TruncatedStreamError", "problem": error.problem, "file": cut,
        "byte": 96, "ids": {"event_id": 1, "item_id": 2}, "event_id": 1, "item_id": 2,
        "expected": "4 more bytes",
    })  # fmt: skip


def test_a_warning_has_the_fields_of_its_place(file, capsys):
    status, [said] = messages(capsys, "info", file(DATA[:-8]))
    assert (status, said["level"], said["type"]) == (0, "warning", "MissingDelimiterWarning")
    assert (said["byte"], said["event_id"], said["item_id"]) == (184, 5, 1)
    assert said["problem"] == "the stream ends without the final delimiter"


def test_an_error_of_a_table_has_its_line_and_ids(file, capsys):
    table = file(b"event_id,item_id,sidx,loss\n1,7,1,2\n1,7,1,3\n", "a.csv")
    status, said = messages(capsys, "convert", table, table + ".bin")
    assert [one["level"] for one in said] == ["info", "error"]
    assert (status, said[1]["line"], said[1]["event_id"], said[1]["item_id"]) == (2, 3, 1, 7)
    assert said[1]["problem"].startswith("sidx 1 breaks sidx-unique")
    assert said[1]["message"].startswith(f"{table}: line 3: event_id 1, item_id 7: sidx 1 breaks")


def test_findings_are_messages_where_programs_read_them(file, capsys):
    name = file(DATA[:100])
    status, [said] = messages(capsys, "validate", name)
    assert (status, said["level"], said["type"]) == (1, "error", "Finding")
    assert (said["file"], said["byte"], said["rule"]) == (name, 96, "stream-whole")
    assert main(["validate", name]) == 1
    assert capsys.readouterr().err == ""


def test_a_wrong_command_line_is_one_object(capsys):
    assert main_fails(["info", LOSS, "--log-format", "json", "--jsn"]) == 2
    said = json.loads(capsys.readouterr().err)
    assert said["message"] == "unrecognized arguments: --jsn; did you mean --json?"
    assert (said["command"], said["type"], said["status"]) == ("info", "UsageError", 2)
    for before in (["--log-format=json"], ["--log", "json"]):
        assert main_fails([*before, "infos"]) == 2
        assert "did you mean info?" in json.loads(capsys.readouterr().err)["message"]


def main_fails(arguments: list[str]) -> Any:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    return end.value.code


def test_an_error_of_the_system_names_the_file(tmp_path, capsys):
    name = str(tmp_path / "none\n.bin")
    status, [said] = messages(capsys, "info", name)
    assert (status, said["file"], said["problem"]) == (2, name, "No such file or directory")


def test_the_environment_chooses_the_format(monkeypatch, capsys):
    monkeypatch.setenv("EVSTREAM_LOG_FORMAT", "json")
    assert main(["cat", "none.bin"]) == 2
    assert json.loads(capsys.readouterr().err)["file"] == "none.bin"
    assert main(["cat", "none.bin", "--log-format", "text"]) == 2
    assert capsys.readouterr().err == "evstream: none.bin: No such file or directory\n"
    monkeypatch.setenv("EVSTREAM_LOG_FORMAT", "xml")
    assert main(["cat", "none.bin"]) == 2
    assert "EVSTREAM_LOG_FORMAT is 'xml', expected text or json" in capsys.readouterr().err


def test_numbers_that_json_does_not_have_are_strings():
    assert log.plain({"a": [float("nan"), 1.5], 2: float("-inf")}) == {
        "a": ["nan", 1.5],
        "2": "-inf",
    }


@pytest.mark.parametrize("traceback", ["0", "1"])
def test_a_defect_is_one_object_with_its_traceback(traceback, monkeypatch, capsys):
    monkeypatch.setenv("EVSTREAM_TRACEBACK", traceback)
    with log.begun(["--log-format", "json"]):
        assert process.failure(RuntimeError("one\ntwo")) == 70
    said = json.loads(capsys.readouterr().err)
    assert (said["type"], said["status"], said["level"]) == ("RuntimeError", 70, "error")
    assert ("RuntimeError: one" in said.get("traceback", "")) is (traceback == "1")
    assert process.failure(RuntimeError("three")) == 70
    assert "\nevstream: unexpected RuntimeError: three" in "\n" + capsys.readouterr().err


def test_the_end_of_a_thread_is_one_object(capsys):
    def fail() -> None:
        raise RuntimeError("lost")

    with log.begun(["--log-format", "json"]):
        thread = threading.Thread(target=fail)
        thread.start()
        thread.join()
    assert "RuntimeError: lost" in json.loads(capsys.readouterr().err)["message"]
    assert threading.excepthook is threading.__excepthook__


def test_a_signal_is_one_object():
    command = [sys.executable, "-m", "evstream", "--log-format", "json", "tee"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=child_environment(),
    ) as child:  # fmt: skip
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(DATA)
        child.stdin.flush()
        child.stdout.read(20)
        child.send_signal(signal.SIGTERM)
        assert child.wait(PATIENCE) == 143
        assert child.stderr is not None
        [line] = child.stderr.read().splitlines()
    said = json.loads(line)
    assert (said["signal"], said["status"], said["level"]) == ("SIGTERM", 143, "error")


def test_quiet_leaves_errors_alone(file, capsys):
    opened, cut = file(DATA[:-8]), file(DATA[:100], "cut.bin")
    assert main(["--quiet", "cat", opened, "--head", "1"]) == 0
    assert main(["validate", LOSS, "--quiet"]) == 0
    assert capsys.readouterr().err == ""
    assert main(["validate", LOSS, cut, "--quiet"]) == 1
    assert "clean" not in capsys.readouterr().out
    assert main(["cat", cut, "--quiet"]) == 2
    assert "cut.bin: byte 96" in capsys.readouterr().err


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("option", "no_color", "force", "on_terminal", "has_color"),
    [
        (None, "", "", True, True),
        (None, "", "", False, False),
        (None, "1", "1", True, False),
        (None, "", "1", False, True),
        (None, "", "0", False, False),
        ("always", "1", "", False, True),
        ("never", "", "1", True, False),
        ("auto", "", "", True, True),
    ],
)
def test_colours(option, no_color, force, on_terminal, has_color, monkeypatch):
    monkeypatch.setenv("NO_COLOR", no_color)
    monkeypatch.setenv("FORCE_COLOR", force)
    monkeypatch.setenv("TERM", "xterm")
    with log.begun([]):
        given = [] if option is None else ["--color", option]
        log.settle(make_parser().parse_args(["info", "a", *given]))
        assert log.has_color(Terminal() if on_terminal else io.StringIO()) is has_color


def test_colours_mark_levels_and_verdicts(file, capsys):
    assert main(["--color", "always", "validate", LOSS, file(DATA[:100])]) == 1
    shown = capsys.readouterr().out
    assert "\x1b[32mclean\x1b[0m" in shown
    assert "\x1b[1;31merror\x1b[0m: byte 96" in shown
    assert main(["cat", file(DATA[:-8]), "--color=always", "--head", "99"]) == 0
    assert "\x1b[1;33mwarning:\x1b[0m " in capsys.readouterr().err


def test_every_command_has_the_options_of_messages():
    parser = make_parser()
    commands = next(a for a in parser._actions if a.dest == "command").choices
    assert commands is not None
    for command in commands.values():  # type: ignore[attr-defined]
        assert {"--log-format", "--quiet", "--color", "--version"} <= set(
            command._option_string_actions
        )


def test_the_version_may_be_asked_of_a_command(capsys):
    assert main_fails(["info", "--version"]) == 0
    assert capsys.readouterr().out == f"evstream {evstream.__version__}\n"


def test_a_package_names_its_format_and_version(tmp_path):
    with imported_package(MINIMAL, tmp_path, "told_version", only=["python"]):
        said = run_package("told_version", tmp_path, "--version")
    assert said.startswith("told_version: ")
    assert said.endswith(f"by evstream {evstream.__version__}\n")


def test_problems_of_a_spec_are_objects(tmp_path, capsys):
    spec = tmp_path / "spec.yaml"
    spec.write_text(MINIMAL.read_text().replace("\nstreams:", "\nstreems:"))
    status, said = messages(capsys, "generate", str(spec), "--package", "made_nothing")
    assert status == 1
    assert {one["file"] for one in said} == {str(spec)}
    assert any("streems" in one["problem"] and one["line"] > 1 for one in said)


def test_stderr_takes_a_message_in_one_piece(monkeypatch):
    written = []
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    monkeypatch.setattr(sys.stderr, "write", written.append)
    log.error("one", 2)
    assert written == ["evstream: one\n"]
