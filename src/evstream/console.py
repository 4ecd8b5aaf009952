"""The process of the `evstream` command."""

from __future__ import annotations

import os
import sys

from evstream import process


def console(package: str | None = None) -> int:
    """Run the command line of this process, for the format of a generated package, and return its
    exit status."""
    return process.run(lambda: _command(package))


def _make_numpy_safe() -> None:
    """Keep OpenBLAS, which comes with numpy, from ending this process.

    It interrupts the process if its threads cannot start, which evstream does not need, and exits
    with status 1 if its buffer does not fit into memory.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    import resource

    if resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY:
        import mmap

        mmap.mmap(-1, _ROOM).close()


_ROOM = 160 << 20
"""Bytes of memory that a process needs at least to load numpy."""


def _command(package: str | None) -> int:
    # Imported here, after signals are handled.
    from evstream.cli import log

    log.begin(sys.argv[1:])
    _make_numpy_safe()
    from evstream._support.format import format_of
    from evstream.cli import standard
    from evstream.cli.program import main

    standard.prepare()
    process.watch_signals()
    return main(alone=True, format=format_of(package) if package else None)
