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

    from evstream import testing as testing
    from evstream._support.format import Format as Format
    from evstream.aggregation.aggregate import aggregate as aggregate
    from evstream.aggregation.aggregate import partial_aggregate as partial_aggregate
    from evstream.aggregation.partial import Partial as Partial
    from evstream.checking.reports import Finding as Finding
    from evstream.checking.reports import Report as Report
    from evstream.checking.seal import Seal as Seal
    from evstream.checking.validated_sources import validate as validate
    from evstream.comparison import Change as Change
    from evstream.comparison import Comparison as Comparison
    from evstream.comparison import Counts as Counts
    from evstream.comparison import Difference as Difference
    from evstream.comparison import Total as Total
    from evstream.comparison import compare as compare
    from evstream.compat.callback_reader import CallbackReader as CallbackReader
    from evstream.compat.callback_reader import reader_class as reader_class
    from evstream.compat.event_reader import EventReader as EventReader
    from evstream.components.component import Component as Component
    from evstream.components.component import component as component
    from evstream.components.context import ComponentRun as ComponentRun
    from evstream.conversion.convert import convert as convert
    from evstream.engines import dask as dask
    from evstream.engines import spark as spark
    from evstream.errors import AbsentEventError as AbsentEventError
    from evstream.errors import AbsentEventWarning as AbsentEventWarning
    from evstream.errors import AbsentItemWarning as AbsentItemWarning
    from evstream.errors import AggregationWarning as AggregationWarning
    from evstream.errors import CacheWarning as CacheWarning
    from evstream.errors import ChangedSourceError as ChangedSourceError
    from evstream.errors import CorruptStreamError as CorruptStreamError
    from evstream.errors import CutLineWarning as CutLineWarning
    from evstream.errors import EvstreamError as EvstreamError
    from evstream.errors import EvstreamWarning as EvstreamWarning
    from evstream.errors import HoleWarning as HoleWarning
    from evstream.errors import LargeEventWarning as LargeEventWarning
    from evstream.errors import MissingDelimiterWarning as MissingDelimiterWarning
    from evstream.errors import MissingExtraError as MissingExtraError
    from evstream.errors import ReaderError as ReaderError
    from evstream.errors import RowsWarning as RowsWarning
    from evstream.errors import SealError as SealError
    from evstream.errors import SecondStreamError as SecondStreamError
    from evstream.errors import SkippedEventWarning as SkippedEventWarning
    from evstream.errors import StaleIndexError as StaleIndexError
    from evstream.errors import StallError as StallError
    from evstream.errors import StreamHeaderError as StreamHeaderError
    from evstream.errors import StreamMismatchError as StreamMismatchError
    from evstream.errors import SuspectWarning as SuspectWarning
    from evstream.errors import TableError as TableError
    from evstream.errors import TruncatedStreamError as TruncatedStreamError
    from evstream.errors import WidthWarning as WidthWarning
    from evstream.errors import WithoutPeriodWarning as WithoutPeriodWarning
    from evstream.errors import WriteError as WriteError
    from evstream.explaining.explain import Explanation as Explanation
    from evstream.explaining.explain import explain as explain
    from evstream.indexing.builder import build_index as build_index
    from evstream.indexing.index import Index as Index
    from evstream.indexing.opening import open as open
    from evstream.merging import merge as merge
    from evstream.monitoring.bar import show_progress as show_progress
    from evstream.partition.part import Part as Part
    from evstream.partition.parts import Parts as Parts
    from evstream.partition.parts import parts as parts
    from evstream.partition.threads import map_parts as map_parts
    from evstream.reading.stream import EventStream as EventStream
    from evstream.reporting.plot import plot as plot
    from evstream.reporting.report import LossReport as LossReport
    from evstream.reporting.report import report as report
    from evstream.results.average import aal as aal
    from evstream.results.event_tables import elt as elt
    from evstream.results.exceedance import ept as ept
    from evstream.results.table import ResultTable as ResultTable
    from evstream.tables.arrow import arrow_reader as arrow_reader
    from evstream.tables.arrow import iter_batches as iter_batches
    from evstream.tables.arrow import read_arrow as read_arrow
    from evstream.tables.dataframes import read_pandas as read_pandas
    from evstream.tables.dataframes import read_polars as read_polars
    from evstream.tables.dense import DenseTable as DenseTable
    from evstream.tables.dense import read_dense as read_dense
    from evstream.tables.rows import read_columns as read_columns
    from evstream.tables.scan import scan_polars as scan_polars
    from evstream.tables.write import write_arrow as write_arrow
    from evstream.transport.endpoints import SourceLike as SourceLike
    from evstream.transport.endpoints import SourcesLike as SourcesLike
    from evstream.transport.endpoints import TargetLike as TargetLike
    from evstream.wire.columns import Chunk as Chunk
    from evstream.wire.columns import Columns as Columns
    from evstream.wire.event import Dense as Dense
    from evstream.wire.event import Event as Event
    from evstream.wire.header import StreamHeader as StreamHeader
    from evstream.writing.creation import create as create
    from evstream.writing.writer import Writer as Writer

__version__ = "0.1.0"

_HOME = {
    "AbsentEventError": "errors",
    "AbsentEventWarning": "errors",
    "AbsentItemWarning": "errors",
    "AggregationWarning": "errors",
    "CacheWarning": "errors",
    "CallbackReader": "compat.callback_reader",
    "Change": "comparison",
    "ChangedSourceError": "errors",
    "Chunk": "wire.columns",
    "Columns": "wire.columns",
    "Comparison": "comparison",
    "Component": "components.component",
    "ComponentRun": "components.context",
    "CorruptStreamError": "errors",
    "Counts": "comparison",
    "CutLineWarning": "errors",
    "Dense": "wire.event",
    "DenseTable": "tables.dense",
    "Difference": "comparison",
    "Event": "wire.event",
    "EventReader": "compat.event_reader",
    "EventStream": "reading.stream",
    "EvstreamError": "errors",
    "EvstreamWarning": "errors",
    "Explanation": "explaining.explain",
    "Finding": "checking.reports",
    "Format": "_support.format",
    "HoleWarning": "errors",
    "Index": "indexing.index",
    "LargeEventWarning": "errors",
    "LossReport": "reporting.report",
    "MissingDelimiterWarning": "errors",
    "MissingExtraError": "errors",
    "Part": "partition.part",
    "Partial": "aggregation.partial",
    "Parts": "partition.parts",
    "ReaderError": "errors",
    "Report": "checking.reports",
    "ResultTable": "results.table",
    "RowsWarning": "errors",
    "Seal": "checking.seal",
    "SealError": "errors",
    "SecondStreamError": "errors",
    "SkippedEventWarning": "errors",
    "SourceLike": "transport.endpoints",
    "SourcesLike": "transport.endpoints",
    "StaleIndexError": "errors",
    "StallError": "errors",
    "StreamHeader": "wire.header",
    "StreamHeaderError": "errors",
    "StreamMismatchError": "errors",
    "SuspectWarning": "errors",
    "TableError": "errors",
    "TargetLike": "transport.endpoints",
    "Total": "comparison",
    "TruncatedStreamError": "errors",
    "WidthWarning": "errors",
    "WithoutPeriodWarning": "errors",
    "WriteError": "errors",
    "Writer": "writing.writer",
    "aal": "results.average",
    "aggregate": "aggregation.aggregate",
    "arrow_reader": "tables.arrow",
    "build_index": "indexing.builder",
    "compare": "comparison",
    "component": "components.component",
    "convert": "conversion.convert",
    "create": "writing.creation",
    "elt": "results.event_tables",
    "ept": "results.exceedance",
    "explain": "explaining.explain",
    "iter_batches": "tables.arrow",
    "map_parts": "partition.threads",
    "merge": "merging",
    "open": "indexing.opening",
    "partial_aggregate": "aggregation.aggregate",
    "parts": "partition.parts",
    "plot": "reporting.plot",
    "read_arrow": "tables.arrow",
    "read_columns": "tables.rows",
    "read_dense": "tables.dense",
    "read_pandas": "tables.dataframes",
    "read_polars": "tables.dataframes",
    "reader_class": "compat.callback_reader",
    "report": "reporting.report",
    "scan_polars": "tables.scan",
    "show_progress": "monitoring.bar",
    "validate": "checking.validated_sources",
    "write_arrow": "tables.write",
}
"""Public name -> the module that it comes from."""

__all__ = list(_HOME)


_MODULES = {
    "dask": "engines.dask",
    "dropin": "dropin",
    "event_stream": "event_stream",
    "spark": "engines.spark",
    "testing": "testing",
}
"""Modules that the documentation names as attributes of the package."""


def __getattr__(name: str) -> Any:
    if name not in _HOME and name not in _MODULES:
        raise AttributeError(f"module 'evstream' has no attribute {name!r}")
    import importlib

    module = importlib.import_module(f"evstream.{_HOME.get(name) or _MODULES[name]}")
    value = getattr(module, name) if name in _HOME else module
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME, *_MODULES})
