"""`python -m benchmarks.limits [--megabytes N]`: what no conversion of a stream can go below.

Processor time of single steps on data in memory, the least of some runs: the start of a command,
a copy of the bytes of the CSV, a file written from them, a Parquet file written by pyarrow from
ready columns, and one written by Polars; and what encoding columns and reading columns are made of.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

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
            print(f"{step}: {min(times):.3f} CPU-s", flush=True)


def steps_of(inputs: Inputs, folder: Path) -> dict[str, Callable[[], object]]:
    """Name of a step -> what it does."""
    import polars as pl
    import pyarrow.parquet as pq

    text, again, parquet = (str(folder / name) for name in ("a.csv", "b.csv", "c.parquet"))
    evstream.convert(inputs.path, text, durable=False)
    data = Path(text).read_bytes()
    table = evstream.read_arrow(inputs.path)
    frame = pl.DataFrame(inputs.columns)
    columns = [np.ascontiguousarray(column) for column in inputs.columns.values()]
    out = inputs.body.copy()

    def fill() -> None:
        for column in columns:
            np.empty_like(column).fill(1)

    return {
        "read the four columns in memory": lambda: [c.view("i4").max() for c in columns],
        "write the bytes of the stream to memory": lambda: out.fill(1),
        "copy the bytes of the stream": lambda: np.copyto(out, inputs.body),
        "encode from four columns": lambda: inputs.kernels.encode_rows(
            out, 0, inputs.state(), *columns, 0
        ),
        "write four new columns": fill,
        "read_columns": lambda: evstream.read_columns(inputs.path),
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
