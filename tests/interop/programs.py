"""The commands, and how each is run with and without evstream."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

TIMES: dict[str, tuple[float, float]] = {}
"""Command -> seconds with the reference's module and with evstream."""

TIMEOUT = 900


@dataclass(frozen=True)
class Case:
    """A shell command in `folder` of the workspace; what it leaves in out/ is compared."""

    name: str
    command: str
    folder: str = "big"

    @property
    def programs(self) -> list[str]:
        return [p for p in PROGRAMS if p in self.command.replace("|", " ").split()]


PROGRAMS = (
    "bintocsv", "csvtobin", "summarypy", "eltpy", "pltpy", "aalpy", "lecpy", "plapy", "fmpy",
    "katpy", "gulpy", "gulmc", "modelpy", "gultocsv", "gultobin", "summarycalctocsv", "fmtocsv",
    "eltcalc",
)  # fmt: skip

LEC = "-F -W -S -M -f -w -s -m"
SAMPLED = "-a1 -S10 -L0"

CASES = [
    Case("bintocsv gul", "bintocsv gul -i gul.bin -o out/gul.csv"),
    Case("csvtobin gul", "bintocsv gul -i gul.bin | csvtobin gul -S 20 -o out/gul.bin"),
    Case("bintocsv fm", "bintocsv fm -i gul.bin -o out/fm.csv"),
    Case("csvtobin fm", "bintocsv fm -i gul.bin | csvtobin fm -S 20 -o out/fm.bin"),
    Case("csvtobin summarycalc", "csvtobin summarycalc -S 20 -t 2 -i summary.csv -o out/s.bin"),
    Case("bintocsv cdf", "cat input/events.bin | modelpy | bintocsv cdf -o out/cdf.csv", "model"),
    Case("summarypy gul", "summarypy -t gul -p input -i gul.bin -1 out/1.bin -2 out/2.bin"),
    Case("summarypy -m", "summarypy -t gul -m -p input -i gul.bin -1 out/1.bin -2 out/2.bin"),
    Case("summarypy -z", "summarypy -t gul -z -p input -1 out/1.bin < gul.bin"),
    Case("eltpy csv", "eltpy -i summary_2.bin -s out/s.csv -m out/m.csv -q out/q.csv"),
    Case("eltpy bin", "eltpy -E bin -i summary_2.bin -s out/s.bin -m out/m.bin -q out/q.bin"),
    Case("pltpy csv", "pltpy -i summary_2.bin -s out/s.csv -m out/m.csv -q out/q.csv"),
    Case("pltpy bin", "pltpy -E bin -i summary_2.bin -s out/s.bin -m out/m.bin -q out/q.bin"),
    Case("aalpy", "aalpy -K gul -a out/aal.csv -c out/alct.csv"),
    Case("aalpy -M", "aalpy -K gul -M -a out/aal.csv"),
    Case("lecpy", f"lecpy -K gul -O out/ept.csv -o out/psept.csv -r {LEC}"),
    Case("plapy", "plapy -i gul.bin -o out/pla.bin"),
    Case("fmpy -a1", "fmpy -a1 -p input -i gul.bin -o out/fm.bin"),
    Case("fmpy -a2", "fmpy -a2 -p input -i gul.bin -o out/fm.bin"),
    Case("fmpy --sort-output", "fmpy -a2 --sort-output -p input < gul.bin > out/fm.bin"),
    Case(
        "katpy",
        "pltpy -i summary_2.bin -s 1.csv && pltpy -i work/gul/summary.bin -s 2.csv"
        " && katpy -S -i 1.csv 2.csv -o out/splt.csv",
    ),
    Case("gulpy", f"cat input/events.bin | modelpy | gulpy {SAMPLED} > out/gul.bin", "model"),
    Case(
        "gulpy --ignore-correlation",
        f"cat input/events.bin | modelpy | gulpy {SAMPLED} --ignore-correlation > out/gul.bin",
        "model",
    ),
    Case("gulmc", f"cat input/events.bin | gulmc {SAMPLED} > out/gul.bin", "model"),
    Case(
        "pipeline: plapy | fmpy | summarypy | eltpy",
        "plapy < gul.bin | fmpy -a2 -p input | summarypy -t il -p input -2 /dev/stdout"
        " | eltpy -s out/s.csv",
    ),
    Case(
        "pipeline: modelpy | gulpy | plapy | bintocsv",
        f"cat input/events.bin | modelpy | gulpy {SAMPLED} | plapy | bintocsv gul -o out/gul.csv",
        "model",
    ),
    Case(
        "pipeline with C++: plapy | fmpy | summarypy | eltcalc",
        "plapy < gul.bin | fmpy -a2 -p input | tee fm.bin | summarypy -t il -p input -2 2.bin;"
        " summarycalctocsv < 2.bin > out/s.csv; fmtocsv < fm.bin > out/fm.csv;"
        " eltcalc < 2.bin > out/elt.csv",
    ),
    Case(
        "pipeline with C++: gultobin | fmpy | summarypy | eltcalc",
        "gultocsv < gul.bin | gultobin -S 20 -t 2 | fmpy -a2 -p input | tee fm.bin"
        " | summarypy -t il -p input -2 2.bin; fmtocsv < fm.bin > out/fm.csv;"
        " summarycalctocsv < 2.bin > out/s.csv; eltcalc < 2.bin > out/elt.csv",
    ),
    Case(
        "FIFOs: one summarypy feeds eltpy and pltpy",
        "mkfifo a b; eltpy -i a -s out/s.csv & pltpy -i b -s out/p.csv &"
        " summarypy -t gul -p input -i gul.bin -1 a -2 b; wait",
    ),
    Case(
        "FIFOs: fmpy reads two",
        "mkfifo a b; cat gul.bin > a & cat gul.bin > b &"
        " fmpy -a2 -p input -i a b | bintocsv fm -o out/fm.csv; wait",
    ),
]  # fmt: skip


def run(
    command: str, cwd: Path, *, dropin: bool, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a shell command with the environment's programs first on PATH."""
    environment = {**os.environ, **(env or {})}
    # The reference alone has a place of its own for compiled code, too.
    caches = Path.home() / ".cache" / "evstream" / "interop"
    environment.setdefault("NUMBA_CACHE_DIR", str(caches))
    environment["PATH"] = os.pathsep.join([os.path.dirname(sys.executable), environment["PATH"]])
    arguments = ["bash", "-c", f"set -o pipefail; {command}"]
    if dropin:
        arguments = [sys.executable, "-m", "evstream.dropin", "--", *arguments]
    return subprocess.run(
        arguments, cwd=cwd, env=environment, capture_output=True, text=True, timeout=TIMEOUT,
        check=False,
    )  # fmt: skip


def run_case(case: Case, workspace: Path, *, dropin: bool) -> tuple[dict[str, bytes], float]:
    """What the command leaves in out/, and its seconds when its code is compiled already."""
    folder = workspace / case.folder
    seconds = 0.0
    for attempt in ("compiling", "compiled"):
        work = workspace / "run"
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(folder, work)
        (work / "out").mkdir()
        start = time.perf_counter()
        result = run(case.command, work, dropin=dropin)
        seconds = time.perf_counter() - start
        assert result.returncode == 0, f"{attempt}: {result.stderr[-3000:]}"
        assert "Traceback" not in result.stderr, result.stderr[-3000:]
    return {path.name: path.read_bytes() for path in sorted((work / "out").iterdir())}, seconds
