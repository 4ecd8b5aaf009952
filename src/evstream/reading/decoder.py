"""Bytes -> columns, without any I/O: the generated kernels over one window after another."""

from __future__ import annotations

import numpy as np

from evstream._support.jit import BAD_COUNT, ENTRIES
from evstream.errors import TruncatedStreamError
from evstream.reading.stream_end import bad_count, check_end
from evstream.reading.window import Window
from evstream.wire.columns import Chunk, Columns, kept
from evstream.wire.header import StreamHeader
from evstream.wire.kernels import block_kernels, new_state


class Decoder:
    """The state of one stream between two windows.

    Attributes:
        clean_end: None until `finish`; then whether the last block was closed.
    """

    def __init__(self, header: StreamHeader, source: str) -> None:
        self.header = header
        self.clean_end: bool | None = None
        self._source = source
        self._kernels = block_kernels(header)
        self._state = new_state(header)
        self._header_size = header.block_dtype.itemsize
        self._block_dtypes = list(header.block_columns.values())
        self._entry_dtypes = list(header.entry_columns.values())
        self._entry_size = sum(dtype.itemsize for dtype in self._entry_dtypes)
        self._bad_count = False

    def decode(self, window: Window) -> Chunk:
        """All whole records of the window, as the columns of the blocks they belong to."""
        continues = bool(self._state["phase"] == ENTRIES)
        skipped = int(self._state["entries"]) if continues else 0
        offset = window.offset
        blocks = window.left // self._header_size + 1
        entries = window.left // self._entry_size if self._entry_size else 0
        block = tuple(np.empty(blocks, dtype) for dtype in self._block_dtypes)
        offsets = np.empty(blocks + 1, np.int64)
        entry = tuple(np.empty(entries, dtype) for dtype in self._entry_dtypes)
        result = self._kernels.decode_blocks(
            window.buffer, window.cursor, window.valid, window.base,
            self._state, *block, offsets, *entry, 0, 0,
        )  # fmt: skip
        window.cursor, b, n, status = map(int, result)  # of numpy, where nothing is compiled
        self._bad_count = status == BAD_COUNT
        columns = Columns(
            tuple(kept(column, b) for column in block),
            kept(offsets, b + 1),
            tuple(kept(column, n) for column in entry),
        )
        is_open = bool(self._state["phase"] == ENTRIES)
        return Chunk(columns, continues, skipped, is_open, offset)

    def refuse_bad_count(self, window: Window) -> None:
        """Raise CorruptStreamError if the last window was decoded up to a negative count."""
        if not self._bad_count:
            return
        raise bad_count(self.header, window.buffer[window.cursor :], self._source, window.offset)

    def finish(self, window: Window) -> TruncatedStreamError | None:
        """Judge the end of the stream; see endings.check_end."""
        missing = check_end(self.header, self._state, window.offset, window.left, self._source)
        self.clean_end = missing is None
        return missing
