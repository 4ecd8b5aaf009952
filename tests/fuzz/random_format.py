"""Random formats, and an encoder of them that shares no code with the product: `struct` alone.

A format is a spec (the YAML that evstream generates from) and the same facts as plain data, from
which streams with values are drawn, packed, and parsed again at any cut.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from random import Random
from typing import Any

LETTERS = {"i1": "b", "i2": "h", "i4": "i", "i8": "q", "u1": "B", "u2": "H", "u4": "I", "u8": "Q",
           "f4": "f", "f8": "d"}  # fmt: skip
NAMES = """
unix linux errno register signed far small block entry entries at size reader left row n
value buffer index end start blocks status phase rows count base limit raw type_word no_of is_closed
kind first last position known found seen taken odd rare common now delimiter closes sum_of
evs_id item_count amount_usd day_of_year x y2 zone grade vulnerability layer
"""
ARGUMENTS = {"index"}
"""Those of them that `create` has for something else, so that no stream header has them."""
TEXT = "abzAZ09 ,;.'\"\\-_#"
KINDS = {"int": ("i1", "i2", "i4", "i8"), "unsigned": ("u1", "u2", "u4", "u8"),
         "float": ("f4", "f8")}  # fmt: skip


@dataclass(frozen=True)
class Column:
    """A field of a record; `least` is 1 where no value is 0 or below."""

    name: str
    scalar: str
    least: int = 1
    minimum: int | None = None
    plural: str | None = None
    reserved: tuple[int, ...] = ()

    def yaml(self) -> str:
        parts = [f'name: "{self.name}"', f"type: {self.scalar}", "doc: A field."]
        parts += [f"minimum: {self.minimum}"] if self.minimum is not None else []
        parts += [f'plural: "{self.plural}"'] if self.plural else []
        parts += [f"reserved: {list(self.reserved)}"] if self.reserved else []
        return "      - {" + ", ".join(parts) + "}"


@dataclass(frozen=True)
class Kind:
    """A stream with its block. `count` and `match` are names of fields, or None."""

    name: str
    word: int | None
    start: tuple[Column, ...]
    header: tuple[Column, ...]
    entry: tuple[Column, ...]
    count: str | None
    match: str | None
    index: str | None

    def row_names(self) -> list[str]:
        names = [c.name for c in self.header if c.name != self.count]
        return [*names, *([self.index] if self.index else []), *(c.name for c in self.entry)]


Block = tuple[tuple[Any, ...], list[tuple[Any, ...]]]
"""The header without the count, and the entries."""


@dataclass
class Format:
    scalars: dict[str, tuple[str, ...]]
    kinds: list[Kind] = field(default_factory=list)
    positive: frozenset[str] = frozenset()  # kinds whose events start at 1, by a rule
    spec: str = ""


def random_format(random: Random) -> Format:
    scalars = {"id_int": tuple(random.sample(KINDS["int"][2:], random.randint(1, 2)))}
    for number in range(random.randint(1, 3)):
        kind = random.choice(list(KINDS))
        widths = random.sample(KINDS[kind], random.choice((1, 1, 2)))
        scalars[f"{kind}_{number}"] = tuple(widths)
    if random.random() < 0.5:
        scalars["text"] = (f"s{random.choice((1, 2, 3, 8, 31, 255))}",)
    scalars["amount"] = tuple(random.sample(KINDS["float"], random.randint(1, 2)))
    counts = random.choice(("int", "unsigned"))
    scalars["number"] = tuple(random.sample(KINDS[counts][1:], random.choice((1, 2))))
    made = Format(scalars)
    for number in range(random.randint(1, 3)):
        made.kinds.append(_random_kind(random, made, number))
    needed = {kind.name for kind in made.kinds if kind.header[0].reserved}
    chosen = {kind.name for kind in made.kinds if random.random() < 0.5} | needed
    is_limited = chosen and random.random() < 0.5
    made.positive = frozenset(chosen if is_limited else (kind.name for kind in made.kinds))
    made.spec = _spec(made, random)
    return made


def _random_kind(random: Random, made: Format, number: int) -> Kind:
    names = random.sample(NAMES.split(), 12)
    ends = random.choice(("delimited", "delimited", "counted", "header_only"))

    def column(**more: Any) -> Column:
        return Column(names.pop(), random.choice(list(made.scalars)), **more)

    def with_plural(made: Column, reserved: tuple[int, ...] = ()) -> Column:
        return Column(made.name, made.scalar, plural=f"{made.name}_all", reserved=reserved)

    reserved = random.choice(((), (0,)))
    first = random.choice(("event_id", f"trip_{number}"))
    header = [Column(first, "id_int", plural=f"{first}s", reserved=reserved)]
    if random.random() < 0.2:
        header = [Column(first, "amount", plural=f"{first}s")]
    header += [with_plural(column()) for _ in range(random.randint(0, 3))]
    entry: list[Column] = []
    count = match = index = None
    if ends == "counted":
        count, index = names.pop(), names.pop()
        header.insert(random.randint(1, len(header)), Column(count, "number", minimum=0))
        entry = [column() for _ in range(random.randint(1, 3))]
    if ends == "delimited":
        match = random.choice(("sidx", names.pop()))
        entry = [Column(match, "id_int"), *(column() for _ in range(random.randint(1, 3)))]
    has_type = random.random() < 0.8
    start: list[Column] = []
    if random.random() < 0.7:
        start = [Column(f"len_{number}", "number", minimum=0)]
        taken = [name for name in names if name in ARGUMENTS]
        names[:] = [name for name in names if name not in ARGUMENTS]
        start += [column() for _ in range(random.randint(0, 2))]
        names += taken
    word = (random.choice((0, 0, 3)) << 24 | 1 + number) if has_type else None
    if word is not None and word >> 24 == 0:
        word |= 1 << 24
    return Kind(
        f"kind_{number}", word, tuple(start), tuple(header), tuple(entry), count, match, index
    )


def _spec(made: Format, random: Random) -> str:
    lines = ["format: random", "doc: A random format.", "scalars:"]
    lines += [
        f"  {name}: {{doc: A scalar., widths: [{', '.join(widths)}]}}"
        for name, widths in made.scalars.items()
    ]
    sources = "ONE: {value: 1, constant: SOURCE_ONE, doc: One.}, "
    sources += "THREE: {value: 3, constant: SOURCE_THREE, doc: Three.}"
    numbers = ", ".join(
        f"A{n}: {{value: {n}, constant: AGGREGATION_{n}, doc: A number.}}" for n in (1, 2, 3)
    )
    lines += [
        "enums:",
        f"  source_type: {{doc: Sources., values: {{{sources}}}}}",
        f"  aggregation_type: {{doc: Aggregations., values: {{{numbers}}}}}",
        "type_word:",
        "  doc: Opens a stream.",
        "  fields:",
        "    - {name: aggregation, bytes: 3, enum: aggregation_type, doc: Low bytes.}",
        "    - {name: source, bytes: 1, enum: source_type, doc: High byte.}",
        "records:",
    ]
    ends, blocks, streams = [], [], []
    for kind in made.kinds:
        for part in ("start", "header", "entry"):
            if columns := getattr(kind, part):
                lines += [f"  {kind.name}_{part}:", "    doc: A record.", "    fields:"]
                lines += [column.yaml() for column in columns]
        block = [f"doc: A block., header: {kind.name}_header"]
        if kind.match is not None:
            written = ", ".join(f'"{c.name}": 0' for c in kind.entry)
            ends.append(
                f"  {kind.name}_end: {{doc: Ends., record: {kind.name}_entry, "
                f'match: {{"{kind.match}": 0}}, write: {{{written}}}}}'
            )
            block.append(f"entry: {kind.name}_entry, end: {{delimiter: {kind.name}_end}}")
        elif kind.count is not None:
            block.append(f'entry: {kind.name}_entry, end: {{count: "{kind.count}"}}')
            block.append(f'index: "{kind.index}"')
        blocks.append(f"  {kind.name}_block: {{{', '.join(block)}}}")
        stream = [f"doc: A stream., block: {kind.name}_block"]
        if kind.word is not None:
            source = {1: "ONE", 3: "THREE"}[kind.word >> 24]
            stream.append(f"source: {source}, aggregation: A{kind.word & 0xFFFFFF}")
        if kind.start:
            stream.append(f"header: {kind.name}_start")
        streams.append(f"  {kind.name}: {{{', '.join(stream)}}}")
    lines += ["delimiters:", *ends] if ends else []
    return "\n".join([*lines, "blocks:", *blocks, "streams:", *streams, *_rules(made, random), ""])


def _rules(made: Format, random: Random) -> list[str]:
    fix = "fix: Repair., severity: error"
    firsts = sorted({kind.header[0].name for kind in made.kinds})
    limit = ""
    if len(made.positive) < len(made.kinds):
        firsts = sorted({kind.header[0].name for kind in made.kinds if kind.name in made.positive})
        by_block = random.random() < 0.5
        names = sorted(f"{name}_block" if by_block else name for name in made.positive)
        limit = f", {'blocks' if by_block else 'streams'}: [{', '.join(names)}]"
    fields = f"field: [{', '.join(firsts)}]{limit}"
    lines = [
        "rules:",
        f"  positive-event: {{doc: From 1., {fix}, check: positive, {fields}}}",
        f"  is-whole: {{doc: Whole., {fix}, check: whole}}",
        "  closed: {doc: Closed., fix: Close., severity: warning, check: final_delimiter}",
    ]
    floats = {
        c.name
        for k in made.kinds
        for c in (*k.header, *k.entry)
        if "f" in made.scalars[c.scalar][0]
    }
    floats -= {
        c.name
        for k in made.kinds
        for c in (*k.header, *k.entry)
        if made.scalars[c.scalar][0][0] == "s"
    }
    if floats and random.random() < 0.5:
        names = ", ".join(f'"{name}"' for name in sorted(floats))
        lines.append(f"  all-finite: {{doc: Finite., {fix}, check: finite, field: [{names}]}}")
    limits = [k for k in made.kinds if k.match == "sidx" and k.start]
    if len(limits) == 1 and not any(k.match == "sidx" and not k.start for k in made.kinds):
        limit = limits[0].start[0].name
        lines.append(
            f"  sidx-low: {{doc: Low., {fix}, check: at_most, field: sidx, limit: {limit}}}"
        )
    return lines


# Streams


def pack(columns: tuple[Column, ...], widths: dict[str, str], values: tuple[Any, ...]) -> bytes:
    chosen = [widths[c.scalar] for c in columns]
    letters = "".join(f"{w[1:]}s" if w[0] == "s" else LETTERS[w] for w in chosen)
    return struct.pack(f"<{letters}", *values)


def no_entry(kind: Kind, widths: dict[str, str]) -> tuple[Any, ...]:
    """The values of a delimiter: 0, and no text."""
    return tuple(b"" if widths[c.scalar][0] == "s" else 0 for c in kind.entry)


@dataclass
class Stream:
    """A stream of one kind at chosen widths, with what is in it."""

    kind: Kind
    widths: dict[str, str]
    start: tuple[Any, ...]
    blocks: list[Block]

    @property
    def header_size(self) -> int:
        start = len(pack(self.kind.start, self.widths, self.start)) if self.kind.start else 0
        return start + (4 if self.kind.word is not None else 0)

    def header_bytes(self) -> bytes:
        word = struct.pack("<I", self.kind.word) if self.kind.word is not None else b""
        return word + (pack(self.kind.start, self.widths, self.start) if self.kind.start else b"")

    def block_header(self, block: Block) -> bytes:
        values = list(block[0])
        for i, column in enumerate(self.kind.header):
            if column.name == self.kind.count:
                values.insert(i, len(block[1]))
        return pack(self.kind.header, self.widths, tuple(values))

    def encode(self) -> bytes:
        return b"".join(self.pieces())

    def pieces(self) -> list[bytes]:
        """The stream header, and each record."""
        pieces = [self.header_bytes()]
        for block in self.blocks:
            pieces.append(self.block_header(block))
            pieces += [pack(self.kind.entry, self.widths, entry) for entry in block[1]]
            if self.kind.match is not None:
                zeros = no_entry(self.kind, self.widths)
                pieces.append(pack(self.kind.entry, self.widths, zeros))
        return pieces

    def rows(self) -> dict[str, list[Any]]:
        """The columns of rows."""
        names = self.kind.row_names()
        rows = []
        for header, entries in self.blocks:
            if not self.kind.entry:
                rows.append(header)
            for number, entry in enumerate(entries, start=1):
                index = (number,) if self.kind.index else ()
                rows.append((*header, *index, *entry))
        columns = list(zip(*rows, strict=True)) if rows else [() for _ in names]
        return {name: list(column) for name, column in zip(names, columns, strict=True)}

    def cut(self, length: int) -> tuple[str, int]:
        """How a reader has to judge the first `length` bytes: ("clean" | "open" | "broken",
        number of whole entries or, of blocks without entries, blocks)."""
        if length < self.header_size:
            return "broken", 0
        at, rows = self.header_size, 0
        for block in self.blocks:
            if length == at:
                return "clean", rows
            at += len(self.block_header(block))
            if length < at:
                return "broken", rows
            if not self.kind.entry:
                rows += 1
                continue
            size = len(pack(self.kind.entry, self.widths, no_entry(self.kind, self.widths)))
            for number, _ in enumerate(block[1]):
                if length == at and self.kind.match is not None:
                    return ("open" if number else "broken"), rows
                if length < at + size:
                    return "broken", rows
                at, rows = at + size, rows + 1
            if self.kind.match is not None:
                if length < at + size:
                    return ("open" if length == at and block[1] else "broken"), rows
                at += size
        return "clean", rows


def random_stream(
    random: Random, made: Format, kind: Kind, *, blocks: int = 4, empty: bool = False
) -> Stream:
    """Draw a stream that keeps to the rules; with `empty`, of blocks some of which are empty."""
    widths = {name: random.choice(chosen) for name, chosen in made.scalars.items()}

    def value(column: Column) -> Any:
        width = widths[column.scalar]
        if width[0] == "f":
            number = random.choice((0.0, -0.0, 1.5, -2.25, random.uniform(-9, 9), 1e30, 0.1))
            return struct.unpack(f"<{LETTERS[width]}", struct.pack(f"<{LETTERS[width]}", number))[0]
        if width[0] == "s":
            letters = [random.choice(TEXT) for _ in range(random.randint(0, int(width[1:])))]
            return "".join(letters).encode()
        bits = 8 * int(width[1]) - (width[0] == "i")
        return random.choice((1, 2, 3, 2**bits - 1, random.randint(1, 2 ** min(bits, 20) - 1)))

    highest = 60
    start = tuple(highest if i == 0 else value(c) for i, c in enumerate(kind.start))
    made_blocks: list[Block] = []
    event = 0
    for _ in range(blocks):
        event += random.randint(1, 3)
        rest = tuple(value(c) for c in kind.header[1:] if c.name != kind.count)
        number = 0 if not kind.entry else random.randint(0 if empty else 1, 5)
        first = sorted(random.sample(range(1, highest + 1), number))
        entries = []
        for i in range(number):
            others = kind.entry[1:] if kind.match is not None else kind.entry
            lead = (first[i],) if kind.match is not None else ()
            entries.append((*lead, *(value(c) for c in others)))
        is_float = widths[kind.header[0].scalar][0] == "f"
        made_blocks.append(((float(event) if is_float else event, *rest), entries))
    return Stream(kind, widths, start, made_blocks)
