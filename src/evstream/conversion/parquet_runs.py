"""Columns of Parquet whose values repeat, encoded from their runs.

The ids of a block are repeated in each row of it. Libraries look every value up in a hash table to
find its number in the dictionary. Here a comparison with the row above gives the runs, and the rest
is work for each run, of which there are a hundredth of the rows in a usual stream.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from evstream.conversion.thrift import BINARY, I32, I64, LIST, STRUCT, TRUE, Struct, write_struct

Array = npt.NDArray[Any]

Compress = Callable[[bytes], bytes]

FEWEST_ROWS = 8
"""Rows per run from which on this is worth while."""

SAMPLE = 4096
"""Rows that are looked at before all are compared."""

_PHYSICAL = {("i", 4): 1, ("u", 4): 1, ("i", 8): 2, ("u", 8): 2, ("f", 4): 4, ("f", 8): 5}
_PLAIN, _RLE, _RLE_DICTIONARY = 0, 3, 8
_DATA_PAGE, _DICTIONARY_PAGE = 0, 2


class ColumnChunk(NamedTuple):
    """The pages of a column in a row group.

    Attributes:
        pages: buffers, one after the other.
        column: its ColumnChunk in the metadata of Parquet; offsets are those of the file that
            begins with the first page.
    """

    pages: list[Any]
    column: Struct


def runs_of(values: Array) -> Array | None:
    """Where the runs of equal values start; None for a column that is not made of long ones."""
    if (values.dtype.kind, values.dtype.itemsize) not in _PHYSICAL or not len(values):
        return None
    bits = values.view(f"i{values.itemsize}")  # a NaN is equal to itself
    for part in (bits[:SAMPLE], bits):
        changes = np.flatnonzero(part[1:] != part[:-1])
        if (len(changes) + 1) * FEWEST_ROWS > len(part):
            return None
    starts = np.zeros(len(changes) + 1, np.int64)
    np.add(changes, 1, out=starts[1:])
    return starts


def encoded_runs(
    name: str, values: Array, starts: Array, codec: int, compress: Compress | None
) -> ColumnChunk:
    """A column as a page with its dictionary, and one with the runs.

    Args:
        starts: of its runs.
        codec: the number that Parquet has for the compression; `compress` compresses.
    """
    bits = values.view(f"i{values.itemsize}")[starts]
    if values.dtype.kind == "u":
        bits = bits.view(values.dtype)
    dictionary, codes = np.unique(bits, return_inverse=True)
    width = max(len(dictionary) - 1, 1).bit_length()
    runs = bytes([width]) + _hybrid(np.diff(starts, append=len(values)), codes, width)
    count = {1: (I32, len(dictionary)), 2: (I32, _PLAIN)}
    of_values = {
        1: (I32, len(values)), 2: (I32, _RLE_DICTIONARY), 3: (I32, _RLE), 4: (I32, _RLE)
    }  # fmt: skip
    first, first_size = _page(
        _DICTIONARY_PAGE, dictionary.tobytes(), {7: (STRUCT, count)}, compress
    )
    second, second_size = _page(_DATA_PAGE, runs, {5: (STRUCT, of_values)}, compress)
    data_at = sum(map(len, first))
    pages = [*first, *second]
    encodings = [
        {1: (I32, _DICTIONARY_PAGE), 2: (I32, _PLAIN), 3: (I32, 1)},
        {1: (I32, _DATA_PAGE), 2: (I32, _RLE_DICTIONARY), 3: (I32, 1)},
    ]
    metadata: Struct = {
        1: (I32, _PHYSICAL[values.dtype.kind, values.itemsize]),
        2: (LIST, (I32, [_PLAIN, _RLE, _RLE_DICTIONARY])),
        3: (LIST, (BINARY, [name.encode()])),
        4: (I32, codec),
        5: (I64, len(values)),
        6: (I64, first_size + second_size),
        7: (I64, sum(map(len, pages))),
        9: (I64, data_at),
        11: (I64, 0),
        13: (LIST, (STRUCT, encodings)),
    }
    if values.dtype.kind != "f":
        metadata[12] = STRUCT, _statistics(dictionary)
    return ColumnChunk(pages, {2: (I64, 0), 3: (STRUCT, metadata)})


def _hybrid(lengths: Array, codes: Array, width: int) -> bytes:
    """Runs in the encoding of Parquet: of each twice its length as a varint, then its number in the
    dictionary in whole bytes."""
    heads = lengths << 1
    sizes = np.ones(len(heads), np.int64)
    for bits in range(7, int(heads.max()).bit_length(), 7):
        sizes += heads >> bits > 0
    of_code = -(-width // 8)
    ends = np.cumsum(sizes + of_code)
    out = np.empty(int(ends[-1]), np.uint8)
    starts = ends - sizes - of_code
    for k in range(int(sizes.max())):
        at = sizes > k
        more = (sizes[at] > k + 1) << 7
        out[starts[at] + k] = heads[at] >> 7 * k & 127 | more
    for k in range(of_code):
        out[ends - of_code + k] = codes >> 8 * k & 255
    return out.tobytes()


def _page(kind: int, data: bytes, more: Struct, compress: Compress | None) -> tuple[list[Any], int]:
    """(header and data of a page, its size without compression)."""
    kept = data if compress is None else compress(data)
    crc = zlib.crc32(kept)
    header = write_struct({
        1: (I32, kind), 2: (I32, len(data)), 3: (I32, len(kept)),
        4: (I32, crc - (crc >> 31 << 32)), **more,
    })  # fmt: skip
    return [header, kept], len(header) + len(data)


def _statistics(dictionary: Array) -> Struct:
    """The smallest and the largest integer; the first two fields are for readers of signed ones
    that do not know the others."""
    low, high = dictionary[:1].tobytes(), dictionary[-1:].tobytes()
    found: Struct = {
        3: (I64, 0), 5: (BINARY, high), 6: (BINARY, low),
        7: (TRUE, True), 8: (TRUE, True),
    }  # fmt: skip
    if dictionary.dtype.kind == "i":
        found |= {1: (BINARY, high), 2: (BINARY, low)}
    return found


def moved(column: Struct, by: int) -> Struct:
    """What the metadata of a file say of a column, whose pages lie further on in another file."""
    _, fields = column[3]
    places = {
        n: (kind, at + by) if n in _PLACES else (kind, at) for n, (kind, at) in fields.items()
    }
    return {**column, 2: (I64, 0), 3: (STRUCT, places)}


_PLACES = (9, 10, 11)
