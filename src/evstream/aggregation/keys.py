"""Keys to groups: a hash table that numbers each key when it first comes."""

from __future__ import annotations

import numpy as np

from evstream.aggregation.kernels import find_groups
from evstream.wire.columns import Array

FIRST = 1 << 10
"""Groups to make room for at first."""

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
"""An odd number whose bits are mixed: ids that follow one another spread over the table."""


class KeyTable:
    """Keys of several int64 columns, each with the number of its group, from 0 in order of their
    coming.

    Attributes:
        used: number of groups.
        room: number of groups that there is room for; it grows by itself.
    """

    def __init__(self, columns: int) -> None:
        self.used = 0
        self._keys: Array = np.empty((FIRST, columns), np.int64)
        self._slots: Array = np.full(2 * FIRST, -1, np.int64)

    @property
    def room(self) -> int:
        return len(self._keys)

    @property
    def keys(self) -> Array:
        """The key of each group, shape (used, columns); a view."""
        return self._keys[: self.used]

    def groups_of(self, keys: Array) -> Array:
        """The group of each key, int64, shape (keys, columns) -> (keys,); new keys get the next."""
        groups = np.empty(len(keys), np.int64)
        done = 0
        while True:
            homes = _homes(keys, len(self._slots))
            done, self.used = map(int, find_groups(
                keys, homes, self._slots, self._keys, self.used, groups, done
            ))  # fmt: skip
            if done == len(keys):
                return groups
            self._grow()

    def _grow(self) -> None:
        """Make room for more groups; those that are there keep their numbers."""
        known, self.used = self.keys, 0
        room = 4 * self.room
        self._keys = np.empty((room, known.shape[1]), np.int64)
        self._slots = np.full(2 * room, -1, np.int64)
        self.groups_of(known)


def _homes(keys: Array, size: int) -> Array:
    """The slot of a table where the search for each key begins; `size` is a power of two."""
    mixed = np.zeros(len(keys), np.uint64)
    for column in keys.T:
        mixed = (mixed ^ np.ascontiguousarray(column).view(np.uint64)) * _MULTIPLIER
        mixed ^= mixed >> np.uint64(32)
    homes: Array = (mixed & np.uint64(size - 1)).astype(np.int64)
    return homes
