"""Events that a caller asks for by id, and that a stream does not have."""

from __future__ import annotations

import numpy as np

from evstream.errors import AbsentEventWarning, warn
from evstream.reading.ids import Ids
from evstream.wire.columns import Array


class AbsentEvents:
    """The wanted events that were not seen so far."""

    def __init__(self, events: Ids, wanted: Array | None) -> None:
        """`events` as the caller gave them, `wanted` the same as sorted ids; None for all."""
        self._is_range = isinstance(events, range)  # which ids lie in it is not said
        self._wanted = 0 if wanted is None else len(wanted)
        self._absent = wanted

    def see(self, found: Array) -> None:
        """Take note of the events of some blocks."""
        if self._absent is not None and len(self._absent):
            self._absent = self._absent[~np.isin(self._absent, found)]

    def join(self, other: AbsentEvents) -> None:
        """Take over what was seen of another part of the same events."""
        if self._absent is not None and other._absent is not None:
            self._absent = np.intersect1d(self._absent, other._absent)

    def warn(self, source: str) -> None:
        """At the end of a stream: warn of wanted events that it does not have; of a range only if
        it has none."""
        if self._absent is None or not len(self._absent):
            return
        if self._is_range and len(self._absent) < self._wanted:
            return
        first = ", ".join(map(str, self._absent[:5].tolist()))
        more = ", ..." if len(self._absent) > 5 else ""
        warn(
            f"{source}: {len(self._absent)} of {self._wanted} wanted events are not in the stream: "
            f"{first}{more}",
            AbsentEventWarning,
        )
