"""The part of a stream that is in memory: one reused buffer, and its place in the stream."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from evstream.reading.section import Section
from evstream.wire.columns import Array

SMALLEST = 256
"""Bytes of a window at least: it must hold one record of any kind."""


class Readable(Protocol):
    """What a window reads from: a Source, a Section, or ranges of a file."""

    def readinto(self, view: memoryview) -> int:
        """Read into `view`; the number of bytes, 0 at the end."""
        ...


class Window:
    """Bytes `cursor` to `valid` of `buffer` are read and not yet used.

    Attributes:
        buffer: uint8, shape (capacity,).
        base: stream offset of buffer[0].
        ahead: number of bytes after a section to look at once it ends; see `known`.

    `tap` is called with every byte once, in order, as it is read.
    """

    def __init__(
        self,
        source: Readable,
        capacity: int,
        tap: Callable[[memoryview], None] | None = None,
    ) -> None:
        self._source = source
        self._tap = tap
        self._known = 0
        self.ahead = 0
        self.buffer = np.empty(capacity, np.uint8)  # a small file touches few of its pages
        self._view = self.buffer.data
        self.base = source.start if isinstance(source, Section) else 0
        self.cursor = 0
        self.valid = 0

    @property
    def left(self) -> int:
        """Number of bytes that are read and not used."""
        return self.valid - self.cursor

    @property
    def offset(self) -> int:
        """Stream offset of the first unused byte."""
        return self.base + self.cursor

    def fill(self) -> int:
        """Move the unused bytes, fewer than a record, to the front and read on after them.

        Returns the number of bytes read, 0 at the end of the source.
        """
        left = self.left
        self._view[:left] = self._view[self.cursor : self.valid]
        self.base += self.cursor
        self.cursor, self.valid = 0, left
        size = self._source.readinto(self._view[left:])
        self.valid += size
        if not size and isinstance(self._source, Section):
            next_bytes = self._source.look_ahead(min(self.ahead, len(self._view) - left))
            self._view[left : left + len(next_bytes)] = next_bytes
            self._known = left + len(next_bytes)
        if self._tap is not None:
            self._tap(self._view[left : left + size])
        return size

    @property
    def known(self) -> Array:
        """The buffer up to its last byte that is known: at the end of a section, bytes after it,
        which belong to others but decide what a block at the edge is."""
        return self.buffer[: max(self.valid, self._known)]

    def peek_back(self, offset: int, size: int) -> bytes:
        """Bytes from a stream offset on; b"" if they are no longer in the buffer."""
        start = offset - self.base
        return bytes(self._view[start : min(start + size, self.valid)]) if start >= 0 else b""

    def first(self, size: int) -> bytes:
        """The next bytes, which stay; fewer at the end, or if the buffer is smaller."""
        while self.left < size and self.fill():
            pass
        return bytes(self._view[self.cursor : min(self.cursor + size, self.valid)])

    def take(self, size: int) -> bytes:
        """The next `size` bytes, fewer at the end of the source."""
        while self.left < size and self.fill():
            pass
        data = bytes(self._view[self.cursor : min(self.cursor + size, self.valid)])
        self.cursor += len(data)
        return data
