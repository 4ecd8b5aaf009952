"""How records make up delimiters and blocks.

A block is a header, entries and an end: a delimiter, which is an entry of its own kind, or
a count in the header. The passes of a block are cut along these parts.
"""

from __future__ import annotations

from ..draft import Draft, Problems
from ..language import ENCODINGS, SIDX, SPECIAL_SIDX
from ..model import Delimiter, Field
from ..problems import unknown


def delimiters(draft: Draft) -> Problems:
    records = draft.spec.records
    for delimiter in draft.spec.delimiters.values():
        path = f"delimiters.{delimiter.name}.record"
        yield from draft.unknown("records", "record", delimiter.record, path)
        if delimiter.record in records:
            fields = {field.name: field for field in records[delimiter.record].fields}
            yield from _delimiter_values(draft, delimiter, fields)
            yield from _delimiter_written(draft, delimiter, fields)


def _delimiter_values(draft: Draft, delimiter: Delimiter, fields: dict[str, Field]) -> Problems:
    path = f"delimiters.{delimiter.name}"
    for key, pairs in (("match", delimiter.match), ("write", delimiter.write)):
        for name, value in pairs:
            where = f"{path}.{key}.{name}"
            if name not in fields:
                yield draft.problem(where, unknown("field", name, fields))
            elif key == "match" and draft.kind(fields[name]) == "text":
                yield draft.problem(where, "a field of text; match a field of integers")
            elif misfit := draft.misfit(fields[name], value):
                yield draft.problem(where, misfit)
            elif key == "match" and draft.kind(fields[name]) == "float":
                yield draft.problem(where, "a field of floats; match a field of integers")
            elif key == "match" and name == SIDX:
                yield from _matched_sidx(draft, where, value)
    if len(delimiter.match) > 1:
        yield draft.problem(f"{path}.match", "must be one field; a reader looks at that alone")


def _matched_sidx(draft: Draft, path: str, value: int) -> Problems:
    """An entry of that sidx would end the block for every reader."""
    enum = draft.spec.enums.get(SPECIAL_SIDX)
    names = {v.value: v.name for v in enum.values if v.value < 0} if enum is not None else {}
    if value > 0 or value in names:
        what = "a sample" if value > 0 else f"the special sidx {names[value]}"
        yield draft.problem(path, f"{value} is {what}; match a sidx that no entry has, such as 0")


def _delimiter_written(draft: Draft, delimiter: Delimiter, fields: dict[str, Field]) -> Problems:
    path = f"delimiters.{delimiter.name}.write"
    written = dict(delimiter.write)
    for name in fields:
        if name not in written:
            message = f"missing field {name!r}; a delimiter is written as a whole record"
            yield draft.problem(path, message)
    for name, value in delimiter.match:
        if written.get(name, value) != value:
            message = f"{written[name]} is not what `match` looks for; legal: {value}"
            yield draft.problem(f"{path}.{name}", message)


def block_records(draft: Draft) -> Problems:
    for block in draft.spec.blocks.values():
        for key, name in (("header", block.header), ("entry", block.entry)):
            if name is not None:
                path = f"blocks.{block.name}.{key}"
                yield from draft.unknown("records", "record", name, path)


def block_ends(draft: Draft) -> Problems:
    for block in draft.spec.blocks.values():
        path = f"blocks.{block.name}.end"
        given = [end for end in (block.delimiter, block.count) if end is not None]
        if block.entry is None and given:
            yield draft.problem(path, "only for a block with an entry")
        elif block.entry is not None and len(given) != 1:
            found = "both" if given else "neither"
            yield draft.problem(path, f"must be exactly one of delimiter and count, found {found}")


def block_delimiters(draft: Draft) -> Problems:
    known = draft.spec.delimiters
    records = draft.spec.records
    for block in draft.spec.blocks.values():
        if block.delimiter is None:
            continue
        path = f"blocks.{block.name}.end.delimiter"
        yield from draft.unknown("delimiters", "delimiter", block.delimiter, path)
        delimiter = known.get(block.delimiter)
        if delimiter is None or delimiter.record not in records or block.entry not in records:
            continue
        if delimiter.record != block.entry:
            message = f"delimiter of {delimiter.record!r}, but the entry is {block.entry!r}"
            yield draft.problem(path, message)


def block_entries(draft: Draft) -> Problems:
    """Readers take sidx and what it numbers by their places, first and second."""
    records = draft.spec.records
    for block in draft.spec.blocks.values():
        if block.entry not in records:
            continue
        path = f"records.{block.entry}.fields"
        names = [field.name for field in records[block.entry].fields]
        if names[0] == SIDX and draft.kind(records[block.entry].fields[0]) == "text":
            yield draft.problem(f"{path}[0].type", f"{SIDX!r} is a number, and cannot be text")
        if SIDX in names[1:]:
            message = f"{SIDX!r} must be the first field of an entry"
            yield draft.problem(f"{path}[{names.index(SIDX)}].name", message)
        if block.delimiter is not None and len(names) < 2:
            found = f"found {names[0]!r} alone"
            message = f"an entry that a delimiter closes has two fields or more, {found}"
            yield draft.problem(path, message)


def block_counts(draft: Draft) -> Problems:
    """Counts, and the column that numbers what they count."""
    for block in draft.spec.blocks.values():
        if block.count is None:
            if block.index is not None:
                message = "only for a block that ends by count"
                yield draft.problem(f"blocks.{block.name}.index", message)
            continue
        path = f"blocks.{block.name}.end.count"
        if block.entry is None or block.delimiter is not None:
            continue
        if block.header not in draft.spec.records:
            continue
        fields = {field.name: field for field in draft.spec.records[block.header].fields}
        field = fields.get(block.count)
        if field is None:
            yield draft.problem(path, unknown("field", block.count, fields))
        elif draft.kind(field) in ("float", "text") or field.minimum is None or field.minimum < 0:
            message = f"{field.name!r} must be a field of integers with a minimum of 0 or more"
            yield draft.problem(path, message)


def block_headers(draft: Draft) -> Problems:
    """All of a header but the count is read into columns, and the first of them is the event."""
    for block in draft.spec.blocks.values():
        if block.header not in draft.spec.records:
            continue
        path = f"records.{block.header}.fields"
        fields = draft.spec.records[block.header].fields
        if block.entry and all(field.name == block.count for field in fields):
            message = "a block header needs a field besides the count; the first one is the event"
            yield draft.problem(path, message)
        columns = [(i, field) for i, field in enumerate(fields) if field.name != block.count]
        if columns and draft.kind(columns[0][1]) == "text":
            message = "the first field of a block header is the event, which is a number, not text"
            yield draft.problem(f"{path}[{columns[0][0]}].type", message)
        for i, field in enumerate(fields):
            if block.entry and field.plural is None and field.name != block.count:
                message = "missing; the field of a block header is read into a column of this name"
                yield draft.problem(f"{path}[{i}].plural", message)


def block_rows(draft: Draft) -> Problems:
    """The number of a record is its place in the file, so that all of the file is records."""
    for block in draft.spec.blocks.values():
        if block.row is None:
            continue
        path = f"blocks.{block.name}.row"
        if block.entry is not None:
            yield draft.problem(path, "only for a block without entries")
        yield from draft.unknown("scalars", "scalar", block.row.type, f"{path}.type")
        if block.row.type in draft.spec.scalars and draft.kind(block.row) in ("float", "text"):
            yield draft.problem(f"{path}.type", "must be a type of integers")
        elif (
            len(
                draft.spec.scalars[block.row.type].widths
                if block.row.type in draft.spec.scalars
                else "1"
            )
            > 1
        ):
            yield draft.problem(f"{path}.type", "must be a type of one width")
        for key, given in (
            ("reserved", bool(block.row.reserved)),
            ("minimum", block.row.minimum is not None),
            ("assumed", block.row.assumed is not None),
        ):
            if given:
                yield draft.problem(f"{path}.{key}", "not for the number of a record")


def block_values(draft: Draft) -> Problems:
    """The bytes of a value are counted, and no row has a number of its own."""
    for block in draft.spec.blocks.values():
        if block.value is None:
            continue
        path = f"blocks.{block.name}.value"
        if block.value not in ENCODINGS:
            yield draft.problem(path, unknown("encoding", block.value, ENCODINGS))
        if block.count is None or block.index is not None:
            yield draft.problem(path, "only for a block that ends by count and has no index")
        if block.entry is None or block.entry not in draft.spec.records:
            continue
        fields = draft.spec.records[block.entry].fields
        scalars = [draft.spec.scalars.get(field.type) for field in fields]
        if [scalar and tuple(scalar.widths) for scalar in scalars] != [("u1",)]:
            message = f"{block.entry!r} must be one field of a type of width u1"
            yield draft.problem(path, message)


def block_columns(draft: Draft) -> Problems:
    """The fields of header and entry, the index and the row are columns next to each other."""
    records = draft.spec.records
    for block in draft.spec.blocks.values():
        header = records[block.header].fields if block.header in records else ()
        entry = records[block.entry].fields if block.entry in records else ()
        names = {field.name for field in header}
        for field in entry:
            if field.name in names:
                message = f"{field.name!r} is a field of {block.header!r} too; it must be in one"
                yield draft.problem(f"blocks.{block.name}.entry", message)
        if block.row is not None and block.row.name in names:
            message = f"{block.row.name!r} is a field of {block.header!r}; choose another name"
            yield draft.problem(f"blocks.{block.name}.row.name", message)
        if block.index in names | {field.name for field in entry}:
            message = f"{block.index!r} is a field of the block; choose another name"
            yield draft.problem(f"blocks.{block.name}.index", message)
