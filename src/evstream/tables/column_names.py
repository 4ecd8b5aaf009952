"""Which column of a stream a column of a table is, by its name, and what a known table means.

Names are compared without case, spaces and underscores: `Event ID` is event_id. The tools of the
field have other names for some columns, and gaps in some, where a block of a stream has one value:
a sample event loss table (SELT) has an exposure of 0 in rows whose loss is 0. The spec lists both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from evstream._support.format import Format
from evstream._support.known_formats import find_format, formats_beside
from evstream.errors import TableError
from evstream.tables.batches import join_rows
from evstream.wire.columns import Array, csv_columns, plain
from evstream.wire.dates import TextDates, date_columns
from evstream.wire.header import StreamHeader

if TYPE_CHECKING:
    from pyarrow import RecordBatch

HELD_ROWS = 1 << 24
"""Rows with a gap after which a block whose value is still unknown is refused."""


def stream_names(
    names: Iterable[str],
    format: Format | None = None,
    stream: str | None = None,
    *,
    in_text: bool = False,
) -> list[str]:
    """The names as a stream has them; a name that no stream has stays as it is. `in_text` is for
    CSV, where a date is several columns.

    What one stream calls a column in CSV may be a column of its own in another. So the names are
    those of the one stream that has all of them, of `stream` if it is given; only if there is
    none, each is looked up by itself.
    """
    given = list(names)
    for known in streams_of(format, stream):
        if (found := _all_of(known, given, in_text)) is not None:
            return found
    format, _ = find_format(format, stream)
    return [_known(format).get(_bare(name), name.strip()) for name in given]


def has_gaps(names: Iterable[str], header: StreamHeader) -> bool:
    """Whether a table has gaps in columns where a stream has one value per block: it has the name
    that the tools of the field use for such a column, as in a SELT."""
    titles = csv_columns(header)
    given = set(map(_bare, names))
    return any(_bare(titles[name]) in given for name, _ in header.spec.gaps)


def titles_of(header: StreamHeader, *, in_text: bool) -> Mapping[str, str]:
    """The columns of a table of the stream -> the names that the tools of the field have for them;
    `in_text` for those of CSV, where a date is several columns."""
    return TextDates(header).titles if in_text else csv_columns(header)


def parquet_titles(header: StreamHeader) -> Mapping[str, str]:
    """Column -> its name in Parquet files, where these differ: for records alone that are called
    otherwise in CSV. A date, which is several columns in CSV, is one here."""
    if header.block.entry is not None or date_columns(header):
        return {}
    own = header.row_columns
    return {name: t for name, t in csv_columns(header).items() if name in own and name != t}


def _all_of(header: StreamHeader, given: Sequence[str], in_text: bool) -> list[str] | None:
    """The columns of a stream, in the order of their given names; None unless these are all."""
    columns = titles_of(header, in_text=in_text)
    titles = {title: name for name, title in columns.items()}
    stripped = [name.strip() for name in given]
    bare = _names_of(columns, header)
    for found in (
        [titles.get(name, "") for name in stripped],
        [bare.get(_bare(name), "") for name in given],
    ):
        if sorted(found) == sorted(columns):
            return found
    return None


def _bare(name: str) -> str:
    return name.lower().replace(" ", "").replace("_", "")


def streams_of(format: Format | None, stream: str | None) -> list[StreamHeader]:
    """The streams that a table may become, those that are not deprecated first."""
    if stream is not None:
        format, stream = find_format(format, stream)
        return [StreamHeader(s.name, format=format) for s in format.variants(str(stream))]
    streams = [(known, s) for known in formats_beside(format) for s in known.streams.values()]
    streams.sort(key=lambda pair: pair[1].deprecated is not None)
    return [StreamHeader(s.name, format=known) for known, s in streams]


def _names_of(columns: Mapping[str, str], header: StreamHeader) -> dict[str, str]:
    """Bare name -> column of one stream; its own names before those that others have for them."""
    own = {_bare(name): name for name in columns}
    titles = {_bare(title): name for name, title in columns.items()}
    fields = (f for f in header.column_fields if f.name in columns)
    others = {_bare(alias): f.name for f in fields for alias in f.aliases}
    return {**titles, **others, **own}


@cache
def _known(format: Format) -> Mapping[str, str]:
    headers = [h for h in streams_of(format, None) if h.format is format]
    own = {_bare(name): name for header in headers for name in header.row_columns}
    named = (_names_of(csv_columns(header), header) for header in headers)
    others = {bare: name for names in named for bare, name in names.items()}
    return {**others, **own}


def fill_gaps(
    batches: Iterable[dict[str, Array]], header: StreamHeader, source: str | None = None
) -> Iterator[dict[str, Array]]:
    """Rows that have a gap get the first other value of their block, such as its exposure; a block
    that has no other keeps 0."""
    filled = iter(batches)
    for name, amount in header.spec.gaps:
        filled = _filled(filled, header, name, amount, source)
    return filled


def _filled(
    batches: Iterable[dict[str, Array]], header: StreamHeader, name: str, amount: str,
    source: str | None,
) -> Iterator[dict[str, Array]]:  # fmt: skip
    """The value may stand in a later batch: the rows of the last block of a batch wait for it."""
    keys = list(header.key_columns)
    waiting: list[dict[str, Array]] = []
    ids: list[Any] | None = None  # of the last block, and its value once that is known
    value = None
    for batch in batches:
        if not len(batch[keys[0]]):
            continue
        rows = join_rows([*waiting, batch]) if waiting else dict(batch)
        count = len(rows[keys[0]])
        new = np.logical_or.reduce([rows[key][1:] != rows[key][:-1] for key in keys])
        starts = np.concatenate([[0], np.flatnonzero(new) + 1])
        gap = (rows[name] == 0) & (rows[amount] == 0)
        # The row with the value of each block; `count` stands for none.
        found = np.minimum.reduceat(np.where(gap, count, np.arange(count)), starts)
        values = np.append(rows[name], rows[name].dtype.type(0))[found]
        if value is not None and ids == [plain(rows[key][0]) for key in keys]:
            values[0], found[0] = value, 0
        per_row = np.repeat(values, np.diff(np.append(starts, count)))
        known = np.repeat(found < count, np.diff(np.append(starts, count)))
        rows[name] = np.where(gap & known, per_row, rows[name])
        ids = [plain(rows[key][-1]) for key in keys]
        value = values[-1] if found[-1] < count else None
        end = count if value is not None else int(starts[-1])
        waiting = [_part(rows, end, count)] if end < count else []
        if count - end > HELD_ROWS:
            raise TableError(
                f"more than {HELD_ROWS} rows of one block have {amount} and {name} 0",
                source=source, column=name, expected=f"a row with the {name}",
            )  # fmt: skip
        if end:
            yield _part(rows, 0, end)
    yield from waiting


def _part(rows: Mapping[str, Array], first: int, last: int) -> dict[str, Array]:
    return {name: column[first:last] for name, column in rows.items()}


def renamed(batch: RecordBatch, names: Sequence[str]) -> RecordBatch:
    """The batch with its columns called so."""
    return batch if batch.schema.names == list(names) else batch.rename_columns(list(names))
