"""Streams of a few blocks, and what their comparison reports."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import Any

import oracle
from evstream.comparison import Comparison, Difference, compare

NAN, INF = math.nan, math.inf

HEADERS: dict[str, dict[str, int]] = {
    "cdf": {},
    "gul_item": {"len_sample": 3},
    "gul_coverage": {"len_sample": 3},
    "loss": {"len_sample": 3},
    "summary": {"len_sample": 3, "summary_set_id": 1},
    "event_ids": {},
}

ID_NAMES = {
    "cdf": ("event_id", "areaperil_id", "vulnerability_id", "bin_index"),
    "gul_item": ("event_id", "item_id", "sidx"),
    "gul_coverage": ("event_id", "coverage_id", "sidx"),
    "loss": ("event_id", "item_id", "sidx"),
    "summary": ("event_id", "summary_id", "sidx"),
    "event_ids": ("event_id",),
}

Blocks = Sequence[tuple[Any, Any]]

TWO_EVENTS = [
    ((1, 7), [(-1, 2.0), (1, 1.0), (2, 3.0)]),
    ((1, 8), [(-1, 5.0), (2, 5.0)]),
    ((2, 7), [(-1, 9.0), (3, 9.0)]),
]


def encoded(blocks: Blocks, stream: str = "loss", **options: Any) -> io.BytesIO:
    header = HEADERS[stream] | options.pop("header", {})
    return io.BytesIO(oracle.encode(stream, header, blocks, **options))


def differences(a: Blocks, b: Blocks, stream: str = "loss", **options: Any) -> list[Difference]:
    return report(a, b, stream, **options).differences


def report(a: Blocks, b: Blocks, stream: str = "loss", **options: Any) -> Comparison:
    return compare(encoded(a, stream), encoded(b, stream), stream=stream, **options)


def changed(blocks: Blocks, at: int, entries: Any) -> Blocks:
    """The blocks with other entries in one of them."""
    return [*blocks[:at], (blocks[at][0], entries), *blocks[at + 1 :]]


def where(event: int, item: int, sidx: int | None = None) -> dict[str, int]:
    ids = {"event_id": event, "item_id": item}
    return ids if sidx is None else ids | {"sidx": sidx}
