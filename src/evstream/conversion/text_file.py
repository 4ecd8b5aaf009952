"""What the formats of text have in common: blocks of whole lines, and a first line of text."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator

import numpy as np

from evstream.conversion.line_guard import LineGuard
from evstream.errors import TableError

BLOCK = 1 << 20
"""Bytes parsed at once."""


def read_blocks(source: LineGuard, size: int = BLOCK) -> Iterator[memoryview]:
    """A text source in blocks of whole lines, about `size` bytes each or one line if that is
    longer. Each has its last newline. Blank lines at the end of the file are left out."""
    rest = b""
    while True:
        block = bytearray(len(rest) + max(size, len(rest)) + 1)
        block[: len(rest)] = rest
        filled, room = len(rest), len(block) - 1
        with memoryview(block) as view:
            while filled < room and (count := source.readinto(view[filled:room])):
                filled += count
        is_last = filled < room
        end = filled if is_last else block.rfind(b"\n", 0, filled) + 1
        while end and block[end - 1] in b"\r\n":
            end -= 1
        rest = bytes(block[end:filled])
        if end:
            block[end] = _NEWLINE
            yield memoryview(block)[: end + 1]
            rest = rest[rest.find(b"\n") + 1 :]
        if is_last:
            return


_NEWLINE = ord("\n")


def numbered(blocks: Iterable[memoryview], line: int) -> Iterator[tuple[memoryview, int]]:
    """Blocks of whole lines, each with the number of its first line."""
    for block in blocks:
        yield block, line
        line += int(np.count_nonzero(np.frombuffer(block, np.uint8) == _NEWLINE))


def opening_line(block: memoryview, source: str) -> str:
    """The first line of a file. Raises TableError for a file that is not UTF-8 text."""
    line = bytes(block).partition(b"\n")[0].removesuffix(b"\r")
    shown = line.replace(b"\0", b"").strip()
    has_mark = line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    if has_mark or (b"\0" in line and shown.isascii() and shown.decode().isprintable() and shown):
        raise TableError("this looks like UTF-16", source=source, line=1, expected="UTF-8")
    try:
        if b"\0" in line:
            raise ValueError("text has no such byte")
        return line.decode("utf-8-sig")
    except ValueError:
        raise TableError("not text", source=source, line=1, expected="UTF-8") from None
