"""Kill (-9) writers at random moments, and read what they left.

    python tests/fuzz/fuzz_kills.py --kills 10000
    python tests/fuzz/fuzz_kills.py --seed 7 --kills 500 --writer tee

One process with loaded kernels forks a child per trial. The child writes a stream with one of
WRITERS to a pipe, or to a file that the parent has opened. The parent kills it after a random
time, or as soon as a random number of bytes has arrived. What arrived must be a prefix of the
stream, and `evstream.open(strict=True)` has to refuse it unless it is the whole stream. A kill is
SILENT if it does not. Two kinds of prefix are counted apart, since no reader can refuse them: an
empty one, and a stream header alone, which a writer hands on for readers that wait for it.

`documented` is a program that writes whole blocks with `write_mv_to_stream`, as those of the
reference do. evstream does not know where its stream ends and cannot hold anything back, so its
silent kills are expected; they show what the others would be.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import io
import os
import random
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2] / "src"))

import numpy as np

import evstream
import oracle
from evstream import event_stream as es
from evstream.checking.tee import tee

WIDTHS = [
    {"oasis_int": "i4", "oasis_float": "f4", "areaperil_int": "u4"},
    {"oasis_int": "i8", "oasis_float": "f4", "areaperil_int": "u4"},
    {"oasis_int": "i8", "oasis_float": "f8", "areaperil_int": "u8"},
]
HEADERS: dict[str, dict[str, int]] = {
    "loss": {"len_sample": 9},
    "gul_item": {"len_sample": 9},
    "gul_coverage": {"len_sample": 9},
    "summary": {"len_sample": 9, "summary_set_id": 1},
    "cdf": {},
    "event_ids": {},
}
STUCK = 60
SILENT, HEADER_ALONE = "SILENT", "header alone"
EXPECTED = "documented"
"""The writer whose kills may be silent."""


@dataclass(frozen=True)
class Case:
    """A stream to write.

    Attributes:
        blocks: about how many it has, of a few entries each.
    """

    stream: str
    width: int
    blocks: int

    @property
    def options(self) -> dict[str, Any]:
        return {**HEADERS[self.stream], "widths": WIDTHS[self.width]}


@cache
def rows_of(case: Case) -> dict[str, Any]:
    """Its rows; no loss is zero, so that a matrix gives the same."""
    chance = random.Random(repr(case))
    blocks = [(1 + number // 3, 1 + number % 3) for number in range(case.blocks)]
    if case.stream == "event_ids":
        return {"event_id": np.arange(1, case.blocks + 1)}
    sizes = [chance.randrange(1, 10) for _ in blocks]
    event, item = (np.repeat([block[at] for block in blocks], sizes) for at in (0, 1))
    index = np.concatenate([np.arange(1, size + 1) for size in sizes])
    loss = event * 10.0 + index
    if case.stream == "cdf":
        share = np.concatenate([np.arange(1, size + 1) / size for size in sizes])
        return {"event_id": event, "areaperil_id": item, "vulnerability_id": item,
                "bin_index": index, "prob_to": share, "bin_mean": share / 2}  # fmt: skip
    name = {"gul_coverage": "coverage_id", "summary": "summary_id"}.get(case.stream, "item_id")
    extra = {"exposure_value": item * 1e3} if case.stream == "summary" else {}
    return {"event_id": event, name: item, **extra, "sidx": index, "loss": loss}


@cache
def stream_of(case: Case) -> bytes:
    """The whole stream."""
    target = io.BytesIO()
    with evstream.create(target, case.stream, **case.options) as out:
        out.write_columns(**rows_of(case))
    return target.getvalue()


@cache
def header_size(case: Case) -> int:
    with opened(case, stream_of(case)) as stream:
        return stream.header.size


@cache
def boundaries(case: Case) -> list[int]:
    """Bytes at which a block starts, and the end."""
    data = stream_of(case)
    decoded = oracle.decode(data, case.stream, WIDTHS[case.width])
    return [*(block[0] for block in decoded.complete_blocks), len(data)]


@cache
def row_boundaries(case: Case) -> list[int]:
    """Numbers of the rows with which a block starts."""
    columns = [column for name, column in rows_of(case).items() if name.endswith("_id")]
    ids = np.stack(columns)
    starts = np.flatnonzero((ids[:, 1:] != ids[:, :-1]).any(axis=0)) + 1
    return [0, *starts.tolist(), ids.shape[1]]


def opened(case: Case, data: Any, strict: bool | None = None) -> Any:
    source = io.BytesIO(data) if isinstance(data, bytes) else data
    return evstream.open(source, case.stream, widths=WIDTHS[case.width], strict=strict)


class Pieces(io.RawIOBase):
    """A source that gives a stream in random pieces, which often end between two blocks."""

    def __init__(self, case: Case, chance: random.Random) -> None:
        super().__init__()
        self.data, self.places = stream_of(case), boundaries(case)
        self.at, self.chance = 0, chance

    def readable(self) -> bool:
        return True

    def readinto(self, view: Any) -> int:
        left = len(self.data) - self.at
        size = self.chance.randrange(1, 400)
        if self.chance.random() < 0.5:
            later = [place - self.at for place in self.places if place > self.at]
            size = self.chance.choice(later[:20] or [left])
        size = min(size, left, len(view))
        view[:size] = self.data[self.at : self.at + size]
        self.at += size
        return size


# The writers. Each runs in a child and writes the whole stream to a descriptor.


def write_rows(case: Case, target: int, chance: random.Random) -> None:
    """`write_columns` of some blocks (or for streams with a delimiter of any rows), and flushes."""
    rows, places = rows_of(case), row_boundaries(case)
    with evstream.create(target, case.stream, **case.options) as out:
        at = 0
        while at < places[-1]:
            end = chance.choice([place for place in places if place > at][:12])
            if case.stream not in {"cdf", "event_ids"} and chance.random() < 0.5:
                end = min(at + chance.randrange(1, 40), places[-1])
            out.write_columns(**{name: column[at:end] for name, column in rows.items()})
            at = end
            if chance.random() < 0.7:
                out.flush()


def write_events(case: Case, target: int, chance: random.Random) -> None:
    """`write_event` of matrices, or `write` of events where the stream is no matrix."""
    is_matrix = case.stream not in {"cdf", "event_ids"}
    source = opened(case, stream_of(case))
    with source, evstream.create(target, case.stream, **case.options) as out:
        for event in source:
            if is_matrix:
                dense = event.to_dense()
                out.write_event(event.event_id, dense.ids, dense.losses, **dense.columns)
            else:
                out.write(event)
            if chance.random() < 0.7:
                out.flush()


def write_tee(case: Case, target: int, chance: random.Random) -> None:
    validate = chance.random() < 0.5
    tee(Pieces(case, chance), target, stream=case.stream, widths=WIDTHS[case.width],
        validate=validate)  # fmt: skip


def write_merged(case: Case, target: int, chance: random.Random) -> None:
    """Every second event from each of two streams."""
    rows = rows_of(case)
    parts = []
    for odd in (0, 1):
        part = io.BytesIO()
        own = rows["event_id"] % 2 == odd
        with evstream.create(part, case.stream, **case.options) as out:
            out.write_columns(**{name: column[own] for name, column in rows.items()})
        parts.append(io.BytesIO(part.getvalue()))
    evstream.merge(parts, target, stream=case.stream, widths=WIDTHS[case.width], order="ids")


@cache
def csv_of(case: Case) -> bytes:
    target = io.BytesIO()
    evstream.convert(io.BytesIO(stream_of(case)), target, from_="bin", to="csv",
                     stream=case.stream, widths=WIDTHS[case.width])  # fmt: skip
    return target.getvalue()


def write_converted(case: Case, target: int, chance: random.Random) -> None:
    """`convert` of a CSV, or of the stream itself in pieces."""
    if chance.random() < 0.5:
        evstream.convert(io.BytesIO(csv_of(case)), target, from_="csv", to="bin",
                         stream=case.stream, **case.options)  # fmt: skip
    else:
        evstream.convert(Pieces(case, chance), target, from_="bin", to="bin",
                         stream=case.stream, widths=WIDTHS[case.width])  # fmt: skip


C_PROGRAM = r"""
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "evstream.h"
/* Copies the stream in argv[1] in pieces that end at the places in argv[2...]. */
int main(int argc, char **argv)
{
    static unsigned char buffer[1 << 20];
    size_t held = 0, size, at = 0, end;
    int i;
    FILE *in = fopen(argv[1], "rb");
    for (i = 2; i < argc; i++, at = end) {
        end = (size_t)atol(argv[i]);
        if (fread(buffer + held, 1, end - at, in) != end - at)
            return 2;
        held += end - at;
        size = evs_hold(held, i == argc - 1);
        if (fwrite(buffer, 1, size, stdout) != size || fflush(stdout) != 0)
            return 3;
        memmove(buffer, buffer + size, held -= size);
    }
    return 0;
}
"""


def write_in_c(case: Case, target: int, chance: random.Random) -> None:
    """A C program that holds the last byte back with `evs_hold`, as its header shows."""
    places = boundaries(case)
    some = sorted({*chance.sample(places, min(len(places), 200)), places[-1]})
    os.dup2(target, 1)
    os.execv(c_program(), ["writer", stream_file(case), *map(str, some)])


def write_documented(case: Case, target: int, chance: random.Random) -> None:
    """Whole blocks through `write_mv_to_stream` of the documented module."""
    data, places = np.frombuffer(stream_of(case), np.int8), boundaries(case)
    with open(target, "wb", buffering=0, closefd=False) as out:
        at = 0
        while at < len(data):
            end = chance.choice([place for place in places if place > at][:12])
            es.write_mv_to_stream(out, data[at:end], end - at)
            at = end


Write = Callable[[Case, int, random.Random], None]
WRITERS: dict[str, Write] = {
    "write_columns": write_rows,
    "write_event": write_events,
    "tee": write_tee,
    "merge": write_merged,
    "convert": write_converted,
    "c": write_in_c,
    EXPECTED: write_documented,
}

_folder: list[Path] = []
"""The folder of this run."""


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        _folder[:] = [Path(name)]
        yield _folder[0]
        _folder.clear()
        c_program.cache_clear()
        stream_file.cache_clear()


@cache
def c_program() -> str:
    source, binary = _folder[0] / "writer.c", _folder[0] / "writer"
    source.write_text(C_PROGRAM)
    include = Path(evstream.__file__).parent / "include"
    subprocess.run(["gcc", "-std=gnu99", "-O1", f"-I{include}", source, "-o", binary], check=True)
    return str(binary)


@cache
def stream_file(case: Case) -> str:
    path = _folder[0] / f"{case.stream}-{case.width}-{case.blocks}.bin"
    path.write_bytes(stream_of(case))
    return str(path)


# One trial


@dataclass(frozen=True)
class Trial:
    writer: str
    case: Case
    to_pipe: bool
    seed: str

    def start(self, target: int) -> int:
        """Fork the writer; its process id."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside threads
            pid = os.fork()
        if pid:
            return pid
        status = 99
        try:
            signal.alarm(2 * STUCK)
            WRITERS[self.writer](self.case, target, random.Random(self.seed))
            status = 0
        except BaseException as error:
            os.write(2, f"{self}: {error!r}\n".encode())
        finally:
            os._exit(status)

    def run(self, after: float, size: int | None) -> tuple[bytes, bool]:
        """(what arrived, whether the writer was killed). Kill it `after` seconds, or once `size`
        bytes have arrived."""
        if not self.to_pipe:
            return self._run_to_file(after)
        reader, writer = os.pipe()
        pid = self.start(writer)
        os.close(writer)
        received = bytearray()
        end = time.monotonic() + after
        killed = False
        while True:
            left = max(end - time.monotonic(), 0)
            is_due = len(received) >= size if size is not None else not left
            if is_due and not killed:
                os.kill(pid, signal.SIGKILL)
                killed = True
            if not killed and not select.select([reader], [], [], left)[0]:
                continue
            piece = os.read(reader, 512 if size is not None else 1 << 16)
            if not piece:
                break
            received += piece
        os.close(reader)
        return bytes(received), was_killed(pid)

    def _run_to_file(self, after: float) -> tuple[bytes, bool]:
        path = _folder[0] / "out.bin"
        target = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        pid = self.start(target)
        ended = os.pidfd_open(pid)
        if not select.select([ended], [], [], after)[0]:
            os.kill(pid, signal.SIGKILL)
        os.close(ended)
        killed = was_killed(pid)
        os.close(target)
        return path.read_bytes(), killed


def was_killed(pid: int) -> bool:
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status not in {0, -signal.SIGKILL}:
        raise AssertionError(f"a writer failed with status {status}")
    return status != 0


def judged(case: Case, received: bytes) -> str:
    """What readers make of what arrived."""
    whole = stream_of(case)
    assert whole.startswith(received), "not a prefix of the stream"
    if len(received) == len(whole):
        return "whole"
    if not received:
        return "nothing"
    try:
        with opened(case, received, strict=True) as stream:
            for _ in stream:
                pass
    except evstream.EvstreamError as error:
        return type(error).__name__
    return HEADER_ALONE if len(received) == header_size(case) else SILENT


def trials(seed: int, writers: list[str]) -> Iterator[tuple[Trial, random.Random]]:
    """Trials without end; number N of a seed is always the same."""
    number = 0
    while True:
        chance = random.Random(f"{seed}:{number}")
        stream = chance.choice(list(HEADERS))
        case = Case(stream, chance.randrange(len(WIDTHS)), chance.choice([60, 60, 60, 300, 1000]))
        yield Trial(chance.choice(writers), case, chance.random() < 0.8, f"{seed}:{number}"), chance
        number += 1


class Kills:
    """Runs trials and counts what became of them.

    Attributes:
        counts: writer -> outcome -> how often.
        silent: the trials that were silent.
    """

    def __init__(self) -> None:
        self.counts: dict[str, Counter[str]] = {}
        self.silent: list[Trial] = []
        self._seconds: dict[tuple[str, Case, bool], float] = {}
        self._loaded: set[tuple[str, str, int]] = set()

    def _load(self, trial: Trial) -> None:
        """Run a writer here once, so that its children find the kernels loaded."""
        key = (trial.writer, trial.case.stream, trial.case.width)
        if key not in self._loaded and trial.writer != "c":
            self._loaded.add(key)
            target = os.open(os.devnull, os.O_WRONLY)
            for number in range(4):  # it may have several ways
                case = Case(trial.case.stream, trial.case.width, 6)
                WRITERS[trial.writer](case, target, random.Random(number))
            os.close(target)

    def _seconds_of(self, trial: Trial) -> float:
        """How long the writer takes that nobody kills, measured once."""
        key = (trial.writer, trial.case, trial.to_pipe)
        if key not in self._seconds:
            start = time.monotonic()
            received, _ = trial.run(STUCK, None)
            self._seconds[key] = time.monotonic() - start
            assert received == stream_of(trial.case), trial
        return self._seconds[key]

    def run(self, trial: Trial, chance: random.Random) -> bool:
        """Whether the writer was killed before it had written all."""
        self._load(trial)
        size, after = None, STUCK * 1.0
        if trial.to_pipe and chance.random() < 0.6:
            size = chance.randrange(1, len(stream_of(trial.case)))
        else:
            after = chance.random() * self._seconds_of(trial)
        received, killed = trial.run(after, size)
        happened = judged(trial.case, received)
        assert killed or happened == "whole", trial
        if happened == SILENT:
            self.silent.append(trial)
        name = trial.writer if trial.to_pipe else f"{trial.writer} to a file"
        self.counts.setdefault(name, Counter())[happened] += 1
        return happened != "whole"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=10_000, help="before the end of the stream")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="at most")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--writer", choices=WRITERS, action="append")
    options = parser.parse_args()
    writers = options.writer or [w for w in WRITERS if w != "c" or shutil.which("gcc")]
    run, kills, start = Kills(), 0, time.monotonic()
    with folder():
        if "c" in writers:
            c_program()
        gc.freeze()
        for trial, chance in trials(options.seed, writers):
            if run.run(trial, chance):
                kills += 1
                if kills % 1000 == 0:
                    print(f"{kills:,} kills", file=sys.stderr, flush=True)
            if kills == options.kills or time.monotonic() - start > options.seconds:
                break
    for name, counts in sorted(run.counts.items()):
        print(f"{name:<28}" + ", ".join(f"{what} {n:,}" for what, n in counts.most_common()))
    for trial in run.silent[:20]:
        print(f"silent: {trial}")
    unexpected = [trial for trial in run.silent if trial.writer != EXPECTED]
    total = sum(c[HEADER_ALONE] for c in run.counts.values())
    print(f"{kills:,} kills in {time.monotonic() - start:,.0f} s (seed {options.seed}): "
          f"{len(unexpected)} silent, {len(run.silent) - len(unexpected)} silent of the program "
          f"that writes blocks itself, {total} left the header alone")  # fmt: skip
    return int(bool(unexpected))


if __name__ == "__main__":
    sys.exit(main())
