"""The files of this process that are not complete, each under its hidden name.

Whoever opens one also removes it. The list is for a process that has to end at once, and for
the moment between the creation of a file and the object that owns it.
"""

from __future__ import annotations

import contextlib
import os

_paths: dict[str, int] = {}
"""Path -> the process that made the file; a forked one must not remove it."""


def add(path: str) -> None:
    """Remember a file, before it is created."""
    _paths[path] = os.getpid()


def discard(path: str) -> None:
    """Forget a file that is complete or removed."""
    _paths.pop(path, None)


def remove_all() -> None:
    """Remove all that this process has left."""
    for path, process in list(_paths.items()):
        if process == os.getpid():
            with contextlib.suppress(OSError):
                os.unlink(path)
        discard(path)
