"""What is known of some groups so far: a small table that pickles, and merges with others.

Groups are found by a hash table of keys, which are int64 whatever their columns are. So memory
depends on the number of groups alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from evstream._support.texts import is_text
from evstream.aggregation.kernels import add_all, add_range, add_some, count_some
from evstream.aggregation.keys import KeyTable
from evstream.errors import StreamMismatchError
from evstream.wire.columns import Array, Columns

COUNT = "count"


@dataclass
class Partial:
    """Sums, counts and maxima of some blocks, per key. It pickles, and `merge` joins two.

    Attributes:
        by: the columns of the key -> dtype.
        keys: int64, shape (groups, columns of the key).
        counts: int64, number of entries per group.
        sums, maxima: column -> float64 per group.
    """

    by: dict[str, np.dtype[Any]]
    keys: Array
    counts: Array
    sums: dict[str, Array]
    maxima: dict[str, Array]

    def merge(self, *others: Partial) -> Partial:
        """All of it as one. Raises StreamMismatchError for partials of other columns."""
        groups = Groups(self.by, list(self.sums))
        for partial in (self, *others):
            groups.merge(partial)
        return groups.partial()

    def table(self) -> dict[str, Array]:
        """The keys in ascending order, and for each "count", the number of entries, and per column
        of values "<column>_sum", "<column>_mean" (both float64) and "<column>_max"."""
        columns = {
            name: _column_of(self.keys[:, number], dtype)
            for number, (name, dtype) in enumerate(self.by.items())
        }
        order = np.lexsort(list(columns.values())[::-1])
        order = order[self.counts[order] > 0]
        table = {name: column[order] for name, column in columns.items()}
        table[COUNT] = counts = self.counts[order]
        for name, sums in self.sums.items():
            table[f"{name}_sum"] = sums[order]
            table[f"{name}_mean"] = sums[order] / counts
            table[f"{name}_max"] = self.maxima[name][order]
        return table


class Groups:
    """Groups that blocks are added to."""

    def __init__(self, by: Mapping[str, np.dtype[Any]], values: list[str]) -> None:
        self._by, self._values = dict(by), values
        self._table = KeyTable(len(self._by))
        self._counts: Array = np.zeros(0, np.int64)
        self._sums: dict[str, Array] = {name: np.zeros(0) for name in values}
        self._maxima: dict[str, Array] = {name: np.zeros(0) for name in values}
        self._make_room()

    def _make_room(self) -> None:
        """Room for as many groups as there are keys; those that are there stay."""
        more = self._table.room - len(self._counts)
        if more:
            self._counts = np.append(self._counts, np.zeros(more, np.int64))
            for name in self._values:
                self._sums[name] = np.append(self._sums[name], np.zeros(more))
                self._maxima[name] = np.append(self._maxima[name], np.full(more, -np.inf))

    def _groups_of(self, keys: Array) -> Array:
        """The number of the group of each key."""
        groups = self._table.groups_of(keys)
        self._make_room()
        return groups

    def add(
        self,
        keys: list[Array],
        columns: Columns,
        values: Mapping[str, Array],
        blocks: Array | None = None,
        wanted: Array | None = None,
        span: tuple[Array, int, int] | None = None,
    ) -> None:
        """Add blocks.

        Args:
            keys: the columns of the key, a value per block.
            columns: the blocks.
            values: an array per column of values, a value per entry.
            blocks, wanted: which blocks and which entries to add, as bool; None for all.
            span: in place of `wanted`, a number per entry, and the lowest and highest to add.
        """
        if not len(keys[0]):
            return
        groups = self._groups_of(np.stack([_numbers_of(key) for key in keys], axis=1))
        if blocks is not None:
            groups[~blocks] = -1
        offsets = columns.offsets
        if span is not None:
            numbers, low, high = span
            if values:
                counts = self._counts
                for name, column in values.items():
                    sums, maxima = self._sums[name], self._maxima[name]
                    add_range(offsets, numbers, column, groups, low, high, counts, sums, maxima)
                    counts = np.zeros_like(counts)  # once is enough
                return
            wanted = (numbers >= low) & (numbers <= high)
        if not columns.entry:
            np.add.at(self._counts, groups[groups >= 0], 1)
        elif wanted is None:
            counts = np.diff(offsets)
            np.add.at(self._counts, groups[groups >= 0], counts[groups >= 0])
        else:
            count_some(offsets, groups, wanted, self._counts)
        for name, column in values.items():
            sums, maxima = self._sums[name], self._maxima[name]
            if wanted is None:
                add_all(offsets, column, groups, sums, maxima)
            else:
                add_some(offsets, column, groups, wanted, sums, maxima)

    def merge(self, partial: Partial) -> None:
        """Add what is known of other blocks. Raises StreamMismatchError for other columns."""
        if (partial.by, list(partial.sums)) != (self._by, self._values):
            raise StreamMismatchError(
                f"the partial is of {', '.join(partial.sums)} by {', '.join(partial.by)}",
                expected=f"{', '.join(self._values)} by {', '.join(self._by)}, at the same widths",
            )
        groups = self._groups_of(partial.keys)  # each once
        self._counts[groups] += partial.counts
        for name in self._values:
            with np.errstate(all="ignore"):  # infinities of both signs
                self._sums[name][groups] += partial.sums[name]
            self._maxima[name][groups] = np.maximum(
                self._maxima[name][groups], partial.maxima[name]
            )

    def partial(self) -> Partial:
        """What is known now."""
        used = self._table.used
        return Partial(
            self._by, self._table.keys.copy(), self._counts[:used].copy(),
            {name: sums[:used].copy() for name, sums in self._sums.items()},
            {name: maxima[:used].copy() for name, maxima in self._maxima.items()},
        )  # fmt: skip


def _numbers_of(column: Array) -> Array:
    """A column of a key as int64. Equal floats have equal numbers, and all NaN have one."""
    if column.dtype.kind == "f":
        values = column.astype(np.float64) + 0.0  # -0.0 is 0.0
        values[np.isnan(values)] = np.nan
        return values.view(np.int64)
    return column.astype(np.int64)


def _column_of(numbers: Array, dtype: np.dtype[Any]) -> Array:
    """The column that `_numbers_of` made numbers of."""
    if dtype.kind == "f":
        return np.ascontiguousarray(numbers).view(np.float64).astype(dtype)
    return numbers.astype(dtype)


def refuse_text(name: str, dtype: np.dtype[Any]) -> None:
    """Raise TypeError for a column of text, which has no place in a key."""
    if is_text(dtype):
        raise TypeError(f"by {name!r}, which is text, expected a column of numbers")
