"""The options of the format "evstream" of Spark, which are texts."""

from __future__ import annotations

import re
from collections.abc import Mapping

Options = Mapping[str, str]


def lowered(options: Options) -> dict[str, str]:
    """The options by their names in lower case, which Spark does not distinguish."""
    return {name.lower(): value for name, value in options.items()}


def path_in(options: Options, example: str) -> str:
    """The path or URL. Raises ValueError if there is none."""
    if "path" not in options:
        raise ValueError(f"there is no path, expected {example}")
    return options["path"]


def storage_options_in(options: Mapping[str, str]) -> dict[str, str] | None:
    """The options of an object store: those that begin with "storage."."""
    found = {
        name.removeprefix("storage."): value
        for name, value in options.items()
        if name.startswith("storage.")
    }
    return found or None


def widths_in(options: Mapping[str, str]) -> dict[str, str] | None:
    """Widths from a text such as "oasis_float=f8,oasis_int=i8"."""
    text = options.get("widths")
    if text is None:
        return None
    pairs = [pair.partition("=") for pair in text.split(",")]
    if not all(equals for _, equals, _ in pairs):
        raise ValueError(f"widths is {text!r}, expected TYPE=WIDTH, e.g. oasis_float=f8")
    return {name.strip(): width.strip() for name, _, width in pairs}


def number_in(text: str, name: str) -> int:
    """A whole number from a text."""
    if re.fullmatch(r" *[+-]?[0-9]{1,19} *", text, re.ASCII) is None:
        raise ValueError(f"{name} is {text!r}, expected a whole number")
    return int(text)


def ids_in(text: str | None, name: str) -> list[int] | None:
    """Whole numbers from a text such as "1-10,15,-1"; None for None."""
    if text is None:
        return None
    ids: list[int] = []
    for piece in text.split(","):
        found = _IDS.fullmatch(piece.strip())
        if found is None:
            raise ValueError(f"{name} is {text!r}, expected whole numbers and ranges, e.g. 1-10,15")
        first = int(found[1])
        ids += range(first, int(found[2]) + 1) if found[2] else [first]
    return ids


_IDS = re.compile(r"(-?[0-9]+)(?:-([0-9]+))?", re.ASCII)
