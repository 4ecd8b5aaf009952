"""Spec -> what the Kaitai Struct descriptions print: one file per stream, at its default widths
or at each combination of widths.

Kaitai has parameters, but its web IDE and viewers open only descriptions without; a file per
combination of widths can be dropped onto them as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from . import plan
from .model import Spec, Stream


@dataclass(frozen=True)
class KaitaiField:
    """`valid` is the lowest legal value, where there is one; `text` the bytes of a text field."""

    name: str
    type: str
    doc: str
    valid: int | None
    text: int | None


@dataclass(frozen=True)
class KaitaiRecord:
    name: str
    doc: str
    size: int
    fields: tuple[KaitaiField, ...]


@dataclass(frozen=True)
class KaitaiTypeWordField:
    name: str
    type: str
    enum: str
    value: str
    doc: str


@dataclass(frozen=True)
class KaitaiBlock:
    """`until` is the field and value that close the block; `count` the field that counts;
    `reserved` are the ids and their values that stand for none."""

    name: str
    doc: str
    header: KaitaiRecord
    entry: KaitaiRecord | None
    until: tuple[str, int] | None
    count: str | None
    reserved: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class KaitaiFile:
    id: str
    doc: str
    widths: plan.Widths
    type_word: tuple[KaitaiTypeWordField, ...]
    type_word_name: str
    header: KaitaiRecord | None
    block: KaitaiBlock

    @property
    def records(self) -> tuple[KaitaiRecord, ...]:
        """Each once, in the order of their bytes."""
        records = (self.header, self.block.header, self.block.entry)
        return tuple({r.name: r for r in records if r is not None}.values())


def files(spec: Spec, *, all_widths: bool = False) -> Iterator[KaitaiFile]:
    for stream in spec.streams.values():
        if stream.index_file:  # its bytes mean nothing without the other file
            continue
        block = spec.blocks[stream.block]
        scalars = plan.scalars_of(spec, stream.header, block.header, block.entry)
        for widths in islice(plan.combinations(spec, scalars), None if all_widths else 1):
            suffix = plan.suffix(spec, widths)
            doc = stream.doc
            if stream.deprecated is not None:
                doc = f"{doc} Deprecated: {stream.deprecated}."
            yield KaitaiFile(
                id="_".join(part for part in (stream.name, suffix) if part),
                doc=doc,
                widths=widths,
                type_word=tuple(_type_word(spec, stream)),
                type_word_name=_free_name("type_word", spec),
                header=_record(spec, stream.header, widths) if stream.header else None,
                block=_block(spec, stream.block, widths),
            )


def _free_name(name: str, spec: Spec) -> str:
    """A name for a type that no record has."""
    return _free_name(f"{name}_", spec) if name in spec.records else name


def _type_word(spec: Spec, stream: Stream) -> Iterator[KaitaiTypeWordField]:
    """The fields of the type word with the value that this stream has there."""
    names = {"source": stream.source, "aggregation": stream.aggregation}
    for field in spec.type_word.fields:
        name = names[field.name]
        if name is not None:
            kaitai_type = f"b{8 * field.bytes}le"
            yield KaitaiTypeWordField(field.name, kaitai_type, field.enum, name.lower(), field.doc)


def _record(spec: Spec, name: str, widths: plan.Widths) -> KaitaiRecord:
    record = spec.records[name]
    placed = plan.place(record, widths)
    fields = tuple(
        KaitaiField(f.name, "str", f.doc, None, f.size)
        if f.is_text
        else KaitaiField(f.name, f.dtype.replace("i", "s"), f.doc, of_spec.minimum, None)
        for f, of_spec in zip(placed.fields, record.fields, strict=True)
    )
    return KaitaiRecord(name, record.doc, placed.size, fields)


def _block(spec: Spec, name: str, widths: plan.Widths) -> KaitaiBlock:
    block = spec.blocks[name]
    until = None
    if block.delimiter is not None:
        (until,) = spec.delimiters[block.delimiter].match
    return KaitaiBlock(
        name=_free_name(f"{name}_block", spec),
        doc=block.doc,
        header=_record(spec, block.header, widths),
        entry=_record(spec, block.entry, widths) if block.entry is not None else None,
        until=until,
        count=block.count,
        reserved=tuple((f.name, v) for f in spec.records[block.header].fields for v in f.reserved),
    )
