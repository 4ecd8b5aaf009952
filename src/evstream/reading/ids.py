"""Ids that a caller selects: of events, or of samples."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable
from typing import Any

import numpy as np

from evstream.wire.columns import Array

Ids = int | float | Iterable[int] | Iterable[float] | None

_INTEGER = np.dtype(np.int64)


def ids_of(name: str, values: Ids, dtype: np.dtype[Any] = _INTEGER) -> Array | None:
    """Sorted ids that a column of `dtype` may have."""
    if values is None:
        return None
    is_one = not isinstance(values, Iterable) or isinstance(values, (str, bytes))
    several: list[Any] = [values] if is_one else list(values)  # type: ignore[arg-type]
    try:
        ids: Array = np.asarray(several)
    except ValueError:  # of lists of different lengths
        ids = np.empty(1, object)
    kinds, expected = ("iuf", "a number") if dtype.kind == "f" else ("iu", "an integer")
    if ids.size and ids.dtype.kind not in kinds:
        shown = " ".join(reprlib.repr(values).split())
        raise TypeError(f"{name} is {shown}, expected {expected} or several")
    return np.unique(ids)
