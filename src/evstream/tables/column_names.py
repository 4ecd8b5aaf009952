"""Which column of a stream a column of a table is, by its name, and what a known table means.

Names are compared without case, spaces and underscores: `Event ID` is event_id. The tools of the
field have other names for some columns. Their sample event loss table (SELT) has the exposure
as ImpactedExposure, which is 0 by design in the rows whose loss is 0; a stream has one exposure
per block.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from evstream._support.format import Format, bound_format
from evstream.errors import TableError
from evstream.tables.batches import join_rows
from evstream.wire.columns import Array, csv_columns
from evstream.wire.header import StreamHeader

if TYPE_CHECKING:
    from pyarrow import RecordBatch

_OTHER_NAMES = {"outputid": "item_id"}
"""Names in no spec: fmtocsv and csvtobin fm call the items of insured losses outputs."""

_IMPACTED = "impactedexposure"
_LOSS = "loss"

HELD_ROWS = 1 << 24
"""Rows of loss 0 after which a block of a SELT whose exposure is still unknown is refused."""


def stream_names(names: Iterable[str], format: Format | None = None) -> list[str]:
    """The names as a stream has them; a name that no stream has stays as it is."""
    known = _known(format or bound_format())
    return [known.get(_bare(name), name.strip()) for name in names]


def has_impacted_exposure(names: Iterable[str]) -> bool:
    """Whether the columns of a table are those of a SELT, whose exposures have gaps."""
    return any(_bare(name) == _IMPACTED for name in names)


def _bare(name: str) -> str:
    return name.lower().replace(" ", "").replace("_", "")


@cache
def _known(format: Format) -> Mapping[str, str]:
    headers = [StreamHeader(stream, format=format) for stream in format.streams]
    own = {
        _bare(name): name for name in chain.from_iterable(header.row_columns for header in headers)
    }
    pairs = chain.from_iterable(csv_columns(header).items() for header in headers)
    return {**{_bare(other): name for name, other in pairs}, **_OTHER_NAMES, **own}


def fill_exposures(
    batches: Iterable[dict[str, Array]], header: StreamHeader, source: str | None = None
) -> Iterator[dict[str, Array]]:
    """Rows whose loss and exposure are 0 get the first other exposure of their block; a block
    that has no other keeps 0.

    The exposure may stand in a later batch: the rows of the last block of a batch wait for it.
    """
    keys = list(header.key_columns)
    columns = {_bare(other): name for name, other in csv_columns(header).items()}
    exposures, losses = columns[_IMPACTED], columns[_LOSS]
    waiting: list[dict[str, Array]] = []
    ids: list[int] | None = None  # of the last block, and its exposure once that is known
    exposure = None
    for batch in batches:
        if not len(batch[keys[0]]):
            continue
        rows = join_rows([*waiting, batch]) if waiting else dict(batch)
        count = len(rows[keys[0]])
        new = np.logical_or.reduce([rows[key][1:] != rows[key][:-1] for key in keys])
        starts = np.concatenate([[0], np.flatnonzero(new) + 1])
        gap = (rows[exposures] == 0) & (rows[losses] == 0)
        # The row with the exposure of each block; `count` stands for none.
        found = np.minimum.reduceat(np.where(gap, count, np.arange(count)), starts)
        values = np.append(rows[exposures], rows[exposures].dtype.type(0))[found]
        if exposure is not None and ids == [int(rows[key][0]) for key in keys]:
            values[0], found[0] = exposure, 0
        per_row = np.repeat(values, np.diff(np.append(starts, count)))
        known = np.repeat(found < count, np.diff(np.append(starts, count)))
        rows[exposures] = np.where(gap & known, per_row, rows[exposures])
        ids = [int(rows[key][-1]) for key in keys]
        exposure = values[-1] if found[-1] < count else None
        end = count if exposure is not None else int(starts[-1])
        waiting = [_part(rows, end, count)] if end < count else []
        if count - end > HELD_ROWS:
            raise TableError(
                f"more than {HELD_ROWS} rows of one block have loss and exposure 0", source=source,
                column=exposures, expected="a row with the exposure",
            )  # fmt: skip
        if end:
            yield _part(rows, 0, end)
    yield from waiting


def _part(rows: Mapping[str, Array], first: int, last: int) -> dict[str, Array]:
    return {name: column[first:last] for name, column in rows.items()}


def renamed(batch: RecordBatch, names: Sequence[str]) -> RecordBatch:
    """The batch with its columns called so."""
    return batch if batch.schema.names == list(names) else batch.rename_columns(list(names))
