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

    Four sums and maxima at a time: one alone would wait for itself at each entry. No comparison
    finds a NaN, but the sum of its block shows it.
    """
    for block in range(groups.shape[0]):
        group = groups[block]
        i, last = offsets[block], offsets[block + 1]
        if group < 0 or i == last:
            continue
        first = i
        a = b = c = d = 0.0
        high_a = high_b = high_c = high_d = -np.inf
        while i + 4 <= last:
            at_a, at_b = np.float64(values[i]), np.float64(values[i + 1])
            at_c, at_d = np.float64(values[i + 2]), np.float64(values[i + 3])
            a += at_a
            b += at_b
            c += at_c
            d += at_d
            high_a = at_a if at_a > high_a else high_a
            high_b = at_b if at_b > high_b else high_b
            high_c = at_c if at_c > high_c else high_c
            high_d = at_d if at_d > high_d else high_d
            i += 4
        while i < last:
            at_a = np.float64(values[i])
            a += at_a
            high_a = at_a if at_a > high_a else high_a
            i += 1
        total = (a + b) + (c + d)
        high = max(high_a, high_b, high_c, high_d)
        if math.isnan(total):  # or infinities of both signs
            for k in range(first, last):
                if math.isnan(values[k]):
                    high = np.nan
        sums[group] += total
        if high > maxima[group] or math.isnan(high):
            maxima[group] = high


@jit
def add_range(offsets, numbers, values, groups, low, high, counts, sums, maxima):
    """Add the entries of each block whose number (sidx) is from low to high to its group, and
    count them in `counts`.

    Nearly always they lie together. So the others are left out at both ends; that there are none
    between them is counted in vectors of numbers, and then they add up as in add_all.
    """
    for block in range(groups.shape[0]):
        group = groups[block]
        i, last = offsets[block], offsets[block + 1]
        while i < last and not low <= numbers[i] <= high:
            i += 1
        while last > i and not low <= numbers[last - 1] <= high:
            last -= 1
        if group < 0 or i == last:
            continue
        first = i
        count = 0
        for k in range(first, last):
            count += (numbers[k] >= low) & (numbers[k] <= high)
        a = b = c = d = 0.0
        high_a = high_b = high_c = high_d = -np.inf
        if count == last - first:
            while i + 4 <= last:
                at_a, at_b = np.float64(values[i]), np.float64(values[i + 1])
                at_c, at_d = np.float64(values[i + 2]), np.float64(values[i + 3])
                a += at_a
                b += at_b
                c += at_c
                d += at_d
                high_a = at_a if at_a > high_a else high_a
                high_b = at_b if at_b > high_b else high_b
                high_c = at_c if at_c > high_c else high_c
                high_d = at_d if at_d > high_d else high_d
                i += 4
        while i < last:
            if low <= numbers[i] <= high:
                at_a = np.float64(values[i])
                a += at_a
                high_a = at_a if at_a > high_a else high_a
            i += 1
        total = (a + b) + (c + d)
        most = max(high_a, high_b, high_c, high_d)
        if math.isnan(total):  # or infinities of both signs
            for k in range(first, last):
                if low <= numbers[k] <= high and math.isnan(values[k]):
                    most = np.nan
        counts[group] += count
        sums[group] += total
        if most > maxima[group] or math.isnan(most):
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
