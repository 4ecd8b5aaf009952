"""The result of a comparison of two streams."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Difference:
    """One difference.

    Attributes:
        kind: "header"; "event", "item" or "record" for what one stream has alone; "value"
            for a loss (or exposure, or bin) that differs; "order".
        ids: where, by the stream's own names, e.g. {"event_id": 3, "item_id": 7, "sidx": 2}.
        field: what `a` and `b` are, e.g. "loss"; "items" or "records" where they say how many
            an event or item has. For "order": what is in another order.
        a, b: the values at their own width; None in the stream that has none. For events in
            another order the event's number in each stream, from 1.
    """

    kind: str
    ids: dict[str, int]
    field: str
    a: Any = None
    b: Any = None


@dataclass
class Counts:
    """How many are in both streams, how many of these differ or have another place, and how
    many are in one stream alone. `reordered` is the number of events that have another place
    in the stream, of events whose items, and of items whose records have another order."""

    compared: int = 0
    differ: int = 0
    only_in_a: int = 0
    only_in_b: int = 0
    reordered: int = 0


@dataclass(frozen=True)
class Total:
    """A number of all of both streams.

    Attributes:
        name: "events", "items", "records", or the column whose values are summed.
        kind: which entries: "samples", or the name of a special sidx ("mean"); "" for all.
        a, b: the count, or the sum as float64.
        difference: B - A, summed event by event, so that it is exact where little changes.
        mean_a, mean_b: the sum divided by the number of values; None for counts, and where there
            are no values.
    """

    name: str
    kind: str
    a: float
    b: float
    difference: float
    mean_a: float | None = None
    mean_b: float | None = None

    @property
    def relative(self) -> float | None:
        """The difference relative to A; None where A is 0."""
        return _relative(self.a, self.difference)


@dataclass(frozen=True)
class Change:
    """How much the values of an event or item change.

    Attributes:
        ids: of the event or item.
        name, kind: what is summed, as in Total.
        a, b: the sum in each stream, 0 where it has none; of an item over the events in which it
            differs.
        difference: B - A.
    """

    ids: dict[str, Any]
    name: str
    kind: str
    a: float
    b: float
    difference: float

    @property
    def relative(self) -> float | None:
        """The difference relative to A; None where A is 0."""
        return _relative(self.a, self.difference)


def _relative(a: float, difference: float) -> float | None:
    if difference == 0:
        return 0.0
    return difference / abs(a) if a else None


@dataclass
class Comparison:
    """The result of `compare`.

    Attributes:
        a, b: names of the streams.
        stream: type of A.
        counts: for "header" (its fields), "event", "item" and "record". What one stream has
            alone counts at its own level, its parts do not count again.
        max_absolute, max_relative: the largest difference of two finite values, be it within
            the tolerance; relative to the larger magnitude.
        found: number of differences, one per value that differs.
        differences: the first of them as they were found; that of an event without
            counterpart is when it no longer waits.
        missing: the first events and items that one stream has alone, which are in `differences` as
            well, as far as that goes.
        totals: events, items and records of each stream; and the sums of its values, where any
            event, item or value differs, be it within the tolerance.
        event_changes, item_changes: the largest changes of sums per event, and per item over all
            events, largest first.
        notes: remarks that are not differences.
    """

    a: str
    b: str
    stream: str
    counts: dict[str, Counts] = field(
        default_factory=lambda: {level: Counts() for level in ("header", "event", "item", "record")}
    )
    max_absolute: float = 0.0
    max_relative: float = 0.0
    found: int = 0
    differences: list[Difference] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    missing: list[Difference] = field(default_factory=list)
    totals: list[Total] = field(default_factory=list)
    event_changes: list[Change] = field(default_factory=list)
    item_changes: list[Change] = field(default_factory=list)

    @property
    def equal(self) -> bool:
        """Whether there is no difference beyond the tolerance."""
        return self.found == 0

    def to_json(self) -> dict[str, Any]:
        """The report as JSON takes it: numbers with the digits of their width, NaN and infinity as
        texts; totals and changes with their relative difference."""
        report = {"equal": self.equal, **asdict(self)}
        for name in ("totals", "event_changes", "item_changes"):
            for entry, own in zip(report[name], getattr(self, name), strict=True):
                entry["relative"] = own.relative
        found: dict[str, Any] = _plain(report)
        return found

    def to_text(self) -> str:
        """The report for people."""
        from evstream.comparison.text import text_of

        return text_of(self)

    def to_html(self) -> str:
        """The report as a page of its own."""
        from evstream.comparison.text import page_of

        return page_of(self)

    def _repr_html_(self) -> str:
        from evstream.comparison.text import fragment_of

        return fragment_of(self)


def _plain(value: Any) -> Any:
    """The value for JSON. A number has the digits that distinguish it from its neighbours at its
    width; NaN and infinities become strings."""
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    if value is None or isinstance(value, (str, bool, int)):
        return value
    number = float(str(value))
    if not math.isfinite(number):
        return str(value)
    return number if isinstance(value, float) or value.dtype.kind == "f" else int(value)


@dataclass(frozen=True)
class Options:
    ignore_order: bool
    zeros: bool
    absolute: float
    relative: float
    first: int
    top: int = 10
