"""Follow the blocks of a stream that a subclass parses.

An EventReader passes its bytes to a subclass, which may change them in place and returns only a
cursor. To know the ids at that cursor, whether an event is complete, and whether the stream ended
cleanly, the tracker runs `find_blocks` over each byte once, before the subclass sees it.

It keeps a table with a row per block: ids, start, number of entries. The rows of a read stay until
the next one, or as long as the window needs them. So every question about an offset is a binary
search in the column of starts. The block that is still open has no row; it is in the state of the
kernel. A record that a read cuts in two is carried over to the next.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from evstream._support.protocol import AT_HEADER, BAD_COUNT, IN_ENTRIES
from evstream.errors import CorruptStreamError, TruncatedStreamError
from evstream.reading.block_checks import BlockChecks
from evstream.reading.stream_end import bad_count, block_ids, check_end
from evstream.reading.width_trial import WidthTrial
from evstream.wire.columns import Array, differ, plain, run_starts
from evstream.wire.header import StreamHeader
from evstream.wire.kernels import block_kernels, new_states, read_only

AT_ONCE = 1024
"""Blocks that are searched at once for the ends of events."""


class EndedBlocks(NamedTuple):
    """Blocks that ended: the event of each, the stream offset of its start, and its number of
    entries."""

    events: Array
    starts: Array
    entries: Array


class BlockTracker:
    """Tracks one stream from its first byte after `skip` bytes of stream header.

    Attributes:
        offset: stream offset up to which bytes were seen.
        checks: the checks that every reader makes.
    """

    def __init__(
        self, header: StreamHeader, source: str, offset: int, skip: int = 0, strict: bool = False
    ) -> None:
        self.header = header
        self.offset = offset
        self._source = source
        self._skip = skip
        self._kernels = block_kernels(header)
        self._states = new_states(header)
        self.state = self._states[0]
        self.checks = BlockChecks(header, source, strict)
        self.checks.prepare(self.state)
        is_start = offset <= header.size == offset + skip
        self._trial = WidthTrial(source, header) if is_start else None
        if self._trial is not None:
            self._trial.take(header.to_bytes()[:offset])
        self._header_size = header.block_dtype.itemsize
        self._entry_size = header.entry_size
        self._delimiter_size = self._entry_size if header.block.delimiter else 0
        self._keys = list(header.key_columns)
        self._carry = b""
        self._rows = 0
        self._dropped_event: Any = None
        self._columns: list[Any] = [np.empty(0, np.int64) for _ in range(len(self._keys) + 2)]
        self.blocks = 0

    def see(self, data: Any, keep: int | None = None) -> None:
        """Follow the next bytes (uint8 array). Blocks from offset `keep` on stay in the table, by
        default none.

        Raises CorruptStreamError, with the offset up to which the bytes are good."""
        if self._trial is None:
            self._see(data, keep)
            return
        self._trial.take(data)
        self._trial.judge(strict=self.checks.strict)
        try:
            self._see(data, keep)
        except CorruptStreamError as error:
            raise self._trial.cause_of(error) from None
        if self._trial.is_over:
            self._trial = None

    def _see(self, data: Any, keep: int | None) -> None:
        if keep is None:
            self._rows = 0
        self._make_room(len(data), keep or 0)
        if self._skip:
            skipped = min(self._skip, len(data))
            self._skip -= skipped
            self.offset += skipped
            data = data[skipped:]
        if self._carry:
            data = self._complete_carry(data)
            if self._carry:
                return  # the record is still not whole
        used = self._find(data, self.offset)
        self._carry = data[used:].tobytes()
        self.offset += len(data)

    def _make_room(self, size: int, keep: int) -> None:
        """Make rows for the blocks of `size` bytes, after the rows from offset `keep` on."""
        smallest = self._header_size + self._delimiter_size
        new = size // smallest + 3
        if self._rows + new <= len(self._columns[0]):
            return
        last = self._rows  # keep also the block at `keep`, or the one before it
        first = max(int(self._columns[-2][:last].searchsorted(keep, "right")) - 1, 0)
        kept = self._rows = max(last - first, 0)
        columns = self._columns
        if first > 0:
            self._dropped_event = plain(columns[0][first - 1])
        if 2 * kept + new > len(columns[0]):  # and more, so as not to move them at each call
            dtypes = [self.state.dtype[f"{n}_"] for n in self._keys] + [np.dtype(np.int64)] * 2
            self._columns = [np.empty(2 * kept + new + new // 4, dtype) for dtype in dtypes]
        for column, old in zip(self._columns, columns, strict=True):
            column[:kept] = old[first:last]

    def _complete_carry(self, data: Any) -> Any:
        """Complete the record that the last read cut in two; the bytes after it."""
        carry = np.frombuffer(self._carry, np.uint8)
        head = np.concatenate([carry, data[: self.checks.size]])
        used = self._find(head, self.offset - len(carry))
        if used <= len(carry):
            self._carry = self._carry[used:] + data.tobytes()
            self.offset += len(data)
            return data[:0]
        taken = used - len(carry)
        self._carry = b""
        self.offset += taken
        return data[taken:]

    def _find(self, data: Any, base: int, ended: bool = False) -> int:
        """Add the blocks in `data`, at stream offset `base`; the number of bytes used."""
        before = self._rows
        used, self._rows, status = self._kernels.find_blocks(
            read_only(data), 0, len(data), base, self._states, *self._columns, self._rows
        )
        error: CorruptStreamError | None = None
        if status == BAD_COUNT:
            start = int(self.state["start"])
            error = bad_count(self.header, data[start - base :], self._source, start)
            if self.checks.is_word(data[start - base :]):
                error = self.checks.second_stream(start)
        elif beyond := int(self.state["beyond"]):
            self.state["beyond"] = 0
            if self.checks.is_word(data[beyond - base :]):
                error = self.checks.second_stream(beyond)
        odd = self.checks.take_odd(self.state)
        refused = self._check(data, base, before, ended) if odd else None
        if refused is not None:
            start, refusal = refused
            if refusal is None:  # what follows decides, so this block header comes again
                self.state["phase"] = AT_HEADER
                used = start - base
            elif error is None or start <= (error.offset or 0):
                error = refusal
        if error is not None:
            raise error
        self.blocks += self._rows - before
        return int(used)

    def _check(
        self, data: Any, base: int, first: int, ended: bool
    ) -> tuple[int, CorruptStreamError | None] | None:
        """(offset, error) of the first block that the checks of every reader refuse."""
        last = self._rows
        if self.is_open:  # its ids take the next free row, for as long as this takes
            for name, column in zip(self._keys, self._columns, strict=False):
                column[last] = self.state[f"{name}_"]
            self._columns[-2][last] = self.state["start"]
            self._columns[-1][last] = self.state["entries"]
            last += 1
        keys = [column[first:last] for column in self._columns[:-2]]
        starts, entries = (column[first:last] for column in self._columns[-2:])

        refused = self.checks.look_at(
            keys, lambda: entries, self.is_open, lambda row: int(starts[row]), data, base, ended
        )
        if refused is None:
            return None
        start = int(starts[refused[0]])
        self._rows = min(self._rows, first + refused[0])
        return start, refused[1]

    @property
    def is_open(self) -> bool:
        """Whether the last byte seen lies inside a block."""
        return bool(self.state["phase"] == IN_ENTRIES)

    @property
    def open_event(self) -> Any:
        """The event of the open block."""
        return self.state[f"{self.header.event_column}_"]

    @property
    def ended(self) -> EndedBlocks:
        """The blocks that ended in the bytes seen last."""
        rows = self._rows
        return EndedBlocks(*(self._columns[i][:rows] for i in (0, -2, -1)))

    @property
    def carry(self) -> bytes:
        """The last bytes seen, which are less than a record: `offset` lies at their end."""
        return self._carry

    @property
    def has_entries(self) -> bool:
        """Whether blocks of this stream have entries at all."""
        return self._entry_size > 0

    @property
    def has_blocks(self) -> bool:
        """Whether any block header was seen."""
        return self.blocks > 0 or self.is_open

    def ids_at(self, offset: int) -> dict[str, Any]:
        """The ids of the block that `offset` lies inside of, {} between two blocks."""
        row, inside = self._row_at(offset)
        if inside:
            columns = zip(self._keys, self._columns, strict=False)
            return {name: plain(column[row]) for name, column in columns}
        if self.is_open and int(self.state["start"]) + self._header_size <= offset:
            return block_ids(self.header, self.state)
        return {}

    def ends_after(self, offset: int) -> tuple[list[int], list[Any]]:
        """Where events end after `offset`: stream offsets of blocks that belong to another event
        than the one before, and the event before. Those of a number of blocks only, but at least
        one if any is known."""
        starts, events = self._columns[-2][: self._rows], self._columns[0]
        first = max(int(starts.searchsorted(offset, "right")), 1)  # the first that may begin one
        for row in range(first, self._rows, AT_ONCE):
            some = events[row - 1 : min(row + AT_ONCE, self._rows)]
            rows = differ(some[1:], some[:-1]).nonzero()[0]
            if len(rows):
                return starts[rows + row].tolist(), some[rows].tolist()
        start = int(self.state["start"])
        if self._rows and self.is_open and start > offset:
            last = events[self._rows - 1]
            if differ(self.open_event, last):
                return [start], [plain(last)]
        return [], []

    def events_between(self, first: int, last: int) -> list[Any]:
        """Event ids of the blocks that begin before `last` and are not over by `first`, and of the
        one before them; of those that are no longer in the table only the last."""
        starts = self._columns[-2][: self._rows]
        begin = int(starts.searchsorted(first)) - 1
        events = self._columns[0][max(begin, 0) : int(starts.searchsorted(last))]
        found: list[Any] = events[run_starts(events)].tolist()
        if begin < 0 and self._dropped_event is not None:
            found.insert(0, self._dropped_event)
        if self.is_open and int(self.state["start"]) < last:
            found.append(plain(self.open_event))
        return found

    def is_between_records(self, offset: int) -> bool:
        """Whether `offset` lies between two records, or two fields of a block header."""
        row, _ = self._row_at(offset)
        starts = self._columns[-2]
        start = int(starts[row]) if row < self._rows else int(self.state["start"])
        if offset <= start or (row == self._rows and not self.is_open):
            return True
        if offset < start + self._header_size:
            fields: Any = self.header.block_dtype.fields
            return offset - start in {place[1] for place in fields.values()}
        return not self._entry_size or (offset - start - self._header_size) % self._entry_size == 0

    def _row_at(self, offset: int) -> tuple[int, bool]:
        """The row of the block that holds `offset` or is the next after it, and whether
        `offset` lies inside of it, after its header."""
        starts, entries = self._columns[-2][: self._rows], self._columns[-1]
        row = int(starts.searchsorted(offset, side="right")) - 1
        if row < 0 or starts[row] == offset:
            return max(row, 0), False
        body = int(starts[row]) + self._header_size
        end = body + int(entries[row]) * self._entry_size + self._delimiter_size
        return (row, body <= offset) if offset < end else (row + 1, False)

    def check_end(self) -> TruncatedStreamError | None:
        """Judge the end of the stream here; see stream_end.check_end."""
        if self._skip:
            return None  # the rest of a stream header, which was not needed
        if self._trial is not None:
            self._trial.judge(ended=True, strict=self.checks.strict)
        if self._carry:
            data = np.frombuffer(self._carry, np.uint8)
            used = self._find(data, self.offset - len(data), ended=True)
            self._carry = self._carry[used:]
        offset = self.offset - len(self._carry)
        self.checks.refuse_opening(self._carry, offset)
        return check_end(self.header, self.state, offset, self._carry, self._source)
