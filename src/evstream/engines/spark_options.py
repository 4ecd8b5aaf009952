"""The options of the format "evstream" of Spark, which are texts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from evstream.reading.ids import ids_in

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


def ids_in_option(options: Options, name: str) -> Any:
    """Ids from an option such as "1-10,15,-1", and for sidx "mean,1-10"; None where it is not
    given."""
    text = options.get(name)
    return None if text is None else ids_in(text, name, words=name == "sidx")
