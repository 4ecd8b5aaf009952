"""The two loops of an aggregation: keys to groups, and entries to sums.

They run over decoded columns and know no format. numba compiles them for the dtypes of a stream.
"""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
from __future__ import annotations

import math

import numpy as np

from evstream._support.jit import jit


@jit
def find_groups(keys, homes, slots, known, used, groups, first):
    """Find the group of each key from `first` on; a key that is not known yet gets the next one.

    `keys` is int64, keys x columns, and `known` likewise, of which `used` are. `slots` is a table
    with open addressing: the group of a key is in slot `homes` of it, or the next that is free.
    Returns (key, used); it stops at a key when `known` is full.
    """
    last = -1
    columns = keys.shape[1]
    size = slots.shape[0]
    for i in range(first, keys.shape[0]):
        same = last >= 0
        for j in range(columns):
            same = same and keys[i, j] == known[last, j]
        if same:  # as for all blocks of an event
            groups[i] = last
            continue
        at = homes[i]
        while True:
            group = slots[at]
            if group < 0:
                if used == known.shape[0]:
                    return i, used
                for j in range(columns):
                    known[used, j] = keys[i, j]
                slots[at] = group = used
                used += 1
                break
            same = True
            for j in range(columns):
                same = same and keys[i, j] == known[group, j]
            if same:
                break
            at += 1
            if at == size:
                at = 0
        groups[i] = last = group
    return keys.shape[0], used


@jit
def add_all(offsets, values, groups, sums, maxima):
    """Add all entries of each block to its group; group -1 is left out.

    Four sums at a time: one alone would wait for itself at each entry.
    """
    for block in range(groups.shape[0]):
        group = groups[block]
        first, last = offsets[block], offsets[block + 1]
        if group < 0 or first == last:
            continue
        a = b = c = d = 0.0
        high = values[first]
        odd = False
        i = first
        while i + 4 <= last:
            a += values[i]
            b += values[i + 1]
            c += values[i + 2]
            d += values[i + 3]
            i += 4
        while i < last:
            a += values[i]
            i += 1
        for i in range(first, last):
            value = values[i]
            odd |= math.isnan(value)
            high = value if value > high else high
        sums[group] += (a + b) + (c + d)
        if odd:
            maxima[group] = np.nan
        elif high > maxima[group]:
            maxima[group] = high


@jit
def add_range(offsets, numbers, values, groups, low, high, counts, sums, maxima):
    """Add the entries of each block whose number (sidx) is from low to high to its group, and
    count them in `counts`."""
    for block in range(groups.shape[0]):
        group = groups[block]
        if group < 0:
            continue
        total = 0.0
        count = 0
        most = maxima[group]
        for i in range(offsets[block], offsets[block + 1]):
            if low <= numbers[i] <= high:
                value = np.float64(values[i])
                total += value
                count += 1
                if value > most or math.isnan(value):
                    most = value
        counts[group] += count
        sums[group] += total
        maxima[group] = most


@jit
def add_some(offsets, values, groups, wanted, sums, maxima):
    """Add the wanted entries of each block to its group; `wanted` is a bool per entry."""
    for block in range(groups.shape[0]):
        group = groups[block]
        if group < 0:
            continue
        total = 0.0
        high = maxima[group]
        for i in range(offsets[block], offsets[block + 1]):
            if wanted[i]:
                value = np.float64(values[i])
                total += value
                if value > high or math.isnan(value):
                    high = value
        sums[group] += total
        maxima[group] = high


@jit
def count_some(offsets, groups, wanted, counts):
    """Count the wanted entries of each block."""
    for block in range(groups.shape[0]):
        count = 0
        for i in range(offsets[block], offsets[block + 1]):
            count += wanted[i]
        if groups[block] >= 0:
            counts[groups[block]] += count
