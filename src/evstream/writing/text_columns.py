"""From what a caller has (str or bytes, lists or arrays of them) to columns of text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from evstream._support.texts import first_illegal, refusal
from evstream.errors import WriteError
from evstream.wire.columns import Array


def text_array(name: str, values: npt.ArrayLike, source: str) -> Array:
    """`values` as an array of bytes, str or Python objects. Trailing zero bytes fill a text up, as
    numpy has it. Raises WriteError for what is not an array of text."""
    given = values if isinstance(values, np.ndarray) else np.asarray(values, object)
    if given.dtype.kind not in "SUO":
        raise WriteError(f"{name} is of dtype {given.dtype}", source=source, expected="text")
    return given


def as_text(
    name: str,
    array: Array,
    dtype: np.dtype[Any],
    source: str,
    place: Callable[[tuple[int, ...]], dict[str, Any]],
) -> Array:
    """The texts at the size of a column. Raises WriteError, with the place, for one that is too
    long, not ASCII or has a zero byte inside."""
    if array.dtype.kind == "S" and array.ndim == 1 and array.dtype.itemsize <= dtype.itemsize:
        converted: Array = array.astype(dtype)
        if first_illegal(converted) is None:
            return converted
    for index, value in np.ndenumerate(array):
        if (refused := refusal(value, dtype.itemsize)) is not None:
            problem, expected = refused
            where = place(index) if index else {}
            raise WriteError(f"{name} {problem}", source=source, expected=expected, **where)
    encoded = np.empty(array.shape, dtype)
    for index, value in np.ndenumerate(array):
        encoded[index] = value
    return encoded
