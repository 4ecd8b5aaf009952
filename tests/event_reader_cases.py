"""Small streams for the documented module, and a reader that collects their rows."""

from __future__ import annotations

import io
import os
import selectors
import struct
import threading

import oracle
from evstream import event_stream as es
from evstream.compat.selector import InputSelector

LOSS = oracle.encode("loss", {"len_sample": 3}, [((1, 2), [(-1, 1.5), (1, 2.5)])])

SUMMARY = oracle.encode(
    "summary", {"len_sample": 3, "summary_set_id": 9}, [((1, 2, 7.0), [(-1, 1.5), (1, 2.5)])]
)


class Collector(es.EventReader):
    """Parses with plain Python, in the documented form; notes the order of calls."""

    def __init__(self) -> None:
        self.rows: list[tuple[float, ...]] = []
        self.calls: list[object] = []

    def read_buffer(self, byte_mv, cursor, valid_buff, event_id, item_id, **kwargs):
        last_event_id = event_id
        while valid_buff - cursor >= 8:
            first, second = struct.unpack_from("<ii", byte_mv, cursor)
            if item_id and first:
                loss = struct.unpack_from("<f", byte_mv, cursor + 4)[0]
                self.rows.append((event_id, item_id, first, loss))
            elif item_id:
                item_id = 0
            elif last_event_id and first != last_event_id:
                return cursor, last_event_id, 0, 1
            else:
                event_id = last_event_id = first
                item_id = second
            cursor += 8
        return cursor, event_id, item_id, 0

    def event_read_log(self, event_id):
        self.calls.append(("event_read_log", event_id))

    def finalize_event(self):
        self.calls.append("finalize_event")

    def item_exit(self):
        self.calls.append("item_exit")


def two_events() -> io.BytesIO:
    data = oracle.encode("loss", {"len_sample": 3}, [((e, 1), [(1, 2.0)]) for e in (1, 2)])
    stream = io.BytesIO(data)
    es.read_stream_info(stream)
    return stream


HEADER = {"len_sample": 3}

EVENTS = [((e, i), [(1, 2.0), (2, 0.5)]) for e in range(1, 5) for i in (1, 2)]

ROWS = [(*ids, *pair) for ids, pairs in EVENTS for pair in pairs]


def opened_in(way, folder, data):
    """A stream that holds `data`, and a selector class that takes it."""
    if way == "object":
        return io.BytesIO(data), InputSelector
    if way == "file":
        path = folder / "stream.bin"
        path.write_bytes(data)
        return path.open("rb"), selectors.SelectSelector
    read_end, write_end = os.pipe()
    threading.Thread(target=lambda: os.write(write_end, data) and os.close(write_end)).start()
    return os.fdopen(read_end, "rb"), selectors.SelectSelector
