"""Mutate golden files and random streams, and compare evstream with the oracle.

    python tests/fuzz/fuzz_stream.py --seconds 600
    python tests/fuzz/fuzz_stream.py --count 100000 --seed 7
    python tests/fuzz/fuzz_stream.py --replay build/fuzz/7-12345.bin

Input number N of seed S is always the same, so that S and N are enough to repeat it. The
kernels are compiled with bounds checks (unless NUMBA_BOUNDSCHECK=0 is set), address space is
limited, and inputs that take longer than STUCK seconds end the run with a traceback.
"""

from __future__ import annotations

import argparse
import faulthandler
import mmap
import os
import random
import resource
import sys
import time
from pathlib import Path

os.environ.setdefault("NUMBA_BOUNDSCHECK", "1")
os.environ.setdefault("EVSTREAM_CACHE", "0")  # numba's cache does not know of bounds checks
sys.path.insert(0, str(Path(__file__).parents[2] / "src"))
sys.path.insert(0, str(Path(__file__).parents[1]))

import targets

STUCK = 60
"""Seconds that sixteen inputs may take, compiling the kernels of their widths included."""

ADDRESS_SPACE = 6 << 30
"""Bytes of address space, of which numba and LLVM take two thirds."""

RESIDENT = 1 << 30
"""Bytes that may ever be resident: 400 MB for Python, numba and compiled kernels, the rest for
what one input may take, of which a zstd window of 128 MiB is most."""


def main() -> int:
    options = parse_arguments()
    limit = options.seconds if options.seconds is not None else float("inf")
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    targets.quiet()
    widths = targets.WIDTHS[: options.widths]
    if options.replay:
        targets.run(options.replay.read_bytes(), targets.WIDTHS)
        print(f"{options.replay}: as promised")
        return 0
    options.findings.mkdir(parents=True, exist_ok=True)
    corpus = targets.seeds_for(widths)
    current = Current(options.findings / f"current-{options.seed}-{os.getpid()}.bin")
    number = size = 0
    findings = 0
    start = time.monotonic()
    while number < options.count and time.monotonic() - start < limit:
        if number % 16 == 0:
            faulthandler.dump_traceback_later(STUCK, exit=True)
        given = corpus[number] if number < len(corpus) else numbered(options, number, corpus)
        current.show(given)
        try:
            targets.run(given, widths)
        except Exception as error:
            findings += 1
            path = options.findings / f"{options.seed}-{number}.bin"
            path.write_bytes(given)
            print(f"{path}: {type(error).__name__}: {error}", flush=True)
        number += 1
        size += len(given)
    faulthandler.cancel_dump_traceback_later()
    current.close()
    seconds = time.monotonic() - start
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(
        f"fuzz_stream: {number:,} inputs ({size / 1e6:,.0f} MB) of seed {options.seed} in "
        f"{seconds:,.0f} s, {number / seconds:,.0f} per second; "
        f"bounds checks {'on' if os.environ['NUMBA_BOUNDSCHECK'] == '1' else 'off'}; "
        f"at most {resident >> 20} MiB resident of {RESIDENT >> 20}; {findings} findings"
    )
    return int(findings > 0 or resident > RESIDENT)


def numbered(options: argparse.Namespace, number: int, corpus: list[bytes]) -> bytes:
    """Input `number` of a seed."""
    chance = random.Random(f"{options.seed}:{number}")
    return targets.new_input(chance, corpus, options.widths)


class Current:
    """A file with the input that is being run, to be found when the process crashes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.write_bytes(bytes(8 + targets.LARGEST))
        with path.open("r+b") as file:
            self.map = mmap.mmap(file.fileno(), 0)

    def show(self, given: bytes) -> None:
        """Eight bytes that say how long it is, then the input."""
        given = given[: targets.LARGEST]
        self.map[: 8 + len(given)] = len(given).to_bytes(8, "little") + given

    def close(self) -> None:
        self.map.close()
        self.path.unlink()


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--count", type=int, default=sys.maxsize)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--widths", type=int, default=len(targets.WIDTHS), metavar="N",
                        help="only the first N of the eight combinations of widths")  # fmt: skip
    parser.add_argument("--findings", type=Path, default=Path("build/fuzz"), metavar="DIR")
    parser.add_argument("--replay", type=Path, metavar="FILE")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
