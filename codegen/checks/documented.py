"""Documented functions: each writes the whole record, and has a name of its own."""

from __future__ import annotations

from ..arguments import DTYPE, SIZE, VALUE, Role, arguments_of, role_of
from ..draft import Draft, Problems, repeated
from ..language import DTYPE_ENDS, RECORDS_MODULE_NAMES, SIZE_END
from ..model import Documented
from ..problems import unknown


def arguments(draft: Draft) -> Problems:
    for record in draft.spec.records.values():
        fields = [field.name for field in record.fields]
        for function in record.documented:
            path = f"records.{record.name}.documented.{function.name}"
            yield from _arguments(draft, path, function, fields)


def _arguments(draft: Draft, path: str, function: Documented, fields: list[str]) -> Problems:
    arguments = arguments_of(function, fields)
    strange = False
    first: dict[Role, str] = {}
    for i, argument in enumerate(arguments):
        place = f"{path}[{i}]" if f"{path}[{i}]" in draft.places else path
        role = role_of(argument, fields)
        if role is None:
            strange = True
            ends = ", ".join(f"<field>{end}" for end in (*DTYPE_ENDS, SIZE_END))
            yield draft.problem(place, f"{unknown('argument', argument, fields)}, {ends}")
        elif role in first:
            message = f"{argument!r} is the {role.part} of {role.field!r}, as {first[role]!r} is"
            yield draft.problem(place, message)
        else:
            first[role] = argument
    if strange:
        return  # it may be the one that is missing
    has_widths = any(role.part != VALUE for role in first)
    for field in fields:
        if Role(field, VALUE) not in first:
            message = f"no argument for {field!r}; add one, since a record is written as a whole"
            yield draft.problem(path, message)
        elif has_widths and not (Role(field, DTYPE) in first and Role(field, SIZE) in first):
            message = f"{field!r} needs arguments for dtype and size, as other fields have them"
            yield draft.problem(path, message)


def function_names(draft: Draft) -> Problems:
    """All readers and writers are functions of one module. A documented one may take the place of
    the generated writer of its own record."""
    spec = draft.spec
    generated = {f"mv_read_{name}": f"records.{name}" for name in spec.records}
    generated |= {f"mv_write_{name}": f"records.{name}" for name in spec.records}
    generated |= {f"mv_write_{name}": f"delimiters.{name}" for name in spec.delimiters}
    named = [
        (f"records.{r.name}.documented.{f.name}", f.name)
        for r in spec.records.values()
        for f in r.documented
    ] + [
        (f"delimiters.{d.name}.documented[{i}]", name)
        for d in spec.delimiters.values()
        for i, name in enumerate(d.documented)
    ]
    for path, name in named:
        owner = generated.get(name)
        is_own = path.startswith(f"{owner}.documented") and name.startswith("mv_write_")
        if name in RECORDS_MODULE_NAMES:
            message = f"{name!r} is a word of the generated code; choose another name"
            yield draft.problem(path, message)
        elif owner is not None and not is_own:
            message = f"{name!r} is a function of {owner} already; choose another name"
            yield draft.problem(path, message)
    for path, name, place in repeated(named):
        yield draft.problem(path, f"{name!r} is taken by {place}; documented names are unique")
