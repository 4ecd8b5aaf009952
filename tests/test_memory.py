"""Converting takes the same memory however large the file is.

Each conversion runs in a process of its own, which tells its peak of resident memory, and
which the system refuses more than a limit on private memory: a leak fails, it does not swap.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import evstream
from support import PATIENCE, child_environment

pytest.importorskip("pyarrow")

MEGABYTE = 1 << 20
SMALL, LARGE = 15, 75  # MB
GROWTH = 20  # MB
ROOM = 400  # MB above what the imports take

# RLIMIT_DATA counts private writable memory, which is what a leak fills. RLIMIT_AS would count
# address space too, of which thread stacks and allocator arenas reserve far more than they use.
CHILD = """
import json, os, resource, sys
source, target, room = sys.argv[1:]
import pyarrow.parquet
from evstream.conversion.convert import convert
from evstream.conversion.formats import Options

def kilobytes(name):
    (line,) = [line for line in open("/proc/self/status") if line.startswith(name)]
    return int(line.split()[1])

# Not ru_maxrss, which begins with the peak of the process that started this one.
peak = lambda: kilobytes("VmHWM") / 1024
imports = peak()
limit = kilobytes("VmData") * 1024 + int(room) * 2**20
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
text = source.endswith((".csv", ".jsonl"))
values = {"len_sample": 100} if text else {}
convert(source, target, options=Options(stream="loss" if text else None, values=values))
print(json.dumps(peak() - imports))
"""


@pytest.fixture(scope="module")
def streams(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    folder = tmp_path_factory.mktemp("memory")
    rng = np.random.default_rng(1)
    losses = rng.random((1000, 100), np.float32) * 1000
    paths = {}
    for size in (SMALL, LARGE):
        paths[size] = folder / f"{size}.bin"
        with evstream.create(str(paths[size]), "loss", len_sample=100) as out:
            event = 0
            while out.offset < size * MEGABYTE:
                event += 1
                out.write_event(event, np.arange(1, 1001), losses, mean=1.0, tiv=9.0)
    return paths


def peak_above_imports(source: Path, target: Path) -> float:
    """MB."""
    result = subprocess.run(
        [sys.executable, "-c", CHILD, source, target, str(ROOM)],
        capture_output=True, check=False, env=child_environment(), timeout=PATIENCE,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr.decode()
    return float(json.loads(result.stdout))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("name", ["csv", "parquet", "arrow", "jsonl"])
def test_peak_memory_does_not_grow_with_the_file(streams: dict[int, Path], name: str) -> None:
    """How many blocks are in flight at the same moment depends on what else the machine does;
    what grows with the file is there in every run, so there are several where one is too high."""
    tables = {size: path.with_suffix(f".{name}") for size, path in streams.items()}
    ends = {size: path.with_suffix(".back.bin") for size, path in streams.items()}
    for sources, targets in ((streams, tables), (tables, ends)):
        peaks: dict[int, list[float]] = {SMALL: [], LARGE: []}
        for _ in range(4):
            for size, found in peaks.items():
                found.append(peak_above_imports(sources[size], targets[size]))
            if min(peaks[LARGE]) - min(peaks[SMALL]) < GROWTH:
                break
        assert min(peaks[LARGE]) - min(peaks[SMALL]) < GROWTH, peaks
    for size, path in streams.items():
        assert ends[size].read_bytes() == path.read_bytes()
        tables[size].unlink()
        ends[size].unlink()
