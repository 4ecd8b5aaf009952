"""The `evstream` command as a process of its own."""

from __future__ import annotations

import os

from evstream import process


def console(package: str | None = None) -> int:
    """Run the command line of this process, for the format of a generated package; its exit
    status."""
    return process.run(lambda: _command(package))


def _make_numpy_safe() -> None:
    """Take from OpenBLAS, which comes with numpy, its ways to end this process.

    It interrupts the process if its threads cannot start, which nothing here needs, and exits
    with status 1 if its buffer does not fit into memory.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    import resource

    if resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY:
        import mmap

        mmap.mmap(-1, _ROOM).close()


_ROOM = 160 << 20
"""Bytes of memory that a process needs to load numpy at the least."""


def _command(package: str | None) -> int:
    # Imported here, where a signal is handled already.
    _make_numpy_safe()
    from evstream._support.format import format_of
    from evstream.cli import standard
    from evstream.cli.program import main

    standard.prepare()
    process.watch_signals()
    return main(alone=True, format=format_of(package) if package else None)
