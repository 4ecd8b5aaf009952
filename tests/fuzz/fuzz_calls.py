"""Call the public functions and commands with mutated files, tables and arguments.

    python tests/fuzz/fuzz_calls.py --seconds 600
    python tests/fuzz/fuzz_calls.py --count 100000 --seed 7
    python tests/fuzz/fuzz_calls.py --seed 7 --only 12345

Call number N of seed S is always the same. A call may return, or raise EvstreamError, TypeError or
ValueError that evstream raises itself with a text of one line, or OSError with a name; MemoryError
may come of a header that asks for a huge matrix. A command may end with status 0, 1 or 2. Findings
are all other exceptions and statuses, warnings of a class that is not in `evstream.errors`, open
files that are left, a process that dies, and a call that takes longer than STUCK seconds.

The calls (`calls.py`) run in forked processes, BATCH calls in each: a crash ends one of them, its
memory is bounded, and it finds the kernels of its parent loaded.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import gc
import linecache
import mmap
import os
import pickle
import random
import resource
import select
import signal
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["EVSTREAM_FSYNC"] = "0"
os.environ.setdefault("POLARS_MAX_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2] / "src"))


import calls
from call_inputs import Inputs, Seeds, Workplace, make_seeds

from evstream import errors

BATCH = 1000
STUCK = 120
MEMORY = 4 << 30
"""Bytes of address space that a process may add to what it starts with."""


def outcome(kind: calls.Kind, call: Inputs) -> tuple[str, str | None]:
    """(what happened, what is wrong with it or None) of one call."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            happened, wrong = kind(call) or "returned", None
        except Exception as error:
            happened, wrong = type(error).__name__, problem_of(error)
    for warning in caught:
        if warning.category.__module__ != "evstream.errors" and not is_foreign(warning):
            where = f"{warning.filename}:{warning.lineno}"
            wrong = wrong or f"{warning.category.__name__}: {warning.message} ({where})"
    return happened, wrong


def is_foreign(warning: warnings.WarningMessage) -> bool:
    """Whether a library warns, in a line of its own, about what it is asked to do."""
    return "evstream" not in warning.filename and warning.category is not ResourceWarning


def problem_of(error: Exception) -> str | None:
    """Why an exception may not leave a public function; None if it may."""
    text = str(error)
    if isinstance(error, errors.EvstreamError):
        return None if "\n" not in text else f"more than one line: {text}"
    if type(error) in {TypeError, ValueError} and text and "\n" not in text and is_own(error):
        return None
    if isinstance(error, OSError) and error.filename is not None:
        return None
    if isinstance(error, MemoryError):
        return None
    return f"{type(error).__name__} at {place_of(error)}: {text[:300]}"


def place_of(error: Exception) -> str:
    """The innermost lines of this program and of evstream that an exception went through."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f"{Path(f.filename).name}:{f.lineno}" for f in frames if "evstream" in f.filename]
    return " < ".join(own[:-4:-1])


def is_own(error: Exception) -> bool:
    """Whether a `raise` of evstream is the origin, or a call of this program with wrong
    arguments, not a library."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    if last.filename.startswith(str(Path(__file__).parent)):
        return True
    line = linecache.getline(last.filename, last.lineno or 0).strip()
    return "evstream" in last.filename and line.startswith(("raise ", "return super()"))


class Findings:
    """What the calls came to.

    Attributes:
        counts: outcome -> how often.
        found: kind of what is wrong -> (how often, number of the first call, what it was).
    """

    def __init__(self) -> None:
        self.done = 0
        self.counts: Counter[str] = Counter()
        self.found: dict[str, tuple[int, int, str]] = {}

    def add(self, number: int, what: str, times: int = 1) -> bool:
        """Count a finding; whether it is new."""
        key = what.partition(": ")[0]
        before, first, example = self.found.get(key, (0, number, what))
        self.found[key] = before + times, first, example
        return before == 0

    def merge(self, other: Findings) -> list[str]:
        """Add those of a batch; what is new among them."""
        self.done += other.done
        self.counts += other.counts
        return [key for key, (n, at, what) in other.found.items() if self.add(at, what, n)]


def run_one(seed: int | str, number: int, seeds: Seeds) -> tuple[str, str, str | None]:
    """(kind, what happened, what is wrong) of call `number` of a seed. Its files lie in the current
    folder, a Workplace."""
    chance = random.Random(f"{seed}:{number}")
    kind = chance.choice(calls.KINDS)
    happened, wrong = outcome(kind, Inputs(chance, seeds))
    return kind.__name__, happened, wrong


def run_batch(
    seed: int | str, numbers: range, seeds: Seeds, started: Callable[[int], None]
) -> Findings:
    """Run calls in this process, in a folder of their own."""
    findings = Findings()
    files: Counter[str] | None = None
    with Workplace() as place:
        for number in numbers:
            started(number)
            kind, happened, wrong = run_one(seed, number, seeds)
            place.clear()
            wrong = closed_standard_streams() or wrong
            findings.done += 1
            findings.counts[happened] += 1
            if wrong is not None:
                findings.add(number, f"{wrong} ({kind})")
            elif findings.done % 250 == 0:
                gc.collect()
                now = open_files()
                if files is not None and (more := now - files):
                    findings.add(number, f"open files are left: {sum(more.values())}, {dict(more)}")
                files = now
    return findings


def open_files() -> Counter[str]:
    """What is open, by name; those of thread pools have none."""
    found: Counter[str] = Counter()
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            name = os.readlink(f"/proc/self/fd/{number}")
            found[name] += not name.startswith("anon_inode:")
    return found


def closed_standard_streams() -> str | None:
    """What is wrong if a call has closed a descriptor that it does not own; it is opened again."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            silence()
            return f"descriptor {descriptor} was closed"
    return None


def silence() -> None:
    """Standard streams go to nowhere."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    if nowhere > 2:
        os.close(nowhere)


def forked(work: Callable[[], Any]) -> tuple[int, int]:
    """(process id, descriptor to read its pickled result from) of a forked process."""
    reader, writer = os.pipe()
    sys.stdout.flush()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid:
        os.close(writer)
        return pid, reader
    status = 1
    try:
        os.close(reader)
        trouble = os.dup(2)
        faulthandler.enable(trouble)
        silence()
        result = pickle.dumps(work())
        while result:
            result = result[os.write(writer, result) :]
        status = 0
    except BaseException:
        with contextlib.suppress(Exception):
            os.write(trouble, traceback.format_exc().encode())
    finally:
        os._exit(status)


class Batches:
    """Runs batches of calls in forked processes, one after the other."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.findings = Findings()
        self._at = mmap.mmap(-1, 8)  # the number of the call that runs, of the child
        pid, reader = forked(make_seeds)  # makes threads, which this process must not have
        with open(reader, "rb") as pipe:
            self.seeds: Seeds = pickle.load(pipe)
        os.waitpid(pid, 0)
        calls.load()
        gc.collect()
        gc.freeze()

    def run(self, numbers: range) -> None:
        """Run these calls, in as many processes as it takes, and print what is new."""
        while numbers:
            found, left = self._run_process(numbers)
            for key in self.findings.merge(found):
                _, number, what = found.found[key]
                print(f"seed {self.seed}, call {number}: {what}", flush=True)
            numbers = left

    def _run_process(self, numbers: range) -> tuple[Findings, range]:
        """What a process found, and the calls that it has left since it died."""
        pid, reader = forked(lambda: self._work(numbers))
        data, is_stuck = self._receive(pid, reader)
        _, status = os.waitpid(pid, 0)
        if status == 0:
            result: Findings = pickle.loads(data)
            return result, range(0)
        number = int.from_bytes(self._at[:8], "little")
        found = Findings()
        found.done = number + 1 - numbers.start
        died = f"ended with {os.waitstatus_to_exitcode(status)}"
        found.add(number, f"took longer than {STUCK} s" if is_stuck else f"the process {died}")
        return found, range(number + 1, numbers.stop)

    def _work(self, numbers: range) -> Findings:
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 28, 1 << 28))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        return run_batch(self.seed, numbers, self.seeds, self._started)

    def _started(self, number: int) -> None:
        self._at[:8] = number.to_bytes(8, "little")

    def _receive(self, pid: int, reader: int) -> tuple[bytes, bool]:
        """(the result of a process, whether it was killed since a call took too long)."""
        data, last, since = b"", -1, time.monotonic()
        with open(reader, "rb", buffering=0) as pipe:
            while True:
                if select.select([pipe], [], [], 1)[0]:
                    piece = pipe.read(1 << 16)
                    if not piece:
                        return data, False
                    data += piece
                number = int.from_bytes(self._at[:8], "little")
                if number != last:
                    last, since = number, time.monotonic()
                elif time.monotonic() - since > STUCK:
                    os.kill(pid, signal.SIGKILL)
                    return data, True


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--count", type=int, default=sys.maxsize)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first call")
    parser.add_argument("--only", type=int, metavar="N", help="only call number N")
    options = parser.parse_args()
    first, count = (options.first, options.count) if options.only is None else (options.only, 1)
    batches = Batches(options.seed)
    start = time.monotonic()
    for at in range(first, first + count, BATCH):
        if time.monotonic() - start > options.seconds:
            break
        batches.run(range(at, min(at + BATCH, first + count)))
    seconds = time.monotonic() - start
    findings = batches.findings
    times = sum(n for n, *_ in findings.found.values())
    print(f"fuzz_calls: {findings.done:,} calls of seed {options.seed} in {seconds:,.0f} s; "
          f"{times} findings of {len(findings.found)} kinds")  # fmt: skip
    print("  " + ", ".join(f"{name} {count:,}" for name, count in findings.counts.most_common()))
    return int(bool(findings.found))


if __name__ == "__main__":
    sys.exit(main())
