"""stdout of a command: all of its text is written, or an error reports why not."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
from typing import Any

from evstream.cli import log
from evstream.errors import WriteError
from evstream.transport.file_objects import flush_all
from evstream.transport.sink import Sink


class Output:
    """stdout for text. Python's own may write a part of it without an error, where it is
    unbuffered or non-blocking; a Sink goes on until all is taken."""

    def __init__(self) -> None:
        # An object in the place of stdout, as in a notebook, may take text only.
        self._sink = Sink("-") if hasattr(sys.stdout, "buffer") else None

    def write(self, text: str) -> None:
        """Write all of it. BrokenPipeError when the reader is gone, WriteError when the system
        refuses for another reason."""
        if self._sink is None:
            sys.stdout.write(text)
            return
        encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
        self._sink.write(memoryview(text.encode(encoding, "backslashreplace")))
        if sys.stdout.isatty():
            self._sink.flush()  # a terminal

    def write_ascii(self, text: memoryview) -> None:
        """Write text that is encoded already, as `write` does."""
        if self._sink is None:
            sys.stdout.write(str(text, "ascii"))
            return
        self._sink.write(text)
        if sys.stdout.isatty():
            self._sink.flush()

    def flush(self) -> None:
        if self._sink is not None:
            self._sink.flush()


def print_text(text: str) -> None:
    """Print a report to stdout. A reader that has seen enough changes no exit status."""
    output = Output()
    try:
        with log.above_line():
            output.write(text + "\n")
            output.flush()
    except BrokenPipeError:
        silence()


def flush() -> None:
    """Hand on what stdout holds. WriteError when the system refuses it."""
    try:
        flush_all(sys.stdout)
    except BrokenPipeError:
        silence()
    except OSError as error:
        silence()
        reason = error.strerror or str(error)
        raise WriteError(f"could not write: {reason}", source="<stdout>") from None


def silence() -> None:
    """Drop what stdout still holds: Python would try to write it at exit, and fail again."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        descriptor = os.open(os.devnull, os.O_WRONLY)
        os.dup2(descriptor, sys.stdout.fileno())
        os.close(descriptor)


def prepare() -> None:
    """Make the standard streams of a process fit for what may come.

    Those that are closed would be None, and the next file to be opened would take the place of
    stdout or stderr, and get what others print there.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            # It takes the lowest free number, which is this one.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    if sys.stdin is None:
        sys.stdin = _Closed("<stdin>")
    if sys.stdout is None:
        sys.stdout = _Closed("<stdout>")
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 (for as long as the process lives)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a file may have any name


class _Closed(io.TextIOBase):
    """In the place of a standard stream that is closed: says so when it is needed."""

    def __init__(self, name: str) -> None:
        self.name = name

    def readinto(self, view: Any) -> int:
        raise self._error()

    def write(self, text: Any) -> int:
        raise self._error()

    def _error(self) -> OSError:
        return OSError(errno.EBADF, "it is closed", self.name)
