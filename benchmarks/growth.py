"""Measure how cost grows: time and memory by file size, records per item, number of streams.

Each point is a process of its own. Its memory is its peak minus the peak of a process that only
imports. `python -m benchmarks.growth FOLDER` writes growth.png and
growth.json there.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import evstream

MEGABYTES = [10, 40, 160, 640, 2500, 4000]
RECORDS_PER_ITEM = [1, 3, 10, 30, 100, 300, 1000, 10_000]
STREAMS = [1, 4, 16, 64, 256]
SIZE = 160  # MB, where another quantity grows

READ = """
import sys, time
import evstream
evstream.open; import evstream.reading.stream, evstream.reading.decoder
from evstream.cli.warmup import warm_up
warm_up("loss", {})

def peak():
    # Not ru_maxrss, which begins with the peak of the process that started this one.
    (line,) = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024

before = peak()
start = time.perf_counter()
streams = [iter(evstream.open(path)) for path in sys.argv[1:]]
total = 0.0
while streams:
    for stream in list(streams):
        event = next(stream, None)
        if event is None:
            streams.remove(stream)
        else:
            total += float(event.loss.sum(dtype=float))
seconds = time.perf_counter() - start
print(seconds, peak() - before)
"""


def measure(paths: list[Path]) -> tuple[float, float]:
    """Seconds to read all events of the files in turn, and MB of memory above the imports."""
    command = [sys.executable, "-c", READ, *map(str, paths)]
    results = []
    for _ in range(3):
        out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        results.append(tuple(map(float, out.split())))
    return min(r[0] for r in results), max(r[1] for r in results)


def write(path: Path, megabytes: float, records: int = 100, items: int = 100) -> Path:
    """Write a loss stream with `records` records in each item."""
    columns = np.arange(1, items + 1), np.ones((items, records), np.float32)
    with evstream.create(path, "loss", len_sample=records) as out:
        event = 0
        while out.offset < megabytes * 1e6:
            event += 1
            out.write_event(event, *columns)
    return path


def points(folder: Path) -> Iterator[tuple[str, float, float, float]]:
    """Measure the points: (quantity that grows, its value, seconds, MB)."""
    for megabytes in MEGABYTES:
        path = write(folder / "size.bin", megabytes)
        yield ("file size, MB", megabytes, *measure([path]))
        path.unlink()
    for records in RECORDS_PER_ITEM:
        path = write(folder / "records.bin", SIZE, records, max(10_000 // records, 1))
        yield ("records per item", records, *measure([path]))
        path.unlink()
    for count in STREAMS:
        paths = [write(folder / f"{i}.bin", SIZE / count) for i in range(count)]
        yield ("streams", count, *measure(paths))
        for path in paths:
            path.unlink()


def plot(measured: list[tuple[str, float, float, float]], target: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    kinds = list(dict.fromkeys(kind for kind, *_ in measured))
    figure, axes = plt.subplots(2, len(kinds), figsize=(11, 6), layout="constrained")
    for column, kind in enumerate(kinds):
        xs, seconds, memory = zip(*[m[1:] for m in measured if m[0] == kind], strict=True)
        for row, (values, label) in enumerate([(seconds, "seconds"), (memory, "MB of memory")]):
            axis = axes[row][column]
            axis.plot(xs, values, "o-")
            axis.set(xscale="log", xlabel=kind, ylabel=label)
            axis.set_ylim(bottom=0)
            if kind == "file size, MB" and label == "seconds":
                axis.set(yscale="log", ylim=(min(values) / 2, max(values) * 2))
            axis.grid(alpha=0.3)
    figure.savefig(target, dpi=90)


def main() -> None:
    target = Path(sys.argv[1] if len(sys.argv) > 1 else "docs")
    measured = []
    with tempfile.TemporaryDirectory() as folder:
        for point in points(Path(folder)):
            measured.append(point)
            print("{} {:g}: {:.3f} s, {:.0f} MB".format(*point), flush=True)
    (target / "growth.json").write_text(json.dumps(measured, indent=1) + "\n")
    plot(measured, target / "growth.png")


if __name__ == "__main__":
    main()
