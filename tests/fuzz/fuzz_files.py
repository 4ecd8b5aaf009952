"""Mutate the golden files of a run folder, and their index files: only an EvstreamError or the
right rows may come out.

    python tests/fuzz/fuzz_files.py --seconds 600
    python tests/fuzz/fuzz_files.py --count 1000 --seed 7

Input number N of seed S is always the same. What rows are right says a decoder of struct and numpy,
which reads the tables of tests/golden/run_folder.py and shares no code with evstream.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
import warnings
import zlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "src"))
sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "golden"))

import run_folder
import targets
from run_folder import BUILDS, Golden, Kind, fields_of

import evstream
from evstream.errors import EvstreamError, MissingExtraError

KINDS: dict[str, Kind] = {**run_folder.KINDS, **dict(run_folder.VARIANTS.values())}

OPTIONS = {
    "occurrence.bin": {1: "occurrence", 3: "occurrence_minutes", 0: "occurrence_numbers"},
    "footprint.bin": {1: "footprint", 0: "footprint_certain", 3: "footprint_sized",
                      2: "footprint_certain_sized"},
}  # fmt: skip
"""File -> what its options (the first number of occurrences, the second of footprints) say."""

Rows = list[bytes]


class RefusedError(Exception):
    """The bytes are not such a file."""


@cache
def seeds() -> list[Golden]:
    return [golden for _, golden in run_folder.files()]


@cache
def others() -> list[bytes]:
    """What mutations take bytes of, as targets.mutated wants it."""
    return [bytes(targets.CHOICES) + data for seed in seeds() for data in seed.contents().values()]


def dtype_of(text: str, build: str) -> np.dtype[Any]:
    return np.dtype([(name, f"<{width}") for name, width in fields_of(text, build)])


def right_rows(seed: Golden, contents: list[bytes], columns: list[str]) -> list[Rows]:
    """The rows that files may be read as, each as its bytes. There is more than one answer for an
    index file that may be of either kind."""
    kind = seed.kind
    name = seed.name
    if choices := OPTIONS.get(kind.file):
        if len(contents[0]) < 8:
            raise RefusedError
        at = 0 if kind.file.startswith("occurrence") else 1
        option = int(np.frombuffer(contents[0][:8], "<i4")[at])
        if option not in choices:
            raise RefusedError
        name = choices[option]
    elif kind.file == "correlations.bin":
        name = "correlations_source" if "source_item_id" in columns else "correlations"
    kind = KINDS[name]
    header = dtype_of(kind.header, seed.build).itemsize
    record = dtype_of(kind.fields, seed.build)
    data = contents[0]
    if len(data) < header:
        raise RefusedError
    if kind.index:
        return list(indexed_rows(seed, kind, data, contents[1], header, record.itemsize))
    if kind.block:
        opens = dtype_of(kind.block, seed.build)
        return [counted_rows(data[header:], opens, record.itemsize)]
    rows = cut(data[header:], record.itemsize)
    if kind.number:
        rows = [number.to_bytes(4, "little") + row for number, row in enumerate(rows, start=1)]
    return [rows]


def cut(data: bytes, size: int) -> Rows:
    if len(data) % size:
        raise RefusedError
    return [data[at : at + size] for at in range(0, len(data), size)]


def counted_rows(data: bytes, opens: np.dtype[Any], size: int) -> Rows:
    rows, at = [], 0
    while at < len(data):
        if len(data) - at < opens.itemsize:
            raise RefusedError
        ids = data[at : at + opens.itemsize - 4]
        count = int(np.frombuffer(data[at : at + opens.itemsize], opens)[opens.names[-1]][0])
        at += opens.itemsize
        if count < 0 or len(data) - at < count * size:
            raise RefusedError
        rows += [ids + row for row in cut(data[at : at + count * size], size)]
        at += count * size
    return rows


def indexed_rows(
    seed: Golden, kind: Kind, data: bytes, index: bytes, header: int, size: int
) -> Iterator[Rows]:
    layouts = [kind.index]
    if kind.file == "vulnerability.bin":
        layouts.append(kind.index.rpartition(",")[0])
    for layout in layouts:
        place = dtype_of(layout, seed.build)
        if len(index) % place.itemsize:
            continue
        rows: Rows = []
        taken: set[int] = set()
        try:
            for identity, offset, length, *_ in np.frombuffer(index, place).tolist():
                if offset < header or length < 0 or offset + length > len(data):
                    raise RefusedError
                here = set(range(offset, offset + length))
                if here & taken:
                    raise RefusedError
                taken |= here
                block = data[offset : offset + length]
                if seed.is_packed and block:
                    block = zlib.decompress(block)
                opened = identity.to_bytes(4, "little", signed=True)
                rows += [opened + row for row in cut(block, size)]
        except (RefusedError, zlib.error):
            continue
        yield rows


def changed(chance: random.Random, seed: Golden) -> list[bytes]:
    """The files of a seed, one of them or both with changes."""
    contents = list(seed.contents().values())
    which = chance.choice([[0], [len(contents) - 1], range(len(contents))])
    for at in which:
        contents[at] = targets.mutated(chance, contents[at], others())
    return contents


def run(seed: Golden, contents: list[bytes], folder: Path, chance: random.Random) -> bool:
    """Read the files in every way; whether they have rows. Raises for a broken promise."""
    paths = [folder / name for name in seed.names()]
    for path, data in zip(paths, contents, strict=True):
        path.write_bytes(data)
    widths = {"oasis_float": BUILDS[seed.build]["f"], "areaperil_int": BUILDS[seed.build]["ap"]}
    try:
        return check(seed, contents, paths[0], widths, chance.random() < 0.3)
    finally:
        for path in paths:
            path.unlink()


def check(
    seed: Golden, contents: list[bytes], path: Path, widths: dict[str, str], is_strict: bool
) -> bool:
    rows: Rows | None = None
    try:
        columns = evstream.read_columns(path, widths=widths, strict=is_strict)
    except EvstreamError:
        columns = {}
    else:
        parts = [column.tobytes() for column in columns.values()]
        sizes = [column.itemsize for column in columns.values()]
        count = len(next(iter(columns.values())))
        rows = [
            b"".join(p[at * n : (at + 1) * n] for p, n in zip(parts, sizes, strict=True))
            for at in range(count)
        ]
        try:
            answers = right_rows(seed, contents, list(columns))
        except RefusedError:
            answers = []
        assert rows in answers, f"{len(rows)} rows that the files do not have"
    try:
        with evstream.open(path, widths=widths, strict=is_strict) as stream:
            events = list(stream)
    except EvstreamError:
        events = None
    assert (events is None) == (rows is None), "events and rows differ"
    try:
        report = evstream.validate(path, widths=widths)
    except EvstreamError:
        report = None
    if rows is None and report is not None:
        assert report.errors or is_strict, "validate finds nothing in what cannot be read"
    text = path.with_name("table.csv")
    try:
        evstream.convert(path, text, widths=widths, threads=1)
    except MissingExtraError:
        raise
    except EvstreamError:
        assert not text.exists(), "half a table"
    else:
        text.unlink()
    return rows is not None


def numbered(seed: int, number: int, folder: Path) -> bool:
    """Run input `number` of a seed."""
    chance = random.Random(f"{seed}:{number}")
    golden = chance.choice(seeds())
    return run(golden, changed(chance, golden), folder, chance)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--count", type=int, default=sys.maxsize)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    start = time.monotonic()
    number = findings = legal = 0
    with tempfile.TemporaryDirectory() as folder:
        while number < options.count and time.monotonic() - start < options.seconds:
            try:
                legal += numbered(options.seed, number, Path(folder))
            except Exception as error:
                findings += 1
                print(f"input {number}: {type(error).__name__}: {error}", flush=True)
            number += 1
    seconds = time.monotonic() - start
    print(
        f"fuzz_files: {number:,} inputs of seed {options.seed} in {seconds:,.0f} s, {legal:,} of "
        f"them with rows; {findings} findings"
    )
    return int(findings > 0)


if __name__ == "__main__":
    sys.exit(main())
