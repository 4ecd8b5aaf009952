"""Read and write one number at a byte offset: the only unaligned memory access there is.

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
    """The number of `dtype` at byte `offset` of a one-dimensional byte array; a numpy number
    stands for its dtype.

    In plain Python a Python number, whose sums neither wrap nor round to the width in the
    stream; but a NaN as it is, since a Python float would not keep its bits.
    """
    offset = int(offset)
    dtype = getattr(dtype, "dtype", dtype)
    value = buffer[offset : offset + dtype.itemsize].view(dtype)[0]
    return value if math.isnan(value) else value.item()


def store(buffer: Any, offset: Any, dtype: Any, value: Any) -> None:
    """Put `value`, converted to `dtype`, at byte `offset` of a one-dimensional byte array."""
    offset = int(offset)
    dtype = getattr(dtype, "dtype", dtype)
    buffer[offset : offset + dtype.itemsize].view(dtype)[0] = value


def size_of(number: Any) -> Any:
    """Bytes of a number of a stream, as np.uint64; in njit code a constant of its type."""
    return np.uint64(number.dtype.itemsize)


def prefetch(buffer: Any, offset: Any) -> None:
    """Have the processor fetch the cache line that lies `AHEAD` bytes behind `offset`.

    A loop over entries waits for memory at every line otherwise: what the processor sees
    ahead by itself ends with each mispredicted branch, so with each block, and its own
    prefetching at each page. A line that does not exist is no error.
    """


AHEAD = 4096
"""Bytes; measured with streams that lie in memory, not in a cache."""
