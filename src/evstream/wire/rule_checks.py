"""One check per word of the vocabulary of rules (spec/README.md).

A check gets the values of a field and the blocks of one stretch, and returns a mask of what breaks
the rule, over blocks or entries. What it has to remember for the next stretch it leaves with the
`Memory`, by `when_passed`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from evstream.wire.check_memory import Memory
from evstream.wire.columns import Array, Columns, differ
from evstream.wire.header import StreamHeader
from evstream.wire.seen import Seen


def _positive(checker: Memory, name: str, values: Array, columns: Columns) -> Array:
    return values <= 0


def _not_negative(checker: Memory, name: str, values: Array, columns: Columns) -> Array:
    return values < 0


def _fraction(checker: Memory, name: str, values: Array, columns: Columns) -> Array:
    return (values < 0) | (values > 1 + rounding(values.dtype))


def _reaches_one(checker: Memory, name: str, values: Array, columns: Columns) -> Array:
    """Over blocks. The last value of a stretch before is remembered, for a block that ends where
    the next stretch begins."""
    counts = np.diff(columns.offsets)
    last = np.ones(len(counts), values.dtype)
    has_entries = counts > 0
    last[has_entries] = values[columns.offsets[1:][has_entries] - 1]
    if checker.continues and not counts[0] and checker.entries_before:
        last[0] = checker.last[name]
    short: Array = last < 1 - rounding(values.dtype)
    if checker.is_open:
        short[-1] = False
    return short


def rounding(dtype: np.dtype[Any]) -> float:
    """What the sum of some thousand probabilities may lack of 1, or have above it."""
    return float(np.finfo(dtype).eps) * 1000


def _finite(checker: Memory, name: str, values: Array, columns: Columns) -> Array:
    return ~np.isfinite(values)


def _known_special(checker: Memory, name: str, sidx: Array, columns: Columns) -> Array:
    unknown: Array = sidx <= 0
    if unknown.any():
        unknown &= ~np.isin(sidx, [special.sidx for special in checker.header.spec.specials])
    return unknown


def _at_most(checker: Memory, name: str, values: Array, columns: Columns) -> Array:
    above: Array = values > lowest_limit(checker.header, name)
    return above


def lowest_limit(header: StreamHeader, name: str) -> int:
    """The lowest of the limits that the stream header sets for a field."""
    rules = [r for r in header.rules.values() if r.check == "at_most" and name in r.fields]
    limits = {str(r.limit) for r in rules if r.limit in header.values}
    lowest: int = min(header.values[limit] for limit in limits)
    return lowest


def _samples_ascend(checker: Memory, name: str, sidx: Array, columns: Columns) -> Array:
    falls = _falling(checker, name, sidx, columns)
    return falls & (_previous(checker, name, sidx) > 0) if falls.any() else falls


def _specials_ascend(checker: Memory, name: str, sidx: Array, columns: Columns) -> Array:
    falls = _falling(checker, name, sidx, columns)
    return falls & (_previous(checker, name, sidx) < 0) if falls.any() else falls


def _previous(checker: Memory, name: str, values: Array) -> Array:
    """The value before each one; before the first, the last of the stretch before."""
    first = checker.last.get(name, 0)
    return np.concatenate([np.array([first], values.dtype), values[:-1]])


def _falling(checker: Memory, name: str, values: Array, columns: Columns) -> Array:
    """Where a value is below the one before it in its block."""
    if name in checker.falls:
        return checker.falls[name]
    falls = checker.falls[name] = np.zeros(len(values), bool)
    if len(values):
        falls[1:] = values[1:] < values[:-1]
        falls[_first_entries(columns)] = False
        if checker.goes_on(columns):
            falls[0] = values[0] < checker.last[name]
    return falls


def _unique_in_block(checker: Memory, name: str, values: Array, columns: Columns) -> Array:
    """Exact within a stretch. Of a block that spans several, the special sidx and the last
    value are remembered: any other repetition breaks the order of the samples as well."""
    again = np.zeros(len(values), bool)
    if not len(values):
        return again
    follows: Array = values[1:] > values[:-1]
    first = _first_entries(columns)
    follows[first[first > 0] - 1] = True
    if not follows.all():
        counts = np.diff(columns.offsets)
        block = np.repeat(np.arange(len(counts)), counts)
        order = np.lexsort((values, block))
        same = (np.diff(block[order]) == 0) & (np.diff(values[order]) == 0)
        again[order[1:]] = same
    if checker.goes_on(columns):
        again[0] |= values[0] == checker.last[name]
        special = np.flatnonzero(values[: columns.offsets[1]] < 0)
        again[special] |= np.isin(values[special], list(checker.seen_specials))
    return again


def _required_special(checker: Memory, name: str, sidx: Array, columns: Columns) -> Array:
    required = [special.sidx for special in checker.header.spec.specials if special.required]
    counts = np.diff(columns.offsets)
    missing = np.zeros(len(counts), bool)
    special = np.flatnonzero(sidx < 0)
    block = np.searchsorted(columns.offsets, special, side="right") - 1
    for value in required:
        has = np.zeros(len(counts), bool)
        has[block[sidx[special] == value]] = True
        if checker.continues:
            has[0] |= value in checker.seen_specials
        missing |= ~has
    if checker.is_open:
        missing[-1] = False
    return missing


def _not_empty(checker: Memory, name: str, ids: Array, columns: Columns) -> Array:
    counts = np.diff(columns.offsets)
    if checker.continues:
        counts[0] += checker.entries_before
    empty: Array = counts == 0
    if checker.is_open:
        empty[-1] = False
    return empty


def _contiguous(checker: Memory, name: str, events: Array, columns: Columns) -> Array:
    starts = columns.event_starts
    runs = events[starts].tolist()
    bad = np.zeros(len(events), bool)
    finished = checker.finished_events.as_set()
    started: set[Any] = set()
    for start, event in zip(starts, runs, strict=True):
        goes_on = not started and event == checker.event
        if not goes_on and (event in started or event in finished):
            bad[start] = True
        started.add(event)
    checker.when_passed(lambda: remember_events(checker, events[starts]))
    if checker.event is not None and checker.event in started and checker.event != runs[0]:
        bad[starts[runs.index(checker.event)]] = True
    return bad


def remember_events(checker: Memory, runs: Array) -> None:
    """Remember the events of a stretch, but the last, as finished."""
    finished, last = checker.finished_events, runs[-1]
    if len(runs) > 1:
        finished.add(runs[differ(runs, last)])
    if checker.event is not None and differ(checker.event, last):
        finished.add(np.array([checker.event], runs.dtype))


def _unique_in_event(checker: Memory, name: str, ids: Array, columns: Columns) -> Array:
    events = columns.block[0]
    run, bad = np.zeros(len(ids), np.int64), np.zeros(len(ids), bool)
    is_next = differ(events[1:], events[:-1])
    np.cumsum(is_next, out=run[1:])
    if not (is_next | (ids[1:] > ids[:-1])).all():
        order = np.lexsort((ids, run))
        bad[order[1:]] = (np.diff(run[order]) == 0) & (ids[order[1:]] == ids[order[:-1]])
    same_event = checker.event is not None and not differ(events[0], checker.event)
    seen = checker.ids_in_event.get(name) if same_event else None
    if seen is not None:
        before = seen.as_set()
        again = [number in before for number in ids[run == 0].tolist()]
        again[0] &= not checker.continues
        bad[: len(again)] |= again
    last = int(np.searchsorted(run, run[-1]))
    checker.when_passed(lambda: remember_ids(checker, name, seen, ids, last))
    return bad


def remember_ids(
    checker: Memory, name: str, seen: Seen | None, ids: Array, last: int, highest: Any = None
) -> None:
    """Remember the ids of the event that begins at block `last`, after those `seen` in it."""
    kept = Seen() if seen is None or last else seen
    kept.add(ids[last:], highest)
    checker.ids_in_event[name] = kept


def _once_in_list(checker: Memory, name: str, values: Array, columns: Columns) -> Array:
    again = np.zeros(len(values), bool)
    again[1:] = ~differ(values[1:], values[:-1])
    again[0] = checker.event is not None and not differ(values[0], checker.event)
    return again


def _consecutive(checker: Memory, name: str, values: Array, columns: Columns) -> Array:
    """From 1 without gaps, over the whole stream."""
    before = np.array([checker.last_of.get(name, 0)], values.dtype)
    last = values[-1].item()
    checker.when_passed(lambda: checker.last_of.update({name: last}))
    gaps: Array = values != np.concatenate([before, values[:-1]]) + values.dtype.type(1)
    return gaps


def _unique(checker: Memory, name: str, values: Array, columns: Columns) -> Array:
    """Over the whole stream. While values ascend, only the last is remembered."""
    again = np.zeros(len(values), bool)
    seen = checker.values_of.setdefault(name, Seen())
    ascend = bool((values[1:] > values[:-1]).all())
    if not ascend or (seen.highest is not None and values[0] <= seen.highest):
        order = np.argsort(values, kind="stable")
        again[order[1:]] = values[order[1:]] == values[order[:-1]]
        before = seen.as_set()
        again |= [value in before for value in values.tolist()]
    checker.when_passed(lambda: seen.add(values))
    return again


def _descending(checker: Memory, name: str, values: Array, columns: Columns) -> Array:
    last = values[-1].item()
    rises = np.zeros(len(values), bool)
    rises[1:] = values[1:] >= values[:-1]
    rises[0] = name in checker.last_of and values[0] >= checker.last_of[name]
    checker.when_passed(lambda: checker.last_of.update({name: last}))
    return rises


def _fields_ascend(checker: Memory, name: str, values: Array, columns: Columns) -> Array:
    """Over the records whose value is below that of the field before it in the rule."""
    names = checker.header.block_columns
    before = [checker.field_before[name]] if name in checker.field_before else []
    falls = np.zeros(len(values), bool)
    for other in before:
        falls |= values < columns.block[list(names).index(other)]
    return falls


def _not_reserved(checker: Memory, name: str, values: Array, columns: Columns) -> Array:
    reserved = {f.name: f.reserved for f in checker.header.block_fields}
    return np.isin(values, reserved.get(name, ()))


def _first_entries(columns: Columns) -> Array:
    """Number of the first entry of each block that has any."""
    starts: Array = columns.offsets[:-1]
    has_entries: Array = starts[np.diff(columns.offsets) > 0]
    return has_entries


Check = Callable[[Memory, str, Array, Columns], Array]

CHECKS: dict[str, Check] = {
    "positive": _positive,
    "not_reserved": _not_reserved,
    "not_negative": _not_negative,
    "finite": _finite,
    "fraction": _fraction,
    "reaches_one": _reaches_one,
    "known_special": _known_special,
    "at_most": _at_most,
    "not_falling": _falling,
    "unique_in_block": _unique_in_block,
    "samples_ascend": _samples_ascend,
    "specials_ascend": _specials_ascend,
    "required_special": _required_special,
    "not_empty": _not_empty,
    "unique_in_event": _unique_in_event,
    "once_in_list": _once_in_list,
    "contiguous": _contiguous,
    "consecutive": _consecutive,
    "unique": _unique,
    "descending": _descending,
    "fields_ascend": _fields_ascend,
}
"""Word of the vocabulary -> its check; those that concern a whole stream are not here."""

ONE_BY_ONE = {"positive", "not_negative", "finite", "fraction"}
"""Checks that need nothing but a value."""

IN_LINE = {"consecutive", "descending", "once_in_list", "unique"}
"""Checks that compare each block with the one before it, whatever its event."""

OVER_BLOCKS = {"required_special", "reaches_one"}
"""Checks of an entry field that judge whole blocks."""
