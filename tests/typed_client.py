"""A small program that uses the public names of evstream, for type checkers in strict mode."""

# pyright: strict

from __future__ import annotations

import io
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

import evstream


def write(target: evstream.TargetLike, durable: bool = True) -> None:
    with evstream.create(target, "loss", len_sample=2, durable=durable) as out:
        out.write_event(1, [4, 5], np.ones((2, 2)), mean=[1.0, 2.0])
        out.write_columns(event_id=2, item_id=4, sidx=[1, 2], loss=0.5)


def totals(source: evstream.SourceLike) -> Iterator[tuple[int, float]]:
    with evstream.open(source, timeout=5.0) as stream:
        header: evstream.StreamHeader = stream.header
        assert header.len_sample == 2
        for event in stream:
            losses: npt.NDArray[np.float32] = event.loss
            yield event.event_id, float(losses.sum())


def stretches(stream: evstream.EventStream) -> int:
    count = 0
    for chunk in stream.chunks():
        one: evstream.Chunk = chunk
        columns: evstream.Columns = one.columns
        count += len(columns.offsets) - 1
    return count


def rows(source: evstream.SourceLike) -> int:
    columns = evstream.read_columns(source, events=[1, 2], sidx=range(1, 3))
    return len(columns["loss"]) + int(columns["event_id"].max())


def check(path: Path) -> list[str]:
    report: evstream.Report = evstream.validate(path, seal=False)
    findings: list[evstream.Finding] = report.findings
    return [finding.text for finding in findings] + sorted(report.counts)


def differences(a: evstream.SourceLike, b: evstream.SourceLike) -> list[str]:
    found: evstream.Comparison = evstream.compare(a, b, ignore_order=True)
    each: list[evstream.Difference] = found.differences
    counts: evstream.Counts = found.counts["event"]
    return [] if found.equal and not counts.differ else [one.kind for one in each]


def convert(source: evstream.SourceLike, target: evstream.TargetLike) -> None:
    evstream.convert(source, target, from_="bin", to="csv", precision=3, say=print)
    evstream.merge([source], target, stream="loss")


def on_entry(total: npt.NDArray[np.float64], sidx: int, loss: float) -> None:
    total[0] += loss


def reader(source: evstream.SourceLike) -> float:
    kind: type[evstream.CallbackReader] = evstream.reader_class("loss", on_entry=on_entry)
    total = np.zeros(1)
    events: list[int] = list(kind(total).read(source))
    return float(total[0]) + len(events)


def seal(path: Path) -> evstream.Seal | None:
    return evstream.Seal.beside(os.fspath(path))


def other_format(format: evstream.Format, source: evstream.SourceLike) -> evstream.EventStream:
    return evstream.open(source, format=format)


def sources(path: Path, file: BinaryIO, pipe: socket.socket) -> list[evstream.SourceLike]:
    return ["-", str(path), path, 0, file, pipe, io.BytesIO(), sys.stdin.buffer]


def targets(path: Path, file: BinaryIO, pipe: socket.socket) -> list[evstream.TargetLike]:
    return ["-", str(path), path, 1, file, pipe, io.BytesIO(), sys.stdout.buffer]


def broken(source: evstream.SourceLike) -> int | None:
    try:
        return rows(source)
    except evstream.TruncatedStreamError as error:
        return error.offset


if __name__ == "__main__":
    data = io.BytesIO()
    write(data)
    data.seek(0)
    print(list(totals(data)))
