"""The records of a run in a folder: each pipe writes its own, a monitor reads them all.

The folder may hold those of former runs, of processes that were killed, and files that are none.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import time
from collections.abc import Iterable, Sequence

from evstream.errors import EvstreamError
from evstream.monitoring.neighbours import birth_of
from evstream.monitoring.publisher import Target, write_whole
from evstream.monitoring.record import RUNNING, Record

SUFFIX = ".pipe"

KILLED, SILENT = "killed", "silent"
"""States that a record does not say of itself: its process is gone, or gives no sign of life."""

PATIENCE = 15.0
"""Seconds without a sign of life."""

LONGEST = 1 << 20
"""Bytes of a record that is read."""


def record_file(folder: str, name: str, pid: int) -> Target:
    """Writes the record into a folder, which is made. Pipes keep their file from run to run, unless
    two of one name run at the same time. Raises OSError."""
    os.makedirs(folder, exist_ok=True)
    stem = re.sub(r"[^\w.+-]", "_", name or f"pipe-{pid}")[:100]
    path = os.path.join(folder, stem + SUFFIX)
    with contextlib.suppress(OSError, EvstreamError):
        found = read(path)
        if found.pid != pid and state_of(found, time.time()) in {RUNNING, SILENT}:
            path = os.path.join(folder, f"{stem}.{pid}{SUFFIX}")
    return lambda record: write_whole(path, record.to_json() + "\n")


def read(path: str) -> Record:
    """Raises EvstreamError for a file that is not a record, OSError."""
    with open(path, "rb") as file:
        text = file.read(LONGEST).decode(errors="replace")
    return Record.from_json(text, path)


def read_all(places: Sequence[str]) -> tuple[list[Record], list[str]]:
    """The records of folders and files, by their names, and why others cannot be read."""
    records, problems = [], []
    for path in _paths(places):
        try:
            records.append(read(path))
        except EvstreamError as error:
            problems.append(str(error))
        except OSError as error:
            problems.append(f"{path}: {error.strerror or error}")
    return sorted(records, key=lambda record: (_natural(record.name), record.pid)), problems


def _paths(places: Iterable[str]) -> list[str]:
    paths = []
    for place in places:
        if os.path.isdir(place):
            names = [name for name in os.listdir(place) if name.endswith(SUFFIX)]
            paths += [os.path.join(place, name) for name in names if not name.startswith(".")]
        elif not place.endswith(SUFFIX) and not os.path.exists(place):
            continue  # the folder of a run that has not begun
        else:
            paths.append(place)
    return paths


def _natural(name: str) -> list[tuple[int, str]]:
    """A key by which P2 comes before P10."""
    return [
        (int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)
    ]


def state_of(record: Record, now: float) -> str:
    """What a pipe is doing; `now` is the time of day."""
    if record.state != RUNNING:
        return record.state
    if record.host == socket.gethostname():
        if not os.path.isdir("/proc/self"):
            return RUNNING if _is_alive(record.pid) else KILLED
        born = birth_of(record.pid)
        if not born or (record.born and born != record.born):
            return KILLED
    return SILENT if now - record.updated > PATIENCE else RUNNING


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def latest_run(records: Sequence[Record], now: float) -> tuple[list[Record], int]:
    """The records of the run that is under way or came last, their states filled in, and the number
    of those from before.

    Pipes belong to one run if their times overlap: they run side by side.
    """
    for record in records:
        record.state = state_of(record, now)
    if not records:
        return [], 0
    by_start = sorted(records, key=lambda record: record.started, reverse=True)
    first = by_start[0].started
    kept = []
    for record in by_start:
        is_running = record.state in {RUNNING, SILENT}
        if not is_running and record.updated < first - GAP:
            break
        first = min(first, record.started)
        kept.append(record)
    chosen = [record for record in records if record in kept or record.state == RUNNING]
    return chosen, len(records) - len(chosen)


GAP = 2.0
"""Seconds that the start of one pipe may lie after the end of another of the same run."""
