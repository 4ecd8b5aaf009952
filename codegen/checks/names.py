"""Names that would collide in generated code."""

from __future__ import annotations

from collections.abc import Iterable

from ..draft import Draft, Problems, repeated
from ..language import (
    CREATE_NAMES,
    EVENT_NAMES,
    MODULE_NAMES,
    RECORD_NAMES,
    WRITER_NAMES,
)


def constants(draft: Draft) -> Problems:
    """Constants, aliases and counts of all enums are names of one generated module."""
    names = []
    for enum in draft.spec.enums.values():
        for value in enum.values:
            path = f"enums.{enum.name}.values.{value.name}"
            names.append((f"{path}.constant", value.constant))
            names += [(f"{path}.aliases[{i}]", alias) for i, alias in enumerate(value.aliases)]
        if enum.count is not None:
            names.append((f"enums.{enum.name}.count", enum.count))
    for path, name, first in repeated(names):
        yield draft.problem(path, f"{name!r} is taken by {first}; constants must be unique")


def stream_names(draft: Draft) -> Problems:
    """A stream is asked for by its name or an alias, which mean one stream each."""
    named = [(f"streams.{s.name}", s.name) for s in draft.spec.streams.values()]
    for stream in draft.spec.streams.values():
        path = f"streams.{stream.name}.aliases"
        named += [(f"{path}[{i}]", alias) for i, alias in enumerate(stream.aliases)]
    for path, name, first in repeated(named):
        yield draft.problem(path, f"{name!r} is taken by {first}; names of streams are unique")


def environment(draft: Draft) -> Problems:
    named = [(f"scalars.{s.name}.env", s.env) for s in draft.spec.scalars.values() if s.env]
    for path, name, first in repeated(named):
        yield draft.problem(path, f"{name!r} is taken by {first}; each scalar has its own variable")


def parameters(draft: Draft) -> Problems:
    """A special sidx is a keyword of the writer, like the columns."""
    columns = [
        (f"records.{r.name}.fields[{i}]", name)
        for r in draft.spec.records.values()
        for i, f in enumerate(r.fields)
        for name in (f.name, f.plural)
        if name is not None
    ]
    taken = {name: path for path, name in reversed(columns)}
    for enum in draft.spec.enums.values():
        names = [
            (f"enums.{enum.name}.values.{v.name}.parameter", v.parameter)
            for v in enum.values
            if v.parameter is not None
        ]
        for path, name, first in repeated(names):
            yield draft.problem(path, f"{name!r} is taken by {first}; parameters must be unique")
        for path, name in names:
            if name not in taken:
                yield from _argument(draft, path, name, WRITER_NAMES)
            else:
                message = f"{name!r} is taken by {taken[name]}; a parameter needs a name of its own"
                yield draft.problem(path, message)


def columns(draft: Draft) -> Problems:
    """The columns of a block are attributes of its events."""
    records = draft.spec.records
    for block in draft.spec.blocks.values():
        header = records[block.header].fields if block.header in records else ()
        entry = records[block.entry].fields if block.entry in records else ()
        entry_names = {field.name for field in entry}
        first = next((i for i, f in enumerate(header) if f.name != block.count), None)
        if block.row is not None:
            yield from _reserved(
                draft, f"blocks.{block.name}.row.name", block.row.name, EVENT_NAMES
            )
        if first is not None:  # events have it under its own name
            path = f"records.{block.header}.fields[{first}].name"
            yield from _reserved(draft, path, header[first].name, EVENT_NAMES)
        for i, field in enumerate(header):
            path = f"records.{block.header}.fields[{i}]"
            if field.plural is not None:
                yield from _reserved(draft, f"{path}.plural", field.plural, EVENT_NAMES)
                if i > 1:
                    yield from _argument(draft, f"{path}.plural", field.plural, WRITER_NAMES)
            if field.plural in entry_names:
                message = f"{field.plural!r} is a field of {block.entry!r}; choose another name"
                yield draft.problem(f"{path}.plural", message)
        for i, field in enumerate(entry):
            path = f"records.{block.entry}.fields[{i}].name"
            yield from _reserved(draft, path, field.name, EVENT_NAMES)


def stream_headers(draft: Draft) -> Problems:
    """The fields of a stream header are keywords of what makes one."""
    for record in {s.header: None for s in draft.spec.streams.values() if s.header}:
        fields = draft.spec.records[record].fields if record in draft.spec.records else ()
        for i, field in enumerate(fields):
            path = f"records.{record}.fields[{i}].name"
            yield from _argument(draft, path, field.name, CREATE_NAMES)


def record_fields(draft: Draft) -> Problems:
    for record in draft.spec.records.values():
        for i, field in enumerate(record.fields):
            path = f"records.{record.name}.fields[{i}].name"
            yield from _reserved(draft, path, field.name, RECORD_NAMES)


def _reserved(draft: Draft, path: str, name: str, taken: frozenset[str]) -> Problems:
    if name in taken:
        yield draft.problem(path, f"{name!r} is a word of the generated code; choose another name")


def _argument(draft: Draft, path: str, name: str, taken: frozenset[str]) -> Problems:
    if name in taken:
        yield draft.problem(path, f"{name!r} is an argument of the writer; choose another name")


def type_names(draft: Draft) -> Problems:
    """Scalars, enums, records and delimiters share one set of names in generated code."""
    spec = draft.spec
    sections: dict[str, Iterable[str]] = {
        "scalars": spec.scalars,
        "enums": spec.enums,
        "records": spec.records,
        "delimiters": spec.delimiters,
    }
    named = [(f"{section}.{n}", n) for section, names in sections.items() for n in names]
    for path, name, first in repeated(named):
        message = (
            f"{name!r} is taken by {first}; scalars, enums, records and delimiters share names"
        )
        yield draft.problem(path, message)


def module_names(draft: Draft) -> Problems:
    """A block is generated as a module of its name, next to those of the whole format."""
    for name in draft.spec.blocks:
        if name in MODULE_NAMES or name.startswith("records_"):
            message = f"{name!r} is the name of another generated module; choose another name"
            yield draft.problem(f"blocks.{name}", message)
