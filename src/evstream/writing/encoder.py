"""Columns to bytes: the generated encoders, with the buffer emptied whenever it is full.

An encoder stops where the buffer has no room for a whole record, and goes on from there after a
`drain`. A block that rows leave open stays in the state of the kernels until rows with other ids
come, or `close_block` is called.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evstream._support.protocol import AT_HEADER, IN_ENTRIES
from evstream.wire.columns import Array, Columns, differ
from evstream.wire.header import StreamHeader
from evstream.wire.kernels import block_kernels, new_states, record_functions
from evstream.writing.matrix import Matrix
from evstream.writing.output import Outlet


class Encoder:
    """Encodes columns of the dtypes of the stream. It checks nothing."""

    def __init__(self, header: StreamHeader, out: Outlet) -> None:
        self._out = out
        self._kernels = block_kernels(header)
        self._states = new_states(header)
        self._state = self._states[0]
        self._delimiter_size = header.entry_size
        records = record_functions(header.format, header.widths)
        self._write_delimiter = getattr(records, f"mv_write_{header.block.delimiter}", None)

    @property
    def is_open(self) -> bool:
        """Whether rows have left a block open."""
        return bool(self._state["phase"] == IN_ENTRIES)

    def open_value(self, name: str) -> Any:
        """A header field of the open block."""
        return self._state[f"{name}_"]

    def continues(self, keys: Mapping[str, Array]) -> bool:
        """Whether rows with these ids go on with the open block."""
        return self.is_open and not any(differ(keys[n][0], self.open_value(n)) for n in keys)

    def rows(self, blocks: tuple[Array, ...], entries: tuple[Array, ...]) -> None:
        """Encode rows; the last block stays open."""
        n = 0
        while n < len(entries[0]):
            self._out.cursor, n = self._kernels.encode_rows(
                self._out.buffer, self._out.cursor, self._states, *blocks, *entries, n
            )
            if n < len(entries[0]):
                self._out.drain()

    def blocks(self, columns: Columns) -> None:
        """Encode whole blocks."""
        b, k = 0, -1
        while b < len(columns.block[0]):
            self._out.cursor, b, k = self._kernels.encode_blocks(
                self._out.buffer, self._out.cursor, self._states,
                *columns.block, columns.offsets, *columns.entry, b, k,
            )  # fmt: skip
            if b < len(columns.block[0]):
                self._out.drain()

    def matrix(self, matrix: Matrix) -> None:
        """Encode a matrix, a block per row."""
        b, k = 0, -1
        while b < matrix.rows:
            self._out.cursor, b, k = self._kernels.encode_dense(
                self._out.buffer, self._out.cursor, self._states, *matrix.kernel_arguments(), b, k
            )
            if b < matrix.rows:
                self._out.drain()

    def close_block(self) -> None:
        """Write the delimiter of the open block, if there is one."""
        if self.is_open:
            self.leave_open()
            if len(self._out.buffer) - self._out.cursor < self._delimiter_size:
                self._out.drain()
            assert self._write_delimiter is not None
            self._out.cursor = self._write_delimiter(self._out.buffer, self._out.cursor)

    def leave_open(self) -> None:
        """Treat the open block as closed, without its delimiter."""
        self._state["phase"] = AT_HEADER
