"""Public functions raise only what is documented, whatever they get; a short run of that fuzzer."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from pathlib import Path

import pytest

import evstream
from evstream import event_stream
from evstream.cli import program

sys.path.insert(0, str(Path(__file__).parent / "fuzz"))

import call_inputs
import calls
import fuzz_calls

CALLS = 200


@pytest.fixture(scope="module")
def seeds() -> call_inputs.Seeds:
    return call_inputs.make_seeds(every=20)


@pytest.mark.filterwarnings("ignore")
def test_public_calls_raise_only_what_is_documented(seeds: call_inputs.Seeds) -> None:
    with call_inputs.Workplace() as place:
        for number in range(CALLS):
            kind, _, wrong = fuzz_calls.run_one("test", number, seeds)
            place.clear()
            assert wrong is None, f"call {number}, {kind}: {wrong}"


def names_of(module: str) -> set[str]:
    """The attributes of a module that the calls use."""
    tree = ast.parse(Path(calls.__file__).read_text())
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == module
    }


MADE_BY_CALLS = {
    "Chunk", "Columns", "Comparison", "Counts", "Dense", "DenseTable", "Difference", "Event",
    "EventStream", "Finding", "Format", "Report", "Writer", "CallbackReader",
}  # fmt: skip
"""Classes of results; the calls read their attributes."""


def test_every_public_function_is_fuzzed() -> None:
    public = {
        name for name in evstream.__all__
        if callable(value := getattr(evstream, name))
        and not (inspect.isclass(value) and issubclass(value, Exception))
        and not name.endswith("Like")
    }  # fmt: skip
    assert public - MADE_BY_CALLS <= names_of("evstream")


def test_every_function_of_the_documented_module_is_fuzzed() -> None:
    functions = {
        name for name in event_stream.__all__ if inspect.isroutine(getattr(event_stream, name))
        or hasattr(getattr(event_stream, name), "py_func")
    }  # fmt: skip
    used = names_of("es")
    assert {name.removesuffix("_cached") for name in functions} <= used


def test_every_command_is_fuzzed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        program.main(["--help"])
    lines = capsys.readouterr().out.partition("commands:")[2].splitlines()
    commands = {line.split()[0] for line in lines if line.startswith("    ") and line[4] != " "}
    assert {"info", "tee", "warmup"} <= commands
    assert commands == {*calls.COMMANDS, *calls.RARE}


@pytest.mark.parametrize("command", calls.COMMANDS)
def test_every_option_of_a_command_is_fuzzed(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        program.main([command, "--help"])
    lines = capsys.readouterr().out.splitlines()
    options = {option for line in lines for option in re.findall(r"^  .*?(--[a-z][a-z-]+)", line)}
    assert {"--help", "--timeout"} <= options
    assert options <= {*calls.COMMANDS[command], *calls.COMMON}


@pytest.mark.parametrize(
    ("error", "is_finding"),
    [
        (evstream.EvstreamError("a problem"), False),
        (FileNotFoundError(2, "No such file", "x.bin"), False),
        (FileNotFoundError(2, "No such file"), True),
        (KeyError("x"), True),
        (ValueError(""), True),
    ],
)
def test_an_undocumented_exception_would_be_noticed(error: Exception, is_finding: bool) -> None:
    def kind(_: object) -> None:
        raise error

    _, wrong = fuzz_calls.outcome(kind, None)  # type: ignore[arg-type]
    assert (wrong is not None) is is_finding
