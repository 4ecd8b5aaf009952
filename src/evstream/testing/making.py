"""`make_stream`: a small stream for a test."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from evstream._support.arguments import described, whole_number
from evstream._support.format import Format
from evstream._support.known_formats import find_format
from evstream.testing.rows import Chance, Choice, event_values, rows_of
from evstream.testing.stream_bytes import StreamBytes
from evstream.wire.event import no_matrix
from evstream.wire.header import StreamHeader
from evstream.wire.header_bytes import build_header
from evstream.writing.writer import Writer

ENTRIES = 3
"""Entries of a block without samples, at most."""

LIMIT = 100
"""A field of a stream header that limits others."""


def make_stream(
    stream: str | None = None,
    losses: Mapping[Any, Mapping[Any, Sequence[float]]] | None = None,
    *,
    columns: Mapping[str, float | Mapping[Any, float]] | None = None,
    events: int | Sequence[Any] = 3,
    items: int | Sequence[Any] = 2,
    samples: int = 3,
    seed: int = 0,
    header: Mapping[str, Any] | None = None,
    widths: Mapping[str, str] | None = None,
    format: Format | None = None,
) -> StreamBytes:
    """The bytes of a small stream that keeps to every rule; the same arguments give the same bytes.

    Args:
        stream: the type, by default a loss stream.
        losses: event id -> item id -> the loss of each sample, for streams of samples. The special
            sidx that are required are there: the mean of the samples, and for all others the
            largest. Without it all values are random.
        columns: with `losses`, other columns and special sidx by name: one number, or item id ->
            number, e.g. {"tiv": {1: 1000, 2: 500}}.
        events, items: ids, or how many, from 1; without `losses`.
        samples: number of samples; without `losses`.
        seed: of the random values.
        header: fields of the stream header; by default 1, or 100 for what limits other fields.
        widths, format: as for evstream.create.

    Raises WriteError for ids or losses that break a rule; TypeError and ValueError for arguments
    that are not legal.
    """
    if losses is not None:
        samples = _number_of_samples(losses)
    made = _header(stream, whole_number("samples", samples), header, widths, format)
    if losses is not None:
        return _of_losses(made, losses, columns or {})
    if columns is not None:
        raise TypeError("columns without losses, expected both")
    numbers = list(range(1, items + 1)) if isinstance(items, int) else list(items)
    return made_of(made, Chance(seed), event_values(made, events), numbers)


def made_of(
    header: StreamHeader, choice: Choice, events: Sequence[Any], items: Sequence[Any]
) -> StreamBytes:
    """A stream of these events and items whose values are chosen."""
    target = io.BytesIO()
    with Writer(target, header) as out:
        rows = rows_of(header, choice, events, items, ENTRIES)
        if events and items:
            out.write_columns(**rows)
    return StreamBytes(target.getvalue(), header)


def _of_losses(
    header: StreamHeader,
    losses: Mapping[Any, Mapping[Any, Sequence[float]]],
    columns: Mapping[str, float | Mapping[Any, float]],
) -> StreamBytes:
    if problem := no_matrix(header):
        raise TypeError(f"losses for a {header.stream} stream: {problem}")
    names = {sidx: name for name, sidx in header.format.special_parameters.items()}
    required = [names[special.sidx] for special in header.spec.specials if special.required]
    target = io.BytesIO()
    with Writer(target, header) as out:
        for event, items in losses.items():
            matrix = np.array(list(items.values()), float).reshape(len(items), header.samples or 0)
            mean = matrix.mean(axis=1) if matrix.size else np.zeros(len(items))
            largest = matrix.max(axis=1, initial=0)
            more = {name: mean if name == "mean" else largest for name in required}
            more |= {plural: np.ones(len(items)) for plural in header.extra_columns}
            for name, given in columns.items():
                by_item = given if isinstance(given, Mapping) else dict.fromkeys(items, given)
                more[name] = np.array([by_item[item] for item in items], float)
            out.write_event(event, list(items), matrix, **more)
    return StreamBytes(target.getvalue(), header)


def _number_of_samples(losses: Any) -> int:
    if not isinstance(losses, Mapping) or not all(isinstance(v, Mapping) for v in losses.values()):
        raise TypeError(f"losses is {described(losses)}, expected {{event: {{item: [loss, ...]}}}}")
    sizes = {len(one) for items in losses.values() for one in items.values()}
    if len(sizes) > 1:
        raise ValueError(f"losses of {sorted(sizes)} samples, expected as many of each item")
    return sizes.pop() if sizes else 0


def _header(
    stream: str | None,
    samples: int,
    given: Mapping[str, Any] | None,
    widths: Mapping[str, str] | None,
    format: Format | None,
) -> StreamHeader:
    """The header, with fields that are not given."""
    format, name = find_format(format, stream)
    name = name or format.default_stream
    if name is None:
        raise TypeError(f"no stream type, expected {', '.join(format.streams)}")
    empty = StreamHeader(name, {}, widths or {}, format)
    fields: dict[str, Any] = {}
    limits = {rule.limit for rule in empty.rules.values()}
    for field in empty.header_fields:
        fields[field.name] = max(LIMIT if field.name in limits else 1, field.minimum or 0)
        if empty.widths[field.scalar].startswith("s"):
            fields[field.name] = "a"
    if empty.samples_field is not None:
        fields[empty.samples_field] = samples
    fields |= dict(empty.spec.where) | dict(given or {})
    return build_header(name, fields, widths, format)


def header_for(stream: str | None, samples: int, **given: Any) -> StreamHeader:
    """The header of a stream; arguments as for make_stream."""
    return _header(stream, samples, *(given.get(n) for n in ("header", "widths", "format")))
