"""What a file gives in one pass, and what its parts give one after the other, in the same shape."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from evstream import EvstreamError, MissingDelimiterWarning, parts
from evstream.reading.stream import EventStream
from support import raw


@dataclass
class Seen:
    """All that was read up to the end or the first error.

    Attributes:
        blocks: (raw ids, raw entries) of each block.
        unclosed: texts of the warnings of a missing final delimiter.
        error: class and text of the error.
    """

    blocks: list[tuple[Any, list[Any]]] = field(default_factory=list)
    unclosed: list[str] = field(default_factory=list)
    error: tuple[type, str] | None = None


def read(sources: Iterable[Any], stream: str | None = None, **options: Any) -> Seen:
    """Read sources one after the other, until one fails."""
    seen = Seen()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            for source in sources:
                with EventStream(source, stream, **options) as opened:
                    for chunk in opened.chunks():
                        add_chunk(seen, chunk)
        except EvstreamError as error:
            seen.error = type(error), str(error)
    texts = [w for w in caught if issubclass(w.category, MissingDelimiterWarning)]
    seen.unclosed = [str(warning.message) for warning in texts]
    return seen


def add_chunk(seen: Seen, chunk: Any) -> None:
    columns = chunk.columns
    offsets = columns.offsets.tolist()
    ids = list(zip(*(raw(column) for column in columns.block), strict=True))
    entries = list(zip(*(raw(column) for column in columns.entry), strict=True))
    for number, block in enumerate(ids):
        own = entries[offsets[number] : offsets[number + 1]]
        if number == 0 and chunk.continues:
            assert seen.blocks[-1][0] == block
            seen.blocks[-1][1].extend(own)
        else:
            seen.blocks.append((block, own))


def check_union(
    path: Any, size: int, stream: str | None = None, strict: bool = False, **options: Any
) -> None:
    """The parts of a file, whole blocks or whole events, give what one pass over it gives."""
    expected = read([path], stream, strict=strict, **options)
    for whole in ("block", "event"):
        try:
            planned = parts(path, size, whole=whole, stream=stream, **options)
        except EvstreamError as error:
            found, planned = Seen(error=(type(error), str(error))), None
        else:
            found = read(planned, strict=strict)
        assert found == expected, (whole, size)
        if expected.error is None and whole == "event":
            check_events(path, planned, stream, **options)


def check_events(path: Any, planned: Any, stream: str | None, **options: Any) -> None:
    """No event is divided between two parts."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = []
        for part in planned:
            with EventStream(part) as opened:
                found += [(event.event_key, len(event)) for event in opened]
        with EventStream(path, stream, **options) as opened:
            assert repr(found) == repr([(event.event_key, len(event)) for event in opened])
