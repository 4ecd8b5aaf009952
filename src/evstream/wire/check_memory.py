"""What checks of rules remember of a stream, from one stretch to the next."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

from evstream.wire.columns import Array, Columns
from evstream.wire.header import StreamHeader
from evstream.wire.seen import Seen


class Memory:
    """What checks know of a stream besides the stretch before them.

    Attributes:
        header: of the stream.
        continues: whether the first block of the stretch is the rest of the one before.
        is_open: whether its last block may go on after it.
        finished_events: events that were left for another one.
        event: the last event.
        ids_in_event: field -> its values in that event so far.
        last_of: block field -> its last value so far, where a rule compares it.
        values_of: block field -> its values so far, where they are unique.
        field_before: block field -> the one that a rule has before it, where fields ascend.
        last: entry field -> its last value so far.
        falls: field -> where it falls in the stretch, once a rule has asked.
        seen_specials: special sidx that the open block had so far.
        entries_before: entries that the open block had so far.
    """

    def __init__(self, header: StreamHeader) -> None:
        self.header = header
        self.continues = self.is_open = False
        self.finished_events = Seen()
        self.event: Any = None
        self.ids_in_event: dict[str, Seen] = {}
        self.last_of: dict[str, int] = {}
        self.values_of: dict[str, Seen] = {}
        self.field_before = {
            name: before
            for rule in header.rules.values()
            if rule.check == "fields_ascend"
            for before, name in pairwise(rule.fields)
        }
        self.last: dict[str, float] = {}
        self.falls: dict[str, Array] = {}
        self.seen_specials: set[int] = set()
        self.entries_before = 0
        self._later: list[Callable[[], None]] = []

    def goes_on(self, columns: Columns) -> bool:
        """Whether the first entry of the stretch follows one of the same block before it."""
        return self.continues and self.entries_before > 0 and bool(columns.offsets[1])

    def when_passed(self, remember: Callable[[], None]) -> None:
        """Have something done by `remember`."""
        self._later.append(remember)

    def remember(self) -> None:
        """The stretch is part of the stream now."""
        for remember in self._later:
            remember()
