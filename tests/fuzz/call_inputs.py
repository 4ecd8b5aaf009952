"""Inputs of the fuzzer of calls: mutated files, odd arguments, columns, sources and targets."""

from __future__ import annotations

import contextlib
import io
import os
import random
import shutil
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np

import evstream

TESTS = Path(__file__).parents[1]
GOLDEN = TESTS / "golden"
SPECS = TESTS / "bad_specs"
LARGEST = 2048
"""Bytes of a file at most, so that many can be tried."""

WIDTHS = [
    {"oasis_int": "i4", "oasis_float": "f4", "areaperil_int": "u4"},
    {"oasis_int": "i8", "oasis_float": "f8", "areaperil_int": "u8"},
]
"""Only these, since each other choice compiles kernels for seconds."""

ODD: list[Any] = [
    None, True, -1, 0, 1, 2**31, 2**63, 2**70, 0.5, float("nan"), float("inf"), "", "loss", "\0",
    "summary", "x" * 300, b"", b"loss", [], [1], (1, "a"), {}, {"x": "i4"}, {1: 2},
    {"oasis_int": "f4"}, {"oasis_int": None}, set(), range(3), object(), int, lambda *_: None,
    np.arange(3), np.array(["a"]), np.array([1.5, np.nan]), np.float32(2), np.zeros((2, 2)),
    np.array([None, 1], object), np.zeros(0), np.int8(-1), Path("nowhere"), "\ud800", "a\nb",
    10**6, [[1], [1, 2]], iter([1]), 1j, "no/such/folder/x.bin", ".",
]  # fmt: skip

SUFFIXES = [".bin", ".csv", ".jsonl", ".parquet", ".arrow", ".bin.gz", ".csv.zst", ".bin.zst"]

Seeds = dict[str, list[bytes]]


def make_seeds(every: int = 4) -> Seeds:
    """Valid files by suffix: small golden streams, and what every fourth of them converts to."""
    found: Seeds = {suffix: [] for suffix in SUFFIXES}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number, path in enumerate(sorted(GOLDEN.glob("*.bin"))):
            data = path.read_bytes()
            if len(data) > LARGEST:
                continue
            found[".bin"].append(data)
            if number % every:
                continue
            for suffix in SUFFIXES[1:]:
                target = Path(folder) / f"{number}{suffix}"
                with contextlib.suppress(evstream.EvstreamError, ValueError):
                    evstream.convert(path, target)
                    found[suffix].append(target.read_bytes())
    return found


def mutated(chance: random.Random, data: bytes) -> bytes:
    """The bytes with a few changes, or as they are."""
    changed = bytearray(data)
    for _ in range(chance.choice([0, 0, 1, 1, 2, 5])):
        at = chance.randrange(len(changed) + 1)
        way = chance.randrange(6)
        if way == 0:
            del changed[at:]
        elif way == 1:
            del changed[at : at + chance.randrange(1, 20)]
        elif way == 2:
            changed[at:at] = bytes(chance.randrange(1, 40))
        elif way == 3:
            changed[at:at] = changed[chance.randrange(len(changed) + 1) :][:64]
        elif way == 4 and at < len(changed):
            changed[at] = chance.choice(
                [0, 1, 255, 128, chance.randrange(256), ord("\n"), ord(",")]
            )
        else:
            word = chance.choice(
                [b"\xff" * 4, b"\x00\x00\xc0\x7f", b"\x00\x00\x00\x80", b"nan", b"\n\n"]
            )
            changed[at : at + len(word)] = word
    return bytes(changed)


class Inputs:
    """What one numbered call gets; its files lie in the current folder (see `Workplace`)."""

    def __init__(self, chance: random.Random, seeds: Seeds) -> None:
        self.chance, self.seeds = chance, seeds
        self.files: list[str] = []

    def once_in(self, n: int) -> bool:
        return self.chance.randrange(n) == 0

    def data(self, suffix: str | None = None) -> bytes:
        if suffix is None:
            suffix = self.chance.choice([".bin"] * 6 + SUFFIXES)
        return mutated(self.chance, self.chance.choice(self.seeds[suffix]))

    def name(self, suffix: str) -> str:
        name = f"{len(self.files)}{suffix}"
        self.files.append(name)
        return name

    def file(self, suffix: str | None = None) -> str:
        """A new file; its name need not say what it holds."""
        suffix = suffix or self.chance.choice([".bin"] * 6 + [*SUFFIXES, ""])
        content = suffix if suffix and not self.once_in(10) else None
        name = self.name(suffix)
        with open(name, "wb") as file:
            file.write(self.data(content))
        return name

    def source(self) -> Any:
        way = self.chance.random()
        if way < 0.4:
            return self.file()
        return io.BytesIO(self.data(".bin")) if way < 0.95 else self.odd()

    def sources(self) -> Any:
        """One source, or several: a list, a pattern, the current folder."""
        if not self.once_in(8):
            return self.source()
        files = [self.file(".bin") for _ in range(self.chance.randrange(4))]
        return self.chance.choice([files, files, tuple(files), "*.bin", ".", [*files, self.odd()]])

    def target(self) -> Any:
        way = self.chance.random()
        if way < 0.5:
            return io.BytesIO()
        return self.name(self.chance.choice([*SUFFIXES, ""])) if way < 0.95 else self.odd()

    def odd(self) -> Any:
        return self.chance.choice(ODD)

    def options(self, *names: str, widths: bool = True) -> dict[str, Any]:
        """Some of the options that a function has, with any value."""
        given = {name: self.odd() for name in names if self.once_in(16)}
        if widths and self.once_in(5):
            given["widths"] = self.chance.choice(WIDTHS)
        if self.once_in(100):
            given["unknown"] = 1
        return given

    def array(self) -> Any:
        chance = self.chance
        if self.once_in(10):
            return self.odd()
        low, high = chance.choice([(1, 5), (1, 5), (-6, 5), (0, 2**31), (-(2**40), 2**40)])
        values = sorted(chance.randint(low, high) for _ in range(chance.randrange(5)))
        dtype = chance.choice(["i4", "i8", "f4", "f8", "u1", "O", "U", "M8[s]", "?", "c8", "f2"])
        with np.errstate(all="ignore"):
            return values if chance.random() < 0.4 else np.array(values, "i8").astype(dtype)


class Workplace:
    """A new temporary folder, which is the current one meanwhile; only it is ever emptied."""

    def __enter__(self) -> Workplace:
        self._before = os.getcwd()
        self._folder = tempfile.mkdtemp(prefix="fuzz-calls-")
        os.chdir(self._folder)
        return self

    def __exit__(self, *_: object) -> None:
        os.chdir(self._before)
        shutil.rmtree(self._folder, ignore_errors=True)

    def clear(self) -> None:
        """Remove the files of a call, and what it made of them."""
        for entry in os.scandir(self._folder):
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, ignore_errors=True)
            else:
                os.unlink(entry.path)
