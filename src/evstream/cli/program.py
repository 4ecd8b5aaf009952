"""Run one command: parse its arguments, print its errors, find its exit status.

Exit status: 0 when all is well, 1 when a command has findings or failed in its work, 2 for
input that cannot be read or a wrong command line, 70 when memory or threads ran out or evstream
itself failed, 128 + n after signal n. An error is one line on stderr.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import stat
import sys
import warnings
from collections.abc import Sequence
from typing import Any

from evstream import process
from evstream._support.format import Format, bound_format
from evstream.cli import log, standard
from evstream.cli.parser import make_parser
from evstream.cli.run_folder import files_of, is_run_folder
from evstream.errors import EvstreamError, EvstreamWarning, HoleWarning, WidthWarning
from evstream.transport.compression import MAGIC_SIZE, compression
from evstream.transport.listing import expand_sources, names_several
from evstream.transport.same_file import refuse_same_file


def main(
    arguments: Sequence[str] | None = None, *, alone: bool = False, format: Format | None = None
) -> int:
    """Run one command on streams of a format; the exit status."""
    parser = make_parser(format or bound_format())
    given = sys.argv[1:] if arguments is None else list(arguments)
    if not given:
        standard.print_text(parser.format_help().rstrip())
        return 0
    with log.begun(given):
        options = parser.parse_args(given)
        try:
            log.settle(options)
        except ValueError as error:
            return log.error(error, 2)
        return _command(options, alone)


def _command(options: argparse.Namespace, alone: bool) -> int:
    if hasattr(options, "files"):
        options.files = [file for name in options.files for file in _expanded(name, options)]
    if alone and _are_small(_all_files(getattr(options, "files", []))):
        os.environ["NUMBA_DISABLE_JIT"] = "1"
    holes: list[str] = []

    def show(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
        if log.holds(message, category):
            return
        log.warning(message)
        if issubclass(category, (HoleWarning, WidthWarning)):
            holes.append(str(message))

    with warnings.catch_warnings():
        warnings.showwarning = show
        warnings.simplefilter("always", EvstreamWarning)
        status = _run(options)
    return getattr(options, "hole_status", 1) if holes and status == 0 else status


def _expanded(name: str, options: argparse.Namespace) -> list[str]:
    """The files that a pattern or folder stands for; what stands for none, as it is, so that the
    command reports it among the others. A run folder stays one for commands that take it."""
    with contextlib.suppress(EvstreamError, OSError):
        if names_several(name) and not is_run_folder(name, options):
            return expand_sources(name)
    return [name]


def _all_files(names: Sequence[str]) -> list[str]:
    """The files that are read, also those of run folders."""
    return [f for name in names for f in (files_of(name) if os.path.isdir(name) else [name])]


def _run(options: argparse.Namespace) -> int:
    try:
        _refuse_own_output(options)
        status: int = options.run(options)
        standard.flush()
    except BrokenPipeError:
        standard.silence()
        target = getattr(options, "output", "-")
        name = "<stdout>" if target == "-" else target
        return log.error(f"{name}: its reader went away before the end", 1, file=name)
    except process.Stopped:
        raise  # without a flush, which may have to wait for a reader
    except KeyboardInterrupt:
        return 130
    except BaseException as error:
        status = _failed(error)
        with contextlib.suppress(EvstreamError):
            standard.flush()  # here, since at exit Python has no words for what fails
    return status


def _refuse_own_output(options: argparse.Namespace) -> None:
    """Refuse input files that stdout is: what a command prints would become part of them."""
    names = [*getattr(options, "files", []), *(getattr(options, n, None) for n in _INPUTS)]
    refuse_same_file([name for name in names if name is not None], ["-"])


_INPUTS = ("file", "input", "a", "b", "expect_events")
"""Arguments of commands that each name a file to read."""


def _failed(error: BaseException) -> int:
    """Print one line about an error; the exit status for it."""
    if process.is_exhaustion(error):
        return process.failure(error)
    if isinstance(error, (OSError, EvstreamError, ValueError)):
        return log.error(error, 2)
    return process.failure(error)


def _are_small(files: Sequence[str]) -> bool:
    """Whether plain Python has read the files before numba is loaded."""
    size = 0
    for file in files:
        try:
            found = os.stat(file)
            if not stat.S_ISREG(found.st_mode):
                return False
            with open(file, "rb") as stream:
                if compression(stream.read(MAGIC_SIZE)):
                    return False
        except OSError:
            return False
        size += found.st_size
    return 0 < size <= _SMALL


_SMALL = 1 << 16
"""Bytes of streams; each takes about a microsecond then."""
