"""`minimum`, `reserved` and rules mean the same to Python, C and Kaitai (spec/README.md)."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from c_programs import compile_with
from codegen.generate import generate
from codegen.outputs import package_outputs

SPEC = """\
format: limits
doc: A format with limits.
scalars:
  number: {doc: A number., widths: [i4]}
  short: {doc: A short number., widths: [i1]}
enums:
  source_type: {doc: Sources., values: {ONE: {value: 1, constant: SOURCE_ONE, doc: One.}}}
  aggregation_type: {doc: Kinds., values: {ALL: {value: 1, constant: KIND_ALL, doc: All.}}}
type_word:
  doc: Opens a stream.
  fields:
    - {name: aggregation, bytes: 3, enum: aggregation_type, doc: Low bytes.}
    - {name: source, bytes: 1, enum: source_type, doc: High byte.}
records:
  start:
    doc: Opens a stream.
    fields:
      - {name: version, type: number, minimum: 3, doc: At least 3.}
  opening:
    doc: Opens a block.
    fields:
      - {name: event_id, type: number, plural: event_ids, doc: The event.}
      - {name: zone_id, type: number, plural: zone_ids, reserved: [7, 9], doc: The zone.}
      - {name: points, type: short, minimum: 2, doc: Number of entries.}
  point:
    doc: A point.
    fields:
      - {name: height, type: number, doc: The height.}
blocks:
  zone: {doc: A zone., header: opening, entry: point, end: {count: points}, index: place}
streams:
  zones: {doc: Zones., source: ONE, aggregation: ALL, header: start, block: zone}
rules:
  zone-named: {doc: No 7 or 9., fix: Rename., severity: error, check: not_reserved, field: zone_id}
  is-whole: {doc: Whole., fix: Mend., severity: error, check: whole}
  height-known: {doc: From 0., fix: Lift., severity: error, check: not_negative, field: height}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where `limits` and the C program `read` are."""
    folder = tmp_path_factory.mktemp("limits")
    path = folder / "limits.yaml"
    path.write_text(SPEC)
    assert generate(path, folder, package_outputs("limits"), pretty=False) == 0
    source = folder / "read.c"
    source.write_text(C_PROGRAM)
    compile_with("c", f"-I{folder / 'limits/include'}", source, "-o", folder / "read")
    return folder


C_PROGRAM = """
#include <stdio.h>
#include "limits.h"
int main(void)
{
    static unsigned char data[4096];
    size_t n = fread(data, 1, sizeof data, stdin);
    limits_reader r; limits_status s; limits_start start; limits_opening block; limits_point entry;
    uint32_t type;
    limits_begin(&r, LIMITS_AT_TYPE);
    limits_feed(&r, data, n);
    s = limits_next_type(&r, &type);
    if (s == LIMITS_OK)
        s = limits_next_start(&r, &start);
    if (s == LIMITS_OK)
        while ((s = limits_next_zone(&r, &block, &entry)) < LIMITS_ERROR && s != LIMITS_NEED_INPUT)
            if (s == LIMITS_ENTRY)
                printf("%ld ", (long)entry.height);
    if (s == LIMITS_NEED_INPUT)
        s = limits_finish(&r);
    printf("%s %d", s == LIMITS_END ? "end" : s == LIMITS_BAD_HEADER ? "header"
        : s == LIMITS_BAD_COUNT ? "count" : s == LIMITS_HOLE ? "hole" : "other", (int)r.reserved);
    return 0;
}
"""


def stream(version: int = 3, zone: int = 1, count: int = 2, height: int = 5) -> bytes:
    header = struct.pack("<Iiiib", 1 << 24 | 1, version, 1, zone, count)
    return header + struct.pack("<ii", height, 6)


def in_c(folder: Path, data: bytes) -> str:
    ended = subprocess.run([folder / "read"], input=data, capture_output=True, check=True)
    return ended.stdout.decode()


def in_python(folder: Path, code: str, data: bytes = b"") -> list[str]:
    """Lines that code prints, in plain Python; `data` is a file object."""
    head = f"""
import io, warnings, limits
data = io.BytesIO({data!r})
def outcome(function):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            print(function(), *(w.category.__name__ for w in caught))
        except limits.EvstreamError as error:
            print(type(error).__name__, error.offset, error.problem, "|", error.expected)
"""
    ended = subprocess.run(
        [sys.executable, "-c", head + code], capture_output=True, text=True, check=False,
        env=os.environ | {"NUMBA_DISABLE_JIT": "1", "PYTHONPATH": str(folder)}, cwd=folder,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.splitlines()


READ = """
outcome(lambda: limits.read_columns(data)["height"].tolist())
"""
CHECK = """
outcome(lambda: dict(limits.validate(data).counts))
"""
SHORT = "CorruptStreamError 8 points is 1 | 2 or more"


@pytest.mark.parametrize(
    ("said", "c", "read", "checked"),
    [
        ({}, "5 6 end 0", "[5, 6]", "{}"),
        ({"version": 2}, "header 0", "StreamHeaderError 4 version is 2 | 3 or more", None),
        ({"count": 1}, "count 0", SHORT, "{'is-whole': 1}"),
        ({"count": -1}, "count 0", SHORT.replace("is 1", "is -1"), "{'is-whole': 1}"),
        ({"zone": 9}, "5 6 end 1", "[5, 6] SuspectWarning", "{'zone-named': 1}"),
        ({"zone": 0}, "5 6 end 0", "[5, 6]", "{}"),
        ({"height": -1}, "-1 6 end 0", "[-1, 6]", "{'height-known': 1}"),
    ],
    ids=lambda value: "_".join(value) or "good" if isinstance(value, dict) else "",
)
def test_python_and_c_agree(
    said: dict[str, int], c: str, read: str, checked: str | None, folder: Path
) -> None:
    data = stream(**said)
    assert in_c(folder, data) == c
    assert in_python(folder, READ, data) == [read]
    if checked is None:
        checked = read
    assert in_python(folder, CHECK, data) == [checked]


def test_the_writer_refuses_the_same(folder: Path) -> None:
    """A minimum without validation too; a rule, which a reserved id needs, with it."""
    code = """
def write(zone=1, height=(5, 6), version=3, **more):
    with limits.create(io.BytesIO(), "zones", version=version, **more) as out:
        out.write_columns(1, zone, list(range(1, len(height) + 1)), list(height))
for validate in (True, False):
    outcome(lambda: write(validate=validate))
    outcome(lambda: write(version=2, validate=validate))
    outcome(lambda: write(height=(5,), validate=validate))
    outcome(lambda: write(zone=7, validate=validate))
    outcome(lambda: write(height=(5, -6), validate=validate))
"""
    lines = in_python(folder, code)
    short = "WriteError None points is 1 | 2 to 127"
    early = "WriteError None version is 2 | 3 to 2147483647"
    assert lines[:3] == ["None", early, short]
    assert lines[3].startswith("WriteError None zone_id 7 breaks zone-named")
    assert lines[4].startswith("WriteError None height -6 breaks height-known")
    assert lines[5:] == ["None", early, short, "None", "None"]


def test_ids_of_zero_that_are_not_reserved_are_no_hole(folder: Path) -> None:
    empty = SPEC.replace("minimum: 2", "minimum: 0")
    path = folder / "open.yaml"
    path.write_text(empty)
    for reserved, c in (("[7, 9]", "end 0"), ("[0]", "hole 0")):
        path.write_text(empty.replace("[7, 9]", reserved))
        assert generate(path, folder / "zero", package_outputs("limits"), pretty=False) == 0
        source, binary = folder / "read.c", folder / "read_zero"
        compile_with("c", f"-I{folder / 'zero/limits/include'}", source, "-o", binary)
        data = struct.pack("<Iiiib", 1 << 24 | 1, 3, 0, 0, 0)
        ended = subprocess.run([binary], input=data, capture_output=True, check=True)
        assert ended.stdout.decode() == c
        printed = in_python(folder / "zero", READ, data)
        assert ("HoleWarning" in printed[0]) is (c == "hole 0")


def test_kaitai_descriptions_have_the_same_limits(folder: Path) -> None:
    import yaml

    text = (folder / "limits/kaitai/zones.ksy").read_text()
    types: dict[str, Any] = yaml.safe_load(text)["types"]
    valid = {f["id"]: f.get("valid") for t in types.values() for f in t["seq"]}
    assert (valid["version"], valid["points"]) == ({"min": 3}, {"min": 2})
    assert (valid["zone_id"], valid["height"]) == (None, None)
    suspect = types["zone_block"]["instances"]["has_reserved_id"]["value"]
    assert suspect == "header.zone_id == 7 or header.zone_id == 9"
