"""One run of a component: events in, results out; errors in one line, and the exit status."""

from __future__ import annotations

import argparse
import contextlib
import inspect
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Iterator
from itertools import islice
from typing import Any

from evstream import process
from evstream._support.words import counted
from evstream.cli import log, standard
from evstream.components.context import ComponentRun
from evstream.components.design import Design, Function, ModelError
from evstream.components.inputs import opened_input
from evstream.components.options import (
    check,
    header_fields,
    input_names,
    make_parser,
    names_of,
    read_settings,
)
from evstream.components.progress import EventProgress
from evstream.components.results import write_result
from evstream.errors import (
    EvstreamError,
    EvstreamWarning,
    HoleWarning,
    SuspectWarning,
    WidthWarning,
    WriteError,
    warn,
)
from evstream.reading.stream import EventStream
from evstream.transport.same_file import refuse_same_file
from evstream.wire.header_bytes import build_header
from evstream.writing.writer import Writer

FAILED = 1
"""Exit status when the model failed, or what it made could not be written."""

READER_GONE = 128 + signal.SIGPIPE
"""Exit status when the reader of the output went away, as of a program that SIGPIPE ends."""


def attempt(function: Function, design: Design, arguments: list[str]) -> int:
    """Run with a command line; the exit status."""
    with log.begun(arguments, design.name):
        try:
            parser = make_parser(design)
            options = parser.parse_args(arguments)
            check(design, parser, options)
            log.settle(options)
        except SystemExit as end:
            return end.code if isinstance(end.code, int) else 2
        except ValueError as error:
            return log.error(error, 2)
        return _reported(function, design, options)


def _reported(function: Function, design: Design, options: argparse.Namespace) -> int:
    """Run with warnings as messages; the exit status."""
    holes: list[Warning | str] = []

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: Any = None,
        line: Any = None,
    ) -> None:
        if issubclass(category, (HoleWarning, WidthWarning)):
            holes.append(message)
        is_ours = issubclass(category, EvstreamWarning)
        place = "" if is_ours else f" ({os.path.basename(filename)}:{lineno})"
        facts = log.facts_of(message) if isinstance(message, Warning) else {}
        log.warning(f"{message}{place}", **facts)

    with warnings.catch_warnings():
        warnings.showwarning = show
        warnings.simplefilter("always", EvstreamWarning)
        status = _status_of(function, design, options)
    return FAILED if holes and status == 0 else status


def _status_of(function: Function, design: Design, options: argparse.Namespace) -> int:
    try:
        _run(function, design, options)
    except BrokenPipeError:
        if options.output == "-":
            standard.silence()
        return READER_GONE
    except process.Stopped:
        raise
    except BaseException as error:
        return _failed(error, design.name)
    return 0


def _failed(error: BaseException, name: str) -> int:
    """Print one line about an error; the exit status for it."""
    if process.is_exhaustion(error) or isinstance(error, KeyboardInterrupt):
        return process.failure(error, name)
    if isinstance(error, ModelError) and error.__cause__ is not None:
        cause = error.__cause__
        if os.environ.get("EVSTREAM_TRACEBACK", "0") not in {"", "0"} and not log.is_json():
            sys.excepthook(type(cause), cause, cause.__traceback__)
    if isinstance(error, EvstreamError):
        return log.error(error, FAILED if isinstance(error, (ModelError, WriteError)) else 2)
    if isinstance(error, (OSError, TypeError, ValueError)):
        return log.error(error, 2)
    return process.failure(error, name)


def _run(function: Function, design: Design, options: argparse.Namespace) -> None:
    names = input_names(design, options)
    refuse_same_file(names, [options.output])
    settings = read_settings(getattr(options, "analysis_settings", None))
    with opened_input(design, options) as stream:
        run = ComponentRun(options, stream.header, settings)
        fields = header_fields(design, options, settings, stream.header)
        run._header = build_header(design.stream, fields, dict(options.width), design.format)
        _announce(run, "started")
        with _prints_to_stderr(options.output):
            if design.setup is not None:
                with _named(design.setup, f"{names_of(names)}: setup", {}):
                    run.data = design.setup(run)
        with Writer(options.output, run._header) as out, _prints_to_stderr(options.output):
            run._out = out
            count = _all_events(function, design, stream, run)
        _announce(run, f"finished, {counted(count, 'event')}, {out.offset:,} bytes")


def _announce(run: ComponentRun, text: str) -> None:
    """Report the start and the end, by which an Oasis run counts the processes of a model."""
    if run.options.progress or run.options.event_batch is not None:
        run.report(text)


def _all_events(function: Function, design: Design, stream: EventStream, run: ComponentRun) -> int:
    """Call the function for each event; how many there were."""
    with_run, column = _takes_run(function), stream.header.event_column
    source, count = stream.name, 0
    with EventProgress(run, design.name, column) as progress:
        for event in _batch(stream, run.options.event_batch):
            key = event.event_key
            given = key if design.reads_list else event
            if not count:
                _warn_of_stream(design, key, source)
            progress.update(count, key)
            with _named(function, source, {column: key}, run.out):
                result = function(given, run) if with_run else function(given)
                write_result(run.out, key, result)
            count += 1
    return count


def _warn_of_stream(design: Design, event: Any, source: str) -> None:
    """Warn where a list of events begins as a stream of another type does."""
    for stream in design.format.streams.values():
        number = int.from_bytes(stream.type_word or b"", "little")
        if design.reads_list and event == number and number >= _RARE:
            warn(
                f"{source}: the first event of this list is {event}, which are the first bytes of a"
                f" {stream.name} stream",
                SuspectWarning,
            )


_RARE = 1 << 16
"""Type words below it are first events of many lists: that of a cdf stream is 1."""


def _batch(stream: EventStream, batch: list[int] | None) -> Iterator[Any]:
    """The events of one part of several."""
    events = iter(stream)
    if batch is None:
        return events
    number, parts = batch
    return islice(events, number - 1, None, parts)


@contextlib.contextmanager
def _named(
    function: Function, source: str, ids: dict[str, Any], out: Writer | None = None
) -> Iterator[None]:
    """Turn what a function raises into a ModelError with the event under way."""
    try:
        yield
    except (process.Stopped, KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:
        is_output = out is not None and out.closed and isinstance(error, (OSError, WriteError))
        if process.is_exhaustion(error) or is_output:
            raise
        expected = ""
        problem = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        if isinstance(error, WriteError) and out is not None and error.source == out.name:
            problem, ids, expected = error.problem, {**ids, **error.ids}, error.expected
        problem += _line_of(function, error)
        raise ModelError(problem, source=source, ids=ids, expected=expected) from error


def _line_of(function: Function, error: BaseException) -> str:
    """Where in the file of a function an error was raised; "" if nowhere."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    frames = traceback.extract_tb(error.__traceback__)
    lines = [f.lineno for f in frames if code is not None and f.filename == code.co_filename]
    return f" ({os.path.basename(code.co_filename)}:{lines[-1]})" if code and lines else ""


def _takes_run(function: Function) -> bool:
    """Whether a function has a second parameter that must be given."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # of C
        return False
    by_place = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return len([p for p in parameters if p.kind in by_place and p.default is p.empty]) > 1


def _prints_to_stderr(output: str) -> contextlib.AbstractContextManager[Any]:
    """What a model prints must not get into its stream."""
    if output == "-":
        return contextlib.redirect_stdout(sys.stderr)
    return contextlib.nullcontext()
