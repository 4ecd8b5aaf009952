"""Limits that printing and parsing share with their kernels."""

from __future__ import annotations

KINDS = ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8")
"""The dtypes of columns; the kernels know them by their number."""

MOST_DECIMALS = 16
"""As many decimals the kernels print."""

SLACK = 32
"""Bytes after a text that kernels may load and store."""

MOST_PRECISION = 60
"""The largest number of decimals that a caller may ask for."""
