"""Streams as dataframes of Spark: the rows of the stream, whatever happens to a task.

These tests need Java, which Spark runs in. What needs no Spark is in test_spark_source.py.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as f

import evstream
from oracle import encode

pytestmark = [
    pytest.mark.engines,
    pytest.mark.keeps_files_open,  # the gateway to Java
    pytest.mark.skipif(shutil.which("java") is None, reason="Spark needs Java on PATH"),
    # Spark warns of versions of pandas.
    pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning"),
]


@pytest.fixture(scope="module")
def spark() -> Iterator[SparkSession]:
    """Spark with two threads, which tries a task three times."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        session = (
            SparkSession.builder.master("local[2,3]")
            .config("spark.ui.enabled", "false")
            .config("spark.sql.shuffle.partitions", "2")
            .config("spark.sql.python.filterPushdown.enabled", "true")
            .config("spark.driver.memory", "1g")
            .config("spark.log.level", "OFF")
            .getOrCreate()
        )
        yield evstream.spark.register(session)
        session.stop()


def test_a_task_that_runs_again_reads_the_same(spark: SparkSession, gul: Path, tmp_path: Path):
    mark = str(tmp_path / "killed")

    def pass_on(batches):
        if not os.path.exists(mark):
            open(mark, "x").close()
            os.kill(os.getpid(), signal.SIGKILL)
        yield from batches

    frame = spark.read.format("evstream").option("size", "20 kB").load(str(gul))
    found = frame.mapInPandas(pass_on, frame.schema).toPandas()
    assert os.path.exists(mark)
    pd.testing.assert_frame_equal(found, pd.DataFrame(evstream.read_columns(gul)))


def test_filters_give_the_same_rows_pushed_down_or_not(spark: SparkSession, gul: Path):
    rows = pd.DataFrame(evstream.read_columns(gul))
    expected = rows[rows.event_id.isin([3, 7]) & (rows.sidx == 1)].reset_index(drop=True)
    wanted = f.col("event_id").isin(3, 7) & (f.col("sidx") == 1)
    frame = spark.read.format("evstream").option("pushdown", "true").load(str(gul))
    pd.testing.assert_frame_equal(frame.filter(wanted).toPandas(), expected)


def test_frames_are_written_as_streams(spark: SparkSession, gul: Path, tmp_path: Path):
    frame = spark.read.format("evstream").option("size", "20 kB").load(str(gul))
    target = str(tmp_path / "out")
    frame.write.format("evstream").option("len_sample", 8).mode("append").save(target)
    pd.testing.assert_frame_equal(
        pd.DataFrame(evstream.read_columns(target)), pd.DataFrame(evstream.read_columns(gul))
    )


def test_files_of_evstream_answer_queries_in_spark(spark: SparkSession, gul: Path, tmp_path: Path):
    """Parquet and CSV of a stream, and of one with odd losses, as Spark reads and filters them."""
    odd = [(1, float("nan")), (2, float("inf")), (3, -0.0), (4, -2.5), (5, 1e-45)]
    streams = {"gul": gul, "odd": tmp_path / "odd.bin"}
    streams["odd"].write_bytes(encode("loss", {"len_sample": 5}, [((2**31 - 1, 1), odd)]))
    for name, stream in streams.items():
        rows = pd.DataFrame(evstream.read_columns(stream))
        evstream.convert(stream, tmp_path / f"{name}.parquet")
        evstream.convert(stream, tmp_path / f"{name}.csv")
        parquet = spark.read.parquet(str(tmp_path / f"{name}.parquet"))
        schema = "event_id int, item_id int, sidx int, loss float"
        csv = (
            spark.read.schema(schema)
            .options(header="true", nanValue="nan", positiveInf="inf", negativeInf="-inf")
            .csv(str(tmp_path / f"{name}.csv"))
        )
        for frame in (parquet, csv):
            pd.testing.assert_frame_equal(frame.toPandas(), rows)
            assert frame.filter("loss < 0").count() == int((rows.loss < 0).sum())
            assert frame.filter("sidx > 2").count() == int((rows.sidx > 2).sum())
            lowest = frame.filter("event_id >= 5").agg(f.min("loss")).first()[0]
            expected = rows[rows.event_id >= 5].loss.min()
            assert lowest == expected or (lowest is None and pd.isna(expected))
