"""evstream: the specification-first codec for catastrophe-model event streams.

with evstream.open("gul.bin") as stream:
    for event in stream:
        print(event.event_id, event.item_ids, event.loss.sum())
"""

from evstream.arrow import arrow_reader, iter_batches, read_arrow, write_arrow
from evstream.callback_reader import CallbackReader, reader_class
from evstream.errors import (
    CorruptStreamError,
    EvstreamError,
    MissingDelimiterWarning,
    MissingExtraError,
    ReaderError,
    RowsWarning,
    StreamHeaderError,
    StreamMismatchError,
    TableError,
    TruncatedStreamError,
    WriteError,
)
from evstream.event import Dense, Event
from evstream.event_reader import EventReader
from evstream.header import StreamHeader
from evstream.reader import EventStream, open
from evstream.rows import read_columns
from evstream.writer import Writer, create

__version__ = "0.1.0"

__all__ = [
    "CallbackReader",
    "CorruptStreamError",
    "Dense",
    "Event",
    "EventReader",
    "EventStream",
    "EvstreamError",
    "MissingDelimiterWarning",
    "MissingExtraError",
    "ReaderError",
    "RowsWarning",
    "StreamHeader",
    "StreamHeaderError",
    "StreamMismatchError",
    "TableError",
    "TruncatedStreamError",
    "WriteError",
    "Writer",
    "arrow_reader",
    "create",
    "iter_batches",
    "open",
    "read_arrow",
    "read_columns",
    "reader_class",
    "write_arrow",
]
