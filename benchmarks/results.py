"""Measure the result tables of summary streams beside eltpy, aalpy and lecpy, as processes."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

import evstream
from benchmarks.measure import Case, Later, Race

SAMPLES, SUMMARIES, PERIODS = 100, 10, 1000

ELT = "-s out/s.bin -m out/m.bin -q out/q.bin"
LEC = "-F -W -S -M -f -w -s -m"


def cases(folder: Path, megabytes: int, tools: Path | None) -> Iterator[Case]:
    """The cases in the order of the table. `tools` is the folder of the reference's programs."""
    os.environ["PYTHONPATH"] = str(Path(evstream.__file__).parents[1])
    run_folder = functools.cache(lambda: make_run(folder / "results", megabytes))
    stream, occurrence = "work/gul/summary.bin", ["--occurrence", "input/occurrence.bin"]
    points = ["--return-periods", "input/returnperiods.bin"]
    quantiles = ["--quantiles", "input/quantile.bin"]
    rows: list[tuple[str, list[list[str]], str, str]] = [
        ("selt, melt and qelt",
         [["elt", stream, "--table", "selt", "-o", "out/a.bin"], ["elt", stream, "-o", "out/b.bin"],
          ["elt", stream, "--table", "qelt", *quantiles, "-o", "out/c.bin"]],
         "eltpy", f"-E bin -i {stream} {ELT}"),
        ("aal and alct",
         [["aal", stream, *occurrence, "-o", "out/a.bin"],
          ["aal", stream, *occurrence, "--table", "alct", "-o", "out/b.bin"]],
         "aalpy", "-E bin -K gul -a out/aal.bin -c out/alct.bin"),
        ("ept and psept",
         [["ept", stream, *occurrence, *points, "-o", "out/a.bin"],
          ["ept", stream, *occurrence, *points, "--per-sample", "-o", "out/b.bin"]],
         "lecpy", f"-E bin -K gul -O out/ept.bin -o out/psept.bin -r {LEC}"),
    ]  # fmt: skip
    for name, ours, peer, arguments in rows:
        program = tools and shutil.which(peer, path=tools)
        build = functools.partial(race, name, run_folder, ours, peer, program, arguments)
        yield Later(f"results: {name}, processor time", build)


def race(
    name: str, folder: Callable[[], Path], ours: list[list[str]], peer: str, program: str | None,
    arguments: str,
) -> Race:  # fmt: skip
    """Our commands, one per table, in one process, beside the program of the reference, which makes
    all of them; starts included."""
    where = folder()

    def run(command: list[str]) -> None:
        subprocess.run(command, cwd=where, check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)  # fmt: skip

    commands = [[*one, "--no-fsync"] for one in ours]
    code = f"from evstream.cli.program import main; assert not any(map(main, {commands}))"
    contestants: dict[str, Callable[[], object]] = {
        "evstream": lambda: run([sys.executable, "-c", code])
    }
    if program is not None:
        contestants[peer] = lambda: run([program, *arguments.split()])
    size = (where / "work" / "gul" / "summary.bin").stat().st_size
    return Race(
        f"results: {name}, processor time", size, contestants, {peer: 1}, rounds=3, cpu=True,
        cost=True, family=True,
    )  # fmt: skip


def make_run(folder: Path, megabytes: int) -> Path:
    """A run folder with a summary stream of so many megabytes, and its index of summaries, by
    which aalpy and lecpy are quicker."""
    for name in ("input", "work/gul", "out"):
        (folder / name).mkdir(parents=True)
    random = np.random.default_rng(1)
    events = max(megabytes * 1_000_000 // (SUMMARIES * (20 + 8 * SAMPLES)), 10)
    path = folder / "work" / "gul" / "summary.bin"
    summaries = np.arange(1, SUMMARIES + 1)
    header = {"len_sample": SAMPLES, "summary_set_id": 1}
    with evstream.create(path, "summary", durable=False, **header) as out:
        for event in range(1, events + 1):
            losses = random.gamma(0.5, 1e5, (SUMMARIES, SAMPLES)).astype("f4")
            losses[losses < 1000] = 0
            out.write_event(event, summaries, losses, mean=losses.mean(axis=1),
                            max_loss=losses.max(axis=1),
                            exposure_values=np.full(SUMMARIES, 1e7))  # fmt: skip
    index = np.zeros(events * SUMMARIES, [("summary", "<i4"), ("offset", "<i8")])
    with evstream.open(path) as stream:
        chunks = [(chunk.columns.block[1], np.diff(chunk.columns.offsets), chunk.continues)
                  for chunk in stream.chunks()]  # fmt: skip
    ids = np.concatenate([block[int(goes_on) :] for block, _, goes_on in chunks])
    sizes: list[int] = []
    for _, counts, goes_on in chunks:
        first = 0
        if goes_on:
            sizes[-1] += int(counts[0])
            first = 1
        sizes += counts[first:].tolist()
    head = stream.header.block_dtype.itemsize
    lengths = head + 8 * (np.array(sizes) + 1)
    index["summary"], index["offset"] = ids, stream.header.size + np.cumsum(lengths) - lengths
    path.with_suffix(".idx").write_bytes(index.tobytes())
    numbers = np.arange(1, events + 1, dtype="<i4")
    rows = np.stack([numbers, random.integers(1, PERIODS + 1, events), 735000 + numbers], axis=1)
    head_of_file = np.array([1, PERIODS], "<i4").tobytes()
    inputs = folder / "input"
    (inputs / "occurrence.bin").write_bytes(head_of_file + rows.astype("<i4").tobytes())
    points = np.array([1000, 500, 250, 100, 50, 25, 10, 5, 2], "<i4")
    (inputs / "returnperiods.bin").write_bytes(points.tobytes())
    quantiles = np.array([0, 0.25, 0.5, 0.75, 0.9, 1], "<f4")
    (inputs / "quantile.bin").write_bytes(quantiles.tobytes())
    return folder
