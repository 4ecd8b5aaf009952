"""Stretches of whole blocks that were checked apart, put together as if checked in a row.

Two rules look beyond a block: an event must not come back after another one, and an item must not
be twice in an event. So what is remembered of a stretch is its events, and the items of its first
and of its last event, which the stretches before and after may go on with.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from evstream.wire.check_memory import Memory
from evstream.wire.columns import Columns, differ
from evstream.wire.seen import Seen


class FirstEvent:
    """The event that a stretch begins with.

    Attributes:
        event: its id; None before a block has come.
        ids: field -> the values in its blocks.
        is_all: whether no other event has come.
    """

    def __init__(self, fields: list[str]) -> None:
        self.event: Any = None
        self.ids = {name: Seen() for name in fields}
        self.is_all = True

    def see(self, memory: Memory, columns: Columns, continues: bool) -> None:
        """Look at the next blocks of the stretch."""
        events = columns.block[0]
        if not self.is_all or not len(events):
            return
        if self.event is None:
            self.event = events[0].item()
        others = differ(events, self.event)
        count = int(np.argmax(others)) if others.any() else len(events)
        self.is_all = count == len(events)
        names = list(memory.header.block_columns)
        for name, seen in self.ids.items():
            seen.add(columns.block[names.index(name)][int(continues) : count])


def goes_on(before: Memory, first: FirstEvent) -> bool:
    """Whether a stretch begins with the last event of the one before."""
    return before.event is not None and not differ(before.event, first.event)


def follow(before: Memory, after: Memory, first: FirstEvent) -> bool:
    """Take over what is known after a stretch that breaks no rule by itself; False if it has an
    item again that its first event had before. The caller compares the events."""
    same = goes_on(before, first)
    if same and any(
        name in before.ids_in_event and before.ids_in_event[name].has_any_of(ids)
        for name, ids in first.ids.items()
    ):
        return False
    if before.event is not None and differ(before.event, after.event):
        dtype = before.header.block_columns[before.header.event_column]
        before.finished_events.add(np.array([before.event], dtype))
    before.finished_events.join(after.finished_events)
    if same and first.is_all:
        for name, ids in after.ids_in_event.items():
            before.ids_in_event.setdefault(name, Seen()).join(ids)
    else:
        before.ids_in_event = after.ids_in_event
    before.event = after.event
    before.last, before.last_of = after.last, after.last_of
    before.seen_specials, before.entries_before = after.seen_specials, after.entries_before
    return True
