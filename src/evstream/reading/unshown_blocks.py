"""Blocks that leave no trace in the rows of a stream, and the warning that says so.

A block without entries has no row, and two blocks of the same ids that follow one another look
like one. Rows of such a stream, written back, give another stream.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from evstream._support.words import counted
from evstream.errors import RowsWarning, warn
from evstream.wire.columns import Chunk, differ
from evstream.wire.header import StreamHeader


class UnshownBlocks:
    """Counts such blocks, from one stretch of the stream to the next.

    A block counts when the next one begins, the last one at the end of the stream. Each stretch
    is counted from its chunk, or by the kernel that decoded it.
    """

    def __init__(self, header: StreamHeader) -> None:
        self._has_entries = header.block.entry is not None
        self._is_numbered = header.block.index is not None
        columns = header.block_columns
        self._keys = [i for i, name in enumerate(columns) if name in header.key_columns]
        self._key_fields = [f"{name}_" for name in header.key_columns]
        self._last: list[Any] | None = None
        self._last_entries = 0
        self._empty = 0
        self._merged = 0

    def count_chunk(self, chunk: Chunk) -> None:
        """Count the blocks of a chunk."""
        columns = chunk.columns
        counts = np.diff(columns.offsets)
        if not self._has_entries or not len(counts):
            return
        keys = [columns.block[i] for i in self._keys]
        first = [key[0] for key in keys]
        if chunk.continues:
            counts[0] += chunk.skipped
        elif self._last is not None:
            self._empty += self._last_entries == 0
            self._merged += not any(map(differ, first, self._last))
        self._empty += int((counts[:-1] == 0).sum())
        same = ~np.logical_or.reduce([differ(key[1:], key[:-1]) for key in keys])
        self._merged += int(same.sum())
        self._last = [key[-1] for key in keys]
        self._last_entries = int(counts[-1])

    def take_counts(self, state: Any) -> None:
        """Take over what the kernel `decode_rows` has counted in its state."""
        self._empty += int(state["empty"])
        self._merged += int(state["merged"])
        state["empty"] = state["merged"] = 0
        if state["entries"] >= 0:
            self._last = [state[name] for name in self._key_fields]
            self._last_entries = int(state["entries"])

    def follow(self, before: UnshownBlocks, first_block: Any) -> None:
        """Count the blocks of the stretch before this one as well; `first_block` is the header of
        the first block here, as a record; None without any."""
        if first_block is None:
            self._last, self._last_entries = before._last, before._last_entries
        elif before._last is not None:
            names = [name.removesuffix("_") for name in self._key_fields]
            first = [first_block[name] for name in names]
            self._empty += before._last_entries == 0
            self._merged += not any(map(differ, first, before._last))
        self._empty += before._empty
        self._merged += before._merged

    def warn(self, source: str) -> None:
        """At the end of the stream, warn with RowsWarning if there are any."""
        if self._last is not None:
            self._empty += self._last_entries == 0
        found = []
        if self._empty:
            verb = "has" if self._empty == 1 else "have"
            found.append(f"{counted(self._empty, 'block')} without entries, which {verb} no row")
        if self._merged and not self._is_numbered:
            blocks = counted(self._merged, "block")
            found.append(f"{blocks} that rows cannot distinguish from the one before")
        if found:
            warn(f"the stream has {' and '.join(found)}", RowsWarning, source=source)
