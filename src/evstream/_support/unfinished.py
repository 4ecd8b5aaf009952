"""The incomplete files and folders of this process, by their hidden names.

The code that creates such a file also removes it. This list is for a process that must end at once,
and for the moment after a file is created when no object owns it yet.
"""

from __future__ import annotations

import contextlib
import os
import shutil

_paths: dict[str, int] = {}
"""Path -> process that created the file; a forked process must not remove it."""


def add(path: str) -> None:
    """Add a file or folder, before it is created."""
    _paths[path] = os.getpid()


def discard(path: str) -> None:
    """Drop what is complete or removed."""
    _paths.pop(path, None)


def remove_all() -> None:
    """Remove what this process has left."""
    for path, process in list(_paths.items()):
        if process == os.getpid():
            with contextlib.suppress(OSError):
                if os.path.isdir(path):
                    shutil.rmtree(path)
                else:
                    os.unlink(path)
        discard(path)
