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
