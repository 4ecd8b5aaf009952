"""Compare evstream on large data with engines on Parquet, two cores with one, an index with a
scan."""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
import pickle
import shutil
import sys
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import evstream
from benchmarks.checks import quiet
from benchmarks.inputs import Inputs, named
from benchmarks.measure import Case, Measure, Race

SAMPLES = range(1, 101)


def cases(inputs: Inputs, folder: Path) -> Iterator[Case]:
    """The cases in the order of the table."""
    yield from answers(inputs, folder)
    yield from beside_spark(inputs)
    yield from two_threads(inputs, folder)
    yield from planning(folder)
    yield from indexes(inputs, folder)


def answers(inputs: Inputs, folder: Path) -> Iterator[Case]:
    """Processor seconds per GB of stream for what everybody computes; lower is better, and a
    ratio above 1 means that evstream needs less. The engines read Parquet that `convert` wrote."""
    import polars as pl

    duckdb: Any = optional("duckdb")
    parquet = str(folder / "engines.parquet")

    def prepare() -> None:
        if not os.path.exists(parquet):
            evstream.convert(inputs.path, parquet, durable=False)

    def by_duckdb(query: str) -> Callable[[], Any] | None:
        return duckdb and (
            lambda: duckdb.sql(query.format(f"from '{parquet}' where sidx > 0")).fetchnumpy()
        )

    def by_polars(scan: Callable[[str], Any], path: str, ask: Callable[[Any], Any]) -> Any:
        return lambda: ask(scan(path).filter(pl.col("sidx") > 0)).collect()

    def by_dask(ask: Callable[[Any], Any]) -> Callable[[], Any] | None:
        if optional("dask") is None:
            return None
        dask = importlib.import_module("evstream.engines.dask")
        parts = evstream.parts(inputs.path, "64 MiB")

        def run() -> Any:
            frame = dask.read(parts, sidx=SAMPLES)
            return ask(frame).compute(scheduler="threads")

        return run

    def means_by_rows() -> Any:
        columns = evstream.read_columns(inputs.path, sidx=SAMPLES)
        sums = np.bincount(columns["item_id"], columns["loss"].astype(np.float64))
        return sums / np.bincount(columns["item_id"])

    for name, by, column, query, ask, ask_dask in (
        ("count of samples", "event_id", "count", "select count(*) {}",
         lambda f: f.select(pl.len()), lambda f: f["loss"].count()),
        ("average per item", "item_id", "loss_mean",
         "select item_id, avg(loss) {} group by item_id",
         lambda f: f.group_by("item_id").agg(pl.col("loss").mean()),
         lambda f: f.groupby("item_id")["loss"].mean()),
        ("maximum per event", "event_id", "loss_max",
         "select event_id, max(loss) {} group by event_id",
         lambda f: f.group_by("event_id").agg(pl.col("loss").max()),
         lambda f: f.groupby("event_id")["loss"].max()),
    ):  # fmt: skip
        ours = functools.partial(evstream.aggregate, inputs.path, by, sidx=SAMPLES)
        theirs = by_duckdb(query)

        def check(
            ours: Any = ours, theirs: Any = theirs, by: str = by, column: str = column
        ) -> None:
            prepare()
            if theirs is not None:
                compare(ours(), theirs(), by, column)

        contestants = named(
            **{
                "evstream": ours,
                "duckdb on parquet": theirs,
                "polars on parquet": by_polars(pl.scan_parquet, parquet, ask),
                "polars on scan_polars": by_polars(evstream.scan_polars, inputs.path, ask),
                "dask on parts": by_dask(ask_dask),
                "rows, np.bincount": means_by_rows if by == "item_id" else None,
            }
        )
        yield Race(
            f"aggregate: {name}", inputs.size, contestants, cpu=True, cost=True, prepare=check
        )


def beside_spark(inputs: Inputs) -> Iterator[Race]:
    """An average per item in Spark with two threads, its Java and its Python workers included."""
    if optional("pyspark") is None:
        return
    if shutil.which("java") is None or not os.path.isdir("/proc/self"):
        print("no java, or no /proc: Spark is left out")
        return
    ours = functools.partial(evstream.aggregate, inputs.path, "item_id", sidx=SAMPLES)

    @functools.cache
    def session() -> Any:
        os.environ |= {"PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}
        builder = importlib.import_module("pyspark.sql").SparkSession.builder
        settings = {"spark.ui.enabled": "false", "spark.log.level": "OFF"}
        settings |= {"spark.sql.shuffle.partitions": "2"}
        made = builder.master("local[2]").config(map=settings).getOrCreate()
        return importlib.import_module("evstream.engines.spark").register(made)

    def in_spark() -> None:
        options = {"sidx": f"1-{SAMPLES[-1]}", "size": "64 MiB"}
        frame = session().read.format("evstream").options(**options).load(inputs.path)
        frame.groupBy("item_id").avg("loss").collect()

    yield Race(
        "aggregate: average per item, beside Spark", inputs.size,
        {"evstream": ours, "spark on parts": in_spark},
        rounds=3, cpu=True, cost=True, family=True,
    )  # fmt: skip
    if session.cache_info().currsize:
        session().stop()


@functools.cache
def optional(name: str) -> Any | None:
    """A module; None, and a message, if it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        print(f"no {name}: its cases are left out (make bench installs it)")
        return None


def compare(ours: Any, theirs: Any, by: str, column: str) -> None:
    """Raise AssertionError unless both have the same answer."""
    if by not in theirs:
        (count,) = theirs.values()
        assert int(ours[column].sum()) == int(count[0])
        return
    *_, values = theirs
    order = np.argsort(theirs[by])
    assert np.array_equal(np.asarray(theirs[by])[order], ours[by])
    assert np.allclose(np.asarray(theirs[values])[order], ours[column], rtol=1e-6)


def two_threads(inputs: Inputs, folder: Path) -> Iterator[Race]:
    """The same work on two cores and on one, in wall time. evstream uses the cores that the
    process may use, except where a number of threads is given."""
    if not hasattr(os, "sched_setaffinity") or len(os.sched_getaffinity(0)) < 2:
        print("one core: two threads are left out")
        return
    parquet, text = str(folder / "threads.parquet"), str(folder / "threads.csv")
    works: dict[str, Callable[[int], object]] = {
        "convert to parquet": lambda n: evstream.convert(inputs.path, parquet, durable=False),
        "convert to csv": lambda n: evstream.convert(inputs.path, text, durable=False),
        "info": lambda n: quiet("info", inputs.path)(),
        "validate": lambda n: evstream.validate(inputs.path, seal=False, threads=n),
        "read_columns": lambda n: evstream.read_columns(inputs.path, threads=n),
        "aggregate": lambda n: evstream.aggregate(
            evstream.parts(inputs.path, "16 MiB"), "item_id", threads=n
        ),
    }
    for name, work in works.items():
        contestants = {
            "evstream": functools.partial(on_cores, 2, work),
            "one core": functools.partial(on_cores, 1, work),
        }
        yield Race(f"two cores: {name}", inputs.size, contestants, {"one core": 1.7})


def on_cores(number: int, work: Callable[[int], object]) -> None:
    """Do some work on so many cores: this thread, and those that it starts, may use no others."""
    all_cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(all_cores)[:number])
    try:
        work(number)
    finally:
        os.sched_setaffinity(0, all_cores)


def planning(folder: Path) -> Iterator[Measure]:
    """Parts of 10,000 files, and 10,000 parts of one (sparse) file."""
    many, large = folder / "many", folder / "large.bin"

    def prepare() -> None:
        if many.exists():
            return
        many.mkdir()
        first = many / "0.bin"
        with evstream.create(first, "loss", len_sample=100, durable=False) as out:
            out.write_columns(1, 1, [-1, 1], 5.0)
        for number in range(1, 10_000):
            (many / f"{number}.bin").hardlink_to(first)
        with large.open("wb") as file:
            file.write(first.read_bytes())
            file.truncate(10_000 * (256 << 20))

    def seconds(source: Path) -> float:
        taken = []
        for _ in range(5):
            start = time.perf_counter()
            planned = evstream.parts(source)
            taken.append(time.perf_counter() - start)
            assert len(planned) == 10_000
        return sorted(taken)[2]

    def megabytes(source: Path) -> float:
        tracemalloc.start()
        planned = evstream.parts(source)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert len(planned) == 10_000
        return peak / 1e6

    def part_size() -> float:
        return len(pickle.dumps(evstream.parts(many)[5000]))

    for name, source in (("10,000 files", many), ("one file in 10,000 parts", large)):
        yield Measure(f"plan {name}", "s", functools.partial(seconds, source), 1, prepare)
        peak = functools.partial(megabytes, source)
        yield Measure(f"memory to plan {name}", "MB", peak, 5, prepare)
    yield Measure("a pickled Part", "bytes", part_size, 300 + len(str(many)), prepare)


def indexes(inputs: Inputs, folder: Path) -> Iterator[Case]:
    """Build an index; read 1 % of the events of a larger file by it, and by a scan."""
    target = str(folder / "built.evx")
    view = inputs.body
    yield Race(
        "build_index, per core",
        inputs.size,
        {
            "evstream": lambda: evstream.build_index(inputs.path, target, durable=False),
            "crc32 of memory": lambda: zlib.crc32(view),
        },
        speed=2,
        cpu=True,
    )
    plain, indexed = folder / "plain.bin", folder / "indexed.bin"
    chosen: list[int] = []

    def prepare() -> None:
        inputs.write(plain.name, 4 * inputs.megabytes)
        indexed.hardlink_to(plain)
        evstream.build_index(indexed)
        events = max(4 * inputs.megabytes * 1000 // 740, 1)
        chance = np.random.default_rng(1)
        chosen.extend(np.sort(chance.choice(events, max(events // 100, 1), False) + 1).tolist())

    yield Race(
        f"1 % of the events of {4 * inputs.megabytes} MB",
        0,
        {
            "by index": lambda: evstream.read_columns(indexed, chosen),
            "by a scan": lambda: evstream.read_columns(plain, chosen),
        },
        {"by a scan": 20},
        prepare=prepare,
    )
    for path in (plain, indexed):
        with contextlib.suppress(OSError):
            path.unlink()
