"""Simulate how long a job over many workers takes: `python -m benchmarks.simulate`.

    python -m benchmarks.simulate [--terabytes 10] [--workers 1000] ...

Nothing is measured here. A part goes to the first worker that is free. It takes a task's overhead
of the scheduler, a few requests, and its bytes at the speed that a worker can read them (its own or
its share of the store's) or work on them, whichever is slower. Requests of all workers pass one
limiter. A giant event, with whole events, makes one part as large as itself. Retries and slow
workers are drawn from a seeded generator. The assumptions are arguments; docs/scale.md quotes the
output.
"""

from __future__ import annotations

import argparse
import heapq
import math
from bisect import bisect_left
from dataclasses import dataclass, replace
from itertools import accumulate

import numpy as np

MIB, GB = 1 << 20, 1e9
RAMP = (MIB // 4, MIB // 2, MIB, 2 * MIB, 4 * MIB)
RANGE = 8 * MIB
"""Bytes of the first requests for a part, and of the others; as `evstream.transport.read_ahead`."""

EDGE_REQUESTS = 3
"""The beginning of the file, and the two edges of the part."""


@dataclass(frozen=True)
class Cluster:
    """What is assumed.

    Attributes:
        workers: of one core each.
        work: bytes per second that a worker decodes and adds up.
        line: bytes per second that a worker reads from the store.
        store: bytes per second that the store sends to all of them.
        latency: seconds before the first byte of a request.
        in_flight: requests of a worker at once.
        requests: per second that the store answers, for all objects together.
        dispatch: seconds of the scheduler per task; one after the other.
        start: seconds of a worker per task: Python, sending the result.
        slow: share of the workers that have a third of the speed.
        failing: share of the tasks that run twice.
    """

    workers: int = 1000
    work: float = 1.0 * GB
    line: float = 0.15 * GB
    store: float = 100 * GB
    latency: float = 0.05
    in_flight: int = 6
    requests: float = 5500 * 10
    dispatch: float = 0.0005
    start: float = 0.02
    slow: float = 0.02
    failing: float = 0.001


@dataclass(frozen=True)
class Outcome:
    """What a job took.

    Attributes:
        parts: number of them.
        requests: number of them.
        seconds: until the last worker is done.
        ideal: if all workers were busy all the time with bytes alone.
        busy: share of the time of all workers that they spend on parts.
        memory: bytes of rows that a worker holds if it makes tables of its largest part.
    """

    parts: int
    requests: int
    seconds: float
    ideal: float
    busy: float
    memory: float


def simulate(
    cluster: Cluster, size: float, part: float, giant: float = 0, seed: int = 1
) -> Outcome:
    """A job over `size` bytes in parts of `part` bytes, one of them a whole event of `giant`."""
    chance = np.random.default_rng(seed)
    sizes = np.full(max(int((size - giant) // part), 1), part)
    if giant > part:
        sizes = np.insert(sizes, int(chance.integers(len(sizes))), giant)
    line = min(cluster.line, cluster.store / cluster.workers)
    counts = np.array([requests_of(size) for size in sizes])
    # Reading and decoding overlap within a part; its first requests come one after the other.
    transfer = np.maximum(sizes / line, sizes / cluster.work)
    waiting = cluster.latency * (EDGE_REQUESTS + 1)
    paced = cluster.latency * (counts - EDGE_REQUESTS) / cluster.in_flight
    took = cluster.start + waiting + np.maximum(transfer, paced)
    took = np.where(chance.random(len(took)) < cluster.failing, 2 * took, took)
    speeds = np.where(chance.random(cluster.workers) < cluster.slow, 1 / 3, 1.0)
    free = [(0.0, worker) for worker in range(cluster.workers)]
    heapq.heapify(free)
    end = busy = asked = 0.0
    for number, seconds in enumerate(took.tolist()):
        ready, worker = heapq.heappop(free)
        begin = max(ready, number * cluster.dispatch, asked / cluster.requests)
        asked += int(counts[number])
        taken = seconds / speeds[worker]
        busy += taken
        end = max(end, begin + taken)
        heapq.heappush(free, (begin + taken, worker))
    ideal = size / cluster.workers / min(line, cluster.work)
    share = busy / (end * cluster.workers)
    return Outcome(len(sizes), int(counts.sum()), end, ideal, share, 2 * float(sizes.max()))


def requests_of(size: float) -> int:
    """How many requests a part of an object takes."""
    ramp = list(accumulate(RAMP))
    if size <= ramp[-1]:
        return EDGE_REQUESTS + bisect_left(ramp, size) + 1
    return EDGE_REQUESTS + len(RAMP) + math.ceil((size - ramp[-1]) / RANGE)


def table(cluster: Cluster, size: float, smallest: int = 8) -> list[str]:
    """Rows of Markdown: sizes of parts from `smallest` MiB on, one giant event, fewer requests,
    disks."""
    rows = [
        "| Case | Parts | Requests | Minutes | Beside ideal | Workers busy | Rows of a part |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]

    def row(name: str, outcome: Outcome) -> None:
        ratio = outcome.seconds / outcome.ideal
        rows.append(
            f"| {name} | {outcome.parts:,} | {outcome.requests:,} | {outcome.seconds / 60:.1f} "
            f"| {ratio:.2f}x | {outcome.busy:.0%} | {outcome.memory / GB:.2f} GB |"
        )

    for mebibytes in (8, 64, 256, 1024, 4096):
        if mebibytes >= smallest:
            row(f"parts of {mebibytes} MiB", simulate(cluster, size, mebibytes * MIB))
    default = 256 * MIB
    for giant in (1 * GB, 10 * GB, 100 * GB):
        name = f"256 MiB, whole events, one of {giant / GB:.0f} GB"
        row(name, simulate(cluster, size, default, giant))
    few = replace(cluster, requests=5500)
    for mebibytes in (8, 256):
        if mebibytes >= smallest:
            name = f"{mebibytes} MiB, 5,500 requests/s (one prefix)"
            row(name, simulate(few, size, mebibytes * MIB))
    local = replace(cluster, line=1 * GB, store=math.inf, latency=0.001, requests=math.inf)
    for mebibytes in (256, 1024):
        name = f"{mebibytes} MiB, from disks of 1 GB/s per worker"
        row(name, simulate(local, size, mebibytes * MIB))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulate", description=__doc__)
    parser.add_argument("--terabytes", type=float, default=10)
    for name, default in vars(Cluster()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(default), default=default)
    options = vars(parser.parse_args())
    size = options.pop("terabytes") * 1e12
    print("\n".join(table(Cluster(**options), size)))


if __name__ == "__main__":
    main()
