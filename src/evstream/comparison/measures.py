"""What is summed when two streams are compared: the values of blocks, and those of entries, of
samples and of each special sidx apart.

A sum over all entries would mix samples with means and insured values, which says nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from evstream.wire.columns import Array, Columns
from evstream.wire.header import StreamHeader
from evstream.wire.sums import sum_of, sums_by_kind

SAMPLES = "samples"
OTHER = "other sidx"


class Measures:
    """The sums of a stream type.

    Attributes:
        names: (column, kind) of each sum; the kind is "samples", the name of a special sidx, or ""
            in a stream without sidx.
    """

    def __init__(self, header: StreamHeader) -> None:
        keys, kinds = header.key_columns, "f"
        self._header = header
        self._blocks = [
            (at, name)
            for at, (name, dtype) in enumerate(header.block_columns.items())
            if name not in keys and dtype.kind in kinds
        ]
        self._values = [
            (at, name)
            for at, (name, dtype) in enumerate(header.entry_columns.items())
            if name != header.sidx and dtype.kind in kinds
        ]
        self._sidx = list(header.entry_columns).index(header.sidx) if header.sidx else None
        special = header.format.special_parameters if header.sidx else {}
        by_sidx = sorted((sidx, name) for name, sidx in special.items())
        self._specials: Array = np.array([sidx for sidx, _ in by_sidx], np.int64)
        of = [SAMPLES, *(name for _, name in by_sidx), OTHER] if header.sidx else [""]
        self._kinds = len(of)
        self.names = [(name, "") for _, name in self._blocks]
        self.names += [(name, kind) for _, name in self._values for kind in of]

    def of_all(self, columns: Columns, first: int = 0) -> tuple[Array, Array]:
        """(sums, numbers of values) of a stretch; `first` is the first block to count the values
        of, 1 where the rest of a block is before it."""
        sums, counts = np.zeros(len(self.names)), np.zeros(len(self.names), np.int64)
        for n, (at, _) in enumerate(self._blocks):
            column = columns.block[at][first:]
            sums[n], counts[n] = sum_of(column), len(column)
        n = len(self._blocks)
        for at, _ in self._values:
            stop = n + self._kinds
            self._add_entries(columns, columns.entry[at], counts[n:stop], sums[n:stop])
            n = stop
        return sums, counts

    def _add_entries(self, columns: Columns, values: Array, counts: Array, sums: Array) -> None:
        if self._sidx is None:
            counts[0], sums[0] = len(values), sum_of(values)
            return
        sidx = columns.entry[self._sidx]
        counts[:], sums[:] = sums_by_kind(sidx, values, self._specials.tolist())

    def of_blocks(self, columns: Columns) -> Array:
        """The sums of each block, float64, shape (blocks, names)."""
        blocks = len(columns.block[0])
        sums = np.zeros((blocks, len(self.names)))
        for n, (at, _) in enumerate(self._blocks):
            sums[:, n] = columns.block[at]
        if not self._values:
            return sums
        block = np.repeat(np.arange(blocks), np.diff(columns.offsets))
        kinds: Any = 0
        if self._sidx is not None:
            kinds = self._kinds_of(columns.entry[self._sidx])
        place, size = block * self._kinds + kinds, blocks * self._kinds
        n = len(self._blocks)
        for at, _ in self._values:
            with np.errstate(invalid="ignore"):  # infinities of both signs sum to NaN
                weights = columns.entry[at].astype(np.float64)
                found = np.bincount(place, weights, minlength=size)
            sums[:, n : n + self._kinds] = found.reshape(blocks, self._kinds)
            n += self._kinds
        return sums

    def counts_of(self, columns: Columns) -> Array:
        """The numbers of values."""
        counts = np.full(len(self.names), len(columns.block[0]), np.int64)
        n = len(self._blocks)
        for at, _ in self._values:
            of_kinds = np.array([len(columns.entry[at])])
            if self._sidx is not None:
                kinds = self._kinds_of(columns.entry[self._sidx])
                of_kinds = np.bincount(kinds, minlength=self._kinds)
            counts[n : n + self._kinds] = of_kinds
            n += self._kinds
        return counts

    def _kinds_of(self, sidx: Array) -> Array:
        """The number of the kind of each entry: 0 for samples, then specials, then others."""
        kinds = np.zeros(len(sidx), np.intp)
        low = np.flatnonzero(sidx <= 0)
        if len(low):
            at = np.searchsorted(self._specials, sidx[low])
            found = np.append(self._specials, 1)[at] == sidx[low]
            kinds[low] = np.where(found, at + 1, self._kinds - 1)
        return kinds
