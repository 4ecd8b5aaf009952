"""A binary format as an object, which each generated package has.

The runtime knows no format by itself. It takes one from the header of a stream, and the functions
that open or create a stream take one as an argument. `bound_format` is the default.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from evstream._support.arguments import described, did_you_mean
from evstream._support.schema import Block, Field, Rule, Scalar, Stream, TypeWord, choose_widths


@dataclass(frozen=True, eq=False)
class Format:
    """The facts that follow from a spec; `layout.FORMAT` of each generated package.

    Attributes:
        package: dotted name of the generated package, e.g. "evstream._generated".
        name, doc: of the format.
        digest: SHA-256 of the content of the spec.
        scalars, blocks, streams, rules: by name.
        fields: record name -> its fields, in wire order.
        dtypes: (record, width of each scalar that it uses) -> packed little-endian dtype.
        special_parameters: keyword of the writer -> special sidx, ascending.
        special_names: name in lower case -> special sidx: the parameters, and what else the spec
            calls them.
        type_word: the integer at the start of a stream.
        default_stream: the type that a writer writes by default; None if it must be named.
        given_up: in place of an id, a sidx or (as bits) a probability: a writer gave its stream
            up here. No valid stream has this number there.
    """

    package: str
    name: str
    doc: str
    digest: str
    scalars: Mapping[str, Scalar]
    dtypes: Mapping[tuple[str, ...], np.dtype[np.void]]
    fields: Mapping[str, tuple[Field, ...]]
    blocks: Mapping[str, Block]
    streams: Mapping[str, Stream]
    rules: Mapping[str, Rule]
    special_parameters: Mapping[str, int]
    type_word: TypeWord
    default_stream: str | None
    given_up: int
    special_names: Mapping[str, int] = field(default_factory=dict)

    def choose_widths(self, asked: Mapping[str, str] | None = None) -> dict[str, str]:
        """One width per scalar; see schema.choose_widths."""
        return choose_widths(self.scalars, asked)

    def has_stream(self, name: str) -> bool:
        """Whether a stream type has this name or alias. Raises TypeError for what is not a text."""
        if not isinstance(name, str):
            raise TypeError(f"stream is {described(name)}, expected the name of a stream type")
        return name in self.streams or any(name in s.aliases for s in self.streams.values())

    def stream(self, name: str) -> Stream:
        """The stream type with this name or alias. Raises ValueError, with the legal names,
        and TypeError for what is not a text."""
        if self.has_stream(name):
            streams = self.streams
            return streams.get(name) or next(s for s in streams.values() if name in s.aliases)
        raise ValueError(self.unknown_stream(name) + did_you_mean(name, self.stream_names))

    def unknown_stream(self, name: str) -> str:
        """The error for a stream type that does not exist."""
        aliases = self.stream_names[len(self.streams) :]
        also = f" (or {', '.join(aliases)})" if aliases else ""
        return f"no stream type {name!r}, expected {', '.join(self.streams)}{also}"

    @property
    def stream_names(self) -> list[str]:
        """The names of all stream types, and then their aliases."""
        return [*self.streams, *(alias for s in self.streams.values() for alias in s.aliases)]

    def variants(self, name: str) -> tuple[Stream, ...]:
        """The stream type of this name, and those that a file of it may turn out to be."""
        found = self.stream(name)
        others = (s for s in self.streams.values() if s.variant_of == found.name)
        return found, *others

    def variant(self, name: str, values: Mapping[str, Any]) -> Stream | None:
        """The one of `variants` that a stream header with these values opens, as far as they are
        given; None if there is none."""
        for stream in self.variants(name):
            if all(values.get(field, value) == value for field, value in stream.where):
                return stream
        return None

    def is_variant(self, name: str, asked: str) -> bool:
        """Whether a stream of the type `name` is what a caller asks for who says `asked`."""
        return any(stream.name == name for stream in self.variants(asked))

    def find_stream(self, source: int, aggregation: int) -> Stream | None:
        """The stream type with this source and aggregation type; None if there is none."""
        for stream in self.streams.values():
            if (stream.source, stream.aggregation) == (source, aggregation):
                return stream
        return None

    def record_dtype(self, record: str, widths: Mapping[str, str]) -> np.dtype[np.void]:
        """The packed dtype of a record at the given widths."""
        used = {f.scalar for f in self.fields[record]}
        chosen = (widths[name] for name in self.scalars if name in used)
        return self.dtypes[(record, *chosen)]

    def special_sidx(self, name: str) -> int | None:
        """The special sidx of this name ("mean", "STD_DEV", "number_of_affected_risk"); None if
        there is none."""
        word = name.strip().lower()
        for known in (self.special_parameters, self.special_names):
            for one in (word, f"{word}_idx"):
                if one in known:
                    return known[one]
        return None

    def stream_header_fields(self) -> dict[str, Field]:
        """The fields of all stream headers, by name."""
        records = (s.header for s in self.streams.values() if s.header is not None)
        return {f.name: f for record in records for f in self.fields[record]}

    def module(self, name: str) -> Any:
        """A module of the generated package, e.g. "events"."""
        return importlib.import_module(f"{self.package}.{name}")

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return format_of, (self.package,)

    def __repr__(self) -> str:
        return f"<Format {self.name} of {self.package}>"


def format_of(package: str) -> Format:
    """The format of a generated package. A pickled Format is only the name of its package."""
    found: Format = importlib.import_module(f"{package}.layout").FORMAT
    return found


def chosen_format(format: Format | None) -> Format:
    """The argument `format` of a function, by default the Oasis format. Raises TypeError for
    what is not a Format."""
    if format is None:
        return bound_format()
    if not isinstance(format, Format):
        raise TypeError(f"format is {described(format)}, expected a Format")
    return format


@cache
def bound_format() -> Format:
    """The Oasis format, the default where a function takes a format."""
    return format_of("evstream._generated")
