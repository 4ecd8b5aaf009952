"""What a command writes to stderr: lines for people, or JSON objects for programs.

All messages go through `report`, with the fields of the error or warning that they are about, so
that no program has to parse their text. How they are written is set once per command: `begin`
looks for the options on the command line, since its errors are messages as well; `settle` takes
those that were parsed.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import re
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from evstream import process

FORMATS = ("text", "json")
COLORS = ("auto", "always", "never")
VARIABLE = "EVSTREAM_LOG_FORMAT"

Level = str
"""error, warning or info."""


@dataclass(frozen=True)
class _Settings:
    json: bool = False
    quiet: bool = False
    color: str = "auto"
    command: str | None = None
    program: str = "evstream"


_settings = _Settings()


def add_options(parser: argparse.ArgumentParser, **more: Any) -> Any:
    """The options that every command has, before its name and after it."""
    group = parser.add_argument_group("messages")
    group.add_argument(
        "--log-format", choices=FORMATS, **more,
        help="write errors, warnings and findings to stderr as lines of text, or as one JSON"
        f" object each (default: {VARIABLE} of the environment, else text)",
    )  # fmt: skip
    group.add_argument(
        "-q", "--quiet", action="store_true", **more,
        help="write errors alone to stderr: no warnings, notes, progress or summaries",
    )  # fmt: skip
    group.add_argument(
        "--color", choices=COLORS, **more,
        help="use colours (default auto: on a terminal, unless NO_COLOR is set; everywhere, if"
        " FORCE_COLOR is)",
    )  # fmt: skip
    return group


@contextlib.contextmanager
def begun(arguments: Sequence[str], program: str = "evstream") -> Iterator[None]:
    """Write messages as a command line wants them, with the name of a program, until its end."""
    before = _settings
    _set(replace(before, program=program))
    begin(arguments)
    try:
        yield
    finally:
        _set(before)


def begin(arguments: Sequence[str]) -> None:
    """Write messages from now on as the options on a command line want them, as far as they can
    be seen before it is parsed."""
    wanted = os.environ.get(VARIABLE)
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    for word, following in pairwise([*options, ""]):
        name, equals, value = word.partition("=")
        if len(name) > 4 and "--log-format".startswith(name):
            wanted = value if equals else following
    _set(replace(_settings, json=wanted == "json", command=None))


def settle(options: argparse.Namespace) -> None:
    """Write messages from now on as the parsed options want them.

    Raises ValueError for a format in the environment that does not exist.
    """
    wanted = options.log_format
    if wanted is None:
        wanted = os.environ.get(VARIABLE) or "text"
        if wanted not in FORMATS:
            raise ValueError(
                f"environment variable {VARIABLE} is {wanted!r}, expected {' or '.join(FORMATS)}"
            )
    _set(
        replace(
            _settings, json=wanted == "json", quiet=options.quiet, color=options.color or "auto",
            command=getattr(options, "command", None),
        )
    )  # fmt: skip


def _set(settings: _Settings) -> None:
    global _settings  # noqa: PLW0603
    _settings = settings
    _connect()


def _connect() -> None:
    """Have the failures and signals of the process reported as the messages of commands are."""
    process.reporter = _report_failure if _settings.json else None
    if not process.is_stopping():
        threading.excepthook = _report_of_thread if _settings.json else threading.__excepthook__


def is_json() -> bool:
    """Whether messages are JSON objects."""
    return _settings.json


def is_quiet() -> bool:
    """Whether errors are all that is wanted on stderr."""
    return _settings.quiet


def has_color(stream: Any) -> bool:
    """Whether text for a stream may have colours.

    The option comes first, then NO_COLOR and FORCE_COLOR, then whether it is a terminal that can.
    """
    if _settings.color != "auto":
        return _settings.color == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR", "0") not in {"", "0"}:
        return True
    return is_terminal(stream) and os.environ.get("TERM") != "dumb"


def is_terminal(stream: Any) -> bool:
    """Whether a stream is a terminal; not if it is missing, closed, or no file."""
    with contextlib.suppress(AttributeError, ValueError):
        return stream is not None and bool(stream.isatty())
    return False


_STYLES = {"error": "1;31", "warning": "1;33", "info": "36", "good": "32"}


def styled(text: str, style: Level, stream: Any) -> str:
    """The text in the colour of a level (or "good"), if the stream may have colours."""
    return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if has_color(stream) else text


def error(what: BaseException | str, status: int, **facts: Any) -> int:
    """Report an error and return the exit status for it."""
    if isinstance(what, str):
        report("error", what, **facts, status=status)
    else:
        report("error", described(what), **{**facts_of(what), **facts, "status": status})
    return status


def file_error(what: Exception, file: str) -> int:
    """Report why a file of several cannot be used; the exit status for it. Raises the error again
    if memory or threads are exhausted."""
    process.refuse_exhaustion(what)
    facts = facts_of(what)
    facts["file"] = facts.get("file") or file
    return error(described(what, file), 2, **facts)


def warning(what: Warning | str, **facts: Any) -> None:
    """Report a warning."""
    known = {} if isinstance(what, str) else facts_of(what)
    report("warning", str(what), **{**known, **facts})


def note(text: str, **facts: Any) -> None:
    """Report what is neither an error nor a warning."""
    report("info", text, **facts)


def finding(found: Any, source: str, *, is_named: bool = False) -> None:
    """Report a place that breaks a rule, in a source or in a file of its own, which the text names
    where nothing else does."""
    file = found.file or source
    text = f"{file}: {found.text}" if is_named else found.text
    report(
        found.severity, text, type="Finding", file=file, byte=found.offset,
        **ids_of(found.ids), sidx=found.sidx, rule=found.rule, value=found.value,
        record=found.record, expected=found.expected or None,
    )  # fmt: skip


def described(error: BaseException, file: str | None = None) -> str:
    """The line of text for an error; `file` is where an OSError without a name comes from."""
    if not isinstance(error, OSError) or hasattr(error, "problem"):
        return str(error)
    name = error.filename or file
    text = error.strerror or str(error)
    return f"{name}: {text}" if name else text


def facts_of(error: BaseException) -> dict[str, Any]:
    """The fields of an error or warning, under the names that JSON objects have for them."""
    facts: dict[str, Any] = {"type": type(error).__name__}
    if not hasattr(error, "problem"):
        if isinstance(error, OSError):
            facts |= {"problem": error.strerror, "file": error.filename, "errno": error.errno}
        return facts
    facts |= {
        "problem": error.problem,
        "file": error.source,  # type: ignore[attr-defined]
        "byte": error.offset,  # type: ignore[attr-defined]
        **ids_of(error.ids),  # type: ignore[attr-defined]
        "expected": error.expected or None,  # type: ignore[attr-defined]
    }
    return facts | {name: getattr(error, name, None) for name in _OF_SOME}


_OF_SOME = ("line", "row", "column", "rule", "streams")
"""Attributes of some errors, under the same names."""


def ids_of(ids: Mapping[str, Any]) -> dict[str, Any]:
    """The ids by the format's names, and the first two by names that all formats share."""
    values = [*ids.values(), None, None]
    return {"ids": dict(ids) or None, "event_id": values[0], "item_id": values[1]}


_held = threading.local()


@contextlib.contextmanager
def held(warnings: list[Warning]) -> Iterator[None]:
    """Keep the warnings of this thread in a list, to be shown later."""
    before, _held.warnings = getattr(_held, "warnings", None), warnings
    try:
        yield
    finally:
        _held.warnings = before


def holds(warning: Warning | str, category: type[Warning]) -> bool:
    """Whether a warning of this thread is kept for later."""
    warnings: list[Warning] | None = getattr(_held, "warnings", None)
    if warnings is not None:
        warnings.append(category(warning) if isinstance(warning, str) else warning)
    return warnings is not None


def report(level: Level, text: str, **facts: Any) -> None:
    """Write one message to stderr, if there is one and it is wanted, unless a signal is the reason
    for it. Fields that are None are left out."""
    if process.is_stopping() or (_settings.quiet and level != "error"):
        return
    if _settings.json:
        _write(_json(level, text, facts))
        return
    line = re.sub(r"[\x00-\x1f\x7f]", lambda found: repr(found[0])[1:-1], text)
    name = styled(f"{_settings.program}:", "error" if level == "error" else "info", sys.stderr)
    kind = level if level == "warning" or facts.get("type") == "Finding" else ""
    kind = f"{styled(f'{kind}:', level, sys.stderr)} " if kind else ""
    _write(f"{name} {kind}{line}")


def _write(line: str) -> None:
    """In one piece: several processes may share stderr."""
    with contextlib.suppress(OSError, ValueError), above_line():
        if sys.stderr is not None:
            sys.stderr.write(line + "\n")
            sys.stderr.flush()


above_line: Callable[[], contextlib.AbstractContextManager[None]] = contextlib.nullcontext
"""Makes room on the terminal for text, while a line is drawn there again and again."""


def _json(level: Level, text: str, facts: Mapping[str, Any]) -> str:
    import json
    from datetime import datetime, timezone

    fields = {
        "time": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
        "level": level,
        "program": _settings.program,
        "command": _settings.command,
        "message": text,
        **facts,
    }
    return json.dumps({n: plain(v) for n, v in fields.items() if v is not None}, default=str)


def plain(value: Any) -> Any:
    """A value for JSON, which has no NaN or infinity: these become strings."""
    if isinstance(value, Mapping):
        return {str(name): plain(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def _report_of_thread(found: Any) -> None:
    """What ends a thread, which Python would print as a traceback."""
    if found.exc_type is not SystemExit:
        error("a thread failed: " + process.described(found.exc_value), process.FAILED)


def _report_failure(text: str, facts: Mapping[str, Any]) -> None:
    """What a process reports besides the messages of its command: signals, memory, defects."""
    _write(_json("error", text, facts))
