"""The writer that `evstream.create` opens: a correct stream from arrays.

Rows and matrices are converted to the dtypes of the stream (`conversion`, `matrix`), checked
against its rules (`checker`), and encoded into the buffer of the target (`encoder`, `output`).
Nothing of a call is written unless all of it passes. A block stays open between two calls of
`write_columns`; everything else writes whole blocks.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from evstream._support.arguments import described, flag, one_line
from evstream.errors import WriteError
from evstream.transport.endpoints import TargetLike
from evstream.wire.columns import Array, Columns, differ
from evstream.wire.event import Event
from evstream.wire.header import StreamHeader
from evstream.writing.checker import WriteChecker
from evstream.writing.conversion import as_rows, group_rows, refuse_counts, refuse_row_numbers
from evstream.writing.encoder import Encoder
from evstream.writing.matrices import Matrices
from evstream.writing.matrix import Matrix, MatrixForm
from evstream.writing.one_at_a_time import Lock, one_at_a_time
from evstream.writing.output import Outlet, wants


class Writer:
    """An open stream to write to; use it as a context manager.

    Several threads may write, one call at a time; the rules of the stream hold for the order
    that comes of it.

    Attributes:
        header: the StreamHeader that was written.
        name: of the target, for messages.
        validate: whether what breaks a rule is refused; may be switched off, not on again.
    """

    def __init__(
        self,
        target: TargetLike,
        header: StreamHeader,
        *,
        validate: bool = True,
        seal: str | bool = False,
        durable: bool | None = None,
        index: str | bool = False,
        storage_options: Mapping[str, Any] | None = None,
    ) -> None:
        validate = flag("validate", validate)
        if wants("seal", seal) and not validate:
            raise ValueError(
                "seal with validate=False, expected one of them: a seal certifies rules"
            )
        self.header = header
        self._out = Outlet(target, header, seal, durable, index, storage_options)
        self._encoder = Encoder(header, self._out)
        self.name = self._out.name
        self.validate = validate
        self._checker = WriteChecker(header, self.name)
        self._lock = Lock()
        self._form: MatrixForm | None = None  # once a matrix is written

    @property
    def offset(self) -> int:
        """Bytes of the stream so far, those included that wait to be handed on."""
        return self._out.offset

    @property
    def closed(self) -> bool:
        """Whether the stream is complete, or given up."""
        return self._out.closed

    @overload
    def write_event(
        self,
        event_id: float | np.number[Any],
        item_ids: npt.ArrayLike,
        losses: npt.ArrayLike | None = None,
        **columns: npt.ArrayLike | None,
    ) -> None: ...

    @overload
    def write_event(self, **columns: npt.ArrayLike | None) -> None: ...

    @one_at_a_time
    def write_event(
        self,
        event_id: npt.ArrayLike | None = None,
        item_ids: npt.ArrayLike | None = None,
        losses: npt.ArrayLike | None = None,
        **columns: npt.ArrayLike | None,
    ) -> None:
        """Write blocks of one event from a matrix; zero losses are left out.

        The first three arguments have these names in every format; as keywords they may have
        those of the stream too: `event_id`, `summary_ids` and `loss` in a summary stream.

        Args:
            event_id: the event; above 0 in the Oasis format.
            item_ids: shape (items,), the ids of the blocks: of items, coverages or summaries.
            losses: shape (items, len_sample), column j is sidx j + 1; may be left out when
                len_sample is 0.
            **columns: each of shape (items,) or one number.
                The other columns of a block, by the names that events have for them:
                exposure_values in a summary stream, and there required.
                The special sidx of the stream: mean, std_dev, tiv, chance_of_loss, max_loss,
                written even when zero, in the order of the format. An item with neither
                specials nor losses above or below zero is left out.

        Raises:
            WriteError: for what breaks a rule, does not fit or is masked; nothing is written.
            TypeError: a keyword that the stream does not have, or one that it needs is
                missing; a stream that is not a matrix, such as cdf.
        """
        self._out.refuse_closed()
        if self._form is None:
            self._form = MatrixForm(self.header, self.name)
        matrix = Matrix(self._form, event_id, item_ids, losses, columns)
        if self.validate:
            self._checker.check_matrix(matrix)
        self._encoder.close_block()
        self._encoder.matrix(matrix)
        self._out.flush_if_due()

    @one_at_a_time
    def write_events(
        self,
        event_ids: npt.ArrayLike | None = None,
        item_ids: npt.ArrayLike | None = None,
        losses: npt.ArrayLike | None = None,
        **columns: npt.ArrayLike | None,
    ) -> None:
        """Write several events from one array, as `write_event` does one after the other.

        Args:
            event_ids: shape (events,), in the order of the stream.
            item_ids: shape (items,), the same for all events; or (events, items).
            losses: shape (events, items, len_sample); may be left out when len_sample is 0.
            **columns: as for write_event, each of shape (events, items), (items,) for the same in
                all events, or one number.

        Raises:
            WriteError, TypeError: as write_event. All events are checked before any is written, so
                that after an error none is.
        """
        self._out.refuse_closed()
        if self._form is None:
            self._form = MatrixForm(self.header, self.name)
        matrices = Matrices(self._form, event_ids, item_ids, losses, columns)
        if self.validate:
            self._checker.check_matrix(matrices)
        self._encoder.close_block()
        for matrix in matrices.events():
            self._encoder.matrix(matrix)
        self._out.flush_if_due()

    @one_at_a_time
    def write_columns(self, *columns: npt.ArrayLike, **named: npt.ArrayLike) -> None:
        """Write rows, one per entry, in the order they come.

        The columns are those of `evstream cat`, by position or by name: event_id, item_id,
        sidx, loss for a loss stream; event_id, summary_id, exposure_value, sidx, loss for
        a summary stream; event_id, areaperil_id, vulnerability_id, bin_index, prob_to,
        bin_mean for a cdf stream; event_id for an event-id list. Each is an array of the
        same length, or one number for all rows. Rows with the same ids that follow one
        another are one block, over calls too; but all bins of a cdf block come in one call,
        since its header says how many there are.

        Raises:
            WriteError: for what breaks a rule, does not fit or is masked; nothing is written.
            TypeError: a column is missing, or the stream does not have it.
        """
        self._out.refuse_closed()
        rows = self._rows(columns, named)
        blocks = {name: rows[name] for name in self.header.block_columns}
        entries = tuple(rows[name] for name in self.header.entry_columns)
        keys = list(self.header.key_columns)
        if not len(rows[keys[0]]):
            return
        continues = self._encoder.continues({name: rows[name] for name in keys})
        offsets = group_rows(self.header, rows, keys, self.name)
        if continues:
            self._refuse_change(blocks)
        firsts = tuple(column[offsets[:-1]] for column in blocks.values())
        grouped = Columns(firsts, offsets, entries)
        if self.validate:
            self._checker.check(grouped, continues)
        self._refuse_numbers(grouped)
        if self.header.block.delimiter is None:
            self._encoder.blocks(grouped)
        else:
            self._encoder.rows(tuple(blocks.values()), entries)
        self._out.flush_if_due()

    @one_at_a_time
    def write(self, event: Event) -> None:
        """Write an event as it was read, from a stream of the same block layout.

        Raises:
            WriteError: for another layout, or anything that breaks a rule of the stream.
        """
        if not isinstance(event, Event):
            raise TypeError(f"{described(event)} is not an event, expected one of evstream.open")
        theirs, ours = event.header, self.header
        if (theirs.block.name, theirs.used_widths) != (ours.block.name, ours.used_widths):
            raise WriteError(
                f"an event of a {theirs.stream} stream", source=self.name,
                expected=f"one of a {ours.stream} stream at the same widths",
            )  # fmt: skip
        self._out.refuse_closed()
        columns = event.own_columns()
        if self.validate:
            self._checker.check(columns)
        self._refuse_numbers(columns)
        self._encoder.close_block()
        self._encoder.blocks(columns)
        self._out.flush_if_due()

    @one_at_a_time
    def leave_open(self) -> None:
        """Close the stream without the delimiter of its last block, as some C++ tools do.

        For exact copies of their streams. Raises ValueError where no block is open: before
        any row, and after `write` or `write_event`.
        """
        self._out.refuse_closed()
        if not self._encoder.is_open:
            raise ValueError(f"{one_line(self.name)}: no block is open that could be left so")
        self._encoder.leave_open()
        self.close()

    @one_at_a_time
    def flush(self) -> None:
        """Hand everything written so far to the target, but for the last byte; the open block
        stays open.

        The last byte goes out with what follows it, or at the end: without it no reader takes the
        stream for complete if this process is killed. A reader gets each event when the next
        begins. Before the first row, the stream header goes out whole.
        """
        self._out.refuse_closed()
        self._out.flush()

    @one_at_a_time
    def close(self) -> None:
        """Complete the stream; a file appears under its name."""
        if self._out.closed:
            return
        try:
            self._encoder.close_block()
        except BaseException:
            self.abort()
            raise
        self._out.close()

    @one_at_a_time
    def abort(self) -> None:
        """Give up: no file appears, and any other target ends inside a record."""
        self._out.abort()

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()

    def _refuse_numbers(self, columns: Columns) -> None:
        """Refuse counts and numbers of records that the file cannot hold."""
        refuse_counts(self.header, columns, self.name)
        before = (self._out.offset - self.header.size) // self.header.block_dtype.itemsize
        refuse_row_numbers(self.header, columns, before, self.name)

    def _refuse_change(self, blocks: Mapping[str, Array]) -> None:
        """A block that goes on over two calls has one value of each other column."""
        for name, column in blocks.items():
            before, now = self._encoder.open_value(name), column[0]
            if differ(before, now):
                ids = {n: blocks[n][0] for n in self.header.key_columns}
                raise WriteError(
                    f"{name} is {now}", source=self.name, ids=ids, row=0,
                    expected=f"{before} as in the rows of the block before",
                )  # fmt: skip

    def _rows(
        self, columns: tuple[npt.ArrayLike, ...], named: Mapping[str, npt.ArrayLike]
    ) -> dict[str, Array]:
        """The given columns by name, converted, all of one length."""
        dtypes = self.header.row_columns
        given = dict(zip(dtypes, columns, strict=False))
        if len(columns) > len(dtypes) or given.keys() & named.keys():
            raise TypeError(f"write_columns takes each of {', '.join(dtypes)} once")
        given |= named
        if given.keys() != dtypes.keys():
            raise TypeError(f"write_columns got {', '.join(given)}, expected {', '.join(dtypes)}")
        return as_rows(self.header, given, self.name)
