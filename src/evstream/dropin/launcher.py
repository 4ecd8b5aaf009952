"""Run a program with the switch on."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from evstream import process
from evstream._generated import layout
from evstream.dropin import MODULE, STAND_IN, check_widths, environment, install

_USAGE = "usage: python -m evstream.dropin -- PROGRAM [ARGUMENT ...] | -m MODULE [ARGUMENT ...]"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a program with the switch on: a console script of this environment, `-m MODULE`, a
    Python file, or any other program, whose Python processes then have it on.

    A program that cannot be run is reported in one line, with status 127 for a command that does
    not exist (as in a shell) and 2 for anything else.
    """
    _run(_prepared(list(sys.argv[1:] if arguments is None else arguments)))


def _prepared(arguments: list[str]) -> list[str]:
    """Turn the switch on; the program and its arguments."""
    if arguments[:1] in (["-h"], ["--help"]):
        print(_USAGE)
        sys.exit(0)
    if arguments[:1] == ["--"]:
        del arguments[0]
    if not arguments or arguments == ["-m"]:
        print(_USAGE, file=sys.stderr)
        sys.exit(2)
    try:
        widths = layout.FORMAT.choose_widths()
        install()
        if widths["oasis_int"] != layout.SCALARS["oasis_int"].widths[0]:
            check_widths(MODULE, importlib.import_module(STAND_IN))
    except (ImportError, RuntimeError, ValueError) as error:
        if isinstance(error, RecursionError) or process.is_exhaustion(error):
            raise
        _refuse(str(error))
    os.environ.update(environment())
    return arguments


def run_as_process() -> NoReturn:
    """`main` in a process that does nothing else. Signals and exit statuses are those of the
    command line until the program starts, and then its own."""
    prepared: list[str] = []

    def prepare() -> int:
        prepared.extend(_prepared(sys.argv[1:]))
        return 0

    process.take_signals()
    status = process.attempt(prepare, "evstream.dropin")
    if prepared:
        process.give_back_signals()
        _run(prepared)
        status = 0
    sys.exit(status)


def _run(arguments: list[str]) -> None:
    import importlib.metadata
    import runpy
    import shutil

    program, *rest = arguments
    scripts = importlib.metadata.entry_points(group="console_scripts", name=program)
    if program == "-m":
        if not _can_run(rest[0]):
            _refuse(f"no module named {rest[0]}, or it is a package without a __main__")
        sys.argv = rest
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    elif scripts:
        sys.argv = [shutil.which(program) or program, *rest]
        sys.exit(next(iter(scripts)).load()())
    elif program.endswith(".py"):
        if not Path(program).is_file():
            _refuse(f"{program}: no such file")
        sys.argv = arguments
        sys.path[0] = str(Path(program).resolve().parent)
        runpy.run_path(program, run_name="__main__")
    else:
        try:
            os.execvp(program, arguments)
        except FileNotFoundError:
            _refuse(f"{program}: no such command", 127)
        except OSError as error:
            _refuse(f"{program}: {error.strerror}")


def _can_run(module: str) -> bool:
    """Whether there is a module, or a package with a __main__."""
    try:
        spec = importlib.util.find_spec(module)
        if spec is not None and spec.submodule_search_locations is not None:
            spec = importlib.util.find_spec(f"{module}.__main__")
    except ModuleNotFoundError as error:
        if not f"{module}.".startswith(f"{error.name}."):
            raise  # what it imports is missing
        return False
    except ValueError:  # not a name
        return False
    return spec is not None


def _refuse(line: str, status: int = 2) -> NoReturn:
    print(f"evstream.dropin: {line}", file=sys.stderr)
    sys.exit(status)
