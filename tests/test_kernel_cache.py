"""Compiled kernels on disk: whatever becomes of their files, a stream reads the same."""

from __future__ import annotations

import errno
import importlib
import os
import resource
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numba
import pytest

from evstream._support import jit, kernel_cache
from evstream.errors import CacheWarning
from support import ROOT, child_environment, run_python

GOLDEN = str(ROOT / "tests/golden/loss_i4_f4.bin")

READ = f"""if True:
    import evstream
    print([(e.event_id, e.loss.tolist()) for e in evstream.open({GOLDEN!r})])
    from evstream._support.kernel_cache import TALLY
    print(TALLY.found > 0, TALLY.kept > 0, TALLY.lost > 0)
"""


READ_FAST = """if True:
    import sys
    import evstream
    from evstream._support.kernel_cache import TALLY
    event = next(iter(evstream.open(sys.argv[1])))
    assert (TALLY.found > 0, TALLY.kept, TALLY.lost) == (True, 0, 0)
    print(event.event_id, [name for name in ("numba.np.arraymath", "scipy.linalg")
                           if name in sys.modules])
"""


READ_RECORD = """if True:
    import numpy as np
    from evstream._generated.records_i4_f4_u4 import mv_read_sidx_loss
    print(mv_read_sidx_loss(np.zeros(8, np.uint8), 0))
    from evstream._support.kernel_cache import TALLY
    print(TALLY.found > 0, TALLY.kept > 0, TALLY.lost > 0)
"""


def read(folder: Path) -> tuple[str, str, list[str]]:
    """What a program read, what became of its kernels, and the lines of its warnings."""
    result = run_python("-c", READ, NUMBA_CACHE_DIR=str(folder), EVSTREAM_CACHE="1")
    assert result.returncode == 0, result.stderr
    rows, tally = result.stdout.splitlines()
    return rows, tally, [line for line in result.stderr.splitlines() if "CacheWarning" in line]


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder of compiled kernels, and what was read when they were compiled."""
    folder = tmp_path_factory.mktemp("kernels")
    rows, tally, warned = read(folder)
    assert (tally, warned) == ("False True False", [])
    return folder, rows


def test_kept_kernels_need_no_compiler(warm: tuple[Path, str]) -> None:
    folder, _ = warm
    environment = {"NUMBA_CACHE_DIR": str(folder), "EVSTREAM_CACHE": "1"}
    result = run_python("-c", READ_FAST, GOLDEN, **environment)
    assert result.stdout.split(maxsplit=1)[1:] == ["[]\n"], result.stderr


KERNELS = """
from evstream._support.jit import jit

@jit
def double(number):
    return 2 * number

@jit
def negated(number):
    return -number
"""


@dataclass
class Program:
    """A program of two kernels, which runs in this process as in a new one."""

    folder: Path
    monkeypatch: pytest.MonkeyPatch

    def run(self) -> tuple[str, list[str]]:
        """Which kernels were found, kept and lost, and the warnings."""
        self.monkeypatch.setattr(kernel_cache, "TALLY", tally := kernel_cache.Tally())
        self.monkeypatch.delitem(sys.modules, "two_kernels", raising=False)
        module = importlib.import_module("two_kernels")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert (module.double(21), module.negated(7)) == (42, -7)
        assert {warning.category for warning in caught} <= {CacheWarning}
        return f"{tally.found} {tally.kept} {tally.lost}", [str(w.message) for w in caught]


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """A program whose kernels are in the folder `cache`."""
    (tmp_path / "two_kernels.py").write_text(KERNELS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(jit, "CACHE", True)
    monkeypatch.setattr(numba.core.config, "CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(kernel_cache, "_stamp", kernel_cache._stamp.__wrapped__)
    program = Program(tmp_path / "cache", monkeypatch)
    assert program.run() == ("0 2 0", [])
    assert program.run() == ("2 0 0", [])
    return program


def kernels(folder: Path) -> list[Path]:
    found = [path for path in folder.rglob("*") if path.is_file()]
    assert len(found) >= 1
    return found


def _truncate(path: Path) -> None:
    os.truncate(path, 0)


def _cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 16
    path.write_bytes(data)


def _flip_first(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[0] ^= 1
    path.write_bytes(data)


def _pickle(path: Path) -> None:
    path.write_bytes(b"\x80\x04N.")


def _swap(path: Path) -> None:
    path.write_bytes(b"".join(other.read_bytes() for other in path.parent.glob("*.nbc")))


@pytest.mark.parametrize("change", [_truncate, _cut, _flip, _flip_first, _pickle, _swap])
def test_a_damaged_kernel_is_compiled_anew(small: Program, change: Callable[[Path], None]) -> None:
    for path in kernels(small.folder):
        change(path)
    counts, (warned,) = small.run()
    assert counts == "0 2 0"
    assert "damaged; the kernel is compiled anew" in warned
    assert str(small.folder) in warned
    assert small.run() == ("2 0 0", [])


def test_a_stream_reads_the_same_by_damaged_kernels(warm: tuple[Path, str], tmp_path: Path) -> None:
    folder = tmp_path / "kernels"
    shutil.copytree(warm[0], folder)
    for path in kernels(folder):
        _flip(path)
    rows, tally, (warned,) = read(folder)
    assert (rows, tally) == (warm[1], "False True False")
    assert "damaged; the kernel is compiled anew" in warned
    assert read(folder) == (warm[1], "True False False", [])


@pytest.mark.parametrize("kind", ["folder", "fifo", "dangling"])
def test_a_kernel_file_of_another_kind_is_passed_over(
    small: Program, tmp_path: Path, kind: str
) -> None:
    for path in kernels(small.folder):
        path.unlink()
        if kind == "folder":
            path.mkdir()
        elif kind == "fifo":
            os.mkfifo(path)
        else:
            path.symlink_to(tmp_path / "nowhere")
    counts, warned = small.run()
    assert counts == ("0 0 2" if kind == "folder" else "0 2 0")
    assert len(warned) == (0 if kind == "dangling" else 1)


def test_a_kernel_of_another_version_is_replaced(small: Program) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(numba, "__version__", numba.__version__ + ".1")
        assert small.run() == ("0 2 0", [])
        assert small.run() == ("2 0 0", [])
    assert small.run() == ("0 2 0", [])


def test_no_kernel_is_kept_on_a_full_disk(small: Program) -> None:
    for path in kernels(small.folder):
        path.unlink()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, hard))
    try:
        counts, (warned,) = small.run()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert counts == "0 0 2"
    assert "File too large; compiled kernels are not kept" in warned
    assert [path for path in small.folder.rglob("*") if path.is_file()] == []


def test_the_folder_of_kernels_may_be_a_file(small: Program) -> None:
    shutil.rmtree(small.folder)
    small.folder.write_text("")
    counts, (warned,) = small.run()
    assert counts == "0 0 2"
    assert "compiled kernels are not kept" in warned


def test_the_kernels_of_another_user_may_be_unreadable(small: Program) -> None:
    """Root may read all, so the system's answer is put into its mouth."""

    def refused(path: Any, *arguments: Any, real: Any = os.open) -> int:
        if str(path).endswith(".nbc"):
            raise PermissionError(13, "Permission denied")
        return int(real(path, *arguments))

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(os, "open", refused)
        counts, (warned,) = small.run()
    assert counts == "0 2 0"
    assert "Permission denied; the kernel is compiled anew" in warned
    assert small.run() == ("2 0 0", [])


@pytest.mark.parametrize("error", [MemoryError(), OSError(errno.ENOMEM, "Cannot allocate memory")])
@pytest.mark.parametrize("step", ["_read", "_write"])
def test_memory_that_runs_out_is_no_trouble_of_the_cache(
    small: Program, step: str, error: Exception
) -> None:
    def fail(*_: Any) -> None:
        raise error

    small.monkeypatch.setattr(kernel_cache, step, fail)
    shutil.rmtree(small.folder)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(type(error)):
            small.run()
    assert kernel_cache.TALLY.trouble == ""


RUN = "import two_kernels; print(two_kernels.double(21), two_kernels.negated(7))"


def test_programs_may_compile_the_same_kernels_at_once(small: Program) -> None:
    folder = small.folder.parent
    environment = child_environment(NUMBA_CACHE_DIR=str(folder / "other"), EVSTREAM_CACHE="1")
    programs = [
        subprocess.Popen(
            [sys.executable, "-c", RUN], env=environment, cwd=folder, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
        )
        for _ in range(2)
    ]  # fmt: skip
    for program in programs:
        assert program.communicate() == ("42 -7\n", "")
    assert {path.suffix for path in kernels(folder / "other")} == {".nbc"}
    small.monkeypatch.setattr(numba.core.config, "CACHE_DIR", str(folder / "other"))
    assert small.run() == ("2 0 0", [])


def test_another_numba_may_lack_the_internals_of_the_cache(small: Program) -> None:
    code = f"import sys; sys.path[:0] = [{str(small.folder.parent)!r}]\n"
    code += f"import numba.core.caching; del numba.core.caching._Cache\n{RUN}"
    result = run_python("-c", code)
    assert (result.stdout, result.stderr) == ("42 -7\n", "")


def test_kernels_of_the_package_serve_readers_of_its_folder(tmp_path: Path) -> None:
    package, home = tmp_path / "evstream", tmp_path / "home"
    shutil.copytree(ROOT / "src/evstream", package, ignore=shutil.ignore_patterns("__pycache__"))
    environment = {"PYTHONPATH": str(tmp_path), "HOME": str(home)}
    environment |= {name: os.environ[name] for name in ("PATH",)}
    command = [sys.executable, "-c", READ_RECORD]
    first = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert first.stdout.splitlines()[1] == "False True False"
    assert not home.exists()
    folder = package / "_generated/__pycache__"
    # As to somebody who may only read it, root included: a name that nothing can be made under.
    code = READ_RECORD.replace(
        "import numpy as np\n",
        "import numpy as np, evstream._support.kernel_cache as k\n    def no(*_):\n"
        "        raise PermissionError(13, 'Permission denied')\n    k._write = no\n", 1,
    )  # fmt: skip
    second = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert second.stdout.splitlines()[1] == "True False False"
    assert list(folder.glob("*.nbc"))
    for path in folder.glob("*.nbc"):
        path.unlink()
        path.mkdir()  # nothing can be written here now: the next folder takes the kernels
    third = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert third.stdout.splitlines()[1] == "False True False"
    assert list(home.rglob("*.nbc"))
