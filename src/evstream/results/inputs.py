"""The small files and arguments that results need besides the losses."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from evstream._support.arguments import checked_path, described, integer, real_number
from evstream.errors import EvstreamError, TableError
from evstream.tables.rows import read_columns
from evstream.transport.range_file import shown
from evstream.wire.columns import Array


def is_path(value: Any) -> bool:
    """Whether an argument names a file, and does not hold the numbers themselves."""
    return isinstance(value, (str, os.PathLike))


def column_of(file: Any, stream: str, column: str) -> Array:
    """A column of a flat file, e.g. of quantile.bin."""
    return read_columns(file, stream=stream)[column]


def numbers(name: str, values: Any) -> Array:
    """An argument that is numbers, as float64. Raises TypeError for another value."""
    try:
        found = np.asarray(values)
    except (TypeError, ValueError):  # lists of several lengths
        found = np.empty(1, object)
    if found.dtype.kind not in "iuf":
        raise TypeError(f"{name} is {described(values)}, expected numbers or a file")
    return np.atleast_1d(found.astype(np.float64)).ravel()


def quantiles_from(given: Any) -> Array:
    """Quantiles in the order given, from a file or as numbers. Raises ValueError for one outside
    of 0 to 1."""
    if given is None:
        return np.empty(0)
    found = numbers("quantiles", column_of(given, "quantile", "quantile")
                    if is_path(given) else given)  # fmt: skip
    wrong = found[~((found >= 0) & (found <= 1))]
    if len(wrong):
        raise ValueError(f"a quantile is {wrong[0]:g}, expected 0 to 1")
    return found


_EVENT_ID = ("event_id", "eventids")
_RATE = ("rate", "event_rates")


def rates_from(given: Any) -> tuple[Array, Array]:
    """Event ids in ascending order, and their rates, from a CSV file or a mapping.

    Raises TableError for a line that is not an id and a rate, EvstreamError for an event that has
    two.
    """
    if given is None:
        return np.empty(0, np.int64), np.empty(0)
    if is_path(given):
        pairs = _rates_of_file(given)
    elif isinstance(given, Mapping):
        pairs = [
            (integer("an event of rates", event), real_number("a rate", rate))
            for event, rate in given.items()
        ]
    else:
        raise TypeError(f"rates is {described(given)}, expected a CSV file or event id -> rate")
    ids = np.array([event for event, _ in pairs if -(2**63) <= event < 2**63], np.int64)
    pairs = [pair for pair in pairs if -(2**63) <= pair[0] < 2**63]  # no stream has others
    order = np.argsort(ids, kind="stable")
    ids = ids[order]
    twice = np.flatnonzero(ids[1:] == ids[:-1])
    if len(twice):
        source = shown(os.fspath(given)) if is_path(given) else None
        raise EvstreamError(
            "the event has two rates", source=source, ids={"event_id": ids[twice[0]]}
        )
    return ids, np.array([rate for _, rate in pairs], np.float64)[order]


def _rates_of_file(file: Any) -> list[tuple[int, float]]:
    """The lines of event_rates.csv, whose columns have the names that oasislmf gives or reads."""
    source, pairs = shown(os.fspath(file)), []
    with open(checked_path(file), newline="", encoding="utf-8-sig", errors="replace") as text:
        lines = csv.reader(line.replace("\0", "\ufffd") for line in text)
        titles = [title.strip().lower() for title in next(lines, [])]
        places = [
            next((n for n, title in enumerate(titles) if title in names), -1)
            for names in (_EVENT_ID, _RATE)
        ]
        if -1 in places:
            raise TableError(
                f"the columns are {', '.join(titles)}", source=source, line=1,
                expected="EventIds and Event_rates, or event_id and rate",
            )  # fmt: skip
        for row in lines:
            try:
                pairs.append((int(row[places[0]]), float(row[places[1]])))
            except (ValueError, IndexError):
                raise TableError(
                    f"the values are {','.join(row)}", source=source, line=lines.line_num,
                    expected="an event id and a rate",
                ) from None  # fmt: skip
    return pairs
