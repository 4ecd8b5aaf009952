"""Ids that a caller asks for, and that a stream does not have."""

from __future__ import annotations

import numpy as np

from evstream.errors import AbsentEventWarning, AbsentItemWarning, EvstreamWarning, emit, plain_id
from evstream.reading.ids import Wanted
from evstream.wire.columns import Array


class AbsentIds:
    """The wanted ids that were not seen so far. Of a range it is only noted whether any was seen:
    which of its ids a stream has, the caller does not say."""

    def __init__(self, word: str, wanted: Wanted | None) -> None:
        """`word` is "events" or "items"; `wanted` is None for all."""
        self._word, self._wanted = word, wanted
        self._absent = None if wanted is None else wanted.values
        self._range_is_absent = wanted is not None and wanted.is_range and wanted.size > 0

    def see(self, found: Array) -> None:
        """Take note of the ids of some blocks."""
        if self._absent is not None and len(self._absent):
            self._absent = self._absent[~np.isin(self._absent, found)]
        elif self._range_is_absent and self._wanted is not None:
            self._range_is_absent = not self._wanted.among(found).any()

    def join(self, other: AbsentIds) -> None:
        """Take over what was seen of another part of the same ids."""
        if self._absent is not None and other._absent is not None:
            self._absent = np.intersect1d(self._absent, other._absent)
        self._range_is_absent &= other._range_is_absent

    def absent(self, count: int) -> tuple[int, list[object]]:
        """How many of the wanted ids were not seen, and the lowest of them."""
        if self._wanted is None:
            return 0, []
        if self._absent is None:
            size = self._wanted.size if self._range_is_absent else 0
            return size, self._wanted.names(count) if size else []
        lowest = [*map(plain_id, self._absent[:count]), *self._wanted.others]
        return len(self._absent) + len(self._wanted.others), sorted(lowest)[:count]

    def warn(self, source: str, place: str = "the stream") -> None:
        """At the end of a stream: warn of wanted ids that it does not have; of a range only if
        it has none."""
        warning = self.warning(source, place)
        if warning is not None:
            emit(warning)

    def warning(self, source: str, place: str = "the stream") -> EvstreamWarning | None:
        """The warning of `warn`; None where nothing is absent."""
        number, first = self.absent(5)
        if number == 0 or self._wanted is None:
            return None
        names = ", ".join(map(str, first)) + (", ..." if number > 5 else "")
        problem = f"{number} of {self._wanted.size} wanted {self._word} are not in {place}: {names}"
        category = AbsentEventWarning if self._word == "events" else AbsentItemWarning
        return category(problem, source=source)
