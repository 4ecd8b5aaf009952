"""What the formats of text have in common: blocks of whole lines, and a first line of text."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator

import numpy as np

from evstream.conversion.line_guard import LineGuard
from evstream.errors import TableError
from evstream.reading.decoder import keep_freed_memory
from evstream.text.limits import LOOKAHEAD
from evstream.text.lines import NEWLINE, Block

BLOCK = 1 << 20
"""Bytes parsed at once."""


def read_blocks(source: LineGuard, size: int = BLOCK) -> Iterator[Block]:
    """A text source in blocks of whole lines, about `size` bytes each or one line if that is
    longer. Each has its last newline. Blank lines at the end of the file are left out."""
    keep_freed_memory()
    rest = b""
    while True:
        room = len(rest) + max(size, len(rest))
        buffer = np.empty(room + 1 + LOOKAHEAD, np.uint8)
        buffer.data[: len(rest)] = rest
        filled, lines = len(rest), rest.count(b"\n") - source.lines
        while filled < room and (count := source.readinto(buffer.data[filled:room])):
            filled += count
        is_last = filled < room
        end = filled if is_last else max(filled - source.open, 0)
        while end and buffer[end - 1] in _ENDS:
            end -= 1
        rest = buffer[end:filled].tobytes()
        lines += source.lines - rest.count(b"\n")
        if end:
            buffer[end] = NEWLINE
            yield Block(buffer, 0, end + 1, lines + 1)
            rest = rest[rest.find(b"\n") + 1 :]
        if is_last:
            return


_ENDS = tuple(b"\r\n")


def numbered(blocks: Iterable[Block], line: int) -> Iterator[tuple[Block, int]]:
    """Blocks of whole lines, each with the number of its first line."""
    for block in blocks:
        yield block, line
        line += block.lines


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
