"""Measure whole commands and processes: conversions, start-up, the first run, memory."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import evstream
from benchmarks.growth import measure, write
from benchmarks.inputs import Inputs
from benchmarks.measure import Fact, Result, race

LOSS = ["--stream", "loss", "--len-sample", "100"]
FIRST_EVENT = "import sys, evstream; next(iter(evstream.open(sys.argv[1])))"


def cases(inputs: Inputs, folder: Path, tools: Path | None) -> Iterator[Result | Fact]:
    """The cases in the order of the table. `tools` is the folder of bintocsv and csvtobin."""
    # So that child processes import this evstream.
    os.environ["PYTHONPATH"] = str(Path(evstream.__file__).parents[1])
    yield from conversions(inputs, folder, tools)
    yield from start_up(folder)
    yield from memory(folder)


def conversions(inputs: Inputs, folder: Path, tools: Path | None) -> Iterator[Result]:
    """Commands with their start; bintocsv prints two decimals."""
    to_csv, to_bin = (tools and shutil.which(n, path=tools) for n in ("bintocsv", "csvtobin"))
    names = "gul.csv", "gul.parquet", "gul.arrow", "gul.jsonl", "ref.csv", "back.bin"
    text, parquet, arrow, lines, again, back = (str(folder / name) for name in names)
    print_csv = to_csv and command(to_csv, "gul", "-i", inputs.path, "-o", again)
    read_csv = to_bin and command(to_bin, "gul", "-i", text, "-o", back, "-t", "2", "-S", "100")
    for name, ours, theirs in (
        ("bin to csv, 2 decimals", convert(inputs.path, text, "--precision", "2"), print_csv),
        ("csv to bin", convert(text, back, *LOSS), read_csv),
        ("bin to csv, exact", convert(inputs.path, text), print_csv),
        ("bin to parquet", convert(inputs.path, parquet), print_csv),
        ("parquet to bin", convert(parquet, back), None),
        ("bin to arrow", convert(inputs.path, arrow), None),
        ("arrow to bin", convert(arrow, back), None),
        ("bin to jsonl", convert(inputs.path, lines), None),
        ("jsonl to bin", convert(lines, back, *LOSS), None),
    ):
        contestants: dict[str, Callable[[], object]] = {"evstream": ours}
        if theirs:
            contestants["bintocsv" if theirs is print_csv else "csvtobin"] = theirs
        goal = dict.fromkeys(list(contestants)[1:], 5.0)
        yield race(name, inputs.size, contestants, goal, rounds=3)


def start_up(folder: Path) -> Iterator[Result | Fact]:
    """Measure imports, a small command, and compiling with an empty cache."""
    small = str(folder / "small.bin")
    with evstream.create(small, "loss", len_sample=1) as out:
        out.write_columns(1, 1, [-1, 1], 5.0)
    python = {
        name: command(sys.executable, "-c", f"import {name}") for name in ("evstream", "numba")
    }
    yield race("import evstream", 0, python, {"numba": 1 / 1.15}, rounds=5)
    info = command(sys.executable, "-m", "evstream", "info", small)
    yield Fact("evstream info of a small file", seconds(info), "s", 0.6)
    cache = {"NUMBA_CACHE_DIR": str(folder / "numba")}
    first = command(sys.executable, "-c", FIRST_EVENT, small, **cache)
    yield Fact("first event, empty numba cache", seconds(first, 1), "s", 3)
    yield Fact("the same in a second process", seconds(first, 1), "s")
    warm_up = command(sys.executable, "-m", "evstream", "warmup", **cache)
    yield Fact("evstream warmup, empty numba cache", seconds(warm_up, 1), "s")
    compiled = set((folder / "numba").rglob("*"))
    warm_up()
    added = len(set((folder / "numba").rglob("*")) - compiled)
    yield Fact("files that a second warmup adds to the cache", added, "", 0)


def memory(folder: Path) -> Iterator[Fact]:
    """Measure memory above that of the imports, reading event by event."""
    for megabytes in (100, 1000):
        stream = write(folder / "memory.bin", megabytes)
        name = f"memory to read {megabytes} MB event by event"
        yield Fact(name, measure([stream])[1], "MB", 150)


def convert(*arguments: str) -> Callable[[], object]:
    return command(sys.executable, "-m", "evstream", "convert", *arguments)


def command(*arguments: str, **environment: str) -> Callable[[], object]:
    def run() -> None:
        subprocess.run(
            arguments, env={**os.environ, **environment}, check=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    return run


def seconds(run: Callable[[], object], rounds: int = 5) -> float:
    taken = []
    for _ in range(rounds):
        start = time.perf_counter()
        run()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)
