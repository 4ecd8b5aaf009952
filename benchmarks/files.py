"""Measure the flat files of a run folder: to CSV and back, beside bintocsv and csvtobin."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

import evstream
from benchmarks.commands import command, convert
from benchmarks.inputs import Inputs
from benchmarks.measure import Race

MEGABYTES = 20
"""Size of each file; a tenth of the loss stream if that is smaller."""

TYPES = ("items", "coverages", "fm_profile", "selt")
"""Whole numbers; floats with the number of the record; many floats; a result table."""


def cases(inputs: Inputs, folder: Path, tools: Path | None) -> Iterator[Race]:
    """Two cases per type. `tools` is the folder of bintocsv and csvtobin."""
    to_csv, to_bin = (tools and shutil.which(n, path=tools) for n in ("bintocsv", "csvtobin"))
    megabytes = min(MEGABYTES, max(inputs.megabytes // 10, 1))
    for name in TYPES:
        file, text, again, back = (
            str(folder / end) for end in (f"{name}.bin", f"{name}.csv", "again.csv", "back.bin")
        )
        make = functools.cache(functools.partial(_write, file, text, name, megabytes))
        printing: dict[str, Callable[[], object]] = {
            "evstream": convert(file, again, "--stream", name)
        }
        parsing: dict[str, Callable[[], object]] = {
            "evstream": convert(text, back, "--stream", name)
        }
        if to_csv:
            printing["bintocsv"] = command(to_csv, name, "-i", file, "-o", again)
        if to_bin:
            parsing["csvtobin"] = command(to_bin, name, "-i", text, "-o", back)
        yield Race(f"{name} of {megabytes} MB to csv", 0, printing, {}, rounds=3, prepare=make)
        yield Race(f"csv to {name} of {megabytes} MB", 0, parsing, {}, rounds=3, prepare=make)


def _write(file: str, text: str, name: str, megabytes: int) -> None:
    """A file of so many megabytes and its CSV: numbers from 1, losses with cents."""
    rng = np.random.default_rng(1)
    out = evstream.create(file, name, durable=False)
    count = megabytes * 1_000_000 // out.header.block_dtype.itemsize
    columns = {
        column: np.arange(1, count + 1).astype(dtype)
        if dtype.kind in "iu"
        else np.round(rng.random(count) * 1000, 2).astype(dtype)
        for column, dtype in out.header.row_columns.items()
    }
    with out:
        out.write_columns(**columns)
    evstream.convert(file, text, stream=name, durable=False)
