"""Read and write one number of any dtype at a byte offset: `mv_read` and `mv_write`.

The documented module has them, and the generated writers that take dtypes as arguments use them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numba.extending import overload
from numba.np.numpy_support import as_dtype

from evstream._support.memory import load, prefetch, store


def mv_read(byte_mv: Any, cursor: Any, _dtype: Any, itemsize: Any) -> tuple[Any, Any]:
    """Read one number; from Python and from njit code.

    Args:
        byte_mv: one-dimensional int8 or uint8 array, of any alignment.
        cursor: byte offset of the number.
        _dtype: its numpy dtype or scalar type, e.g. np.int32.
        itemsize: its size in bytes.

    Returns:
        (value, offset of the byte after it).
    """
    return load(byte_mv, cursor, np.dtype(_dtype)), cursor + itemsize


def mv_write(byte_mv: Any, cursor: Any, _dtype: Any, itemsize: Any, value: Any) -> Any:
    """Write one number, converted to `_dtype`; from Python and from njit code.

    Args: as for mv_read; `value` is a number or a 0-d array.

    Returns:
        Offset of the byte after it.
    """
    store(byte_mv, cursor, np.dtype(_dtype), value)
    return cursor + itemsize


@overload(mv_read)
def _mv_read(byte_mv, cursor, _dtype, itemsize):  # type: ignore[no-untyped-def]
    is_class = isinstance(_dtype, types.NumberClass)
    number = as_dtype(_dtype.dtype)
    is_integer = number.kind == "i"  # one prefetch per pair is enough, with its sidx

    def read_number(byte_mv, cursor, _dtype, itemsize):  # type: ignore[no-untyped-def]
        if is_integer:
            prefetch(byte_mv, cursor)
        return load(byte_mv, cursor, number), cursor + itemsize

    def read(byte_mv, cursor, _dtype, itemsize):  # type: ignore[no-untyped-def]
        if is_integer:
            prefetch(byte_mv, cursor)
        return load(byte_mv, cursor, _dtype), cursor + itemsize

    return read_number if is_class else read


@overload(mv_write)
def _mv_write(byte_mv, cursor, _dtype, itemsize, value):  # type: ignore[no-untyped-def]
    if isinstance(_dtype, types.NumberClass):
        number = as_dtype(_dtype.dtype)

        def write_number(byte_mv, cursor, _dtype, itemsize, value):  # type: ignore[no-untyped-def]
            store(byte_mv, cursor, number, value)
            return cursor + itemsize

        return write_number

    def write(byte_mv, cursor, _dtype, itemsize, value):  # type: ignore[no-untyped-def]
        store(byte_mv, cursor, _dtype, value)
        return cursor + itemsize

    return write
