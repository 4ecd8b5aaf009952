"""The command line: `evstream COMMAND ...`, one module per command.

Exit status: 0 when all is well, 1 when a command has findings or failed in its work, 2 for
input that cannot be read or a wrong command line, 70 when memory or threads ran out or evstream
itself failed, 128 + n after signal n. An error is one line on stderr.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import stat
import warnings
from collections.abc import Sequence
from typing import Any

from evstream import process
from evstream.cli import standard
from evstream.compressed import MAGIC_SIZE, compression
from evstream.errors import (
    AggregationWarning,
    CacheWarning,
    CutLineWarning,
    EvstreamError,
    HoleWarning,
    MissingDelimiterWarning,
    RowsWarning,
    SuspectWarning,
)
from evstream.same_file import refuse_same_file

_DESCRIPTION = """\
Read and check catastrophe-model event streams (loss, gul, summary, cdf).

  evstream info gul.bin               what a stream holds, and whether it ends cleanly
  evstream cat gul.bin --head 20      its records as CSV
  evstream validate gul.bin           whether it keeps every rule of the format
  evstream seal gul.bin               proof, later, that it is all there
  evstream convert gul.bin gul.parquet
  evstream merge a.bin b.bin all.bin  several streams as one
  evstream diff a.bin b.bin           where two streams differ
  evstream demo                       a model, a pipe, a summary, an exceedance curve

FILE may be - for stdin, and may be compressed with gzip or zstd.
"""


def console() -> int:
    """`main` in a process that does nothing else."""
    from evstream.console import console

    return console()


def main(arguments: Sequence[str] | None = None, *, alone: bool = False) -> int:
    """Run one command; the exit status."""
    from evstream.cli import cat, convert, demo, diff, info, merge, seal, validate, warmup

    parser = argparse.ArgumentParser(
        prog="evstream",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=_version())
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for module in (info, cat, validate, seal, convert, merge, diff, warmup, demo):
        module.add_parser(commands)
    options = parser.parse_args(arguments)
    if alone and _are_small(getattr(options, "files", [])):
        os.environ["NUMBA_DISABLE_JIT"] = "1"
    holes: list[str] = []

    def show(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
        standard.say(f"warning: {message}")
        if issubclass(category, HoleWarning):
            holes.append(str(message))

    with warnings.catch_warnings():
        warnings.showwarning = show
        for category in (
            AggregationWarning,
            CacheWarning,
            CutLineWarning,
            MissingDelimiterWarning,
            RowsWarning,
            SuspectWarning,
        ):
            warnings.simplefilter("always", category)
        status = _run(options)
    return getattr(options, "hole_status", 1) if holes and status == 0 else status


def _run(options: argparse.Namespace) -> int:
    try:
        _refuse_own_output(options)
        status: int = options.run(options)
        standard.flush()
    except BrokenPipeError:
        standard.silence()
        target = getattr(options, "output", "-")
        name = "<stdout>" if target == "-" else target
        standard.say(f"{name}: its reader went away before the end")
        return 1
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
    if isinstance(error, OSError):
        name = f"{error.filename}: " if error.filename else ""
        return fail(f"{name}{error.strerror or error}")
    if isinstance(error, (EvstreamError, ValueError)):
        return fail(str(error))
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


NO_FSYNC = "do not wait until files are on the disk: faster, but not safe against a power cut"


def fail(line: str) -> int:
    """Print an error; the exit status for it."""
    standard.say(line)
    return 2


def shown(file: str) -> str:
    """The name of an input in all that a command prints."""
    return "<stdin>" if file == "-" else file


def add_stream_arguments(parser: argparse.ArgumentParser) -> None:
    """--stream and --width, for every command that reads streams."""
    parser.add_argument(
        "--stream",
        metavar="TYPE",
        help="the type to expect; needed for event_ids, which has no stream header",
    )
    parser.add_argument(
        "--width",
        metavar="TYPE=WIDTH",
        action="append",
        type=width,
        default=[],
        help="e.g. oasis_float=f8; otherwise OASIS_INT, OASIS_FLOAT and OASIS_AREAPERIL_TYPE"
        " of the environment count, else i4, f4, u4",
    )
    parser.add_argument(
        "--strict",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="a missing final delimiter is an error, and so is a hole of zero bytes (default:"
        " EVSTREAM_STRICT of the environment, else no)",
    )
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=float,
        help="an error when a pipe, FIFO or socket gives no byte for so long (default:"
        " EVSTREAM_TIMEOUT of the environment, else none)",
    )


def open_stream(file: str, options: argparse.Namespace, **more: Any) -> Any:
    """The stream that a command's arguments name."""
    from evstream.reader import EventStream

    return EventStream(
        file,
        options.stream,
        widths=dict(options.width),
        strict=options.strict,
        timeout=options.timeout,
        **more,
    )


def width(text: str) -> tuple[str, str]:
    name, equals, width = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r}, expected TYPE=WIDTH, e.g. oasis_float=f8")
    return name, width


def _version() -> str:
    import evstream

    return f"evstream {evstream.__version__}"
