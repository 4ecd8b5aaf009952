"""Warming up: after it, nothing is compiled again."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from evstream._generated import layout

MISSES = """
import sys, warnings
from evstream.cli.warmup import warm_up
from evstream._generated import layout
for stream in layout.STREAMS:
    warm_up(stream, {})
for name, module in list(sys.modules.items()):
    if name.startswith("evstream._generated."):
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


@pytest.mark.parametrize("width", ["i8"])
def test_widths_are_a_choice(tmp_path, width):
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "evstream", "warmup", "--width", f"oasis_int={width}"]
    subprocess.run(command, env=environment, capture_output=True, check=True)
    compiled = {path.name for path in tmp_path.rglob("*.nbc")}
    assert any(name.startswith("item_i8_f4.decode_blocks") for name in compiled)
