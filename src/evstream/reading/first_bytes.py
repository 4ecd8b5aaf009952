"""Detect content of another kind in a file without a type word, by its first bytes.

Any bytes can be ids or random numbers. `1`, newline, `2`, newline is the id 171051569: a file
is refused if its first bytes are lines of numbers, with or without names of columns above them.
And a file that is known by its usual name alone, such as random.bin, is refused if it begins with
the type word of a stream. A word of source 0 is a small number, such as an id, and shows nothing.

A file without a type word is expanded by its name alone, so compressed data under another name is
refused if the caller names no stream: what begins as gzip data is no id, and hardly a float.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from evstream._support.format import Format
from evstream.errors import CorruptStreamError, StreamMismatchError
from evstream.transport.compression import SUFFIXES, compression_by_name
from evstream.wire.header import StreamHeader

_NUMBER = rb"[+-]?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]+)?"
_TEXT = re.compile(
    rb"(\xef\xbb\xbf)?\s*(\"?[A-Za-z][A-Za-z0-9_ \t,;\"]*\r?\n)?"
    rb"(" + _NUMBER + rb"([ \t,;]+" + _NUMBER + rb")*[ \t,;]*\r?\n)+[0-9eE+.,; \t-]*\r?"
)


_COMPRESSED = {
    "gzip": re.compile(rb"\x1f\x8b\x08[\x00-\x1f]....[\x00\x02\x04][\x00-\x0d\xff]", re.DOTALL),
    "zstd": re.compile(rb"\x28\xb5\x2f\xfd"),
}
"""The header of a gzip member with its times and systems; the magic number of zstd, which is
negative as an id and as a float."""


OPENING = 10
"""Bytes that a gzip header has; more than the magic number of zstd."""

LOOKED_AT = 512
"""Bytes after the stream header that show what the content is."""


def is_text(data: bytes) -> bool:
    """Whether the first bytes of a file of numbers are text."""
    return len(data) > 1 and _TEXT.fullmatch(data[:LOOKED_AT]) is not None


def refuse_content(
    first: bytes, header: StreamHeader, guessed: Iterable[Format], source: str
) -> None:
    """Raise an EvstreamError if the bytes after the stream header, which the file may lack, are
    text or a stream. `guessed` are the formats to look at where the caller names no stream."""
    if header.spec.type_word is None and is_text(header.to_bytes() + first):
        raise CorruptStreamError(
            "this is text", source=source, offset=0,
            expected=f"a binary list, as `evstream convert --stream {header.stream}"
            " LIST.csv LIST.bin` makes it",
        )  # fmt: skip
    if header.spec.type_word is None:
        _refuse_compressed(header.to_bytes() + first, header, guessed, source)
        _refuse_type_word(header.to_bytes() + first, header, guessed, source)


def _refuse_compressed(
    start: bytes, header: StreamHeader, guessed: Iterable[Format], source: str
) -> None:
    if not guessed or compression_by_name(source) is not None:
        return
    for ending, kind in SUFFIXES.items():
        magic = _COMPRESSED[kind]
        if magic.match(start):
            raise CorruptStreamError(
                f"this begins as {kind} data", source=source, offset=0,
                expected=f"a name that ends in .{ending}, or --stream {header.stream} if these are"
                " values",
            )  # fmt: skip


def _refuse_type_word(
    start: bytes, header: StreamHeader, guessed: Iterable[Format], source: str
) -> None:
    for known in guessed:
        size = known.type_word.size
        if not size or len(start) < size:
            continue
        numbers = known.type_word.unpack(start[:size])
        found = known.find_stream(numbers["source"], numbers["aggregation"])
        if found is not None and numbers["source"]:
            raise StreamMismatchError(
                f"the name is that of {header.stream}, but this begins as a {found.name} stream",
                source=source, offset=0,
                expected=f"another name, or --stream {found.name} or --stream {header.stream}",
            )  # fmt: skip
