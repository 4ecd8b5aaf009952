"""The calls that `fuzz_calls.py` makes: each function here calls some public ones with odd input.

`tests/test_fuzz_calls.py` compares the names that occur here with those that are public.
"""

from __future__ import annotations

import contextlib
import copy
import io
import json
import os
import pickle
import random
import sys
import warnings
from collections.abc import Callable
from functools import cache
from typing import Any
from unittest.mock import patch

import numba
import numpy as np
from call_inputs import SPECS, TESTS, WIDTHS, Inputs, mutated

import evstream
from chart_engine import ChartEngine
from documented import row_parser
from evstream import event_stream as es
from evstream.cli.program import main as run_command
from evstream.monitoring.record import Program, Record

READ = ("stream", "strict", "timeout", "verify", "format")
WANTED = ("events", "sidx", "items", "columns")
SAMPLE_STREAMS = {"loss": {"len_sample": 3}, "gul_item": {"len_sample": 3},
                  "gul_coverage": {"len_sample": 3},
                  "summary": {"len_sample": 3, "summary_set_id": 1}}  # fmt: skip
STREAMS = [*SAMPLE_STREAMS, "cdf", "event_ids"]


# Reading


def open_(call: Inputs) -> None:
    with evstream.open(call.sources(), **call.options(*READ, "storage_options")) as stream:
        if call.once_in(4):
            for chunk in stream.chunks():
                repr(chunk)
            return
        for event in stream:
            event.to_rows()
            if call.once_in(3):
                event.to_dense()
            if call.once_in(9):
                call.chance.choice([event.to_polars, event.to_pandas, event._repr_html_])()
            if call.once_in(20):
                repr(pickle.loads(pickle.dumps(copy.copy(event))))
        repr((stream.header, stream.clean_end, stream.offset, stream.holes))
        repr((stream, stream._repr_html_(), stream.header._repr_html_()))


def table(call: Inputs) -> None:
    functions = [evstream.read_columns, evstream.read_dense]
    name = call.chance.choice(functions)
    more = (*WANTED, "file", "threads") if name is evstream.read_columns else ("events", "items")
    name(call.sources(), **call.options(*READ, *more))


def dataframe(call: Inputs) -> None:
    functions: list[Any] = [evstream.read_arrow, evstream.read_polars, evstream.read_pandas]
    function = call.chance.choice(functions)
    function(call.sources(), **call.options(*READ, "file", *WANTED))


def batches(call: Inputs) -> None:
    if call.once_in(2):
        options = call.options(*READ, "file", "rows", *WANTED)
        for _ in evstream.iter_batches(call.sources(), **options):
            pass
    else:
        with evstream.arrow_reader(call.source(), **call.options(*READ)) as reader:
            reader.read_all()


def aggregate(call: Inputs) -> None:
    keys = ["event_id", "item_id", "summary_id", "areaperil_id", ("event_id", "item_id"), "loss"]
    by = call.chance.choice([*keys[:2] * 3, *keys, call.odd()])
    if call.once_in(3):
        partial = evstream.partial_aggregate(call.source(), by, **call.options(*READ, *WANTED[:3]))
        assert isinstance(partial, evstream.Partial)
        partial.merge(pickle.loads(pickle.dumps(partial))).table()
        return
    options = {"threads": 1, **call.options(*READ, *WANTED[:3])}
    evstream.aggregate(call.sources(), by, **options)


def result(call: Inputs) -> None:
    source = call.sources() if call.once_in(2) else io.BytesIO(summary_of(call))
    options = {"threads": 1, **call.options("rates", "quantiles", "strict", "timeout", "progress")}
    if call.once_in(2):
        given = {name: options[name] for name in options.keys() - {"rates", "quantiles"}}
        more = call.options("periods", "confidence", widths=False)
        with open(call.name(".bin"), "wb") as file:
            file.write(mutated(call.chance, OCCURRENCES))
        occurrence = call.files[-1] if not call.once_in(8) else call.odd()
        if call.once_in(2):
            more |= {"return_periods": [9, 4, 1]} if call.once_in(2) else {}
            more |= call.options("return_periods", "per_sample", widths=False)
            more.pop("confidence", None)
            evstream.ept(source, occurrence, **given, **more)
            return
        kind = call.chance.choice(["aal", "aalmeanonly", "alct", call.odd()])
        evstream.aal(source, occurrence, kind, **given, **more)
        return
    kind = call.chance.choice(["melt", "qelt", "selt", "selt", call.odd()])
    if kind == "qelt" and not call.once_in(4):
        options["quantiles"] = call.chance.choice([[0.5, 1], call.array()])
    table = evstream.elt(source, kind, **options)
    assert isinstance(table, evstream.ResultTable)
    repr((table, table.rows, table.to_arrow()))
    table.write(call.target())


@patch.dict(sys.modules, vl_convert=ChartEngine)
def report(call: Inputs) -> None:
    """Pages and pictures of hostile streams."""
    source = call.sources() if call.once_in(2) else io.BytesIO(summary_of(call))
    with open(call.name(".bin"), "wb") as file:
        file.write(mutated(call.chance, OCCURRENCES) if call.once_in(3) else OCCURRENCES)
    given: dict[str, Any] = {"threads": 1, **call.options("stream", "strict", "timeout")}
    given["occurrence"] = None if call.once_in(4) else call.files[-1]
    if call.once_in(3):
        charts = ["ep", "aal", "convergence", "largest", "distribution"]
        names = {chart: call.target() for chart in charts if call.once_in(3)}
        if call.once_in(2):
            names["largest"] = call.name(".svg")
        evstream.plot(source, **given, **names, **call.options("summary", widths=False))
        return
    texts = ("periods", "return_periods", "title", "unit", "date", "summaries", "largest")
    more = call.options(*texts, widths=False)
    found = evstream.report(source, **given, **more)
    assert isinstance(found, evstream.LossReport)
    repr((found, found.header, found.events, found.aal, found.alct, found.ept))
    if call.once_in(3):
        found.write(call.target())


OCCURRENCES = np.array([1, 9, 1, 1, 7, 1, 4, 7, 2, 9, 7, 3, 2, 7], "<i4").tobytes()
"""A file of occurrences: its header, and the period and the day of some events."""


def summary_of(call: Inputs) -> bytes:
    """A summary stream, with a few changes or as it is."""
    streams = [data for data in call.seeds[".bin"] if data[3:4] == b"\3"]
    return mutated(call.chance, call.chance.choice(streams)) if streams else call.data(".bin")


def scan(call: Inputs) -> None:
    import polars as pl

    frame = evstream.scan_polars(call.sources(), **call.options(*READ, "file", *WANTED))
    way = call.chance.randrange(4)
    if way == 0:
        frame = frame.select(pl.len())
    elif way == 1:
        frame = frame.filter(pl.col("event_id") > call.chance.randrange(4)).head(2)
    try:
        frame.collect()
    except pl.exceptions.ComputeError as error:  # how Polars reports an exception of a source
        raise error.__cause__ or ValueError(str(error).splitlines()[0]) from error


def validate(call: Inputs) -> None:
    names = ("expect_events", "seal", "first", "stream", "timeout", "format", "threads", "progress")
    report = evstream.validate(call.sources(), **call.options(*names))
    repr((report, report.to_json(), report.clean, report._repr_html_()))


def progress(call: Inputs) -> None:
    delay: Any = call.chance.choice([0.5, 10, float("inf"), -1, float("nan"), "1"])
    with evstream.show_progress(call.once_in(2), delay=delay):
        call.chance.choice([open_, table, batches, aggregate, validate])(call)


def explain(call: Inputs) -> None:
    names = ("at", "event", "records", "stream", "timeout", "format")
    found = evstream.explain(call.source(), **call.options(*names))
    assert isinstance(found, evstream.Explanation)
    repr((found.to_text(color=True), found.to_html(), found.problems))


def compare(call: Inputs) -> None:
    a = call.source()
    b = a if isinstance(a, str) and call.once_in(3) else call.source()
    names = (
        "absolute",
        "relative",
        "first",
        "top",
        "zeros",
        "ignore_order",
        "progress",
        *READ[:3],
        "format",
    )
    result = evstream.compare(a, b, **call.options(*names))
    repr((result, result.equal, result.to_text(), result.to_html(), result._repr_html_()))
    assert all(isinstance(one, evstream.Total) for one in result.totals)
    assert all(isinstance(one, evstream.Change) for one in result.event_changes)
    json.dumps(result.to_json(), allow_nan=False)


@cache
def callback_class(way: int) -> Any:
    """Reader classes: of entries, of all three callbacks, of another stream, one that fails."""

    @numba.njit
    def on_entry(total, sidx, loss):  # type: ignore[no-untyped-def]
        total[0] += loss

    @numba.njit
    def on_end(total):  # type: ignore[no-untyped-def]
        total[1] += 1

    @numba.njit
    def failing(total, sidx, loss):  # type: ignore[no-untyped-def]
        if loss > 10:
            raise ValueError("by the callback")

    return [
        lambda: evstream.reader_class("loss", on_entry=on_entry),
        lambda: evstream.reader_class("summary", None, on_entry, on_end, widths=WIDTHS[1]),
        lambda: evstream.reader_class("gul", on_entry=failing),
    ][way]()


def callbacks(call: Inputs) -> None:
    if call.once_in(20):
        names = ("on_block", "on_entry", "on_block_end", "format", "check")
        given = {name: call.odd() for name in names if call.once_in(3)}
        stream = call.chance.choice([*STREAMS, call.odd()])
        evstream.reader_class(stream, **given, **call.options())
        return
    way = call.chance.choice([0, 0, 0, 1, 2])
    reader = callback_class(way)(np.zeros(3))
    for _ in reader.read(*(call.source() for _ in range(call.chance.choice([1, 1, 1, 2])))):
        pass


# Writing


def write(call: Inputs) -> None:
    chance = call.chance
    stream = chance.choice(STREAMS) if not call.once_in(20) else call.odd()
    header = SAMPLE_STREAMS.get(stream, {}) if isinstance(stream, str) else {}
    options = call.options(
        "len_sample", "validate", "seal", "durable", "format", "index", "storage_options"
    )
    with evstream.create(call.target(), stream, **{**header, **options}) as out:
        for _ in range(chance.randrange(1, 5)):
            way = chance.randrange(10)
            if way < 4:
                count = len(out.header.row_columns) if not call.once_in(5) else chance.randrange(6)
                out.write_columns(*(call.array() for _ in range(count)))
            elif way < 8:
                if call.once_in(3):
                    events = [1, 2] if call.once_in(2) else call.array()
                    many = np.ones((2, 3, 3)) if call.once_in(2) else call.array()
                    more = call.options("mean", "tiv", "exposure_values", "nothing", widths=False)
                    out.write_events(events, [1, 2, 3], many, **more)
                event = 1 if not call.once_in(5) else call.array()
                losses = np.ones((3, 3)) if call.once_in(2) else call.array()
                items = [1, 2, 3] if call.once_in(2) else call.array()
                more = call.options("mean", "tiv", "exposure_values", "nothing", widths=False)
                out.write_event(event, items, losses, **more)
            elif way == 8:
                chance.choice([out.flush, out.leave_open, out.close, out.abort])()
            else:
                out.write(call.odd() if call.once_in(2) else event_of(call))


def event_of(call: Inputs) -> Any:
    """An event of a valid stream, or None."""
    data = call.chance.choice(call.seeds[".bin"])
    with contextlib.suppress(evstream.EvstreamError), evstream.open(io.BytesIO(data)) as stream:
        return next(iter(stream), None)
    return None


def write_table(call: Inputs) -> None:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

    names = call.chance.choice(
        [["event_id", "item_id", "sidx", "loss"]] * 3 + [["event_id"], ["a"], []]
    )
    columns = {name: call.array() for name in names}
    given: Any = columns
    make = call.chance.choice([None, pa.table, pd.DataFrame, pl.DataFrame])
    if make is not None:
        try:
            given = make(columns)
        except Exception:  # an array that the library does not take
            given = columns
    elif call.once_in(5):
        given = call.odd()
    options = call.options(
        "stream", "len_sample", "validate", "seal", "durable", "format", "storage_options"
    )
    evstream.write_arrow(given, call.target(), **{"len_sample": 3, **options})


def merge(call: Inputs) -> None:
    sources: Any = [call.source() for _ in range(call.chance.randrange(4))]
    if call.once_in(20):
        sources = call.odd()
    options = call.options(
        "same_event",
        "order",
        "seal",
        "durable",
        "say",
        "progress",
        "stream",
        "strict",
        "timeout",
        "format",
    )
    if call.once_in(3):
        options["same_event"] = "merge"
    evstream.merge(sources, call.target(), **options)


def convert(call: Inputs) -> None:
    names = ("from_", "to", "precision", "len_sample", "summary_set_id", "max_line", "max_batch",
             "max_metadata", "compression", "sort", "say", "progress", "file", "partition_by",
             "force", "storage_options", "options", "durable", "stream", "strict", "timeout",
             "format", *WANTED)  # fmt: skip
    options = call.options(*names)
    if call.once_in(4):
        options["to"] = call.chance.choice(["bin", "csv", "jsonl", "arrow", "parquet"])
    if call.once_in(10):
        options["partition_by"] = call.chance.choice(["event_id", "event_id:2", ["item_id"], ":"])
    evstream.convert(call.sources(), call.target(), **options)


def component(call: Inputs) -> None:
    """A component of nonsense, run in this process. Its errors are lines and statuses."""
    results = [None, ([1], np.ones((1, 3))), {"item_ids": [1], "losses": np.ones((1, 3))}]
    result = call.odd() if call.once_in(3) else call.chance.choice(results)

    def function(event: Any, run: Any) -> Any:
        assert isinstance(run, evstream.ComponentRun)
        return event if call.once_in(4) else result

    options = call.options("stream", "input", "arguments", "setup", "header", "name", "format",
                           widths=False)  # fmt: skip
    if not call.once_in(4):
        options.setdefault("input", call.chance.choice(["loss", "summary", ["loss", "gul_item"]]))
    made = evstream.component(function, **options)
    assert isinstance(made, evstream.Component)
    if callable(options.get("arguments")):  # of the author, whose errors are not caught
        return
    source = call.source()
    arguments = ["-i", source if isinstance(source, str) else call.file(), "-o", call.name(".bin")]
    more = ["-S 3", "-q", "--strict", "--progress", "--merge", "-e 1 2", "-a x", "-p ."]
    arguments += [word for one in more if call.once_in(4) for word in one.split()]
    with contextlib.redirect_stderr(io.StringIO()) as printed:
        status = made.main(arguments)
    if status not in {0, 1, 2} or "Traceback" in printed.getvalue():
        raise AssertionError(f"status {status} of {arguments}: {printed.getvalue()}")


# Engines


def dask(call: Inputs) -> str | None:
    """A dataframe of Dask, computed in this thread."""
    if not has("dask.dataframe"):
        return "left out"
    names = (*WANTED, "size", "storage_options", "stream", "format", "by_event")
    options = call.options(*names)
    if call.once_in(3):
        options["by_event"] = True
    if call.once_in(3):
        options["size"] = call.chance.choice([1, 50, "1 KiB"])
    if call.once_in(4):
        tasks = evstream.dask.map_parts(evstream.read_columns, call.sources())
        for task in tasks:
            task.compute(scheduler="synchronous")
        return None
    sources = call.sources()
    if call.once_in(4):
        sources = evstream.parts(sources, size=50, whole=call.chance.choice(["event", "block"]))
    evstream.dask.read(sources, **options).compute(scheduler="synchronous")
    return None


def spark(call: Inputs) -> str | None:
    """The data source that Spark calls, in Python alone: a session would take seconds."""
    if not has("pyspark.sql.datasource"):
        return "left out"
    from pyspark.sql.datasource import EqualTo, In

    from evstream.engines.spark_source import EvstreamSource

    texts = {
        "events": ["1", "1-3", "", "a", "3-1", "-1", "1,", "9" * 30],
        "sidx": ["-1", "1-10,-1", "x", "mean,1", "9" * 30],
        "items": ["1", "1-3,9", "", "9" * 30],
        "size": ["1", "50", "1 KiB", "0", "", "nan"],
        "whole": ["event", "block", "x"],
        "stream": [*STREAMS, "x", ""],
        "widths": ["oasis_float=f8", "oasis_float=f8,oasis_int=i8", "x=f4", "", "=", "oasis_int"],
        "pushdown": ["true", "True", "", "x"],
        "storage.key": ["x"],
        "len_sample": ["3", "x", "", "-1", "9" * 30],
        "summary_set_id": ["1", "0x1"],
    }
    options = {name: call.chance.choice(texts[name]) for name in texts if call.once_in(8)}
    if not call.once_in(50):
        options["path"] = call.chance.choice([call.file(), call.file(), "*.bin", ".", "nowhere"])
    source = EvstreamSource(options)
    if call.once_in(3):
        writing = {"stream": "loss", "len_sample": "3", **options, "path": "made"}
        writer = EvstreamSource(writing).writer(source.schema(), call.once_in(2))
        writer.commit([writer.write(iter(record_batches(call)))])
        return None
    reader = source.reader(source.schema())
    if hasattr(reader, "pushFilters"):
        wanted = [EqualTo(("event_id",), call.odd()), In(("sidx",), (1, call.odd()))]
        list(reader.pushFilters(wanted))
    for partition in reader.partitions():
        for _ in reader.read(pickle.loads(pickle.dumps(partition))):
            pass
    return None


def record_batches(call: Inputs) -> list[Any]:
    """Batches of rows of a loss stream, most of them wrong."""
    import pyarrow as pa

    columns = {name: call.array() for name in ("event_id", "item_id", "sidx", "loss")}
    try:
        return list(pa.table(columns).to_batches())
    except Exception:  # arrays that Arrow does not take
        return []


@cache
def has(module: str) -> bool:
    """Whether a library is installed."""
    try:
        __import__(module)
    except ImportError:
        return False
    return True


# Objects


def seal(call: Inputs) -> None:
    text = b'{"evstream_seal": 1, "stream": "loss", "bytes": 3, "checksums": [1]}'
    with open(call.name(".seal"), "wb") as file:
        file.write(mutated(call.chance, text))
    path = call.files[-1] if not call.once_in(10) else call.odd()
    read = evstream.Seal.read(path)
    read.write(call.target())
    evstream.Seal.beside(path)


def index(call: Inputs) -> None:
    path = call.file() if not call.once_in(10) else no_number(call)
    target = no_number(call) if call.once_in(10) else None
    names = ("stream", "strict", "durable", "format", "progress", "storage_options")
    made = evstream.build_index(path, target, **call.options(*names))
    assert isinstance(made, evstream.Index)
    if isinstance(path, str):
        evstream.read_columns(path, events=[1, 2], **call.options("sidx"))


def partition(call: Inputs) -> None:
    options = call.options("size", "stream", "events", "index", "format", "storage_options")
    if call.once_in(3):
        options["whole"] = call.chance.choice(["event", "block", call.odd()])
    if call.once_in(3):
        options["size"] = call.chance.choice([1, 50, "1 KiB"])
    parts = evstream.parts(call.sources(), **options)
    assert isinstance(parts, evstream.Parts)
    for part in parts:
        assert isinstance(part, evstream.Part)
        evstream.read_columns(pickle.loads(pickle.dumps(part)))
    function = call.odd() if call.once_in(20) else evstream.read_columns
    if isinstance(function, type):  # whose own error is what map_parts raises
        function = None
    for _ in evstream.map_parts(function, parts, threads=1):
        pass


def header(call: Inputs) -> None:
    stream = call.chance.choice([*STREAMS, call.odd()])
    values = {"len_sample": call.odd()} if call.once_in(2) else SAMPLE_STREAMS.get(str(stream), {})
    made = evstream.StreamHeader(stream, values, **call.options())
    names = ("block", "rules", "samples", "used_widths", "row_columns", "size")
    repr([getattr(made, name) for name in names])
    made.to_bytes()


# The documented module


class RowReader(es.EventReader):
    """A documented subclass; its parser is plain Python, which numpy checks."""

    parse = staticmethod(row_parser(es.oasis_float).py_func)

    def __init__(self) -> None:
        self.rows, self.used = np.zeros((20, 4)), np.zeros(1, np.int64)

    def read_buffer(self, byte_mv, cursor, valid_buff, event_id, item_id, **_):  # type: ignore
        return self.parse(byte_mv, cursor, valid_buff, event_id, item_id, self.rows, self.used)


class OddReader(RowReader):
    """A subclass that answers with nonsense."""

    answer: Any = None

    def read_buffer(self, *_: Any, **__: Any) -> Any:
        return self.answer


def event_reader(call: Inputs) -> None:
    if call.once_in(10):
        reader: Any = OddReader()
        reader.answer = call.chance.choice([call.odd(), (call.odd(), 1, 1, 0), (0, 1, 1, 1)])
    else:
        reader = (evstream.EventReader if call.once_in(30) else RowReader)()
    sources = [call.source() for _ in range(call.chance.choice([1, 1, 1, 2]))]
    with contextlib.ExitStack() as stack:
        if call.once_in(2):
            names = [s if isinstance(s, str) else call.file(".bin") for s in sources]
            streams, _ = es.init_streams_in(names, stack)
        else:
            streams = [io.BytesIO(s.getvalue()) if isinstance(s, io.BytesIO) else s
                       for s in sources]  # fmt: skip
            for stream in streams:
                es.read_stream_info(stream)
        for _ in reader.read_streams(streams):
            reader.used[0] = 0


def documented(call: Inputs) -> None:
    with contextlib.ExitStack() as stack:
        one: Any = [
            lambda: es.read_stream_info(call.source(), call.odd() if call.once_in(4) else None),
            lambda: es.bytes_to_stream_types(call.chance.choice([call.data(), call.odd()])),
            lambda: es.stream_info_to_bytes(call.odd(), call.chance.choice([1, 2, call.odd()])),
            lambda: es.get_streams_in(
                no_number(call) if call.once_in(2) else [call.file(), no_number(call)], stack
            ),
            lambda: es.get_and_check_header_in([call.source() for _ in range(2)]),
            lambda: es.init_streams_in([call.file(), call.file()], stack),
            lambda: es.init_streams_in(no_number(call), stack),
            lambda: es.write_mv_to_stream(
                call.target(), np.zeros(9, np.int8), call.chance.choice([0, 5, 9])
            ),
            lambda: es.reservation_overflows(
                1 + call.chance.randrange(4),
                call.chance.randrange(4),
                call.chance.randrange(4),
                "x",
            ),
            lambda: numbers(call),
        ]
        call.chance.choice(one)()


def no_number(call: Inputs) -> Any:
    """Anything but a descriptor, which these functions would close."""
    return next(odd for odd in iter(call.odd, call) if not isinstance(odd, (int, list)))


def numbers(call: Inputs) -> None:
    """Legal places alone: these functions are parts of compiled loops, and check nothing."""
    room, at = np.zeros(64, np.int8), call.chance.randrange(20)
    dtype = call.chance.choice([es.oasis_int, es.oasis_float, es.loss_type])
    es.mv_write(room, at, dtype, dtype.itemsize, call.chance.choice([0, 1, 2**31 - 1]))
    es.mv_read(room, at, dtype, dtype.itemsize)
    es.mv_write_item_header(room, at, 1, 2)
    es.mv_write_sidx_loss(room, at, 1, 2.0)
    es.mv_write_delimiter(room, at)
    es.mv_write_summary_header(room, at, 1, 2, 3.0)


# Commands

TEXTS = ["gul", "loss", "cdf", "event_ids", "nothing", "", "-1", "0", "1", "1e9", "nan", "=", "x=y",
         "oasis_float=f8", "oasis_int=i8", "oasis_int=", "\u00e9", "99999999999999999999", "--",
         "-", "no/such/file", ".", "\udcff", "csv", "a\nb"]  # fmt: skip

SELECTION = ["--events", "--items", "--sidx", "--columns", "1-3", "mean,1", "loss,event_id"]
COMMANDS: dict[str, list[str]] = {
    "info": ["--json", "--table", "--format", "csv", "--jobs", "2"],
    "cat": ["--format", "jsonl", "--event", "--head", "1", *SELECTION],
    "validate": ["--json", "--table", "--format", "text", "--first", "--expect-events", "--seal",
                 "--jobs", "2"],
    "seal": ["--no-fsync", "--jobs", "2"],
    "index": ["--jobs", "2", "--no-fsync"],
    "tee": ["--seal", "tee.seal", "--index", "tee.bin.index", "--validate", "--output", "tee.bin",
            "--no-fsync",
            "--measure", "--name", "gul", "--json", "tee.jsonl", "--metrics", "tee.prom"],
    "convert": ["--precision", "2", "--len-sample", "3", "--summary-set-id", "--to", "csv",
                "parquet", "bin", "--from", "--no-fsync", "--sort", "--max-line", "--max-batch",
                "--max-metadata", "--compression", "--file-column", "--partition-by", "event_id",
                "--force", "--amplification-options", "--factor-options", "--date-options",
                "--no-of-periods", "--no-of-intensity-bins", "--no-of-damage-bins",
                "--footprint-options", "--jobs", "2", *SELECTION],
    "aal": ["--table", "alct", "--occurrence", "--periods", "--confidence", "0.9", "--output",
            "aal.bin", "--precision", "--jobs", "1", "--no-fsync"],
    "elt": ["--table", "qelt", "selt", "--quantiles", "0.5", "--rates", "--output", "elt.bin",
            "--precision", "2", "--jobs", "--no-fsync"],
    "ept": ["--occurrence", "--periods", "--return-periods", "10,5", "--per-sample", "--output",
            "ept.bin", "--precision", "--jobs", "1", "--no-fsync"],
    "report": ["--occurrence", "--periods", "--return-periods", "10,5", "--title", "--unit",
               "--date", "--summaries", "2", "--largest", "--output", "r.html", "--jobs", "1",
               "--no-fsync"],
    "plot": ["--occurrence", "--periods", "--ep", "ep.svg", "--aal", "--convergence", "--largest",
             "l.png", "--distribution", "--summary", "--calc", "analytical", "--size", "300x200",
             "--scale", "1", "--title", "--unit", "--jobs"],
    "explain": ["--at", "--event", "--records", "--format", "html", "--color", "always", "3"],
    "merge": ["--same-event", "merge", "refuse", "--order", "inputs", "--force", "--no-fsync"],
    "diff": ["--absolute", "--relative", "--json", "--first", "--ignore-order", "--zeros",
             "--top", "1", "--format", "html", "json"],
}  # fmt: skip
RARE = {"warmup": 200, "demo": 100, "generate": 300, "completion": 100, "monitor": 50, "run": 300}
"""Commands that take long, or wait for others -> once in how many calls of commands."""
COMMON = ["--stream", "--width", "--strict", "--no-strict", "--timeout", "--help", "--version",
          "--log-format", "json", "--quiet", "--color", "always", "--progress",
          "--no-progress"]  # fmt: skip


def command(call: Inputs) -> str:
    """Run a command in this process, stdin a file or a pipe; its status."""
    chance = call.chance
    rare = [name for name, often in RARE.items() if call.once_in(often)]
    name = rare[0] if rare else chance.choice(list(COMMANDS))
    make = {
        "generate": generate_arguments, "warmup": warmup_arguments, "demo": demo_arguments,
        "completion": completion_arguments, "monitor": monitor_arguments, "run": run_arguments,
    }  # fmt: skip
    arguments = [name, *(make[name](call) if name in make else stream_arguments(call, name))]
    if call.once_in(100):
        arguments = [chance.choice([*TEXTS, *COMMON]) for _ in range(chance.randrange(3))]
    with standard_input(call), patch.dict(sys.modules, vl_convert=ChartEngine):
        status, told = run(arguments)
    if status not in {0, 1, 2}:
        raise AssertionError(f"status {status} of {arguments}: {told}")
    if "Traceback" in told:
        raise AssertionError(f"a traceback of {arguments}: {told}")
    return f"status {status}"


def stream_arguments(call: Inputs, name: str) -> list[str]:
    chance = call.chance
    count = {"tee": 0, "convert": 2, "diff": 2, "merge": chance.choice([2, 3])}.get(name, 1)
    if name in {"info", "validate", "seal", "index"}:
        count = chance.choice([1, 1, 2])
    arguments = ["-" if call.once_in(6) else call.file() for _ in range(count)]
    if name in {"convert", "merge"} and not call.once_in(6):
        suffix = chance.choice([".bin", ".csv", ".jsonl", ".parquet", ".arrow", ""])
        arguments[-1] = chance.choice(["-", call.name(suffix)])
    for _ in range(chance.choice([0, 0, 1, 1, 2, 4])):
        at = chance.randrange(len(arguments) + 1)
        arguments.insert(at, chance.choice(COMMANDS[name] * 2 + COMMON))
    if call.once_in(5):
        arguments.insert(chance.randrange(len(arguments) + 1), chance.choice(TEXTS))
    return [argument for argument in arguments if not argument.startswith("oasis_int=i8")]


def warmup_arguments(call: Inputs) -> list[str]:
    return call.chance.choice(
        [
            ["--to"],
            ["--to", call.file()],
            ["--width", "x=i4"],
            ["--width", "oasis_int=q"],
            ["a"],
            ["--to", f"{call.file()}/below", "--width", "oasis_int=f4"],
        ]
    )


def completion_arguments(call: Inputs) -> list[str]:
    return call.chance.choice([["bash"], ["zsh"], ["fish"], [], ["bash", "--color", "never"]])


def demo_arguments(call: Inputs) -> list[str]:
    return call.chance.choice(
        [
            ["--events", call.chance.choice(["0", "-1", "x", "1e9"])],
            ["--keep", call.file()],
            ["--seed", "x"],
            ["--locations", "0"],
            ["x"],
            ["--keep", f"{call.file()}/below"],
        ]
    )


def monitor_arguments(call: Inputs) -> list[str]:
    """Of records that are mutated; it would wait without --once."""
    record = Record("gul", 1, stream="loss", upstream=[Program(2, "model")])
    path = call.name(".pipe")
    with open(path, "wb") as file:
        file.write(mutated(call.chance, record.to_json().encode()))
    more = call.chance.choice([[], ["--json"], ["--metrics", "all.prom"], ["--every", "0"]])
    return ["--once", call.chance.choice([path, path, ".", "nowhere"]), *more]


def run_arguments(call: Inputs) -> list[str]:
    """Of harmless programs alone."""
    pipelines = [
        "true | true",
        "echo a | cat",
        "true | false",
        "a || b",
        "'",
        "",
        "true",
        "nosuch | cat",
    ]
    options = call.chance.choice([[], ["--no-progress"], ["--monitor", call.name("")]])
    return [call.chance.choice(pipelines), *options]


def generate_arguments(call: Inputs) -> list[str]:
    path = call.chance.choice([*sorted(SPECS.glob("*.yaml")), TESTS / "minimal_spec.yaml"])
    spec = call.name(".yaml")
    with open(spec, "wb") as file:
        file.write(mutated(call.chance, path.read_bytes()))
    package = call.chance.choice(["made"] * 6 + ["a.b", "", "1", "x\n"])
    more = call.chance.choice([[], ["--check"], ["--only", "c"], ["--only", "x"], ["--force"]])
    return [
        call.chance.choice([spec] * 9 + ["-", "."]),
        "--package",
        package,
        "--out",
        "made",
        *more,
    ]


@contextlib.contextmanager
def standard_input(call: Inputs) -> Any:
    """Descriptor 0 is a file or a pipe with a stream."""
    data = call.data(".bin" if not call.once_in(5) else None)
    if call.once_in(2):
        reader, writer = os.pipe()
        os.write(writer, data)  # less than a pipe holds
        os.close(writer)
    else:
        reader = os.memfd_create("stdin")
        os.write(reader, data)
        os.lseek(reader, 0, os.SEEK_SET)
    before = os.dup(0)
    os.dup2(reader, 0)
    os.close(reader)
    held, sys.stdin = sys.stdin, open(0, closefd=False)  # noqa: SIM115
    try:
        yield
    finally:
        sys.stdin = held
        os.dup2(before, 0)
        os.close(before)


def run(arguments: list[str]) -> tuple[int, str]:
    """(status, what went to standard error) of a command in this process."""
    errors = os.memfd_create("stderr")
    before = os.dup(2)
    os.dup2(errors, 2)
    environment = dict(os.environ)
    try:
        status = run_command(arguments)
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(before, 2)
        os.close(before)
        os.environ.clear()
        os.environ.update(environment)
        os.lseek(errors, 0, os.SEEK_SET)
        told = os.read(errors, 1 << 16).decode(errors="replace")
        os.close(errors)
    return status, told


Kind = Callable[[Inputs], str | None]

WEIGHTS: list[tuple[Kind, int]] = [
    (open_, 14), (table, 10), (dataframe, 4), (batches, 6), (scan, 2), (aggregate, 6),
    (validate, 8), (compare, 8), (explain, 4), (progress, 2), (result, 6), (report, 2),
    (callbacks, 6), (write, 12), (write_table, 6), (merge, 10), (convert, 12), (seal, 3),
    (component, 8),
    (index, 4), (partition, 4), (dask, 2), (spark, 4),
    (header, 3), (event_reader, 8), (documented, 8), (command, 24),
]  # fmt: skip
KINDS: list[Kind] = [kind for kind, weight in WEIGHTS for _ in range(weight)]


def load() -> None:
    """Import and load what the calls need, so that a forked process has it. Libraries with threads
    of their own (pyarrow, Polars) are only imported: a fork would leave their threads behind."""
    import pandas  # noqa: F401
    import polars  # noqa: F401
    import pyarrow.parquet  # noqa: F401
    import zstandard  # noqa: F401

    for module in ("dask.dataframe", "pyspark.sql.datasource", "pyspark.sql.types"):
        has(module)

    from evstream.cli import generate, warmup
    from evstream.conversion import arrow_file, csv_file, jsonl_file, parquet_file  # noqa: F401

    with contextlib.suppress(Exception):
        __import__(f"{generate._generator()}.generate")
    for widths in WIDTHS:
        for stream in STREAMS:
            warmup.warm_up(stream, widths)
    for way in range(3):
        reader = callback_class(way)(np.zeros(3))
        for path in sorted((TESTS / "golden").glob("*_i?_f?.bin")):
            with warnings.catch_warnings(), contextlib.suppress(evstream.EvstreamError):
                warnings.simplefilter("ignore")
                list(reader.read(path))
    numbers(Inputs(random.Random(1), {}))
    es.reservation_overflows(0, 1, 2, "x")
