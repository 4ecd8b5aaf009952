"""Where the bytes of a stream that was made of a file and its index file lie in the two.

Readers count the bytes of the stream; whoever looks for a fault needs those of the files. The ids
of a block are in the index file, its entries in the other, one after the other unless compressed.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right

from evstream.errors import EvstreamError
from evstream.wire.columns import Array
from evstream.wire.header import StreamHeader


class BlockPlaces:
    """The places of blocks, in the order in which the stream has them.

    Attributes:
        file_size: bytes of the file with the entries.
        error: what ended the reading of the files themselves; None if nothing did.
        is_packed: whether entries are compressed.
    """

    def __init__(
        self, header: StreamHeader, name: str, index_name: str, rows: Array, file_size: int
    ) -> None:
        """`rows` are the records of the index file."""
        self.file_size = file_size
        self._header, self._name, self._index_name = header, name, index_name
        self._rows = rows
        self._starts = array("q")
        self._end = header.size
        self.error: EvstreamError | None = None
        self.is_packed = False

    def add(self, size: int) -> None:
        """The next block of the stream has as many bytes."""
        self._starts.append(self._end)
        self._end += size

    def place(self, offset: int) -> tuple[str, int]:
        """The file and the byte of it that an offset of the stream stands for. For compressed
        entries, the byte where those of their block begin."""
        at = bisect_right(self._starts, offset) - 1
        if at < 0:
            return self._name, offset
        inside = offset - self._starts[at] - self._header.block_dtype.itemsize
        if inside < 0:
            return self._index_name, at * self._rows.dtype.itemsize
        return self._name, int(self._rows["offset"][at]) + (0 if self.is_packed else inside)

    def index_bytes(self, offset: int, size: int) -> bytes | None:
        """The first bytes of the record in the index file that an offset stands for; None for one
        of the other file."""
        name, at = self.place(offset)
        if name != self._index_name:
            return None
        return self._rows.tobytes()[at : at + size]

    def record_at(self, offset: int) -> int | None:
        """The number of the record in its file, from 1; None in compressed entries."""
        name, at = self.place(offset)
        if name == self._index_name:
            return at // self._rows.dtype.itemsize + 1
        start, size = self._header.size, self._header.entry_size
        return None if self.is_packed or at < start else (at - start) // size + 1

    def placed(self, error: EvstreamError | OSError) -> EvstreamError | OSError:
        """The error of whoever reads the stream, with its place in the files."""
        if not isinstance(error, EvstreamError) or error is self.error or error.offset is None:
            return error
        return error.moved(*self.place(error.offset))
