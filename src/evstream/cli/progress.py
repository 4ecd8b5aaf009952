"""How far a command is: a line on stderr that is drawn again and again, and wiped at the end.

Only a number changes while the command works. A thread draws, so that a command which waits for a
pipe shows that it waits. It imports rich once the work takes longer than a moment; without rich
there is no line. Where stderr is not a terminal, `--progress` prints whole lines now and then.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import stat
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType

from evstream.cli import log
from evstream.cli.arguments import shown
from evstream.cli.status_line import StatusLine, can_draw, is_pipe
from evstream.errors import EvstreamError, MissingExtraError
from evstream.extras import import_extra
from evstream.transport.listing import files_named

_FIRST_AFTER = 0.5
"""Seconds before the first line."""

_EVERY = 0.2
"""Seconds between two drawings."""

_FIRST_LINE_AFTER = 2.0
_EVERY_LINE = 10.0
"""Seconds before the first line, and between two, where stderr is not a terminal."""

_WINDOW = 4.0
"""Seconds over which a rate is measured."""

_IDLE = 2.0
"""Seconds without a byte after which the line says so."""

_BAR = 20


def add_progress(parser: argparse.ArgumentParser) -> None:
    """--progress, for commands that may take long."""
    parser.add_argument(
        "--progress",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="show on stderr how far the work is (default: on a terminal, with evstream[progress])",
    )


class Progress:
    """How far the reading of some files is; a context manager.

    `files` are all inputs of the command. Bytes are those of the files, before they are expanded,
    and each counts `passes` times. `prints` says whether stdout is written to meanwhile, which
    would mix with the line where both are the same terminal.

    Attributes:
        total: bytes in all; None where it is not known, as of pipes.
    """

    def __init__(
        self,
        options: argparse.Namespace,
        files: Sequence[str],
        *,
        prints: bool = False,
        passes: int = 1,
    ) -> None:
        self._files = files
        self._only = 0  # of a command with one input
        self._done: list[int] = []
        self._thread: threading.Thread | None = None
        self._ended = threading.Event()
        self._line = StatusLine()
        self._asked = getattr(options, "progress", None)
        self._way = None if log.is_quiet() else _way(self._asked, prints)
        self.total = _size_of(files, passes) if self._way is not None else None

    def update(self, done: int) -> None:
        """Take the number of bytes that are done so far, of all inputs."""
        self._only = done

    def input(self) -> Callable[[int], None]:
        """A function to be called with the bytes of the next input that are done so far."""
        number = len(self._done)
        self._done.append(0)

        def update(done: int) -> None:
            self._done[number] = done

        return update

    @property
    def done(self) -> int:
        """Bytes that are done so far."""
        return self._only + sum(self._done)

    def _name(self) -> str:
        if len(self._files) == 1:
            return shown(self._files[0])
        count = len(self._files)
        return f"file {len(self._done)} of {count}" if self._done else f"{count} files"

    def __enter__(self) -> Progress:
        if self._way is not None and (not self._asked or self._has_library()):
            thread = threading.Thread(target=self._show, name="evstream-progress", daemon=True)
            with contextlib.suppress(RuntimeError):  # the system allows no more threads
                thread.start()
                self._thread = thread
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._thread is not None:
            self._ended.set()
            self._line.end()
            self._thread.join(_EVERY * 5)  # unless the terminal is stopped

    def _has_library(self) -> bool:
        """Whether what was asked for can be shown; says why not."""
        try:
            if self._way == "line":
                import_extra("rich")
        except MissingExtraError as error:
            log.warning(f"--progress: {error}")
            return False
        return True

    def _show(self) -> None:
        """Draw until the end; nothing here may disturb the work."""
        with contextlib.suppress(Exception):
            pace = Pace(time.monotonic())
            if self._way == "lines":
                wait = _FIRST_LINE_AFTER
                while not self._ended.wait(wait):
                    log.note(self._status(pace).text)
                    wait = _EVERY_LINE
                return
            if self._ended.wait(_FIRST_AFTER):
                return
            draw = drawer()
            while not self._ended.wait(_EVERY):
                self._line.show(draw(self._status(pace)))

    def _status(self, pace: Pace) -> Status:
        return pace.status(self._name(), time.monotonic(), self.done, self.total)


class Status:
    """How far the work is at a time: the share that is done, and the words of the line."""

    def __init__(self, name: str, share: float | None, words: list[str]) -> None:
        self.name, self.share, self.words = name, share, words

    @property
    def text(self) -> str:
        """The line without a bar."""
        return f"{self.name}: {', '.join(self.words)}"


class Pace:
    """Measures how fast a number of bytes grows."""

    def __init__(self, started: float) -> None:
        self._started = self._moved = started
        self._seen: deque[tuple[float, int]] = deque([(started, 0)])

    def status(self, name: str, now: float, done: int, total: int | None) -> Status:
        """How far the work is at a time."""
        if done != self._seen[-1][1]:
            self._moved = now
        self._seen.append((now, done))
        while len(self._seen) > 2 and now - self._seen[1][0] >= _WINDOW:
            self._seen.popleft()
        before, then = self._seen[0]
        rate = (done - then) / (now - before) if now > before else 0.0
        if total is not None and done > total:
            total = None  # as where a file grows, or another file places its blocks
        words, share = [_amount(done, total)], None
        if total:
            share = done / total
            words.append(f"{int(100 * share)}%")
        idle = now - self._moved
        if share == 1:
            words.append("all read, finishing")
        elif idle >= _IDLE:
            words.append(f"nothing read for {idle:.0f} s")
        elif done:
            words.append(f"{_megabytes(rate)} MB/s")
            if total and rate > 0:
                words.append(f"{(total - done) / rate:.0f} s left")
        return Status(name, share, words)


def drawer() -> Callable[[Status], str]:
    """A function that makes a line of a status, as wide as the terminal at most."""
    console = import_extra("rich.console").Console(
        file=sys.stderr, no_color=not log.has_color(sys.stderr)
    )
    bar, table, text = map(import_extra, ("rich.progress_bar", "rich.table", "rich.text"))

    def draw(status: Status) -> str:
        grid = table.Table.grid(padding=(0, 1))
        words = "  ".join(status.words)
        room = max(console.width - len(words) - _BAR - 3, 8)
        name = status.name if len(status.name) <= room else f"...{status.name[3 - room :]}"
        grid.add_column(no_wrap=True, overflow="crop")
        cells = [text.Text(name, "bold")]
        if status.share is not None:
            grid.add_column(width=_BAR)
            cells.append(bar.ProgressBar(1.0, status.share, width=_BAR))
        grid.add_column(no_wrap=True, overflow="crop")
        cells.append(text.Text(words))
        grid.add_row(*cells)
        with console.capture() as shown:
            console.print(grid, end="")
        return str(shown.get()).rstrip("\n")

    return draw


def _way(asked: bool | None, prints: bool) -> str | None:
    """How to show progress: a "line" that stays in its place, whole "lines", or None for not at
    all."""
    if asked is False:
        return None
    if prints and log.is_terminal(sys.stdout):
        return None
    if log.is_json():  # then stderr is for programs
        return "lines" if asked else None
    if can_draw(sys.stderr):
        # A program after this one in a pipeline may use the terminal, as a pager does.
        return "line" if asked or not is_pipe(sys.stdout) else None
    return "lines" if asked else None


def _size_of(files: Sequence[str], passes: int) -> int | None:
    total = 0
    try:
        for name in files:
            for file in _files_of(name):
                found = os.stat(file)
                if not stat.S_ISREG(found.st_mode):
                    return None
                total += passes * found.st_size
    except (EvstreamError, OSError, ValueError):
        return None
    return total


def _files_of(name: str) -> list[str]:
    """The files that an argument stands for; of a run folder, all in it."""
    if os.path.isdir(name):
        return [os.path.join(top, file) for top, _, files in os.walk(name) for file in files]
    return files_named(name)


def _amount(done: int, total: int | None) -> str:
    largest = max(done, total or 0)
    unit, size = ("GB", 1e9) if largest >= 1e10 else ("MB", 1e6)
    digits = 1 if largest < 100 * size else 0
    of = f" of {total / size:,.{digits}f}" if total else ""
    return f"{done / size:,.{digits}f}{of} {unit}"


def _megabytes(size: float) -> str:
    return f"{size / 1e6:,.{0 if size >= 1e7 else 1}f}"
