"""A result table: numpy columns that know their type, and so their names in files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from evstream._support.html import ROWS, fragment, table
from evstream.conversion.formats import Options
from evstream.conversion.output import write_rows
from evstream.extras import import_arrow, import_extra
from evstream.tables.arrow import arrow_schema, batch_of
from evstream.transport.endpoints import TargetLike
from evstream.wire.columns import Array
from evstream.wire.header import StreamHeader
from evstream.wire.header_bytes import build_header

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow as pa

ANALYTICAL, SAMPLE = 1, 2
"""Sample types, a column of some tables."""


class ResultTable(Mapping[str, Array]):
    """The columns of a result: name -> array, all of one length, in the order of the file type.

    Attributes:
        kind: the type, e.g. "melt" or "ept"; docs/files.md has its columns.
        header: its StreamHeader.
        events_without_period: events of the summary stream that the occurrence file does not
            have, and that count nowhere; 0 for tables that need no occurrences.
    """

    def __init__(
        self, header: StreamHeader, columns: Mapping[str, Any], events_without_period: int = 0
    ) -> None:
        self.header = header
        self.kind = header.stream
        self.events_without_period = events_without_period
        self._columns = typed(header, columns)

    def __getitem__(self, name: str) -> Array:
        return self._columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(next(iter(self._columns.values())))

    def __repr__(self) -> str:
        return f"<{self.kind} table of {self.rows} rows: {', '.join(self)}>"

    def _repr_html_(self) -> str:
        shown = zip(*(column[:ROWS] for column in self._columns.values()), strict=True)
        caption = f"{self.kind}: {self.rows:,} rows"
        return fragment(table(caption, list(self), shown, left_out=max(self.rows - ROWS, 0)))

    def to_arrow(self) -> pa.Table:
        """The table as a pyarrow.Table whose schema carries its type."""
        pa = import_arrow()
        schema = arrow_schema(self.header)
        return pa.Table.from_batches([batch_of(schema, self)], schema)

    def to_polars(self) -> polars.DataFrame:
        """The table as a polars.DataFrame."""
        return import_extra("polars").DataFrame(dict(self))

    def to_pandas(self) -> pandas.DataFrame:
        """The table as a pandas.DataFrame."""
        return import_extra("pandas").DataFrame(dict(self))

    def write(self, target: TargetLike, *, precision: int | None = None) -> None:
        """Write it as CSV, Parquet, Arrow, JSON lines or binary, as the file's extension says.

        Args:
            target: what evstream.create takes; CSV where it has no extension.
            precision: decimals in CSV; None for the fewest that read back as the number.
        """
        write_rows(self.header, iter([dict(self)]), target, Options(precision=precision))


def result_header(kind: str, summary: StreamHeader) -> StreamHeader:
    """The header of a result type, at the widths of the summary stream."""
    shared = {"oasis_float": summary.widths["oasis_float"]}
    return build_header(kind, {}, shared)


def typed(header: StreamHeader, columns: Mapping[str, Any]) -> dict[str, Array]:
    """The columns at their types, in their order."""
    with np.errstate(over="ignore"):  # an f4 holds less than an f8: infinity shows it
        return {
            name: np.ascontiguousarray(columns[name]).astype(dtype, copy=False)
            for name, dtype in header.row_columns.items()
        }
