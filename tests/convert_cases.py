"""Running `evstream convert`, and files to convert."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evstream
from evstream import EvstreamError, TableError
from golden_files import (
    GOLDEN,
    corpus_entries,
)
from support import run_main

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
pytest.importorskip("zstandard")

from evstream.conversion.convert import convert  # noqa: E402

LOSS = GOLDEN / "loss_i4_f4.bin"

needs_corpus = pytest.mark.skipif(not corpus_entries(), reason="no corpus beside the project")


def run(*arguments: object, stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    return run_main("convert", *arguments, stdin=stdin)


def refused(
    tmp_path: Path, name: str, data: bytes, *, to: str = "out.bin", **options: Any
) -> TableError:
    """The error that a file of this content meets; nothing is left of the output."""
    source, target = tmp_path / name, tmp_path / to
    source.write_bytes(data)
    with pytest.raises(EvstreamError) as caught:
        convert(str(source), str(target), **options)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"{source}: ")
    assert os.listdir(tmp_path) == [name]
    source.unlink()
    return caught.value  # type: ignore[return-value]


def converted(
    tmp_path: Path, name: str, data: bytes, *, to: str = "out.bin", **options: Any
) -> bytes:
    source, target = tmp_path / name, tmp_path / to
    source.write_bytes(data)
    convert(str(source), str(target), **options)
    return target.read_bytes()


def header_of(path: object) -> evstream.StreamHeader:
    with evstream.open(str(path)) as stream:
        return stream.header


TEXT = ["csv", "jsonl"]

CSV = b"event_id,item_id,sidx,loss\n1,1,-1,2.5\n1,1,1,3\n"


def losses(path: Path, events: int, items: int, samples: int) -> None:
    rng = np.random.default_rng(1)
    with evstream.create(str(path), "loss", len_sample=samples) as out:
        for event in range(1, events + 1):
            values = rng.random((items, samples)).round(3) + 0.001
            out.write_event(event, np.arange(1, items + 1), values, mean=values.mean(1), tiv=9.0)
