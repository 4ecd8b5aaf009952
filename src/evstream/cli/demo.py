"""`evstream demo`: the three examples as three processes joined by pipes.

Nothing here knows about losses: it starts programs, as a shell does, and measures them.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from evstream._support.format import Format
from evstream.cli import log
from evstream.cli.arguments import whole_number

_EXPLANATION = """\
A catastrophe model writes the ground-up losses of {locations:,} buildings into a pipe, item
by item. A second program reads them and writes their sums by region into another pipe. A
third reads the summaries and reports what the portfolio can lose. As a shell would have it:

  {pipeline}"""

MEGABYTE = 1e6


def add_parser(commands: Any, format: Format) -> None:
    parser = commands.add_parser(
        "demo",
        help="run a model, a summary and a report, joined by pipes",
        description="Run a small hurricane model, a summary and a report as three processes "
        "joined by pipes. Exit status 1 if any of them fails.",
    )
    parser.add_argument("--events", type=_positive, default=400, help="number of events")
    parser.add_argument(
        "--locations", type=_positive, default=3000, help="number of insured buildings"
    )
    parser.add_argument("--seed", type=whole_number, default=1, help="seed of the random numbers")
    parser.add_argument(
        "--keep", metavar="DIR", type=Path, help="keep losses.bin, summary.bin and report.txt"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the pipeline and print what it reports; 1 if a process fails."""
    folder = examples_folder()
    if folder is None:
        return log.error("demo: the examples are not installed", 1)
    if options.keep is not None:
        options.keep.mkdir(parents=True, exist_ok=True)
    processes = _pipeline(folder, options)
    pipeline = " | ".join(process.name for process in processes)
    print(_EXPLANATION.format(locations=options.locations, pipeline=pipeline), flush=True)
    log.note("running (the first time, numba compiles kernels, which takes some seconds) ...")
    with tempfile.TemporaryFile() as result:
        _run_all(processes, result)
        if failed := [process for process in processes if process.status]:
            _print_failure(failed)
            return 1
        result.seek(0)
        text = result.read()
    report = text.decode()
    print(f"\n{report}\n{_measurements(processes)}")
    if options.keep is not None:
        (options.keep / "report.txt").write_bytes(text)
        losses = options.keep / "losses.bin"
        print(f"\nKept in {options.keep}; look at it with, for instance: evstream info {losses}")
    return 0


def examples_folder() -> Path | None:
    """Where the examples are: in the installed package, or next to src in a checkout."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "_examples", package.parent.parent / "examples"):
        if (folder / "catastrophe_model.py").is_file():
            return folder
    return None


@dataclass
class _Process:
    """One process of the pipeline, and what it came to.

    Attributes:
        name: as in a shell, for people.
        command: as the system takes it.
        status: exit status, below 0 for a signal.
        wall: seconds from the start of the pipeline to the end of the process.
        cpu: processor seconds, of user and system.
        errors: what it wrote to stderr.
    """

    name: str
    command: list[str]
    status: int = 0
    wall: float = 0.0
    cpu: float = 0.0
    errors: str = field(default="", repr=False)

    @property
    def bytes_in(self) -> int | None:
        """Bytes it read, by its own account on stderr; None if it gives none."""
        said = re.search(r"bytes_in=(\d+)", self.errors)
        return int(said[1]) if said else None

    @property
    def lost_its_reader(self) -> bool:
        """Whether it failed only because the next process had gone."""
        return self.status == -signal.SIGPIPE or "BrokenPipeError" in self.errors


def _pipeline(folder: Path, options: argparse.Namespace) -> list[_Process]:
    events = f"--events={options.events}"
    size = [events, f"--locations={options.locations}", f"--seed={options.seed}"]
    model = _example(folder, "catastrophe_model", *size)
    summarise = _example(folder, "summarise")
    report = _example(folder, "report", events)
    if options.keep is None:
        return [model, summarise, report]
    tees = [_tee(options.keep / name) for name in ("losses.bin", "summary.bin")]
    return [model, tees[0], summarise, tees[1], report]


def _example(folder: Path, name: str, *arguments: str) -> _Process:
    script = folder / f"{name}.py"
    command = [sys.executable, str(script), *arguments]
    return _Process(" ".join([script.name, *arguments]), command)


def _tee(file: Path) -> _Process:
    return _Process(f"tee {file.name}", ["tee", str(file)])


def _run_all(processes: list[_Process], result: IO[bytes]) -> None:
    """Start all, each with its stdin from the one before; the last writes to `result`."""
    start = time.monotonic()
    upstream: IO[bytes] | None = None
    running = []
    with contextlib.ExitStack() as stack:
        for process in processes:
            errors = stack.enter_context(tempfile.TemporaryFile())
            child = subprocess.Popen(
                process.command,
                stdin=subprocess.DEVNULL if upstream is None else upstream,
                stdout=result if process is processes[-1] else subprocess.PIPE,
                stderr=errors,
            )
            if upstream is not None:
                upstream.close()  # or its writer would never learn that its reader has gone
            upstream = child.stdout
            stack.callback(_end, child)
            running.append((process, child, errors))
        for process, child, errors in running:
            _, status, usage = os.wait4(child.pid, 0)  # Popen.wait, but with the CPU time
            process.status = child.returncode = os.waitstatus_to_exitcode(status)
            process.wall = time.monotonic() - start
            process.cpu = usage.ru_utime + usage.ru_stime
            errors.seek(0)
            process.errors = errors.read().decode(errors="replace").strip()


def _end(child: subprocess.Popen[bytes]) -> None:
    """Kill a process that still runs, as when a signal ends the demo."""
    if child.returncode is None:
        child.kill()
        child.wait()


def _print_failure(failed: list[_Process]) -> None:
    """Name the process that broke first; those around it fail on its account."""
    cause = next((process for process in failed if not process.lost_its_reader), failed[0])
    reason = cause.errors.splitlines()[-1] if cause.errors else "it said nothing"
    name = cause.name.split()[0]
    log.error(f"demo: {name} failed, status {cause.status}: {reason}", 1, program=name)
    if others := [process.name.split()[0] for process in failed if process is not cause]:
        log.error(f"demo: and with it {', '.join(others)}", 1)


def _measurements(processes: list[_Process]) -> str:
    lines = [f"{'Process':<22}{'done after':>12}{'CPU time':>12}{'read from its pipe':>22}"]
    for process in processes:
        size = process.bytes_in
        read = "" if size is None else f"{size / MEGABYTE:,.1f} MB"
        line = f"{process.name.split()[0]:<22}{process.wall:>10.2f} s{process.cpu:>10.2f} s"
        lines.append((line + f"{read:>22}").rstrip())
    wall = max(process.wall for process in processes)
    size = sum(process.bytes_in or 0 for process in processes)
    lines.append(
        f"\nSide by side: {size / MEGABYTE:,.1f} MB through pipes in {wall:.1f} s,"
        f" {size / MEGABYTE / wall:,.0f} MB/s with start-up and all arithmetic."
    )
    return "\n".join(lines)


def _positive(text: str) -> int:
    value = whole_number(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text}, expected 1 or more")
    return value
