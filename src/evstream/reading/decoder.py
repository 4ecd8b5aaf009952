"""Decode the whole records of a window to columns.

The generated kernel writes columns into arrays that hold as many blocks and entries as the window
could have, and keeps the open block in its state until the next window. The checks of every reader
come after it, and only where the kernel flagged something; they cut the chunk before a block that
cannot be accepted, so that all good events before it are delivered first.
"""

from __future__ import annotations

from contextlib import suppress
from functools import cache

import numpy as np

from evstream._support.protocol import AT_HEADER, BAD_COUNT, IN_ENTRIES
from evstream.errors import CorruptStreamError, TruncatedStreamError
from evstream.reading.block_checks import BlockChecks
from evstream.reading.stream_end import bad_count, block_ids, check_end
from evstream.reading.window import Window
from evstream.wire.columns import Array, Chunk, Columns, ids_at, kept
from evstream.wire.header import StreamHeader
from evstream.wire.kernels import block_kernels, new_states

KEPT = 1 << 24
"""Bytes of an allocation that stays with the process when it is freed: more than any of a chunk."""


@cache
def keep_freed_memory() -> None:
    """Have the C library keep the memory of a chunk for the next one.

    glibc gives large blocks back to the system, and the top of the heap, until it has seen a block
    of that size freed. Each chunk would cost a page fault per 4 KiB, up to a third of the time of
    a comparison. Other libraries are left as they are.
    """
    with suppress(MemoryError):
        np.empty(KEPT, np.uint8)  # never touched, so it takes no memory


class Decoder:
    """The state of one stream between two windows.

    Attributes:
        clean_end: None until `finish`; then whether the last block was closed.
    """

    def __init__(self, header: StreamHeader, source: str, strict: bool = False) -> None:
        self.header = header
        self.clean_end: bool | None = None
        self.checks = BlockChecks(header, source, strict)
        self._source = source
        block = header.block
        self._kernels = block_kernels(header)
        self._states = new_states(header)
        self._state = self._states[0]
        self._header_size = header.block_dtype.itemsize
        self._block_dtypes = list(header.block_columns.values())
        self._entry_dtypes = list(header.entry_columns.values())
        self._entry_size = sum(dtype.itemsize for dtype in self._entry_dtypes)
        self._delimiter_size = self._entry_size if block.delimiter else 0
        self._keys = [
            i for i, name in enumerate(header.block_columns) if name in header.key_columns
        ]
        self.checks.prepare(self._state)
        keep_freed_memory()
        self._error: CorruptStreamError | None = None

    def decode(self, window: Window, ended: bool = False) -> Chunk:
        """Decode all whole records of the window, up to the first that cannot be accepted; see
        `refuse`.

        Unless the stream has `ended`, a block header that may open a second stream stays in the
        window until the bytes after it are there.
        """
        start = int(self._state["start"])
        continues = bool(self._state["phase"] == IN_ENTRIES)
        skipped = int(self._state["entries"]) if continues else 0
        offset = window.offset
        blocks = window.left // self._header_size + 1
        entries = window.left // self._entry_size if self._entry_size else 0
        block = tuple(np.empty(blocks, dtype) for dtype in self._block_dtypes)
        offsets = np.empty(blocks + 1, np.int64)
        entry = tuple(np.empty(entries, dtype) for dtype in self._entry_dtypes)
        result = self._kernels.decode_blocks(
            window.buffer, window.cursor, window.valid, window.base,
            self._states, *block, offsets, *entry, 0, 0,
        )  # fmt: skip
        window.cursor, b, n, status = map(int, result)  # of numpy, where nothing is compiled
        if status == BAD_COUNT:
            data, place = window.buffer[window.cursor :], window.offset
            is_second = self.checks.is_word(data)
            self._error = (
                self.checks.second_stream(place)
                if is_second
                else bad_count(self.header, data, self._source, place)
            )
        columns = Columns(
            tuple(kept(column, b) for column in block),
            kept(offsets, b + 1),
            tuple(kept(column, n) for column in entry),
        )
        is_open = bool(self._state["phase"] == IN_ENTRIES)
        chunk = Chunk(columns, continues, skipped, is_open, offset)
        if self.checks.take_odd(self._state) or self._state["beyond"]:
            return self._checked(chunk, start, window, ended)
        return chunk

    def _checked(self, chunk: Chunk, first_start: int, window: Window, ended: bool) -> Chunk:
        """The chunk, up to the first block that the checks of every reader refuse."""
        columns, continues = chunk.columns, chunk.continues
        closed_size = self._header_size + self._delimiter_size

        def counts() -> Array:
            entries: Array = np.diff(columns.offsets)
            entries[0] += chunk.skipped
            return entries

        def start_of(block: int) -> int:
            if continues and block == 0:
                return first_start
            entries = int(columns.offsets[block]) * self._entry_size
            before = self._header_size if continues else 0
            return chunk.offset + entries + block * closed_size - before

        second = None
        if beyond := int(self._state["beyond"]):
            self._state["beyond"] = 0
            if self.checks.is_word(window.peek_back(beyond, self.header.format.type_word.size)):
                second = beyond
        keys = [columns.block[i] for i in self._keys]
        refused = self.checks.look_at(
            keys, counts, chunk.is_open, start_of, window.known, window.base, ended
        )
        # From here on the window begins after the blocks of the chunk, for whoever counts bytes.
        if refused is not None and (second is None or start_of(refused[0]) < second):
            block, error = refused
            window.cursor = max(start_of(block), chunk.offset) - window.base
            if error is None:
                self._state["phase"] = AT_HEADER
            self._error = error or self._error
            return _cut(chunk, block, int(columns.offsets[block]))
        if second is not None:
            starts = [start_of(block) for block in range(len(columns.block[0]))]
            block = int(np.searchsorted(starts, second)) - 1
            if second == starts[block] + self._header_size:
                # The first stream ends right after a block header: its event is not whole.
                ids = ids_at(self.header, columns.block, block)
                self._error = self.checks.second_stream(second, ids)
                window.cursor = max(starts[block], chunk.offset) - window.base
                return _cut(chunk, block, int(columns.offsets[block]))
            self._error = self.checks.second_stream(second)
            window.cursor = second - window.base
            body = chunk.offset if continues and block == 0 else starts[block] + self._header_size
            entries = (second - body) // self._entry_size
            cut = _cut(chunk, block + 1, int(columns.offsets[block]) + entries)
            return cut._replace(is_open=True)  # the last block is not closed
        return chunk

    def refuse(self) -> None:
        """Raise CorruptStreamError if the checks refused a block of the last window."""
        if self._error is not None:
            raise self._error

    def finish(self, window: Window) -> TruncatedStreamError | None:
        """Judge the end of the stream; see stream_end.check_end."""
        state = self._state
        empty = state["phase"] == IN_ENTRIES and state["entries"] == 0
        ids = block_ids(self.header, state) if empty else None
        self.checks.refuse_opening(window.peek_back(window.offset, window.left), window.offset, ids)
        rest = bytes(window.buffer[window.cursor : window.valid])
        missing = check_end(self.header, self._state, window.offset, rest, self._source)
        self.clean_end = missing is None
        return missing


def _cut(chunk: Chunk, blocks: int, entries: int) -> Chunk:
    """The first blocks and entries of a chunk, as if the stream ended there."""
    columns = chunk.columns
    offsets = columns.offsets[: blocks + 1].copy()
    offsets[-1] = entries
    block = tuple(column[:blocks] for column in columns.block)
    entry = tuple(column[:entries] for column in columns.entry)
    return chunk._replace(columns=Columns(block, offsets, entry), is_open=False)
