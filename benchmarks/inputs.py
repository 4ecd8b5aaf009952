"""The streams that the benchmarks read and write."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import evstream
from evstream.wire.header import StreamHeader
from evstream.wire.kernels import block_kernels, new_state

HEADER = 8  # bytes of a loss stream before its first block


class Inputs:
    """A loss stream in memory and on disk, and its columns."""

    def __init__(self, folder: Path, megabytes: int) -> None:
        self.path = str(folder / "loss.bin")
        self.len_sample, items = 100, 1000
        rng = np.random.default_rng(1)
        losses = rng.random((items, self.len_sample), np.float32) * 1000
        losses[losses < 100] = 0
        self.losses, self.items = losses, np.arange(1, items + 1, dtype=np.int32)
        with evstream.create(self.path, "loss", len_sample=self.len_sample) as out:
            event = 0
            while out.offset < megabytes * 1_000_000:
                event += 1
                out.write_event(event, self.items, losses, mean=losses.mean(axis=1), tiv=1e6)
        self.data = np.fromfile(self.path, np.uint8)
        self.body = self.data[HEADER:].copy()
        self.columns = evstream.read_columns(self.path)
        self.rows = len(self.columns["loss"])
        self.header = StreamHeader("loss")
        self.kernels = block_kernels(self.header)

    @property
    def size(self) -> int:
        return len(self.body)

    def state(self) -> Any:
        return new_state(self.header)


def named(**contestants: Callable[[], object] | None) -> dict[str, Callable[[], object]]:
    """The contestants that are available."""
    return {name: run for name, run in contestants.items() if run is not None}


Shape = tuple[StreamHeader, list[Any], Any]
"""A stream's header, its columns and the bytes of its blocks."""


def _shape(
    stream: str, events: int, blocks: int, entries: int, widths: dict[str, str] | None = None
) -> Shape:
    """A stream of about 50 MB: events of `blocks` blocks of `entries` entries."""
    values = {"len_sample": entries} if stream != "cdf" else {}
    if stream == "summary":
        values["summary_set_id"] = 1
    target = io.BytesIO()
    event_id = np.repeat(np.arange(1, events + 1), blocks * entries)
    block_id = np.tile(np.repeat(np.arange(1, blocks + 1), entries), events)
    number = np.tile(np.arange(1, entries + 1), events * blocks)
    with evstream.create(target, stream, widths=widths, validate=False, **values) as out:
        if stream == "cdf":
            out.write_columns(event_id, block_id, 1, number, number / entries, 0.5)
        elif stream == "summary":
            out.write_columns(event_id, block_id, 1e6, number, number)
        else:
            out.write_columns(event_id, block_id, number, number)
    target.seek(0)
    columns = list(evstream.read_columns(target, widths=widths).values())
    target.seek(0)
    with evstream.open(target, widths=widths) as opened:
        header = opened.header
    return header, columns, np.frombuffer(target.getvalue(), np.uint8)[header.size :].copy()


WIDE = {"oasis_int": "i8", "oasis_float": "f8"}

SHAPES: dict[str, Callable[[], Shape]] = {
    "loss, few large events": lambda: _shape("loss", 6, 10_000, 100),
    "loss, many tiny events": lambda: _shape("loss", 1_500_000, 1, 2),
    "loss, sparse: 10 records per item": lambda: _shape("loss", 500, 1000, 10),
    "loss, i8 and f8": lambda: _shape("loss", 30, 1000, 100, WIDE),
    "summary": lambda: _shape("summary", 600, 100, 100),
    "cdf": lambda: _shape("cdf", 600, 500, 20),
}
