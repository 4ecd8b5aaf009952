"""The spec as frozen dataclasses: what every later phase reads.

The names follow the keys of the YAML one for one; spec/README.md documents each.
Nothing here knows a byte size: widths are chosen in `plan`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Date:
    """What a number counts that is a date: units ("day", "minute") since a day ("0000-03-01")."""

    unit: str
    since: str


@dataclass(frozen=True)
class Scalar:
    """A named scalar type, e.g. oasis_int; `widths[0]` is the default."""

    name: str
    doc: str
    widths: tuple[str, ...]
    env: str | None
    date: Date | None

    @property
    def is_text(self) -> bool:
        return self.widths[0][0] == "s"


@dataclass(frozen=True)
class EnumValue:
    name: str
    value: int
    doc: str
    constant: str
    aliases: tuple[str, ...]
    parameter: str | None


@dataclass(frozen=True)
class Enum:
    name: str
    doc: str
    values: tuple[EnumValue, ...]
    count: str | None


@dataclass(frozen=True)
class TypeWordField:
    name: str
    bytes: int
    enum: str
    doc: str


@dataclass(frozen=True)
class TypeWord:
    """The packed integer that opens a stream; fields from the lowest byte up."""

    doc: str
    fields: tuple[TypeWordField, ...]


@dataclass(frozen=True)
class Field:
    name: str
    type: str
    doc: str
    plural: str | None
    aliases: tuple[str, ...]
    reserved: tuple[int, ...]
    minimum: int | None
    assumed: int | None


@dataclass(frozen=True)
class Documented:
    """A documented function that writes a record, and its arguments after the cursor."""

    name: str
    arguments: tuple[str, ...]


@dataclass(frozen=True)
class Record:
    name: str
    doc: str
    fields: tuple[Field, ...]
    documented: tuple[Documented, ...]

    def field(self, name: str) -> Field:
        return next(f for f in self.fields if f.name == name)


@dataclass(frozen=True)
class Delimiter:
    """An entry that closes a block: matched on `match`, written as `write`, by the functions
    `documented` besides the generated one."""

    name: str
    doc: str
    record: str
    match: tuple[tuple[str, int], ...]
    write: tuple[tuple[str, int], ...]
    documented: tuple[str, ...]


@dataclass(frozen=True)
class Block:
    """A header and its entries. At most one of `delimiter` and `count` is set;
    a block with neither is a bare header, and may have a column for the number of the `row`.
    `value` is the encoding of entries that are the bytes of one value."""

    name: str
    doc: str
    header: str
    entry: str | None
    delimiter: str | None
    count: str | None
    index: str | None
    row: Field | None
    value: str | None


@dataclass(frozen=True)
class StreamSpecial:
    """What a special sidx means in one stream, and whether every block has it."""

    name: str
    doc: str
    required: bool


@dataclass(frozen=True)
class Stream:
    """`source` and `aggregation` are both None for a stream without a type word. `csv` pairs
    columns of rows with their names in CSV, in the order of CSV; empty for wire order and names.
    `gaps` pairs fields of the block header with fields of the entry: tables of other tools have 0
    for the first where the second is 0.
    `files` are the usual names of files that hold it. `where` are the values of header fields that
    show it to be this one of the stream `variant_of` and its variants. `index_file` are the streams
    that the file beside it may hold, whose records say where the entries of a block are."""

    name: str
    doc: str
    deprecated: str | None
    source: str | None
    aggregation: str | None
    header: str | None
    block: str
    special_sidx: tuple[StreamSpecial, ...]
    csv: tuple[tuple[str, str], ...]
    gaps: tuple[tuple[str, str], ...]
    aliases: tuple[str, ...]
    files: tuple[str, ...]
    variant_of: str | None
    where: tuple[tuple[str, int], ...]
    index_file: tuple[str, ...]


@dataclass(frozen=True)
class Rule:
    """`special_sidx` are those whose entries it is limited to, `blocks` and `streams` likewise;
    empty for all. `to` are the fields of other files where its values must be, each written as
    stream.field or format/stream.field."""

    id: str
    doc: str
    fix: str
    severity: str
    check: str
    fields: tuple[str, ...]
    limit: str | None
    to: tuple[str, ...]
    special_sidx: tuple[str, ...]
    blocks: tuple[str, ...]
    streams: tuple[str, ...]

    def holds_in(self, stream: Stream) -> bool:
        """Whether the rule concerns a stream; without blocks or streams it concerns all."""
        in_block = not self.blocks or stream.block in self.blocks
        return in_block and (not self.streams or stream.name in self.streams)


@dataclass(frozen=True)
class Spec:
    """The whole spec. Mappings keep the order of the file."""

    format: str
    doc: str
    scalars: dict[str, Scalar]
    enums: dict[str, Enum]
    type_word: TypeWord
    records: dict[str, Record]
    delimiters: dict[str, Delimiter]
    blocks: dict[str, Block]
    streams: dict[str, Stream]
    rules: dict[str, Rule]
    default_stream: str | None
