"""Ids that a caller selects: of events, of items, or of samples.

A range stays a range, however many ids it spans: `range(1, 10**9)` costs nothing. Other ids become
a sorted column of the type of the stream. An id that this type cannot hold belongs to no block, and
is only counted.
"""

from __future__ import annotations

import re
import reprlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from evstream.errors import plain_id
from evstream.wire.columns import Array

Ids = int | float | str | Iterable[int] | Iterable[float] | Iterable[str | int] | None

_KINDS = {
    "f": ("iuf", "a number"),
    "S": ("US", "a text"),
    "i": ("iu", "an integer"),
    "u": ("iu", "an integer"),
}
"""Kind of a column -> kinds of the ids that a caller may give, and what they are called."""

MOST_IDS = 1 << 24
"""Ids that a text may list."""


class Wanted:
    """Ids that are wanted of a column.

    Attributes:
        values: the ids in ascending order, of the type of the column, as far as it holds them;
            None for a range.
        others: ids that no column of this type has.
        first, last, step: of a range, ascending and cut to what the column holds.
    """

    def __init__(self, ids: Array | range, dtype: np.dtype[Any]) -> None:
        self.values: Array | None = None
        self.others: list[Any] = []
        self.first, self.last, self.step = 1, 0, 1
        if isinstance(ids, range):
            self._take_range(ids, dtype)
        else:
            self.values, self.others = _of_type(ids, dtype)

    def _take_range(self, ids: range, dtype: np.dtype[Any]) -> None:
        ids = ids if ids.step > 0 else ids[::-1]
        limits = np.iinfo(dtype if dtype.kind in "iu" else np.int64)
        first, last, self.step = ids.start, (ids[-1] if ids else ids.start - 1), ids.step
        if first < limits.min:
            first += -((first - int(limits.min)) // self.step) * self.step
        if last > limits.max:
            last -= -(-(last - int(limits.max)) // self.step) * self.step
        self.first, self.last = first, last

    @property
    def is_range(self) -> bool:
        return self.values is None

    @property
    def size(self) -> int:
        """Number of ids."""
        if self.values is not None:
            return len(self.values) + len(self.others)
        return max(0, (self.last - self.first) // self.step + 1)

    @property
    def span(self) -> tuple[int, int] | None:
        """The lowest and highest id, where all whole numbers between them are wanted."""
        if self.values is None:
            return (self.first, self.last) if self.step == 1 and self.size else None
        if len(self.values) and int(self.values[-1]) - int(self.values[0]) + 1 == len(self.values):
            return int(self.values[0]), int(self.values[-1])
        return None

    def among(self, column: Array) -> Array:
        """Which values of a column are wanted, as bool."""
        if self.values is None:
            return self._in_range(column)
        if len(self.values) == 1:
            return np.asarray(column == self.values)
        found: Array = np.isin(column, self.values)
        return found

    def has(self, value: Any) -> bool:
        """Whether one value is wanted."""
        return bool(self.among(np.array([value]))[0])

    def _in_range(self, column: Array) -> Array:
        if column.dtype.kind not in "iuf" or not self.size:
            return np.zeros(len(column), bool)
        found: Array = (column >= self.first) & (column <= self.last)
        if column.dtype.kind == "f":
            found &= column % self.step == self.first % self.step
        elif self.step > 1:
            # Unsigned numbers wrap around, so that the distance is exact for any two ids.
            first = np.uint64(self.first % (1 << 64))
            found &= (column.astype(np.uint64) - first) % np.uint64(self.step) == 0
        return found

    def listed(self) -> Array | None:
        """The ids in ascending order; None for a range of too many."""
        if self.values is not None:
            return self.values
        if self.size > MOST_IDS:
            return None
        return np.arange(self.first, self.last + 1, self.step)

    def plain(self) -> range | list[Any]:
        """The ids as a caller may give them again."""
        if self.values is None:
            return range(self.first, self.last + 1, self.step)
        return [*self.values.tolist(), *self.others]

    def names(self, count: int) -> list[Any]:
        """The lowest ids, as Python's."""
        if self.values is None:
            return list(range(self.first, self.last + 1, self.step)[:count])
        return sorted([*map(plain_id, self.values[:count]), *self.others])[:count]


def wanted_of(
    name: str, values: Ids, dtype: np.dtype[Any], number_of: Callable[[str], int] | None = None
) -> Wanted | None:
    """The ids that the argument `name` gives for a column of `dtype`; None for None.

    They are a number, a range with any step, an array, or whatever else iterates over ids, which is
    gone through once. `number_of` makes numbers of names.

    Raises TypeError for a value that is not an id of such a column.
    """
    if values is None:
        return None
    if isinstance(values, range):
        return Wanted(values, dtype)
    is_one = not isinstance(values, Iterable) or isinstance(values, (str, bytes))
    if isinstance(values, np.ndarray) and values.dtype.kind not in "OUS":
        several: Any = values.reshape(-1)
    elif is_one or getattr(values, "shape", None) == ():
        several = [values]
    else:
        several = list(values)  # type: ignore[arg-type]
    if number_of is not None and not isinstance(several, np.ndarray):
        several = [number_of(str(one)) if isinstance(one, str) else one for one in several]
    return Wanted(_column(name, values, several, dtype), dtype)


def kept(ids: Any) -> Any:
    """Ids that several readers go through, each from the beginning."""
    return list(ids) if isinstance(ids, Iterator) else ids


def _column(name: str, given: Ids, several: Any, dtype: np.dtype[Any]) -> Array:
    try:
        ids: Array = np.asarray(several)
    except ValueError:  # of lists of different lengths
        ids = np.empty(1, object)
    kinds, expected = _KINDS.get(dtype.kind, _KINDS["i"])
    # Numbers beyond 64 bits, which numpy takes for objects, are ids that no stream has.
    is_large = (
        ids.dtype == object
        and ids.ndim == 1
        and all(isinstance(one, (int, np.integer)) and not isinstance(one, bool) for one in ids)
    )
    if ids.size and ids.dtype.kind not in kinds and not (is_large and "i" in kinds):
        shown = " ".join(reprlib.repr(given).split())
        raise TypeError(f"{name} is {shown}, expected {expected} or several")
    return np.char.encode(ids, "utf-8") if ids.dtype.kind == "U" else ids


def _of_type(ids: Array, dtype: np.dtype[Any]) -> tuple[Array, list[Any]]:
    """The ids that a column of `dtype` holds, ascending and of that type; and the others."""
    if not ids.size:
        return np.empty(0, dtype), []
    ids = np.unique(ids)
    if dtype.kind == "f":
        return ids, []  # compared as numbers
    if dtype.kind == "S":
        fits = np.char.str_len(ids) <= dtype.itemsize
    else:
        limits = np.iinfo(dtype)
        fits = (ids >= limits.min) & (ids <= limits.max)
    return ids[fits].astype(dtype), [plain_id(one) for one in ids[~fits]]


def ids_in(text: str, name: str, *, words: bool = False) -> Any:
    """Ids from a text such as "1-10,15": a range, or a list. With `words` there may be names among
    them: "mean,1-10".

    Raises ValueError for another text.
    """
    found: list[Any] = []
    for piece in (part.strip() for part in text.split(",")):
        span = _SPAN.fullmatch(piece)
        if span is None:
            if not (words and _WORD.fullmatch(piece)):
                expected = "names, numbers and ranges, e.g. mean,1-10" if words else _EXPECTED
                raise ValueError(f"{name} is {text!r}, expected {expected}")
            found.append(piece)
            continue
        first = int(span[1])
        last = int(span[2]) if span[2] else first
        if last < first:
            raise ValueError(f"{name} has the range {piece!r}, expected the lower number first")
        found.append(range(first, last + 1))
    if len(found) == 1:
        return found[0]
    if sum(one.stop - one.start for one in found if isinstance(one, range)) > MOST_IDS:
        raise ValueError(f"{name} lists more than {MOST_IDS} ids, expected one range alone")
    return [i for one in found for i in (one if isinstance(one, range) else [one])]


_SPAN = re.compile(r"(-?[0-9]{1,20})(?:-([0-9]{1,20}))?", re.ASCII)
_EXPECTED = "ids and ranges, e.g. 1-10,15"
_WORD = re.compile(r"[A-Za-z_][A-Za-z_0-9]*", re.ASCII)
