"""What is wrong with a spec, and where.

Nothing in the front half of the generator stops at the first mistake: every phase adds to
a list of problems, and one SpecError carries all of them, in the order of the file.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable
from dataclasses import dataclass

LONGEST_SHOWN = 40
MOST_LISTED = 40


@dataclass(frozen=True, order=True)
class Place:
    """Line and column, both from 1."""

    line: int
    column: int


@dataclass(frozen=True, order=True)
class Problem:
    """One mistake; `path` is where in the spec, e.g. records.item_header.fields[0].type."""

    file: str
    line: int
    column: int
    path: str
    message: str

    def __str__(self) -> str:
        parts = (f"{self.file}:{self.line}:{self.column}", self.path, self.message)
        return ": ".join(part for part in parts if part)


class SpecError(Exception):
    """A spec that can't be used; `problems` holds every reason, sorted by position."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = sorted(set(problems))
        super().__init__("\n".join(str(problem) for problem in self.problems))


def shown(text: str) -> str:
    """Text from a spec as it may stand in a message: quoted, short, and on one line."""
    return repr(text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 3] + "...")


def closest(word: str, legal: Collection[str]) -> str | None:
    """The legal word that was probably meant."""
    return next(iter(difflib.get_close_matches(word[:LONGEST_SHOWN], legal, n=1)), None)


def unknown(what: str, word: str, legal: Collection[str]) -> str:
    """The message for a word that is not a legal one."""
    meant = closest(word, legal)
    question = f" did you mean {meant!r}?" if meant else ""
    listed = ", ".join(list(legal)[:MOST_LISTED]) or "none"
    more = f" and {len(legal) - MOST_LISTED} more" if len(legal) > MOST_LISTED else ""
    return f"unknown {what} {shown(word)};{question} legal: {listed}{more}"
