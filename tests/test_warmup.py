"""Warming up: after it, nothing is compiled again."""

from __future__ import annotations

import os
import re
import subprocess
import sys

from evstream._generated import layout

MISSES = """
import sys, warnings
from evstream.cli.warmup import warm_up
from evstream._generated import layout
for stream in layout.STREAMS:
    warm_up(stream, {})
for name, module in list(sys.modules.items()):
    if name.startswith(("evstream._generated.", "evstream.text.")):
        for function in vars(module).values():
            stats = getattr(function, "stats", None)
            if stats is not None and stats.cache_misses:
                print(name, function, stats.cache_misses)
"""


def test_a_second_process_compiles_nothing(tmp_path):
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "evstream", "warmup"]
    first = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert first.stdout.startswith(f"{len(layout.STREAMS)} stream types ready after ")
    command = [sys.executable, "-c", MISSES]
    second = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert second.stdout == ""


def test_widths_are_a_choice(tmp_path):
    """Each is compiled once; `--to` names the folder."""
    command = [sys.executable, "-m", "evstream", "warmup", "--to", str(tmp_path), "--width"]
    environment = os.environ | {"NUMBA_CACHE_DIR": "/nowhere"}
    counts = []
    for width in ("oasis_int=i4", "oasis_int=i8", "oasis_int=i8"):
        done = subprocess.run(
            [*command, width], env=environment, capture_output=True, text=True, check=True
        )
        counts.append(
            [int(n) for n in re.findall(r"(\d+) kernels compiled, (\d+) found", done.stdout)[0]]
        )
    (narrow, none), (wide, shared), (compiled, found) = counts
    assert narrow > 20
    assert wide > 20
    assert (none, shared, compiled) == (0, 2, 0)  # rows of text print and parse at any width
    assert found > 20  # what only other kernels call is not looked up again
    assert len(list(tmp_path.rglob("*.nbc"))) == narrow + wide


def test_a_warmup_that_keeps_nothing_fails(tmp_path):
    path = tmp_path / "file"
    path.touch()
    command = [sys.executable, "-m", "evstream", "warmup", "--to", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert " 0 kernels compiled, 0 found, in no folder" in done.stdout
    assert f"kernels could not be kept: {path}/" in done.stderr
    environment = os.environ | {"EVSTREAM_CACHE": "0"}
    command = [sys.executable, "-m", "evstream", "warmup"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "EVSTREAM_CACHE=0 switches the cache off" in done.stderr
