"""njit functions of programs that numba keeps on disk, at other widths than they were compiled."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from support import child_environment

PROGRAM = """
import sys
import numba, numpy as np
from evstream.event_stream import (
    EventReader, mv_read, mv_write_item_header, oasis_int, oasis_int_size, oasis_float,
    oasis_float_size,
)

@numba.njit(cache=True)
def number(byte_mv, cursor):
    return mv_read(byte_mv, cursor, oasis_int, oasis_int_size)

@numba.njit(cache=True)
def numbers(byte_mv):
    value, cursor = number(byte_mv, 0)
    loss, cursor = mv_read(byte_mv, cursor, oasis_float, oasis_float_size)
    return value, loss, cursor

@numba.njit(cache=True)
def header(byte_mv):
    return mv_write_item_header(byte_mv, 0, 1, 2)

data = np.array([7], oasis_int).tobytes() + np.array([2.5], oasis_float).tobytes()
print(*numbers(np.frombuffer(data, np.int8)), header(np.zeros(16, np.int8)))
print(sum(f.stats.cache_hits.total() for f in (numbers, header)))
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    return path


def run(program: Path, **environment: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, program.name], cwd=program.parent, capture_output=True, text=True,
        check=True, env=child_environment(NUMBA_CACHE_DIR=str(program.parent), **environment),
    )  # fmt: skip
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_code_from_the_disk_has_the_widths_of_the_process(program: Path) -> None:
    narrow, wide = ["7 2.5 8 8", "7 2.5 16 16"], {"OASIS_INT": "i8", "OASIS_FLOAT": "f8"}
    assert run(program) == [narrow[0], "0"]
    assert run(program) == [narrow[0], "2"]
    assert run(program, **wide) == [narrow[1], "0"]
    assert run(program) == [narrow[0], "0"]
    assert run(program, OASIS_INT="i8") == ["7 2.5 12 16", "0"]


def test_code_from_the_disk_has_the_loads_of_this_evstream(program: Path) -> None:
    assert run(program)[1] == "0"
    other = program.with_name("other.py")
    other.write_text(
        "import evstream._support.build_mark as m\nm._build = lambda: 'another'\n"
        f"import runpy; runpy.run_path({str(program)!r}, run_name='__main__')\n"
    )
    assert run(other) == ["7 2.5 8 8", "0"]
