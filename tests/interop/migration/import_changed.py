import logging
import sys
from contextlib import ExitStack

import numba as nb
import numpy as np

from evstream.event_stream import (
    EventReader,
    init_streams_in,
    mv_read,
    oasis_float,
    oasis_float_size,
    oasis_int,
    oasis_int_size,
)


@nb.jit(nopython=True, cache=True)
def read_buffer(byte_mv, cursor, valid_buff, event_id, item_id, total):
    last_event_id = event_id
    while True:
        if item_id:
            if valid_buff - cursor < (oasis_int_size + oasis_float_size):
                break
            sidx, cursor = mv_read(byte_mv, cursor, oasis_int, oasis_int_size)
            if sidx:
                loss, cursor = mv_read(byte_mv, cursor, oasis_float, oasis_float_size)
                loss = 0 if np.isnan(loss) else loss
                if sidx > 0:
                    total[sidx - 1] += loss
            else:
                cursor += oasis_float_size
                item_id = 0
        else:
            if valid_buff - cursor < 2 * oasis_int_size:
                break
            event_id, cursor = mv_read(byte_mv, cursor, oasis_int, oasis_int_size)
            if event_id != last_event_id:
                if last_event_id:
                    return cursor - oasis_int_size, last_event_id, 0, 1
                else:
                    last_event_id = event_id
            item_id, cursor = mv_read(byte_mv, cursor, oasis_int, oasis_int_size)
    return cursor, event_id, item_id, 0


class SumReader(EventReader):
    def __init__(self, len_sample):
        self.total = np.zeros(len_sample)
        self.logger = logging.getLogger(__name__)

    def read_buffer(self, byte_mv, cursor, valid_buff, event_id, item_id, **kwargs):
        return read_buffer(byte_mv, cursor, valid_buff, event_id, item_id, self.total)


with ExitStack() as stack:
    streams, (source, aggregation, len_sample) = init_streams_in(sys.argv[1], stack)
    reader = SumReader(len_sample)
    for event_id in reader.read_streams(streams):
        print(event_id, round(reader.total.max(), 2))
        reader.total[:] = 0
