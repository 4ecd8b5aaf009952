"""What the checks of readers cost: those of callbacks, the trial of widths, the rules of a seal.

    python benchmarks/check_costs.py [--megabytes 100]

The runs that are compared take turns, and the best of each counts. Time is that of the processor.
"""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Callable

import numba
import numpy as np

import evstream
from evstream.checking.one_stream import Validation
from evstream.checking.seal import Sealer
from evstream.reading.stream import EventStream
from evstream.reading.width_trial import FIRST, WidthTrial

ROUNDS = 7


@numba.njit
def on_entry(total, sidx, loss):  # type: ignore[no-untyped-def]
    total[0] += loss


def stream_of(megabytes: int, samples: int) -> bytes:
    """A loss stream, its events of 100 items."""
    target = io.BytesIO()
    chance = np.random.default_rng(1)
    items = np.arange(1, 101)
    losses = chance.gamma(1, 1000, (100, samples)).astype(np.float32)
    with evstream.create(target, "loss", len_sample=samples) as out:
        event = 0
        while out.offset < megabytes * 1_000_000:
            event += 1
            out.write_event(event, items, losses, mean=losses.mean(axis=1), tiv=1e6)
    return target.getvalue()


def best(*runs: Callable[[], object]) -> list[float]:
    """Processor seconds of each, the best of some rounds in which they take turns."""
    times = [float("inf")] * len(runs)
    for run in runs:
        run()
    for _ in range(ROUNDS):
        for number, run in enumerate(runs):
            start = time.process_time()
            run()
            times[number] = min(times[number], time.process_time() - start)
    return times


def callbacks(data: bytes, check: bool) -> Callable[[], object]:
    reader = evstream.reader_class("loss", on_entry=on_entry, check=check)

    def read() -> None:
        for _ in reader(np.zeros(1)).read(io.BytesIO(data)):
            pass

    return read


def sealing(data: bytes, rules: bool) -> Callable[[], object]:
    def seal() -> None:
        sealer = Sealer("stream")
        with EventStream(io.BytesIO(data), tap=sealer.update) as stream:
            validation = Validation(stream, 1, severities=("error",))
            for chunk in stream.chunks():
                if rules:
                    validation.look_at(chunk)
        sealer.finish()

    return seal


def trial(data: bytes) -> Callable[[], object]:
    header = evstream.open(io.BytesIO(data)).header

    def judge() -> None:
        trial = WidthTrial("stream", header)
        trial.take(data[:FIRST])
        trial.judge()

    return judge


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--megabytes", type=int, default=100)
    megabytes = parser.parse_args().megabytes
    for samples in (10, 100):
        data = stream_of(megabytes, samples)
        with_check, without = best(callbacks(data, True), callbacks(data, False))
        print(f"{samples} samples: callbacks {1e3 * with_check:.1f} ms, without check "
              f"{1e3 * without:.1f} ms: {100 * (with_check / without - 1):.0f} %")  # fmt: skip
        rules, counts = best(sealing(data, True), sealing(data, False))
        speed = megabytes / 1e3
        print(f"{samples} samples: seal {speed / rules:.2f} GB/s, without rules "
              f"{speed / counts:.2f} GB/s")  # fmt: skip
        (seconds,) = best(trial(data))
        print(f"{samples} samples: trial of widths {1e3 * seconds:.2f} ms per opening")


if __name__ == "__main__":
    main()
