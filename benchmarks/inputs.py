"""The streams that the benchmarks read and write."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

import evstream
from evstream.wire.header import StreamHeader
from evstream.wire.kernels import block_kernels, new_states

HEADER = 8  # bytes of a loss stream before its first block


class Inputs:
    """A loss stream on disk and, when they are asked for, its bytes and columns."""

    def __init__(self, folder: Path, megabytes: int) -> None:
        self.folder, self.megabytes = folder, megabytes
        self.len_sample, items = 100, 1000
        rng = np.random.default_rng(1)
        losses = rng.random((items, self.len_sample), np.float32) * 1000
        losses[losses < 100] = 0
        self.losses, self.items = losses, np.arange(1, items + 1, dtype=np.int32)
        self.header = StreamHeader("loss")
        self.kernels = block_kernels(self.header)

    @cached_property
    def path(self) -> str:
        return self.write("loss.bin", self.megabytes)

    def write(self, name: str, megabytes: int) -> str:
        """A stream of the same kind; its path."""
        path = str(self.folder / name)
        mean = self.losses.mean(axis=1)
        with evstream.create(path, "loss", len_sample=self.len_sample, durable=False) as out:
            event = 0
            while out.offset < megabytes * 1_000_000:
                event += 1
                out.write_event(event, self.items, self.losses, mean=mean, tiv=1e6)
        return path

    @cached_property
    def body(self) -> Any:
        """The bytes after the stream header, in memory of their own."""
        return np.fromfile(self.path, np.uint8)[HEADER:].copy()

    @cached_property
    def columns(self) -> Any:
        return evstream.read_columns(self.path)

    @property
    def rows(self) -> int:
        return len(self.columns["loss"])

    @cached_property
    def size(self) -> int:
        return Path(self.path).stat().st_size - HEADER

    def state(self) -> Any:
        return new_states(self.header)


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
