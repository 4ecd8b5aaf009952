"""Stream headers from bytes, and from the values of a caller."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from numbers import Real
from typing import Any

import numpy as np

from evstream._support.arguments import described, integer
from evstream._support.format import Format
from evstream._support.known_formats import find_format, stream_header_fields
from evstream._support.schema import Field, Stream, named_widths
from evstream._support.texts import LEGAL, is_text_width, refusal
from evstream.errors import (
    AggregationWarning,
    StreamHeaderError,
    StreamMismatchError,
    WriteError,
    warn,
)
from evstream.transport.compression import unread_compression
from evstream.wire.header import StreamHeader


def stream_by_source(format: Format, source: int, aggregation: int, name: str) -> Stream | None:
    """The first stream type with this source type, as which the reference reads a stream with an
    unknown aggregation number. Warns about the number. None for an unknown source type, or for an
    aggregation number that some stream has."""
    aggregations = {s.aggregation for s in format.streams.values()}
    found = next((s for s in format.streams.values() if s.source == source), None)
    if found is None or aggregation in aggregations:
        return None
    _warn_of_number(found, aggregation, name)
    return found


def _warn_of_number(stream: Stream, aggregation: int, name: str) -> None:
    warn(
        f"the type word has aggregation {aggregation}, which the format does not define; "
        f"read as a {stream.name} stream, by its source type {stream.source}",
        AggregationWarning, source=name,
    )  # fmt: skip


def read_header(
    read: Callable[[int], bytes],
    source: str,
    stream: str | None = None,
    widths: Mapping[str, str] | None = None,
    format: Format | None = None,
    named: frozenset[str] | None = None,
) -> StreamHeader:
    """Read a stream header with `read(n)`, which returns n bytes, fewer only at the end.

    `stream` is the expected type; it is required for a stream without a type word. If it is
    given, a stream of its source type may have an aggregation number that the format does not
    define, with a warning. `named` are the scalar types whose width the caller chose, if these are
    not all of `widths`. Raises StreamHeaderError and StreamMismatchError.
    """
    format, stream = find_format(format, stream, source)
    chosen = format.choose_widths(widths)
    expected = None if stream is None else format.stream(stream)
    if expected is None and not format.type_word.parts:
        raise StreamHeaderError(
            f"a file of the {format.name} format does not say which stream it holds", source=source,
            expected=f"--stream, one of {', '.join(format.streams)}",
        )  # fmt: skip
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
        values = {name: _value_of(record, name, len(word), source) for name in dtype.names or ()}
        _check_minimums(format.fields[found.header], values, len(word), source)
        variant = format.variant(found.name, values)
        if variant is None:
            field = found.where[0][0]
            raise StreamHeaderError(
                " and ".join(f"{name} is {values[name]}" for name, _ in found.where),
                source=source, offset=len(word) + int(record.dtype.fields[field][1]),
                expected=_variants(format, found),
            )  # fmt: skip
        found = variant
    named = named_widths(format.scalars, widths) if named is None else named
    return StreamHeader(found.name, values, chosen, format, named)


def build_header(
    stream: str | None,
    values: Mapping[str, Any],
    widths: Mapping[str, str] | None = None,
    format: Format | None = None,
) -> StreamHeader:
    """The header for a new stream; a value of None means that it was not given.

    Raises TypeError for a missing or unknown field, or a value of another kind than its field,
    WriteError for a value out of range, ValueError for an unknown stream or width.
    """
    format, stream = find_format(format, stream)
    stream = format.default_stream if stream is None else stream
    if stream is None:
        raise TypeError(f"no stream type, expected {', '.join(format.streams)}")
    spec = format.stream(stream)
    given = {name: value for name, value in values.items() if value is not None}
    variant = format.variant(spec.name, given)
    if variant is None:
        problem = " and ".join(f"{name} is {described(given[name])}" for name, _ in spec.where)
        raise WriteError(problem, expected=_variants(format, spec))
    spec, values = variant, {**values, **dict(variant.where)}
    chosen = format.choose_widths(widths)
    fields = format.fields[spec.header] if spec.header else ()
    legal = [f.name for f in fields]
    known = stream_header_fields(format)
    for name, value in values.items():
        if name not in legal and (value is not None or name not in known):
            raise TypeError(f"a {spec.name} stream has no {name}, expected {_any_of(legal)}")
    checked = {}
    for f in fields:
        if (value := values.get(f.name)) is None:
            raise TypeError(f"a {spec.name} stream needs {f.name}")
        checked[f.name] = _checked(f, value, chosen[f.scalar])
    return StreamHeader(spec.name, checked, chosen, format)


def _variants(format: Format, stream: Stream) -> str:
    """The values of a stream header that open a stream of this type."""
    known = [
        f"{', '.join(f'{name} {value}' for name, value in one.where)} ({one.name})"
        for one in format.variants(stream.name)
    ]
    return " or ".join(known)


def _value_of(record: Any, name: str, start: int, source: str) -> Any:
    """The value of a field of a stream header at byte `start`: an int, float or str."""
    value = record[name].item()
    if not isinstance(value, bytes):
        return value
    if refusal(value, record.dtype[name].itemsize) is not None:
        raise StreamHeaderError(
            f"{name} is {value!r}", source=source, offset=start + record.dtype.fields[name][1],
            expected=LEGAL,
        )  # fmt: skip
    return value.decode("ascii")


def _any_of(names: list[str]) -> str:
    return ", ".join(names) or "nothing in its header"


def _checked(f: Field, value: Any, width: str) -> Any:
    """The value of a stream header field, as the int, float or str that a reader gets."""
    if is_text_width(width):
        if not isinstance(value, (str, bytes)):
            raise TypeError(f"{f.name} is {described(value)}, expected text")
        if (refused := refusal(value, int(width[1:]))) is not None:
            raise WriteError(f"{f.name} {refused[0]}", expected=refused[1])
        return value if isinstance(value, str) else value.decode("ascii")
    if np.dtype(width).kind == "f":
        if isinstance(value, bool) or not isinstance(value, Real):
            raise TypeError(f"{f.name} is {described(value)}, expected a number")
        with np.errstate(over="ignore", under="ignore"):
            nearest = np.dtype(width).type(value).item()
        if not np.isfinite(nearest):
            raise WriteError(f"{f.name} is {value}", expected="a finite number")
        if nearest == 0 and value != 0:
            raise WriteError(f"{f.name} is {value}", expected=f"a number that {width} holds")
        return nearest
    number = integer(f.name, value)
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
        expected_types = f"source/aggregation {legal}"
        same_source = [s.name for s in format.streams.values() if s.source == number]
        if same_source:
            expected_types += f", or to read it as type {same_source[0]} by naming that type"
        if untyped := [s.name for s in format.streams.values() if not s.type_word]:
            expected_types += f", or --stream for a type without a type word: {', '.join(untyped)}"
        raise StreamHeaderError(problem, source=source, offset=0, expected=expected_types)
    return found


_TABLES = {b"PAR1": "a Parquet file", b"ARRO": "an Arrow file"}
"""First bytes of other common files -> what they are."""


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
