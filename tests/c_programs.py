"""Programs in C and C++ that use evstream.h: compiling them, running them, and what they found."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from oracle import DEFAULT_WIDTHS

ROOT = Path(__file__).resolve().parent.parent

INCLUDE = ROOT / "src" / "evstream" / "include"

PROGRAM = ROOT / "tests" / "c" / "roundtrip.c"

COMPILERS = {"c": ["gcc", "-std=c99"], "c++": ["g++", "-x", "c++"]}

WARNINGS = ["-Wall", "-Wextra", "-Werror", "-pedantic"]

SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]

MORE_WARNINGS = ["-Wconversion", "-Wsign-conversion", "-Wshadow", "-Wcast-qual", "-Wundef"]

CHOICES = [("i4", "i8"), ("f4", "f8"), ("u4", "u8")]

WIDTHS = [dict(zip(DEFAULT_WIDTHS, chosen, strict=True)) for chosen in itertools.product(*CHOICES)]

ERRORS = {"bad_header": "negative_len_sample", "bad_count": "negative_count"}


def compile_with(language: str, *arguments: str | Path) -> None:
    command = COMPILERS[language]
    if shutil.which(command[0]) is None:
        pytest.skip(f"no {command[0]} here: the header was not tried with it")
    result = subprocess.run(
        [*command, *WARNINGS, f"-I{INCLUDE}", *map(str, arguments)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (result.returncode, result.stdout + result.stderr) == (0, "")


@pytest.fixture(scope="module", params=COMPILERS)
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    binary = tmp_path_factory.mktemp("c") / "roundtrip"
    compile_with(request.param, *SANITIZERS, PROGRAM, "-o", binary)
    return binary


@dataclass
class Found:
    """What the program printed of one stream."""

    header: list[int] = field(default_factory=list)
    records: list[tuple[int, ...]] = field(default_factory=list)
    blocks: list[tuple[int, ...]] = field(default_factory=list)
    holes: list[int] = field(default_factory=list)
    ends: list[tuple[str, int, int, int]] = field(default_factory=list)


@dataclass
class Job:
    widths: dict[str, str]
    path: Path
    chunk: int = 0
    length: int = -1
    out: Path | None = None
    stream: str | None = None

    @property
    def arguments(self) -> list[str]:
        values = ["_".join(self.widths.values()), self.stream or "-", self.chunk, self.length]
        return [str(value) for value in (*values, self.path, self.out or "-")]


def run(program: Path, jobs: list[Job]) -> list[Found]:
    result = subprocess.run(
        [str(program), *(argument for job in jobs for argument in job.arguments)],
        capture_output=True, text=True, check=False, env=os.environ | {"LC_ALL": "C"},
    )  # fmt: skip
    assert (result.returncode, result.stderr) == (0, "")
    found: list[Found] = []
    for line in result.stdout.splitlines():
        kind, *words = line.split()
        match kind:
            case "j":
                found.append(Found())
            case "h":
                found[-1].header = [int(word) for word in words]
            case "r" | "b":
                rows = found[-1].records if kind == "r" else found[-1].blocks
                rows.append(tuple(_value(word) for word in words))
            case "z":
                found[-1].holes.append(int(words[0]))
            case "e":
                status, *numbers = words
                found[-1].ends.append((status, *map(int, numbers)))  # type: ignore[arg-type]
    assert len(found) == len(jobs)
    return found


def _value(word: str) -> int:
    """Floats are printed as their bits, after an x."""
    return int(word[1:], 16) if word.startswith("x") else int(word)


def end_of(found: tuple[str, int, int, int]) -> tuple[str | None, int | None, bool | None]:
    """(error, error_offset, whether a final delimiter is missing) as the oracle has them."""
    status, offset, start, rest = found
    if status in ("end", "no_final_delimiter"):
        return None, None, status == "no_final_delimiter"
    places = {
        "short_header": offset + rest, "block_without_entries": start, "second_stream": start
    }  # fmt: skip
    return ERRORS.get(status, status), places.get(status, offset), None
