"""Spec -> what the templates print: every offset, size, width and name is decided here.

A block is generated once per combination of the widths of the scalars that it uses, each
in a module of its own, so that its kernels carry every offset as a constant. Nothing in
this module formats text, and no template computes a number.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from .arguments import DTYPE, SIZE, Role, arguments_of, role_of
from .language import SPECIAL_SIDX, WIRE_ORDER, width_of
from .model import Block, Delimiter, Documented, EnumValue, Field, Record, Spec, Stream

Widths = dict[str, str]

BOUNDS = {"at_most", "known_special"}
"""Checks of rules that a reader with callbacks makes before it calls one."""


def numpy_dtype(width: str) -> str:
    """'<i4' for i4, 'S8' for s8."""
    return width.upper() if width[0] == "s" else f"<{width}"


@dataclass(frozen=True)
class PlacedField:
    """A field at its byte offset, with its width chosen (`dtype` is e.g. 'i4')."""

    name: str
    dtype: str
    offset: int
    size: int
    doc: str
    plural: str | None
    reserved: tuple[int, ...]
    minimum: int | None

    @property
    def last(self) -> int:
        """Offset of the field's last byte."""
        return self.offset + self.size - 1

    @property
    def is_text(self) -> bool:
        return self.dtype[0] == "s"

    @property
    def numpy(self) -> str:
        """The dtype of the field as numpy has it."""
        return numpy_dtype(self.dtype)


@dataclass(frozen=True)
class PlacedRecord:
    name: str
    doc: str
    fields: tuple[PlacedField, ...]
    size: int


@dataclass(frozen=True)
class PlacedDelimiter:
    """The one field that marks a delimiter, and what is written into all fields of it."""

    name: str
    doc: str
    field: PlacedField
    value: int
    written: tuple[tuple[PlacedField, int], ...]
    size: int


@dataclass(frozen=True)
class BlockModule:
    """Everything about one block at one combination of widths.

    `columns` are the header fields that become columns of the decoded data: all of them
    but the count. `keys` are those that distinguish one block from the next; see `keys_of`.
    `limited` are the entry fields that a rule bounds (at_most, known_special), so that a callback
    need not.
    """

    name: str
    block: Block
    widths: Widths
    header: PlacedRecord
    columns: tuple[PlacedField, ...]
    keys: tuple[PlacedField, ...]
    entry: PlacedRecord | None
    delimiter: PlacedDelimiter | None
    count: PlacedField | None
    limited: tuple[PlacedField, ...]
    dtypes: tuple[str, ...]

    @property
    def text_sizes(self) -> tuple[int, ...]:
        """Bytes of the text fields; each once."""
        records = [self.header] if self.entry is None else [self.header, self.entry]
        return tuple(sorted({f.size for r in records for f in r.fields if f.is_text}))

    @property
    def mark_index(self) -> int:
        """Place of the delimiter's field in the entry."""
        assert self.entry is not None
        assert self.delimiter is not None
        return self.entry.fields.index(self.delimiter.field)


@dataclass(frozen=True)
class TypedField:
    """A field whose dtype and size are arguments of a writer."""

    name: str
    dtype: str
    size: str


@dataclass(frozen=True)
class Writer:
    """A function that writes a record: at the widths of its module, or at those of `typed`."""

    name: str
    doc: str
    parameters: tuple[str, ...]
    stores: tuple[tuple[PlacedField, str], ...]
    size: int
    typed: tuple[TypedField, ...] = ()


@dataclass(frozen=True)
class RecordsModule:
    """Readers and writers of every record at one combination of all widths.

    `documented` are the names of the writers that the spec documents.
    """

    name: str
    widths: Widths
    records: tuple[PlacedRecord, ...]
    writers: tuple[Writer, ...]
    documented: tuple[str, ...]
    dtypes: tuple[str, ...]

    @property
    def has_typed(self) -> bool:
        return any(writer.typed for writer in self.writers)


def scalars_of(spec: Spec, *records: str | None) -> list[str]:
    """Names of the scalars that the records use, in the order of the spec."""
    used = {f.type for r in records if r is not None for f in spec.records[r].fields}
    return [name for name in spec.scalars if name in used]


def combinations(spec: Spec, scalars: list[str]) -> Iterator[Widths]:
    """All choices of one width per scalar, the defaults first."""
    for widths in itertools.product(*(spec.scalars[name].widths for name in scalars)):
        yield dict(zip(scalars, widths, strict=True))


def suffix(spec: Spec, widths: Widths) -> str:
    """The part of a module name that gives the widths; scalars of one width stay out."""
    return "_".join(w for name, w in widths.items() if len(spec.scalars[name].widths) > 1)


def place(record: Record, widths: Widths) -> PlacedRecord:
    """Give each field of a record its offset: packed, in the order of the spec."""
    fields = []
    offset = 0
    for field in record.fields:
        placed = place_field(field, widths, offset)
        fields.append(placed)
        offset += placed.size
    return PlacedRecord(record.name, record.doc, tuple(fields), offset)


def place_field(field: Field, widths: Widths, offset: int) -> PlacedField:
    dtype = widths[field.type]
    size = int(dtype[1:])
    return PlacedField(
        field.name, dtype, offset, size, field.doc, field.plural, field.reserved, field.minimum
    )


def place_delimiter(delimiter: Delimiter, record: PlacedRecord) -> PlacedDelimiter:
    by_name = {f.name: f for f in record.fields}
    ((field, value),) = delimiter.match
    written = tuple((by_name[name], v) for name, v in delimiter.write)
    return PlacedDelimiter(
        delimiter.name, delimiter.doc, by_name[field], value, written, record.size
    )


def dtypes_of(*records: PlacedRecord | None) -> tuple[str, ...]:
    return tuple(sorted({f.dtype for r in records if r is not None for f in r.fields}))


def block_modules(spec: Spec) -> Iterator[BlockModule]:
    for block in spec.blocks.values():
        for widths in combinations(spec, scalars_of(spec, block.header, block.entry)):
            yield _block_module(spec, block, widths)


def kernel_modules(spec: Spec) -> Iterator[BlockModule]:
    """The module of each block with entries, whose kernels serve all widths, planned at the
    default ones."""
    for block in spec.blocks.values():
        if block.entry is None:
            continue
        widths = next(combinations(spec, scalars_of(spec, block.header, block.entry)))
        yield _block_module(spec, block, widths)


def _block_module(spec: Spec, block: Block, widths: Widths) -> BlockModule:
    header = place(spec.records[block.header], widths)
    entry = place(spec.records[block.entry], widths) if block.entry else None
    columns = tuple(f for f in header.fields if f.name != block.count)
    delimiter = None
    if block.delimiter is not None and entry is not None:
        delimiter = place_delimiter(spec.delimiters[block.delimiter], entry)
    streams = [stream for stream in spec.streams.values() if stream.block == block.name]
    bounds = [
        rule
        for rule in spec.rules.values()
        if rule.check in BOUNDS and (not streams or any(map(rule.holds_in, streams)))
    ]
    bounded = {name for rule in bounds for name in rule.fields}
    return BlockModule(
        name=f"{block.name}_{suffix(spec, widths)}",
        block=block,
        widths=widths,
        header=header,
        columns=columns,
        keys=keys_of(columns),
        entry=entry,
        delimiter=delimiter,
        count=next((f for f in header.fields if f.name == block.count), None),
        limited=tuple(f for f in entry.fields if f.name in bounded) if entry else (),
        dtypes=dtypes_of(header, entry),
    )


def keys_of(columns: tuple[PlacedField, ...]) -> tuple[PlacedField, ...]:
    """The columns that distinguish one block from the next: the first, which is the event, and
    those of integers; all where there are no integers."""
    if all(f.dtype[0] != "i" and f.dtype[0] != "u" for f in columns):
        return columns
    return tuple(f for i, f in enumerate(columns) if i == 0 or f.dtype[0] != "f")


def _has_functions(spec: Spec, record: Record) -> bool:
    """Whether functions read and write single records. The flat files of a format without a type
    word are arrays of records, which numpy reads and writes as a whole."""
    if spec.type_word.fields or record.documented:
        return True
    in_entries = any(record.name in (b.header, b.entry) and b.entry for b in spec.blocks.values())
    return in_entries or any(s.header == record.name for s in spec.streams.values())


def records_modules(spec: Spec) -> Iterator[RecordsModule]:
    for widths in combinations(spec, list(spec.scalars)):
        records = tuple(place(r, widths) for r in spec.records.values() if _has_functions(spec, r))
        by_name = {r.name: r for r in records}
        writers: list[Writer] = []
        documented: list[str] = []
        for record in records:
            functions = spec.records[record.name].documented
            writers += _record_writers(record, functions)
            documented += [function.name for function in functions]
        for delimiter in spec.delimiters.values():
            placed = place_delimiter(delimiter, by_name[delimiter.record])
            writers += _delimiter_writers(placed, delimiter.documented)
            documented += delimiter.documented
        name = "_".join(filter(None, ["records", suffix(spec, widths)]))
        yield RecordsModule(
            name, widths, records, tuple(writers), tuple(documented), dtypes_of(*records)
        )


def _record_writers(record: PlacedRecord, functions: tuple[Documented, ...]) -> Iterator[Writer]:
    """The writer of a record, and the documented ones; one of the same name takes its place."""
    own = f"mv_write_{record.name}"
    if all(function.name != own for function in functions):
        functions = (Documented(own, (WIRE_ORDER,)), *functions)
    names = [f.name for f in record.fields]
    for function in functions:
        parameters = arguments_of(function, names)
        by_role = {role_of(parameter, names): parameter for parameter in parameters}
        typed = tuple(
            TypedField(name, by_role[Role(name, DTYPE)], by_role[Role(name, SIZE)])
            for name in names
            if Role(name, DTYPE) in by_role
        )
        stores = tuple((field, field.name) for field in record.fields)
        yield Writer(function.name, record.doc, parameters, stores, record.size, typed)


def _delimiter_writers(delimiter: PlacedDelimiter, names: tuple[str, ...]) -> Iterator[Writer]:
    stores = tuple((f, 'b""' if f.is_text else str(value)) for f, value in delimiter.written)
    for name in dict.fromkeys((f"mv_write_{delimiter.name}", *names)):
        yield Writer(name, delimiter.doc, (), stores, delimiter.size)


@dataclass(frozen=True)
class RecordVariant:
    """A record at one combination of the widths that it uses; `key` finds it in the layout."""

    key: tuple[str, ...]
    record: PlacedRecord


def record_variants(spec: Spec) -> Iterator[RecordVariant]:
    for record in spec.records.values():
        for widths in combinations(spec, scalars_of(spec, record.name)):
            yield RecordVariant((record.name, *widths.values()), place(record, widths))


@dataclass(frozen=True)
class StreamPlan:
    """A stream with its type word as bytes; None where the stream has none."""

    stream: Stream
    source: int | None
    aggregation: int | None
    type_word: bytes | None


def stream_plans(spec: Spec) -> Iterator[StreamPlan]:
    for stream in spec.streams.values():
        if stream.source is None or stream.aggregation is None:
            yield StreamPlan(stream, None, None, None)
            continue
        numbers = {"source": stream.source, "aggregation": stream.aggregation}
        word = b""
        values = {}
        for field in spec.type_word.fields:
            names = {v.name: v.value for v in spec.enums[field.enum].values}
            values[field.name] = names[numbers[field.name]]
            word += values[field.name].to_bytes(field.bytes, "little")
        yield StreamPlan(stream, values["source"], values["aggregation"], word)


DATE_PARTS = {"day": ("year", "month", "day"), "minute": ("year", "month", "day", "hour", "minute")}
"""Unit of a date -> the columns that CSV has for it."""


def csv_titles(stream: Stream, spec: Spec) -> list[str]:
    """The columns of a CSV file, where they are not those of rows; empty where they are."""
    block = spec.blocks[stream.block]
    fields = [
        field
        for name in (block.header, block.entry)
        if name is not None
        for field in spec.records[name].fields
        if field.name != block.count
    ]
    dates = {f.name: date for f in fields if (date := spec.scalars[f.type].date) is not None}
    if not stream.csv and not dates:
        return []
    titles = stream.csv or tuple((field.name, field.name) for field in fields)
    return [
        part
        for name, title in titles
        for part in (
            [f"{title}_{end}" for end in DATE_PARTS[dates[name].unit]] if name in dates else [title]
        )
    ]


PYTHON_TYPES = {"int": "int", "unsigned": "int", "float": "float", "text": "bytes"}
"""Kind of a width -> the Python type of one value."""


def python_types(spec: Spec) -> dict[str, str]:
    """Scalar -> the Python type of one value of it."""
    kinds = {name: width_of(s.widths[0]) for name, s in spec.scalars.items()}
    return {name: PYTHON_TYPES[width.kind] for name, width in kinds.items() if width is not None}


def specials(spec: Spec) -> tuple[EnumValue, ...]:
    """The special sidx; a format may have none."""
    enum = spec.enums.get(SPECIAL_SIDX)
    return enum.values if enum is not None else ()


@dataclass(frozen=True)
class Constant:
    name: str
    value: int
    doc: str


def constants(spec: Spec) -> Iterator[Constant]:
    """The module-level constants that the enums give, with their aliases."""
    for enum in spec.enums.values():
        for value in enum.values:
            for name in (value.constant, *value.aliases):
                yield Constant(name, value.value, value.doc)
        if enum.count is not None:
            yield Constant(enum.count, len(enum.values), f"Number of values: {enum.doc}")
