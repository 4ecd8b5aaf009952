"""Facts about a stream, counted chunk by chunk."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from evstream.wire.header import StreamHeader


@dataclass
class Info:
    """Facts about a stream; counts are of what could be read.

    `events` and `items` count different ids (items: of the block's own id, e.g. summary
    ids), `event_runs` how often the event id changes, `losses` gives per class of sidx the
    number of records and the sum of their losses (of each value that a sidx has, if several).
    `keys` are the lowest and highest value of each key of a file that is records alone.
    """

    file: str
    stream: str | None = None
    source: int | None = None
    aggregation: int | None = None
    header: dict[str, int] = field(default_factory=dict)
    widths: dict[str, str] = field(default_factory=dict)
    bytes: int = 0
    events: int = 0
    event_runs: int = 0
    items: int = 0
    blocks: int = 0
    records: int = 0
    losses: dict[str, dict[str, float]] = field(default_factory=dict)
    clean_end: bool | None = None
    holes: int = 0
    error: str | None = None
    keys: dict[str, tuple[Any, Any]] = field(default_factory=dict)

    def describe(self, header: StreamHeader) -> None:
        """Take over what the stream header has."""
        self.stream, self.header = header.stream, dict(header.values)
        self.source, self.aggregation = header.source, header.aggregation
        self.widths = dict(header.widths)


class Tally:
    """Adds chunk after chunk to an Info."""

    def __init__(self, info: Info, header: StreamHeader) -> None:
        self._info, self._header = info, header
        self._events: set[Any] = set()
        self._items: set[int] = set()
        self._first_event: Any = None
        self._last_event: Any = None

    def follow_by(self, other: Tally) -> None:
        """Add what was found in the stretch after this one."""
        from evstream.wire.columns import differ

        info, more = self._info, other._info
        if other._last_event is None:
            return
        goes_on = self._last_event is not None and not differ(self._last_event, other._first_event)
        info.event_runs += more.event_runs - int(goes_on)
        info.blocks += more.blocks
        info.records += more.records
        for name, (low, high) in more.keys.items():
            self._widen(name, low, high)
        self._events |= other._events
        self._items |= other._items
        info.events, info.items = len(self._events), len(self._items)
        for name, found in more.losses.items():
            entry = info.losses.setdefault(name, {"records": 0, "sum": 0.0})
            entry["records"] += found["records"]
            entry["sum"] += found["sum"]
        self._first_event = other._first_event if self._first_event is None else self._first_event
        self._last_event = other._last_event

    def add(self, chunk: Any) -> None:
        import numpy as np

        from evstream.wire.columns import differ, run_starts

        info, columns = self._info, chunk.columns
        events = columns.block[0]
        if not len(events):
            return
        info.blocks += len(events) - int(chunk.continues)
        starts = events[run_starts(events)]
        goes_on = self._last_event is not None and not differ(self._last_event, events[0])
        info.event_runs += len(starts) - int(goes_on)
        self._first_event = events[0] if self._first_event is None else self._first_event
        self._last_event = events[-1]
        self._events.update(np.unique(starts).tolist())
        info.events = len(self._events)
        if columns.entry:
            for ids in columns.block[1:2]:
                self._items.update(np.unique(ids).tolist())
            info.items = len(self._items)
            info.records += len(columns.entry[0])
            self._add_losses(columns)
        else:
            info.records += len(events)
            self._add_keys(columns)

    def _add_keys(self, columns: Any) -> None:
        named = zip(self._header.block_columns, columns.block, strict=True)
        for name, values in named:
            if name in self._header.key_columns and values.dtype.kind in "iuf":
                self._widen(name, values.min().item(), values.max().item())

    def _widen(self, name: str, low: Any, high: Any) -> None:
        before = self._info.keys.get(name, (low, high))
        self._info.keys[name] = (min(before[0], low), max(before[1], high))

    def _add_losses(self, columns: Any) -> None:
        from evstream.wire.sums import sums_by_kind

        specials = self._header.format.special_parameters
        columns_of_entry = zip(self._header.entry_columns, columns.entry, strict=True)
        values = {name: c for name, c in columns_of_entry if c.dtype.kind != "S"}
        sidx = values.pop(self._header.sidx or "", None)
        if sidx is None:
            for name, column in values.items():
                self._add_sum(name, column)
            return
        values = {n: c for n, c in values.items() if c.dtype.kind == "f"} or values
        labels = ["samples", *specials, "other"]
        for label, column in values.items():
            what = f" {label}" if len(values) > 1 else ""
            counts, sums = sums_by_kind(sidx, column, list(specials.values()))
            for name, count, total in zip(labels, counts.tolist(), sums.tolist(), strict=True):
                self._add_to(f"{name}{what}", count, total)

    def _add_sum(self, name: str, values: Any) -> None:
        from evstream.wire.sums import sum_of

        if len(values):
            self._add_to(name, len(values), sum_of(values))

    def _add_to(self, name: str, count: int, total: float) -> None:
        if count:
            entry = self._info.losses.setdefault(name, {"records": 0, "sum": 0.0})
            entry["records"] += count
            entry["sum"] += total
