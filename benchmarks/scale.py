"""Compare the index and the aggregation with what they save: a scan, and sums over rows."""

from __future__ import annotations

import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import evstream
from benchmarks.inputs import Inputs
from benchmarks.measure import Result, race


def cases(inputs: Inputs, folder: Path) -> Iterator[Result]:
    """The cases in the order of the table."""
    plain, indexed = inputs.path, str(folder / "indexed.bin")
    shutil.copyfile(plain, indexed)
    yield race(
        "build an index",
        inputs.size,
        {
            "evstream": lambda: evstream.build_index(indexed, durable=False),
            "crc32": lambda: zlib.crc32(inputs.data),
        },
        note="with reading the file; beside zlib.crc32 of bytes in memory",
    )
    events = int(inputs.columns["event_id"][-1])
    some = np.arange(1, events + 1, max(events // 10, 1))[:1] if events < 100 else np.sort(
        np.random.default_rng(1).choice(np.arange(1, events + 1), events // 100, replace=False)
    )  # fmt: skip
    yield race(
        "read 1 % of the events, or one, by the index",
        0,
        {
            "evstream": lambda: evstream.read_columns(indexed, some),
            "scan": lambda: evstream.read_columns(plain, some),
        },
        {"scan": 20},
        note="in a file of 3 GB; in a smaller one the opening of a file counts more",
    )

    def rows() -> None:
        columns = evstream.read_columns(plain, threads=1)
        np.bincount(columns["item_id"], columns["loss"].astype(np.float64))

    yield race(
        "sums per item",
        inputs.size,
        {
            "evstream": lambda: evstream.aggregate(plain, "item_id", threads=1),
            "rows": rows,
            "two_threads": lambda: evstream.aggregate(plain, "item_id", threads=2),
        },
        {"rows": 2},
        note="with counts, means and maxima; beside np.bincount of read_columns",
    )
