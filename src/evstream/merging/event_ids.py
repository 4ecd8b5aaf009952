"""The event ids of the inputs of a merge: who has which, and whether they ascend."""

from __future__ import annotations

from typing import Any

import numpy as np

from evstream.wire.columns import Array, differ, plain


class EventIds:
    """A set of event ids, each with the number of the input that has it.

    It is kept as sorted arrays, of which two of similar size become one: a few arrays at any time,
    12 bytes per id, and each id is moved only as often as the set doubles."""

    def __init__(self) -> None:
        self._parts: list[tuple[Array, Array]] = []

    def add(self, events: Array, owner: int) -> None:
        """Add sorted ids of one input."""
        self._push(events, np.full(len(events), owner, np.int32))

    def update(self, other: EventIds) -> None:
        """Add all ids of another set."""
        for events, owners in other._parts:
            self._push(events, owners)

    def find(self, events: Array) -> tuple[Any, int] | None:
        """The first of some sorted ids that is in the set, and who has it."""
        found = []
        for known, owners in self._parts:
            at = np.searchsorted(known, events)
            hits = np.flatnonzero(~differ(known[np.minimum(at, len(known) - 1)], events))
            if len(hits):
                found.append((plain(events[hits[0]]), int(owners[at[hits[0]]])))
        return min(found, default=None)

    def _push(self, events: Array, owners: Array) -> None:
        while self._parts and len(self._parts[-1][0]) < 2 * len(events):
            older, their_owners = self._parts.pop()
            events, owners = np.concatenate([older, events]), np.append(their_owners, owners)
            order = np.argsort(events, kind="stable")
            events, owners = events[order], owners[order]
        if len(events):
            self._parts.append((events, owners))


def descent_in(events: Array, last: Any) -> int | None:
    """The index of the first block whose event id is below the one before it; `last` is the
    event id before the first."""
    if last is not None and events[0] < last:
        return 0
    falls = np.flatnonzero(events[1:] < events[:-1])
    return int(falls[0]) + 1 if len(falls) else None
