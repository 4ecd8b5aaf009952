"""evstream: the specification-first codec for catastrophe-model event streams.

    with evstream.open("gul.bin") as stream:
        for event in stream:
            print(event.event_id, event.item_ids, event.loss.sum())
"""

from evstream.errors import (
    CorruptStreamError,
    EvstreamError,
    MissingDelimiterWarning,
    MissingExtraError,
    ReaderError,
    StreamHeaderError,
    StreamMismatchError,
    TruncatedStreamError,
    WriteError,
)
from evstream.event import Dense, Event
from evstream.header import StreamHeader
from evstream.reader import EventStream, open
from evstream.writer import Writer, create

__version__ = "0.1.0"
