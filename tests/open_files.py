"""What the process has open, without the connections of servers that run in the background."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Set as AbstractSet

SERVERS = ("IO loop", "Profile", "serve_forever")
"""Names of threads that open and close connections at any time, while other tests run: those of a
cluster or a server that a module of tests keeps."""

Open = tuple[int, str]


def open_files() -> dict[int, str]:
    """Number -> name of what is open, where the system shows it; without the events that thread
    pools wait for."""
    events = "anon_inode:"
    return {n: name for n, name in _descriptors().items() if name and not name.startswith(events)}


def of_tests(opened: AbstractSet[Open]) -> set[Open]:
    """What the tests themselves have opened."""
    if any(name in thread.name for thread in threading.enumerate() for name in SERVERS):
        return {(number, file) for number, file in opened if not file.startswith("socket:")}
    return set(opened)


def open_descriptors() -> int:
    """The number of descriptors that the tests have open, events among them."""
    return len(of_tests(_descriptors().items()))


def _descriptors() -> dict[int, str]:
    """Number -> name; "" where the system shows none, as for the folder of numbers itself."""
    found = {}
    for number in os.listdir("/dev/fd"):
        found[int(number)] = ""
        with contextlib.suppress(OSError):
            found[int(number)] = os.readlink(f"/proc/self/fd/{number}")
    return found
