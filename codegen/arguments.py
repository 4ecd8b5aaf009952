"""What the arguments of a documented function stand for.

An argument is a field, or the dtype or size of one. A field that is called like the size of another
one is a field.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from .language import DTYPE_ENDS, SIZE_END, WIRE_ORDER
from .model import Documented

VALUE, DTYPE, SIZE = "value", "dtype", "size"


@dataclass(frozen=True)
class Role:
    field: str
    part: str


def arguments_of(function: Documented, fields: Collection[str]) -> tuple[str, ...]:
    """Its arguments after the cursor; the fields in wire order where the spec says so."""
    return tuple(fields) if function.arguments == (WIRE_ORDER,) else function.arguments


def role_of(argument: str, fields: Collection[str]) -> Role | None:
    """None for an argument that stands for nothing in the record."""
    if argument in fields:
        return Role(argument, VALUE)
    for end, part in [(end, DTYPE) for end in DTYPE_ENDS] + [(SIZE_END, SIZE)]:
        name = argument.removesuffix(end)
        if name != argument and name in fields:
            return Role(name, part)
    return None
