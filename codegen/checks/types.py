"""Scalars, enums, the type word, and the fields of records."""

from __future__ import annotations

import re

from ..draft import Draft, Problems, repeated
from ..language import (
    DATE_UNITS,
    LONGEST_TEXT,
    MAX_COMBINATIONS,
    SPECIAL_SIDX,
    TYPE_WORD_BYTES,
    TYPE_WORD_FIELDS,
    WIDTHS,
    width_of,
)
from ..model import Field
from ..problems import unknown


def scalars(draft: Draft) -> Problems:
    combinations = 1
    for scalar in draft.spec.scalars.values():
        path = f"scalars.{scalar.name}.widths"
        combinations *= len(scalar.widths)
        for i, width in enumerate(scalar.widths):
            if width_of(width) is None:
                yield draft.problem(f"{path}[{i}]", _unknown_width(width))
        kinds = {known.kind for known in map(width_of, scalar.widths) if known is not None}
        if len(kinds) > 1:
            mixed = " and ".join(sorted(kinds))
            yield draft.problem(path, f"widths of {mixed}; all of a scalar must be of one kind")
        elif kinds == {"text"} and len(scalar.widths) > 1:
            yield draft.problem(path, "several widths of text; a scalar of text has one")
        elif kinds == {"text"} and scalar.env is not None:
            message = "only for a scalar of numbers; text has one width, and nothing chooses it"
            yield draft.problem(f"scalars.{scalar.name}.env", message)
    if combinations > MAX_COMBINATIONS:
        message = f"{combinations} combinations of widths; at most {MAX_COMBINATIONS} are generated"
        yield draft.problem("scalars", message)


def dates(draft: Draft) -> Problems:
    """A date is a whole number of units since a day that there was."""
    for scalar in draft.spec.scalars.values():
        if scalar.date is None:
            continue
        path = f"scalars.{scalar.name}.date"
        kinds = {width.kind for width in map(width_of, scalar.widths) if width is not None}
        if kinds - {"int", "unsigned"}:
            yield draft.problem(path, "only for a scalar of integers")
        if scalar.date.unit not in DATE_UNITS:
            message = unknown("unit", scalar.date.unit, DATE_UNITS)
            yield draft.problem(f"{path}.unit", message)
        if not _is_day(scalar.date.since):
            message = f'there is no day {scalar.date.since!r}; legal: "YYYY-MM-DD"'
            yield draft.problem(f"{path}.since", message)


def _is_day(text: str) -> bool:
    """Whether the Gregorian calendar, continued before its beginning, has this day."""
    if not re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", text, re.ASCII):
        return False
    year, month, day = map(int, text.split("-"))
    is_leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    days = (31, 29 if is_leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
    return 1 <= month <= 12 and 1 <= day <= days[month - 1]


def _unknown_width(width: str) -> str:
    if width.startswith(">"):
        return f"width {width!r} is big-endian; all numbers of a format are little-endian"
    if re.fullmatch("[sS][0-9]*|str|string|text|char|bytes", width):
        return f"width {width!r} is text without a legal size; legal: s1 to s{LONGEST_TEXT}"
    return unknown("width", width, WIDTHS)


def enums(draft: Draft) -> Problems:
    for enum in draft.spec.enums.values():
        path = f"enums.{enum.name}.values"
        first: dict[int, str] = {}
        for value in enum.values:
            if value.value in first:
                message = f"{value.value} is the value of {first[value.value]} already"
                yield draft.problem(f"{path}.{value.name}.value", message)
            first.setdefault(value.value, value.name)
            if enum.name == SPECIAL_SIDX and value.value >= 0:
                message = f"{value.value} could be a sample; a special sidx is below 0"
                yield draft.problem(f"{path}.{value.name}.value", message)


def type_word(draft: Draft) -> Problems:
    fields = draft.spec.type_word.fields
    if not fields:
        return
    names = [f.name for f in fields]
    if sorted(names) != sorted(TYPE_WORD_FIELDS):
        needed = " and ".join(TYPE_WORD_FIELDS)
        yield draft.problem(
            "type_word.fields", f"must be exactly {needed}, found {', '.join(names)}"
        )
    total = sum(f.bytes for f in fields)
    if total != TYPE_WORD_BYTES or any(f.bytes < 1 for f in fields):
        message = f"must be {TYPE_WORD_BYTES} bytes in all and one or more each, found {total}"
        yield draft.problem("type_word.fields", message)
    for i, field in enumerate(fields):
        path = f"type_word.fields[{i}]"
        yield from draft.unknown("enums", "enum", field.enum, f"{path}.enum")
        if field.enum in draft.spec.enums and 1 <= field.bytes <= TYPE_WORD_BYTES:
            high = 256**field.bytes - 1
            for value in draft.spec.enums[field.enum].values:
                if not 0 <= value.value <= high:
                    message = f"{value.value} does not fit {path}; legal: 0 to {high}"
                    where = f"enums.{field.enum}.values.{value.name}.value"
                    yield draft.problem(where, message)


def records(draft: Draft) -> Problems:
    spec = draft.spec
    for record in spec.records.values():
        path = f"records.{record.name}.fields"
        named = [(f"{path}[{i}].name", f.name) for i, f in enumerate(record.fields)]
        plurals = [
            (f"{path}[{i}].plural", f.plural) for i, f in enumerate(record.fields) if f.plural
        ]
        aliases = [
            (f"{path}[{i}].aliases[{n}]", alias)
            for i, f in enumerate(record.fields)
            for n, alias in enumerate(f.aliases)
        ]
        for where, name, first in repeated(named + plurals):
            message = f"{name!r} is taken by {first}; names and plurals of a record must be unique"
            yield draft.problem(where, message)
        for where, name, first in repeated(named + aliases):
            if (where, name) in aliases:
                yield draft.problem(where, f"{name!r} is taken by {first}")
        for i, field in enumerate(record.fields):
            where = f"{path}[{i}].type"
            yield from draft.unknown("scalars", "scalar", field.type, where)
            yield from numbers(draft, field, f"{path}[{i}]")


def numbers(draft: Draft, field: Field, path: str) -> Problems:
    """What is said of the values of a field: whole numbers that fit it."""
    said = [(f"{path}.reserved[{i}]", value) for i, value in enumerate(field.reserved)]
    if field.minimum is not None:
        said.append((f"{path}.minimum", field.minimum))
    if field.assumed is not None:
        said.append((f"{path}.assumed", field.assumed))
    for where, value in said:
        misfit = draft.misfit(field, value)
        if draft.kind(field) in ("float", "text"):
            yield draft.problem(where, "only for a field of integers")
        elif misfit:
            yield draft.problem(where, misfit)
