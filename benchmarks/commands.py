"""Measure whole commands and processes: conversions, start-up, the first run, memory."""

from __future__ import annotations

import functools
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
from benchmarks.measure import Case, Measure, Race

LOSS = ["--stream", "loss", "--len-sample", "100"]
FIRST_EVENT = "import sys, evstream; next(iter(evstream.open(sys.argv[1])))"


def cases(inputs: Inputs, folder: Path, tools: Path | None) -> Iterator[Case]:
    """The cases in the order of the table. `tools` is the folder of bintocsv and csvtobin."""
    # So that child processes import this evstream.
    os.environ["PYTHONPATH"] = str(Path(evstream.__file__).parents[1])
    yield from conversions(inputs, folder, tools)
    yield from start_up(folder)
    yield from memory(folder)


def conversions(inputs: Inputs, folder: Path, tools: Path | None) -> Iterator[Race]:
    """Commands with their start; bintocsv prints two decimals."""
    to_csv, to_bin = (tools and shutil.which(n, path=tools) for n in ("bintocsv", "csvtobin"))
    names = "gul.csv", "gul.parquet", "gul.arrow", "gul.jsonl", "ref.csv", "back.bin"
    text, parquet, arrow, lines, again, back = (str(folder / name) for name in names)
    print_csv = to_csv and command(to_csv, "gul", "-i", inputs.path, "-o", again)
    read_csv = to_bin and command(to_bin, "gul", "-i", text, "-o", back, "-t", "2", "-S", "100")
    once = functools.cache(lambda target: convert(inputs.path, target)())
    ours: Callable[[], object]
    for name, ours, theirs, goal, source in (
        (
            "bin to csv, 2 decimals",
            convert(inputs.path, text, "--precision", "2"),
            print_csv,
            4,
            "",
        ),
        ("csv to bin", convert(text, back, *LOSS), read_csv, 6, text),
        ("bin to csv, exact", convert(inputs.path, text), print_csv, 4, ""),
        ("bin to parquet", convert(inputs.path, parquet), print_csv, 4, ""),
        ("parquet to bin", convert(parquet, back), None, 0, parquet),
        ("bin to arrow", convert(inputs.path, arrow), None, 0, ""),
        ("arrow to bin", convert(arrow, back), None, 0, arrow),
        ("bin to jsonl", convert(inputs.path, lines), None, 0, ""),
        ("jsonl to bin", convert(lines, back, *LOSS), None, 0, lines),
    ):
        contestants: dict[str, Callable[[], object]] = {"evstream": ours}
        if theirs:
            contestants["bintocsv" if theirs is print_csv else "csvtobin"] = theirs
        goals = dict.fromkeys(list(contestants)[1:], float(goal))
        prepare = functools.partial(once, source) if source else None
        yield Race(name, inputs.size, contestants, goals, rounds=3, prepare=prepare)
    yield parquet_beside_polars(inputs, parquet)
    cat = command(sys.executable, "-m", "evstream", "cat", inputs.path)
    printing = {"evstream": cat, "convert": convert(inputs.path, text)}
    yield Race(
        "evstream cat, processor time", inputs.size, printing, {"convert": 0.95}, rounds=3,
        cpu=True, cost=True,
    )  # fmt: skip


def parquet_beside_polars(inputs: Inputs, target: str) -> Race:
    """From a file to a file in this process, compared with writing the same rows from memory."""
    import polars as pl

    frame = functools.cache(lambda: pl.DataFrame(inputs.columns))
    contestants: dict[str, Callable[[], object]] = {
        "evstream": lambda: evstream.convert(inputs.path, target, durable=False),
        "polars, from memory": lambda: frame().write_parquet(target + ".polars"),
    }
    goal = {"polars, from memory": 0.8}
    return Race("bin to parquet, in one process", inputs.size, contestants, goal, rounds=3)


def start_up(folder: Path) -> Iterator[Case]:
    """Measure imports, a small command, and compiling with an empty cache."""
    small = str(folder / "small.bin")
    with evstream.create(small, "loss", len_sample=1) as out:
        out.write_columns(1, 1, [-1, 1], 5.0)
    python = {
        name: command(sys.executable, "-c", f"import {name}") for name in ("evstream", "numba")
    }
    yield Race("import evstream", 0, python, {"numba": 1 / 1.15}, rounds=5)
    info = command(sys.executable, "-m", "evstream", "info", small)
    yield Measure("evstream info of a small file", "s", lambda: seconds(info), 0.6)
    cache = {"NUMBA_CACHE_DIR": str(folder / "numba")}
    first = command(sys.executable, "-c", FIRST_EVENT, small, **cache)
    warm_up = command(sys.executable, "-m", "evstream", "warmup", **cache)
    yield Measure("first event, empty numba cache", "s", lambda: seconds(first, 1), 3)
    again = Measure("first event in a new process, kernels cached", "s", lambda: seconds(first))
    again.limit, again.prepare = 0.35, first
    yield again
    yield Measure("evstream warmup, empty numba cache", "s", lambda: seconds(warm_up, 1))

    def added() -> int:
        compiled = set((folder / "numba").rglob("*"))
        warm_up()
        return len(set((folder / "numba").rglob("*")) - compiled)

    yield Measure("files that a second warmup adds to the cache", "", added, 0, warm_up)


def memory(folder: Path) -> Iterator[Measure]:
    """Measure memory above that of the imports, reading event by event."""
    for megabytes in (100, 1000):

        def value(megabytes: int = megabytes) -> float:
            return measure([write(folder / "memory.bin", megabytes)])[1]

        yield Measure(f"memory to read {megabytes} MB event by event", "MB", value, 150)


def convert(*arguments: str) -> Callable[[], object]:
    """Without waiting for the disk, as the programs of the reference."""
    return command(sys.executable, "-m", "evstream", "convert", "--no-fsync", *arguments)


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
