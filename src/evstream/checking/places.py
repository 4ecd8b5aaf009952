"""Where the blocks and entries of a stretch lie in the stream."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from evstream.reading.block_places import BlockPlaces
from evstream.wire.columns import Chunk
from evstream.wire.header import StreamHeader

CONTEXT = 8
"""Bytes shown of the place of a finding."""


class Stretches(Protocol):
    """What an EventStream is here."""

    header: StreamHeader

    @property
    def places(self) -> BlockPlaces | None:
        """Of a stream that is made of two files."""

    def peek_back(self, offset: int, size: int) -> bytes:
        """Bytes of the chunk that was decoded last."""


class Place(NamedTuple):
    """A place in a file: its name ("" for the file of the stream), the byte, the bytes there in
    hexadecimal if they are still in memory, and the number of the record if it is known."""

    file: str
    offset: int
    bytes: str
    record: int | None = None


class Places:
    """Where the blocks and entries of a stretch lie in the stream."""

    def __init__(self, stream: Stretches) -> None:
        header = stream.header
        block = header.block
        self._stream = stream
        self._header = header.block_dtype.itemsize
        self._entry = header.entry_size
        self._end = self._entry if block.delimiter else 0
        self._open_start = 0
        self._chunk: Chunk | None = None

    def enter(self, chunk: Chunk) -> None:
        """From here on, places are those of this stretch."""
        if self._chunk is not None and chunk.continues:
            self._open_start = self.of_block(len(self._chunk.columns.offsets) - 2)
        self._chunk = chunk

    def of_block(self, block: int) -> int:
        """Offset of a block's header."""
        if block == 0 and self._chunk is not None and self._chunk.continues:
            return self._open_start
        return self._body(block) - self._header

    def of_entry(self, entry: int, block: int) -> int:
        """Offset of an entry."""
        assert self._chunk is not None
        number = entry - int(self._chunk.columns.offsets[block])
        return self._body(block) + number * self._entry

    def _body(self, block: int) -> int:
        """Where the entries of a block begin that are in this stretch."""
        assert self._chunk is not None
        chunk = self._chunk
        before = int(chunk.columns.offsets[block] - chunk.columns.offsets[0]) * self._entry
        headers = block + (0 if chunk.continues else 1)
        return chunk.offset + before + block * self._end + headers * self._header

    def in_files(self, offset: int) -> Place:
        """Where an offset of the stream lies in its file, or in which of two."""
        data = self._stream.peek_back(offset, CONTEXT)
        if (joined := self._stream.places) is None:
            return Place("", offset, data.hex(" "))
        file, at = joined.place(offset)
        own = joined.index_bytes(offset, CONTEXT)
        return Place(file, at, (data if own is None else own).hex(" "), joined.record_at(offset))
