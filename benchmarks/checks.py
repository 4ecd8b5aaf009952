"""Measure what users run on whole files: validate, info, seal, diff; and tiny writes."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

import evstream
from benchmarks.inputs import Inputs
from benchmarks.measure import Case, Measure, Race
from evstream._support.checksum import crc32
from evstream.checking.one_stream import Validation
from evstream.cli.program import main
from evstream.reading.stream import EventStream
from evstream.transport.source import LARGE_CHUNK


def cases(inputs: Inputs, folder: Path) -> Iterator[Case]:
    """The cases in the order of the table."""
    yield from whole_files(inputs, folder)
    yield from tiny_writes()


def whole_files(inputs: Inputs, folder: Path) -> Iterator[Race]:
    """GB per second of processor time, that is per core, with a bare read for comparison."""
    copy = str(folder / "diff.bin")

    def twin() -> None:
        if not os.path.exists(copy):
            shutil.copyfile(inputs.path, copy)

    def bare_read() -> None:
        view = memoryview(bytearray(1 << 20))
        with open(inputs.path, "rb", buffering=0) as file:
            while file.readinto(view):
                pass

    def row(
        name: str,
        speed: float,
        run: Callable[[], object],
        prepare: Callable[[], None] | None = None,
        **limits: Callable[[], object],
    ) -> Race:
        contestants = {"evstream": run, "bare read": bare_read, **limits}
        return Race(
            f"{name}, per core", inputs.size, contestants, speed=speed, cpu=True, prepare=prepare
        )

    yield row("evstream.validate", 1.5, lambda: evstream.validate(inputs.path, seal=False))
    yield row("evstream info", 2, quiet("info", inputs.path))
    seal = quiet("seal", copy, "--no-fsync")
    limits = {"crc_and_decode": lambda: decode(copy), "and_rules": lambda: decode(copy, True)}
    yield row("evstream seal", 2, seal, twin, **limits)
    yield row(
        "evstream diff of two equal files", 1, quiet("diff", inputs.path, copy), twin,
        decode_both=lambda: decode_both(inputs.path, copy),
    )  # fmt: skip


def decode(path: str, check: bool = False) -> None:
    """The limit of a seal: checksums and columns of all bytes; and the rules, if `check`."""
    sums: list[int] = []
    with EventStream(path, tap=lambda view: sums.append(crc32(view)), chunk=LARGE_CHUNK) as stream:
        validation = Validation(stream, 1, severities=("error",)) if check else None
        for chunk in stream.chunks():
            if validation is not None:
                validation.look_at(chunk)


def decode_both(*paths: str) -> None:
    """The limit of a comparison: the columns of both files, never compared."""
    with EventStream(paths[0]) as a, EventStream(paths[1]) as b:
        for _ in zip(a.chunks(), b.chunks(), strict=True):
            pass


def tiny_writes() -> Iterator[Measure]:
    """`write_event` of an event of one item and two samples."""
    items, losses = np.array([1], np.int32), np.array([[1.0, 2.0]], np.float32)

    def write(validate: bool) -> float:
        times = []
        for _ in range(5):
            with evstream.create(io.BytesIO(), "loss", len_sample=2, validate=validate) as out:
                start = time.perf_counter()
                for event in range(1, 4001):
                    out.write_event(event, items, losses, mean=1.5)
                times.append((time.perf_counter() - start) / 4000)
        return min(times) * 1e6

    yield Measure("write_event of a tiny event, checked", "us", lambda: write(True), 25)
    yield Measure("write_event of a tiny event, unchecked", "us", lambda: write(False))


def quiet(*arguments: str) -> Callable[[], None]:
    """A command in this process, so that its start does not count; its output is dropped."""

    def run() -> None:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            assert main(list(arguments)) == 0, arguments

    return run
