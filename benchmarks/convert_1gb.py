"""`python -m benchmarks.convert_1gb [--megabytes N]`: convert a large stream in little memory.

Writes a loss stream of 1 GB to a temporary folder, converts it to Parquet and CSV and both back,
and checks that the results are the same. Each conversion runs in a process that may use 600 MB
more than its imports.

The limit is RLIMIT_DATA: private writable memory, which a program fills when it keeps a file in
memory. RLIMIT_AS would count address space, of which allocators and thread stacks reserve several
times as much as they use.
"""

from __future__ import annotations

import argparse
import filecmp
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import evstream

ROOM = 600 << 20

CHILD = """
import json, resource, sys, time
source, target, room = sys.argv[1:]
import polars, pyarrow.csv, pyarrow.parquet
from evstream.cli.warmup import warm_up
from evstream.conversion.convert import convert
from evstream.conversion.formats import Options

warm_up("loss", {})  # numba and the kernels count as imports

def status(name):
    (line,) = [line for line in open("/proc/self/status") if line.startswith(name)]
    return int(line.split()[1]) * 1024

# Not ru_maxrss, which begins with the peak of the process that started this one.
imports = status("VmHWM")
limit = status("VmData") + int(room)
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
text = source.endswith(".csv")
said = Options(stream="loss", values={"len_sample": 100}) if text else Options()
start = time.perf_counter()
convert(source, target, options=said)
print(json.dumps([time.perf_counter() - start, imports, status("VmHWM")]))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=1000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        stream = folder / "gul.bin"
        write_stream(stream, options.megabytes * 1_000_000)
        print("| Conversion | File MB | s | MB/s of stream | Imports MB | Peak MB |")
        print("|---|--:|--:|--:|--:|--:|")
        for middle in (folder / "gul.parquet", folder / "gul.csv"):
            back = folder / "back.bin"
            report(stream, middle, stream)
            report(middle, back, stream)
            if not filecmp.cmp(stream, back, shallow=False):
                sys.exit(f"{middle.name}: what came back is another stream")
            middle.unlink()


def write_stream(path: Path, size: int) -> None:
    """Write events of 1000 items and 100 samples, until the stream is large enough."""
    rng = np.random.default_rng(1)
    items = np.arange(1, 1001)
    with evstream.create(str(path), "loss", len_sample=100) as out:
        event_id = 0
        while out.offset < size:
            event_id += 1
            losses = rng.random((1000, 100), np.float32) * 1000
            losses[losses < 100] = 0
            out.write_event(event_id, items, losses, mean=losses.mean(1), tiv=1e6)


def report(source: Path, target: Path, stream: Path) -> None:
    """Convert in a child and print a line of the table."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD, source, target, str(ROOM)], stdout=subprocess.PIPE, check=True
    )
    seconds, imports, peak = json.loads(done.stdout)
    rate = stream.stat().st_size / 1e6 / seconds
    print(
        f"| {source.suffix[1:]} to {target.suffix[1:]} | {target.stat().st_size / 1e6:,.0f} "
        f"| {seconds:.1f} | {rate:,.0f} | {imports / 1e6:.0f} | {peak / 1e6:.0f} |",
        flush=True,
    )


if __name__ == "__main__":
    main()
