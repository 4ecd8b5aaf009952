"""Detect that a list of event ids is text instead of a binary stream.

Any bytes can be ids: `1`, newline, `2`, newline is the id 171051569. So a list is refused if its
first bytes are lines of numbers, with or without the name of a column above them.
"""

from __future__ import annotations

import re

from evstream.errors import CorruptStreamError
from evstream.wire.header import StreamHeader

_TEXT = re.compile(
    rb"(\xef\xbb\xbf)?\s*(\"?[A-Za-z][A-Za-z_ ,\"]*\r?\n)?"
    rb"([+-]?[0-9]+[ \t,;]*\r?\n)+([+-]?[0-9]*\r?)"
)


def is_text(data: bytes) -> bool:
    """Whether the first bytes of a list are text."""
    return len(data) > 1 and _TEXT.fullmatch(data[:512]) is not None


def refuse_text(data: bytes, header: StreamHeader, source: str) -> None:
    """Raise CorruptStreamError if the first bytes of a list of event ids are text."""
    if is_text(data):
        raise CorruptStreamError(
            "this is text", source=source, offset=0,
            expected=f"a binary list, as `evstream convert --stream {header.stream}"
            " LIST.csv LIST.bin` makes it",
        )  # fmt: skip
