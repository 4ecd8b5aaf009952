"""Streams to read from sources of every kind."""

from __future__ import annotations

import contextlib
import io
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from golden_files import GOLDEN
from support import PATIENCE, Reading, read_all

SMALL = (GOLDEN / "loss_i4_f4.bin").read_bytes()

LARGE = (GOLDEN / "loss_item_larger_than_65536.bin").read_bytes()


def expected(data: bytes) -> Reading:
    reading = read_all(io.BytesIO(data))
    assert reading.error is None
    assert reading.events
    return reading


@contextlib.contextmanager
def as_path(data: bytes, folder: Path) -> Iterator[Path]:
    path = folder / "stream.bin"
    path.write_bytes(data)
    yield path


@contextlib.contextmanager
def as_file(data: bytes, folder: Path, mode: str = "rb", buffering: int = -1) -> Iterator[Any]:
    with as_path(data, folder) as path, open(path, mode, buffering) as file:
        yield file
        assert not file.closed


def write_slowly(descriptor: int, data: bytes, pause: float = 0.01) -> threading.Thread:
    """Write the data in a few pieces, each after a pause, and close."""

    def write() -> None:
        step = len(data) // 3 + 1
        for start in range(0, len(data), step):
            time.sleep(pause)
            view = memoryview(data)[start : start + step]
            while view:
                view = view[os.write(descriptor, view) :]
        os.close(descriptor)

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    return thread


@contextlib.contextmanager
def as_pipe(data: bytes, folder: Path, blocking: bool = True) -> Iterator[int]:
    reader, writer = os.pipe()
    os.set_blocking(reader, blocking)
    thread = write_slowly(writer, data)
    yield reader
    thread.join(PATIENCE)
    os.close(reader)
