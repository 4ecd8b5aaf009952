"""What is said of the values of a field, so that it means the same to every reader and writer.

`minimum` is a matter of parsing: of stream headers, and of the number of entries. `reserved` is one
of the ids of blocks, and needs a rule, by which validation reports it and writers refuse it.
"""

from __future__ import annotations

from ..draft import Draft, Problems


def minimums(draft: Draft) -> Problems:
    spec = draft.spec
    if not (draft.whole("blocks") and draft.whole("streams")):
        return
    headers = {stream.header for stream in spec.streams.values()}
    counts = {(block.header, block.count) for block in spec.blocks.values()}
    if any(name is not None and not _has_minimum(draft, record, name) for record, name in counts):
        return  # reported by structure.block_counts
    used = headers | {b.header for b in spec.blocks.values()}
    used |= {b.entry for b in spec.blocks.values()}
    for record in spec.records.values():
        for i, field in enumerate(record.fields):
            is_legal = record.name in headers or (record.name, field.name) in counts
            is_integer = draft.kind(field) not in ("float", "text")
            if field.minimum is not None and is_integer and record.name in used and not is_legal:
                path = f"records.{record.name}.fields[{i}].minimum"
                message = "only for fields of a stream header and the count of a block; use a rule"
                yield draft.problem(path, message)


def _has_minimum(draft: Draft, record: str, name: str) -> bool:
    found = draft.spec.records.get(record)
    fields = found.fields if found is not None else ()
    return any(f.name == name and f.minimum is not None for f in fields)


def reserved(draft: Draft) -> Problems:
    spec = draft.spec
    if not (draft.whole("blocks") and draft.whole("rules")):
        return
    headers = {block.header for block in spec.blocks.values()}
    counts = {(block.header, block.count) for block in spec.blocks.values()}
    for record in spec.records.values():
        for i, field in enumerate(record.fields):
            if not field.reserved or draft.kind(field) in ("float", "text"):
                continue
            path = f"records.{record.name}.fields[{i}].reserved"
            checks = {rule.check for rule in spec.rules.values() if field.name in rule.fields}
            is_covered = "not_reserved" in checks or (
                "positive" in checks and max(field.reserved) < 1
            )
            if record.name not in headers or (record.name, field.name) in counts:
                yield draft.problem(path, "only for the ids in the header of a block")
            elif not is_covered:
                message = f"needs a rule with check 'not_reserved' and field {field.name!r}"
                yield draft.problem(path, message)
