"""Converting takes the same memory however large the file is.

A process converts a small file and then a large one, and tells how much the second raised its
peak of resident memory. The system refuses it more than a limit on private memory: a leak fails,
it does not swap.
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
SIZES = {"csv": (10, 35), "parquet": (15, 75), "arrow": (15, 75), "jsonl": (5, 20)}
"""MB of the small and of the large stream. As text they are several times as large."""
GROWTH = 20  # MB
ROOM = 400  # MB above what the imports take

# RLIMIT_DATA counts private writable memory, which is what a leak fills. RLIMIT_AS would count
# address space too, of which thread stacks and allocator arenas reserve far more than they use.
CHILD = """
import json, os, resource, sys
room, *files = sys.argv[1:]
import pyarrow.parquet
from evstream.conversion.convert import convert
from evstream.conversion.formats import Options

def kilobytes(name):
    (line,) = [line for line in open("/proc/self/status") if line.startswith(name)]
    return int(line.split()[1])

limit = kilobytes("VmData") * 1024 + int(room) * 2**20
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
peaks = []
for source, target in zip(files[::2], files[1::2], strict=True):
    text = source.endswith((".csv", ".jsonl"))
    values = {"len_sample": 100} if text else {}
    convert(source, target, options=Options(stream="loss" if text else None, values=values))
    # Not ru_maxrss, which begins with the peak of the process that started this one.
    peaks.append(kilobytes("VmHWM") / 1024)
print(json.dumps(peaks[1] - peaks[0]))
"""


@pytest.fixture(scope="module")
def streams(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    folder = tmp_path_factory.mktemp("memory")
    rng = np.random.default_rng(1)
    losses = rng.random((1000, 100), np.float32) * 1000
    paths = {}
    for size in sorted({size for sizes in SIZES.values() for size in sizes}):
        paths[size] = folder / f"{size}.bin"
        with evstream.create(str(paths[size]), "loss", len_sample=100) as out:
            event = 0
            while out.offset < size * MEGABYTE:
                event += 1
                out.write_event(event, np.arange(1, 1001), losses, mean=1.0, tiv=9.0)
    return paths


def growth(*files: Path) -> float:
    """MB by which the second conversion (source, target) raised the peak of the first."""
    result = subprocess.run(
        [sys.executable, "-c", CHILD, str(ROOM), *files],
        capture_output=True, check=False, env=child_environment(), timeout=PATIENCE,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr.decode()
    return float(json.loads(result.stdout))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("name", SIZES)
def test_peak_memory_does_not_grow_with_the_file(streams: dict[int, Path], name: str) -> None:
    """How many blocks are in flight at the same moment depends on what else the machine does;
    what grows with the file is there in every run, so there are several where one is too high."""
    sizes = SIZES[name]
    tables = {size: streams[size].with_suffix(f".{name}") for size in sizes}
    ends = {size: streams[size].with_suffix(".back.bin") for size in sizes}
    for sources, targets in ((streams, tables), (tables, ends)):
        files = [paths[size] for size in sizes for paths in (sources, targets)]
        found: list[float] = []
        for _ in range(4):
            found.append(growth(*files))
            if found[-1] < GROWTH:
                break
        assert min(found) < GROWTH, found
    for size in sizes:
        assert ends[size].read_bytes() == streams[size].read_bytes()
        tables[size].unlink()
        ends[size].unlink()
