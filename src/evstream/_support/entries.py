"""Take a line of entries at once: as many, in a power of two, as a cache line has room for.

A line is one or a few wide loads, and the comparison of one field with two numbers gives a bit per
entry. So kernels find where a block ends without a branch per entry, and copy entries before they
know how many are theirs: those after the end of the block are overwritten by the next.

`entry` is a tuple of numbers, one per field of the entry in wire order, that stand for their
dtypes; `index` is the place of a field in it. The functions are ordinary ones that numba replaces
inside njit code (see `entry_intrinsics`). None checks bounds: GROUP lines, or one, have to be in
the buffer, and have to fit the columns.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from evstream._support.memory import load

LINE = 64
"""Bytes of a cache line."""

GROUP = 4
"""Lines that are taken at once where a block is long: stores to one column then come together."""

STEADY = 8
"""Blocks in a row whose last line ended at the same place, after which a kernel expects it."""


def line_of(sizes: list[int]) -> int:
    """Number of entries, with fields of these sizes, in a line."""
    return 1 << max((LINE // sum(sizes)).bit_length() - 1, 0)


def entries_in_line(entry: Any) -> Any:
    """Number of entries in a line, as np.uint64; in njit code a constant."""
    return np.uint64(line_of(_sizes(entry)))


def bytes_per_bit(entry: Any, index: int) -> Any:
    """Bytes from one bit of `find_marks` to the next, as np.uint64; in njit code a constant."""
    return np.uint64(sum(_sizes(entry)))


def find_marks(buffer: Any, at: Any, entry: Any, index: int, mark: int, limit: Any) -> Any:
    """Compare a field of the line of entries at byte `at`.

    Returns:
        (bits of the entries where it is `mark`, bits of those where it is above `limit`), as
        np.uint64. An entry that begins n * bytes_per_bit after `at` has bit n.
    """
    sizes = _sizes(entry)
    marks = above = 0
    for k in range(line_of(sizes)):
        value = load(buffer, int(at) + k * sum(sizes) + sum(sizes[:index]), entry[index])
        marks |= (value == mark) << k
        above |= (value > limit) << k
    return np.uint64(marks), np.uint64(above)


def is_quiet(
    buffer: Any, at: Any, entry: Any, index: int, mark: int, limit: Any, lines: int
) -> Any:
    """Whether `find_marks` finds no bit in `lines` lines."""
    size = line_of(_sizes(entry)) * sum(_sizes(entry))
    places = [int(at) + k * size for k in range(lines)]
    found = (find_marks(buffer, place, entry, index, mark, limit) for place in places)
    return not any(marks | above for marks, above in found)


def is_plain(buffer: Any, at: Any, entry: Any, index: int, mark: Any, limits: Any) -> Any:
    """Whether a field of the line of entries at byte `at` is never `mark`, an int or None, and
    always within `limits`: (lowest, highest) of its dtype, or ().

    For loops that call a user's function for each entry: it takes vectors of at most half a line,
    because wider ones keep processors from additions of floats in the meantime.
    """
    sizes = _sizes(entry)
    for k in range(line_of(sizes)):
        value = load(buffer, int(at) + k * sum(sizes) + sum(sizes[:index]), entry[index])
        if value == mark or (limits and (value < limits[0] or value > limits[1])):
            return False
    return True


def copy_entries(buffer: Any, at: Any, entry: Any, columns: Any, row: Any, lines: int) -> None:
    """Copy `lines` lines of entries at byte `at` into a column per field, from row `row` on."""
    sizes = _sizes(entry)
    for k in range(line_of(sizes) * lines):
        place = int(at) + k * sum(sizes)
        for number, size, column in zip(entry, sizes, columns, strict=True):
            column[int(row) + k] = load(buffer, place, number)
            place += size


def fill_entries(column: Any, row: Any, value: Any, entry: Any, lines: int) -> None:
    """Repeat `value`, from row `row` on, as often as there are entries in `lines` lines."""
    for k in range(line_of(_sizes(entry)) * lines):
        column[int(row) + k] = value


def first_bit(bits: Any) -> Any:
    """The number of the lowest bit that is set; there must be one."""
    return np.uint64((int(bits) & -int(bits)).bit_length() - 1)


def up_to_first(bits: Any) -> Any:
    """The lowest bit that is set and all below it; all bits if none is."""
    return np.uint64((int(bits) ^ (int(bits) - 1)) & 0xFFFF_FFFF_FFFF_FFFF)


def likely(condition: Any) -> Any:
    """The condition. Compiled code branches on it: the processor goes on with what it expects,
    where a conditional move would have it wait."""
    return condition


def _sizes(entry: Any) -> list[int]:
    return [getattr(number, "dtype", number).itemsize for number in entry]
