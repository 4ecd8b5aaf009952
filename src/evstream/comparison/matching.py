"""Which rows of two tables belong together, by their ids."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from evstream.wire.columns import Array, Columns, differ


class Matched(NamedTuple):
    """Indices of what belongs together, ascending in `a`; and of what is in one alone."""

    a: Array
    b: Array
    only_a: Array
    only_b: Array


def match(a: list[Array], b: list[Array]) -> Matched:
    """Match the rows of two tables by all their columns, equal ones in their order.

    The rows of both tables are sorted together, which brings equal ones next to each other, those
    of A first. In each group of equal rows the k-th of A belongs to the k-th of B; where A has
    more, or B has, the others are alone.
    """
    n = len(a[0])
    if all(len(x) == len(y) and not differ(x, y).any() for x, y in zip(a, b, strict=True)):
        return Matched(np.arange(n), np.arange(n), np.zeros(0, np.intp), np.zeros(0, np.intp))
    keys = [np.concatenate(columns) for columns in zip(a, b, strict=True)]
    order = np.lexsort(keys[::-1])  # stable: of equal rows those of A come first
    is_new = np.ones(len(order), bool)
    is_new[1:] = np.any([differ(key[order[1:]], key[order[:-1]]) for key in keys], axis=0)
    group, start = np.cumsum(is_new) - 1, np.flatnonzero(is_new)
    of_a = order < n
    in_a = np.add.reduceat(of_a, start, dtype=np.intp)
    in_b = np.diff([*start, len(order)]) - in_a
    places = np.flatnonzero(of_a)
    groups = group[places]
    has = places - start[groups] < in_b[groups]
    rows_a, rows_b = order[places[has]], order[(places + in_a[groups])[has]] - n
    lonely = np.ones(len(order), bool)
    lonely[rows_a] = lonely[rows_b + n] = False
    only = np.flatnonzero(lonely)
    by_a = np.argsort(rows_a)
    return Matched(rows_a[by_a], rows_b[by_a], only[only < n], only[only >= n] - n)


def numbers_of_events(columns: Columns) -> Array:
    """For each block the number of its event, from 0."""
    ids = columns.block[0]
    numbers = np.zeros(len(ids), np.int64)
    numbers[1:] = np.cumsum(differ(ids[1:], ids[:-1]))
    return numbers
