"""The package without compilation, with bounds checks, and without what it must not need.

Kernels are compiled code that checks nothing; run as plain Python, or with numba's bounds
checks, the same tests see an access outside an array that would otherwise go unnoticed.
"""

from __future__ import annotations

import ast
import gzip
import re
import warnings
from pathlib import Path

import numpy as np
import pytest

import evstream
from evstream.cli.program import main
from support import ROOT, run_python

SMALL_TESTS = [
    "tests/test_kernels_decode.py",
    "tests/test_kernels_encode.py",
    "tests/test_conformance.py",
    "-k",
    "small_stream or small_matrix or (digest and i4_f4) or (written_back and i4_f4)",
]


@pytest.mark.parametrize(
    "mode",
    [
        {"NUMBA_DISABLE_JIT": "1"},
        # A kernel cached without the checks would be taken from the disk as it is.
        {"NUMBA_BOUNDSCHECK": "1", "EVSTREAM_CACHE": "0"},
    ],
    ids=["without jit", "with bounds checks"],
)
def test_the_kernels_pass_their_tests(mode: dict[str, str]) -> None:
    result = run_python("-m", "pytest", "-q", "-p", "no:cacheprovider", *SMALL_TESTS, **mode)
    assert result.returncode == 0, result.stdout + result.stderr
    [passed] = re.findall(r"(\d+) passed", result.stdout)
    assert int(passed) > 50


READ_OUTSIDE = """if True:
    import numpy as np
    from evstream._generated import records_i4_f4_u4 as records
    try:
        records.mv_read_sidx_loss(np.zeros(7, np.uint8), 0)
    except (IndexError, ValueError):
        print("refused")
"""


@pytest.mark.parametrize("mode", ["NUMBA_DISABLE_JIT", "NUMBA_BOUNDSCHECK"])
def test_an_access_outside_the_buffer_is_seen(mode: str) -> None:
    result = run_python("-c", READ_OUTSIDE, EVSTREAM_CACHE="0", **{mode: "1"})
    assert (result.stdout, result.returncode) == ("refused\n", 0), result.stderr


def imported_by(statement: str) -> set[str]:
    """Top-level names of the modules that a fresh Python has after a statement."""
    code = f"import sys; {statement}; print(*(name.split('.')[0] for name in sys.modules))"
    result = run_python("-c", code)
    assert result.returncode == 0, result.stderr
    return set(result.stdout.split())


def test_the_package_needs_no_optional_packages() -> None:
    """What numba itself imports, yaml where it is installed, does not count."""
    imported = imported_by("import evstream, evstream.event_stream") - imported_by("import numba")
    assert "evstream" in imported
    optional = {"yaml", "jinja2", "jsonschema", "zstandard", "pandas", "polars", "pyarrow"}
    assert not imported & (optional | {"codegen", "hypothesis", "pytest"})


def test_the_facts_of_the_format_are_there_without_numba() -> None:
    imported = imported_by("from evstream._generated import layout; assert layout.STREAMS")
    assert not imported & {"numba", "llvmlite"}


@pytest.mark.parametrize("command", ["info", "validate"])
@pytest.mark.parametrize(("name", "compiles"), [("loss_i4_f4.bin", False), ("large", True)])
def test_a_small_file_is_read_without_numba(
    command: str, name: str, compiles: bool, tmp_path: Path
) -> None:
    path = ROOT / "tests/golden" / name
    if compiles:
        path = tmp_path / name
        with evstream.create(path, "loss", len_sample=100) as out:
            out.write_event(1, range(1, 101), np.ones((100, 100)), mean=1.0, tiv=1.0)
    result = run_python("-X", "importtime", "-m", "evstream", command, str(path))
    assert result.returncode == 0, result.stderr
    assert str(path) in result.stdout
    assert ("numba.core" in result.stderr) == compiles


@pytest.mark.parametrize("command", ["info", "validate"])
@pytest.mark.parametrize("style", [[], ["--json"]], ids=["text", "json"])
def test_plain_python_tells_the_same_of_every_golden_file(
    command: str, style: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    files = [str(path) for path in sorted((ROOT / "tests/golden").glob("*.bin"))]
    assert len(files) > 100
    with warnings.catch_warnings():
        status = main([command, *style, *files])
    compiled = capsys.readouterr()
    plain = run_python("-m", "evstream", command, *style, *files, NUMBA_DISABLE_JIT="1")
    assert plain.returncode == status, plain.stderr
    assert plain.stdout == compiled.out
    assert plain.stderr == compiled.err


def test_a_small_file_that_expands_is_read_by_compiled_kernels(tmp_path: Path) -> None:
    path = tmp_path / "small.bin.gz"
    path.write_bytes(gzip.compress((ROOT / "tests/golden/loss_i4_f4.bin").read_bytes()))
    result = run_python("-X", "importtime", "-m", "evstream", "info", str(path))
    assert "numba.core" in result.stderr


def imports_of(path: Path) -> set[str]:
    """Top-level names of all that a module imports, inside functions too."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add(str(node.module).split(".")[0])
    return names


def test_the_layout_itself_needs_numpy_alone() -> None:
    folder = ROOT / "src/evstream"
    for path in (folder / "_generated/layout.py", folder / "_support/format.py"):
        tree = ast.parse(path.read_text())
        modules = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
        assert {name for name in modules if str(name).startswith("evstream")} <= {
            "evstream._support.arguments",
            "evstream._support.format",
            "evstream._support.schema",
        }
        assert "numba" not in imports_of(path)


def modules_in(folder: str) -> list[Path]:
    found = sorted((ROOT / folder).rglob("*.py"))
    assert len(found) > 5
    return found


def test_the_package_never_imports_the_generator() -> None:
    for path in modules_in("src/evstream"):
        assert not imports_of(path) & {"codegen", "yaml", "jinja2", "oracle"}, path


def test_the_generator_never_imports_the_package() -> None:
    for path in modules_in("codegen"):
        assert not imports_of(path) & {"evstream", "numba", "numpy"}, path
