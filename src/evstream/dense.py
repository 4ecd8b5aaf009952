"""A matrix of losses, a row per item and a column per sample, on its way into a stream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from evstream._generated import layout
from evstream.blocks import Array, block_columns, entry_columns
from evstream.columns import as_array, as_column, row_scalars
from evstream.errors import WriteError
from evstream.event import no_matrix
from evstream.header import StreamHeader


class Matrix:
    """The arguments of `Writer.write_event`, converted to the dtypes of the stream.

    Attributes:
        block: one array per header column, shape (rows,), the event id first.
        special_sidx: the special sidx that are given, ascending.
        specials: shape (rows, specials).
        losses: shape (rows, len_sample).
    """

    def __init__(
        self,
        header: StreamHeader,
        source: str,
        event_id: int,
        item_ids: npt.ArrayLike,
        losses: npt.ArrayLike | None,
        columns: Mapping[str, npt.ArrayLike | None],
    ) -> None:
        _refuse_stream(header, source)
        self._header = header
        self._source = source
        dtypes = block_columns(header)
        event_name, id_name, *others = dtypes
        specials = _specials_of(header)
        fields = layout.FIELDS[header.block.header]
        plurals = {str(f.plural): f.name for f in fields if f.name in others}
        given = _given(header, columns, [*plurals, *specials])
        for plural in plurals.keys() - given.keys():
            raise TypeError(f"a {header.stream} stream needs {plural}")
        if np.ndim(event_id) != 0:
            raise WriteError(f"{event_name} is {event_id}", source=source, expected="one number")
        ids = np.atleast_1d(as_array(item_ids, dtypes[id_name]))
        self.rows = len(ids)
        self.block: tuple[Array, ...] = ()
        values: dict[str, npt.ArrayLike] = {event_name: event_id, id_name: ids}
        values |= {name: given[plural] for plural, name in plurals.items()}
        for name, column in values.items():
            self.block = (*self.block, self._column(name, column, name))
        self._sidx_name, self._loss_name = entry_columns(header)
        self._sidx_dtype, self._loss_dtype = entry_columns(header).values()
        self.losses = self._losses(losses)
        chosen = [name for name in specials if name in given]
        self.special_sidx = np.array([specials[name] for name in chosen], self._sidx_dtype)
        self.specials = np.empty((self.rows, len(chosen)), self._loss_dtype)
        for i, name in enumerate(chosen):
            self.specials[:, i] = self._column(name, given[name], self._loss_name)

    def kernel_arguments(self) -> tuple[Array | int, ...]:
        """What `encode_dense` takes: one event id, then arrays."""
        event_id = self.block[0][0]
        return (event_id, *self.block[1:], self.special_sidx, self.specials, self.losses)

    def written(self) -> tuple[Array, ...]:
        """The header columns of the rows that give a block: those with specials or losses."""
        if self.specials.shape[1]:
            return self.block
        has_loss = self.losses.any(axis=1)
        return tuple(column[has_loss] for column in self.block)

    def no_entries(self) -> tuple[Array, ...]:
        """Entry columns of length 0."""
        return (np.empty(0, self._sidx_dtype), np.empty(0, self._loss_dtype))

    def refuse_infinite(self) -> None:
        """Raise WriteError at the first value that is NaN or infinite."""
        sidx = [*self.special_sidx.tolist(), *range(1, self.losses.shape[1] + 1)]
        start = 0
        for part in (self.specials, self.losses):
            if not np.isfinite(part).all():
                row, column = np.argwhere(~np.isfinite(part))[0]
                name, value = self._loss_name, part[row, column]
                raise WriteError(
                    f"the {name} of sidx {sidx[start + column]} is {value}",
                    source=self._source,
                    ids=self._ids(row),
                    expected="a finite number",
                )
            start += part.shape[1]

    def _losses(self, losses: npt.ArrayLike | None) -> Array:
        len_sample = int(self._header.len_sample or 0)
        if losses is None:
            if len_sample:
                raise TypeError(f"losses are needed: len_sample is {len_sample}")
            return np.empty((self.rows, 0), self._loss_dtype)
        matrix = as_array(losses, self._loss_dtype)
        if matrix.ndim == 1 and self.rows <= 1:
            matrix = matrix.reshape(self.rows, -1) if self.rows else matrix.reshape(0, len_sample)
        shape = (self.rows, len_sample)
        return self._column("losses", matrix, self._loss_name, shape)

    def _column(
        self,
        label: str,
        values: npt.ArrayLike,
        field: str,
        shape: tuple[int, ...] | None = None,
    ) -> Array:
        """`values` for a field of the blocks; an error calls them `label`, and tells of which
        block (and sidx, where they are a matrix) they are."""

        def place(index: tuple[int, ...]) -> dict[str, Any]:
            sidx = {self._sidx_name: index[1] + 1} if len(index) > 1 else {}
            return {"ids": self._ids(index[0]) | sidx}

        dtype = (block_columns(self._header) | entry_columns(self._header))[field]
        return as_column(
            label, values, dtype, self._source, shape or (self.rows,),
            scalar=row_scalars(self._header)[field], place=place,
        )  # fmt: skip

    def _ids(self, row: int) -> dict[str, int]:
        """The ids of a row, as far as they are converted."""
        names = block_columns(self._header)
        ids = zip(names, self.block, strict=False)
        return {name: int(column[row]) for name, column in ids if column.dtype.kind != "f"}


def _refuse_stream(header: StreamHeader, source: str) -> None:
    """Raise TypeError for a stream that no matrix can be written to, WriteError where the
    last sample has a sidx that does not fit."""
    problem = no_matrix(header)
    if problem is None and header.block.delimiter is None:
        problem = f"a {header.stream} stream has counted blocks"
    if problem is not None:
        raise TypeError(f"{problem}: use write_columns")
    sidx = entry_columns(header)["sidx"]
    highest = np.iinfo(sidx).max
    if int(header.len_sample or 0) > highest:
        raise WriteError(
            f"sidx {header.len_sample} does not fit into {sidx.str[1:]}", source=source,
            expected=f"a len_sample of {highest} or less",
        )  # fmt: skip


def _specials_of(header: StreamHeader) -> dict[str, int]:
    """Keyword -> special sidx, of those that the stream has, ascending."""
    known = {special.sidx for special in header.spec.specials}
    found = ((sidx, name) for name, sidx in layout.SPECIAL_PARAMETERS.items() if sidx in known)
    return {name: sidx for sidx, name in sorted(found)}


def _given(
    header: StreamHeader, columns: Mapping[str, npt.ArrayLike | None], legal: list[str]
) -> dict[str, npt.ArrayLike]:
    """The keywords that have a value. Raises TypeError for one that the stream does not have;
    None is taken for what any stream has."""
    plurals = {f.plural for fields in layout.FIELDS.values() for f in fields}
    for name, values in columns.items():
        elsewhere = name in plurals or name in layout.SPECIAL_PARAMETERS
        if name in legal or (elsewhere and values is None):
            continue
        problem = f"a {header.stream} stream has no {name}"
        if not elsewhere:
            is_plain = all(word in layout.SPECIAL_PARAMETERS for word in legal)
            problem = f"no {'' if is_plain else 'column or '}special sidx {name!r}"
        raise TypeError(f"{problem}, expected {', '.join(legal) or 'none'}")
    return {name: values for name, values in columns.items() if values is not None}
