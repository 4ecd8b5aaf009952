"""Stream headers: bytes <-> StreamHeader, and the widths that go with a stream."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

import numpy as np

from evstream._support.format import Format, bound_format
from evstream._support.schema import Block, Field, Rule, Stream
from evstream.errors import (
    AggregationWarning,
    StreamHeaderError,
    StreamMismatchError,
    WriteError,
    warn,
)
from evstream.transport.compression import unread_compression

SIDX = "sidx"
"""A word of the spec language: the entry field that is a sample index."""


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
    widths: Mapping[str, str] = field(default_factory=dict)
    format: Format = field(default_factory=bound_format, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "widths", self.format.choose_widths(self.widths))

    @property
    def spec(self) -> Stream:
        """The stream type."""
        return self.format.streams[self.stream]

    @property
    def block(self) -> Block:
        """The block that the stream repeats."""
        return self.format.blocks[self.spec.block]

    @property
    def source(self) -> int | None:
        """Source type, e.g. 2 for a loss stream; None for a stream without a type word."""
        return self.spec.source

    @property
    def aggregation(self) -> int | None:
        """Aggregation type, e.g. 1 for items; None for a stream without a type word."""
        return self.spec.aggregation

    @functools.cached_property
    def rules(self) -> Mapping[str, Rule]:
        """The rules that concern this stream, by id."""
        return {
            name: rule
            for name, rule in self.format.rules.items()
            if (not rule.blocks or self.block.name in rule.blocks)
            and (not rule.streams or self.stream in rule.streams)
        }

    @functools.cached_property
    def samples_field(self) -> str | None:
        """The field of the stream header that bounds the sidx by a rule, e.g. "len_sample"; None
        for a stream that has none."""
        fields = {f.name for f in self.header_fields}
        rules = self.rules.values()
        limits = (r.limit for r in rules if r.check == "at_most" and self.sidx in r.fields)
        return next((limit for limit in limits if limit in fields), None)

    @property
    def samples(self) -> int | None:
        """Number of samples per event: the highest legal sidx. None for a stream without any."""
        return None if self.samples_field is None else self.values.get(self.samples_field)

    @property
    def sidx(self) -> str | None:
        """The entry field that is a sample index; None for a stream without one."""
        return SIDX if SIDX in self.entry_columns else None

    @property
    def len_sample(self) -> int | None:
        """`samples`, by the name that Oasis streams have for it."""
        return self.samples

    @property
    def summary_set_id(self) -> int | None:
        """Summary set of an Oasis summary stream; None for the others."""
        return self.values.get("summary_set_id")

    @functools.cached_property
    def used_widths(self) -> dict[str, str]:
        """The widths that records of this stream have; those of other streams are left out."""
        records = (self.spec.header, self.block.header, self.block.entry)
        used = {f.scalar for record in records if record for f in self.format.fields[record]}
        return {name: width for name, width in self.widths.items() if name in used}

    # The layout: records and columns at the widths of the stream. The mappings are shared, and
    # not to be changed.

    def record_dtype(self, record: str) -> np.dtype[np.void]:
        """The packed dtype of a record."""
        return self.format.record_dtype(record, self.widths)

    @property
    def header_fields(self) -> tuple[Field, ...]:
        """Fields of the stream header, without the type word."""
        return self.format.fields[self.spec.header] if self.spec.header else ()

    @property
    def block_fields(self) -> tuple[Field, ...]:
        """Fields of a block header, in wire order."""
        return self.format.fields[self.block.header]

    @functools.cached_property
    def block_dtype(self) -> np.dtype[np.void]:
        """The packed dtype of a block header."""
        return self.record_dtype(self.block.header)

    @functools.cached_property
    def entry_dtype(self) -> np.dtype[np.void] | None:
        """The packed dtype of an entry; None where blocks have none."""
        return self.record_dtype(self.block.entry) if self.block.entry else None

    @property
    def entry_size(self) -> int:
        """Bytes of an entry, 0 where blocks have none."""
        return 0 if self.entry_dtype is None else self.entry_dtype.itemsize

    @functools.cached_property
    def block_columns(self) -> Mapping[str, np.dtype[Any]]:
        """Fields of a block header that are columns (all but the count) -> dtype, in wire order."""
        return {f.name: self.block_dtype[f.name] for f in self._column_fields}

    @property
    def _column_fields(self) -> list[Field]:
        return [f for f in self.block_fields if f.name != self.block.count]

    @functools.cached_property
    def key_columns(self) -> Mapping[str, np.dtype[Any]]:
        """Those of the block columns that tell one block from the next: the first, which is the
        event, and those of integers; all where there are no integers."""
        columns = self.block_columns
        if all(dtype.kind not in "iu" for dtype in columns.values()):
            return columns
        first = self.event_column
        return {n: dtype for n, dtype in columns.items() if n == first or dtype.kind != "f"}

    @functools.cached_property
    def event_column(self) -> str:
        """The first block column, whose values are the events."""
        return next(iter(self.block_columns))

    @functools.cached_property
    def extra_columns(self) -> Mapping[str, str]:
        """What a block has after its first two columns, event and item: plural -> name."""
        return {str(f.plural): f.name for f in self._column_fields[2:]}

    @functools.cached_property
    def entry_columns(self) -> Mapping[str, np.dtype[Any]]:
        """Fields of an entry -> dtype, in wire order."""
        dtype = self.entry_dtype
        return {} if dtype is None else {name: dtype[name] for name in dtype.names or ()}

    @functools.cached_property
    def row_columns(self) -> Mapping[str, np.dtype[Any]]:
        """The columns of rows -> dtype, in wire order; the index column is as wide as the count."""
        block = self.block
        index = {} if block.index is None else {block.index: self.block_dtype[str(block.count)]}
        return {**self.block_columns, **index, **self.entry_columns}

    @property
    def size(self) -> int:
        """Bytes before the first block."""
        rest = self.record_dtype(self.spec.header).itemsize if self.spec.header else 0
        return len(self.spec.type_word or b"") + rest

    def to_bytes(self) -> bytes:
        """The stream header as it stands at the start of a stream."""
        word = self.spec.type_word or b""
        if self.spec.header is None:
            return word
        record = np.zeros(1, self.record_dtype(self.spec.header))
        for name, value in self.values.items():
            record[name] = value
        return word + record.tobytes()


def stream_by_source(format: Format, source: int, aggregation: int, name: str) -> Stream | None:
    """The first stream type of a source type, for an aggregation number that is in no list: what
    the reference reads it as. Warns of the number; None for another source, or a number that
    some stream has."""
    aggregations = {s.aggregation for s in format.streams.values()}
    found = next((s for s in format.streams.values() if s.source == source), None)
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
    format: Format | None = None,
) -> StreamHeader:
    """Read a stream header with `read(n)`, which gives n bytes, fewer only at the end.

    `stream` is the type that is expected; one without a type word must be named. Where it
    is named, a stream of its source type may have an aggregation number that the format does not
    define: a warning says so. Raises StreamHeaderError and StreamMismatchError.
    """
    format = format or bound_format()
    chosen = format.choose_widths(widths)
    expected = None if stream is None else format.stream(stream)
    if expected is not None and expected.type_word is None:
        word, found = b"", expected
    else:
        word = _exactly(read, format.type_word.size, 0, "the type word", source)
        found = _known(format, word, source, expected)
    if expected is not None and found is not expected:
        raise StreamMismatchError(
            f"this is a {found.name} stream", source=source, offset=0,
            expected=f"a {expected.name} stream",
        )  # fmt: skip
    values = {}
    if found.header is not None:
        dtype = format.record_dtype(found.header, chosen)
        rest = _exactly(read, dtype.itemsize, len(word), f"the {found.name} stream header", source)
        record = np.frombuffer(rest, dtype)[0]
        values = {name: record[name].item() for name in dtype.names or ()}
        _check_minimums(format.fields[found.header], values, len(word), source)
    return StreamHeader(found.name, values, chosen, format)


def build_header(
    stream: str | None,
    values: Mapping[str, int | None],
    widths: Mapping[str, str] | None = None,
    format: Format | None = None,
) -> StreamHeader:
    """The header for a new stream; a value of None stands for one that was not given.

    Raises TypeError for a field that is missing or does not belong, or a value that is no
    whole number, WriteError for a value out of range, ValueError for an unknown stream or
    width.
    """
    format = format or bound_format()
    stream = stream or format.default_stream
    if stream is None:
        raise TypeError(f"no stream type, expected {', '.join(format.streams)}")
    spec = format.stream(stream)
    chosen = format.choose_widths(widths)
    fields = format.fields[spec.header] if spec.header else ()
    legal = [f.name for f in fields]
    known = format.stream_header_fields()
    for name, value in values.items():
        if name not in legal and (value is not None or name not in known):
            raise TypeError(f"a {spec.name} stream has no {name}, expected {_any_of(legal)}")
    checked = {}
    for f in fields:
        if (value := values.get(f.name)) is None:
            raise TypeError(f"a {spec.name} stream needs {f.name}")
        checked[f.name] = _checked(f, value, chosen[f.scalar])
    return StreamHeader(spec.name, checked, chosen, format)


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


def _known(format: Format, word: bytes, source: str, expected: Stream | None = None) -> Stream:
    numbers = format.type_word.unpack(word)
    number, aggregation = numbers["source"], numbers["aggregation"]
    found = format.find_stream(number, aggregation)
    if found is None and expected is not None and number == expected.source:
        _warn_of_number(expected, aggregation, source)
        return expected
    if found is None:
        legal = ", ".join(
            f"{s.source}/{s.aggregation} ({s.name})" for s in format.streams.values() if s.type_word
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


def _check_minimums(
    fields: tuple[Field, ...], values: Mapping[str, int], offset: int, source: str
) -> None:
    for f in fields:
        if f.minimum is not None and values[f.name] < f.minimum:
            raise StreamHeaderError(
                f"{f.name} is {values[f.name]}",
                source=source,
                offset=offset,
                expected=f"{f.minimum} or more",
            )
