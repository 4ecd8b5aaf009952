"""A matrix of losses, a row per item and a column per sample, on its way into a stream."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from evstream._generated import layout
from evstream.blocks import Array, block_columns, entry_columns
from evstream.columns import as_column
from evstream.errors import WriteError
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
        exposure_values: npt.ArrayLike | None,
        specials: Mapping[str, npt.ArrayLike | None],
    ) -> None:
        if header.len_sample is None:
            raise TypeError(f"a {header.stream} stream has no samples: use write_columns")
        self._header = header
        self._source = source
        dtypes = block_columns(header)
        event_name, id_name, *others = dtypes
        if np.ndim(event_id) != 0:
            raise WriteError(f"{event_name} is {event_id}", source=source, expected="one number")
        ids = np.atleast_1d(np.asarray(item_ids))
        shape = (len(ids),)
        self.rows = len(ids)
        given: dict[str, npt.ArrayLike] = {event_name: event_id, id_name: ids}
        if exposure_values is not None:
            given["exposure_value"] = exposure_values
        for name in given.keys() ^ dtypes.keys():
            needs = "needs" if name in others else "has no"
            raise TypeError(f"a {header.stream} stream {needs} {name}s")
        self.block = tuple(as_column(n, given[n], d, source, shape) for n, d in dtypes.items())
        self._sidx_dtype, self._loss_dtype = entry_columns(header).values()
        self.losses = self._losses(losses)
        self.special_sidx, self.specials = self._specials(specials)

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
                names = [n for n, d in block_columns(self._header).items() if d.kind != "f"]
                raise WriteError(
                    f"the loss of sidx {sidx[start + column]} is {part[row, column]}",
                    source=self._source,
                    ids={n: c[row] for n, c in zip(names, self.block, strict=False)},
                    expected="a finite number",
                )
            start += part.shape[1]

    def _losses(self, losses: npt.ArrayLike | None) -> Array:
        len_sample = int(self._header.len_sample or 0)
        if losses is None:
            if len_sample:
                raise TypeError(f"losses are needed: len_sample is {len_sample}")
            return np.empty((self.rows, 0), self._loss_dtype)
        matrix = np.asarray(losses)
        if matrix.ndim == 1 and self.rows <= 1:
            matrix = matrix.reshape(self.rows, -1) if self.rows else matrix.reshape(0, len_sample)
        shape = (self.rows, len_sample)
        return as_column("losses", matrix, self._loss_dtype, self._source, shape)

    def _specials(self, given: Mapping[str, npt.ArrayLike | None]) -> tuple[Array, Array]:
        for name in given.keys() - layout.SPECIAL_PARAMETERS.keys():
            legal = ", ".join(layout.SPECIAL_PARAMETERS)
            raise TypeError(f"no special sidx {name!r}, expected {legal}")
        chosen = sorted(
            (sidx, name)
            for name, sidx in layout.SPECIAL_PARAMETERS.items()
            if given.get(name) is not None
        )
        values = np.empty((self.rows, len(chosen)), self._loss_dtype)
        for column, (_, name) in enumerate(chosen):
            special = given[name]
            assert special is not None
            dtype = self._loss_dtype
            values[:, column] = as_column(name, special, dtype, self._source, (self.rows,))
        return np.array([sidx for sidx, _ in chosen], self._sidx_dtype), values
