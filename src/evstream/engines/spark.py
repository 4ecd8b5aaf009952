"""Streams for Spark, as `evstream.spark`; needs the extra evstream[spark], and Java.

    evstream.spark.register(session)
    session.read.format("evstream").load("out/*.bin")
    frame.write.format("evstream").option("stream", "loss").option("len_sample", 10).save("out")

Options of reading: `events` and `sidx` ("1-10,-1"), `size` and `whole` of the parts, `stream`,
`widths` ("oasis_float=f8"), `storage.NAME` for the options of an object store, and `pushdown`
("true"), see `spark_source`. Options of writing: `stream`, the fields of its header, `widths`,
`storage.NAME`.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from evstream.errors import MissingExtraError
from evstream.extras import import_extra

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def register(session: SparkSession | None = None) -> SparkSession:
    """Make the format "evstream" known to a session; returns the session. None stands for the one
    that runs, or a new one.

    Raises MissingExtraError without pyspark, or without the Java that a new session needs.
    """
    sql = import_extra("pyspark.sql")
    if session is None:
        session = sql.SparkSession.getActiveSession()
    if session is None:
        refuse_missing_java()
        session = sql.SparkSession.builder.getOrCreate()
    from evstream.engines.spark_source import EvstreamSource

    session.dataSource.register(EvstreamSource)
    return session


def refuse_missing_java() -> None:
    """Raise MissingExtraError if there is no Java for Spark to run in."""
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java") if not home else shutil.which(os.path.join(home, "bin", "java"))
    if found is None:
        where = f"JAVA_HOME ({home}) has no bin/java" if home else "there is no java on PATH"
        raise MissingExtraError(f"Spark needs Java 17 or later, and {where}: install a JDK")
