"""Write a stream as a file of entries and the index file that places its blocks.

The other way round from `reading.indexed_blocks`: what comes is the stream of whole blocks that
every writer makes. The entries go on, each block compressed if wanted; the ids in front of them go
to the list. Nothing but a compressed block is collected.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

from evstream.errors import EvstreamError
from evstream.reading.index_files import index_file_of, is_packed_name, is_path, is_placed, laid_out
from evstream.reading.indexed_blocks import EXPANDED_SIZE, ORIGINAL_SIZE
from evstream.transport.compression import compression_by_name
from evstream.transport.sink import Sink, staged
from evstream.wire.header import StreamHeader


class PlacedBlocks:
    """A target of the bytes of a stream, in front of the file.

    Args:
        write: takes the bytes of the file.
        header: of the stream.
        target: path of the file; the index file lies beside it.
    """

    takes_blocks = True

    def __init__(
        self, write: Callable[[memoryview], Any], header: StreamHeader, target: Any
    ) -> None:
        self._write, self._header = write, header
        self._index_path = index_file_of(target)
        self._is_packed = is_packed_name(target)
        name = header.spec.index_file[-1]
        index = StreamHeader(name, {}, header.widths, header.format)
        self._record = np.zeros(1, index.block_dtype)
        self._list = bytearray()
        self._waiting = bytearray()  # a header that is not whole yet
        self._block = bytearray()  # entries that are compressed together
        self._header_left = header.size
        self._left = 0  # bytes of entries of the open block
        self._offset = header.size

    def write(self, data: Any) -> int:
        """Take bytes of the stream, whichever come together."""
        view = memoryview(data).cast("B")
        size = len(view)
        while view:
            if self._header_left:
                taken = min(self._header_left, len(view))
                self._header_left -= taken
                self._write(view[:taken])
            elif self._left:
                taken = min(self._left, len(view))
                self._left -= taken
                self._take(view[:taken])
            else:
                wanted = self._header.block_dtype.itemsize - len(self._waiting)
                taken = min(wanted, len(view))
                self._waiting += view[:taken]
                if taken == wanted:
                    self._begin()
            view = view[taken:]
        return size

    def flush(self) -> None:
        """Nothing waits but what is not whole."""

    def close(self) -> None:
        """Nothing is left to write: a block ends with its entries."""

    def staged(self, **options: Any) -> Sink:
        """The index file, which appears when its sink is closed; options as of a Sink."""
        return staged([bytes(self._list)], self._index_path, **options)

    def _begin(self) -> None:
        """A block, by its header."""
        header = self._header
        block = np.frombuffer(bytes(self._waiting), header.block_dtype)
        self._waiting.clear()
        self._left = size = int(block[header.block.count][0]) * header.entry_size
        for name in header.block_columns:
            self._record[name] = block[name]
        names = self._record.dtype.names or ()
        self._record["offset"], self._record["size"] = self._offset, size
        if EXPANDED_SIZE in names:
            self._record[EXPANDED_SIZE] = size
        if ORIGINAL_SIZE in names:
            self._record[ORIGINAL_SIZE] = size if self._is_packed else 0
        if not self._is_packed:
            self._end(size)
        elif not size:
            self._pack()

    def _take(self, entries: memoryview) -> None:
        if not self._is_packed:
            self._write(entries)
            return
        self._block += entries
        if not self._left:
            self._pack()

    def _pack(self) -> None:
        packed = zlib.compress(self._block)
        self._block.clear()
        self._record["size"] = len(packed)
        self._end(len(packed))
        self._write(memoryview(packed))

    def _end(self, size: int) -> None:
        self._list += self._record.tobytes()
        self._offset += size


def placed_target(
    write: Callable[[memoryview], Any], header: StreamHeader, target: Any
) -> PlacedBlocks | None:
    """What writes the two files of a stream whose blocks another file places; None for any other,
    and for a target that takes whole blocks.

    Raises EvstreamError for a target without a path, or that is compressed as a whole, and where
    an index file beside the target would make another stream of it.
    """
    format, stream = header.format, header.stream
    if getattr(target, "takes_blocks", False):
        return None
    if not is_placed(format, stream):
        found = laid_out(format, stream, target)
        if found != stream:
            raise EvstreamError(
                f"{index_file_of(target)} beside it makes it a {found} file", source=str(target),
                expected="no index file, or another name",
            )  # fmt: skip
        return None
    if not is_path(target) or compression_by_name(target) is not None:
        raise EvstreamError(
            f"a {stream} file has an index file beside it, and this cannot",
            source=str(getattr(target, "name", target)),
            expected="a path, not compressed as a whole",
        )  # fmt: skip
    return PlacedBlocks(write, header, target)
