"""Streams that are broken in a known way, with the error that reading them must raise.

The places follow from the layout: where blocks and entries begin. Left out are cuts that no reader
can see, those between two blocks, and those that only lack the final delimiter.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from evstream.errors import (
    CorruptStreamError,
    EvstreamError,
    SecondStreamError,
    StreamHeaderError,
    TruncatedStreamError,
)
from evstream.testing.stream_bytes import StreamBytes


@dataclass(frozen=True)
class BrokenStream:
    """A stream that must not be read without an error.

    Attributes:
        data: its bytes.
        what: "cut", "type word", "stream header", "count" or "second stream".
        at: the byte where it is cut or changed.
        error: the class of the error that reading must raise.
        events: the number of whole events before the error.
    """

    data: StreamBytes
    what: str
    at: int
    error: type[EvstreamError]
    events: int


def broken_versions(data: StreamBytes) -> list[BrokenStream]:
    """All broken versions of a whole stream: cut at every byte where a reader can see it, and
    damaged where the layout says that a value is impossible."""
    return [*_cuts(data), *_damages(data)]


def _cuts(data: StreamBytes) -> Iterator[BrokenStream]:
    header = data.header

    def cut(at: int, error: type[EvstreamError], events: int) -> BrokenStream:
        return BrokenStream(StreamBytes(data[:at], header), "cut", at, error, events)

    for at in range(1, header.size):
        yield cut(at, StreamHeaderError, 0)
    start, before = header.size, 0
    size, step = header.block_dtype.itemsize, header.entry_size
    closes = header.block.delimiter is not None
    for number, event in enumerate(data.events()):
        for block, entries in enumerate(np.diff(event.offsets).tolist()):
            # A header that is cut may be of a block more of the event before it.
            known = number if block else before
            for at in range(start + 1, start + size):
                yield cut(at, TruncatedStreamError, known)
            end = start + size + (entries + closes) * step
            for at in range(start + size, end):
                inside = (at - start - size) % step if step else 0
                if inside or at == start + size or not closes:
                    yield cut(at, TruncatedStreamError, number)
            start = end
            before = number
        before = number


def _damages(data: StreamBytes) -> Iterator[BrokenStream]:
    header, word = data.header, data.header.spec.type_word
    events = data.events()
    if word is not None:
        changed = b"\xff" * len(word) + data[len(word) :]
        yield BrokenStream(StreamBytes(changed, header), "type word", 0, StreamHeaderError, 0)
        if events and any(rule.check == "single" for rule in header.rules.values()):
            joined = StreamBytes(data + data, header)
            yield BrokenStream(joined, "second stream", len(data), SecondStreamError, len(events))
    at = len(word or b"")
    for field in header.header_fields:
        width = np.dtype(f"<{header.widths[field.scalar]}")
        if field.minimum is not None and width.kind == "i":
            changed = _replaced(data, at, np.array(field.minimum - 1, width).tobytes())
            damaged = StreamBytes(changed, header)
            yield BrokenStream(damaged, "stream header", at, StreamHeaderError, 0)
        at += width.itemsize
    count = header.block.count
    if count is not None and events:
        dtype, offset = header.block_dtype.fields[count][:2]  # type: ignore[index]
        if dtype.kind == "i":
            changed = _replaced(data, header.size + offset, np.array(-1, dtype).tobytes())
            damaged = StreamBytes(changed, header)
            yield BrokenStream(damaged, "count", header.size + offset, CorruptStreamError, 0)


def _replaced(data: bytes, at: int, piece: bytes) -> bytes:
    return data[:at] + piece + data[at + len(piece) :]
