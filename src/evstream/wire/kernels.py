"""Find the generated kernels of a block, and the state that chooses their widths."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

from evstream._support.format import Format
from evstream._support.protocol import STATE_FIELDS
from evstream.wire.flat_kernels import FlatKernels
from evstream.wire.header import StreamHeader


def block_kernels(header: StreamHeader) -> Any:
    """The generated module for the blocks of a stream, e.g. evstream._generated.item; for those
    without entries, kernels of numpy."""
    if header.block.entry is None:
        return FlatKernels(header)
    return header.format.module(header.block.name)


def new_states(header: StreamHeader) -> Any:
    """An array with the state of the kernels of a stream, before its first block. They take one
    record too, but faster an array of one: see `memory.record_of`. Whoever calls a kernel passes
    the array, since each of the two would be compiled for itself.

    `phase` says what comes next, `start` is the stream offset of the open block, `entries` how
    many of its entries were read, `left` how many are still to come where a count says so. The
    fields of the block header, each with an underscore after its name, are those of the open
    block; those of the entry are there for their widths.

    For `block_checks`: `beyond` is the offset of the first entry whose sidx is above `limit`, 0
    before there is one; `odd` is whether a block header had a reserved id, or an event id that
    is `common` or at least `rare` and so may be a type word.
    """
    block = header.block
    records = [header.record_dtype(name) for name in (block.header, block.entry) if name]
    return np.zeros(1, _state_dtype(tuple(records)))


def read_only(data: Any) -> Any:
    """The same array, not to be written. Whoever calls `find_blocks` passes such a one: bytes of a
    file often are, and a kernel is compiled once more for an array that can be written."""
    view = data.view()
    view.flags.writeable = False
    return view


@cache
def _state_dtype(records: tuple[np.dtype[np.void], ...]) -> np.dtype[np.void]:
    # One object for all streams: numba finds the compiled code of a call by it, and would
    # compare the fields one by one otherwise.
    own = [(name, np.dtype(np.int64).str) for name in STATE_FIELDS]
    own += [(f"{name}_", dtype[name].str) for dtype in records for name in dtype.names or ()]
    return np.dtype(own, align=True)


def record_functions(format: Format, widths: Mapping[str, str]) -> Any:
    """The generated module with mv_read_* and mv_write_* of every record."""
    chosen = [widths[name] for name, s in format.scalars.items() if len(s.widths) > 1]
    return format.module("_".join(["records", *chosen]))
