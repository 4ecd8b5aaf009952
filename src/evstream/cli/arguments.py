"""Arguments that several commands have, and what they mean."""

from __future__ import annotations

import argparse
import contextlib
import difflib
import re
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from evstream.cli import log
from evstream.transport.range_file import shown as shown_source

NO_FSYNC = "do not wait until files are on the disk: faster, but not safe against a power cut"


class SuggestingParser(argparse.ArgumentParser):
    """A parser whose error names the word that is nearest to an unknown one."""

    def error(self, message: str) -> NoReturn:
        """Print usage and the error, and exit with 2."""
        if message.endswith("required: COMMAND") and self._unknown:
            message = f"unrecognized arguments: {self._unknown}"  # which argparse reports last
        message += self._suggestion(message)
        if log.is_json():
            usage = " ".join(self.format_usage().split())
            log.error(message, 2, command=self.command, type="UsageError", usage=usage)
            self.exit(2)
        super().error(message)

    _unknown = ""
    """The first word of the command line, if it looks like an option and is not one."""

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse, and keep the first word for an error."""
        words = sys.argv[1:] if args is None else args
        first = words[0].partition("=")[0] if words else ""
        is_known = any(option.startswith(first) for option in self._option_string_actions)
        self._unknown = first if first.startswith("-") and not is_known else ""
        return super().parse_known_args(args, namespace)

    @property
    def command(self) -> str | None:
        """The command that this is the parser of."""
        return None

    def _suggestion(self, message: str) -> str:
        unknown = re.search(r"invalid choice: '([^']*)'|unrecognized arguments: (-\S*)", message)
        if unknown is None:
            return ""
        word = unknown[1] if unknown[2] is None else unknown[2].partition("=")[0]
        known: list[str] = list(self._option_string_actions)
        if unknown[2] is None:
            choices = re.findall(r"[\w.+-]+", message.partition("choose from")[2])
            known = [one for one in choices if one != word]
        nearest = difflib.get_close_matches(word, known, 1, 0.6)
        return f"; did you mean {nearest[0]}?" if nearest else ""


class CommandParser(SuggestingParser):
    """The arguments of one command; options may stand between its files."""

    _is_mixing = False

    @property
    def command(self) -> str:
        """The command that this is the parser of."""
        return self.prog.rpartition(" ")[2]

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse; refuse what is left, with the usage of this command."""
        if self._is_mixing:
            return super().parse_known_args(args, namespace)
        parsed, rest = self._mixed(args, namespace)
        if rest:
            options = [argument for argument in rest if argument.startswith("-")]
            self.error(f"unrecognized arguments: {' '.join(options or rest)}")
        return parsed, rest

    def _mixed(
        self, args: Sequence[str] | None, namespace: argparse.Namespace | None
    ) -> tuple[argparse.Namespace, list[str]]:
        """As `parse_known_intermixed_args` does, which calls `parse_known_args` in its turn. It
        loses `--`, after which a file name may begin with a hyphen."""
        if "--" in (args or ()):
            return super().parse_known_args(args, namespace)
        self._is_mixing = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._is_mixing = False


def shown(file: str) -> str:
    """The name of an input in all that a command prints."""
    return "<stdin>" if file == "-" else shown_source(file)


def add_stream_arguments(parser: argparse.ArgumentParser) -> None:
    """--stream, and how it is read, for every command that reads streams."""
    parser.add_argument(
        "--stream",
        metavar="TYPE",
        help="the stream type to expect; required without a type word, as in a list of event ids",
    )
    add_reading_arguments(parser)


def add_reading_arguments(parser: Any) -> None:
    """--width, --strict and --timeout, for every program that reads streams."""
    parser.add_argument(
        "--width",
        metavar="TYPE=WIDTH",
        action="append",
        type=width,
        default=[],
        help="e.g. oasis_float=f8 (default: OASIS_INT, OASIS_FLOAT and OASIS_AREAPERIL_TYPE of"
        " the environment, else i4, f4, u4)",
    )
    parser.add_argument(
        "--strict",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="treat a missing final delimiter and a hole of zero bytes as errors (default:"
        " EVSTREAM_STRICT of the environment, else no)",
    )
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=number,
        help="fail when a pipe, FIFO or socket sends no data for SECONDS (default:"
        " EVSTREAM_TIMEOUT of the environment, else never)",
    )


def add_selection(parser: argparse.ArgumentParser, events: Any = None) -> None:
    """--events, --items, --sidx and --columns, for commands that show a part of a stream; `events`
    is a group for the first."""
    (events or parser).add_argument(
        "--events", metavar="IDS", type=_ids, help="only these events, e.g. 1-10,15"
    )
    parser.add_argument(
        "--items", metavar="IDS", type=_ids,
        help="only these items (of the id column after the event, e.g. item_id or summary_id)",
    )  # fmt: skip
    parser.add_argument(
        "--sidx", metavar="SIDX", type=_sidx,
        help="only these sample indices: numbers, ranges, names of special ones, e.g. mean,1-10;"
        " --sidx=-5,-1 for several below 0",
    )  # fmt: skip
    parser.add_argument(
        "--columns", metavar="NAMES", type=_names,
        help="only these columns, in this order, e.g. event_id,loss",
    )  # fmt: skip


def _ids(text: str) -> Any:
    return _parsed(text, words=False)


def _sidx(text: str) -> Any:
    return _parsed(text, words=True)


def _parsed(text: str, *, words: bool) -> Any:
    from evstream.reading.ids import ids_in

    try:
        return ids_in(text, "", words=words)
    except ValueError as error:
        problem = str(error).removeprefix(" is ").removeprefix(" ")
        raise argparse.ArgumentTypeError(problem) from None


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")]


def add_jobs(parser: argparse.ArgumentParser) -> None:
    """--jobs, for commands that work by several threads."""
    parser.add_argument(
        "--jobs",
        metavar="N",
        type=job_count,
        help="threads, for several files and for large ones (default: the cores that this process"
        " may use); the output is the same",
    )


def open_stream(file: str, options: argparse.Namespace, **more: Any) -> Any:
    """The stream that a command's arguments name."""
    from evstream.reading.sources import open_stream
    from evstream.reading.stream import EventStream

    opened: Any = EventStream if "tap" in more else open_stream
    return opened(
        file,
        options.stream,
        widths=dict(options.width),
        strict=options.strict,
        timeout=options.timeout,
        format=options.spec_format,
        **more,
    )


def whole_number(text: str) -> int:
    """An option that is an integer."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}, expected a whole number") from None


def job_count(text: str) -> int:
    """An option that is a number of threads."""
    count = whole_number(text)
    if count < 1:
        raise argparse.ArgumentTypeError(f"{text!r}, expected 1 or more")
    return count


def event_id(text: str) -> int | float:
    """An option that is an event id, which is a float in some formats."""
    with contextlib.suppress(ValueError):
        return int(text)
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}, expected an event id") from None


def number(text: str) -> float:
    """An option that is any number."""
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}, expected a number") from None


def width(text: str) -> tuple[str, str]:
    name, equals, width = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r}, expected TYPE=WIDTH, e.g. oasis_float=f8")
    return name, width
