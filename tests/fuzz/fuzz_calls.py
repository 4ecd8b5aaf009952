"""Call the public functions and commands with mutated files, tables and arguments.

    python tests/fuzz/fuzz_calls.py --seconds 600
    python tests/fuzz/fuzz_calls.py --count 100000 --seed 7
    python tests/fuzz/fuzz_calls.py --seed 7 --only 12345

Call number N of seed S is always the same. A call may return, or raise EvstreamError, TypeError or
ValueError with a text, or OSError with a name; a command may end with status 0, 1 or 2. Findings
are all other exceptions and statuses, warnings of a class that is not in `evstream.errors`, open
files that are left, and a call that takes longer than STUCK seconds, which ends the run.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import gc
import io
import os
import random
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

os.environ["EVSTREAM_FSYNC"] = "0"
sys.path.insert(0, str(Path(__file__).parents[2] / "src"))

import numpy as np

import evstream
from evstream import errors
from evstream.checking.seal import Seal
from evstream.cli.program import main as run_command

GOLDEN = Path(__file__).parents[1] / "golden"
STUCK = 120
LARGEST = 8192
"""Bytes of a file at most, so that many can be tried."""

ODD: list[Any] = [
    None, True, -1, 0, 1, 2**31, 2**63, 2**70, 0.5, float("nan"), float("inf"), "", "loss", "\0",
    "summary", "x" * 300, b"", b"loss", [], [1], (1, "a"), {}, {"oasis_int": "i8"},
    {"oasis_float": "f8"}, {"oasis_int": "f4"}, {"x": "i4"}, {1: 2}, set(), range(3), object(), int,
    np.arange(3), np.array(["a"]), np.array([1.5, np.nan]), np.float32(2), np.zeros((2, 2)),
    np.array([None, 1], object), Path("nowhere"), io.BytesIO(b""), io.StringIO("a,b"), 10**6,
]  # fmt: skip

TEXTS = ["gul", "loss", "cdf", "event_ids", "nothing", "", "-1", "1", "1e9", "nan",
         "oasis_float=f8", "oasis_int=i8", "oasis_int=", "=", "x=y", "\u00e9", "0",
         "99999999999999999999"]  # fmt: skip

COMMANDS: dict[str, list[str]] = {
    "info": ["--json"],
    "cat": ["--format", "jsonl", "--event", "--head"],
    "validate": ["--json", "--first", "--expect-events", "--no-seal"],
    "seal": ["--no-fsync"],
    "convert": ["--precision", "--len-sample", "--summary-set-id", "--to", "--from", "--no-fsync"],
    "merge": ["--same-event", "merge", "refuse"],
    "diff": ["--absolute", "--relative", "--json"],
}
COMMON = ["--stream", "--width", "--strict", "--no-strict", "--timeout"]
SUFFIXES = [".bin", ".csv", ".jsonl", ".parquet", ".arrow", ".bin.gz", ".csv.zst", ".bin.zst", ""]


@cache
def seeds() -> dict[str, list[bytes]]:
    """Valid files by suffix: small golden streams, and what they convert to."""
    found: dict[str, list[bytes]] = {suffix: [] for suffix in SUFFIXES if suffix}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number, path in enumerate(sorted(GOLDEN.glob("*.bin"))):
            data = path.read_bytes()
            if len(data) > LARGEST:
                continue
            found[".bin"].append(data)
            if number % 4:
                continue
            for suffix in SUFFIXES[1:-1]:
                target = Path(folder) / f"{number}{suffix}"
                with contextlib.suppress(errors.EvstreamError, ValueError):
                    evstream.convert(path, target)
                    found[suffix].append(target.read_bytes())
    return found


def mutated(chance: random.Random, data: bytes) -> bytes:
    """The bytes with a few changes, or as they are."""
    changed = bytearray(data[:LARGEST])
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


class Call:
    """One numbered call, with files of its own in `folder`."""

    def __init__(self, chance: random.Random, folder: Path) -> None:
        self.chance, self.folder = chance, folder
        self.files = 0

    def data(self, suffix: str | None = None) -> bytes:
        known = seeds()
        suffix = suffix or self.chance.choice([".bin"] * 6 + list(known))
        return mutated(self.chance, self.chance.choice(known[suffix]))

    def file(self, suffix: str | None = None) -> Path:
        """A new file; its name need not say what it holds."""
        self.files += 1
        suffix = suffix or self.chance.choice([".bin"] * 6 + SUFFIXES)
        content = suffix if suffix and self.chance.random() < 0.9 else None
        path = self.folder / f"{self.files}{suffix}"
        path.write_bytes(self.data(content))
        return path

    def source(self) -> Any:
        way = self.chance.random()
        if way < 0.6:
            return self.file()
        return io.BytesIO(self.data(".bin")) if way < 0.95 else self.chance.choice(ODD)

    def target(self) -> Any:
        way = self.chance.random()
        if way < 0.4:
            return io.BytesIO()
        return self.folder / f"out{self.chance.choice(SUFFIXES)}" if way < 0.95 else self.odd()

    def odd(self) -> Any:
        return self.chance.choice(ODD)

    def options(self, *names: str) -> dict[str, Any]:
        """Some of the options that a function has, with any value."""
        given = {}
        for name in names:
            if self.chance.random() < 0.06:
                given[name] = self.odd()
        if "widths" in names and self.chance.random() < 0.2:
            given["widths"] = {"oasis_int": self.chance.choice(["i4", "i8"]),
                               "oasis_float": self.chance.choice(["f4", "f8"])}  # fmt: skip
        return given

    READ = ("stream", "widths", "strict", "timeout")

    def open(self) -> None:
        with evstream.open(self.source(), **self.options(*self.READ)) as stream:
            if self.chance.random() < 0.3:
                for _ in stream.chunks():
                    pass
                return
            for event in stream:
                event.to_rows()
                if self.chance.random() < 0.3:
                    event.to_dense()

    def table(self) -> None:
        name = self.chance.choice(
            ["read_columns", "read_arrow", "read_polars", "read_pandas", "read_dense"]
        )
        function = getattr(evstream, name)
        more = self.options(*self.READ, "columns", "events")
        function(self.source(), **more)

    def batches(self) -> None:
        if self.chance.random() < 0.5:
            for _ in evstream.iter_batches(self.source(), **self.options(*self.READ, "columns")):
                pass
        else:
            with evstream.arrow_reader(self.source(), **self.options(*self.READ)) as reader:
                reader.read_all()

    def scan(self) -> None:
        evstream.scan_polars(self.source(), **self.options(*self.READ)).collect()

    def validate(self) -> None:
        names = ("expect_events", "seal", "first", "stream", "widths", "timeout")
        evstream.validate(self.source(), **self.options(*names)).to_json()

    def compare(self) -> None:
        a = self.source()
        b = a if isinstance(a, Path) and self.chance.random() < 0.3 else self.source()
        evstream.compare(a, b, **self.options("absolute", "relative", "stream", "widths"))

    def merge(self) -> None:
        sources = [self.source() for _ in range(self.chance.randrange(4))]
        evstream.merge(sources, self.target(), **self.options("same_event", *self.READ))

    def convert(self) -> None:
        names = ("precision", "len_sample", "summary_set_id", "max_line", "max_batch", *self.READ)
        evstream.convert(self.source(), self.target(), **self.options(*names))

    def seal(self) -> None:
        path = self.folder / "a.seal"
        text = b'{"evstream_seal": 1, "stream": "loss", "bytes": 3, "checksums": [1]}'
        path.write_bytes(mutated(self.chance, text))
        Seal.read(path)

    def array(self) -> Any:
        chance = self.chance
        if chance.random() < 0.1:
            return self.odd()
        low, high = chance.choice([(1, 5), (-6, 5), (0, 2**31), (-(2**40), 2**40)])
        values = sorted(chance.randint(low, high) for _ in range(chance.randrange(5)))
        dtype = chance.choice(["i4", "i8", "f4", "f8", "u1", "O", "U", "M8[s]", "?", "c8"])
        with np.errstate(all="ignore"):
            return values if chance.random() < 0.4 else np.array(values, "i8").astype(dtype)

    def write(self) -> None:
        stream = self.chance.choice(["loss", "summary", "cdf", "event_ids", "gul_item"])
        header = {
            "loss": {"len_sample": 3},
            "gul_item": {"len_sample": 3},
            "summary": {"len_sample": 3, "summary_set_id": 1},
        }.get(stream, {})
        more = {**header, **self.options("len_sample", "widths", "validate", "seal", "durable")}
        with evstream.create(self.target(), stream, **more) as out:
            for _ in range(self.chance.randrange(1, 4)):
                if self.chance.random() < 0.5:
                    out.write_columns(
                        *(self.array() for _ in range(self.chance.choice([1, 4, 4, 5])))
                    )
                else:
                    event = self.array() if self.chance.random() < 0.2 else 1
                    more = self.options("mean", "tiv", "std_dev")
                    out.write_event(event, self.array(), self.array(), **more)

    def write_table(self) -> None:
        import pyarrow as pa

        names = self.chance.choice(
            [["event_id", "item_id", "sidx", "loss"], ["event_id"], ["a"], []]
        )
        columns = {name: self.array() for name in names}
        table: Any = columns
        if self.chance.random() < 0.6:
            try:
                table = pa.table(columns)
            except Exception:  # an array that Arrow does not take
                table = columns
        elif self.chance.random() < 0.1:
            table = self.odd()
        more = {"len_sample": 3, **self.options("stream", "widths", "len_sample", "validate")}
        evstream.write_arrow(table, self.target(), **more)

    def callbacks(self) -> None:
        reader = callback_class()(np.zeros(3))
        for _ in reader.read(*(self.source() for _ in range(self.chance.choice([1, 1, 2])))):
            pass

    def command(self) -> str:
        chance = self.chance
        name = chance.choice(list(COMMANDS))
        arguments: list[str] = [name]
        for _ in range(2 if name in {"convert", "diff"} else chance.choice([1, 1, 2])):
            arguments.append(str(self.file()))
        if name in {"convert", "merge"}:
            arguments[-1] = str(self.folder / f"out{chance.choice(SUFFIXES)}")
        for _ in range(chance.choice([0, 0, 1, 1, 2])):
            arguments.insert(
                chance.randrange(1, len(arguments) + 1), chance.choice(COMMANDS[name] + COMMON)
            )
        if chance.random() < 0.2:
            arguments.insert(chance.randrange(1, len(arguments) + 1), chance.choice(TEXTS))
        try:
            status = run_command(arguments)
        except SystemExit as error:
            status = error.code if isinstance(error.code, int) else 1
        if status not in {0, 1, 2}:
            raise AssertionError(f"status {status} of {arguments}")
        return f"status {status}"


@cache
def callback_class() -> Any:
    import numba

    @numba.njit
    def on_entry(total: Any, sidx: int, loss: float) -> None:
        total[0] += loss

    return evstream.reader_class("loss", on_entry=on_entry)


KINDS: list[Callable[[Call], str | None]] = [
    Call.open, Call.open, Call.table, Call.batches, Call.scan, Call.validate, Call.compare,
    Call.merge, Call.convert, Call.convert, Call.seal, Call.write, Call.write_table,
    Call.callbacks, Call.command, Call.command,
]  # fmt: skip


def outcome(kind: Callable[[Call], str | None], call: Call) -> tuple[str, str | None]:
    """(what happened, what is wrong with it or None) of one call."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            happened, wrong = kind(call) or "returned", None
        except Exception as error:
            happened, wrong = type(error).__name__, problem_of(error)
    for warning in caught:
        if warning.category.__module__ != "evstream.errors":
            where = f"{warning.filename}:{warning.lineno}"
            wrong = wrong or f"{warning.category.__name__}: {warning.message} ({where})"
    return happened, wrong


def problem_of(error: Exception) -> str | None:
    """Why an exception may not leave a public function; None if it may."""
    if isinstance(error, errors.EvstreamError):
        return None if "\n" not in str(error) else f"more than one line: {error}"
    own_text = type(error) in {TypeError, ValueError} and str(error)
    if own_text and raised_here(error):
        return None
    if isinstance(error, OSError) and error.filename is not None:
        return None
    return "".join(traceback.format_exception(error)[-4:])


def raised_here(error: Exception) -> bool:
    """Whether evstream (or this program, for a wrong signature) has raised it, not a library."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return "evstream" in last.filename or last.filename == __file__


def run_one(seed: int | str, number: int, folder: Path) -> tuple[str, str, str | None]:
    """(kind, what happened, what is wrong) of call `number` of a seed."""
    chance = random.Random(f"{seed}:{number}")
    kind = chance.choice(KINDS)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    happened, wrong = outcome(kind, Call(chance, folder))
    return kind.__name__, happened, wrong


def descriptors() -> int:
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


@contextlib.contextmanager
def silent() -> Any:
    """Standard output and error go to nowhere; gives a file that does not."""
    sys.stdout.flush()
    kept = os.dup(1), os.dup(2)
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    try:
        with open(os.dup(kept[0]), "w") as shown:
            yield shown
    finally:
        os.dup2(kept[0], 1)
        os.dup2(kept[1], 2)
        for number in (*kept, nowhere):
            os.close(number)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--count", type=int, default=sys.maxsize)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, metavar="N", help="only call number N")
    options = parser.parse_args()
    numbers = iter(range(options.count)) if options.only is None else iter([options.only])
    counts: Counter[str] = Counter()
    found: dict[str, int] = {}
    start = time.monotonic()
    seeds()
    with tempfile.TemporaryDirectory() as root, silent() as shown:
        open_before = None
        done = 0
        for number in numbers:
            if time.monotonic() - start > options.seconds:
                break
            faulthandler.dump_traceback_later(STUCK, exit=True, file=shown)
            kind, happened, wrong = run_one(options.seed, number, Path(root) / "call")
            done += 1
            counts[happened] += 1
            if wrong is None and done % 500 == 0:
                now = descriptors()
                if open_before is not None and now > open_before:
                    wrong = f"{now - open_before} more open files than 500 calls before"
                open_before = now
            if wrong is not None:
                key = f"{kind}: {wrong}"
                found[key] = found.get(key, 0) + 1
                if found[key] == 1:
                    print(f"seed {options.seed}, call {number}: {key}", file=shown, flush=True)
        faulthandler.cancel_dump_traceback_later()
    seconds = time.monotonic() - start
    print(f"fuzz_calls: {done:,} calls of seed {options.seed} in {seconds:,.0f} s; "
          f"{sum(found.values())} findings of {len(found)} kinds")  # fmt: skip
    print("  " + ", ".join(f"{name} {count:,}" for name, count in counts.most_common()))
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
