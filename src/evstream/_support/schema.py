"""The shapes that the generated layout is made of, and the choice of widths.

Only plain data: needs numpy and no numba. The widths of a stream are not in the stream;
they are a choice of the whole pipeline, made by the caller or by the environment variables
of the Oasis tools.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Date:
    """What a number counts that is a date: units ("day", "minute") since a day ("0000-03-01")."""

    unit: str
    since: str


@dataclass(frozen=True)
class Scalar:
    """A named scalar type: `widths[0]` is the default, `env` the variable that chooses; `date` is
    what it counts if tables have it as a date."""

    name: str
    doc: str
    widths: tuple[str, ...]
    env: str | None
    date: Date | None = None


@dataclass(frozen=True)
class Field:
    """A field of a record; `plural` names the column of its values over many blocks, and
    `reserved` are the values that identify nothing; `assumed` is the value of a field of a stream
    header where a table does not say it. `aliases` are other names of its column in tables."""

    name: str
    scalar: str
    doc: str
    plural: str | None
    reserved: tuple[int, ...]
    minimum: int | None
    assumed: int | None = None
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True)
class Block:
    """A header record and its entries, which a delimiter or a count in the header ends.

    `match` is the entry field that marks a delimiter, and its value there; `index` names the
    column that counts the entries of a block from 1, and `row` is a column before the others that
    counts the blocks of a file of bare headers from 1. Neither is in the file. `value` is the
    encoding of entries that are the bytes of one value.
    """

    name: str
    doc: str
    header: str
    entry: str | None
    delimiter: str | None
    match: tuple[str, int] | None
    count: str | None
    index: str | None
    row: Field | None = None
    value: str | None = None


@dataclass(frozen=True)
class Special:
    """What a special sidx means in one stream, and whether every block has it."""

    sidx: int
    doc: str
    required: bool


@dataclass(frozen=True)
class Stream:
    """A stream type; `type_word` is None for a stream without one. `csv` pairs the
    columns of rows with their names in CSV, in the order of CSV; empty for wire order and names.
    `gaps` pairs block columns with entry columns: tables with the names in `csv` have 0 for the
    first where the second is 0.
    `files` are the usual names of files that hold it. `where` are the values of header fields that
    show a file to be this one of the stream `variant_of` and its variants. `index_file` are the
    streams that the file beside it may hold, whose records say where the entries of a block are.
    """

    name: str
    doc: str
    deprecated: str | None
    source: int | None
    aggregation: int | None
    type_word: bytes | None
    header: str | None
    block: str
    specials: tuple[Special, ...]
    csv: tuple[tuple[str, str], ...] = ()
    gaps: tuple[tuple[str, str], ...] = ()
    aliases: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    variant_of: str | None = None
    where: tuple[tuple[str, int], ...] = ()
    index_file: tuple[str, ...] = ()


@dataclass(frozen=True)
class TypeWord:
    """The unsigned little-endian integer that opens a stream: (name, bytes) of its parts, from the
    lowest byte up."""

    parts: tuple[tuple[str, int], ...]

    @property
    def size(self) -> int:
        return sum(size for _, size in self.parts)

    def pack(self, numbers: Mapping[str, int]) -> bytes:
        """The bytes of the type word."""
        return b"".join(int(numbers[name]).to_bytes(size, "little") for name, size in self.parts)

    def unpack(self, word: bytes) -> dict[str, int]:
        """The numbers of the first bytes of a stream."""
        numbers, at = {}, 0
        for name, size in self.parts:
            numbers[name] = int.from_bytes(word[at : at + size], "little")
            at += size
        return numbers


@dataclass(frozen=True)
class Rule:
    """What a good stream keeps to; `severity` is 'error' or 'warning'. `specials` are the special
    sidx whose entries it is limited to, `blocks` and `streams` likewise; empty for all. `to` are
    the fields of other files that have the values of its fields, as (format, stream, field)."""

    id: str
    doc: str
    fix: str
    severity: str
    check: str
    fields: tuple[str, ...]
    limit: str | None
    specials: tuple[int, ...] = ()
    blocks: tuple[str, ...] = ()
    streams: tuple[str, ...] = ()
    to: tuple[tuple[str, str, str], ...] = ()


def choose_widths(
    scalars: Mapping[str, Scalar], asked: Mapping[str, str] | None = None
) -> dict[str, str]:
    """One width per scalar: the asked one, else the environment's, else the default.

    `asked` maps scalar names to widths, e.g. {"oasis_float": "f8"}. Raises ValueError for
    a name or width that the format does not have.
    """
    asked = dict(asked or {})
    widths = {}
    for name, scalar in scalars.items():
        origin = f"widths[{name!r}]"
        width = asked.pop(name, None)
        if width is None and scalar.env is not None:
            origin = f"environment variable {scalar.env}"
            width = os.environ.get(scalar.env) or None
        width = scalar.widths[0] if width is None else str(width).lstrip("<=")
        if width not in scalar.widths:
            legal = " or ".join(scalar.widths)
            raise ValueError(f"{origin} is {width!r}, expected {legal}")
        widths[name] = width
    if asked:
        from evstream._support.arguments import did_you_mean

        name = next(iter(asked))
        hint = did_you_mean(name, scalars)
        raise ValueError(f"no scalar type {name!r}, expected {', '.join(scalars)}{hint}")
    return widths


def named_widths(
    scalars: Mapping[str, Scalar], asked: Mapping[str, str] | None = None
) -> frozenset[str]:
    """The scalar types whose width the caller or the environment names, maybe the default."""
    by_environment = {name for name, s in scalars.items() if s.env and os.environ.get(s.env)}
    return frozenset(by_environment | set(asked or {}))
