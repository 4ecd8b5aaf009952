"""The parsing loop that subclasses of EventReader are documented to have."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from evstream import event_stream as es


def row_parser(loss_type: Any) -> Any:
    """A read_buffer for an output of rows (event_id, item_id, sidx, loss), njit.

    It takes the five documented arguments, the rows, and a one-element array of how many are
    used. `loss_type` is a number of 4 bytes, e.g. an integer for the bits of each loss.
    """

    @numba.njit
    def parse(byte_mv, cursor, valid_buff, event_id, item_id, rows, used):  # type: ignore[no-untyped-def]
        last_event_id = event_id
        while valid_buff - cursor >= 8:
            if item_id:
                if used[0] == len(rows):
                    return cursor, event_id, item_id, 1
                sidx, cursor = es.mv_read(byte_mv, cursor, es.oasis_int, es.oasis_int_size)
                loss, cursor = es.mv_read(byte_mv, cursor, loss_type, es.oasis_float_size)
                if sidx:
                    row = rows[used[0]]
                    row[0], row[1], row[2], row[3] = event_id, item_id, sidx, loss
                    used[0] += 1
                else:
                    item_id = 0
            else:
                event_id, cursor = es.mv_read(byte_mv, cursor, es.oasis_int, es.oasis_int_size)
                if event_id != last_event_id:
                    if last_event_id:
                        return cursor - es.oasis_int_size, last_event_id, 0, 1
                    last_event_id = event_id
                item_id, cursor = es.mv_read(byte_mv, cursor, es.oasis_int, es.oasis_int_size)
        return cursor, event_id, item_id, 0

    assert np.dtype(loss_type).itemsize == es.oasis_float_size
    return parse
