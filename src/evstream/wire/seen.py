"""Ids that came so far, as pieces of columns until the set is needed.

While ids ascend, only the highest is asked for, and a set of all of them would cost more than
reading the stream.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

MOST_PIECES = 1024


class Seen:
    """A growing collection of ids.

    Attributes:
        highest: the highest number, NaN if there is one; None of texts, and of none.
    """

    def __init__(self) -> None:
        self.highest: Any = None
        self._pieces: list[npt.NDArray[Any]] = []
        self._set: set[Any] = set()

    def add(self, ids: npt.NDArray[Any], highest: Any = None) -> None:
        """Add a column, whose highest number may be known; it is copied, since it may be part of
        a larger one."""
        if not len(ids):
            return
        self._pieces.append(ids.copy())
        kind = ids.dtype.kind
        if kind != "S":
            if highest is None:
                highest = ids[0] if len(ids) == 1 else ids.max()
            if self.highest is None or (kind in "iu" and highest > self.highest):
                self.highest = highest
            elif kind not in "iu":
                self.highest = np.maximum(self.highest, highest)
        if len(self._pieces) == MOST_PIECES:
            self._pieces = [np.concatenate(self._pieces)]

    def join(self, other: Seen) -> None:
        """Add all of another collection, which is given up."""
        self._pieces += other._pieces
        self._set |= other._set
        if other.highest is not None:
            highest = other.highest
            self.highest = highest if self.highest is None else np.maximum(self.highest, highest)
        if len(self._pieces) >= MOST_PIECES:
            self._pieces = [np.concatenate(self._pieces)]

    def has_any_of(self, other: Seen) -> bool:
        """Whether some ids are in both."""
        ascends = self.highest is not None and all(p.min() > self.highest for p in other._pieces)
        if ascends and not other._set:
            return False
        return not self.as_set().isdisjoint(other.as_set())

    def as_set(self) -> set[Any]:
        """All ids; do not change it."""
        for piece in self._pieces:
            self._set.update(piece.tolist())
        self._pieces.clear()
        return self._set
