"""Random formats are read and written as `struct` packs them; `make fuzz` tries many more.

In processes of their own, where kernels are plain Python.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from support import ROOT


@pytest.mark.parametrize("seed", [1, 17, 40, 63, 534])
def test_random_formats_are_what_struct_packs(seed: int) -> None:
    script = ROOT / "tests" / "fuzz" / "fuzz_formats.py"
    ended = subprocess.run(
        [sys.executable, str(script), "--seed", str(seed), "--formats", "1"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.endswith("; 0 failed\n")
