"""Bytes -> rows, without any I/O: the kernel `decode_rows` writes into the columns of the caller.

The kernel flags a stretch that needs a closer look (see `block_checks`) without saying where.
Such a stretch is decoded again, as blocks, and so is the next one: the checks, their errors and
where rows end before an error are those of `Decoder`. Nearly all stretches are decoded once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from evstream._support.protocol import BAD_COUNT, OUTPUT_FULL
from evstream.reading.decoder import Decoder
from evstream.reading.ids import Wanted
from evstream.reading.unshown_blocks import UnshownBlocks
from evstream.reading.window import Window
from evstream.wire.columns import Array, keep_blocks, kept, to_rows
from evstream.wire.header import StreamHeader


class RowOutput:
    """Columns that rows are decoded into; `used` rows of them are. Doubled when they are full.

    Attributes:
        columns: one array per column of rows, in wire order, all of one length.
        used: number of rows in them.
        unshown: counts the blocks that rows do not show.
    """

    def __init__(self, header: StreamHeader, rows: int, names: Sequence[str] | None = None) -> None:
        """`names` are the columns, if not all: such an output takes rows by `append` alone."""
        self._header, self._dtypes = header, header.row_columns
        if names is not None:
            self._dtypes = {name: self._dtypes[name] for name in names}
        self.columns = self._empty(max(rows, 1))
        self.used = 0
        self.unshown = UnshownBlocks(header)

    def _empty(self, rows: int) -> tuple[Array, ...]:
        return tuple(np.empty(rows, dtype) for dtype in self._dtypes.values())

    @property
    def room(self) -> int:
        """Number of rows that fit."""
        return len(self.columns[0]) - self.used

    def make_room(self) -> None:
        """Make room for more rows once the columns are full."""
        grown = self._empty(2 * self.used)
        for new, old in zip(grown, self.columns, strict=True):
            new[: self.used] = old
        self.columns = grown

    def append(self, rows: dict[str, Array]) -> None:
        """Add rows that were decoded elsewhere."""
        at, count = 0, len(next(iter(rows.values())))
        while at < count:
            if not self.room:
                self.make_room()
            size = min(self.room, count - at)
            for column, new in zip(self.columns, rows.values(), strict=True):
                column[self.used : self.used + size] = new[at : at + size]
            at, self.used = at + size, self.used + size

    def end_stream(self, source: str) -> None:
        """Warn of blocks of the stream `source` that the rows do not show; what follows is of
        another one."""
        self.unshown.warn(source)
        self.unshown = UnshownBlocks(self._header)

    def rows(self) -> dict[str, Array]:
        """The rows by column; copies where views would hold on to much more than they show."""
        columns = zip(self._dtypes, self.columns, strict=True)
        return {name: kept(column, self.used) for name, column in columns}


class BatchOutput(RowOutput):
    """Rows in batches of `rows`: columns that are full are put aside, others take their place."""

    def __init__(self, header: StreamHeader, rows: int) -> None:
        super().__init__(header, rows)
        self._full: list[dict[str, Array]] = []

    def make_room(self) -> None:
        self._full.append(self.rows())
        self.columns = self._empty(self.used)
        self.used = 0

    def take_full(self) -> list[dict[str, Array]]:
        """The batches that were put aside since the last call."""
        full, self._full = self._full, []
        return full


class RowDecoder(Decoder):
    """The state of one stream between two windows, when rows are made of it."""

    def __init__(
        self,
        header: StreamHeader,
        source: str,
        strict: bool,
        out: RowOutput,
        wanted: Wanted | None = None,
    ) -> None:
        super().__init__(header, source, strict)
        self._out, self._wanted = out, wanted
        self._state["entries"] = -1  # there is no block yet that could be empty

    def decode_rows(self, window: Window, ended: bool = False) -> None:
        """Decode all whole records of the window into rows of the output, up to the first record
        that cannot be accepted; arguments as for `decode`."""
        if not self._needs_blocks() and self._decode_plain(window):
            return
        chunk = self.decode(window, ended)
        self._out.unshown.count_chunk(chunk)
        if self._wanted is not None:
            chunk = keep_blocks(chunk, self._wanted.among(chunk.columns.block[0]))
        self._out.append(to_rows(self.header, chunk.columns, chunk.skipped))

    def _needs_blocks(self) -> bool:
        """Whether the checks look at the blocks of the next stretch in any case."""
        some = self._wanted is not None
        return some or self.header.block.entry is None or self.checks.was_odd

    def _decode_plain(self, window: Window) -> bool:
        """Decode the window by the row kernel. False where it flags a stretch; the window and
        the output are then at its beginning."""
        out, state = self._out, self._state
        status = OUTPUT_FULL
        while status == OUTPUT_FULL:
            if not out.room:
                out.make_room()
            before = self._states.copy()
            cursor, used, status = map(int, self._kernels.decode_rows(
                window.buffer, window.cursor, window.valid, window.base, self._states,
                *out.columns, out.used,
            ))  # fmt: skip
            if state["odd"] or state["beyond"] or status == BAD_COUNT:
                self._states[:] = before
                return False
            window.cursor, out.used = cursor, used
            out.unshown.take_counts(state)
        return True
