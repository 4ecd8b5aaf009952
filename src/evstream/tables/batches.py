"""Rows in batches, on their way from one place to another: joined, divided, and written.

A batch is a column name -> array, all of one length.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from evstream.errors import WriteError
from evstream.wire.columns import Array, differ
from evstream.wire.header import StreamHeader
from evstream.writing.writer import Writer

BATCH_ROWS = 1 << 17


def join_rows(batches: list[dict[str, Array]]) -> dict[str, Array]:
    """Batches of rows as one."""
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


def rebatch(batches: Iterable[dict[str, Array]], rows: int) -> Iterator[dict[str, Array]]:
    """The same rows in batches of `rows`, the last one smaller."""
    waiting: list[dict[str, Array]] = []
    count = 0
    for batch in batches:
        waiting.append(batch)
        count += len(next(iter(batch.values())))
        if count < rows:
            continue
        joined = join_rows(waiting)
        for at in range(0, count - rows + 1, rows):
            yield {n: column[at : at + rows] for n, column in joined.items()}
        count %= rows
        waiting = [{n: column[len(column) - count :] for n, column in joined.items()}]
    if count:
        yield join_rows(waiting)


def whole_blocks(
    header: StreamHeader, batches: Iterable[dict[str, Array]]
) -> Iterator[dict[str, Array]]:
    """The same rows, divided so that Writer.write_columns takes each batch: all entries of a
    block with a count in its header (cdf) come together. Other streams pass unchanged.

    Rows from the last block on wait for the next batch. Rows that do not begin with the first
    entry of a block are wrong, and go to the writer at once, which reports them.
    """
    index = header.block.index
    if index is None:
        yield from batches if header.block.count is None else _whole_runs(header, batches)
        return
    waiting: list[dict[str, Array]] = []
    for rows in batches:
        if not len(rows[index]):
            continue
        starts = np.flatnonzero(rows[index] == 1)
        end = int(starts[-1]) if len(starts) else 0
        if not waiting and rows[index][0] != 1:
            end = len(rows[index])
        if len(starts) or end:
            whole = join_rows([*waiting, {name: column[:end] for name, column in rows.items()}])
            if len(whole[index]):
                yield whole
            waiting = []
        if end < len(rows[index]):
            waiting.append({name: column[end:] for name, column in rows.items()})
    if waiting:
        yield join_rows(waiting)


def _whole_runs(
    header: StreamHeader, batches: Iterable[dict[str, Array]]
) -> Iterator[dict[str, Array]]:
    """The same rows, divided where an id changes: rows that follow one another with the same ids
    are a block."""
    keys = list(header.key_columns)
    waiting: list[dict[str, Array]] = []
    for batch in batches:
        rows, count = batch, len(batch[keys[0]])
        if not count:
            continue
        starts = np.zeros(count, bool)
        starts[0] = waiting and any(differ(waiting[-1][k][-1], rows[k][0]) for k in keys)
        for key in keys:
            starts[1:] |= differ(rows[key][1:], rows[key][:-1])
        found = np.flatnonzero(starts)
        if len(found):
            end = int(found[-1])
            whole = join_rows([*waiting, {name: column[:end] for name, column in rows.items()}])
            if len(whole[keys[0]]):
                yield whole
            waiting = []
            rows = {name: column[end:] for name, column in rows.items()}
        waiting.append(rows)
    if waiting:
        yield join_rows(waiting)


def write_batches(
    writer: Writer,
    batches: Iterable[dict[str, Array]],
    keeps: Callable[[WriteError], bool] = lambda error: False,
) -> Iterator[dict[str, Array]]:
    """Write rows batch after batch; yields the rows of each step once they are written.

    Args:
        keeps: decides about rows that break a rule. True writes them, and all that follow,
            without the rules.

    Raises WriteError as Writer.write_columns does; its row counts from the first batch.
    """
    written = 0
    for rows in whole_blocks(writer.header, batches):
        try:
            writer.write_columns(**rows)
        except WriteError as error:
            if error.row is not None:
                error.row += written
            if error.rule is None or not writer.validate or not keeps(error):
                raise
            writer.validate = False
            writer.write_columns(**rows)
        yield rows
        written += len(next(iter(rows.values())))
