"""Warming up: after it, nothing is compiled again."""

from __future__ import annotations

import re
from pathlib import Path
from subprocess import CompletedProcess

from evstream._generated import layout
from generated_packages import write_package
from support import ROOT, run_python

SPEC = ROOT / "tests/counted_spec.yaml"

MISSES = """
import sys, warnings
import io, evstream
from evstream._support.format import bound_format
from evstream.cli.warmup import streams_of, warm_up
for format, stream in streams_of(bound_format()):
    warm_up(stream, {}, format)
target = io.BytesIO()
with evstream.create(target, "loss", len_sample=3) as out:
    out.write_columns([1, 1, 2], [1, 2, 1], 1, 5.0)
for by in ("event_id", ("event_id", "item_id")):
    for sidx in (None, range(1, 4), [1, 3]):
        target.seek(0)
        evstream.aggregate(target, by, sidx=sidx)
target, occurrence = io.BytesIO(), sys.argv[1]
with evstream.create(target, "summary", len_sample=3, summary_set_id=1) as out:
    out.write_columns([1, 1, 1, 2, 2], [1, 1, 1, 2, 2], 5.0, [-1, 1, 2, -1, 1], 5.0)
with evstream.create(occurrence, "occurrence", no_of_periods=9) as out:
    out.write_columns([1, 2], [1, 7], 1)
def summary():
    target.seek(0)
    return target
for table, quantiles in (("melt", None), ("selt", None), ("qelt", [0.5, 0.9])):
    evstream.elt(summary(), table, quantiles=quantiles)
for table in ("aal", "aalmeanonly", "alct"):
    evstream.aal(summary(), occurrence, table)
for per_sample in (False, True):
    for periods in (None, [1 / 9] * 9):
        for years in (None, [9, 3, 1]):
            evstream.ept(
                summary(), occurrence, periods=periods, return_periods=years, per_sample=per_sample
            )
evstream.report(summary(), occurrence=occurrence)
for name, module in list(sys.modules.items()):
    rooms = ("_generated", "text", "aggregation", "results", "reporting")
    if name.startswith(tuple(f"evstream.{room}." for room in rooms)):
        for function in vars(module).values():
            stats = getattr(function, "stats", None)
            if stats is not None and stats.cache_misses:
                print(name, function, stats.cache_misses)
"""


def test_a_second_process_compiles_nothing(tmp_path: Path) -> None:
    first = run_python("-m", "evstream", "warmup")
    assert first.returncode == 0, first.stderr
    files = 2  # loss factors, complex items: with entries, and no index file beside them
    assert first.stdout.startswith(f"{len(layout.STREAMS) + files} stream types ready after ")
    second = run_python("-c", MISSES, str(tmp_path / "occurrence.bin"))
    assert (second.stdout, second.returncode) == ("", 0), second.stderr


def test_widths_are_a_choice(tmp_path: Path) -> None:
    """Each is compiled once; `--to` names the folder, and EVSTREAM_CACHE_DIR where it is found and
    not written to. A small format has few kernels."""
    write_package(SPEC, tmp_path, "mini", ("python",))
    path = {"PYTHONPATH": f"{tmp_path}:{ROOT / 'src'}", "NUMBA_CACHE_DIR": "/nowhere"}
    counts, kernels = [], tmp_path / "kernels"
    for run, width in enumerate(("i4", "i8", "i8")):
        folder = ("--to", str(kernels)) if run < 2 else ()
        more = {} if run < 2 else {"EVSTREAM_CACHE_DIR": str(kernels), "HOME": "/nowhere"}
        before = {file: file.stat().st_mtime_ns for file in kernels.rglob("*")}
        for file in (kernels, *before) if run == 2 else ():
            file.chmod(0o555)
        done = run_python(
            "-m", "mini", "warmup", *folder, "--width", f"number={width}", **path, **more
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")
        counts.append(
            [int(n) for n in re.findall(r"(\d+) kernels compiled, (\d+) found", done.stdout)[0]]
        )
    assert {file: file.stat().st_mtime_ns for file in kernels.rglob("*")} == before
    for file in (kernels, *before):
        file.chmod(0o755)  # so that it can be removed
    (narrow, none), (wide, shared), (compiled, found) = counts
    assert narrow == wide + shared
    assert wide > 3
    # Rows of text print and parse, keys are found, and bytes are summed up at any width.
    assert (none, compiled) == (0, 0)
    assert 4 <= shared < narrow
    assert found > 4  # what only other kernels call is not looked up again
    assert len(list(kernels.rglob("*.nbc"))) == narrow + wide


def warm_up_a_little(*arguments: str, **environment: str) -> CompletedProcess[str]:
    """`evstream warmup` that compiles a single kernel."""
    code = """if True:
        import sys
        import numpy as np
        from evstream.cli import program, warmup
        def one_kernel(*_):
            from evstream._generated.records_i4_f4_u4 import mv_read_sidx_loss
            mv_read_sidx_loss(np.zeros(8, np.uint8), 0)
        warmup.warm_up = one_kernel
        sys.exit(program.main(["warmup", *sys.argv[1:]]))
    """
    return run_python("-c", code, *arguments, **environment)


def test_a_warmup_that_keeps_nothing_fails(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    done = warm_up_a_little("--to", str(path))
    assert done.returncode == 1
    assert " 0 kernels compiled, 0 found, in no folder" in done.stdout
    assert f"could not be kept: {path}/" in done.stderr
    done = warm_up_a_little(EVSTREAM_CACHE="0")
    assert done.returncode == 1
    assert "EVSTREAM_CACHE=0 switches the cache off" in done.stderr
    done = warm_up_a_little("--to", str(tmp_path / "folder"))
    assert (done.returncode, done.stderr) == (0, "")
    assert "0 found, in" in done.stdout


def test_an_image_is_made_of_files_that_exist() -> None:
    page = (ROOT / "docs" / "container.md").read_text()
    recipe = (ROOT / "Containerfile").read_text()
    copied = [line.split()[1:-1] for line in recipe.splitlines() if line.startswith("COPY ")]
    names = [name for line in copied for name in line if not line[0].startswith("--from")]
    assert {"pyproject.toml", "src", "codegen"} <= set(names)
    assert all((ROOT / name).exists() for name in names)
    for variable in ("EVSTREAM_CACHE_DIR", "NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES"):
        assert recipe.count(f"{variable}=") == 2  # to build, and to run
        assert variable in page
