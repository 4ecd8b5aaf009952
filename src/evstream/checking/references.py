"""Rules between the files of a folder: a value of one file is among those of another.

The values of a file that others refer to are read once, before any file is checked, and kept
sorted, each once; numbers without gaps are kept as two. So memory holds 8 bytes at most for each
different value that is referred to, however large the files are that refer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evstream._support.format import Format
from evstream._support.schema import Rule
from evstream.checking.folder_files import FolderFile
from evstream.errors import EvstreamError
from evstream.reading.stream import EventStream
from evstream.wire.columns import Array
from evstream.wire.header import StreamHeader

CHECK = "refers"
"""The word of the spec for these rules."""


class Values:
    """The different values of a field, sorted."""

    def __init__(self, values: Array) -> None:
        self.count = len(values)
        self.low: Any = values[0] if len(values) else 0
        self.high: Any = values[-1] if len(values) else -1
        is_whole = values.dtype.kind in "iu"
        without_gaps = is_whole and len(values) == int(self.high) - int(self.low) + 1
        self._values = None if without_gaps else values

    def lacks(self, wanted: Array) -> Array:
        """The mask of what is not among the values."""
        lacks: Array
        if self._values is None:
            lacks = (wanted < self.low) | (wanted > self.high)
        else:
            at = np.minimum(np.searchsorted(self._values, wanted), len(self._values) - 1)
            lacks = self._values[at] != wanted
        return lacks


@dataclass(frozen=True)
class Reference:
    """A rule about a field of a file, with the values that it may have.

    Attributes:
        rule, field: what holds, and of which field.
        values: of the files that it refers to; a value may be in any of them.
        expected: what to expect, for messages.
    """

    rule: Rule
    field: str
    values: Sequence[Values]
    expected: str

    def broken(self, values: Array) -> Array:
        """The mask of values that no file has."""
        lacks = np.ones(len(values), bool)
        for known in self.values:
            lacks &= known.lacks(values)
        return lacks


class References:
    """The references between the files of a folder.

    Attributes:
        unchecked: for each rule that could not be looked at, why.
    """

    def __init__(
        self,
        files: Sequence[FolderFile],
        widths: Mapping[str, str] | None,
        format: Format | None,
    ) -> None:
        self._files = [file for file in files if file.stream is not None]
        self._widths, self._format = widths, format
        self._values: dict[tuple[str, str], Values] = {}
        self.unchecked: list[str] = []

    def of(self, file: FolderFile) -> list[Reference]:
        """The rules that a file is to be checked against."""
        assert file.format is not None
        header = StreamHeader(file.stream or "", format=file.format)
        rules = [rule for rule in header.rules.values() if rule.check == CHECK]
        found: list[Reference] = []
        for rule in rules:
            for field in rule.fields:
                if field in header.block_columns:
                    found += self._reference(file, rule, field)
        return found

    def _reference(self, file: FolderFile, rule: Rule, field: str) -> Iterator[Reference]:
        values, names = [], []
        for number, (format, stream, target) in enumerate(rule.to):
            files = self._nearest(file, format, stream)
            if not files and not number:
                reason = f"no file of type {stream}"
                self.unchecked.append(f"{file.name}: {rule.id}: {reason}")
                return
            for other in files:
                try:
                    values.append(self._values_of(other, target))
                except (EvstreamError, OSError):
                    reason = f"{other.name} cannot be read to its end"
                    self.unchecked.append(f"{file.name}: {rule.id}: {reason}")
                    return
                names.append(_described(values[-1], target, other.name))
        yield Reference(rule, field, values, " or ".join(names))

    def _nearest(self, file: FolderFile, format: str, stream: str) -> list[FolderFile]:
        """The files of a type that a file refers to: of its folder, else of one above it, else
        all of the others."""
        found = [
            other
            for other in self._files
            if other.stream == stream and other.format is not None and other.format.name == format
        ]
        for depth in range(len(file.place), -1, -1):
            near = [other for other in found if other.place == file.place[:depth]]
            if near:
                return near
        return found

    def _values_of(self, file: FolderFile, field: str) -> Values:
        key = (file.path, field)
        if key not in self._values:
            self._values[key] = Values(_different(self._pieces(file, field)))
        return self._values[key]

    def _pieces(self, file: FolderFile, field: str) -> Iterator[Array]:
        widths = file.widths_of(self._widths)
        with EventStream(file.path, widths=widths, format=self._format, warn=False) as stream:
            at = list(stream.header.block_columns).index(field)
            for chunk in stream.chunks():
                yield chunk.columns.block[at]


def _different(pieces: Iterable[Array]) -> Array:
    """The different values of all pieces, sorted. Pieces are joined with what is kept once they
    are as many, so that a value is sorted a few times only."""
    kept: list[Array] = []
    waiting: list[Array] = []
    size = 0
    for piece in pieces:
        waiting.append(np.unique(piece))
        size += len(waiting[-1])
        if size > max(sum(map(len, kept)), 1 << 20):
            kept, waiting, size = [np.unique(np.concatenate([*kept, *waiting]))], [], 0
    found = [*kept, *waiting]
    return np.unique(np.concatenate(found)) if found else np.empty(0, np.int64)


def _described(values: Values, field: str, name: str) -> str:
    if not values.count:
        return f"one of the {field} of {name}, which has none"
    return f"one of the {values.count:,} {field} of {name} ({values.low} to {values.high})"


def broken_references(
    references: Sequence[Reference], columns: Mapping[str, Array]
) -> Iterator[tuple[Reference, Array]]:
    """Each reference that a stretch breaks, with the mask of its blocks."""
    for reference in references:
        mask = reference.broken(columns[reference.field])
        if mask.any():
            yield reference, mask
