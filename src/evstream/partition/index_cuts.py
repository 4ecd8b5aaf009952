"""Where a file can be cut by its index, for streams whose layout does not show it.

An index may be that of another file. So each cut is looked at before it is used: the block there
must be of the event that the index says. A part that then does not end with a block is an error.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from evstream.errors import StaleIndexError
from evstream.indexing.files import find_index, index_path
from evstream.indexing.index import EXPECTED, Index
from evstream.transport.range_file import FileFacts, RangeFile, is_url, shown
from evstream.wire.columns import Array, differ
from evstream.wire.header import StreamHeader


class IndexCuts(NamedTuple):
    """Places between two blocks, ascending; the last is the end of the file.

    Attributes:
        offsets: int64.
        begins_event: whether the block there is of another event than the one before.
        events: event of the block there; of the end none, so one shorter.
    """

    offsets: Array
    begins_event: Array
    events: Array

    def at(self, offset: int, whole_events: bool) -> int:
        """The first place at or after `offset`; for `whole_events` one where an event begins."""
        offsets = self.offsets[self.begins_event] if whole_events else self.offsets
        return int(offsets[np.searchsorted(offsets, offset)])

    def check(self, file: RangeFile, header: StreamHeader, offset: int) -> None:
        """Raise StaleIndexError if the block at a place is not the one that was indexed."""
        number = int(np.searchsorted(self.offsets, offset))
        if number == len(self.events):
            return
        data = bytearray(min(header.block_dtype.itemsize, file.size - offset))
        file.read_at(offset, memoryview(data))
        is_whole = len(data) == header.block_dtype.itemsize
        found = np.frombuffer(data, header.block_dtype)[header.event_column] if is_whole else None
        if found is None or differ(found, self.events[number : number + 1]).any():
            raise StaleIndexError(
                "the block here is not the one in the index", source=file.name, offset=offset,
                expected=EXPECTED,
            )  # fmt: skip


def cuts_of(
    path: str, file: RangeFile, header: StreamHeader, options: Mapping[str, Any] | None
) -> IndexCuts:
    """The cuts of a file by the index next to it.

    Raises StaleIndexError if that is gone, or is not of this file.
    """
    facts = FileFacts(file.size, file.tag)
    if options is not None:  # which need not be hashable
        return _read(path, facts, header, options)
    place = index_path(path)
    state = os.stat(place) if not is_url(path) and os.path.exists(place) else None
    key = (path, facts, state and (state.st_ino, state.st_mtime_ns, state.st_size))
    with _LOCK:
        if _LAST.get("key") != (key, header):
            _LAST.update(key=(key, header), cuts=_read(path, facts, header, None))
        cuts: IndexCuts = _LAST["cuts"]
    return cuts


_LAST: dict[str, Any] = {}
"""The cuts that were read last: the parts of a file come one after the other."""

_LOCK = threading.Lock()


def _read(
    path: str, facts: FileFacts, header: StreamHeader, options: Mapping[str, Any] | None
) -> IndexCuts:
    index = find_index(path, options, header.format)
    name = shown(index_path(path))
    if index is None:
        raise StaleIndexError("the index is gone since the parts were planned", source=name)
    found = index.header
    is_same = (found.stream, found.values, found.used_widths) == (
        header.stream, header.values, header.used_widths,
    )  # fmt: skip
    if index.size != facts.size or not is_same:
        raise StaleIndexError(
            f"the index is of another file: {index.size} bytes, {found.stream}", source=name,
            expected=EXPECTED,
        )  # fmt: skip
    return _cuts(index)


def _cuts(index: Index) -> IndexCuts:
    offsets, events = index.stretches.offset, index.stretches.first
    if index.runs is not None and index.run_offsets is not None:
        offsets = np.concatenate([offsets, index.run_offsets])
        events = np.concatenate([events, index.runs])
        offsets, firsts = np.unique(offsets, return_index=True)
        events = events[firsts]
    cuts = index.cuts()
    return IndexCuts(cuts.offsets, cuts.begins_event, events)
