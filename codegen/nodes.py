"""YAML text -> nodes that know their path and place.

The tree is built from pyyaml's parser events, below its constructors and its composer: no
tag is resolved, no alias is followed, and every value stays the text that was written. The
spec language is a small part of YAML (one document of mappings, lists and scalars), and
whatever lies outside of it is refused here, before anything could expand or nest.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from .language import LONGEST_NAME
from .problems import Place, Problem, SpecError, shown
from .yaml_errors import explained

MAX_BYTES = 256 * 1024
MAX_DEPTH = 20


@dataclass(frozen=True)
class Text:
    """A scalar as written; `plain` is whether it stood there without quotes."""

    path: str
    place: Place
    text: str
    plain: bool


@dataclass(frozen=True)
class Sequence:
    path: str
    place: Place
    items: tuple[Node, ...]


@dataclass(frozen=True)
class Mapping:
    """Keys may repeat: the reader of the mapping refuses that. A mapping or list under a key
    has the place of the key, which is where the eye looks for it."""

    path: str
    place: Place
    entries: tuple[tuple[Text, Node], ...]


Node = Text | Sequence | Mapping


def read_nodes(path: Path) -> Node:
    """Read a file into nodes, or raise a SpecError with all that isn't plain YAML in it."""
    return _Tree(str(path), _text(path)).build()


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise SpecError(
            [Problem(str(path), 1, 1, "", f"can't be read: {error.strerror}")]
        ) from None
    if len(data) > MAX_BYTES:
        raise SpecError([Problem(str(path), 1, 1, "", f"more than {MAX_BYTES} bytes")])
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8-sig", "replace")
        place = Place(before.count("\n") + 1, len(before) - before.rfind("\n"))
        message = f"not UTF-8: byte 0x{data[error.start]:02x}"
        raise SpecError([Problem(str(path), place.line, place.column, "", message)]) from None


class _Tree:
    """One file on its way into nodes; `place` is where the parser has come to."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.text = text
        self.problems: list[Problem] = []
        self.events: Iterator[yaml.Event] = yaml.parse(text, yaml.SafeLoader)
        self.place = Place(1, 1)

    def build(self) -> Node:
        self.refuse_invisible()
        try:
            root = self.document()
        except yaml.MarkedYAMLError as error:
            message, mark = explained(error)
            place = _place(mark) if isinstance(mark, yaml.Mark) else self.place
            raise self.stop("", place, _one_line(message)) from None
        except (ValueError, OverflowError):
            # pyyaml converts \U escapes and %YAML versions without a range check.
            raise self.stop("", self.place, "not YAML: number out of range") from None
        if self.problems:
            raise SpecError(self.problems)
        return root

    def refuse(self, path: str, place: Place, message: str) -> None:
        self.problems.append(Problem(self.file, place.line, place.column, path, message))

    def stop(self, path: str, place: Place, message: str) -> SpecError:
        self.refuse(path, place, message)
        return SpecError(self.problems)

    def refuse_invisible(self) -> None:
        """Characters that an editor doesn't show, or that only some readers take as a line end."""
        for number, line in enumerate(self.text.split("\n"), start=1):
            for column, character in enumerate(line, start=1):
                if not (character.isprintable() or character == "\t"):
                    name = f"U+{ord(character):04X}"
                    self.refuse("", Place(number, column), f"character {name} is not printable")
        if self.problems:
            raise SpecError(self.problems)

    def next(self) -> yaml.Event:
        event = next(self.events)
        assert isinstance(event.start_mark, yaml.Mark)
        self.place = _place(event.start_mark)
        return event

    def document(self) -> Node:
        self.next()  # the start of the stream
        start = self.next()
        if not isinstance(start, yaml.DocumentStartEvent):
            raise self.stop("", self.place, "empty; expected a mapping")
        if start.version or start.tags:
            self.refuse("", self.place, "a % directive; leave it out")
        root = self.node(self.next(), "", self.place, depth=0)
        self.next()  # the end of the document
        if isinstance(self.next(), yaml.DocumentStartEvent):
            raise self.stop("", self.place, "a second document; a spec is one document")
        return root

    def node(self, event: yaml.Event, path: str, place: Place, depth: int) -> Node:
        """The node that `event` opens. Whatever is refused still gives a node, so that the rest
        of the file can be looked at; too deep nesting doesn't, because it costs the reader."""
        if depth > MAX_DEPTH:
            raise self.stop(path, self.place, f"nested deeper than {MAX_DEPTH}")
        if isinstance(event, yaml.AliasEvent):
            self.refuse(path, self.place, f"alias {shown(f'*{event.anchor}')}; write it out")
            return Text(path, place, "", plain=True)
        assert isinstance(event, yaml.NodeEvent)
        if event.anchor is not None:
            self.refuse(path, self.place, f"anchor {shown(f'&{event.anchor}')}; leave it out")
        if isinstance(event, yaml.ScalarEvent):
            self.refuse_tag(event.tag, path)
            return Text(path, self.place, event.value, plain=not event.style)
        assert isinstance(event, yaml.CollectionStartEvent)
        self.refuse_tag(event.tag, path)
        if isinstance(event, yaml.SequenceStartEvent):
            return self.sequence(path, place, depth)
        return self.mapping(path, place, depth)

    def refuse_tag(self, tag: str | None, path: str) -> None:
        if tag is not None:
            self.refuse(path, self.place, f"tag {shown(tag)}; a spec has no tags")

    def sequence(self, path: str, place: Place, depth: int) -> Sequence:
        items: list[Node] = []
        while not isinstance(event := self.next(), yaml.SequenceEndEvent):
            items.append(self.node(event, f"{path}[{len(items)}]", self.place, depth + 1))
        return Sequence(path, place, tuple(items))

    def mapping(self, path: str, place: Place, depth: int) -> Mapping:
        entries: list[tuple[Text, Node]] = []
        while not isinstance(event := self.next(), yaml.MappingEndEvent):
            key_place = self.place
            key_path = join(path, event.value) if isinstance(event, yaml.ScalarEvent) else path
            key = self.node(event, key_path, key_place, depth + 1)
            value = self.node(self.next(), key_path, key_place, depth + 1)
            if not isinstance(key, Text):
                self.refuse(path, key_place, "a key must be a word")
                continue
            if key.plain and key.text == "<<":
                self.refuse(path, key_place, "merge key '<<'; write the keys out")
            entries.append((key, value))
        return Mapping(path, place, tuple(entries))


def join(path: str, key: str) -> str:
    """The path of a key below `path`; a key that can't be a name is quoted, and cut short."""
    part = key if re.fullmatch(f"[A-Za-z0-9_-]{{1,{LONGEST_NAME}}}", key) else shown(key)
    return f"{path}.{part}" if path else part


def _place(mark: yaml.Mark) -> Place:
    return Place(mark.line + 1, mark.column + 1)


def _one_line(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)
