"""Compiled kernels on disk: whatever becomes of their files, a stream reads the same."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support import ROOT, run_python

GOLDEN = str(ROOT / "tests/golden/loss_i4_f4.bin")

READ = f"""if True:
    import evstream
    print([(e.event_id, e.loss.tolist()) for e in evstream.open({GOLDEN!r})])
    from evstream._support.kernel_cache import TALLY
    print(TALLY.found > 0, TALLY.kept > 0, TALLY.lost > 0)
"""


def read(folder: Path, code: str = READ, **options: Any) -> tuple[str, str, list[str]]:
    """What a program read, what became of its kernels, and the lines of its warnings."""
    environment = {"NUMBA_CACHE_DIR": str(folder), "EVSTREAM_CACHE": "1"}
    result = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | environment, capture_output=True,
        text=True, check=True, cwd=ROOT, **options,
    )  # fmt: skip
    rows, tally = result.stdout.splitlines()
    return rows, tally, [line for line in result.stderr.splitlines() if "CacheWarning" in line]


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder of compiled kernels, and what was read when they were compiled."""
    folder = tmp_path_factory.mktemp("kernels")
    rows, tally, warned = read(folder)
    assert (tally, warned) == ("False True False", [])
    assert read(folder)[1] == "True False False"
    return folder, rows


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
def test_a_damaged_kernel_is_compiled_anew(
    warm: tuple[Path, str], tmp_path: Path, change: Callable[[Path], None]
) -> None:
    folder = tmp_path / "kernels"
    shutil.copytree(warm[0], folder)
    for path in kernels(folder):
        if change is not _swap or len(kernels(folder)) > 1:
            change(path)
    rows, _, warned = read(folder)
    assert rows == warm[1]
    assert len(warned) == 1
    assert "damaged; the kernel is compiled anew" in warned[0]
    assert str(folder) in warned[0]
    assert read(folder) == (warm[1], "True False False", [])


@pytest.mark.parametrize("kind", ["folder", "fifo", "dangling"])
def test_a_kernel_file_of_another_kind_is_passed_over(
    warm: tuple[Path, str], tmp_path: Path, kind: str
) -> None:
    folder = tmp_path / "kernels"
    shutil.copytree(warm[0], folder)
    for path in kernels(folder):
        path.unlink()
        if kind == "folder":
            path.mkdir()
        elif kind == "fifo":
            os.mkfifo(path)
        else:
            path.symlink_to(tmp_path / "nowhere")
    rows, _, warned = read(folder, timeout=120)
    assert rows == warm[1]
    assert len(warned) == (0 if kind == "dangling" else 1)


def test_a_kernel_of_another_version_is_replaced(warm: tuple[Path, str], tmp_path: Path) -> None:
    folder = tmp_path / "kernels"
    shutil.copytree(warm[0], folder)
    code = READ.replace("import evstream\n", "import numba; numba.__version__ += '.1'\n", 1)
    code = code.replace("print([", "import evstream\n    print([", 1)
    assert read(folder, code) == (warm[1], "False True False", [])
    assert read(folder)[1] == "False True False"


def test_no_kernel_is_kept_on_a_full_disk(warm: tuple[Path, str], tmp_path: Path) -> None:
    def fill() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))

    rows, tally, warned = read(tmp_path, preexec_fn=fill)
    assert (rows, tally) == (warm[1], "False False True")
    assert len(warned) == 1
    assert "File too large; compiled kernels are not kept" in warned[0]
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_the_folder_of_kernels_may_be_a_file(warm: tuple[Path, str], tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("")
    rows, tally, warned = read(path)
    assert (rows, tally, len(warned)) == (warm[1], "False False True", 1)


def test_the_kernels_of_another_user_may_be_unreadable(
    warm: tuple[Path, str], tmp_path: Path
) -> None:
    folder = tmp_path / "kernels"
    shutil.copytree(warm[0], folder)
    # Root may read all, so the system's answer is put into its mouth.
    refuse = """import os
    def refused(path, *arguments, real=os.open):
        if str(path).endswith(".nbc"):
            raise PermissionError(13, "Permission denied")
        return real(path, *arguments)
    os.open = refused
"""
    rows, tally, warned = read(folder, READ.replace("import", refuse + "    import", 1))
    assert (rows, tally, len(warned)) == (warm[1], "False True False", 1)
    assert "Permission denied; the kernel is compiled anew" in warned[0]
    assert read(folder) == (warm[1], "True False False", [])


def test_programs_may_compile_the_same_kernels_at_once(
    warm: tuple[Path, str], tmp_path: Path
) -> None:
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path), "EVSTREAM_CACHE": "1"}
    programs = [
        subprocess.Popen(
            [sys.executable, "-c", READ], env=environment, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
        )
        for _ in range(3)
    ]  # fmt: skip
    for program in programs:
        out, error = program.communicate()
        assert (out.splitlines()[0], error) == (warm[1], "")
    assert read(tmp_path) == (warm[1], "True False False", [])
    assert {path.suffix for path in kernels(tmp_path)} == {".nbc"}


def test_another_numba_may_lack_the_internals_of_the_cache(warm: tuple[Path, str]) -> None:
    code = READ.partition("from evstream._support.kernel_cache")[0].replace(
        "import evstream\n",
        "import numba.core.caching; del numba.core.caching._Cache\n    import evstream\n", 1,
    )  # fmt: skip
    result = run_python("-c", code)
    assert (result.stdout.strip(), result.stderr) == (warm[1], "")


def test_kernels_of_the_package_serve_readers_of_its_folder(tmp_path: Path) -> None:
    package, home = tmp_path / "evstream", tmp_path / "home"
    shutil.copytree(ROOT / "src/evstream", package, ignore=shutil.ignore_patterns("__pycache__"))
    environment = {"PYTHONPATH": str(tmp_path), "HOME": str(home)}
    environment |= {name: os.environ[name] for name in ("PATH",)}
    command = [sys.executable, "-c", READ]
    first = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert first.stdout.splitlines()[1] == "False True False"
    assert not home.exists()
    folder = package / "_generated/__pycache__"
    # As to somebody who may only read it, root included: a name that nothing can be made under.
    code = READ.replace(
        "import evstream\n",
        "import evstream, evstream._support.kernel_cache as k\n    def no(*_):\n"
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
