"""Values into the cells of a matrix, in one pass over a stretch."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
from __future__ import annotations

from evstream._support.jit import jit


@jit
def place_samples(sidx, offsets, values, cells):
    """Write each sample of block i into row i, sidx s into column s - 1; values of sidx below 0 are
    left out. False if a sidx has no place, or does not ascend in its block: then some cells may be
    wrong."""
    bad = 0
    samples = cells.shape[1]
    for block in range(len(offsets) - 1):
        last = -(1 << 62)
        for at in range(offsets[block], offsets[block + 1]):
            number = int(sidx[at])
            bad += (number <= last) | (number == 0) | (number > samples)
            last = number
            if 0 < number <= samples:
                cells[block, number - 1] = values[at]
    return bad == 0
