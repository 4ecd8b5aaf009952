"""The checks that every reader makes, beyond parsing.

Bytes that no program wrote may parse as blocks: zero bytes where a write was lost look like empty
blocks of event 0, and a second stream after the first looks like an event whose id is the type
word. Both show in the ids of blocks. The kernels compare the ids as they pass, which costs little,
and set a flag. Only where the flag is set does this module look closer, at the blocks of that
stretch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from evstream.errors import (
    CorruptStreamError,
    HoleWarning,
    SecondStreamError,
    SuspectWarning,
    plain_id,
    warn,
)
from evstream.reading.block_places import BlockPlaces
from evstream.reading.openings import RARE, WORD, Openings
from evstream.wire.columns import Array
from evstream.wire.header import StreamHeader


class BlockChecks:
    """Checks the blocks of one stream, stretch by stretch.

    Attributes:
        strict: whether a hole is an error.
        holes: number of blocks of zero bytes.
        reserved: number of other blocks with an id that identifies nothing.
        was_odd: whether a kernel flagged a block in the last stretch.
        places: where the bytes are, of a stream that is made of two files; None for others.
    """

    def __init__(self, header: StreamHeader, source: str, strict: bool = False) -> None:
        self.strict = strict
        self.holes = self.reserved = 0
        self._source = source
        self._openings = Openings(header)
        fields = [f for f in header.column_fields if f.name in header.key_columns]
        self._record = header.block_dtype
        self._names = [f.name for f in fields]
        self._reserved = [tuple(sorted(f.reserved)) for f in fields]
        self._first_hole: int | None = None
        self._first_reserved: tuple[int, dict[str, Any]] | None = None
        self.places: BlockPlaces | None = None
        self._bare = header.block.entry is None  # few, and no kernel looks at them
        self.was_odd = False
        self._first = header.size

    def look_at(
        self,
        keys: list[Array],
        counts: Callable[[], Array],
        is_open: bool,
        start_of: Callable[[int], int],
        buffer: Array,
        base: int,
        ended: bool = False,
    ) -> tuple[int, CorruptStreamError | None] | None:
        """Check the blocks of a stretch.

        Args:
            keys: their ids, one array per key column.
            counts: called if needed: number of entries of each block, with those that came before
                the stretch.
            is_open: whether the last one may go on after the stretch.
            start_of: index of a block -> stream offset of its header.
            buffer: the bytes in memory, uint8.
            base: stream offset of buffer[0]; blocks that start before it were checked before.
            ended: whether no byte follows the stretch.

        Returns:
            None if all blocks are good. Else the index of the first bad block and the error to
            raise for it, or None as the error if the next bytes have to decide.
        """
        blocks = len(keys[0])
        if not blocks:
            return None
        refused = None

        def odd(rows: Array) -> Array:
            at = np.array([start_of(row) for row in rows.tolist()], np.int64) - base
            later: Array = (at >= 0) & (at != self._first - base)
            later &= self._openings.odd_entries(buffer, at)
            return later

        for row in map(int, self._openings.candidates(keys[0], odd)):
            start = start_of(row)
            if start < base:
                continue
            data = buffer[start - base : start - base + self.size].tobytes()
            second = self._openings.is_second(data, ended)
            if second is not False:
                refused = row, self.second_stream(start) if second else None
                break
        closed = blocks - int(is_open) if refused is None else refused[0]
        if not closed:
            return refused
        hole = self._find_reserved([key[:closed] for key in keys], counts, start_of, buffer, base)
        if hole is not None and self.strict:
            return hole, self._hole(start_of(hole))
        return refused

    def refuse_opening(
        self, data: bytes, offset: int, ids: Mapping[str, Any] | None = None
    ) -> None:
        """Raise SecondStreamError if the last bytes of the stream, less than a record, open one;
        `ids` as for `second_stream`."""
        if self.is_word(data):
            raise self.second_stream(offset, ids)

    def is_word(self, data: Any) -> bool:
        """Whether an entry above `limit` is the opening of a stream, after a block that nobody
        closed."""
        return self._openings.is_word(bytes(data[: WORD.itemsize]))

    def prepare(self, state: Any) -> None:
        """Set in the state of a kernel which block headers and entries are suspect."""
        openings = self._openings
        state["limit"], state["rare"] = openings.limit, RARE
        state["common"] = openings.common or 0
        state["odd"] = self._bare

    def take_odd(self, state: Any) -> bool:
        """Whether a kernel flagged a block in this stretch or the last one."""
        found, state["odd"] = bool(state["odd"]), self._bare
        look, self.was_odd = found or self.was_odd, found
        return look

    @property
    def size(self) -> int:
        """Bytes from the start of a block that the check needs."""
        return self._openings.size

    def second_stream(self, offset: int, ids: Mapping[str, Any] | None = None) -> SecondStreamError:
        """The error for a second stream that starts at `offset`, with the ids of a block that
        has no entry before it."""
        return SecondStreamError(
            "a second stream starts here",
            source=self._source, offset=offset, ids=ids,
            expected="one stream; `evstream merge A B ... OUT` joins several",
        )  # fmt: skip

    def _hole(self, offset: int) -> CorruptStreamError:
        return CorruptStreamError(
            "zero bytes where a block should be", source=self._source, offset=offset,
            expected="a block with ids above 0",
        )  # fmt: skip

    def _find_reserved(
        self,
        keys: list[Array],
        counts: Callable[[], Array],
        start_of: Callable[[int], int],
        buffer: Array,
        base: int,
    ) -> int | None:
        """Count blocks with reserved ids; the index of the first hole among them."""
        suspect: Array | None = None
        for key, reserved in zip(keys, self._reserved, strict=True):
            for value in reserved:
                found = key == value
                suspect = found if suspect is None else suspect | found
        if suspect is None or not suspect.any():
            return None
        holes = suspect & (counts()[: len(suspect)] == 0)
        for key in keys:
            holes &= key == (b"" if key.dtype.kind == "S" else 0)
        if self._bare and holes.any():
            holes &= self._are_zeros(buffer[start_of(0) - base :], len(holes))
        others = np.flatnonzero(suspect & ~holes)
        if len(others) and not self.reserved:
            row = int(others[0])
            ids = {n: plain_id(key[row]) for n, key in zip(self._names, keys, strict=True)}
            self._first_reserved = start_of(row), ids
        self.reserved += len(others)
        first = int(np.argmax(holes)) if holes.any() else None
        if first is not None and self._first_hole is None:
            self._first_hole = start_of(first)
        self.holes += int(holes.sum())
        return first

    def _are_zeros(self, data: Array, count: int) -> Array:
        """Which of the first `count` records of `data` are zero bytes alone. Blocks without entries
        may have floats besides their ids."""
        size = self._record.itemsize
        some: Array = np.any(data[: count * size].reshape(count, size), axis=1)
        return ~some

    def follow(self, before: BlockChecks) -> None:
        """Count what was found in the bytes before those that were checked here."""
        self.holes += before.holes
        self.reserved += before.reserved
        if before._first_hole is not None:
            self._first_hole = before._first_hole
        self._first_reserved = before._first_reserved or self._first_reserved

    def finish(self, strict: bool = False) -> None:
        """Warn of holes and reserved ids, at the end of the stream.

        Raises CorruptStreamError for a hole if `strict`.
        """
        if self._first_hole is not None:
            if strict:
                raise self._hole(self._first_hole)
            name, at = self._place(self._first_hole)
            warn(
                f"blocks of zero bytes alone ({self.holes} in the stream): a write or copy was lost"
                " there",
                HoleWarning, source=name, offset=at,
            )  # fmt: skip
        if self._first_reserved is not None:
            offset, ids = self._first_reserved
            name, at = self._place(offset)
            warn(
                f"a block whose id identifies nothing ({self.reserved} in the stream)",
                SuspectWarning, source=name, offset=at, ids=ids,
            )  # fmt: skip

    def _place(self, offset: int) -> tuple[str, int]:
        """The file and the byte in it, of a byte of the stream."""
        return (self._source, offset) if self.places is None else self.places.place(offset)
