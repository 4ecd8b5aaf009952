"""`evstream.elt`: event loss tables, a few rows per block of a summary stream.

Each block stands alone, so that a table is made stretch by stretch, and memory holds one of them
where a table is written to a file (`elt_batches`).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Any

import numpy as np

from evstream._support.arguments import described, did_you_mean
from evstream.partition.threads import in_order, threads_of
from evstream.reading.meter import Meter
from evstream.reading.sources import open_stream
from evstream.reading.stream import EventStream
from evstream.results.event_kernels import moments_of, quantiles_of
from evstream.results.inputs import quantiles_from, rates_from
from evstream.results.summaries import (
    EVENT,
    EXPOSURE,
    SUMMARY,
    SUMMARY_ID,
    refuse_value,
    sample_count,
    special,
)
from evstream.results.table import ANALYTICAL, SAMPLE, ResultTable, result_header, typed
from evstream.transport.endpoints import SourcesLike
from evstream.transport.watching import one_bar
from evstream.wire.columns import Array, Columns
from evstream.wire.header import StreamHeader
from evstream.wire.whole_blocks import whole_blocks

Rows = dict[str, Array]


@one_bar
def elt(
    summary: SourcesLike,
    table: str = "melt",
    *,
    rates: Any = None,
    quantiles: Any = None,
    threads: int | None = None,
    widths: Mapping[str, str] | None = None,
    strict: bool | None = None,
    timeout: float | None = None,
    progress: Callable[[int], object] | None = None,
) -> ResultTable:
    """An event loss table of a summary stream, or of several.

    Args:
        summary: what evstream.open takes, of type summary: a path, a pattern, a folder, a pipe.
        table: "melt", the moments of each event and summary; "qelt", quantiles; or "selt", each
            sample. docs/results.md has the definitions.
        rates: of a melt: a CSV file of event rates (event_rates.csv), or event id -> rate per
            year; without them, and for other events, the event rate is NaN.
        quantiles: of a qelt: a file (quantile.bin), or numbers from 0 to 1.
        threads: how many read parts of large files; None for the cores of this process.
        widths, strict, timeout: as for evstream.open.
        progress: called now and then, by one thread at a time, with the number of bytes read.

    Returns:
        The columns as a ResultTable, in the order of the stream.

    Raises:
        The errors of evstream.open and of iterating over it; StreamMismatchError for a stream of
        another type; CorruptStreamError for a loss that is NaN in a melt or qelt.
        ValueError: `table` or a quantile is not one of the above.
    """
    header, batches = elt_batches(
        summary, table, rates=rates, quantiles=quantiles, threads=threads, widths=widths,
        strict=strict, timeout=timeout, progress=progress,
    )  # fmt: skip
    found = list(batches)
    columns = {
        name: np.concatenate([rows[name] for rows in found]) if found else np.empty(0, dtype)
        for name, dtype in header.row_columns.items()
    }
    return ResultTable(header, columns)


def elt_batches(
    summary: SourcesLike,
    table: str = "melt",
    *,
    rates: Any = None,
    quantiles: Any = None,
    threads: int | None = None,
    progress: Callable[[int], object] | None = None,
    **options: Any,
) -> tuple[StreamHeader, Generator[Rows]]:
    """The header of the table of `elt`, and its rows in batches, each of a stretch of the stream.
    Only a few stretches are in memory, whatever the size of the stream."""
    if not isinstance(table, str) or table not in TABLES:
        hint = did_you_mean(table, TABLES)
        raise ValueError(f"table is {described(table)}, expected {', '.join(TABLES)}{hint}")
    for name, value, owner in (("rates", rates, "melt"), ("quantiles", quantiles, "qelt")):
        if value is not None and table != owner:
            raise ValueError(f"{name} go with a {owner}, and not with a {table}")
    if table == "qelt" and quantiles is None:
        raise ValueError("a qelt needs quantiles, expected a file or numbers from 0 to 1")
    number, meter = threads_of(threads), Meter(progress)
    given = rates_from(rates) if table == "melt" else quantiles_from(quantiles)
    batches = _batches(open_stream(summary, SUMMARY, **options), table, given, number, meter)
    return next(batches), batches  # one that has begun closes the stream if it is dropped


def _batches(
    stream: EventStream, table: str, given: Any, threads: int, meter: Meter
) -> Generator[Any]:
    """The header of the table, then its rows."""
    with stream:
        header, make = result_header(table, stream.header), TABLES[table]
        yield header
        for one in stream.streams():
            rows = in_order(
                lambda columns, one=one: make(one, columns, given),  # type: ignore[misc]
                whole_blocks(stream.header, meter.chunks(one)),
                threads,
            )
            yield from (typed(header, found) for found in rows)


def _selt(stream: EventStream, columns: Columns, _: Any) -> Rows:
    """A row per entry, but for the maximum; the exposure is 0 where the loss is."""
    sidx, losses = columns.entry
    kept = sidx != special(stream.header, "max_loss")
    counts = np.diff(columns.offsets)
    event_ids, summary_ids, exposures = (np.repeat(c, counts)[kept] for c in columns.block)
    losses = losses[kept]
    return {
        "event_id": event_ids, "summary_id": summary_ids, "sample_id": sidx[kept], "loss": losses,
        "impacted_exposure": np.where(losses != 0, exposures, 0),
    }  # fmt: skip


def _melt(stream: EventStream, columns: Columns, rates: tuple[Array, Array]) -> Rows:
    """Two rows per block that has an exposure: the analytical mean, and the samples."""
    header = stream.header
    found = np.empty((len(columns.block[EVENT]), 5))
    odd = moments_of(
        columns.offsets, *columns.entry, sample_count(header), special(header, "mean"),
        special(header, "max_loss"), found,
    )  # fmt: skip
    if odd >= 0:
        raise refuse_value(stream, columns, odd, sample_count(header))
    exposed = columns.block[EXPOSURE] > 0
    event_ids, summary_ids, exposures = (column[exposed] for column in columns.block)
    mean, deviation, chance, analytical, largest = found[exposed].T
    zeros, rate = np.zeros(len(event_ids)), _rates_of(event_ids, rates)

    def pairs(of_analytical: Array, of_samples: Array) -> Array:
        return np.stack([of_analytical, of_samples], axis=1).ravel()

    ones = np.ones(len(event_ids), np.int64)
    return {
        "event_id": np.repeat(event_ids, 2),
        "summary_id": np.repeat(summary_ids, 2),
        "sample_type": pairs(ones * ANALYTICAL, ones * SAMPLE),
        "event_rate": np.repeat(rate, 2),
        "chance_of_loss": pairs(zeros, chance),
        "mean_loss": pairs(analytical, mean),
        "sd_loss": pairs(zeros, deviation),
        "max_loss": np.repeat(largest, 2),
        "footprint_exposure": np.repeat(exposures, 2),
        "mean_impacted_exposure": pairs(exposures, exposures * chance),
        "max_impacted_exposure": pairs(exposures, np.where(chance > 0, exposures, 0)),
    }


def _rates_of(event_ids: Array, rates: tuple[Array, Array]) -> Array:
    """The rate of each event; NaN where none is known."""
    ids, values = rates
    if not len(ids):
        return np.full(len(event_ids), np.nan)
    at = np.minimum(np.searchsorted(ids, event_ids), len(ids) - 1)
    return np.where(ids[at] == event_ids, values[at], np.nan)


def _qelt(stream: EventStream, columns: Columns, quantiles: Array) -> Rows:
    """A row per quantile of each block that has an exposure."""
    samples, exposed = sample_count(stream.header), columns.block[EXPOSURE] > 0
    wanted = quantiles if samples else quantiles[:0]
    found = np.empty((len(exposed), len(wanted)))
    places = (samples - 1) * wanted + 1
    odd = quantiles_of(columns.offsets, *columns.entry, samples, places, found)
    if odd >= 0:
        raise refuse_value(stream, columns, odd, samples)
    count = int(exposed.sum())
    return {
        "event_id": np.repeat(columns.block[EVENT][exposed], len(wanted)),
        "summary_id": np.repeat(columns.block[SUMMARY_ID][exposed], len(wanted)),
        "quantile": np.tile(wanted, count),
        "loss": found[exposed].ravel(),
    }


TABLES: dict[str, Callable[[EventStream, Columns, Any], Rows]] = {
    "melt": _melt, "qelt": _qelt, "selt": _selt,
}  # fmt: skip
"""Type -> what makes its rows of whole blocks."""
