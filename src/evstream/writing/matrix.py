"""A matrix of losses, a row per item and a column per sample, on its way into a stream.

A matrix becomes a block per row. Its specials are written first, in the order of the format, even
when zero; then the losses that are not zero, column j under sidx j + 1. So sidx ascend, and no
rule about them can break: only ids and values are checked (`checker`). `MatrixForm` is what all
matrices of a stream share, and is made once; `Matrix` converts the arguments of one call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from evstream._support.format import Format
from evstream._support.schema import Rule
from evstream.errors import WriteError
from evstream.wire.columns import Array, ids_at
from evstream.wire.event import no_matrix
from evstream.wire.header import StreamHeader
from evstream.writing.conversion import as_array, as_column, row_scalars


class MatrixForm:
    """What a stream says of its matrices, looked up once.

    Attributes:
        header: of the stream.
        source: name of the target, for messages.
        block: header columns -> dtype, the event id first.
        scalars: all columns -> scalar type.
        sidx, value: the entry fields; `sidx_dtype` and `value_dtype` are their dtypes.
        names: name of an argument of write_event -> the stream's own name for it.
        names_of_several: the same of write_events.
        plurals: keyword -> header column, of those after the second id.
        specials: keyword -> special sidx, ascending.

    Raises TypeError for a stream that no matrix can be written to, WriteError where the last
    sample has a sidx that does not fit.
    """

    def __init__(self, header: StreamHeader, source: str) -> None:
        problem = no_matrix(header)
        if problem is None and header.block.delimiter is None:
            problem = f"a {header.stream} stream has counted blocks"
        if problem is not None:
            raise TypeError(f"{problem}: use write_columns")
        self.header, self.source = header, source
        self.samples = int(header.samples or 0)
        self.block = header.block_columns
        self.scalars = row_scalars(header)
        self.sidx, self.value = header.entry_columns
        self.sidx_dtype, self.value_dtype = header.entry_columns.values()
        ids = str(header.column_fields[1].plural)
        self.names = {"event_id": header.event_column, "item_ids": ids, "losses": self.value}
        first = header.column_fields[0]
        self.names_of_several = {
            "event_ids": first.plural or first.name, "item_ids": ids, "losses": self.value
        }  # fmt: skip
        self.plurals = header.extra_columns
        known = {special.sidx for special in header.spec.specials}
        parameters = ((sidx, name) for name, sidx in header.format.special_parameters.items())
        self.specials = {name: sidx for sidx, name in sorted(parameters) if sidx in known}
        highest = np.iinfo(self.sidx_dtype).max
        if self.samples > highest:
            raise WriteError(
                f"sidx {self.samples} does not fit into {self.sidx_dtype.str[1:]}", source=source,
                expected=f"a {header.samples_field} of {highest} or less",
            )  # fmt: skip

    def named(
        self,
        names: Mapping[str, str],
        arguments: Sequence[npt.ArrayLike | None],
        columns: dict[str, Any],
    ) -> list[Any]:
        """The first three arguments of write_event or write_events, each as it is or taken out of
        `columns` under the name that the stream has, as `names` says. Raises TypeError for one that
        is missing or twice."""
        found = []
        for (name, own), argument in zip(names.items(), arguments, strict=True):
            value = argument
            if name != own and columns.get(own) is not None:
                if value is not None:
                    raise TypeError(f"{name} and {own} are the same, expected one of them")
                value = columns[own]
            columns.pop(own, None)
            if value is None and name != "losses":
                raise TypeError(f"a {self.header.stream} stream needs {own}")
            found.append(value)
        return found

    def given(self, columns: Mapping[str, npt.ArrayLike | None]) -> dict[str, npt.ArrayLike]:
        """The keywords that have a value. Raises TypeError for one that the stream does not
        have, or one that it needs and is missing; None is taken for what any stream has."""
        stream = self.header.stream
        for name, values in columns.items():
            if name in self.plurals or name in self.specials:
                continue
            elsewhere = name in _keywords(self.header.format)
            if elsewhere and values is None:
                continue
            problem = f"a {stream} stream has no {name}"
            if not elsewhere:
                problem = f"no {'column or ' if self.plurals else ''}special sidx {name!r}"
            legal = ", ".join([*self.plurals, *self.specials])
            raise TypeError(f"{problem}, expected {legal or 'none'}")
        given = {name: values for name, values in columns.items() if values is not None}
        for name in self.plurals:
            if name not in given:
                raise TypeError(f"a {stream} stream needs {name}")
        return given


@cache
def _keywords(format: Format) -> set[str]:
    """The keywords that the matrices of any stream take."""
    plurals = {f.plural for fields in format.fields.values() for f in fields if f.plural}
    return plurals | format.special_parameters.keys()


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
        form: MatrixForm,
        event_id: npt.ArrayLike | None,
        item_ids: npt.ArrayLike | None,
        losses: npt.ArrayLike | None,
        columns: Mapping[str, npt.ArrayLike | None],
    ) -> None:
        self._form = form
        others = dict(columns)
        event_id, item_ids, losses = form.named(form.names, [event_id, item_ids, losses], others)
        given = form.given(others)
        event_name, id_name, *_ = form.block
        if (
            type(event_id) is not int
            and as_array(event_name, event_id, form.block[event_name], form.source).ndim != 0
        ):
            raise WriteError(
                f"{event_name} is {event_id}", source=form.source, expected="one number"
            )
        ids = np.atleast_1d(as_array(id_name, item_ids, form.block[id_name], form.source))
        self._convert(len(ids), event_id, ids, losses, given)

    def _convert(
        self,
        rows: int,
        events: npt.ArrayLike,
        ids: npt.ArrayLike,
        losses: npt.ArrayLike | None,
        given: Mapping[str, npt.ArrayLike],
    ) -> None:
        """Convert the values of `rows` blocks to the dtypes of the stream."""
        form = self._form
        event_name, id_name, *_ = form.block
        self.rows = rows
        self.block: tuple[Array, ...] = ()
        values: dict[str, npt.ArrayLike] = {event_name: events, id_name: ids}
        values |= {name: given[plural] for plural, name in form.plurals.items()}
        for name, column in values.items():
            converted = self._column(name, column, name, form.block[name])
            self.block = (*self.block, converted)
        self.losses = self._losses(losses)
        chosen = [name for name in form.specials if name in given]
        self.special_sidx = np.array([form.specials[name] for name in chosen], form.sidx_dtype)
        self.specials = np.empty((self.rows, len(chosen)), form.value_dtype)
        for i, name in enumerate(chosen):
            self.specials[:, i] = self._column(name, given[name], form.value, form.value_dtype)

    @property
    def is_one_event(self) -> bool:
        """Whether all blocks are of the same event."""
        return True

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
        return (np.empty(0, self._form.sidx_dtype), np.empty(0, self._form.value_dtype))

    @property
    def value_name(self) -> str:
        """The entry field that the matrix has values of."""
        return self._form.value

    def refuse(self, rule: Rule, mask_of: Callable[[Array], Array]) -> None:
        """Raise WriteError at the first value that breaks a rule on values."""
        start = 0
        for part in (self.specials, self.losses):
            mask = mask_of(part)
            if rule.specials:
                mask &= np.isin(self._sidx()[start : start + part.shape[1]], rule.specials)
            if mask.any():
                sidx = self._sidx()
                row, column = np.argwhere(mask)[0]
                ids = self._ids(row) | {self._form.sidx: sidx[start + column]}
                problem = f"{self._form.value} {part[row, column]} breaks {rule.id}: {rule.doc}"
                raise WriteError(
                    problem.rstrip("."), source=self._form.source, ids=ids, rule=rule.id
                )
            start += part.shape[1]

    def _sidx(self) -> Array:
        """The sidx of all columns, specials first."""
        return np.concatenate([self.special_sidx, np.arange(1, self.losses.shape[1] + 1)])

    def _losses(self, losses: npt.ArrayLike | None) -> Array:
        samples, dtype = self._form.samples, self._form.value_dtype
        if losses is None:
            if samples:
                header = self._form.header
                raise TypeError(
                    f"a {header.stream} stream needs a matrix of {self._form.value}: "
                    f"{header.samples_field} is {samples}"
                )
            return np.empty((self.rows, 0), dtype)
        matrix = as_array("losses", losses, dtype, self._form.source)
        if matrix.ndim == 1 and self.rows == 1:
            matrix = matrix.reshape(1, -1)
        elif matrix.ndim == 1 and not self.rows and not matrix.size:
            matrix = matrix.reshape(0, samples)
        return self._column("losses", matrix, self._form.value, dtype, (self.rows, samples))

    def _column(
        self,
        label: str,
        values: npt.ArrayLike,
        field: str,
        dtype: np.dtype[Any],
        shape: tuple[int, ...] | None = None,
    ) -> Array:
        """`values` for a field of the blocks; an error calls them `label`, and names the
        block (and sidx, in a matrix) of a value."""

        def place(index: tuple[int, ...]) -> dict[str, Any]:
            sidx = {self._form.sidx: index[1] + 1} if len(index) > 1 else {}
            return {"ids": self._ids(index[0]) | sidx}

        return as_column(
            label, values, dtype, self._form.source, shape or (self.rows,),
            scalar=self._form.scalars[field], place=place,
        )  # fmt: skip

    def _ids(self, row: int) -> dict[str, Any]:
        """The ids of a row, as far as they are converted."""
        return ids_at(self._form.header, self.block, row)
