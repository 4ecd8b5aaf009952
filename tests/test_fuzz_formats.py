"""Random formats are read and written as `struct` packs them; `make fuzz` tries many more.

In a process of its own, where kernels are plain Python.
"""

from __future__ import annotations

from support import ROOT, run_python

SEEDS = [1, 17, 40, 63, 534]


def test_random_formats_are_what_struct_packs() -> None:
    code = f"""if True:
        import sys
        sys.path.insert(0, {str(ROOT / "tests/fuzz")!r})
        import fuzz_formats
        for seed in {SEEDS}:
            print(seed, end=" ", flush=True)
            fuzz_formats.check_format(seed)
    """
    ended = run_python("-c", code)
    assert ended.returncode == 0, f"seed {ended.stdout.split()[-1]}: {ended.stderr}"
    assert ended.stdout.split() == [str(seed) for seed in SEEDS]
