"""Fuzz evstream guided by coverage, with atheris (libFuzzer).

    python tests/fuzz/fuzz_atheris.py --seconds 600
    python tests/fuzz/fuzz_atheris.py --replay crash-...

The kernels run interpreted (NUMBA_DISABLE_JIT=1) and instrumented like all of evstream, so
that the fuzzer sees which branches of a parsing loop an input takes; numpy checks every
access. The corpus starts with the golden files and is kept in --corpus for the next run.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

os.environ["NUMBA_DISABLE_JIT"] = "1"
sys.path.insert(0, str(Path(__file__).parents[2] / "src"))
sys.path.insert(0, str(Path(__file__).parents[1]))

try:
    import atheris
except ImportError:
    sys.exit("atheris is not installed here: pip install atheris (there are wheels for Linux)")

with atheris.instrument_imports(include=["evstream"]):
    import targets

    from evstream._generated import layout
    from evstream.checking import validation  # noqa: F401
    from evstream.compat import (
        callback_reader,  # noqa: F401
        event_reader,  # noqa: F401
    )
    from evstream.reading import stream as reader  # noqa: F401
    from evstream.tables import arrow  # noqa: F401
    from evstream.wire.header import StreamHeader
    from evstream.wire.kernels import block_kernels, record_functions

    for block in layout.STREAMS:
        block_kernels(StreamHeader(block))
    for widths in targets.WIDTHS:
        record_functions(layout.FORMAT, widths)

RESIDENT_MB = 2048
"""Resident memory at which the fuzzer stops."""

LEG = 200
"""Seconds after which another process goes on: the instrumentation of atheris itself leaks about
25 kB per input (the same inputs without it leave memory as it is)."""

STUCK = 30
"""Seconds that one input may take."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--corpus", type=Path, default=Path("build/fuzz/corpus"), metavar="DIR")
    parser.add_argument("--findings", type=Path, default=Path("build/fuzz"), metavar="DIR")
    parser.add_argument("--replay", type=Path, metavar="FILE")
    options = parser.parse_args()
    targets.quiet()
    if options.replay:
        targets.run(options.replay.read_bytes())
        print(f"{options.replay}: as promised")
        return
    if options.seconds > LEG:
        sys.exit(in_legs(options))
    options.findings.mkdir(parents=True, exist_ok=True)
    options.corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(targets.seeds(largest=1024)):
        (options.corpus / f"seed-{number}").write_bytes(seed)
    arguments = [
        sys.argv[0], str(options.corpus), f"-max_total_time={options.seconds}",
        f"-seed={options.seed}", f"-timeout={STUCK}", f"-rss_limit_mb={RESIDENT_MB}",
        "-max_len=2048", "-len_control=20", "-print_final_stats=1",
        f"-artifact_prefix={options.findings}/",
    ]  # fmt: skip
    atheris.Setup(arguments, targets.run)
    atheris.Fuzz()  # and exit


def in_legs(options: argparse.Namespace) -> int:
    """Run one process after the other, each with the corpus of those before."""
    folders = ["--corpus", str(options.corpus), "--findings", str(options.findings)]
    for leg, start in enumerate(range(0, options.seconds, LEG)):
        more = ["--seconds", str(min(LEG, options.seconds - start)), "--seed"]
        command = [sys.executable, __file__, *folders, *more, str(options.seed + leg)]
        status = subprocess.run(command, check=False).returncode
        if status:
            return status
    return 0


if __name__ == "__main__":
    main()
