"""A quick look at a stretch, which says what need not be checked there.

Nearly all stretches break no rule. The checks of `rule_checks` find every place that breaks one,
and take several passes each for that. The screen takes a pass or two over each column and only
finds out whether a check could find anything. It may suspect what is good, but never passes what is
broken: what it does not understand (texts, sidx that do not ascend, a rule without a screen) is
left to the checks.

Rules are grouped by what shows that they hold:

- rules about single values: all of a field lie in the range that its rules have in common;
- rules about sidx: blocks begin with known special sidx and ascend from there;
- rules about the order of blocks: events, and ids in an event, ascend from those that came before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from evstream._support.schema import Rule
from evstream.wire import screen_kernels as kernels
from evstream.wire.check_memory import Memory
from evstream.wire.columns import Array, Columns
from evstream.wire.header import StreamHeader
from evstream.wire.rule_checks import (
    OVER_BLOCKS,
    lowest_limit,
    remember_events,
    remember_ids,
    rounding,
)
from evstream.wire.seen import Seen

_ORDERS = {
    "samples_ascend": kernels.SAMPLES,
    "specials_ascend": kernels.SAMPLES | kernels.SPECIALS,
    "not_falling": kernels.SAMPLES | kernels.SPECIALS,
    "unique_in_block": kernels.SAMPLES,
    "known_special": kernels.SAMPLES | kernels.UNKNOWN,
    "required_special": kernels.SAMPLES | kernels.MISSING,
    "at_most": kernels.SAMPLES | kernels.ABOVE,
}
"""Check of sidx -> what `order_of_sidx` finds where it may be broken."""


class _Range(NamedTuple):
    """The values of a field that break none of some rules (numbers of them)."""

    low: Any
    high: Any
    rules: tuple[int, ...]


class Screen:
    """Finds out which rules a stretch may break; `rules` are pairs of a rule and a field."""

    def __init__(self, header: StreamHeader, rules: Sequence[tuple[Rule, str]]) -> None:
        self._header = header
        self._all = frozenset(range(len(rules)))
        self._ranges: dict[str, _Range] = {}
        self._of_specials: list[tuple[str, int, _Range]] = []
        self._orders: list[tuple[int, int]] = []
        self._contiguous: list[int] = []
        self._unique: list[tuple[int, str]] = []
        self._empty: list[int] = []
        self._always: set[int] = set()
        specials = header.spec.specials
        self._known = _bits(special.sidx for special in specials)
        self._required = _bits(special.sidx for special in specials if special.required)
        self._limit = _HIGHEST
        for number, (rule, name) in enumerate(rules):
            if not self._plan(number, rule, name):
                self._always.add(number)
        of_blocks = any(r.check in OVER_BLOCKS and n in header.entry_columns for r, n in rules)
        self._needs_entries = bool(self._always or self._empty or of_blocks)
        self._of_block = [
            (name, at, self._ranges.get(name)) for at, name in enumerate(header.block_columns)
        ]

    def _plan(self, number: int, rule: Rule, name: str) -> bool:
        """Screen a rule about a field; whether it can be."""
        header = self._header
        event = header.event_column
        dtype = header.row_columns[name]
        span = _span(header, rule, name, dtype)
        if rule.specials:
            if span is None or not (_has_order(header) and all(map(_has_bit, rule.specials))):
                return False
            self._of_specials.append((name, _bits(rule.specials), _Range(*span, (number,))))
        elif name == header.sidx and rule.check in _ORDERS:
            if not _has_order(header):
                return False
            if rule.check == "at_most":
                self._limit = min(lowest_limit(header, name), _HIGHEST)
                if self._limit < 0:
                    return False
            self._orders.append((number, _ORDERS[rule.check]))
        elif span is not None:
            known = self._ranges.get(name, _Range(*span, ()))
            low, high = max(known.low, span[0]), min(known.high, span[1])
            self._ranges[name] = _Range(low, high, (*known.rules, number))
        elif rule.check == "not_empty":
            self._empty.append(number)
        elif dtype.kind not in _NUMBERS or header.row_columns[event].kind not in _NUMBERS:
            return False
        elif rule.check == "contiguous" and name == event:
            self._contiguous.append(number)
        elif rule.check == "unique_in_event" and name in header.block_columns:
            self._unique.append((number, name))
        else:
            return False
        return True

    def suspects(self, memory: Memory, columns: Columns) -> frozenset[int] | set[int]:
        """The numbers of the rules that the stretch may break. For others, `memory` remembers
        what their checks would have it remember."""
        offsets = columns.offsets
        if offsets[0] != 0 or offsets[-1] != len(columns.entry[0]):
            return self._all
        names = (*self._header.block_columns, *self._header.entry_columns)
        values = dict(zip(names, map(_writable, (*columns.block, *columns.entry)), strict=True))
        found = set(self._always)
        for name, (low, high, numbers) in self._ranges.items():
            is_in = kernels.few_in_range if name in self._header.block_columns else kernels.in_range
            if not is_in(values[name], low, high):
                found.update(numbers)
        if self._empty and kernels.has_empty(_writable(offsets)):
            found.update(self._empty)
        if self._orders or self._of_specials:
            found.update(self._of_sidx(memory, values, offsets))
        if self._contiguous or self._unique:
            found.update(self._of_blocks(memory, values, columns.event_starts))
        return found

    def event_passes(self, memory: Memory, block: Sequence[Array]) -> bool:
        """Whether blocks of one event, whose entries were checked, surely break no rule; if so,
        `memory` remembers them. This is for tiny events, where calls cost most."""
        events = block[0]
        if self._needs_entries or not len(events):
            return False
        event, before = events[0], memory.event
        finished = memory.finished_events
        if self._contiguous and not (
            (before is None or event >= before)
            and (finished.highest is None or event > finished.highest)
        ):
            return False
        same = before is not None and event == before
        seen = {name: memory.ids_in_event.get(name) if same else None for _, name in self._unique}
        for name, at, span in self._of_block:
            column = block[at]
            if name in seen and not _ascends(events, column, seen[name]):
                return False
            if at == 0 or name in seen:  # the first is the lowest
                good = span is None or (span.low <= column[0] and column[-1] <= span.high)
            else:
                good = span is None or kernels.few_in_range(_writable(column), span.low, span.high)
            if not good:
                return False
        if self._contiguous and before is not None and not same:
            finished.add(np.array([before], events.dtype), before)
        for name, at, _ in self._of_block:
            if name in seen:
                remember_ids(memory, name, seen[name], block[at], 0, block[at][-1])
        memory.entries_before, memory.event = 0, event.item()
        memory.seen_specials.clear()
        return True

    def covers(self, name: str, numbers: Iterable[int]) -> bool:
        """Whether `allows` looks at all of these rules about a field."""
        return name in self._ranges and set(numbers) <= set(self._ranges[name].rules)

    def allows(self, name: str, values: Array) -> bool:
        """Whether an array of any shape breaks no rule about the single values of a field."""
        low, high, _ = self._ranges[name]
        return bool(kernels.in_range(_writable(values).reshape(-1), low, high))

    def _of_sidx(self, memory: Memory, values: dict[str, Array], offsets: Array) -> Iterator[int]:
        """Numbers of rules about sidx, and of those about the values of special sidx."""
        name = self._header.sidx
        assert name is not None
        sidx = values[name]
        if not len(sidx) and not self._required:
            return
        follows = memory.continues and memory.entries_before > 0
        order = kernels.order_of_sidx(
            sidx, offsets, self._known, self._required, self._limit, follows,
            int(memory.last[name]) if follows else 0,
            _bits(memory.seen_specials) if memory.continues else 0, memory.is_open,
        )  # fmt: skip
        for number, flags in self._orders:
            if order & flags:
                yield number
        for field, chosen, (low, high, numbers) in self._of_specials:
            if order & kernels.SAMPLES or not kernels.specials_in_range(
                sidx, offsets, values[field], chosen, low, high
            ):
                yield from numbers

    def _of_blocks(self, memory: Memory, values: dict[str, Array], starts: Array) -> Iterator[int]:
        """Numbers of rules about the order of events and of the ids in an event."""
        events = values[self._header.event_column]
        first, before = events[0], memory.event
        if self._contiguous:
            highest = memory.finished_events.highest
            ascends = kernels.never_falls(events) and (before is None or first >= before)
            if ascends and (highest is None or first > highest):
                memory.when_passed(lambda: remember_events(memory, events[starts]))
            else:
                yield from self._contiguous
        for number, name in self._unique:
            ids = values[name]
            ascends = kernels.ascends_in_runs(events, ids)
            seen = memory.ids_in_event.get(name) if first == before else None
            if ascends and seen is not None and seen.highest is not None:
                ascends = ids[0] > seen.highest or (memory.continues and ids[0] >= seen.highest)
            if ascends:
                last = int(starts[-1])
                memory.when_passed(partial(remember_ids, memory, name, seen, ids, last))
            else:
                yield number


def _ascends(events: Array, ids: Array, seen: Seen | None) -> bool:
    """Whether the ids of one event ascend from those that were seen in it."""
    if seen is not None and seen.highest is not None and not ids[0] > seen.highest:
        return False
    return len(ids) == 1 or bool(kernels.ascends_in_runs(events, _writable(ids)))


_NUMBERS = "iuf"
_HIGHEST = int(np.iinfo(np.int64).max)


def _has_order(header: StreamHeader) -> bool:
    """Whether the screen understands the sidx of a stream."""
    if header.sidx is None or next(iter(header.entry_columns)) != header.sidx:
        return False
    dtype = header.row_columns[header.sidx]
    fits = dtype.kind == "i" or (dtype.kind == "u" and dtype.itemsize < 8)
    return fits and all(_has_bit(special.sidx) for special in header.spec.specials)


def _has_bit(sidx: int) -> bool:
    return -kernels.MOST <= sidx < 0


def _bits(specials: Iterable[int]) -> int:
    return sum(1 << -sidx for sidx in set(specials) if _has_bit(sidx))


def _span(
    header: StreamHeader, rule: Rule, name: str, dtype: np.dtype[Any]
) -> tuple[Any, Any] | None:
    """The lowest and highest value that do not break a rule; None where there are no such."""
    if dtype.kind not in _NUMBERS:
        return None
    kind, one, is_float = dtype.type, dtype.type(1), dtype.kind == "f"
    finite = _bounds(dtype)
    lowest, highest = (kind(-np.inf), kind(np.inf)) if is_float else finite
    spans = {
        "positive": (np.nextafter(kind(0), one) if is_float else one, highest),
        "not_negative": (kind(0), highest),
        "finite": finite,
    }
    if is_float:
        spans["fraction"] = (kind(0), kind(1 + rounding(dtype)))
    if rule.check == "at_most":
        limit = lowest_limit(header, name)
        if lowest <= limit and (not is_float or kind(limit) == limit):
            spans["at_most"] = (lowest, kind(min(limit, highest)))
    return spans.get(rule.check)


def _bounds(dtype: np.dtype[Any]) -> tuple[Any, Any]:
    """The lowest and highest finite number."""
    info: Any = np.finfo(dtype) if dtype.kind == "f" else np.iinfo(dtype)
    return dtype.type(info.min), dtype.type(info.max)


def _writable(column: Array) -> Array:
    """The column, or a copy of the kind that the kernels are compiled for."""
    flags = column.flags
    return column if flags.c_contiguous and flags.writeable else column.copy()
