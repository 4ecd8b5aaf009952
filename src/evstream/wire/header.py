"""The header of a stream, and the layout of everything after it."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from evstream._support.format import Format, bound_format
from evstream._support.schema import Block, Field, Stream


@dataclass(frozen=True)
class StreamHeader:
    """The header of a stream, and the widths that its records are read with.

    Attributes:
        stream: name of the stream type, e.g. "loss"; see docs/format.md.
        values: fields of the stream header, e.g. {"len_sample": 100}.
        widths: width per scalar type, e.g. {"oasis_int": "i4", ...}.
    """

    stream: str
    values: Mapping[str, int] = field(default_factory=dict)
    widths: Mapping[str, str] = field(default_factory=dict)
    format: Format = field(default_factory=bound_format, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "widths", self.format.choose_widths(self.widths))

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
        """Source type, e.g. 2 for a loss stream; None for a stream without a header."""
        return self.spec.source

    @property
    def aggregation(self) -> int | None:
        """Aggregation type, e.g. 1 for items; None for a stream without a header."""
        return self.spec.aggregation

    @property
    def len_sample(self) -> int | None:
        """Number of samples per event; None for a stream that has none."""
        return self.values.get("len_sample")

    @property
    def summary_set_id(self) -> int | None:
        """Summary set of a summary stream; None for the others."""
        return self.values.get("summary_set_id")

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
        """Fields of a block header that are columns (all but the count) -> dtype, in wire order."""
        return {f.name: self.block_dtype[f.name] for f in self.block_fields if f.plural}

    @functools.cached_property
    def key_columns(self) -> Mapping[str, np.dtype[Any]]:
        """Those of the block columns that tell one block from the next: the ones that are not
        floats."""
        return {name: dtype for name, dtype in self.block_columns.items() if dtype.kind != "f"}

    @functools.cached_property
    def extra_columns(self) -> Mapping[str, str]:
        """What a block has after its first two columns, event and item: plural -> name."""
        columns = [f for f in self.block_fields if f.plural]
        return {str(f.plural): f.name for f in columns[2:]}

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
        if self.spec.type_word is None:
            return 0
        rest = self.record_dtype(self.spec.header).itemsize if self.spec.header else 0
        return self.format.type_word.size + rest

    def to_bytes(self) -> bytes:
        """The bytes at the start of the stream."""
        if self.spec.type_word is None:
            return b""
        if self.spec.header is None:
            return self.spec.type_word
        record = np.zeros(1, self.record_dtype(self.spec.header))
        for name, value in self.values.items():
            record[name] = value
        return self.spec.type_word + record.tobytes()
