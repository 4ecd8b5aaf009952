"""Lists of events that a user keeps in a file: text, an id per line, or a stream of them.

A list is read like any other input: with the timeout, in pieces, and with an end to what is taken
from a source that never ends.
"""

from __future__ import annotations

import re
import reprlib
from collections.abc import Iterator
from contextlib import closing
from typing import NoReturn

import numpy as np

from evstream._support.format import Format, chosen_format
from evstream.errors import EvstreamError
from evstream.reading.stream import EventStream
from evstream.transport.source import CHUNK, Source
from evstream.wire.columns import Array
from evstream.wire.header import StreamHeader

MOST_IDS = 1 << 26
"""Ids of a list; a longer one is not a list of events."""

LONGEST_LINE = 4096
"""Bytes of a line of text."""

_EXPECTED = "event ids, one per line, or a stream of them named .bin"


def read_event_list(
    file: str, timeout: float | None = None, format: Format | None = None
) -> list[int]:
    """The event ids of a list, in its order; "-" is stdin.

    Raises EvstreamError for a list that is empty, has something else than event ids, or more
    than MOST_IDS; StallError when nothing comes for `timeout` seconds.
    """
    format = chosen_format(format)
    are_positive = _are_positive(format)
    pieces, count = [], 0
    is_stream = file.endswith((".bin", ".bin.gz", ".bin.zst"))
    for ids in _of_stream(file, timeout, format) if is_stream else _of_text(file, timeout):
        if are_positive and (wrong := ids[ids < 1]).size:
            problem = f"{wrong[0]} is not an event id"
            raise EvstreamError(problem, source=file, expected="ids of 1 and above")
        count += len(ids)
        if count > MOST_IDS:
            problem = f"the list has more than {MOST_IDS:,} event ids"
            raise EvstreamError(problem, source=file, expected=_EXPECTED)
        pieces.append(ids)
    if not count:
        raise EvstreamError("there are no events in this list", source=file)
    return np.concatenate(pieces).tolist()  # type: ignore[no-any-return]


def _are_positive(format: Format) -> bool:
    """Whether the events of every stream start at 1, by a rule."""
    rules = [rule for rule in format.rules.values() if rule.check == "positive"]
    positive = {name for r in rules if not r.blocks and not r.streams for name in r.fields}
    return {StreamHeader(s, format=format).event_column for s in format.streams} <= positive


def _of_stream(file: str, timeout: float | None, format: Format) -> Iterator[Array]:
    """The events of a stream: one of events alone, which has no type word, if the format has
    such a stream, else any that its type word names."""
    headers = (StreamHeader(name, format=format) for name in format.streams)
    alone = [h.stream for h in headers if h.spec.type_word is None and len(h.row_columns) == 1]
    with EventStream(file, alone[0] if alone else None, timeout=timeout, format=format) as stream:
        for chunk in stream.chunks():
            yield chunk.columns.block[0]


def _of_text(file: str, timeout: float | None) -> Iterator[Array]:
    """An id per line, maybe below the name of the column."""
    is_first = True
    number = 0
    for lines in _lines(file, timeout):
        ids: list[int] = []
        for line in lines:
            number += 1
            try:
                word = line.decode("utf-8-sig" if number == 1 else "utf-8").strip()
            except UnicodeDecodeError:
                raise EvstreamError("not a text file", source=file, expected=_EXPECTED) from None
            if re.fullmatch("[+-]?[0-9]{1,18}", word):
                ids.append(int(word))
            elif word and not (is_first and re.fullmatch("[A-Za-z][A-Za-z_ ]*", word)):
                _refuse_line(file, number, word)
            is_first = is_first and not word
        yield np.array(ids, np.int64)


def _lines(file: str, timeout: float | None) -> Iterator[list[bytes]]:
    """The lines of a text, a stretch at a time."""
    rest, number = b"", 0
    view = memoryview(bytearray(CHUNK))
    with closing(Source(file, timeout=timeout)) as source:
        while size := source.readinto(view):
            *lines, rest = (rest + view[:size]).split(b"\n")
            number += len(lines)
            if len(rest) > LONGEST_LINE:
                _refuse_line(file, number + 1, rest[:LONGEST_LINE].decode("utf-8", "replace"))
            yield lines
    yield [rest]


def _refuse_line(file: str, number: int, word: str) -> NoReturn:
    raise EvstreamError(f"line {number}: {reprlib.repr(word)}", source=file, expected=_EXPECTED)
