"""The kernels of blocks without entries: a file of such blocks is an array of records.

numpy copies the fields of an array as fast as compiled code does, so nothing is generated and
nothing has to be compiled. The functions follow the protocol of the generated kernels.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from evstream._support.protocol import NEED_INPUT, OUTPUT_FULL
from evstream.wire.columns import Array
from evstream.wire.header import StreamHeader


class FlatKernels:
    """The kernels of one stream. `buffer` is an array of bytes; `state` is not used."""

    LIMITED_COLUMNS: tuple[str, ...] = ()

    def __init__(self, header: StreamHeader) -> None:
        self._dtype = header.block_dtype
        self._columns = tuple(header.block_columns)
        self._row = None if header.block.row is None else header.block.row.name
        self._start = header.size
        self._keys = tuple(header.key_columns)

    def _fill(
        self, names: tuple[str, ...], buffer: Array, cursor: int, valid: int, base: int,
        columns: tuple[Array, ...], n: int,
    ) -> tuple[int, int, int]:  # fmt: skip
        """Copy fields of the whole records to rows n and on: (cursor, n, status). The number of a
        record follows from its place in the stream."""
        size = self._dtype.itemsize
        whole = max(0, (valid - cursor) // size)
        count = min(whole, len(columns[0]) - n)
        records = buffer[cursor : cursor + count * size].view(self._dtype)
        for name, column in zip(names, columns, strict=True):
            if name == self._row:
                first = (base + cursor - self._start) // size + 1
                column[n : n + count] = np.arange(first, first + count)
            else:
                column[n : n + count] = records[name]
        status = OUTPUT_FULL if count < whole else NEED_INPUT
        return cursor + count * size, n + count, status

    def decode_rows(
        self, buffer: Array, cursor: int, valid: int, base: int, state: Any, *rest: Any
    ) -> tuple[int, int, int]:
        """Decode buffer[cursor:valid] into one row per record; `rest` is the columns, and the
        first row. Returns (cursor, n, status)."""
        *columns, n = rest
        return self._fill(self._columns, buffer, cursor, valid, base, tuple(columns), n)

    def find_blocks(
        self, buffer: Array, cursor: int, valid: int, base: int, state: Any, *rest: Any
    ) -> tuple[int, int, int]:
        """Find the records in buffer[cursor:valid]: a row of ids, start and 0 entries each;
        `rest` is the columns of ids, start, entries and the first row."""
        *keys, start, entries, n = rest
        at, end, status = self._fill(self._keys, buffer, cursor, valid, base, tuple(keys), n)
        start[n:end] = base + cursor + np.arange(end - n) * self._dtype.itemsize
        entries[n:end] = 0
        return at, end, status

    def decode_blocks(
        self, buffer: Array, cursor: int, valid: int, base: int, state: Any, *rest: Any
    ) -> tuple[int, int, int, int]:
        """Decode buffer[cursor:valid] into blocks without entries; `rest` is the columns, offsets,
        the first block and its first entry. Returns (cursor, b, n, status)."""
        *columns, offsets, b, n = rest
        at, end, status = self._fill(self._columns, buffer, cursor, valid, base, tuple(columns), b)
        offsets[b : end + 1] = n
        return at, end, n, status

    def encode_blocks(
        self, buffer: Array, cursor: int, state: Any, *rest: Any
    ) -> tuple[int, int, int]:
        """Encode blocks b and on into buffer[cursor:]; `rest` is the columns, offsets, b and k.
        Returns (cursor, b, k)."""
        *columns, _, b, _ = rest
        size = self._dtype.itemsize
        count = max(0, min(len(columns[0]) - b, (len(buffer) - cursor) // size))
        records = buffer[cursor : cursor + count * size].view(self._dtype)
        for name, column in zip(self._columns, columns, strict=True):
            if name != self._row:
                records[name] = column[b : b + count]
        return cursor + count * size, b + count, -1
