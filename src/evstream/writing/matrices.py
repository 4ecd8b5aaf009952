"""Losses of events x items x samples, on their way into a stream.

They become one tall matrix, a row per event and item, which is converted and checked as a whole.
Then each event is encoded from its own rows, which are views.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt

from evstream.errors import WriteError
from evstream.wire.columns import Array
from evstream.writing.conversion import as_array
from evstream.writing.matrix import Matrix, MatrixForm


class Matrices(Matrix):
    """The arguments of `Writer.write_events`, converted to the dtypes of the stream: a Matrix of
    all rows."""

    def __init__(
        self,
        form: MatrixForm,
        event_ids: npt.ArrayLike | None,
        item_ids: npt.ArrayLike | None,
        losses: npt.ArrayLike | None,
        columns: Mapping[str, npt.ArrayLike | None],
    ) -> None:
        self._form = form
        others = dict(columns)
        event_ids, item_ids, losses = form.named(
            form.names_of_several, [event_ids, item_ids, losses], others
        )
        given = form.given(others)
        event_name, id_name, *_ = form.block
        events = np.atleast_1d(as_array(event_name, event_ids, form.block[event_name], form.source))
        if events.ndim != 1:
            raise self._refused(event_name, events, "(events,)")
        ids = np.atleast_1d(as_array(id_name, item_ids, form.block[id_name], form.source))
        self._count, self._items = len(events), ids.shape[-1]
        rows = self._count * self._items
        flat = {
            name: self._flat(name, as_array(name, values, self._dtype(name), form.source))
            for name, values in given.items()
        }
        if losses is not None:
            losses = as_array("losses", losses, form.value_dtype, form.source)
            shape = (self._count, self._items, form.samples)
            if losses.shape != shape:
                raise self._refused("losses", losses, f"{shape}")
            losses = losses.reshape(rows, form.samples)
        every = np.repeat(np.arange(self._count), self._items)
        self._convert(rows, events[every], self._flat(id_name, ids), losses, flat)

    def _dtype(self, name: str) -> np.dtype[np.generic]:
        """The dtype of the column that a keyword is for."""
        form = self._form
        return form.block[form.plurals[name]] if name in form.plurals else form.value_dtype

    def _flat(self, name: str, values: Array) -> Array:
        """Values of all events and items, or of the items of any event, as a column of all rows;
        one number as it is."""
        if values.ndim == 0:
            return values
        if values.shape == (self._items,):
            # An index keeps the mask that values may have.
            return values[np.tile(np.arange(self._items), self._count)]
        if values.shape != (self._count, self._items):
            expected = f"({self._count}, {self._items}) or ({self._items},)"
            raise self._refused(name, values, expected)
        return values.reshape(-1)

    def _refused(self, name: str, values: Array, expected: str) -> WriteError:
        return WriteError(
            f"{name} has shape {values.shape}", source=self._form.source, expected=expected
        )

    @property
    def is_one_event(self) -> bool:
        """Whether all blocks are of the same event."""
        return self._count == 1

    def events(self) -> Iterator[Matrix]:
        """The matrix of each event; a view."""
        for first in range(0, self.rows, self._items or 1):
            rows = slice(first, first + self._items)
            one = Matrix.__new__(Matrix)
            one._form, one.rows, one.special_sidx = self._form, self._items, self.special_sidx
            one.block = tuple(column[rows] for column in self.block)
            one.specials, one.losses = self.specials[rows], self.losses[rows]
            yield one
