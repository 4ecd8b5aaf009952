"""Where a file can be cut without an index: block starts that are certain.

Where the header of a block and its entries have the same size, a stream is a row of slots of this
size after the stream header. Each slot is a block header, an entry, or a delimiter, which is an
entry with a certain value v in one field (sidx 0). Let m(k) be the bytes of slot k at the place of
that field, whatever the slot is. Then

    if m(k) = v and m(k - 1) != v, slot k is a delimiter, and slot k + 1 starts a block.

Proof. Suppose slot k is a block header. It is not the first slot of the stream, since slot k - 1
exists; so it follows a delimiter, whose m is v, but m(k - 1) != v. Hence slot k is no header. It is
then an entry or a delimiter, and among these v marks the delimiter. (It does not matter what slot
k - 1 is.) The proof uses no value of a loss and no rule: it holds for every sequence of bytes that
a reader would take apart slot by slot, valid or not.

A delimiter that follows a slot with m = v is passed over, since it might be a header with a first
id of v. So not every block start is found, but none is found that is none. Blocks without entries
(a list of event ids) start at each slot.

B(a) is the first such start at or after byte a, or the end of the file. It depends on the bytes of
the file and on a alone, so whoever reads up to B(a) and whoever reads from there on agree.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from evstream.transport.range_file import RangeFile
from evstream.wire.columns import Array, differ
from evstream.wire.header import StreamHeader
from evstream.wire.kernels import block_kernels, new_states, read_only

FIRST_READ = 1 << 16
"""Bytes of the first read of a search, enough for nearly all."""

LARGEST_READ = 1 << 22
"""Bytes of the later ones at most."""


def self_splitting(header: StreamHeader) -> bool:
    """Whether a stream can be cut into parts without an index, by its layout."""
    block = header.block
    if block.entry is None:
        return True
    return block.match is not None and header.block_dtype.itemsize == header.entry_size


def block_start(file: RangeFile, header: StreamHeader, offset: int, limit: int) -> int | None:
    """B(offset): the first sure start of a block at or after `offset`, the size of the file if
    there is none; None if it is not below `limit`, which bounds the search."""
    first, slot = header.size, header.block_dtype.itemsize
    if offset <= first:
        return first
    number = -(-(offset - first) // slot)
    if header.block.match is None:
        return _below(min(first + number * slot, file.size), limit)
    # Slot k starts a block if slot k - 1 is a delimiter, which slot k - 2 has to show.
    at = first + max(number - 2, 0) * slot
    mark, value = header.block.match
    for start, slots in _slots(file, header, at, limit):
        is_mark = slots[mark] == value
        found = is_mark[1:] & ~is_mark[:-1]
        if found.any():
            return _below(start + (int(np.argmax(found)) + 2) * slot, limit)
    return _below(file.size, limit)


def _below(offset: int, limit: int) -> int | None:
    return offset if offset < limit else None


def _slots(file: RangeFile, header: StreamHeader, at: int, limit: int) -> Iterator[tuple[int, Any]]:
    """(offset, entries) of stretches of slots, each with the last slot of the one before, up to the
    end of the file or the slot whose next one starts at or after `limit`."""
    dtype = header.entry_dtype
    assert dtype is not None
    size, slot = FIRST_READ, dtype.itemsize
    end = min(file.size, limit)
    while end - at >= 2 * slot:
        data = bytearray(min(size, end - at) // slot * slot)
        file.read_at(at, memoryview(data))
        yield at, np.frombuffer(data, dtype)
        at += len(data) - slot
        size = min(2 * size, LARGEST_READ)


def event_start(file: RangeFile, header: StreamHeader, start: int, limit: int) -> int | None:
    """The first block after the one at `start` whose event is another one than that of the block
    before it; the size of the file if there is none; None if it is not up to `limit`.

    `start` is the start of a block or the end of the file.
    """
    last: Any = None
    blocks = _blocks if header.block.entry is not None else _records
    for events, starts in blocks(file, header, start, limit):
        known = events if last is None else np.concatenate([[last], events])
        changes = np.flatnonzero(differ(known[1:], known[:-1]))
        if len(changes):
            found = int(starts[changes[0] + (last is None)])
            return found if found <= limit else None
        last = events[-1]
    return file.size if file.size <= limit else None


def event_at(file: RangeFile, header: StreamHeader, start: int) -> Any:
    """The event of the block at `start`."""
    data = bytearray(header.block_dtype.itemsize)
    file.read_at(start, memoryview(data))
    return np.frombuffer(data, header.block_dtype)[0][header.event_column].item()


def _records(
    file: RangeFile, header: StreamHeader, at: int, limit: int
) -> Iterator[tuple[Array, Array]]:
    """As `_blocks`, for blocks that are their header alone."""
    dtype = header.block_dtype
    size = FIRST_READ
    while file.size - at >= dtype.itemsize and at <= limit:
        data = bytearray(min(size, file.size - at) // dtype.itemsize * dtype.itemsize)
        file.read_at(at, memoryview(data))
        records = np.frombuffer(data, dtype)
        yield records[header.event_column], at + np.arange(len(records)) * dtype.itemsize
        at += len(data)
        size = min(2 * size, LARGEST_READ)


def _blocks(
    file: RangeFile, header: StreamHeader, at: int, limit: int
) -> Iterator[tuple[Array, Array]]:
    """(events, offsets) of the blocks from `at` on, stretch by stretch, at least of those that
    start up to `limit`; each block once, as soon as its header is there."""
    kernels, states = block_kernels(header), new_states(header)
    state = states[0]
    keys = [state.dtype[f"{name}_"] for name in kernels.KEY_COLUMNS]
    smallest = header.block_dtype.itemsize + (header.entry_size if header.block.delimiter else 0)
    size, carry, seen = FIRST_READ, b"", at - 1
    end = min(file.size, limit + header.block_dtype.itemsize)
    while at < end and seen <= limit:
        piece = bytearray(min(size, file.size - at))
        file.read_at(at, memoryview(piece))
        base, data = at - len(carry), read_only(np.frombuffer(carry + piece, np.uint8))
        rows = len(data) // smallest + 2
        columns = [np.empty(rows, dtype) for dtype in [*keys, np.int64, np.int64]]
        found = kernels.find_blocks(data, 0, len(data), base, states, *columns, 0)
        used, count, _ = map(int, found)
        events, starts = columns[0][:count], columns[-2][:count]
        if int(state["phase"]):  # the block that is open
            events = np.append(events, state[f"{header.event_column}_"].astype(events.dtype))
            starts = np.append(starts, state["start"])
        is_new = starts > seen
        if is_new.any():
            yield events[is_new], starts[is_new]
            seen = int(starts[-1])
        at, carry = at + len(piece), data[used:].tobytes()
        size = min(2 * size, LARGEST_READ)
