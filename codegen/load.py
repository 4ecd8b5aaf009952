"""The spec as YAML -> the spec as dataclasses, or every problem at once.

One function per kind of entry, in the order of the file; each reads like the dataclass it
fills. An entry with a problem in it is left out of the spec, and the checks know which
places had problems, so that they report what is wrong elsewhere and nothing that follows.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from .check import check
from .draft import Draft
from .language import COLUMN, FILE, KEBAB, SNAKE, UPPER
from .model import (
    Block,
    Date,
    Delimiter,
    Documented,
    Enum,
    EnumValue,
    Field,
    Record,
    Rule,
    Scalar,
    Spec,
    Stream,
    StreamSpecial,
    TypeWord,
    TypeWordField,
)
from .nodes import Mapping, Node, Sequence, read_nodes
from .problems import Place, Problem, SpecError
from .values import Values

__all__ = ["Problem", "SpecError", "load_spec"]


def load_spec(path: Path | str) -> Spec:
    """Read and check a spec; raises a SpecError that holds all of its problems."""
    root = read_nodes(Path(path))
    values = Values(str(path))
    spec = _Loader(values).spec(root)
    places: dict[str, Place] = {}
    for where, place in _places(root):
        places.setdefault(where, place)
    broken = frozenset(problem.path for problem in values.problems)
    problems = values.problems + check(Draft(spec, values.file, places, broken))
    if problems:
        raise SpecError(problems)
    return spec


def _places(node: Node) -> Iterator[tuple[str, Place]]:
    yield node.path, node.place
    if isinstance(node, Mapping):
        for _, value in node.entries:
            yield from _places(value)
    elif isinstance(node, Sequence):
        for item in node.items:
            yield from _places(item)


class _Loader:
    def __init__(self, values: Values) -> None:
        self.values = values

    def spec(self, node: Node) -> Spec:
        v = self.values
        if not isinstance(node, Mapping):
            v.wrong_kind(node, "a mapping")
            raise SpecError(v.problems)
        key = v.keys(node, "spec")
        return Spec(
            format=v.snake(key("format")),
            doc=v.doc(key("doc")),
            scalars=v.named(key("scalars"), SNAKE, self.scalar),
            enums=v.maybe(key("enums"), lambda node: v.named(node, SNAKE, self.enum)) or {},
            type_word=v.maybe(key("type_word"), self.type_word) or TypeWord("", ()),
            records=v.named(key("records"), SNAKE, self.record),
            delimiters=v.named(key("delimiters"), SNAKE, self.delimiter),
            blocks=v.named(key("blocks"), SNAKE, self.block),
            streams=v.named(key("streams"), SNAKE, self.stream),
            rules=v.named(key("rules"), KEBAB, self.rule),
            default_stream=v.maybe(key("default_stream"), v.word),
        )

    def scalar(self, name: str, node: Node) -> Scalar:
        v = self.values
        key = v.keys(node, "scalar")
        return Scalar(
            name=name,
            doc=v.doc(key("doc")),
            widths=v.each(key("widths"), v.word),
            env=v.maybe(key("env"), v.upper),
            date=v.maybe(key("date"), self.date),
        )

    def date(self, node: Node) -> Date:
        v = self.values
        key = v.keys(node, "date")
        return Date(unit=v.word(key("unit")), since=v.word(key("since")))

    def enum(self, name: str, node: Node) -> Enum:
        v = self.values
        key = v.keys(node, "enum")
        return Enum(
            name=name,
            doc=v.doc(key("doc")),
            values=tuple(v.named(key("values"), UPPER, self.enum_value).values()),
            count=v.maybe(key("count"), v.upper),
        )

    def enum_value(self, name: str, node: Node) -> EnumValue:
        v = self.values
        key = v.keys(node, "enum_value")
        return EnumValue(
            name=name,
            value=v.integer(key("value")),
            doc=v.doc(key("doc")),
            constant=v.upper(key("constant")),
            aliases=v.each(key("aliases"), v.upper),
            parameter=v.maybe(key("parameter"), v.snake),
        )

    def type_word(self, node: Node) -> TypeWord:
        """Without fields when there was a problem in it, as in a format without a type word."""
        v = self.values
        before = len(v.problems)
        key = v.keys(node, "type_word")
        word = TypeWord(v.doc(key("doc")), v.each(key("fields"), self.type_word_field))
        return word if len(v.problems) == before else TypeWord("", ())

    def type_word_field(self, node: Node) -> TypeWordField:
        v = self.values
        key = v.keys(node, "type_word_field")
        return TypeWordField(
            name=v.snake(key("name")),
            bytes=v.integer(key("bytes")),
            enum=v.word(key("enum")),
            doc=v.doc(key("doc")),
        )

    def record(self, name: str, node: Node) -> Record:
        v = self.values
        key = v.keys(node, "record")
        return Record(
            name=name,
            doc=v.doc(key("doc")),
            fields=v.each(key("fields"), self.field),
            documented=tuple(v.named(key("documented"), SNAKE, self.documented).values()),
        )

    def documented(self, name: str, node: Node) -> Documented:
        return Documented(name, self.values.one_or_each(node, self.values.word))

    def field(self, node: Node) -> Field:
        v = self.values
        key = v.keys(node, "field")
        return Field(
            name=v.snake(key("name")),
            type=v.word(key("type")),
            doc=v.doc(key("doc")),
            plural=v.maybe(key("plural"), v.snake),
            aliases=v.each(aliases, v.snake) if (aliases := key("aliases")) is not None else (),
            reserved=v.each(key("reserved"), v.integer),
            minimum=v.maybe(key("minimum"), v.integer),
            assumed=v.maybe(key("assumed"), v.integer),
        )

    def delimiter(self, name: str, node: Node) -> Delimiter:
        v = self.values
        key = v.keys(node, "delimiter")
        return Delimiter(
            name=name,
            doc=v.doc(key("doc")),
            record=v.word(key("record")),
            match=self.field_values(key("match")),
            write=self.field_values(key("write")),
            documented=v.each(key("documented"), v.snake),
        )

    def field_values(self, node: Node | None) -> tuple[tuple[str, int], ...]:
        v = self.values
        return tuple((v.word(key), v.integer(value)) for key, value in v.entries(node))

    def block(self, name: str, node: Node) -> Block:
        v = self.values
        key = v.keys(node, "block")
        end = v.keys(key("end"), "end")
        return Block(
            name=name,
            doc=v.doc(key("doc")),
            header=v.word(key("header")),
            entry=v.maybe(key("entry"), v.word),
            delimiter=v.maybe(end("delimiter"), v.word),
            count=v.maybe(end("count"), v.word),
            index=v.maybe(key("index"), v.snake),
            row=v.maybe(key("row"), self.field),
            value=v.maybe(key("value"), v.word),
        )

    def stream(self, name: str, node: Node) -> Stream:
        v = self.values
        key = v.keys(node, "stream")
        special_sidx = v.named(key("special_sidx"), UPPER, self.stream_special)
        return Stream(
            name=name,
            doc=v.doc(key("doc")),
            deprecated=v.maybe(key("deprecated"), v.doc),
            source=v.maybe(key("source"), v.word),
            aggregation=v.maybe(key("aggregation"), v.word),
            header=v.maybe(key("header"), v.word),
            block=v.word(key("block")),
            special_sidx=tuple(special_sidx.values()),
            csv=v.maybe(key("csv"), self.csv) or (),
            gaps=tuple((v.word(name), v.word(entry)) for name, entry in v.entries(key("gaps"))),
            aliases=v.each(aliases, v.snake) if (aliases := key("aliases")) is not None else (),
            files=v.maybe(key("files"), lambda n: v.each(n, lambda f: v.name(f, FILE))) or (),
            variant_of=v.maybe(key("variant_of"), v.word),
            where=v.maybe(key("where"), self.field_values) or (),
            index_file=v.one_or_each(key("index_file"), v.word),
        )

    def csv(self, node: Node) -> tuple[tuple[str, str], ...]:
        v = self.values
        return tuple((v.word(key), v.name(value, COLUMN)) for key, value in v.entries(node))

    def stream_special(self, name: str, node: Node) -> StreamSpecial:
        v = self.values
        key = v.keys(node, "stream_special")
        required = key("required")
        return StreamSpecial(
            name=name,
            doc=v.doc(key("doc")),
            required=required is not None and v.flag(required),
        )

    def rule(self, name: str, node: Node) -> Rule:
        v = self.values
        key = v.keys(node, "rule")
        return Rule(
            id=name,
            doc=v.doc(key("doc")),
            fix=v.doc(key("fix")),
            severity=v.word(key("severity")),
            check=v.word(key("check")),
            fields=v.one_or_each(key("field"), v.word),
            limit=v.maybe(key("limit"), v.word),
            to=v.one_or_each(key("to"), v.target),
            special_sidx=v.one_or_each(key("special_sidx"), v.word),
            blocks=v.one_or_each(key("blocks"), v.word),
            streams=v.one_or_each(key("streams"), v.word),
        )
