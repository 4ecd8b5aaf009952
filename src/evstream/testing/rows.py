"""Rows of a stream that keep to every rule, for any format.

What is free is left to a `Choice`: random numbers, or Hypothesis, which can make them smaller.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from evstream.wire.header import StreamHeader
from evstream.wire.rule_checks import lowest_limit

LARGEST = 1e6
"""Of all numbers that are not fractions."""


class Choice(Protocol):
    """Makes the free choices."""

    def integer(self, low: int, high: int) -> int: ...

    def number(self, low: float, high: float, size: int) -> float:
        """A float of `size` bytes."""
        ...

    def some(self, values: Sequence[int]) -> list[int]:
        """Any of the values, maybe none, in their order."""
        ...


class Chance:
    """Choices by random numbers."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)

    def integer(self, low: int, high: int) -> int:
        return int(self._random.integers(low, high, endpoint=True))

    def number(self, low: float, high: float, size: int) -> float:
        """Fractions are uniform; others are of the size of losses, with three digits."""
        if high <= 1:
            return float(np.dtype(f"f{size}").type(self._random.uniform(low, high)))
        value = round(float(self._random.gamma(0.5, 200)), 2)
        return float(np.dtype(f"f{size}").type(min(max(value, low), high)))

    def some(self, values: Sequence[int]) -> list[int]:
        return [value for value in values if self._random.random() < 0.8]


def rows_of(
    header: StreamHeader, choice: Choice, events: Sequence[Any], items: Sequence[Any], entries: int
) -> dict[str, list[Any]]:
    """Columns of rows of blocks: each event has each item. Blocks without a sidx have up to
    `entries` entries."""
    rows: dict[str, list[Any]] = {name: [] for name in header.row_columns}
    for event in events:
        for block in _blocks(header, choice, event, items):
            for entry in _entries(header, choice, entries):
                for name, value in {**block, **entry}.items():
                    rows[name].append(value)
    return rows


def event_values(header: StreamHeader, events: int | Sequence[Any]) -> list[Any]:
    """Events by number, from 1, as the column of the format has them; or those that are given."""
    if not isinstance(events, int):
        return list(events)
    name = header.event_column
    kind, checks = header.block_columns[name].kind, _checks(header, name, None)
    numbers = list(range(events, 0, -1) if "descending" in checks else range(1, events + 1))
    if "fraction" in checks:
        return [n / (events + 1) for n in numbers]
    return [str(n) if kind == "S" else float(n) if kind == "f" else n for n in numbers]


def _blocks(
    header: StreamHeader, choice: Choice, event: Any, items: Sequence[Any]
) -> Iterator[dict[str, Any]]:
    columns, keys = header.block_columns, list(header.key_columns)
    is_one = len(keys) == 1 or _checks(header, keys[0], None) & _ONE_ROW
    for item in items[:1] if is_one else items:
        given = {keys[0]: event}
        if len(keys) > 1:
            given[keys[1]] = str(item) if columns[keys[1]].kind == "S" else item
        block = {
            name: given[name] if name in given else _value(header, choice, name, dtype)
            for name, dtype in columns.items()
        }
        for rule in header.rules.values():
            if rule.check == "fields_ascend":
                block |= zip(rule.fields, sorted(block[n] for n in rule.fields), strict=True)
        yield block


_ONE_ROW = {"consecutive", "descending", "once_in_list", "unique"}
"""Checks of an event by which it has one block."""


def _entries(header: StreamHeader, choice: Choice, most: int) -> list[dict[str, Any]]:
    if not header.entry_columns:
        return [{}]
    specials: list[Any] = [None] * choice.integer(1, max(most, 1))
    if header.sidx is not None:
        own = header.spec.specials
        required = {special.sidx for special in own if special.required}
        samples = choice.some(range(1, (most if header.samples is None else header.samples) + 1))
        optional = choice.some([special.sidx for special in own if not special.required])
        specials = [*sorted({*required, *optional}), *samples]
        if not specials:  # a block has an entry at least
            specials = [special.sidx for special in own[:1]] or [1]
    found = []
    for number, special in enumerate(specials, 1):
        entry = {
            name: _value(header, choice, name, dtype, special)
            for name, dtype in header.entry_columns.items()
        }
        if header.sidx is not None:
            entry[header.sidx] = special
        if header.block.index is not None:
            entry[header.block.index] = number
        found.append(entry)
    for name in header.entry_columns:
        _order(header, name, found)
    return found


def _value(
    header: StreamHeader, choice: Choice, name: str, dtype: np.dtype[Any], special: Any = None
) -> Any:
    """A value that keeps to the rules of its field, and is not that of a delimiter."""
    checks = _checks(header, name, special)
    if dtype.kind == "S":
        return chr(ord("a") + choice.integer(0, 25))
    if dtype.kind == "f":
        low = 1.0 if "positive" in checks else 0.0
        return choice.number(low, 1.0 if "fraction" in checks else LARGEST, dtype.itemsize)
    most = lowest_limit(header, name) if "at_most" in checks and name != header.sidx else 100
    value = choice.integer(min(1, most), min(most, 100))
    return value + 1 if header.block.match == (name, value) else value


def _order(header: StreamHeader, name: str, entries: list[dict[str, Any]]) -> None:
    """Put the values of a column in the order that rules want, and let the last be 1."""
    checks = _checks(header, name, None)
    if checks & {"not_falling", "reaches_one"} and name != header.sidx:
        for entry, value in zip(entries, sorted(e[name] for e in entries), strict=True):
            entry[name] = value
    if "reaches_one" in checks:
        entries[-1][name] = 1.0


def _checks(header: StreamHeader, name: str, special: Any) -> set[str]:
    rules = [rule for rule in header.rules.values() if name in rule.fields]
    return {rule.check for rule in rules if not rule.specials or special in rule.specials}
