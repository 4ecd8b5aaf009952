"""Modules that `pip install evstream` does not bring."""

from __future__ import annotations

import contextlib
import importlib
import signal
from typing import Any

from evstream import process
from evstream.errors import MissingExtraError

_EXTRAS = {"jinja2": "codegen", "pyarrow": "arrow", "yaml": "codegen", "zstandard": "zstd"}
"""Module -> the extra that brings it, where its name is another one."""


def import_extra(module: str) -> Any:
    """A module that an extra brings. Raises MissingExtraError, which names the extra, and
    MemoryError where there is no room to load it."""
    try:
        imported = importlib.import_module(module)
    except ImportError as error:
        reason = " ".join(str(error).split())
        if process.is_exhaustion(error):
            raise MemoryError(f"{module} cannot be loaded ({reason})") from None
        text = f"this needs {module}: pip install 'evstream[{_EXTRAS.get(module, module)}]'"
        if not isinstance(error, ModuleNotFoundError):
            text = f"{module} cannot be loaded ({reason}): install it again"
        raise MissingExtraError(text) from None
    if module == "polars":
        # Its import puts a handler of SIGINT before Python's, behind which the system goes on
        # with a read that waits: nobody could interrupt a program that waits for a pipe.
        with contextlib.suppress(AttributeError, OSError, ValueError):
            signal.siginterrupt(signal.SIGINT, True)
    return imported


def import_arrow() -> Any:
    """The pyarrow module."""
    return import_extra("pyarrow")
