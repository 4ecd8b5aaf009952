"""evstream.h says the same as the oracle of every golden file, in C and in C++.

tests/c/roundtrip.c reads with the header alone, prints what it finds and writes it again.
It is compiled with the address and undefined-behaviour sanitizers, and gets its input in
memory of exactly the size that it may read, so that a byte too many ends the program.
"""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pytest

from c_programs import (
    INCLUDE,
    MORE_WARNINGS,
    ROOT,
    SANITIZERS,
    WIDTHS,
    Found,
    Job,
    compile_with,
    end_of,
    program,
    run,
)
from oracle import Decoded, decode

__all__ = ["program"]  # a fixture

GOLDEN = ROOT / "tests" / "golden"

ENTRIES: list[dict[str, Any]] = json.loads((GOLDEN / "manifest.json").read_text())["files"]

SMALL_ENTRIES = [entry for entry in ENTRIES if entry["bytes"] <= 400]

DELIMITER_WITH_LOSS = "loss_delimiter_with_loss.bin"


def stream_of(entry: dict[str, Any]) -> str | None:
    return "event_ids" if entry["stream"] == "event_ids" else None


def expected_end(decoded: Decoded) -> tuple[str | None, int | None, bool | None]:
    missing = None if decoded.error else decoded.final_delimiter is False
    return decoded.error, decoded.error_offset, missing


def compare(found: Found, decoded: Decoded, *, may_join: bool) -> None:
    """The program and the oracle agree. With `may_join`, bytes that the oracle takes for a block
    may look to the program like the opening of a second stream, where it stops."""
    ((status, _, start, _),) = found.ends
    if may_join and status == "second_stream":
        starts = [block[0] for block in decoded.blocks]
        assert start in starts or start == decoded.error_offset
        assert found.records == decoded.raw_records[: len(found.records)]
        assert found.blocks == [block for block in decoded.blocks if block[0] < start]
        return
    assert found.records == decoded.raw_records
    assert found.blocks == decoded.blocks
    assert [end_of(end) for end in found.ends] == [expected_end(decoded)]


def file_name(entry: dict[str, Any]) -> str:
    return str(entry["file"])


@pytest.mark.parametrize("entry", ENTRIES, ids=file_name)
def test_a_golden_file_of_any_width_is_read_as_by_the_oracle(
    entry: dict[str, Any], program: Path
) -> None:
    """At the widths of other streams most files are malformed, and read alike still."""
    path = GOLDEN / entry["file"]
    stream = stream_of(entry)
    chunks = (0, 13) if entry["bytes"] < 10_000 else (0, 4099)
    jobs = [Job(widths, path, chunk, stream=stream) for widths in WIDTHS for chunk in chunks]
    answers = iter(run(program, jobs))
    for widths in WIDTHS:
        decoded = decode(path.read_bytes(), stream, widths)
        for _ in chunks:
            found = next(answers)
            assert found.header == list(decoded.header.values())
            compare(found, decoded, may_join=widths != entry["widths"])


def test_a_golden_file_is_written_to_the_same_bytes(program: Path, tmp_path: Path) -> None:
    """A malformed file as far as it was read. A delimiter is always written as (0, 0)."""
    jobs = [
        Job(entry["widths"], GOLDEN / entry["file"], out=tmp_path / entry["file"],
            stream=stream_of(entry))
        for entry in ENTRIES
    ]  # fmt: skip
    for entry, job, found in zip(ENTRIES, jobs, run(program, jobs), strict=True):
        ((_, offset, _, _),) = found.ends
        data, name = job.path.read_bytes(), entry["file"]
        again = (tmp_path / name).read_bytes()
        assert entry["error"] or offset == len(data), name
        assert (again == data[:offset]) == (name != DELIMITER_WITH_LOSS), name
        assert len(again) == offset, name


@cache
def ends_of_cut(file: str) -> list[Any]:
    """How each beginning of a golden file ends, the empty and the whole one too."""
    (entry,) = (entry for entry in SMALL_ENTRIES if entry["file"] == file)
    data = (GOLDEN / file).read_bytes()
    lengths = range(len(data) + 1)
    return [expected_end(decode(data[:n], stream_of(entry), entry["widths"])) for n in lengths]


def test_a_golden_file_cut_anywhere_ends_as_the_oracle_says(program: Path) -> None:
    jobs = [
        Job(entry["widths"], GOLDEN / entry["file"], chunk, -2, stream=stream_of(entry))
        for entry in SMALL_ENTRIES
        for chunk in (0, 1)
    ]
    for job, found in zip(jobs, run(program, jobs), strict=True):
        assert [end_of(end) for end in found.ends] == ends_of_cut(job.path.name), job.path.name


def test_damaged_files_are_read_as_the_oracle_reads_them(program: Path, tmp_path: Path) -> None:
    """Golden files with bytes changed, put in and left out, from a fixed seed."""
    random = Random(20261122)
    jobs = []
    for number in range(400):
        entry = random.choice(SMALL_ENTRIES)
        data = bytearray((GOLDEN / entry["file"]).read_bytes())
        for _ in range(random.randint(1, 4)):
            at = random.randint(4, max(4, len(data)))
            old, new = random.choice([(1, 1), (1, 1), (0, 1), (1, 0), (4, 0), (8, 8)])
            data[at : at + old] = random.choice((random.randbytes(new), bytes(new)))
        path = tmp_path / f"{number}.bin"
        path.write_bytes(data)
        widths, chunk = random.choice((entry["widths"], *WIDTHS)), random.choice((0, 1, 9))
        jobs.append(Job(widths, path, chunk, stream=stream_of(entry)))
    for job, found in zip(jobs, run(program, jobs), strict=True):
        compare(found, decode(job.path.read_bytes(), job.stream, job.widths), may_join=True)


def test_the_sanitizers_are_awake(tmp_path: Path) -> None:
    """A program that reads a byte beyond its input is ended."""
    source = tmp_path / "beyond.c"
    source.write_text(
        """
#include <stdlib.h>
#include "evstream.h"
int main(void)
{
    unsigned char *bytes = (unsigned char *)calloc(1, 3);
    uint32_t type = 0;
    evs_read_type(bytes, &type);
    free(bytes);
    return (int)type;
}
"""
    )
    binary = tmp_path / "beyond"
    compile_with("c", *SANITIZERS, source, "-o", binary)
    result = subprocess.run([str(binary)], capture_output=True, text=True, check=False)
    assert result.returncode != 0
    assert "heap-buffer-overflow" in result.stderr


@pytest.mark.parametrize(
    ("language", "standard"),
    [("c", "c99"), ("c", "c11"), ("c", "c17"), ("c++", "c++11"), ("c++", "c++20")],
)
def test_the_header_is_clean_in_every_standard(
    language: str, standard: str, tmp_path: Path
) -> None:
    source = tmp_path / "alone.c"
    source.write_text(
        '#include "evstream.h"\n#include "evstream.h"\nint main(void) { return 0; }\n'
    )
    compile_with(language, f"-std={standard}", *MORE_WARNINGS, "-fsyntax-only", source)


def test_a_load_is_one_instruction(tmp_path: Path) -> None:
    """Byte by byte in the source costs nothing: no shift is left after -O2."""
    source = tmp_path / "load.c"
    source.write_text(
        '#include "evstream.h"\n'
        "int64_t load(const unsigned char *at);\n"
        "int64_t load(const unsigned char *at) { return evs_get_i8(at); }\n"
    )
    compile_with("c", "-O2", "-S", source, "-o", tmp_path / "load.s")
    listing = (tmp_path / "load.s").read_text()
    assert "shl" not in listing
    assert "lsl" not in listing


def test_the_header_includes_freestanding_c_only() -> None:
    lines = (INCLUDE / "evstream.h").read_text().splitlines()
    included = {line.split()[1] for line in lines if line.startswith("#include")}
    assert included == {"<stddef.h>", "<stdint.h>", "<string.h>"}


def test_the_folder_of_the_header_is_printed() -> None:
    command = [sys.executable, "-m", "evstream.include"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout == f"{INCLUDE}\n"
