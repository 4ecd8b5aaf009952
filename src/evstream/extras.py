"""Modules that `pip install evstream` does not bring."""

from __future__ import annotations

import contextlib
import importlib
import signal
from typing import Any

from evstream.errors import MissingExtraError

_EXTRAS = {"pyarrow": "arrow", "zstandard": "zstd"}
"""Module -> the extra that brings it, where its name is another one."""


def import_extra(module: str) -> Any:
    """A module that an extra brings. Raises MissingExtraError, which names the extra."""
    try:
        imported = importlib.import_module(module)
    except ImportError:
        text = f"this needs {module}: pip install 'evstream[{_EXTRAS.get(module, module)}]'"
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
