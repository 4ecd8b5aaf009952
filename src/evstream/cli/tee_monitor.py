"""Reports of `evstream tee` on its pipe while it runs: to a terminal, files, and a monitor."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Generator
from typing import TYPE_CHECKING

from evstream.cli import log
from evstream.cli.status_line import StatusLine, can_draw

if TYPE_CHECKING:
    from evstream.monitoring.flow import Flow
    from evstream.monitoring.publisher import Publisher, Target
    from evstream.monitoring.record import Record

VARIABLE = "EVSTREAM_MONITOR"
"""The folder in which every tee of a run registers."""

EVERY_LINE = 10.0
"""Seconds between two lines where stderr is not a terminal."""


@contextlib.contextmanager
def published(options: argparse.Namespace) -> Generator[tuple[Flow | None, Publisher | None]]:
    """A flow to count in, which is published meanwhile; None if nobody wants to know."""
    with contextlib.ExitStack() as stack:
        targets = list(_targets(options, stack))
        if not targets:
            yield None, None
            return
        from evstream.monitoring.flow import Flow
        from evstream.monitoring.neighbours import pipe_at, pipe_of
        from evstream.monitoring.publisher import Publisher
        from evstream.monitoring.sampler import Sampler

        output = options.output
        ends = pipe_of(0), pipe_of(1) if output == "-" else pipe_at(output)
        flow = Flow()
        publisher = Publisher(Sampler(flow, options.name, ends), targets, log.warning)
        with publisher:
            yield flow, publisher


def _targets(options: argparse.Namespace, stack: contextlib.ExitStack) -> Generator[Target]:
    folder = os.environ.get(VARIABLE)
    if folder:
        from evstream.monitoring.register import record_file

        try:
            yield record_file(folder, options.name, os.getpid())
        except OSError as error:  # the data is more important
            log.warning(f"{VARIABLE}: {folder}: {error.strerror}: the pipe is not registered")
    if options.metrics is not None:
        from evstream.monitoring.publisher import metrics_file

        yield metrics_file(options.metrics)
    if options.json is not None:
        yield _json_lines(options.json, stack)
    if options.progress:
        draws = can_draw(sys.stderr) and not log.is_json()
        yield _drawn(stack) if draws else _lines()


def _json_lines(path: str, stack: contextlib.ExitStack) -> Target:
    """Writes the record as a line of a file, or of stderr."""
    if path == "-":

        def to_stderr(record: Record) -> None:
            with log.above_line():
                sys.stderr.write(record.to_json() + "\n")
                sys.stderr.flush()

        return to_stderr
    from evstream.monitoring.publisher import named, open_place, write_all

    file: int | None = None  # opened by the publisher, which reports failures and goes on

    def to_file(record: Record) -> None:
        nonlocal file
        with named(path):
            if file is None:
                file = open_place(path)
                stack.callback(os.close, file)
            write_all(file, memoryview(record.to_json().encode() + b"\n"))

    return to_file


def _drawn(stack: contextlib.ExitStack) -> Target:
    line = StatusLine()
    stack.callback(line.end)

    def draw(record: Record) -> None:
        width = os.get_terminal_size(sys.stderr.fileno()).columns or 80  # 0 is not known
        line.show(text(record)[: max(width - 1, 1)])

    return draw


def _lines() -> Target:
    """Lines of a log, not each second."""
    from evstream.monitoring.record import RUNNING

    due = 2.0

    def report(record: Record) -> None:
        nonlocal due
        if record.seconds >= due or record.state != RUNNING:
            due = record.seconds + EVERY_LINE
            log.note(text(record))

    return report


def text(record: Record) -> str:
    """One line for people."""
    from evstream.monitoring.record import RUNNING

    recent = record.recent
    words = [f"{record.events:,} events", f"{record.bytes / 1e6:,.1f} MB"]
    if record.event is not None:
        words.insert(0, f"event {record.event}")
    if record.state != RUNNING:
        rate = record.bytes / 1e6 / record.seconds if record.seconds else 0.0
        words.append(f"{rate:,.1f} MB/s")
        words.append(f"waited {record.waited_input:,.1f} s for input")
        words.append(f"{record.waited_output:,.1f} s for output")
        end = f"{record.state} after {record.seconds:,.1f} s"
        return f"{record.name}: {end}: {', '.join(words)}"
    if recent.seconds:
        words.append(f"{recent.bytes / 1e6 / recent.seconds:,.1f} MB/s")
        waits = [
            f"{100 * min(waited / recent.seconds, 1):.0f}% for {side}"
            for side, waited in (("input", recent.waited_input), ("output", recent.waited_output))
        ]
        words.append(f"waits {' and '.join(waits)}")
    return f"{record.name}: {', '.join(words)}"
