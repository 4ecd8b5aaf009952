"""Events in notebooks, as small tables."""

from __future__ import annotations

from typing import Any

import numpy as np

from evstream._support.html import ROWS, fragment, table
from evstream.wire.columns import Columns, cut, row_count, to_rows


def event_html(event: Any) -> str:
    """The first rows of an event; only these are made."""
    header = event.header
    columns = event.own_columns()
    rows = to_rows(header, _first(columns))
    caption = f"{header.event_column} {event.event_key}: {len(event):,} blocks"
    if header.block.entry is not None:
        caption += f", {row_count(columns):,} entries"
    shown = zip(*rows.values(), strict=True)
    left_out = row_count(columns) - len(next(iter(rows.values())))
    return fragment(table(caption, list(rows), shown, left_out=left_out))


def _first(columns: Columns) -> Columns:
    """The first blocks, with ROWS entries at most."""
    if not columns.entry:
        return cut(columns, 0, ROWS)
    last = int(np.searchsorted(columns.offsets, ROWS))
    few = cut(columns, 0, min(last, len(columns.offsets) - 1))
    entry = tuple(column[:ROWS] for column in few.entry)
    return Columns(few.block, np.minimum(few.offsets, ROWS), entry)
