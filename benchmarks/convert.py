"""`python -m benchmarks.convert [--megabytes N] [--oasislmf DIR]`: time conversions.

Converts a loss stream to each format and back with the command line, and with oasislmf's
bintocsv and csvtobin where they are on the PATH or in DIR, in turn; prints medians of three
as a table. Whole commands are timed, their start included. bintocsv prints two decimals, so
it is compared with --precision 2; both csvtobin and evstream then read that file.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import evstream as package
from benchmarks.convert_1gb import write_stream

RUNS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=225)
    parser.add_argument("--oasislmf", type=Path, help="folder of bintocsv and csvtobin")
    options = parser.parse_args()
    tools = {name: find(name, options.oasislmf) for name in ("bintocsv", "csvtobin")}
    os.environ["PYTHONPATH"] = str(Path(package.__file__).parents[1])
    with tempfile.TemporaryDirectory() as name:
        os.chdir(name)
        write_stream(Path("gul.bin"), options.megabytes * 1_000_000)
        size = Path("gul.bin").stat().st_size / 1e6
        print(f"A loss stream of {size:.0f} MB; medians of {RUNS} runs, in seconds.\n")
        print("| Conversion | evstream | MB/s of stream | oasislmf | times as fast |")
        print("|---|--:|--:|--:|--:|")
        for label, ours, theirs in cases(tools):
            times: tuple[list[float], list[float]] = ([], [])
            for _ in range(RUNS):
                for command, taken in zip((ours, theirs), times, strict=True):
                    if command is not None:
                        taken.append(seconds(command))
            line(label, 0 if "without" in label else size, *times)


def cases(tools: dict[str, str | None]) -> list[tuple[str, list[str], list[str] | None]]:
    """(label, our command, theirs)."""
    to_csv, to_bin = tools["bintocsv"], tools["csvtobin"]
    loss = ["--stream", "loss", "--len-sample", "100"]
    return [
        ("a stream without events", evstream("empty.csv", "empty.bin", *loss), None),
        (
            "bin to csv, 2 decimals",
            evstream("gul.bin", "gul2.csv", "--precision", "2"),
            to_csv and [to_csv, "gul", "-i", "gul.bin", "-o", "ref.csv"],
        ),
        (
            "csv to bin, 2 decimals",
            evstream("gul2.csv", "back.bin", *loss),
            to_bin and [to_bin, "gul", "-i", "gul2.csv", "-o", "ref.bin", "-t", "2", "-S", "100"],
        ),
        ("bin to csv, exact", evstream("gul.bin", "gul.csv"), None),
        ("csv to bin, exact", evstream("gul.csv", "back.bin", *loss), None),
        ("bin to parquet", evstream("gul.bin", "gul.parquet"), None),
        ("parquet to bin", evstream("gul.parquet", "back.bin"), None),
        ("bin to arrow", evstream("gul.bin", "gul.arrow"), None),
        ("arrow to bin", evstream("gul.arrow", "back.bin"), None),
        ("bin to jsonl", evstream("gul.bin", "gul.jsonl"), None),
        ("jsonl to bin", evstream("gul.jsonl", "back.bin", *loss), None),
    ]  # type: ignore[return-value]


def evstream(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "evstream", "convert", *arguments]


def find(name: str, folder: Path | None) -> str | None:
    return shutil.which(name, path=None if folder is None else str(folder.absolute()))


def seconds(command: list[str]) -> float:
    Path("empty.csv").write_text("event_id,item_id,sidx,loss\n")
    start = time.perf_counter()
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def line(label: str, size: float, ours: list[float], theirs: list[float]) -> None:
    taken = statistics.median(ours)
    cells = [f"{taken:.2f}", f"{size / taken:,.0f}" if size else "", "", ""]
    if theirs:
        other = statistics.median(theirs)
        cells[2:] = [f"{other:.2f}", f"{other / taken:.1f}"]
    print(f"| {label} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
