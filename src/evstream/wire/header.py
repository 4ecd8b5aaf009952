"""The header of a stream, and the layout of everything after it."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from evstream._support.arguments import described
from evstream._support.format import Format, bound_format, chosen_format
from evstream._support.schema import Block, Field, Rule, Stream

SIDX = "sidx"
"""A word of the spec language: the entry field that is a sample index."""


@dataclass(frozen=True)
class StreamHeader:
    """The header of a stream, and the widths that its records are read with.

    Attributes:
        stream: name of the stream type, e.g. "loss"; see docs/format.md.
        values: fields of the stream header, e.g. {"len_sample": 100}: int, float, or str for text.
        widths: width per scalar type, e.g. {"oasis_int": "i4", ...}.
        format: the format of the stream.

    Each field of a stream header of the format is an attribute too, e.g. `header.len_sample`; None
    where this stream does not have it.
    """

    stream: str
    values: Mapping[str, Any] = field(default_factory=dict)
    widths: Mapping[str, str] = field(default_factory=dict)
    format: Format = field(default_factory=bound_format, repr=False)
    named: frozenset[str] = field(default=frozenset(), repr=False, compare=False)

    def __post_init__(self) -> None:
        format = chosen_format(self.format)
        object.__setattr__(self, "stream", format.stream(self.stream).name)
        object.__setattr__(self, "widths", format.choose_widths(self.widths))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle what makes the header, without the layout that follows from it."""
        return StreamHeader, (self.stream, dict(self.values), dict(self.widths), self.format)

    def __getattr__(self, name: str) -> Any:
        """The value of a field of a stream header, by its name; None if this stream lacks it."""
        format = self.__dict__.get("format")  # missing while a header is made
        if format is not None and name in format.stream_header_fields():
            return self.values.get(name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self.format.stream_header_fields()})

    def _repr_html_(self) -> str:
        from evstream._support.html import facts, fragment, table  # most programs need none

        fields = [("type", self.stream), *self.values.items()]
        records = (self.block.header, self.block.entry)
        docs = {f.name: f.doc for r in records if r for f in self.format.fields[r]}
        columns = [(n, dtype.str[1:], docs.get(n, "")) for n, dtype in self.row_columns.items()]
        heads = ("name", "type", "meaning")
        return fragment(
            facts(self.spec.doc.strip(), fields), table("columns of rows", heads, columns)
        )

    @property
    def spec(self) -> Stream:
        """The stream type."""
        return self.format.streams[self.stream]

    @property
    def block(self) -> Block:
        """The block that the stream repeats."""
        return self.format.blocks[self.spec.block]

    @property
    def source(self) -> int | None:
        """Source type, e.g. 2 for a loss stream; None for a stream without a type word."""
        return self.spec.source

    @property
    def aggregation(self) -> int | None:
        """Aggregation type, e.g. 1 for items; None for a stream without a type word."""
        return self.spec.aggregation

    @functools.cached_property
    def rules(self) -> Mapping[str, Rule]:
        """The rules that concern this stream, by id."""
        return {
            name: rule
            for name, rule in self.format.rules.items()
            if (not rule.blocks or self.block.name in rule.blocks)
            and (not rule.streams or self.stream in rule.streams)
        }

    @functools.cached_property
    def samples_field(self) -> str | None:
        """The field of the stream header that bounds the sidx by a rule, e.g. "len_sample"; None
        for a stream that has none."""
        fields = {f.name for f in self.header_fields}
        rules = self.rules.values()
        limits = (r.limit for r in rules if r.check == "at_most" and self.sidx in r.fields)
        return next((limit for limit in limits if limit in fields), None)

    @property
    def samples(self) -> int | None:
        """Number of samples per event: the highest legal sidx. None for a stream without any."""
        return None if self.samples_field is None else self.values.get(self.samples_field)

    @property
    def sidx(self) -> str | None:
        """The entry field that is a sample index; None for a stream without one."""
        return SIDX if SIDX in self.entry_columns else None

    @functools.cached_property
    def used_widths(self) -> dict[str, str]:
        """The widths that this stream uses, without those of other streams."""
        records = (self.spec.header, self.block.header, self.block.entry)
        used = {f.scalar for record in records if record for f in self.format.fields[record]}
        return {name: width for name, width in self.widths.items() if name in used}

    # The layout: records and columns at the widths of the stream. The mappings are shared: do not
    # change them.

    def record_dtype(self, record: str) -> np.dtype[np.void]:
        """The packed dtype of a record."""
        return self.format.record_dtype(record, self.widths)

    @property
    def header_fields(self) -> tuple[Field, ...]:
        """Fields of the stream header, without the type word."""
        return self.format.fields[self.spec.header] if self.spec.header else ()

    @property
    def block_fields(self) -> tuple[Field, ...]:
        """Fields of a block header, in wire order."""
        return self.format.fields[self.block.header]

    @functools.cached_property
    def block_dtype(self) -> np.dtype[np.void]:
        """The packed dtype of a block header."""
        return self.record_dtype(self.block.header)

    @functools.cached_property
    def entry_dtype(self) -> np.dtype[np.void] | None:
        """The packed dtype of an entry; None where blocks have none."""
        return self.record_dtype(self.block.entry) if self.block.entry else None

    @property
    def entry_size(self) -> int:
        """Bytes of an entry, 0 where blocks have none."""
        return 0 if self.entry_dtype is None else self.entry_dtype.itemsize

    @functools.cached_property
    def block_columns(self) -> Mapping[str, np.dtype[Any]]:
        """`column_fields` -> dtype, in wire order."""
        row = self.block.row
        number = {} if row is None else {row.name: np.dtype(f"<{self.widths[row.scalar]}")}
        dtype = self.block_dtype
        return {f.name: number.get(f.name) or dtype[f.name] for f in self.column_fields}

    @property
    def column_fields(self) -> list[Field]:
        """The fields of a block header that are columns, all but the count; before them the number
        of the record, where that is a column."""
        row = [] if self.block.row is None else [self.block.row]
        return row + [f for f in self.block_fields if f.name != self.block.count]

    @functools.cached_property
    def key_columns(self) -> Mapping[str, np.dtype[Any]]:
        """Those of the block columns that distinguish one block from the next: the first, which
        is the event, and those of integers; all where there are no integers."""
        columns = self.block_columns
        if all(dtype.kind not in "iu" for dtype in columns.values()):
            return columns
        first = self.event_column
        return {n: dtype for n, dtype in columns.items() if n == first or dtype.kind != "f"}

    @functools.cached_property
    def event_column(self) -> str:
        """The first block column, whose values are the events."""
        return next(iter(self.block_columns))

    @functools.cached_property
    def item_column(self) -> str | None:
        """The one key column after the event, whose values are the items; None where blocks have no
        such column, or several that distinguish them together."""
        others = [name for name in self.key_columns if name != self.event_column]
        return others[0] if len(others) == 1 else None

    @functools.cached_property
    def extra_columns(self) -> Mapping[str, str]:
        """What a block has after its first two columns, event and item: plural -> name."""
        return {f.plural or f.name: f.name for f in self.column_fields[2:]}

    @functools.cached_property
    def entry_columns(self) -> Mapping[str, np.dtype[Any]]:
        """Fields of an entry -> dtype, in wire order."""
        dtype = self.entry_dtype
        return {} if dtype is None else {name: dtype[name] for name in dtype.names or ()}

    @functools.cached_property
    def row_columns(self) -> Mapping[str, np.dtype[Any]]:
        """The columns of rows -> dtype, in wire order; the index column is as wide as the count."""
        block = self.block
        index = {} if block.index is None else {block.index: self.block_dtype[str(block.count)]}
        return {**self.block_columns, **index, **self.entry_columns}

    @property
    def size(self) -> int:
        """Bytes before the first block."""
        rest = self.record_dtype(self.spec.header).itemsize if self.spec.header else 0
        return len(self.spec.type_word or b"") + rest

    def to_bytes(self) -> bytes:
        """The bytes at the start of the stream. Raises ValueError for a value that does not fit."""
        word = self.spec.type_word or b""
        if self.spec.header is None:
            return word
        record = np.zeros(1, self.record_dtype(self.spec.header))
        for name, value in self.values.items():
            try:
                record[name] = value
            except (TypeError, ValueError, OverflowError):
                fields = ", ".join(f"{f.name} ({record.dtype[f.name]})" for f in self.header_fields)
                problem = f"{described(name)} is {described(value)}, expected a value of {fields}"
                raise ValueError(problem) from None
        return word + record.tobytes()
