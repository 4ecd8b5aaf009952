"""`python -m benchmarks.limits [--megabytes N]`: what no conversion of a stream can go below.

Processor time of single steps on data in memory, the least of some runs: the start of a command,
a copy of the bytes of the CSV, a file written from them, a Parquet file written by pyarrow from
ready columns, and one written by Polars.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import evstream
from benchmarks.inputs import Inputs
from benchmarks.measure import cpu_seconds

IMPORTS = "import numba, pyarrow.parquet, polars"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.limits", description=__doc__)
    parser.add_argument("--megabytes", type=int, default=250, help="size of the loss stream")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        steps = steps_of(Inputs(folder, options.megabytes), folder)
        for step, run in steps.items():
            times = []
            for _ in range(options.rounds):
                start = cpu_seconds()
                run()
                times.append(cpu_seconds() - start)
            print(f"{step}: {min(times):.2f} CPU-s", flush=True)


def steps_of(inputs: Inputs, folder: Path) -> dict[str, Callable[[], object]]:
    """Name of a step -> what it does."""
    import polars as pl
    import pyarrow.parquet as pq

    text, again, parquet = (str(folder / name) for name in ("a.csv", "b.csv", "c.parquet"))
    evstream.convert(inputs.path, text, durable=False)
    data = Path(text).read_bytes()
    table = evstream.read_arrow(inputs.path)
    frame = pl.DataFrame(inputs.columns)
    return {
        "imports of a command": lambda: subprocess.run([sys.executable, "-c", IMPORTS], check=True),
        f"copy the {len(data) / 1e6:.0f} MB of CSV in memory": lambda: bytearray(data),
        "write them to a file": lambda: Path(again).write_bytes(data),
        "bin to CSV, in one process": lambda: evstream.convert(inputs.path, text, durable=False),
        "CSV written by Polars, from memory": lambda: frame.write_csv(again),
        "Parquet written by pyarrow, from memory": lambda: pq.write_table(
            table, parquet, compression="zstd"
        ),
        "Parquet written by Polars, from memory": lambda: frame.write_parquet(parquet),
        "bin to Parquet, in one process": lambda: evstream.convert(
            inputs.path, parquet, durable=False
        ),
    }


if __name__ == "__main__":
    main()
