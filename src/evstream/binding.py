"""The public functions of evstream, bound to another format.

A generated package is a facade: its `open`, `create` and other functions are those of evstream with
its own `Format` filled in. Errors and classes are the same objects in both.
"""

from __future__ import annotations

import functools
import importlib
import inspect
from typing import Any

from evstream._support.format import Format


def bound_names() -> list[str]:
    """The public names of a facade: those of evstream except the ones of the documented module."""
    evstream = importlib.import_module("evstream")
    return [name for name in evstream.__all__ if name not in _OASIS_ONLY]


def bound_value(format: Format, name: str, module: str) -> Any:
    """The object with a public name in the facade `module`.

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


_OASIS_ONLY = {
    "EventReader",
    "LossReport",
    "ResultTable",
    "WithoutPeriodWarning",
    "aal",
    "elt",
    "ept",
    "plot",
    "report",
}
"""Names that belong to the documented module or to the results of the Oasis format."""
