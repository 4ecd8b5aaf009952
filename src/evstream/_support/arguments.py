"""Checks of arguments that are numbers, so that a wrong one is named where it is given."""

from __future__ import annotations

import operator
from numbers import Real
from typing import Any


def whole_number(name: str, value: Any, least: int = 0) -> int:
    """The argument as an int.

    Raises TypeError for what is not a whole number, ValueError for one below `least`.
    """
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None:
        raise TypeError(f"{name} is {value!r}, expected a whole number")
    if number < least:
        raise ValueError(f"{name} is {number}, expected {least} or more")
    return number


def real_number(name: str, value: Any) -> float:
    """The argument as a float. Raises TypeError for what is not a number."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} is {value!r}, expected a number")
    number: Any = value
    try:
        return float(number)
    except OverflowError:
        return float("inf") if number > 0 else float("-inf")
