"""A mark in compiled code that names the widths and the evstream it was compiled with.

numba's cache on disk detects only changes of a function's own file. A `read_buffer` that was
compiled while OASIS_FLOAT was f4 would be loaded in a process where it is f8, and read losses that
were never written. So the loads and stores of numbers that are compiled into it leave a mark among
its constants. A mark that does not fit the process that loads it raises OSError; numba takes that
for a missing cache file, compiles the function again and replaces the file.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import sys
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

_SOURCES = (
    "_support/memory.py",
    "_support/intrinsics.py",
    "_support/number.py",
    "event_stream.py",
    "_generated/layout.py",
)
"""Sources of the code that is compiled into the functions of programs, besides the generated
writers of records."""

_TRUSTING: ContextVar[bool] = ContextVar("trusting", default=False)


class BuildMark:
    """Pickled with the widths of the process that compiles, compared by the one that loads."""

    def __reduce__(self) -> Any:
        return _compared, (_build(), _program_widths())


MARK = BuildMark()


def leave_mark(context: Any) -> None:
    """Put the mark among the constants of the function that `context` compiles."""
    constants = getattr(getattr(context, "environment", None), "consts", None)
    if constants is not None and not any(value is MARK for value in constants):
        constants.append(MARK)


@contextlib.contextmanager
def trusting_marks() -> Iterator[None]:
    """Do not compare marks within: for code that is cached by widths anyway."""
    token = _TRUSTING.set(True)
    try:
        yield
    finally:
        _TRUSTING.reset(token)


def _compared(build: str, widths: tuple[str, ...]) -> BuildMark:
    if not _TRUSTING.get() and (build, widths) != (_build(), _program_widths()):
        raise OSError(
            f"compiled with {' '.join(widths)} by evstream {build}, not for "
            f"{' '.join(_program_widths())} and {_build()}"
        )
    return MARK


def _program_widths() -> tuple[str, ...]:
    """The widths of the documented module, fixed when it was imported."""
    from evstream._generated import layout
    from evstream._support.schema import choose_widths

    module = sys.modules.get("evstream.event_stream")
    widths = getattr(module, "_WIDTHS", None) or choose_widths(layout.SCALARS)
    return tuple(widths[name] for name in layout.SCALARS)


@functools.cache
def _build() -> str:
    home = Path(__file__).parent.parent
    digest = hashlib.sha256()
    records = sorted(path.name for path in (home / "_generated").glob("records_*.py"))
    for name in (*_SOURCES, *(f"_generated/{record}" for record in records)):
        with contextlib.suppress(OSError):  # in a zip file; then the widths alone are compared
            digest.update((home / name).read_bytes())
    return digest.hexdigest()[:16]
