"""Which variant of a stream a file of records alone is, where no header tells.

The records of one variant are longer than those of another, so at the wrong length their values
break rules from the second record on. A variant fits if the file is whole records of it, where the
size is known, and its first records break no rule of severity error. The first that fits is taken.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from evstream.reading.window import Window
from evstream.wire.columns import Columns
from evstream.wire.header import StreamHeader
from evstream.wire.rules import Checker

FIRST = 1 << 14
"""Bytes of a file that are tried."""


def has_variants(header: StreamHeader) -> bool:
    """Whether only the records tell which variant of a stream a file is."""
    alone = header.spec.header is None and header.block.entry is None
    return alone and len(header.format.variants(header.stream)) > 1


def variant_in(window: Window, header: StreamHeader, size: int | None) -> StreamHeader:
    """The header of the variant that the next bytes of a window are, which stay in it."""
    start = window.first(FIRST)
    is_all = len(start) < min(FIRST, len(window.buffer))
    return fitting_variant(header, start, len(start) if is_all else size)


def fitting_variant(header: StreamHeader, start: bytes, size: int | None) -> StreamHeader:
    """The header of the variant that the first bytes of a file fit; as it is where none does.

    Args:
        header: of a stream that `has_variants`.
        start: the first bytes of the file.
        size: of the file; None if it is not known.
    """
    for spec in header.format.variants(header.stream):
        variant = dataclasses.replace(header, stream=spec.name)
        if _fits(variant, start, size):
            return variant
    return header


def _fits(header: StreamHeader, start: bytes, size: int | None) -> bool:
    dtype = header.block_dtype
    if size is not None and size % dtype.itemsize:
        return False
    records = np.frombuffer(start, dtype, len(start) // dtype.itemsize)
    numbers = np.arange(1, len(records) + 1)
    block = tuple(
        records[name] if name in (dtype.names or ()) else numbers.astype(column)
        for name, column in header.block_columns.items()
    )
    columns = Columns(block, np.zeros(len(records) + 1, np.int64), ())
    return not any(Checker(header, ("error",)).broken(columns))
