"""CRC-32 of large pieces, by the instruction that multiplies polynomials.

zlib's crc32 is as fast as a table allows. A processor with carry-less multiplication folds eight
vectors of a piece into the next eight (`crc_kernel`), which have the same remainder. zlib takes
what is left after the last fold, so the polynomial is in one place here, and the final division in
none. Small pieces, other processors, and Python without numba use zlib alone, with the same result.
"""

from __future__ import annotations

import importlib
import zlib
from functools import cache
from typing import Any

import numpy as np

from evstream._support.jit import is_enabled

LEAST = 1 << 16
"""Bytes from which on a fold pays: less would not make up for the call."""


def crc32(data: Any, value: int = 0) -> int:
    """zlib.crc32: of contiguous bytes, after those whose checksum is `value`."""
    view = memoryview(data)
    if view.nbytes < LEAST:
        return zlib.crc32(view, value)
    kernel = _kernel()
    if kernel is None:
        return zlib.crc32(view, value)
    bytes_ = np.frombuffer(view, np.uint8)
    size = len(bytes_) // kernel.FOLDED * kernel.FOLDED
    left = np.empty(kernel.FOLDED, np.uint8)
    # zlib keeps the complement of the register, and begins with that of `value`.
    kernel.fold(bytes_.ctypes.data, size // kernel.FOLDED, value ^ _ONES, left.ctypes.data)
    return zlib.crc32(bytes_[size:].data, zlib.crc32(left.data, _ONES))


_ONES = 0xFFFFFFFF


@cache
def _kernel() -> Any:
    """The module with the compiled fold; None where there is none."""
    if not is_enabled():
        return None
    kernel = importlib.import_module("evstream._support.crc_kernel")
    return kernel if kernel.is_native() else None
