"""A full disk is one error, and leaves no file."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import evstream
from fault_cases import SECONDS
from support import ROOT, child_environment

pytestmark = pytest.mark.usefixtures("kernels_are_loaded")


def limited_child(arguments: list[str], size: int) -> subprocess.CompletedProcess[str]:
    """Run evstream where no file may grow beyond `size` bytes."""
    code = (
        "import resource, sys; from evstream.cli.program import main;"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}));"
        "sys.exit(main(sys.argv[1:]))"
    )
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, timeout=SECONDS, check=False,
        env=child_environment(), capture_output=True, text=True,
    )  # fmt: skip


@pytest.mark.parametrize(
    "name", ["out.csv", "out.parquet", "out.arrow", "out.jsonl", "out.csv.gz", "folder"]
)
def test_converting_to_a_full_disk_is_one_error_and_no_file(
    name: str, big_file: Path, tmp_path: Path
) -> None:
    pytest.importorskip("pyarrow")
    target = tmp_path / name
    keys = "event_id:1000000" if name == "folder" else None
    # Kernels are left on disk while there is room.
    evstream.convert(big_file, target, partition_by=keys)
    shutil.rmtree(target) if keys else target.unlink()
    options = ["--partition-by", keys] if keys else []
    result = limited_child(["convert", str(big_file), str(target), *options], 50_000)
    assert result.returncode == 2
    assert os.listdir(tmp_path) == []
    errors = [line for line in result.stderr.splitlines() if "could not write" in line]
    assert errors == result.stderr.splitlines(), result.stderr
    assert len(errors) == 1
    assert "File too large" in errors[0]
    assert str(target) in errors[0]


def on_small_disk(folder: Path, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python with a disk of 300 kB mounted on `folder`, visible to it alone."""
    unshare = shutil.which("unshare")
    if unshare is None:
        pytest.skip("no unshare here")
    options = ["--mount"] if os.geteuid() == 0 else ["--mount", "--map-root-user"]
    script = f'mount -t tmpfs -o size=300k none "{folder}" || exit 77; exec "$@"'
    result = subprocess.run(
        [unshare, *options, "sh", "-c", script, "sh", sys.executable, "-c", code, *arguments],
        cwd=ROOT, env=child_environment(), timeout=SECONDS, check=False,
        capture_output=True, text=True,
    )  # fmt: skip
    if result.returncode == 77 or "unshare" in result.stderr:
        pytest.skip("mounting is not permitted here")
    return result


def test_a_disk_that_fills_up_is_one_error_and_no_file(tmp_path: Path) -> None:
    code = """if True:
        import os, sys, evstream
        from fault_cases import write_big
        try:
            write_big(sys.argv[1])
        except evstream.WriteError as error:
            print(error)
        print(os.listdir(os.path.dirname(sys.argv[1])))
    """
    path = tmp_path / "out.bin"
    result = on_small_disk(tmp_path, code, str(path))
    assert result.returncode == 0, result.stderr
    error, left = result.stdout.splitlines()
    assert error.startswith(f"{path}: byte ")
    assert error.endswith("could not write: No space left on device")
    assert left == "[]"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_flushing_to_a_full_device_names_it() -> None:
    with open("/dev/full", "wb") as file:
        out = evstream.create(file, "loss", len_sample=1)
        out.write_columns(1, 1, 1, 5.0)
        with pytest.raises(evstream.WriteError, match=r"/dev/full: .*No space left on device"):
            out.flush()
        with contextlib.suppress(OSError):
            file.close()
