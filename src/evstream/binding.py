"""The public functions of evstream, bound to another format.

A generated package is a facade: its `open`, `create` and the rest are those of evstream with its
own `Format` filled in. What is not a function of streams (errors, classes) is the same in both.
"""

from __future__ import annotations

import functools
import importlib
import inspect
from typing import Any

from evstream._support.format import Format


def bound_names() -> list[str]:
    """The public names of a facade: those of evstream but for the documented module's."""
    evstream = importlib.import_module("evstream")
    return [name for name in evstream.__all__ if name not in _OASIS_ONLY]


def bound_value(format: Format, name: str, module: str) -> Any:
    """The value of a public name in the facade `module`.

    Raises AttributeError for a name that facades do not have.
    """
    if name not in bound_names():
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    value = getattr(importlib.import_module("evstream"), name)
    if not inspect.isfunction(value):
        return value
    signature = inspect.signature(value)
    if "format" not in signature.parameters:
        return value
    bound = functools.partial(value, format=format)
    functools.update_wrapper(bound, value)
    parameters = [p for p in signature.parameters.values() if p.name != "format"]
    bound.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return bound


_OASIS_ONLY = {"EventReader"}
"""Names whose contract is that of the documented module."""
