"""Modules that `pip install evstream` does not bring."""

from __future__ import annotations

import importlib
from typing import Any

from evstream.errors import MissingExtraError

_EXTRAS = {"pyarrow": "arrow", "zstandard": "zstd"}
"""Module -> the extra that brings it, where its name is another one."""


def import_extra(module: str) -> Any:
    """A module that an extra brings. Raises MissingExtraError, which names the extra."""
    try:
        return importlib.import_module(module)
    except ImportError:
        text = f"this needs {module}: pip install 'evstream[{_EXTRAS.get(module, module)}]'"
        raise MissingExtraError(text) from None


def import_arrow() -> Any:
    """The pyarrow module."""
    return import_extra("pyarrow")
