"""Streams: their type, their header and block, and their special sample indices."""

from __future__ import annotations

from ..draft import Draft, Problems, repeated
from ..language import SIDX, SPECIAL_SIDX
from ..model import Field, Stream
from ..problems import unknown


def types(draft: Draft) -> Problems:
    enums = {field.name: field.enum for field in draft.spec.type_word.fields}
    for stream in draft.spec.streams.values():
        path = f"streams.{stream.name}"
        for key, name in (("source", stream.source), ("aggregation", stream.aggregation)):
            enum = draft.spec.enums.get(enums.get(key, ""))
            names = [value.name for value in enum.values] if enum is not None else []
            if enum is not None and name is not None and name not in names:
                yield draft.problem(f"{path}.{key}", unknown(enum.name, name, names))
        if (stream.source is None) != (stream.aggregation is None):
            yield draft.problem(path, "must have both source and aggregation, or neither")


def default(draft: Draft) -> Problems:
    """The stream that writers take where none is named."""
    if draft.spec.default_stream is not None:
        yield from draft.unknown("streams", "stream", draft.spec.default_stream, "default_stream")


def unique_types(draft: Draft) -> Problems:
    first: dict[tuple[str, str], str] = {}
    for stream in draft.spec.streams.values():
        if stream.source is None or stream.aggregation is None:
            continue
        taken = first.setdefault((stream.source, stream.aggregation), stream.name)
        if taken != stream.name:
            pair = f"({stream.source}, {stream.aggregation})"
            message = f"{pair} is the type of stream {taken!r} already; types must be unique"
            yield draft.problem(f"streams.{stream.name}.source", message)


def parts(draft: Draft) -> Problems:
    spec = draft.spec
    for stream in spec.streams.values():
        path = f"streams.{stream.name}"
        yield from draft.unknown("blocks", "block", stream.block, f"{path}.block")
        if stream.header is not None:
            where = f"{path}.header"
            yield from draft.unknown("records", "record", stream.header, where)


def special_names(draft: Draft) -> Problems:
    enum = draft.spec.enums.get(SPECIAL_SIDX)
    names = [value.name for value in enum.values] if enum is not None else []
    for stream in draft.spec.streams.values():
        path = f"streams.{stream.name}.{SPECIAL_SIDX}"
        if stream.special_sidx:
            yield from draft.unknown("enums", "enum", SPECIAL_SIDX, path)
        for special in stream.special_sidx:
            if enum is not None and special.name not in names:
                message = unknown("special sidx", special.name, names)
                yield draft.problem(f"{path}.{special.name}", message)


def special_fields(draft: Draft) -> Problems:
    """Special sidx need a field to stand in, at every width of it."""
    enum = draft.spec.enums.get(SPECIAL_SIDX)
    values = {value.name: value.value for value in enum.values} if enum is not None else {}
    for stream in draft.spec.streams.values():
        fields = _entry_fields(draft, stream)
        if not stream.special_sidx or fields is None:
            continue
        path = f"streams.{stream.name}.{SPECIAL_SIDX}"
        sidx = next((field for field in fields if field.name == SIDX), None)
        if sidx is None or draft.kind(sidx) in ("unsigned", "float", "text"):
            message = f"only for a stream whose block has entries with a signed {SIDX!r}"
            yield draft.problem(path, message)
            continue
        for special in stream.special_sidx:
            if misfit := draft.misfit(sidx, values.get(special.name, 0)):
                yield draft.problem(f"{path}.{special.name}", misfit)


def files(draft: Draft) -> Problems:
    """A file name stands for one stream, whatever the case of its letters."""
    named = [
        (f"streams.{stream.name}.files[{i}]", name.lower())
        for stream in draft.spec.streams.values()
        for i, name in enumerate(stream.files)
    ]
    for path, name, first in repeated(named):
        yield draft.problem(path, f"{name!r} is taken by {first}; a name stands for one stream")


def variants(draft: Draft) -> Problems:
    """Variants of a stream begin like it, and have no type word: their headers tell them apart, or
    their records, which are blocks without entries."""
    spec = draft.spec
    for stream in spec.streams.values():
        path = f"streams.{stream.name}"
        base = spec.streams.get(stream.variant_of or "")
        if stream.variant_of is None or base is None:
            if stream.variant_of is not None:
                yield from draft.unknown(
                    "streams", "stream", stream.variant_of, f"{path}.variant_of"
                )
            continue
        if base.variant_of is not None or base is stream:
            yield draft.problem(f"{path}.variant_of", f"{base.name!r} is a variant itself")
        for one in (base, stream):
            if not one.where and base.header is not None and not stream.index_file:
                yield draft.problem(
                    f"streams.{one.name}", "no where; a stream with variants needs it"
                )
        if base.header != stream.header:
            message = f"must have the header of {base.name!r}, {base.header!r}"
            yield draft.problem(f"{path}.header", message)
        blocks = [spec.blocks.get(one.block) for one in (base, stream)]
        if base.header is None and any(b is not None and b.entry is not None for b in blocks):
            message = "only for a stream with a header, or of blocks without entries"
            yield draft.problem(f"{path}.variant_of", message)
        if stream.source is not None or base.source is not None:
            yield draft.problem(f"{path}.variant_of", "only for streams without a type word")


def variant_values(draft: Draft) -> Problems:
    """The values by which a header says which variant it opens: each names one."""
    spec = draft.spec
    first: dict[tuple[str, frozenset[tuple[str, int]]], str] = {}
    for stream in spec.streams.values():
        path = f"streams.{stream.name}.where"
        if not stream.where:
            continue
        record = spec.records.get(stream.header or "")
        if record is None:
            if stream.header is None:
                yield draft.problem(path, "only for a stream with a header")
            continue
        names = [field.name for field in record.fields]
        for name, value in stream.where:
            if name not in names:
                yield draft.problem(f"{path}.{name}", unknown("field", name, names))
            elif draft.kind(record.field(name)) in ("float", "text"):
                yield draft.problem(f"{path}.{name}", "only for a field of integers")
            elif misfit := draft.misfit(record.field(name), value):
                yield draft.problem(f"{path}.{name}", misfit)
        base = spec.streams.get(stream.variant_of or "", stream)
        if base.where and {n for n, _ in base.where} != {n for n, _ in stream.where}:
            yield draft.problem(path, f"must have the fields of streams.{base.name}.where")
        taken = first.setdefault((base.name, frozenset(stream.where)), stream.name)
        if taken != stream.name:
            yield draft.problem(path, f"these are the values of {taken!r} already")


PLACES = ("offset", "size")
SIZES = ("expanded_size", "original_size")


def index_files(draft: Draft) -> Problems:
    """An index file has the header of a block but the count, and where its entries are."""
    spec = draft.spec
    for stream in spec.streams.values():
        block = spec.blocks.get(stream.block)
        header = spec.records.get(block.header) if block is not None else None
        for i, name in enumerate(stream.index_file):
            path = f"streams.{stream.name}.index_file"
            path = f"{path}[{i}]" if f"{path}[{i}]" in draft.places else path
            yield from draft.unknown("streams", "stream", name, path)
            index = spec.streams.get(name)
            place = spec.blocks.get(index.block) if index is not None else None
            record = spec.records.get(place.header) if place is not None else None
            if index is None or place is None or record is None or header is None or block is None:
                continue
            if block.count is None:
                yield draft.problem(path, "only for a stream whose blocks end by count")
                continue
            found = {field.name: field for field in record.fields}
            ids = [field for field in header.fields if field.name != block.count]
            legal = [*(field.name for field in ids), *PLACES]
            names = [name for name in found if name not in SIZES]
            same = all(found[f.name].type == f.type for f in ids if f.name in found)
            if names != legal or not same or place.entry is not None or index.header is not None:
                message = f"must be a list of {', '.join(legal)} (and {' or '.join(SIZES)})"
                yield draft.problem(path, f"{name!r} {message}")


def csv_columns(draft: Draft) -> Problems:
    """A CSV has each column of the rows once, under a name of its own."""
    for stream in draft.spec.streams.values():
        names = _row_columns(draft, stream)
        path = f"streams.{stream.name}.csv"
        if not stream.csv or names is None:
            continue
        for name, _ in stream.csv:
            if name not in names:
                yield draft.problem(f"{path}.{name}", unknown("column", name, names))
        if missing := [name for name in names if name not in dict(stream.csv)]:
            yield draft.problem(path, f"no name for {', '.join(missing)}; each column needs one")
        pairs = [(f"{path}.{name}", column) for name, column in stream.csv]
        for where, column, first in repeated(pairs):
            yield draft.problem(where, f"{column!r} is the name of {first} already")


def gaps(draft: Draft) -> Problems:
    """A gap is a number of the block header that a number of its entries accounts for."""
    for stream in draft.spec.streams.values():
        block = draft.spec.blocks.get(stream.block)
        header = draft.spec.records.get(block.header) if block is not None else None
        entry = _entry_fields(draft, stream)
        if block is None or header is None or entry is None:
            continue
        columns = [f for f in header.fields if f.name != block.count]
        for name, amount in stream.gaps:
            path = f"streams.{stream.name}.gaps.{name}"
            for field_name, fields in ((name, tuple(columns)), (amount, entry)):
                found = next((f for f in fields if f.name == field_name), None)
                if found is None:
                    names = [f.name for f in fields]
                    yield draft.problem(path, unknown("field", field_name, names))
                elif found.type in draft.spec.scalars and draft.kind(found) == "text":
                    yield draft.problem(path, f"{field_name} is text; a gap is a number")


def _row_columns(draft: Draft, stream: Stream) -> list[str] | None:
    """The columns of rows in wire order; None where they are not known."""
    block = draft.spec.blocks.get(stream.block)
    header = draft.spec.records.get(block.header) if block is not None else None
    entry = _entry_fields(draft, stream)
    if block is None or header is None or entry is None:
        return None
    names = [block.row.name] if block.row is not None else []
    names += [field.name for field in header.fields if field.name != block.count]
    names += [block.index] if block.index is not None else []
    return names + [field.name for field in entry]


def _entry_fields(draft: Draft, stream: Stream) -> tuple[Field, ...] | None:
    """None where they are not known."""
    block = draft.spec.blocks.get(stream.block)
    if block is None:
        return None
    if block.entry is None:
        return ()
    record = draft.spec.records.get(block.entry)
    return record.fields if record is not None else None
