"""`evstream monitor`: all pipes of a run, and which stage is slow."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from evstream._support.format import Format
from evstream.cli import log
from evstream.cli.arguments import number
from evstream.cli.standard import Output, silence
from evstream.cli.tee_monitor import VARIABLE
from evstream.errors import EvstreamError, MissingExtraError
from evstream.extras import import_extra

_DESCRIPTION = """\
Show each pipe of a run that goes through `evstream tee`, and conclude which program is slow: the
one that the pipe before it waits for to read, and the pipe after it to write.

  export EVSTREAM_MONITOR=run1            # before the pipeline starts: every tee registers here
  gulmc | evstream tee --name gul | fmpy | evstream tee --name fm > losses.bin &
  evstream monitor run1                   # ends when all pipes have ended

Columns: events and bytes so far, the event under way, seconds waited for input and for output
since the start, and as a share of the last ten seconds. Exit status 1 if a pipe failed or was
killed.
"""


def add_parser(commands: Any, format: Format) -> None:
    parser = commands.add_parser(
        "monitor",
        help="show all pipes of a run, and which stage is slow",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "places", metavar="DIR", nargs="*",
        help=f"the folder of a run, or files in it (default: {VARIABLE} of the environment)",
    )  # fmt: skip
    parser.add_argument("--once", action="store_true", help="print one table and end")
    parser.add_argument(
        "--json", action="store_true",
        help="print one JSON object with all pipes and the slow stages, each time",
    )  # fmt: skip
    parser.add_argument(
        "--metrics", metavar="FILE", help="write the metrics of all pipes for Prometheus, each time"
    )
    parser.add_argument(
        "--every", metavar="SECONDS", type=number, default=1.0, help="how often (default 1)"
    )
    parser.add_argument(
        "--follow", action="store_true", help="go on when all have ended, and wait for the next run"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Show until all pipes have ended; 1 if one failed."""
    places = options.places or [os.environ.get(VARIABLE, "")]
    if places == [""]:
        raise EvstreamError(
            "no folder to watch", expected=f"evstream monitor DIR, or {VARIABLE}=DIR"
        )
    if not 0 < options.every <= _LONGEST:
        raise ValueError(
            f"--every is {options.every:g}, expected seconds above 0, at most {_LONGEST:g}"
        )
    if options.once:
        _refuse_absent(places)
    watch = Watch(places)
    if options.once:
        watch.look(time.time())
        try:
            _show_lines(watch, options)
        except BrokenPipeError:
            silence()
        return watch.status
    draws = not options.json and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    (_draw if draws and _has_library() else _print)(watch, options)
    return watch.status


class Watch:
    """What was seen of a run when it was looked at last."""

    def __init__(self, places: Sequence[str]) -> None:
        self.places = places
        self.records: list[Any] = []
        self.former = 0
        self.problems: list[str] = []

    def look(self, now: float) -> None:
        """Read all records; `now` is the time of day."""
        from evstream.monitoring.register import latest_run, read_all
        from evstream.monitoring.verdict import in_flow_order

        records, self.problems = read_all(self.places)
        found, self.former = latest_run(records, now)
        self.records = in_flow_order(found)

    @property
    def has_ended(self) -> bool:
        """Whether there are pipes, and all have ended."""
        from evstream.monitoring.record import RUNNING
        from evstream.monitoring.register import SILENT

        return bool(self.records) and not any(
            record.state in {RUNNING, SILENT} for record in self.records
        )

    @property
    def status(self) -> int:
        """The exit status of the command: 1 if a pipe failed or was killed."""
        from evstream.monitoring.record import FAILED
        from evstream.monitoring.register import KILLED

        return int(any(record.state in {FAILED, KILLED} for record in self.records))

    @property
    def shown(self) -> tuple[list[Any], int, list[str]]:
        return self.records, self.former, self.problems

    def to_json(self, now: float) -> str:
        """One line with all pipes and the slow stages."""
        from evstream.monitoring.verdict import conclusion, slowest

        slow = [{**asdict(one), "words": one.words} for one in slowest(self.records)]
        return json.dumps(
            {
                "time": round(now, 3), "pipes": [asdict(record) for record in self.records],
                "slowest": slow, "conclusion": conclusion(self.records),
                "former": self.former, "problems": self.problems,
            }
        )  # fmt: skip


_LONGEST = 86400.0
"""Seconds between two tables at most: the system cannot sleep for any number."""


def _refuse_absent(places: Sequence[str]) -> None:
    for place in places:
        if not os.path.exists(place):
            raise FileNotFoundError(2, os.strerror(2), place)


def _has_library() -> bool:
    try:
        import_extra("rich")
    except MissingExtraError as error:
        log.warning(f"a table that stays in its place: {error}")
        return False
    return True


def _show_lines(watch: Watch, options: argparse.Namespace) -> None:
    from evstream.cli import monitor_view

    if options.json:
        text = watch.to_json(time.time())
    elif watch.records or watch.problems or watch.former:
        text = monitor_view.plain(*watch.shown)
    else:
        text = f"no pipes in {', '.join(watch.places)}"
    output = Output()
    output.write(text + "\n")
    output.flush()
    _write_metrics(watch, options)


def _write_metrics(watch: Watch, options: argparse.Namespace) -> None:
    if options.metrics is not None:
        from evstream.monitoring.prometheus import metrics
        from evstream.monitoring.publisher import write_whole

        write_whole(options.metrics, metrics(watch.records))


def _print(watch: Watch, options: argparse.Namespace) -> None:
    """Tables one after the other, where there is no terminal."""
    try:
        while True:
            watch.look(time.time())
            _show_lines(watch, options)
            if watch.has_ended and not options.follow:
                return
            time.sleep(options.every)
    except BrokenPipeError:
        silence()  # the reader has seen enough


def _draw(watch: Watch, options: argparse.Namespace) -> None:
    """A table that stays in its place."""
    from evstream.cli import monitor_view

    console = import_extra("rich.console").Console(no_color=not log.has_color(sys.stdout))
    console.show_cursor = lambda show=True: False  # a killed monitor would leave none
    live = import_extra("rich.live").Live(console=console, auto_refresh=False)
    with live:
        while True:
            watch.look(time.time())
            if watch.records or watch.problems or watch.former:
                live.update(monitor_view.live(*watch.shown), refresh=True)
            else:
                live.update(f"no pipes yet in {', '.join(watch.places)}", refresh=True)
            _write_metrics(watch, options)
            if watch.has_ended and not options.follow:
                return
            time.sleep(options.every)
