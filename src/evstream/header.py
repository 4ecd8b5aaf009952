"""Stream headers: bytes <-> StreamHeader, and the widths that go with a stream."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

import numpy as np

from evstream._generated import layout
from evstream.compressed import unread_compression
from evstream.errors import (
    AggregationWarning,
    StreamHeaderError,
    StreamMismatchError,
    WriteError,
    warn,
)
from evstream.schema import Block, Field, Stream, choose_widths


@dataclass(frozen=True)
class StreamHeader:
    """What a stream says of itself, and the widths that it is read with.

    Attributes:
        stream: name of the stream type, e.g. "loss"; see docs/format.md.
        values: fields of the stream header, e.g. {"len_sample": 100}.
        widths: width per scalar type, e.g. {"oasis_int": "i4", ...}.
    """

    stream: str
    values: Mapping[str, int] = field(default_factory=dict)
    widths: Mapping[str, str] = field(default_factory=lambda: choose_widths(layout.SCALARS))

    @property
    def spec(self) -> Stream:
        return layout.STREAMS[self.stream]

    @property
    def block(self) -> Block:
        return layout.BLOCKS[self.spec.block]

    @property
    def source(self) -> int | None:
        """Source type, e.g. 2 for a loss stream; None for a stream without a header."""
        return self.spec.source

    @property
    def aggregation(self) -> int | None:
        """Aggregation type, e.g. 1 for items; None for a stream without a header."""
        return self.spec.aggregation

    @property
    def len_sample(self) -> int | None:
        """Number of samples per event; None for a stream that has none."""
        return self.values.get("len_sample")

    @property
    def summary_set_id(self) -> int | None:
        """Summary set of a summary stream; None for the others."""
        return self.values.get("summary_set_id")

    @functools.cached_property
    def used_widths(self) -> dict[str, str]:
        """The widths that records of this stream have; those of other streams are left out."""
        records = (self.spec.header, self.block.header, self.block.entry)
        used = {f.scalar for record in records if record for f in layout.FIELDS[record]}
        return {name: width for name, width in self.widths.items() if name in used}

    @property
    def size(self) -> int:
        """Bytes before the first block."""
        if self.spec.type_word is None:
            return 0
        rest = record_dtype(self.spec.header, self.widths).itemsize if self.spec.header else 0
        return layout.TYPE_WORD_SIZE + rest

    def to_bytes(self) -> bytes:
        """The stream header as it stands at the start of a stream."""
        if self.spec.type_word is None:
            return b""
        if self.spec.header is None:
            return self.spec.type_word
        record = np.zeros(1, record_dtype(self.spec.header, self.widths))
        for name, value in self.values.items():
            record[name] = value
        return self.spec.type_word + record.tobytes()


def record_dtype(record: str, widths: Mapping[str, str]) -> np.dtype[np.void]:
    """The packed dtype of a record at the given widths."""
    used = {f.scalar for f in layout.FIELDS[record]}
    key = (record, *(widths[name] for name in layout.SCALARS if name in used))
    return layout.DTYPES[key]


def find_stream(source: int, aggregation: int) -> Stream | None:
    """The stream type with this source and aggregation type, None if there is none."""
    for stream in layout.STREAMS.values():
        if (stream.source, stream.aggregation) == (source, aggregation):
            return stream
    return None


def stream_by_source(source: int, aggregation: int, name: str) -> Stream | None:
    """The first stream type of a source type, for an aggregation number that is in no list: what
    the reference reads it as. Warns of the number; None for another source, or a number that
    some stream has."""
    aggregations = {s.aggregation for s in layout.STREAMS.values()}
    found = next((s for s in layout.STREAMS.values() if s.source == source), None)
    if found is None or aggregation in aggregations:
        return None
    _warn_of_number(found, aggregation, name)
    return found


def _warn_of_number(stream: Stream, aggregation: int, name: str) -> None:
    warn(
        f"{name}: the type word has aggregation {aggregation}, which the format does not define; "
        f"read as a {stream.name} stream, by its source type {stream.source}",
        AggregationWarning,
    )


def read_header(
    read: Callable[[int], bytes],
    source: str,
    stream: str | None = None,
    widths: Mapping[str, str] | None = None,
) -> StreamHeader:
    """Read a stream header with `read(n)`, which gives n bytes, fewer only at the end.

    `stream` is the type that is expected; one without a stream header must be named. Where it
    is named, a stream of its source type may have an aggregation number that the format does not
    define: a warning says so. Raises StreamHeaderError and StreamMismatchError.
    """
    chosen = choose_widths(layout.SCALARS, widths)
    expected = None if stream is None else stream_named(stream)
    if expected is not None and expected.type_word is None:
        return StreamHeader(expected.name, {}, chosen)
    word = _exactly(read, layout.TYPE_WORD_SIZE, 0, "the type word", source)
    found = _known(word, source, expected)
    if expected is not None and found is not expected:
        raise StreamMismatchError(
            f"this is a {found.name} stream", source=source, offset=0,
            expected=f"a {expected.name} stream",
        )  # fmt: skip
    values = {}
    if found.header is not None:
        dtype = record_dtype(found.header, chosen)
        rest = _exactly(read, dtype.itemsize, len(word), f"the {found.name} stream header", source)
        record = np.frombuffer(rest, dtype)[0]
        values = {name: record[name].item() for name in dtype.names or ()}
        _check_minimums(found, values, len(word), source)
    return StreamHeader(found.name, values, chosen)


def build_header(
    stream: str, values: Mapping[str, int | None], widths: Mapping[str, str] | None = None
) -> StreamHeader:
    """The header for a new stream; a value of None stands for one that was not given.

    Raises TypeError for a field that is missing or does not belong, or a value that is no
    whole number, WriteError for a value out of range, ValueError for an unknown stream or
    width.
    """
    spec = stream_named(stream)
    chosen = choose_widths(layout.SCALARS, widths)
    fields = layout.FIELDS[spec.header] if spec.header else ()
    legal = [f.name for f in fields]
    known = stream_header_fields()
    for name, value in values.items():
        if name not in legal and (value is not None or name not in known):
            raise TypeError(f"a {spec.name} stream has no {name}, expected {_any_of(legal)}")
    checked = {}
    for f in fields:
        if (value := values.get(f.name)) is None:
            raise TypeError(f"a {spec.name} stream needs {f.name}")
        checked[f.name] = _checked(f, value, chosen[f.scalar])
    return StreamHeader(spec.name, checked, chosen)


def stream_header_fields() -> dict[str, Field]:
    """The fields of all stream headers, by name."""
    records = (s.header for s in layout.STREAMS.values() if s.header is not None)
    return {f.name: f for record in records for f in layout.FIELDS[record]}


def _any_of(names: list[str]) -> str:
    return ", ".join(names) or "nothing in its header"


def _checked(f: Field, value: Any, width: str) -> Any:
    """A value for a field of a stream header, as the int (or float) that will be read back."""
    if np.dtype(width).kind == "f":
        if isinstance(value, bool) or not isinstance(value, Real):
            raise TypeError(f"{f.name} is {value!r}, expected a number")
        with np.errstate(over="ignore", under="ignore"):
            nearest = np.dtype(width).type(value).item()
        if not np.isfinite(nearest):
            raise WriteError(f"{f.name} is {value}", expected="a finite number")
        if nearest == 0 and value != 0:
            raise WriteError(f"{f.name} is {value}", expected=f"a number that {width} holds")
        return nearest
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None:
        raise TypeError(f"{f.name} is {value!r}, expected a whole number")
    limits = np.iinfo(width)
    low = limits.min if f.minimum is None else f.minimum
    if not low <= number <= limits.max:
        raise WriteError(f"{f.name} is {number}", expected=f"{low} to {limits.max}")
    return number


def stream_named(name: str) -> Stream:
    """The stream type of that name or alias; ValueError with the legal names if there is none."""
    if name in layout.STREAMS:
        return layout.STREAMS[name]
    for stream in layout.STREAMS.values():
        if name in stream.aliases:
            return stream
    raise ValueError(f"no stream type {name!r}, expected {', '.join(layout.STREAMS)}")


def _exactly(read: Callable[[int], bytes], size: int, offset: int, what: str, source: str) -> bytes:
    data = read(size)
    if len(data) < size:
        raise StreamHeaderError(
            f"the stream ends inside {what}",
            source=source,
            offset=offset + len(data),
            expected=f"{size - len(data)} more bytes",
        )
    return data


def _known(word: bytes, source: str, expected: Stream | None = None) -> Stream:
    aggregation, number = layout.unpack_type_word(word)
    found = find_stream(number, aggregation)
    if found is None and expected is not None and number == expected.source:
        _warn_of_number(expected, aggregation, source)
        return expected
    if found is None:
        legal = ", ".join(
            f"{s.source}/{s.aggregation} ({s.name})" for s in layout.STREAMS.values() if s.type_word
        )
        problem = f"unknown stream type {number}/{aggregation} (bytes {word.hex(' ')})"
        if word in _TABLES:
            problem = f"this is {_TABLES[word]}, which `evstream convert` makes a stream of"
        if (unread := unread_compression(word)) is not None:
            problem = f"the file is compressed with {unread[0]}"
            legal = f"gzip, zstd, or the output of {unread[1]}"
            raise StreamHeaderError(problem, source=source, offset=0, expected=legal)
        raise StreamHeaderError(
            problem, source=source, offset=0, expected=f"source/aggregation {legal}"
        )
    return found


_TABLES = {b"PAR1": "a Parquet file", b"ARRO": "an Arrow file"}
"""First bytes of other files that people have -> what they are."""


def _check_minimums(stream: Stream, values: Mapping[str, int], offset: int, source: str) -> None:
    for f in layout.FIELDS[stream.header or ""]:
        if f.minimum is not None and values[f.name] < f.minimum:
            raise StreamHeaderError(
                f"{f.name} is {values[f.name]}",
                source=source,
                offset=offset,
                expected=f"{f.minimum} or more",
            )
