"""The streams that tests of dataframes read, and the ways to read them."""

from __future__ import annotations

import io
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

import evstream
from golden_files import (
    DELIMITER_WITH_LOSS,
    LEGAL,
    NOT_REALLY_GZIP,
    Entry,
    corpus_entries,
)
from oracle import DEFAULT_WIDTHS
from support import Trickle

c = pl.col

SAID_BY_NO_ROW = {
    "cdf_zero_bins.bin",
    "loss_empty_block.bin",
    "loss_empty_blocks_between.bin",
    "loss_item_repeated.bin",
    "summary_empty_block.bin",
}
"""Golden files with blocks that leave no trace in rows."""

FAITHFUL = [
    entry
    for entry in LEGAL
    if entry["file"] not in SAID_BY_NO_ROW and entry["file"] != DELIMITER_WITH_LOSS
]

REAL = [
    entry
    for entry in corpus_entries()
    if not entry["error"] and entry["file"] != NOT_REALLY_GZIP
]  # fmt: skip


def options(entry: Entry) -> dict[str, Any]:
    """How a golden file is opened."""
    stream = "event_ids" if entry["stream"] == "event_ids" else None
    return {"stream": stream, "widths": entry.get("widths")}


READERS: dict[str, Callable[..., Any]] = {
    "polars": evstream.read_polars,
    "scan": lambda *args, **kwargs: evstream.scan_polars(*args, **kwargs).collect(),
    "pandas": evstream.read_pandas,
    "arrow": evstream.read_arrow,
    "reader": evstream.arrow_reader,
    "columns": evstream.read_columns,
}


def loss_file(path: Path, events: int = 60, items: int = 9, samples: int = 8) -> Path:
    """A loss stream with zeros left out, so that blocks differ in length."""
    rng = np.random.default_rng(5)
    with evstream.create(path, "loss", len_sample=samples, widths=DEFAULT_WIDTHS) as out:
        for event in range(1, events + 1):
            losses = rng.integers(0, 3, (items, samples)).astype(float)
            out.write_event(event, range(1, items + 1), losses, mean=losses.mean(axis=1))
    return path


SAMPLE_COUNT = {"sample_count": "i4"}

ONE_SHOT: dict[str, Callable[[Path], Any]] = {
    "BytesIO": lambda path: io.BytesIO(path.read_bytes()),
    "pipe": lambda path: subprocess.Popen(["cat", path], stdout=subprocess.PIPE),
    "trickle": lambda path: Trickle(path.read_bytes(), 1000),
    "file object": lambda path: path.open("rb"),
    "descriptor": lambda path: os.open(path, os.O_RDONLY),
}


def write_back(table: Any, stream: str | None = None, **values: Any) -> bytes:
    target = io.BytesIO()
    evstream.write_arrow(table, target, stream, **values)
    return target.getvalue()
