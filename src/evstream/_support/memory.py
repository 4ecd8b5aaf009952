"""Read and write one number at a byte offset: the only unaligned memory access.

`load` and `store` are ordinary functions that numba replaces, inside njit code, by one
machine instruction (see `intrinsics`).
Slicing and viewing, as plain numpy would, costs forty times as much per number.

The compiled form checks nothing: kernels compare the cursor with the end of the valid
bytes once per record instead. With NUMBA_BOUNDSCHECK=1 every access is checked, and with
NUMBA_DISABLE_JIT=1 the plain bodies below run, which numpy checks.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def load(buffer: Any, offset: Any, dtype: Any) -> Any:
    """The number of `dtype` at byte `offset` of a one-dimensional byte array. A numpy number can be
    given in place of its dtype.

    In plain Python the result is a Python number, so that sums neither wrap nor round to the width
    in the stream. A NaN stays a numpy number, since a Python float would lose its bits. A text (of
    dtype S<n>) is bytes without the zeros that fill it up.
    """
    offset = int(offset)
    dtype = getattr(dtype, "dtype", dtype)
    value = buffer[offset : offset + dtype.itemsize].view(dtype)[0]
    if dtype.kind == "S":
        return value
    return value if math.isnan(value) else value.item()


def store(buffer: Any, offset: Any, dtype: Any, value: Any) -> None:
    """Put `value`, converted to `dtype`, at byte `offset` of a one-dimensional byte array."""
    offset = int(offset)
    dtype = getattr(dtype, "dtype", dtype)
    buffer[offset : offset + dtype.itemsize].view(dtype)[0] = value


def size_of(number: Any) -> Any:
    """Bytes of a number of a stream, as np.uint64; in njit code a constant of its type."""
    return np.uint64(number.dtype.itemsize)


def record_of(state: Any) -> Any:
    """The one record of an array, or the record that is given. A call of compiled code takes an
    array in a third of the time: numba goes through all fields of a record to find out its type."""
    return state[0] if isinstance(state, np.ndarray) else state


def prefetch(buffer: Any, offset: Any) -> None:
    """Have the processor fetch the cache line `AHEAD` bytes after `offset`.

    Otherwise a loop over entries waits for memory at every line: the processor loses what it has
    fetched ahead at each mispredicted branch, so at each block, and its own prefetching stops at
    each page. A line outside of the array is not an error.
    """


AHEAD = 4096
"""Bytes; measured with streams in memory, not in a cache."""
