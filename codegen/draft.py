"""What the checks look at: a spec with gaps where the loader found problems.

A check may take everything in the draft as well-formed. A name counts as known when the
file has it, however broken, so that no problem is reported twice in other words.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from .language import KEYS, width_of
from .model import Field, Spec
from .nodes import join
from .problems import Place, Problem, unknown

Problems = Iterator[Problem]

SECTIONS = KEYS["spec"].legal


@dataclass(frozen=True)
class Draft:
    """`places` has every path of the file, `broken` the paths of the loader's problems."""

    spec: Spec
    file: str
    places: dict[str, Place]
    broken: frozenset[str]

    def problem(self, path: str, message: str) -> Problem:
        """A problem at `path`, placed where the file has the nearest thing around it."""
        around = path
        while around not in self.places:
            around = around[: max(around.rfind("."), around.rfind("["), 0)]
        place = self.places[around]
        return Problem(self.file, place.line, place.column, path, message)

    def lost(self, section: str) -> bool:
        """Whether the section's names are unknown: not a mapping, or its key is misspelled."""
        misspelled = any(path.isidentifier() and path not in SECTIONS for path in self.broken)
        return section in self.broken or (misspelled and section not in self.places)

    def whole(self, section: str) -> bool:
        """Whether all that the file says in this section was loaded."""
        return not self.lost(section) and not any(
            path.startswith(f"{section}.") for path in self.broken
        )

    @cached_property
    def names(self) -> dict[str, list[str]]:
        """The names that the file gives in each section, however broken what they name."""
        names: dict[str, list[str]] = {section: [] for section in SECTIONS}
        for path in self.places:
            section, _, name = path.rpartition(".")
            if section in names and name[0] not in "'\"":
                names[section].append(name)
        return names

    def unknown(self, section: str, what: str, name: str, path: str) -> Problems:
        """A problem unless the section has the name, or may have it."""
        if join(section, name) not in self.places and not self.lost(section):
            yield self.problem(path, unknown(what, name, self.names[section]))

    def kind(self, field: Field) -> str | None:
        """'int', 'unsigned', 'float' or 'text'; None where the scalar is missing or broken."""
        scalar = self.spec.scalars.get(field.type)
        widths = scalar.widths if scalar is not None else ()
        return next((width.kind for width in map(width_of, widths) if width is not None), None)

    def misfit(self, field: Field, value: int) -> str | None:
        """Why the value doesn't fit the field at each of its widths."""
        scalar = self.spec.scalars.get(field.type)
        for name in scalar.widths if scalar is not None else ():
            width = width_of(name)
            if width is not None and width.kind == "text" and value != 0:
                return f"{value} is a number, but the field is text; legal: 0, for no text"
            if width is not None and not width.low <= value <= width.high:
                return f"{value} does not fit the width {name}; legal: {width.low} to {width.high}"
        return None


def repeated(names: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str, str]]:
    """(path, name, path of the first one) of each name that came before; takes (path, name)."""
    first: dict[str, str] = {}
    for path, name in names:
        if name in first:
            yield path, name, first[name]
        else:
            first[name] = path
