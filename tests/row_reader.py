"""An EventReader that collects the rows of a loss stream."""

from __future__ import annotations

import logging

import numpy as np

from documented import row_parser
from evstream import event_stream as es

parse = row_parser(es.oasis_float)


class RowReader(es.EventReader):
    """Collects rows in an output of `room` rows, as programs that print tables do."""

    def __init__(self, room: int = 100_000) -> None:
        self.logger = logging.getLogger("RowReader")
        self.rows = np.zeros((room, 4))
        self.used = np.zeros(1, np.int64)

    def read_buffer(self, byte_mv, cursor, valid_buff, event_id, item_id, **kwargs):
        return parse(byte_mv, cursor, valid_buff, event_id, item_id, self.rows, self.used)

    def collect(self, streams) -> tuple[list[int], list[tuple[float, ...]]]:
        """Event ids as they are yielded, and all rows."""
        event_ids, rows = [], []
        for event_id in self.read_streams(streams):
            event_ids.append(event_id)
            rows += [tuple(row) for row in self.rows[: self.used[0]]]
            self.used[0] = 0
        return event_ids, rows
