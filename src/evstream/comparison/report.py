"""The result of a comparison of two streams."""

from __future__ import annotations

from dataclasses import dataclass, field
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

    @property
    def equal(self) -> bool:
        return self.found == 0


@dataclass(frozen=True)
class Options:
    ignore_order: bool
    zeros: bool
    absolute: float
    relative: float
    first: int
