"""Nodes -> values, converted by hand into what the key expects.

YAML guesses a type from the look of a plain scalar, and its readers disagree: 012 is ten
or twelve, `no` a word or false. Here nothing is guessed, and a plain scalar that another
reader could take for something else is refused. Each method returns a harmless stand-in
for what it refuses (and for a missing node, whose problem is already noted), so that
reading goes on; a caller drops whatever had a problem in it.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable
from typing import TypeVar

from .language import KEYS, LONGEST_NAME, SNAKE, TARGET, UPPER, Style
from .nodes import Mapping, Node, Sequence, Text, join
from .problems import Place, Problem, closest, shown, unknown

T = TypeVar("T")

INT64 = range(-(2**63), 2**63)

# What a plain scalar is to one YAML reader or another; the first match counts.
TRAPS = (
    ("", "nothing"),
    ("~|null|Null|NULL", "null"),
    ("(?i:y|n|yes|no|on|off|true|false)", "a boolean"),
    ("[-+]?0[0-9_]+", "an octal number"),
    ("[-+]?0[box][0-9A-Fa-f_]+", "a number"),
    (r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?", "a number to base 60"),
    (r"[-+]?[0-9]+", "a number"),
    (r"[-+]?(\.[0-9]|[0-9])[0-9_]*(\.[0-9_]*)?([eE][-+]?[0-9]+)?", "a number"),
    (r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", "a number"),
    (r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt \t].*)?", "a date"),
    ("=|<<", "a YAML operator"),
)

# Docs are printed into docstrings, comments and Markdown of other languages.
ENDS_A_DOC = ('"""', "\\", "{{", "{%", "{#", "*/")


def trap(node: Text) -> str | None:
    """What else the scalar could be taken for; a quoted one is what it looks."""
    if not node.plain:
        return None
    return next((what for pattern, what in TRAPS if re.fullmatch(pattern, node.text)), None)


class Values:
    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []

    def refuse(self, node: Node, message: str) -> None:
        self.refuse_at(node.path, node.place, message)

    def refuse_at(self, path: str, place: Place, message: str) -> None:
        self.problems.append(Problem(self.file, place.line, place.column, path, message))

    def maybe(self, node: Node | None, read: Callable[[Node], T]) -> T | None:
        """The value of an optional key."""
        return None if node is None else read(node)

    # Collections.

    def keys(self, node: Node | None, what: str) -> Callable[[str], Node | None]:
        """The values of a mapping whose keys the language fixes, looked up by key."""
        found: dict[str, Node] = {}
        legal = KEYS[what]
        meant = set()
        for key, value in self.entries(node):
            if key.text in legal.legal:
                found[key.text] = value
            else:
                meant.add(closest(key.text, legal.legal))
                message = unknown("key", key.text, legal.legal)
                cut_off = isinstance(value, Text) and trap(value) == "nothing"
                hint = " (in {...} a comma ends a text: quote the text)" if cut_off else ""
                self.refuse(key, message + hint)
        if isinstance(node, Mapping):
            for name in legal.required:
                if name not in found and name not in meant:
                    needed = ", ".join(legal.required)
                    message = f"missing; needed here: {needed}"
                    self.refuse_at(join(node.path, name), node.place, message)
        return found.get

    def named(
        self, node: Node | None, style: Style, read: Callable[[str, Node], T]
    ) -> dict[str, T]:
        """The entries of a mapping whose keys are names; those with a problem are left out."""
        result: dict[str, T] = {}
        for key, value in self.entries(node):
            before = len(self.problems)
            name = self.name(key, style)
            entry = read(name, value)
            if len(self.problems) == before:
                result[name] = entry
        return result

    def entries(self, node: Node | None) -> list[tuple[Text, Node]]:
        if not isinstance(node, Mapping):
            self.wrong_kind(node, "a mapping")
            return []
        if not node.entries:
            self.refuse(node, "empty; expected at least one entry")
        first: dict[str, tuple[Text, Node]] = {}
        for key, value in node.entries:
            if key.text in first:
                line = first[key.text][0].place.line
                self.refuse(key, f"duplicate key {shown(key.text)}; the first is in line {line}")
            else:
                first[key.text] = (key, value)
        return list(first.values())

    def each(self, node: Node | None, read: Callable[[Node], T]) -> tuple[T, ...]:
        if not isinstance(node, Sequence):
            self.wrong_kind(node, "a list")
            return ()
        if not node.items:
            self.refuse(node, "empty; expected at least one item")
        seen = set()
        for item in node.items:
            if isinstance(item, Text):
                if item.text in seen:
                    self.refuse(item, f"{shown(item.text)} is in the list already")
                seen.add(item.text)
        return tuple(read(item) for item in node.items)

    def one_or_each(self, node: Node | None, read: Callable[[Node], T]) -> tuple[T, ...]:
        if isinstance(node, Text):
            return (read(node),)
        return self.each(node, read)

    # Scalars.

    def scalar(self, node: Node | None, expected: str) -> Text | None:
        """A scalar that is text to every YAML reader."""
        if not isinstance(node, Text):
            self.wrong_kind(node, expected)
            return None
        what = trap(node)
        if what == "nothing":
            self.wrong_kind(node, expected)
        elif what is not None:
            taken = f"{shown(node.text)} is {what} to some YAML readers"
            self.refuse(node, f"expected {expected}, but {taken}; choose another, or quote it")
        elif not node.text.strip():
            self.wrong_kind(node, expected)
        else:
            return node
        return None

    def doc(self, node: Node | None) -> str:
        """One paragraph of printable text that can't end the comment it is printed into."""
        scalar = self.scalar(node, "text")
        if scalar is None:
            return ""
        text = scalar.text.strip(" \n")
        bad = next((c for c in text if not c.isprintable()), None)
        if bad == "\n":
            self.refuse(scalar, "a line break; a doc is one paragraph (fold lines with '>')")
        elif bad is not None:
            self.refuse(scalar, f"control character {bad!r}; a doc is printable text")
        for sign in ENDS_A_DOC:
            if sign in text:
                forbidden = " ".join(ENDS_A_DOC)
                self.refuse(scalar, f"{sign} in a doc; none of these may be in one: {forbidden}")
        if text.endswith('"'):
            self.refuse(scalar, 'a doc may not end with "; put a full stop after it')
        return text

    def word(self, node: Node | None) -> str:
        """A word that names something defined elsewhere; the checks look it up."""
        scalar = self.scalar(node, "a name")
        return "" if scalar is None else scalar.text

    def target(self, node: Node | None) -> str:
        """A field of a stream, maybe one of another format; the checks look it up."""
        word = self.word(node)
        if word and not re.fullmatch(TARGET.pattern, word) and node is not None:
            self.refuse(node, f"expected {TARGET.name}, found {shown(word)}")
        return word

    def name(self, node: Node | None, style: Style) -> str:
        """A word that defines something, and so ends up as an identifier in generated code."""
        scalar = self.scalar(node, f"a name in {style.name}")
        if scalar is None:
            return ""
        if not re.fullmatch(style.pattern, scalar.text):
            expected = f"expected a name in {style.name} ({style.pattern})"
            self.refuse(scalar, f"{expected}, found {shown(scalar.text)}")
        elif len(scalar.text) > LONGEST_NAME:
            self.refuse(scalar, f"{shown(scalar.text)} is longer than {LONGEST_NAME} characters")
        elif keyword.iskeyword(scalar.text):
            self.refuse(scalar, f"{shown(scalar.text)} is a Python keyword; choose another name")
        return scalar.text

    def snake(self, node: Node | None) -> str:
        return self.name(node, SNAKE)

    def upper(self, node: Node | None) -> str:
        return self.name(node, UPPER)

    def integer(self, node: Node | None) -> int:
        expected = "a plain decimal whole number"
        if not isinstance(node, Text) or not node.plain or trap(node) in ("nothing", "null"):
            self.wrong_kind(node, expected)
        elif not re.fullmatch("0|-?[1-9][0-9]*", node.text):
            what = trap(node)
            taken = f" ({what} to some YAML readers)" if what else ""
            self.refuse(node, f"expected {expected}, found {shown(node.text)}{taken}")
        elif len(node.text) > len(str(INT64[0])) or int(node.text) not in INT64:
            self.refuse(node, f"expected a number within int64, found {shown(node.text)}")
        else:
            return int(node.text)
        return 0

    def flag(self, node: Node | None) -> bool:
        if isinstance(node, Text) and node.plain and node.text in ("true", "false"):
            return node.text == "true"
        self.wrong_kind(node, "true or false")
        return False

    def wrong_kind(self, node: Node | None, expected: str) -> None:
        if node is None:
            return
        if isinstance(node, Mapping):
            found = "a mapping"
        elif isinstance(node, Sequence):
            found = "a list"
        elif node.plain and not node.text:
            found = "nothing"
        elif not node.plain:
            found = f"the quoted text {shown(node.text)}"
        else:
            found = shown(node.text)
        self.refuse(node, f"expected {expected}, found {found}")
