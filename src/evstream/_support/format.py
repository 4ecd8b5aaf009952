"""A binary format as an object: what a generated package tells the runtime.

The runtime knows no format. It takes one from the header of a stream, and the functions that
open or create a stream take one as an argument; `bound_format` is the one that evstream itself is
bound to.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from evstream._support.schema import Block, Field, Rule, Scalar, Stream, TypeWord, choose_widths


@dataclass(frozen=True, eq=False)
class Format:
    """What follows from a spec; each generated package has one, `layout.FORMAT`.

    Attributes:
        package: dotted name of the generated package, e.g. "evstream._generated".
        name, doc: of the format.
        digest: SHA-256 of what the spec says.
        scalars, fields, blocks, streams, rules: by name; `fields` has those of each record.
        dtypes: (record, width of each scalar that it uses) -> packed little-endian dtype.
        special_parameters: keyword of the writer -> special sidx, ascending.
        type_word: what opens a stream.
        default_stream: what a writer writes where no stream is named; None where it must be.
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

    def choose_widths(self, asked: Mapping[str, str] | None = None) -> dict[str, str]:
        """One width per scalar; see schema.choose_widths."""
        return choose_widths(self.scalars, asked)

    def stream(self, name: str) -> Stream:
        """The stream type of that name or alias; ValueError with the legal names if there is
        none."""
        if name in self.streams:
            return self.streams[name]
        for stream in self.streams.values():
            if name in stream.aliases:
                return stream
        raise ValueError(f"no stream type {name!r}, expected {', '.join(self.streams)}")

    def find_stream(self, source: int, aggregation: int) -> Stream | None:
        """The stream type with this source and aggregation type, None if there is none."""
        for stream in self.streams.values():
            if (stream.source, stream.aggregation) == (source, aggregation):
                return stream
        return None

    def record_dtype(self, record: str, widths: Mapping[str, str]) -> np.dtype[np.void]:
        """The packed dtype of a record at the given widths."""
        used = {f.scalar for f in self.fields[record]}
        chosen = (widths[name] for name in self.scalars if name in used)
        return self.dtypes[(record, *chosen)]

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
    """The format of a generated package; a pickled Format is its name alone."""
    found: Format = importlib.import_module(f"{package}.layout").FORMAT
    return found


@cache
def bound_format() -> Format:
    """The format that evstream is bound to, and that a function takes where none is given."""
    return format_of("evstream._generated")
