"""Limits that printing and parsing share with their kernels."""

from __future__ import annotations

import numpy as np

KINDS = ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8")
"""The dtypes of columns; the kernels know them by their number."""

FIRST_UNSIGNED, F4, F8 = KINDS.index("u1"), KINDS.index("f4"), KINDS.index("f8")
SIZES = np.array([np.dtype(kind).itemsize for kind in KINDS], np.int64)
"""Bytes of a number of each kind."""

MOST_DECIMALS = 16
"""As many decimals the kernels print."""

SLACK = 32
"""Bytes after a text that the kernels that print may load and store."""

CHARACTERS = 64
"""As many are compared at once by the kernels that parse; a processor without such vectors takes
them in pieces."""

LOOKAHEAD = CHARACTERS + 32
"""Bytes after a text that they may load."""

MOST_PRECISION = 60
"""The largest number of decimals that a caller may ask for."""
