"""Checks of arguments, so that a wrong one is named where it is given."""

from __future__ import annotations

import operator
import os
import re
from collections.abc import Callable, Iterable, Mapping
from numbers import Real
from typing import Any


def described(value: Any) -> str:
    """A value in a message: its repr on one line, cut where it is long."""
    try:
        text = " ".join(repr(value).split())
    except Exception:  # of an object of the caller
        text = f"<{type(value).__name__}>"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def listed(names: Iterable[str]) -> str:
    """Names in a message: "a, b and c"."""
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


_LONGEST = 100


def did_you_mean(word: Any, known: Iterable[str]) -> str:
    """The end of an error about an unknown name: "; did you mean 'loss'?", or nothing."""
    import difflib  # for errors alone

    nearest = difflib.get_close_matches(str(word)[:_LONGEST], list(known), 1, 0.6)
    return f"; did you mean {nearest[0]!r}?" if nearest else ""


def flag(name: str, value: Any) -> bool:
    """The argument as a bool. Raises TypeError for what is neither true nor false."""
    try:
        return bool(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} is {described(value)}, expected True or False") from None


def function(name: str, value: Any) -> Callable[..., Any]:
    """The argument, which must be callable; else TypeError."""
    if not callable(value):
        raise TypeError(f"{name} is {described(value)}, expected a function")
    found: Callable[..., Any] = value
    return found


def checked_path(path: Any) -> Any:
    """The path as text or bytes. Raises TypeError for what is not a path, ValueError for one that
    no file can have."""
    if not isinstance(path, (str, bytes, os.PathLike)):
        raise TypeError(f"{described(path)} is not a path")
    text = os.fspath(path)
    try:
        is_legal = b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        is_legal = False
    if not is_legal:
        raise ValueError(
            f"{described(text)} is not a path: it has characters that no file name has"
        )
    return text


def list_of_names(name: str, value: Any) -> list[str]:
    """An argument that is a name or several, as a list. Raises TypeError for another value."""
    is_list = isinstance(value, Iterable) and not isinstance(value, (str, bytes, Mapping))
    found = list(value) if is_list else [value]
    if not all(isinstance(one, str) for one in found):
        raise TypeError(f"{name} is {described(value)}, expected a name or several")
    return found


def refuse_other_options(value: Any) -> None:
    """Raise TypeError for `storage_options` that are not a dict."""
    if value is not None and not isinstance(value, Mapping):
        raise TypeError(f"storage_options is {described(value)}, expected a dict")


def one_line(name: Any) -> str:
    """The name of a file for an error that has no source of its own: newlines are shown."""
    return str(name).replace("\n", "\\n").replace("\r", "\\r")


def integer(name: str, value: Any) -> int:
    """The argument as an int. Raises TypeError for what is not a whole number."""
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None:
        raise TypeError(f"{name} is {described(value)}, expected a whole number")
    return number


def whole_number(name: str, value: Any, least: int = 0, most: int | None = None) -> int:
    """The argument as an int.

    Raises TypeError for what is not a whole number, ValueError for one below `least` or above
    `most`.
    """
    number = integer(name, value)
    if number < least or (most is not None and number > most):
        expected = f"{least} or more" if most is None else f"{least} to {most}"
        raise ValueError(f"{name} is {number}, expected {expected}")
    return number


def real_number(name: str, value: Any) -> float:
    """The argument as a float. Raises TypeError for what is not a number."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} is {described(value)}, expected a number")
    number: Any = value
    try:
        return float(number)
    except OverflowError:
        return float("inf") if number > 0 else float("-inf")


def byte_size(name: str, size: int | str) -> int:
    """A number of bytes from a number or a text such as "256 MiB". Raises ValueError."""
    found = _SIZE.fullmatch(str(size).strip())
    number = int(float(found[1]) * _UNITS[(found[2] or "B").lower()]) if found else 0
    if not 1 <= number < 1 << 63 or isinstance(size, bool):
        raise ValueError(f"{name} is {described(size)}, expected bytes, e.g. 1000000 or '256 MiB'")
    return number


_UNITS = {
    "b": 1,
    **{f"{p}b": 1000**n for n, p in enumerate("kmgt", 1)},
    **{f"{p}ib": 1024**n for n, p in enumerate("kmgt", 1)},
}
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?) *([kmgt]?i?b)?", re.IGNORECASE)
