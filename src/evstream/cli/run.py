"""`evstream run`: a pipeline of a shell, measured at each of its pipes.

This starts the programs as a shell does, and between two of them a process that passes all bytes on
and measures (`evstream tee --measure`). Nothing depends on what the programs are.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from evstream._support.format import Format
from evstream.cli import log
from evstream.cli.monitor import Watch
from evstream.cli.pipeline_text import stages
from evstream.cli.status_line import can_draw
from evstream.cli.tee_monitor import VARIABLE
from evstream.errors import MissingExtraError
from evstream.extras import import_extra

_DESCRIPTION = """\
Run a pipeline, measure each of its pipes, and report at the end, and on a terminal meanwhile, which
program was slow. The pipeline stands in one pair of quotes:

  evstream run 'eve 1 1 | gulmc -S100 -i- | fmpy -a2 -p input | summarypy -t il -p input -1 s.bin'

It is programs joined by |, with arguments, quotes, redirections, $(...) and (...) as bash takes
them. Streams pass byte for byte, and so does any text. The exit status is that of the last program
that failed, as with `set -o pipefail`; a line names the one that failed first.
"""


def add_parser(commands: Any, format: Format) -> None:
    parser = commands.add_parser(
        "run",
        help="run a pipeline, and report which of its programs is slow",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("pipeline", metavar="PIPELINE", help="programs joined by |")
    parser.add_argument(
        "--monitor", metavar="DIR",
        help=f"where its pipes register, for `evstream monitor` (default: {VARIABLE} of the"
        " environment, else a folder that is removed at the end)",
    )  # fmt: skip
    parser.add_argument(
        "--progress", action=argparse.BooleanOptionalAction, default=None,
        help="show the table of pipes on stderr (default: meanwhile on a terminal, and at the end)",
    )  # fmt: skip
    parser.set_defaults(run=run)


@dataclass
class Stage:
    """One program of the pipeline.

    Attributes:
        text: as the user wrote it.
        name: what it is called, and the pipe that it writes.
        status: as a shell reports it: 128 + n after signal n.
        ended: its place in the order in which programs ended.
    """

    text: str
    name: str
    status: int = 0
    ended: int = -1


def run(options: argparse.Namespace) -> int:
    """Run, show, and report what failed first; the status of pipefail."""
    programs = named(stages(options.pipeline))
    if len(programs) < 2:
        raise ValueError("one program has no pipe to measure, expected 'a | b'")
    with contextlib.ExitStack() as stack:
        folder = options.monitor or os.environ.get(VARIABLE)
        if not folder:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="evstream-run-"))
        os.makedirs(folder, exist_ok=True)
        module = options.spec_format.package.rpartition(".")[0]
        processes = _start(programs, folder, module, stack)
        watch = Watch([folder])
        is_shown = options.progress is not False and not log.is_quiet()
        if is_shown and can_draw(sys.stderr) and not log.is_json():
            stack.enter_context(_Screen(watch))
        _wait(programs, processes)
        watch.look(time.time())
        stack.pop_all().close()
        if is_shown:
            _report(watch)
    return _outcome(programs)


def named(texts: Sequence[str]) -> list[Stage]:
    """The programs by the names of their commands, each once."""
    found: list[Stage] = []
    for text in texts:
        try:
            words = _command([word for word in shlex.split(text) if "=" not in word])
        except ValueError:
            words = []
        name = (os.path.basename(words[0]).strip("()") if words else "") or "program"
        count = sum(one.name.rpartition(".")[0] == name or one.name == name for one in found)
        found.append(Stage(text, f"{name}.{count + 1}" if count else name))
    return found


def _command(words: list[str]) -> list[str]:
    """The words from the program on, without those that start it: `nice -n 5`, `timeout 60`."""
    while words and os.path.basename(words[0]) in _STARTERS:
        rest = words[1:]
        while rest and (rest[0].startswith("-") or rest[0][0:1].isdecimal()):
            rest = rest[1:]
        if not rest:
            break
        words = rest
    return words


_STARTERS = {
    "command", "env", "exec", "ionice", "nice", "nohup", "setsid", "stdbuf", "taskset", "time",
    "timeout",
}  # fmt: skip


def _start(
    programs: Sequence[Stage], folder: str, module: str, stack: contextlib.ExitStack
) -> list[subprocess.Popen[bytes]]:
    """Start all programs, and what measures the pipes between them; each ends with this process."""
    shell = shutil.which("bash") or "/bin/sh"
    measure = [sys.executable, "-m", module, "tee", "--measure", "--quiet"]
    environment = {**os.environ, VARIABLE: folder}
    started = []
    upstream: int | None = None
    for program in programs:
        is_last = program is programs[-1]
        process = _started([shell, "-c", program.text], upstream, is_last, dict(os.environ), stack)
        started.append(process)
        if not is_last:
            command = [*measure, f"--name={program.name}"]
            between = _started(command, _end_of(process), False, environment, stack)
            upstream = _end_of(between)
    return started


def _started(
    command: list[str],
    source: int | None,
    is_last: bool,
    environment: dict[str, str],
    stack: contextlib.ExitStack,
) -> subprocess.Popen[bytes]:
    """A process that reads a pipe, which is closed here: or its writer would never learn that its
    reader has gone."""
    try:
        process = subprocess.Popen(
            command, stdin=source, stdout=None if is_last else subprocess.PIPE, env=environment
        )
    finally:
        if source is not None:
            os.close(source)
    stack.callback(_end, process)
    return process


def _end_of(process: subprocess.Popen[bytes]) -> int:
    """The read end of the pipe that a process writes, which the caller closes."""
    assert process.stdout is not None
    descriptor = os.dup(process.stdout.fileno())
    process.stdout.close()
    return descriptor


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process that still runs, as when a signal ends the run, and wait for it."""
    if process.returncode is None and process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE)
        if process.returncode is None:
            process.kill()
    process.wait()


_GRACE = 2.0
"""Seconds in which a process may clean up."""


def _wait(programs: Sequence[Stage], processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Wait for all programs, and note in which order they end."""
    ended = 0
    lock = threading.Lock()

    def wait(program: Stage, process: subprocess.Popen[bytes]) -> None:
        nonlocal ended
        status = process.wait()
        with lock:
            program.status = status if status >= 0 else 128 - status
            program.ended, ended = ended, ended + 1

    pairs = zip(programs, processes, strict=True)
    threads = [threading.Thread(target=wait, args=pair, daemon=True) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _outcome(programs: Sequence[Stage]) -> int:
    """Report the program that failed first; the status of the last one that failed."""
    failed = sorted((one for one in programs if one.status), key=lambda one: one.ended)
    if not failed:
        return 0
    lost = 128 + signal.SIGPIPE  # its reader had gone
    cause = next((one for one in failed if one.status != lost), failed[0])
    if cause.status == lost:
        return log.error(f"{cause.name}: its reader went away before the end", cause.status)
    line = f"{cause.name} failed first, with status {cause.status}: {cause.text}"
    others = [f"{one.name} ({one.status})" for one in programs if one.status and one is not cause]
    if others:
        line += f"; and with it {', '.join(others)}"
    status = [one.status for one in programs if one.status][-1]
    return log.error(line, status)


def _report(watch: Watch) -> None:
    """The table, once the pipeline has ended, and where its time went."""
    from evstream.cli import monitor_view

    if log.is_json():
        facts = json.loads(watch.to_json(time.time()))
        log.note("the pipeline has ended", pipes=facts["pipes"], conclusion=facts["conclusion"])
        return
    for line in monitor_view.plain(*watch.shown).splitlines():
        log.note(line)


class _Screen:
    """Draws the table of pipes on stderr, in a thread, while the pipeline runs."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._draw, name="evstream-run", daemon=True)

    def __enter__(self) -> _Screen:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(5)

    def _draw(self) -> None:
        from evstream.cli import monitor_view

        with contextlib.suppress(MissingExtraError):
            console = import_extra("rich.console").Console(
                stderr=True, no_color=not log.has_color(sys.stderr)
            )
            console.show_cursor = lambda show=True: False
            live = import_extra("rich.live").Live(
                console=console, auto_refresh=False, transient=True, redirect_stdout=False,
                redirect_stderr=False,
            )  # fmt: skip
            with live:
                while not self._ended.wait(1.0):
                    self._watch.look(time.time())
                    live.update(monitor_view.live(*self._watch.shown), refresh=True)
