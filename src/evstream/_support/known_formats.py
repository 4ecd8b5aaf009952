"""The formats that evstream brings along, and which one a stream or file belongs to.

The streams of Oasis are one format, the files of a run folder another. They share the functions
that open, write and convert: a stream type is asked for by its name, and a file without a type word
is known by its usual name. A generated format stands alone.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Any

from evstream._support.arguments import did_you_mean
from evstream._support.format import Format, bound_format, chosen_format, format_of
from evstream._support.schema import Field, Scalar

BESIDE = ("files",)
"""Generated packages below that of the bound format."""

COMPRESSED = (".gz", ".zst")


@cache
def _own_formats() -> tuple[Format, ...]:
    bound = bound_format()
    return bound, *(format_of(f"{bound.package}.{name}") for name in BESIDE)


def formats_beside(format: Format | None) -> tuple[Format, ...]:
    """The formats that a caller means by `format`: itself, or all of evstream's own. Raises
    TypeError for what is not a Format."""
    chosen = chosen_format(format)
    return _own_formats() if chosen is bound_format() else (chosen,)


def find_format(
    format: Format | None, stream: str | None, file: Any = None
) -> tuple[Format, str | None]:
    """The format that has a stream type, and the name of the type.

    Args:
        format: the only one to look at, or None for all that evstream brings along.
        stream: name or alias of the type; None if the caller names none.
        file: what is read or written. Where the caller names no type, the usual name of a file
            does; it may end in .gz or .zst.

    Raises ValueError for a type that no format has, TypeError for what is not a text. The name is
    None where nothing says it.
    """
    formats = formats_beside(format)
    if stream is not None:
        for known in formats:
            if known.has_stream(stream):
                return known, known.stream(stream).name
        raise ValueError(_unknown(stream, formats))
    if isinstance(file, (str, os.PathLike)):
        name = os.path.basename(os.fsdecode(file)).lower()
        for end in COMPRESSED:
            name = name.removesuffix(end)
        found = _usual_names(formats).get(name)
        if found is not None:
            return found
    return formats[0], None


@cache
def _usual_names(formats: tuple[Format, ...]) -> dict[str, tuple[Format, str]]:
    """The format and stream type of each usual name of a file."""
    return {
        file.lower(): (known, stream.name)
        for known in reversed(formats)
        for stream in reversed(list(known.streams.values()))
        for file in stream.files
    }


def stream_header_fields(format: Format | None) -> dict[str, tuple[Field, Scalar]]:
    """The fields of all stream headers of these formats, by name, each with its type."""
    return {
        name: (field, known.scalars[field.scalar])
        for known in reversed(formats_beside(format))
        for name, field in known.stream_header_fields().items()
    }


def _unknown(stream: str, formats: tuple[Format, ...]) -> str:
    first, *others = formats
    more = "".join(f"; {known.name}: {', '.join(known.streams)}" for known in others)
    names = [name for known in formats for name in known.stream_names]
    return f"{first.unknown_stream(stream)}{more}{did_you_mean(stream, names)}"
