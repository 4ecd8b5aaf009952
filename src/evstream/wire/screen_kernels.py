"""The passes of the screen: each looks at every value of a column once and keeps no place.

Columns are contiguous, so a processor compares a vector of values at a time. Those over entries run
without the GIL, those over blocks keep it.
"""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
from __future__ import annotations

from evstream._support.jit import jit, jit_short

SAMPLES, SPECIALS, UNKNOWN, MISSING, ABOVE = 1, 2, 4, 8, 16
"""What blocks may have: samples that do not ascend (or any sidx that comes twice), special sidx
that do not ascend, unknown ones, required ones that are missing, a sidx above the limit."""

MOST = 62
"""The special sidx that the screen can tell apart are -1 to -MOST, a bit each."""


@jit
def in_range(values, low, high):
    """Whether all values are from `low` to `high`; a NaN is not."""
    outside = 0
    for i in range(len(values)):
        outside += not (low <= values[i] <= high)
    return outside == 0


@jit_short
def few_in_range(values, low, high):
    """As `in_range`, of a column of blocks."""
    return in_range(values, low, high)


@jit_short
def has_empty(offsets):
    """Whether there is a block without entries."""
    empty = 0
    for i in range(1, len(offsets)):
        empty += offsets[i] == offsets[i - 1]
    return empty > 0


@jit_short
def never_falls(values):
    """Whether no value is below the one before it, and none is NaN."""
    falls = int(len(values) > 0 and values[0] != values[0])
    for i in range(1, len(values)):
        falls += not (values[i] >= values[i - 1])
    return falls == 0


@jit_short
def ascends_in_runs(groups, values):
    """Whether each value is above the one before it where the groups are the same."""
    falls = 0
    for i in range(1, len(values)):
        # A NaN is the same as anything: better to look closely once too often.
        same = not ((groups[i] < groups[i - 1]) | (groups[i] > groups[i - 1]))
        falls += same & (not (values[i] > values[i - 1]))
    return falls == 0


@jit
def order_of_sidx(sidx, offsets, known, required, limit, has_before, before, seen, is_open):
    """What the sidx of blocks may break, as a sum of SAMPLES, SPECIALS and so on.

    The special sidx of a block come first, so these are looked at one by one. Of all others it is
    enough to count how often a sidx is not above the one before it: where that happens more often
    than between two blocks and between special sidx, samples do not ascend.

    Args:
        known, required: special sidx of the stream, bit i for -i.
        limit: the highest legal sidx.
        has_before, before: whether the first entry follows `before` in its block.
        seen: special sidx that the first block had before, as bits.
        is_open: whether the last block goes on, and so may still get what it requires.
    """
    found = falls = 0
    blocks = len(offsets) - 1
    for block in range(blocks):
        start, end = offsets[block], offsets[block + 1]
        specials, follows, last = 0, False, 0
        if block == 0:
            specials, follows, last = seen, has_before, before
        if start < end:
            if start:
                falls += sidx[start] <= sidx[start - 1]
            if follows and last > 0 and int(sidx[start]) <= last:
                found |= SAMPLES
            if int(sidx[end - 1]) > limit:  # the highest, if they ascend
                found |= ABOVE
        for at in range(start, end):
            value = int(sidx[at])
            if value > 0:
                break
            bit = 0
            if value < -MOST:
                found |= SAMPLES | SPECIALS | UNKNOWN | MISSING
            else:
                bit = 1 << -value
            if not bit & known:
                found |= UNKNOWN
            if specials & bit or (follows and value == last):
                found |= SAMPLES
            if follows and value <= last:
                found |= SPECIALS
                falls += at > start
            specials |= bit
            follows, last = True, value
        if specials & required != required and not (is_open and block == blocks - 1):
            found |= MISSING
    for i in range(1, len(sidx)):
        falls -= sidx[i] <= sidx[i - 1]
    if falls:
        found |= SAMPLES
    return found


@jit_short
def specials_in_range(sidx, offsets, values, chosen, low, high):
    """Whether the values of the special sidx in `chosen` (bit i for -i), which come first in
    their blocks, are from `low` to `high`."""
    outside = 0
    for block in range(len(offsets) - 1):
        for at in range(offsets[block], offsets[block + 1]):
            if sidx[at] > 0:
                break
            value = int(sidx[at])
            is_chosen = value >= -MOST and (chosen >> -value) & 1
            outside += is_chosen and not (low <= values[at] <= high)
    return outside == 0
