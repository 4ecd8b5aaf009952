"""The values that the rules of a stream allow in its entries, for kernels that check them.

Two checks of the rule vocabulary limit a field of an entry: `at_most` by a field of the stream
header, `known_special` by the special values of the stream. Callbacks use such a field as an index
of an array, so a reader with callbacks checks it before it calls one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from evstream.errors import CorruptStreamError
from evstream.wire.header import StreamHeader
from evstream.wire.kernels import block_kernels


def entry_limits(header: StreamHeader) -> tuple[Any, ...]:
    """What `end_of_allowed` of the block's kernels takes: an array per limited field of the entry,
    of its dtype: lowest value, highest, and those below the lowest that are allowed too."""
    entry = header.record_dtype(str(header.block.entry))
    return tuple(
        _limits(header, name, entry[name]) for name in block_kernels(header).LIMITED_COLUMNS
    )


def limits_of_values(header: StreamHeader) -> dict[str, int]:
    """The fields of the stream header that limit entries, and their values."""
    names = {r.limit for r in header.rules.values() if r.check == "at_most" and r.limit}
    return {name: value for name, value in header.values.items() if name in names}


def outside(
    header: StreamHeader, data: Any, source: str, offset: int, ids: dict[str, int]
) -> CorruptStreamError:
    """The error for an entry, at the start of `data` (int8), that `end_of_allowed` found."""
    dtype = header.record_dtype(str(header.block.entry))
    entry = data[: dtype.itemsize].view(dtype)[0]
    for name in dtype.names or ():
        value = entry[name]
        highest = [(header.values[limit], limit) for limit in _limit_fields(header, name)]
        specials = sorted(special.sidx for special in header.spec.specials)
        if highest and value > min(highest)[0]:
            limit, field = min(highest)
            expected = f"at most {limit}, the {field} of the stream header"
            break
        if _has_specials(header, name) and value < 1 and value not in specials:
            expected = f"from 1, or a special one: {', '.join(map(str, specials)) or 'none'}"
            break
    return CorruptStreamError(
        f"{name} is {value}", source=source, offset=offset, ids=ids, expected=expected
    )


def _limits(header: StreamHeader, name: str, dtype: np.dtype[Any]) -> Any:
    info: Any = np.iinfo(dtype) if dtype.kind in "iu" else np.finfo(dtype)
    low, high, known = info.min, info.max, list[int]()
    if limits := _limit_fields(header, name):
        high = min(high, *(header.values[limit] for limit in limits))
    if _has_specials(header, name):
        low, known = 1, sorted(special.sidx for special in header.spec.specials)
        if header.block.delimiter is not None and known == list(range(-len(known), 0)):
            # Without gaps one comparison is enough: 0 closes the block, so no entry has it.
            low, known = -len(known), []
    return np.array([low, high, *known], dtype)


def _limit_fields(header: StreamHeader, name: str) -> list[str]:
    rules = [r for r in header.rules.values() if r.check == "at_most" and name in r.fields]
    return [str(rule.limit) for rule in rules if rule.limit in header.values]


def _has_specials(header: StreamHeader, name: str) -> bool:
    return any(r.check == "known_special" and name in r.fields for r in header.rules.values())
