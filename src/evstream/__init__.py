"""evstream: the specification-first codec for catastrophe-model event streams.

    with evstream.open("gul.bin") as stream:
        for event in stream:
            print(event.event_id, event.item_ids, event.loss.sum(dtype=float))

Names are imported when they are first used, so that a program which only wants the facts of
the format (`evstream._generated.layout`) or an error class starts without numba.
"""

from __future__ import annotations

TYPE_CHECKING = False  # not from typing, whose import takes longer than all of this module
if TYPE_CHECKING:
    from typing import Any

    from evstream.arrow import arrow_reader as arrow_reader
    from evstream.arrow import iter_batches as iter_batches
    from evstream.arrow import read_arrow as read_arrow
    from evstream.callback_reader import CallbackReader as CallbackReader
    from evstream.callback_reader import reader_class as reader_class
    from evstream.comparison import compare as compare
    from evstream.conversion import convert as convert
    from evstream.errors import AbsentEventWarning as AbsentEventWarning
    from evstream.errors import AggregationWarning as AggregationWarning
    from evstream.errors import CacheWarning as CacheWarning
    from evstream.errors import ChangedSourceError as ChangedSourceError
    from evstream.errors import CorruptStreamError as CorruptStreamError
    from evstream.errors import CutLineWarning as CutLineWarning
    from evstream.errors import EvstreamError as EvstreamError
    from evstream.errors import HoleWarning as HoleWarning
    from evstream.errors import MissingDelimiterWarning as MissingDelimiterWarning
    from evstream.errors import MissingExtraError as MissingExtraError
    from evstream.errors import ReaderError as ReaderError
    from evstream.errors import RowsWarning as RowsWarning
    from evstream.errors import SealError as SealError
    from evstream.errors import SecondStreamError as SecondStreamError
    from evstream.errors import SkippedEventWarning as SkippedEventWarning
    from evstream.errors import StallError as StallError
    from evstream.errors import StreamHeaderError as StreamHeaderError
    from evstream.errors import StreamMismatchError as StreamMismatchError
    from evstream.errors import SuspectWarning as SuspectWarning
    from evstream.errors import TableError as TableError
    from evstream.errors import TruncatedStreamError as TruncatedStreamError
    from evstream.errors import WriteError as WriteError
    from evstream.event import Dense as Dense
    from evstream.event import Event as Event
    from evstream.event_reader import EventReader as EventReader
    from evstream.frames import read_pandas as read_pandas
    from evstream.frames import read_polars as read_polars
    from evstream.frames import scan_polars as scan_polars
    from evstream.header import StreamHeader as StreamHeader
    from evstream.matrices import DenseTable as DenseTable
    from evstream.matrices import read_dense as read_dense
    from evstream.merging import merge as merge
    from evstream.reader import EventStream as EventStream
    from evstream.reader import open as open
    from evstream.rows import read_columns as read_columns
    from evstream.tables import write_arrow as write_arrow
    from evstream.validation import validate as validate
    from evstream.writer import Writer as Writer
    from evstream.writer import create as create

__version__ = "0.1.0"

_HOME = {
    "AggregationWarning": "errors",
    "CacheWarning": "errors",
    "AbsentEventWarning": "errors",
    "CallbackReader": "callback_reader",
    "ChangedSourceError": "errors",
    "CorruptStreamError": "errors",
    "CutLineWarning": "errors",
    "Dense": "event",
    "DenseTable": "matrices",
    "Event": "event",
    "EventReader": "event_reader",
    "EventStream": "reader",
    "EvstreamError": "errors",
    "HoleWarning": "errors",
    "MissingDelimiterWarning": "errors",
    "MissingExtraError": "errors",
    "ReaderError": "errors",
    "RowsWarning": "errors",
    "SealError": "errors",
    "SecondStreamError": "errors",
    "SkippedEventWarning": "errors",
    "StallError": "errors",
    "StreamHeader": "header",
    "StreamHeaderError": "errors",
    "StreamMismatchError": "errors",
    "SuspectWarning": "errors",
    "TableError": "errors",
    "TruncatedStreamError": "errors",
    "WriteError": "errors",
    "Writer": "writer",
    "arrow_reader": "arrow",
    "compare": "comparison",
    "convert": "conversion",
    "create": "writer",
    "iter_batches": "arrow",
    "merge": "merging",
    "open": "reader",
    "read_arrow": "arrow",
    "read_columns": "rows",
    "read_dense": "matrices",
    "read_pandas": "frames",
    "read_polars": "frames",
    "reader_class": "callback_reader",
    "scan_polars": "frames",
    "validate": "validation",
    "write_arrow": "tables",
}
"""Public name -> the module that it comes from."""

__all__ = list(_HOME)


_MODULES = {"dropin", "event_stream", "seal"}
"""Modules that the documentation names as attributes of the package."""


def __getattr__(name: str) -> Any:
    if name not in _HOME and name not in _MODULES:
        raise AttributeError(f"module 'evstream' has no attribute {name!r}")
    import importlib

    module = importlib.import_module(f"evstream.{_HOME.get(name, name)}")
    value = getattr(module, name) if name in _HOME else module
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME, *_MODULES})
