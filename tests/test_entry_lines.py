"""The functions that take a line of entries at once do the same compiled as in plain Python."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import pytest

from evstream._support import entries
from evstream._support.jit import jit

LAYOUTS = {
    "vectors": ("<i4", "<f4"),
    "a wide integer": ("<i8", "<f4"),
    "the mark second": ("<u2", "<i2", "<f8"),
    "a mark that is a float": ("<i4", "<f4", "<f4"),
    "one entry in a line": ("<i4", *["<f8"] * 8),
}
MARKED = {"the mark second": 1, "a mark that is a float": 2}
MARK, LIMIT = 0, 90


def stream_of(dtypes: tuple[str, ...], index: int) -> tuple[Any, Any]:
    """(entry, bytes of four lines): values around the mark and the limit."""
    entry = tuple(np.zeros(1, d)[0] for d in dtypes)
    names = [f"f{i}" for i in range(len(dtypes))]
    count = 5 * entries.line_of([np.dtype(d).itemsize for d in dtypes])
    records = np.zeros(count, [*zip(names, dtypes, strict=True)])
    numbers = np.arange(count)
    for name in names:
        records[name] = numbers + 60
    records[names[index]][1:3] = 0, LIMIT + 1
    return entry, records.view(np.uint8).copy()


def calls(index: int) -> Any:
    def find(buffer, at, entry):  # type: ignore[no-untyped-def]
        found = entries.find_marks(buffer, at, entry, index, MARK, LIMIT)
        step = entries.bytes_per_bit(entry, index)
        quiet = entries.is_quiet(buffer, at, entry, index, MARK, LIMIT, 4)
        line = entries.entries_in_line(entry)
        return found[0], found[1], step, quiet, line

    return find


@pytest.mark.parametrize("name", LAYOUTS)
def test_marks_are_found_as_in_plain_python(name: str) -> None:
    index = MARKED.get(name, 0)
    entry, buffer = stream_of(LAYOUTS[name], index)
    find = calls(index)
    find_compiled = numba.njit(find)
    jit(find)  # which makes the compiled forms known
    size = sum(number.itemsize for number in entry)
    line = int(entries.entries_in_line(entry))
    for k in range(line):
        plain = find(buffer, k * size, entry)
        found = find_compiled(buffer, np.uint64(k * size), entry)
        assert found[3:] == plain[3:]
        for ours, theirs in zip(found[:2], plain[:2], strict=True):
            places = [b * int(found[2]) for b in range(64) if int(ours) >> b & 1]
            assert places == [b * int(plain[2]) for b in range(64) if int(theirs) >> b & 1]


@pytest.mark.parametrize("name", LAYOUTS)
def test_plain_lines_are_those_of_plain_python(name: str) -> None:
    index = MARKED.get(name, 0)
    entry, buffer = stream_of(LAYOUTS[name], index)
    dtype = np.dtype(LAYOUTS[name][index]).type

    def call(buffer, at, entry, low, high):  # type: ignore[no-untyped-def]
        unmarked = entries.is_plain(buffer, at, entry, index, MARK, ())
        bounded = entries.is_plain(buffer, at, entry, index, None, (low, high))
        return unmarked, bounded, entries.is_plain(buffer, at, entry, index, MARK, (low, high))

    compiled = numba.njit(call)
    jit(call)
    size = sum(number.itemsize for number in entry)
    line = int(entries.entries_in_line(entry))
    results = set()
    for low, high in ((0, LIMIT), (0, LIMIT + 1), (61, 127), (62 + line, 127)):
        for k in range(3 * line):
            args = buffer, np.uint64(k * size), entry, dtype(low), dtype(high)
            assert compiled(*args) == call(*args)
            results.add(call(*args))
    assert all(len(set(column)) == 2 for column in zip(*results, strict=True))


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("lines", [1, 4])
def test_lines_are_copied_as_in_plain_python(name: str, lines: int) -> None:
    entry, buffer = stream_of(LAYOUTS[name], 0)

    def copy(buffer, at, entry, columns, filled, value):  # type: ignore[no-untyped-def]
        entries.copy_entries(buffer, at, entry, columns, 2, lines)
        entries.fill_entries(filled, 3, value, entry, lines)

    compiled = numba.njit(copy)
    jit(copy)
    results = []
    for function in (copy, compiled):
        columns = tuple(np.zeros(50, d) for d in LAYOUTS[name])
        filled = np.zeros(50, np.int32)
        function(buffer, 0, entry, columns, filled, np.int32(7))
        results.append([column.tolist() for column in (*columns, filled)])
    assert results[0] == results[1]
    assert sum(results[1][-1]) == 7 * lines * int(entries.entries_in_line(entry))
