"""What may go wrong around a stream, with real processes, pipes and descriptors.

The promise: no loss is dropped, invented or misattributed without a word. Each fault here is
caused many times at random places; EVSTREAM_FAULTS is the number (30 by default, 300 for the
table in docs/reliability.md), and what came out is printed with `pytest -rP`.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import os
import random
import resource
import shutil
import signal
import socket
import stat
import subprocess
import sys
import termios
import threading
import time
import warnings
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest

import evstream
import oracle
from evstream import event_stream as es
from evstream.reading.stream import EventStream
from evstream.transport.compression import Expander
from support import PATIENCE, ROOT, child_environment, read_all
from test_defects import RowReader, in_time

FAULTS = int(os.environ.get("EVSTREAM_FAULTS", "30"))
SECONDS = PATIENCE

Rows = list[tuple[float, ...]]


# What is written


def make_stream() -> bytes:
    """60 events of 1 to 4 items with 1 to 12 samples; every loss says where it belongs."""
    chance = random.Random(5)
    blocks = [
        ((event, item), [(s, event * 1000.0 + item * 100 + s) for s in range(1, samples + 1)])
        for event in range(1, 61)
        for item in range(1, chance.randrange(2, 6))
        for samples in [chance.randrange(1, 13)]
    ]
    return oracle.encode("loss", {"len_sample": 12}, blocks)


STREAM = make_stream()
WANTED = oracle.decode(STREAM)
ROWS: Rows = [tuple(map(float, row)) for row in WANTED.records]
BOUNDARIES = {8, len(STREAM), *(block[0] for block in WANTED.blocks)}


@pytest.fixture(scope="module", autouse=True)
def kernels_are_loaded() -> None:
    """So that neither time nor memory of compiling them is measured, and children have them."""
    for read in READERS:
        with pipe() as (reader, writer):
            os.write(writer, STREAM)
            os.close(writer)
            assert read(reader) == (ROWS, list(range(1, 61)), None)
    assert evstream.validate(io.BytesIO(STREAM)).records == len(ROWS)
    assert list(SumReader(np.zeros(2)).read(io.BytesIO(STREAM))) == list(range(1, 61))
    with open(os.devnull, "wb") as nowhere:
        write_with_evstream(nowhere.fileno(), STREAM, random.Random(0))


# Processes


@contextlib.contextmanager
def child(work: Callable[[], Any]) -> Iterator[int]:
    """A forked process that runs `work`; it is killed if it is still there at the end.

    Its exit status is what `work` returns, 0 for None, 99 for an exception.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads
        pid = os.fork()
    if pid == 0:
        status = 99
        try:
            status = work() or 0
        except BaseException as error:
            os.write(2, f"child: {error!r}\n".encode())
        finally:
            os._exit(status)
    try:
        yield pid
    finally:
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def exit_status(pid: int) -> int:
    """How a child ended (minus the signal if by one), which must be in time."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    raise AssertionError("stuck")


def write_in_pieces(descriptor: int, data: bytes, chance: random.Random) -> None:
    """Write with os.write, in pieces of 1 to 200 bytes, with a pause here and there."""
    at = 0
    while at < len(data):
        at += os.write(descriptor, data[at : at + chance.randrange(1, 200)])
        if chance.random() < 0.3:
            time.sleep(chance.random() * 0.0004)


def write_with_evstream(descriptor: int, data: bytes, chance: random.Random) -> None:
    """Write the same rows with evstream.create, handing on after every few of them."""
    columns = np.array(ROWS).T
    with evstream.create(descriptor, "loss", len_sample=12) as out:
        at = 0
        while at < len(ROWS):
            size = chance.randrange(1, 30)
            event, item, sidx, loss = columns[:, at : at + size]
            out.write_columns(event.astype("i4"), item.astype("i4"), sidx.astype("i4"), loss)
            out.flush()
            at += size
            if chance.random() < 0.5:
                time.sleep(chance.random() * 0.0004)


Write = Callable[[int, bytes, random.Random], None]
WRITERS: list[Write] = [write_in_pieces, write_with_evstream]


def read_with_open(descriptor: int) -> tuple[Rows, list[int], Exception | None]:
    """Rows of the events that evstream.open delivers, the event ids, and the error."""
    rows: Rows = []
    event_ids: list[int] = []
    try:
        with evstream.open(descriptor) as stream:
            for event in stream:
                event_ids.append(event.event_id)
                rows += zip(*(map(float, c) for c in event.to_rows().values()), strict=True)
    except evstream.EvstreamError as error:
        return rows, event_ids, error
    return rows, event_ids, None


def read_with_reader(descriptor: int) -> tuple[Rows, list[int], Exception | None]:
    """The same from a documented subclass of EventReader."""
    reader = RowReader()
    rows: Rows = []
    event_ids: list[int] = []
    try:
        with open(descriptor, "rb", closefd=False) as stream:
            blocking = os.get_blocking(descriptor)
            os.set_blocking(descriptor, True)
            es.read_stream_info(stream)
            os.set_blocking(descriptor, blocking)
            for event_id in reader.read_streams([stream]):
                event_ids.append(event_id)
                rows += [tuple(row) for row in reader.rows[: reader.used[0]]]
                reader.used[0] = 0
    except evstream.EvstreamError as error:
        return rows, event_ids, error
    return rows, event_ids, None


Read = Callable[[int], tuple[Rows, list[int], Exception | None]]
READERS: list[Read] = [read_with_open, read_with_reader]


@contextlib.contextmanager
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        with contextlib.suppress(OSError):  # closed by the test
            os.close(end)


# The producer is killed


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("read", READERS)
def test_of_a_killed_producer_a_prefix_is_read_and_the_end_is_told(
    read: Read, write: Write
) -> None:
    told = Counter(kill_and_read(read, write, random.Random(seed)) for seed in range(FAULTS))
    told += (by_itself := Counter(kill_and_read(read, write, Deadly(n)) for n in range(1, 12)))
    print(json.dumps(told))
    assert "whole" not in by_itself
    assert by_itself.keys() & {"TruncatedStreamError", "MissingDelimiterWarning"}


class Deadly(random.Random):
    """Kills the process, a writer, at the n-th piece that it is asked the size of."""

    def __init__(self, n: int) -> None:
        super().__init__(n)
        self.left = n

    def randrange(self, *arguments: int) -> int:  # type: ignore[override]
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().randrange(*arguments)


def kill_and_read(read: Read, write: Write, chance: random.Random) -> str:
    """Kill a producer somewhere; what the reader said."""
    with pipe() as (reader, writer):
        relay, relayed = os.pipe()  # so that the test knows every byte that was written
        with child(lambda: write(writer, STREAM, chance)) as producer:
            os.close(writer)
            after = SECONDS if isinstance(chance, Deadly) else chance.random() * 0.02
            killer = threading.Timer(after, os.kill, (producer, signal.SIGKILL))
            killer.start()
            received = bytearray()

            def pass_on() -> None:
                while piece := os.read(reader, 1 << 16):
                    received.extend(piece)
                    os.write(relayed, piece)
                os.close(relayed)

            passing = threading.Thread(target=pass_on)
            passing.start()
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always", evstream.MissingDelimiterWarning)
                rows, event_ids, error = read(relay)
            killer.cancel()
            killer.join()
            passing.join()
            os.close(relay)
    assert STREAM.startswith(received)
    assert rows == ROWS[: len(rows)]
    assert event_ids == list(range(1, len(event_ids) + 1))
    return judged(bytes(received), rows, error, [w.message for w in caught])


def judged(received: bytes, rows: Rows, error: Exception | None, told: list[Any]) -> str:
    """The class of an outcome, after checking that it is the right one for what was received."""
    size, decoded = len(received), oracle.decode(received)
    if error is not None:
        assert isinstance(error, (evstream.TruncatedStreamError, evstream.StreamHeaderError))
        assert size not in BOUNDARIES
        assert decoded.error is not None
        assert error.offset == decoded.error_offset
        return type(error).__name__
    assert len(rows) == len(decoded.records)
    if told:
        assert [type(message) for message in told] == [evstream.MissingDelimiterWarning]
        assert f"byte {size}" in str(told[0])
        assert size not in BOUNDARIES
        return "MissingDelimiterWarning"
    assert size in BOUNDARIES
    return "whole" if size == len(STREAM) else "cut between two blocks, not told"


@pytest.mark.parametrize("read", READERS)
def test_a_stream_cut_at_every_byte_is_judged_as_the_oracle_judges_it(read: Read) -> None:
    told: Counter[str] = Counter()
    step = max(1, len(STREAM) // (FAULTS * 10))
    for size in {*range(0, len(STREAM), step), len(STREAM)}:
        with pipe() as (reader, writer):
            os.write(writer, STREAM[:size])
            os.close(writer)
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always", evstream.MissingDelimiterWarning)
                rows, _, error = read(reader)
        assert rows == ROWS[: len(rows)]
        told[judged(STREAM[:size], rows, error, [w.message for w in caught])] += 1
    print(json.dumps(told))
    assert told["whole"] == 1
    assert told["StreamHeaderError"] > 0
    assert told["TruncatedStreamError"] > len(told)


def test_a_writer_killed_while_it_writes_a_file_leaves_no_file_under_its_name(
    tmp_path: Path,
) -> None:
    chance = random.Random(7)
    columns = np.array(ROWS).T
    told: Counter[str] = Counter()
    for number in range(FAULTS):
        path = tmp_path / f"{number}.bin"
        fatal = 10 * number if number < 10 else -1  # these processes kill themselves

        def write(path: Path = path, fatal: int = fatal) -> None:
            with evstream.create(path, "loss", len_sample=12) as out:
                for at in range(0, len(ROWS), 10):
                    if at == fatal:
                        os.kill(os.getpid(), signal.SIGKILL)
                    event, item, sidx, loss = columns[:, at : at + 10]
                    out.write_columns(event.astype(int), item.astype(int), sidx.astype(int), loss)
                    out.flush()

        with child(write) as pid:
            if fatal < 0:
                time.sleep(chance.random() * 0.1)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            exit_status(pid)
        if path.exists():
            assert fatal < 0
            assert path.read_bytes() == STREAM
        told["whole file" if path.exists() else "no file"] += 1
    left = [name for name in os.listdir(tmp_path) if not name.endswith(".part")]
    assert sorted(left) == sorted(f"{n}.bin" for n in range(FAULTS) if f"{n}.bin" in left)
    assert all(name.startswith(".") for name in os.listdir(tmp_path) if name not in left)
    print(json.dumps(told))
    assert told["no file"] >= 10


# The consumer goes away


def test_a_writer_whose_reader_is_gone_says_so_and_stops() -> None:
    chance = random.Random(11)

    def write_for_ever(writer: int) -> int:
        out = evstream.create(writer, "loss", len_sample=100)
        losses = np.ones((20, 100))
        try:
            event = 1
            while True:
                out.write_event(event, range(1, 21), losses)
                event += 1
        except BrokenPipeError:
            out.abort()
            return 7

    for _ in range(FAULTS):
        with pipe() as (reader, writer):

            def work(reader: int = reader, writer: int = writer) -> int:
                os.close(reader)
                return write_for_ever(writer)

            with child(work) as pid:
                os.close(writer)
                left = chance.randrange(200_000)
                while left > 0:
                    left -= len(os.read(reader, min(left, 8192)))
                os.close(reader)
                assert exit_status(pid) == 7


def test_the_command_line_stops_quietly_when_its_reader_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "large.bin"
    with evstream.create(path, "loss", len_sample=1000) as out:
        for event in range(1, 200):
            out.write_event(event, range(1, 11), np.ones((10, 1000)))
    command = [sys.executable, "-m", "evstream", "cat", str(path)]
    for lines in (0, 1, 1000):
        process = subprocess.Popen(
            command, cwd=ROOT, env=child_environment(),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        with process, process.stdout, process.stderr:
            for _ in range(lines):
                process.stdout.readline()
            process.stdout.close()
            assert process.wait(SECONDS) == 0
            assert process.stderr.read() == b""


# Slow ends, non-blocking ends, signals


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("blocking", [True, False], ids=["blocking", "non-blocking"])
def test_a_slow_writer_and_non_blocking_ends_lose_nothing(
    blocking: bool, write: Write, read: Read
) -> None:
    with pipe() as (reader, writer):
        os.set_blocking(reader, blocking)

        def work() -> None:
            os.set_blocking(writer, blocking)
            write(writer, STREAM, random.Random(3))

        with child(work) as pid:
            os.close(writer)
            assert read(reader) == (ROWS, list(range(1, 61)), None)
            assert exit_status(pid) == 0


@pytest.mark.parametrize("buffering", [-1, 0])
def test_the_header_of_a_non_blocking_stream_is_waited_for(buffering: int) -> None:
    with pipe() as (reader, writer):
        os.set_blocking(reader, False)

        def work() -> None:
            time.sleep(0.1)
            os.write(writer, STREAM)

        with child(work), open(reader, "rb", buffering, closefd=False) as stream:
            assert tuple(map(int, es.read_stream_info(stream))) == (2, 1, 12)


BIG_EVENTS = 40


def write_big(target: Any) -> None:
    """6 MB, more than any pipe holds."""
    with evstream.create(target, "loss", len_sample=1000) as out:
        for event in range(1, BIG_EVENTS + 1):
            losses = np.arange(20_000).reshape(20, 1000) + float(event)
            out.write_event(event, range(1, 21), losses)


def sum_big(reader: int, pause: float) -> list[tuple[int, float, int]]:
    """(event_id, sum, entries) of each event, resting after each."""
    found = []
    with evstream.open(reader) as stream:
        for event in stream:
            found.append((event.event_id, float(event.loss.sum(dtype=float)), len(event.loss)))
            time.sleep(pause)
    return found


BIG_SUMS = [
    (event, sum(range(20_000)) + 20_000.0 * event, 20_000) for event in range(1, BIG_EVENTS + 1)
]


@pytest.mark.parametrize("blocking", [True, False], ids=["blocking", "non-blocking"])
def test_a_slow_reader_gets_everything(blocking: bool) -> None:
    with pipe() as (reader, writer):

        def work() -> None:
            os.set_blocking(writer, blocking)
            write_big(writer)

        with child(work) as pid:
            os.close(writer)
            assert sum_big(reader, 0.005) == BIG_SUMS
            assert exit_status(pid) == 0


@contextlib.contextmanager
def interruptions() -> Iterator[list[int]]:
    """A signal with a handler every millisecond; the list has one element per signal."""
    seen: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, frame: seen.append(number))
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    try:
        yield seen
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("read", READERS)
def test_interrupted_reads_lose_nothing(read: Read) -> None:
    with (
        pipe() as (reader, writer),
        child(lambda: write_in_pieces(writer, STREAM, random.Random(4))) as pid,
    ):
        os.close(writer)
        with interruptions() as seen:
            assert read(reader) == (ROWS, list(range(1, 61)), None)
        assert exit_status(pid) == 0
    assert len(seen) > 5


@pytest.mark.parametrize("blocking", [True, False], ids=["blocking", "non-blocking"])
def test_interrupted_writes_lose_nothing(blocking: bool) -> None:
    with pipe() as (reader, writer):

        def work() -> int:
            os.close(writer)
            return 0 if sum_big(reader, 0.002) == BIG_SUMS else 1

        with child(work) as pid:
            os.close(reader)
            os.set_blocking(writer, blocking)
            with interruptions() as seen:
                write_big(writer)
            os.close(writer)
            assert exit_status(pid) == 0
    assert len(seen) > 5


# The disk is full


def limited_child(arguments: list[str], size: int) -> subprocess.CompletedProcess[str]:
    """Run evstream where no file may grow beyond `size` bytes."""
    code = (
        "import resource, sys; from evstream.cli.program import main;"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}));"
        "sys.exit(main(sys.argv[1:]))"
    )
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, timeout=SECONDS, check=False,
        env=child_environment(EVSTREAM_CACHE="0"), capture_output=True, text=True,
    )  # fmt: skip


@pytest.fixture(scope="module")
def big_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("big") / "big.bin"
    write_big(path)
    return path


@pytest.mark.parametrize("name", ["out.csv", "out.parquet", "out.arrow", "out.jsonl", "out.csv.gz"])
def test_converting_onto_a_full_disk_is_one_error_and_no_file(
    name: str, big_file: Path, tmp_path: Path
) -> None:
    pytest.importorskip("pyarrow")
    result = limited_child(["convert", str(big_file), str(tmp_path / name)], 50_000)
    assert result.returncode == 2
    assert os.listdir(tmp_path) == []
    errors = [line for line in result.stderr.splitlines() if "could not write" in line]
    assert errors == result.stderr.splitlines(), result.stderr
    assert len(errors) == 1
    assert "File too large" in errors[0]
    assert str(tmp_path / name) in errors[0]


def on_small_disk(folder: Path, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python with a disk of 300 kB mounted on `folder`, visible to it alone."""
    unshare = shutil.which("unshare")
    if unshare is None:
        pytest.skip("no unshare here")
    options = ["--mount"] if os.geteuid() == 0 else ["--mount", "--map-root-user"]
    script = f'mount -t tmpfs -o size=300k none "{folder}" || exit 77; exec "$@"'
    result = subprocess.run(
        [unshare, *options, "sh", "-c", script, "sh", sys.executable, "-c", code, *arguments],
        cwd=ROOT, env=child_environment(EVSTREAM_CACHE="0"), timeout=SECONDS, check=False,
        capture_output=True, text=True,
    )  # fmt: skip
    if result.returncode == 77 or "unshare" in result.stderr:
        pytest.skip("mounting is not permitted here")
    return result


def test_writing_to_a_disk_that_fills_up_is_one_error_and_no_file(tmp_path: Path) -> None:
    code = """if True:
        import os, sys, evstream
        from test_faults import write_big
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


# A command that is told to end

NOHUP = 'trap "" HUP; exec "$0" "$@"'


@contextlib.contextmanager
def evstream_reading(
    data: bytes, *arguments: object, ignoring_hup: bool = False
) -> Iterator[tuple[subprocess.Popen[bytes], threading.Thread]]:
    """The command line with a stdin that gives `data` and then neither more nor its end, and the
    thread that gives it."""
    command = [sys.executable, "-m", "evstream", *map(str, arguments)]
    if ignoring_hup:
        command = ["sh", "-c", NOHUP, *command]
    process = subprocess.Popen(
        command, cwd=ROOT, env=child_environment(),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    stdin = process.stdin
    assert stdin is not None

    def feed() -> None:
        with contextlib.suppress(BrokenPipeError):
            stdin.write(data)
            stdin.flush()

    feeder = threading.Thread(target=feed)
    feeder.start()
    try:
        yield process, feeder
    finally:
        process.kill()
        feeder.join()
        with contextlib.suppress(BrokenPipeError):
            stdin.close()
        process.wait()
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        process.stderr.close()


def sizes_of_files(pid: int, folder: Path) -> set[int]:
    """Sizes of the files of a folder that a process has open, those without a name included."""
    places = [*folder.iterdir()]
    with contextlib.suppress(OSError):
        places += Path(f"/proc/{pid}/fd").iterdir()
    sizes = set()
    for place in places:
        with contextlib.suppress(OSError):
            found = place.stat()
            if stat.S_ISREG(found.st_mode) and str(place.resolve()).startswith(str(folder)):
                sizes.add(found.st_size)
    return sizes


def wait_for(what: Callable[[], Any]) -> None:
    end = time.monotonic() + SECONDS
    while not what():
        assert time.monotonic() < end, "stuck"
        time.sleep(0.01)


SIGNALS = [signal.SIGTERM, signal.SIGHUP, signal.SIGINT]


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
@pytest.mark.parametrize("name", ["out.csv", "out.jsonl", "out.parquet", "out.bin"])
def test_a_conversion_that_is_told_to_end_does_so_and_leaves_no_file(
    number: signal.Signals, name: str, big_file: Path, tmp_path: Path
) -> None:
    """While it waits for its source; also behind the handler of Polars, which restarts reads."""
    pytest.importorskip("polars")
    data = big_file.read_bytes()
    arguments = ["convert", "-", tmp_path / name, "--from", "bin"]
    with evstream_reading(data, *arguments) as (process, feeder):
        wait_for(lambda: any(sizes_of_files(process.pid, tmp_path)))
        feeder.join()
        assert process.stdin is not None
        stdin = process.stdin.fileno()
        wait_for(lambda: bytes_in(stdin) == 0)  # it has taken all, and waits for more
        process.send_signal(number)
        assert process.wait(SECONDS) == 128 + number
        assert process.stderr is not None
        assert process.stderr.read() == b""
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
@pytest.mark.parametrize("command", ["tee", "tee to a file", "convert bin", "convert csv"])
def test_a_command_that_is_told_to_end_leaves_a_pipe_that_does_not_look_whole(
    number: signal.Signals, command: str, tmp_path: Path
) -> None:
    arguments: list[object] = ["tee", "--seal", tmp_path / "out.seal"]
    data, more, size = STREAM[:5000], STREAM[5000:], 5000
    if command == "tee to a file":
        arguments += ["--output", tmp_path / "out.bin"]
    elif command == "convert bin":
        arguments = ["convert", "-", "-", "--from", "bin", "--to", "bin"]
    elif command == "convert csv":
        pytest.importorskip("pyarrow")
        rows = "".join(f"{event},1,1,1.5\n" for event in range(1, 400_000))
        data = f"event_id,item_id,sidx,loss\n{rows}".encode()
        arguments = ["convert", "-", "-", "--from", "csv", "--to", "bin", "--len-sample", "1"]
        more, size = b"", 1 << 20
    with evstream_reading(data, *arguments) as (process, _):
        assert process.stdin is not None
        assert process.stdout is not None
        received = b""
        if command == "tee to a file":
            wait_for(lambda: size in sizes_of_files(process.pid, tmp_path))
        else:
            received = process.stdout.read(size)
            if more:  # which comes through when the stream header is known
                process.stdin.write(more)
                process.stdin.flush()
                received += process.stdout.read(len(more) - 1)
                assert received == STREAM[:-1]  # its last byte comes with the end
        process.send_signal(number)
        received += process.stdout.read()
        assert process.wait(SECONDS) == 128 + number
    assert os.listdir(tmp_path) == []
    if command != "tee to a file":
        with pytest.raises(evstream.TruncatedStreamError):
            list(evstream.open(io.BytesIO(received)))


def test_a_command_that_nohup_started_does_not_end_when_its_terminal_does(tmp_path: Path) -> None:
    arguments = ["tee", "--seal", tmp_path / "out.seal"]
    with evstream_reading(STREAM, *arguments, ignoring_hup=True) as (process, _):
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.read(len(STREAM)) == STREAM
        process.send_signal(signal.SIGHUP)
        process.stdin.close()
        assert process.wait(SECONDS) == 0


# Many streams, and streams that stall


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 4400:
        pytest.skip(f"only {hard} descriptors are allowed here, 4400 are needed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4400), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_two_thousand_streams_at_once(many_descriptors: None) -> None:
    number = 2000
    pipes = [os.pipe() for _ in range(number)]
    assert max(max(ends) for ends in pipes) > 4000

    def stream_of(k: int) -> bytes:
        blocks = [((event, k + 1), [(1, k + event / 4)]) for event in (1, 2)]
        return oracle.encode("loss", {"len_sample": 1}, blocks)

    def work() -> None:
        for reader, _ in pipes:
            os.close(reader)
        for k, (_, writer) in enumerate(pipes):  # at first the header and a part of a block
            os.write(writer, stream_of(k)[:21])
        for k in reversed(range(number)):
            os.write(pipes[k][1], stream_of(k)[21:])
            os.close(pipes[k][1])

    reader = RowReader()
    reader.buffer_size = 4096
    with ExitStack() as stack, child(work) as pid:
        for _, writer in pipes:
            os.close(writer)
        streams = [stack.enter_context(open(r, "rb")) for r, _ in pipes]
        es.get_and_check_header_in(streams)
        event_ids, rows = reader.collect(streams)
        assert exit_status(pid) == 0
    assert Counter(event_ids) == {1: number, 2: number}
    assert sorted(rows) == sorted(
        (float(event), k + 1.0, 1.0, k + event / 4) for k in range(number) for event in (1, 2)
    )


def new_fifos(folder: Path, *names: str) -> list[str]:
    paths = [str(folder / name) for name in names]
    for path in paths:
        os.mkfifo(path)
    return paths


def test_a_fifo_that_nobody_writes_to_is_named_after_the_timeout(tmp_path: Path) -> None:
    [path] = new_fifos(tmp_path, "never")
    start = time.monotonic()
    with pytest.raises(evstream.StallError) as caught:
        evstream.open(path, timeout=0.2)
    assert time.monotonic() - start > 0.15
    assert str(caught.value) == f"{path}: byte 0: no data received for 0.2 s"
    assert (caught.value.source, caught.value.offset) == (path, 0)
    assert isinstance(caught.value, TimeoutError)


def test_a_fifo_whose_writer_comes_late_is_read_whole(tmp_path: Path) -> None:
    [path] = new_fifos(tmp_path, "late")

    def work() -> None:
        time.sleep(0.2)
        with open(path, "wb", 0) as out:
            time.sleep(0.2)
            write_in_pieces(out.fileno(), STREAM, random.Random(1))

    with child(work) as pid, evstream.open(path, timeout=SECONDS) as stream:
        assert [event.event_id for event in stream] == list(range(1, 61))
        assert exit_status(pid) == 0


@pytest.mark.parametrize("size", [0, 3, 8, 50, 1000])
@pytest.mark.parametrize("kind", ["descriptor", "buffered", "socket"])
def test_a_stream_that_stalls_gives_what_is_complete_and_then_the_error(
    kind: str, size: int
) -> None:
    ours, theirs = socket.socketpair()
    with ExitStack() as stack:
        stack.enter_context(ours)
        stack.enter_context(theirs)
        theirs.sendall(STREAM[:size])
        source: Any = ours.fileno() if kind == "descriptor" else ours
        if kind == "buffered":
            source = stack.enter_context(ours.makefile("rb"))
        rows: Rows = []

        def read() -> None:
            with evstream.open(source, timeout=0.1) as stream:
                for event in stream:
                    rows.extend(
                        zip(*(map(float, c) for c in event.to_rows().values()), strict=True)
                    )

        with pytest.raises(evstream.StallError, match=rf"byte {size}: no data received for 0\.1 s"):
            read()
    begun = [block[1] for block in WANTED.blocks if block[0] + 8 <= size]  # with its ids
    assert rows == [row for row in ROWS if begun and row[0] < begun[-1]]
    assert bool(rows) == (size == 1000)


def test_bytes_that_lie_in_a_buffered_object_do_not_stall() -> None:
    with pipe() as (reader, writer):
        os.write(writer, b"before" + STREAM)
        with open(reader, "rb", closefd=False) as file:
            assert file.read(6) == b"before"  # and all the rest is in its buffer now
            stream = evstream.open(file, timeout=0.3)
            events = iter(stream)
            assert [next(events).event_id for _ in range(59)] == list(range(1, 60))
            with pytest.raises(evstream.StallError):
                next(events)
            assert os.get_blocking(reader)


def test_a_reader_of_callbacks_takes_bytes_that_lie_in_a_buffered_object() -> None:
    class Patient(SumReader):  # type: ignore[misc]
        timeout = 0.3

    with pipe() as (reader, writer):
        os.write(writer, b"before" + STREAM)
        with open(reader, "rb", closefd=False) as file:
            assert file.read(6) == b"before"
            event_ids: list[int] = []
            with pytest.raises(evstream.StallError):
                event_ids.extend(Patient(np.zeros(2)).read(file))
    assert event_ids == list(range(1, 60))


def test_a_reader_names_every_stream_that_gives_nothing(tmp_path: Path) -> None:
    paths = new_fifos(tmp_path, "first", "second", "third")

    class Impatient(RowReader):
        timeout = 0.3

    def work() -> None:
        outs = [open(path, "wb", 0) for path in paths]  # noqa: SIM115
        for out, size in zip(outs, (len(STREAM), 8, 1000), strict=True):
            out.write(STREAM[:size])
        outs[0].close()
        time.sleep(SECONDS)

    reader = Impatient()
    with child(work), ExitStack() as stack:
        streams, _ = es.init_streams_in(paths, stack)
        with pytest.raises(evstream.StallError) as caught:
            in_time(lambda: catching(lambda: list(reader.read_streams(streams))))()
    assert set(caught.value.streams) == set(paths[1:])
    assert f"{paths[1]} at byte 8" in str(caught.value)
    assert f"{paths[2]} at byte 1000" in str(caught.value)
    assert "no data received for 0.3 s" in str(caught.value)


@pytest.mark.parametrize("sent", [0, 5])
def test_opening_the_documented_way_names_the_fifo_that_gives_nothing(
    sent: int, tmp_path: Path
) -> None:
    good, bad = new_fifos(tmp_path, "good", "bad")

    with ExitStack() as stack:
        for path, size in ((good, 8), (bad, sent)):
            both_ends = os.open(path, os.O_RDWR)
            stack.callback(os.close, both_ends)
            os.write(both_ends, STREAM[:size])
        with pytest.raises(evstream.StallError) as caught:
            es.init_streams_in([good, bad], stack, timeout=0.3)
    assert str(caught.value) == f"{bad}: byte {sent}: no data received for 0.3 s"


def test_opening_the_documented_way_waits_for_no_order_of_fifos(tmp_path: Path) -> None:
    paths = new_fifos(tmp_path, "a", "b", "c")

    def work() -> None:
        outs = [open(path, "wb", 0) for path in reversed(paths)]  # noqa: SIM115
        for out in outs:
            out.write(STREAM)

    with child(work) as pid, ExitStack() as stack:
        streams, _ = in_time(lambda: es.init_streams_in(paths, stack))
        assert all(os.get_blocking(stream.fileno()) for stream in streams)
        event_ids, _ = RowReader().collect(streams)
        assert exit_status(pid) == 0
    assert sorted(event_ids) == sorted(3 * list(range(1, 61)))


def catching(work: Callable[[], Any]) -> Callable[[], Any]:
    """A function that does again, in this thread, what `work` did."""
    try:
        value = work()
    except Exception as error:
        caught = error

        def again() -> None:
            raise caught

        return again
    return lambda: value


@pytest.mark.parametrize("timeout", [0, -1, float("nan")])
def test_a_timeout_is_above_zero(timeout: float) -> None:
    with pytest.raises(ValueError, match=r"timeout is .*, expected seconds above 0"):
        evstream.open(io.BytesIO(STREAM), timeout=timeout)


def test_the_command_line_has_a_timeout(tmp_path: Path) -> None:
    [path] = new_fifos(tmp_path, "never")
    for command in ("cat", "info", "validate"):
        result = subprocess.run(
            [sys.executable, "-m", "evstream", command, "--timeout", "0.2", path],
            cwd=ROOT, env=child_environment(), capture_output=True, text=True,
            check=False, timeout=SECONDS,
        )  # fmt: skip
        assert result.returncode == 2
        assert result.stderr == f"evstream: {path}: byte 0: no data received for 0.2 s\n"


@numba.njit
def add_loss(total: Any, sidx: Any, loss: Any) -> None:
    total[0] += loss
    total[1] += 1


SumReader: Any = evstream.reader_class("loss", on_entry=add_loss)


@pytest.mark.parametrize("reverse", [False, True], ids=["in order", "in reverse"])
def test_one_producer_of_two_fifos_is_read_by_callbacks_without_deadlock(
    reverse: bool, tmp_path: Path
) -> None:
    paths = new_fifos(tmp_path, "a", "b")
    losses = np.ones((1, 400_000))
    data = io.BytesIO()
    with evstream.create(data, "loss", len_sample=400_000) as out:
        for event in (1, 2):
            out.write_event(event, [1], losses)
    body = data.getvalue()

    def work() -> None:
        order = paths[::-1] if reverse else paths
        outs = [open(path, "wb", 0) for path in order]  # noqa: SIM115
        for out in outs:
            out.write(body[:8])
        for at in range(8, len(body), 1 << 16):
            for out in outs:
                out.write(body[at : at + (1 << 16)])

    class Patient(SumReader):  # type: ignore[misc, valid-type]
        timeout = SECONDS / 2  # with one, FIFOs are opened in any order

    total = np.zeros(2)
    with child(work) as pid:
        assert sorted(in_time(lambda: list(Patient(total).read(*paths)))) == [1, 1, 2, 2]
        assert exit_status(pid) == 0
    assert total.tolist() == [1_600_000, 1_600_000]


def test_a_socket_that_sends_a_byte_now_and_then_costs_nothing_and_ends_with_the_timeout() -> None:
    ours, theirs = socket.socketpair()

    def work() -> None:
        for at in range(60):
            theirs.send(STREAM[at : at + 1])
            wait_for(lambda: not bytes_in(ours.fileno()))  # each is read on its own
        time.sleep(SECONDS)

    def read() -> list[int]:
        # So long that a loaded machine does not take it between two bytes.
        with evstream.open(ours, timeout=3) as stream:
            return [event.event_id for event in stream]

    with ours, theirs, child(work):
        start, memory = time.thread_time(), resident()
        with pytest.raises(evstream.StallError, match=r"byte 60: no data received for 3 s"):
            read()
        assert time.thread_time() - start < 1
        assert resident() - memory < 20 << 20


# As soon as it is complete


@pytest.mark.parametrize("read", READERS)
def test_an_event_is_delivered_as_soon_as_the_next_one_begins(read: Read) -> None:
    """The writer waits for that, each time, before it goes on."""
    number = max(100, FAULTS)
    stamps = np.frombuffer(shared_memory(8 * (number + 2)), np.int64)
    latencies = []
    delivered, deliver = os.pipe()

    def work() -> None:
        os.close(deliver)
        with evstream.create(writer, "loss", len_sample=10) as out:
            for event in range(1, number + 2):
                stamps[event] = time.monotonic_ns()
                out.write_event(event, range(1, 6), np.ones((5, 10)))
                out.flush()
                if event > 1:
                    assert os.read(delivered, 1) == b"."

    def read_in_turn() -> None:
        for event_id in event_ids_from(read, reader):
            if event_id <= number:
                latencies.append((time.monotonic_ns() - stamps[event_id + 1]) / 1e6)
                os.write(deliver, b".")

    with pipe() as (reader, writer), child(work) as pid:
        os.close(writer)
        in_time(lambda: read_in_turn() or True)
        assert exit_status(pid) == 0
    os.close(delivered)
    os.close(deliver)
    assert len(latencies) == number
    middle, late, latest = np.percentile(latencies, [50, 99, 100])
    print(json.dumps({"median_ms": round(middle, 2), "p99_ms": round(late, 2),
                      "max_ms": round(latest, 2), "events": number}))  # fmt: skip


def shared_memory(size: int) -> Any:
    """Memory that a forked child shares."""
    import mmap

    return mmap.mmap(-1, size)


def event_ids_from(read: Read, descriptor: int) -> Iterator[int]:
    """Event ids as they come."""
    if read is read_with_open:
        with evstream.open(descriptor) as stream:
            yield from (event.event_id for event in stream)
    else:
        with open(descriptor, "rb", closefd=False) as file:
            es.read_stream_info(file)
            reader = RowReader()
            for event_id in reader.read_streams([file]):
                reader.used[0] = 0
                yield event_id


# Ids


@pytest.mark.parametrize("room", [1, 3, 100])
def test_the_ids_of_an_item_stay_known_while_the_rest_of_its_event_comes(room: int) -> None:
    """The output fills up inside an item whose bytes were read before the end of its event."""
    samples = [(sidx, float(sidx)) for sidx in range(1, 11)]
    blocks = [((1, 1), samples), ((1, 2), samples[:3]), ((2, 1), samples[:2]), ((3, 1), samples)]
    data = oracle.encode("loss", {"len_sample": 10}, blocks)
    cut = 8 + 8 + 11 * 8 + 8 + 8  # inside the second item

    def work() -> None:
        os.write(writer, data[:cut])
        time.sleep(0.1)
        os.write(writer, data[cut:])

    with pipe() as (reader, writer), child(work) as pid:
        os.close(writer)
        with open(reader, "rb", closefd=False) as stream:
            es.read_stream_info(stream)
            event_ids, rows = RowReader(room).collect([stream])
        assert exit_status(pid) == 0
    assert list(dict.fromkeys(event_ids)) == [1, 2, 3]
    assert rows == [tuple(map(float, row)) for row in oracle.decode(data).records]


def test_a_header_that_somebody_else_has_read_leaves_no_bytes_behind_in_a_buffer() -> None:
    with pipe() as (reader, writer):
        os.write(writer, STREAM)
        with open(reader, "rb", closefd=False) as stream:
            assert stream.read(8) == STREAM[:8]  # and all the rest is in its buffer now
            events = RowReader().read_streams([stream])
            assert in_time(lambda: next(events)) == 1
            events.close()


# Memory


def resident() -> int:
    """Bytes of memory that this process has at the moment."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def most_resident() -> int:
    """The most bytes of memory that this process has ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


LARGE = 10_000_000  # entries of a block, 80 MB


def write_large(descriptor: int) -> None:
    """One event of one block."""
    pairs = np.ones(100_000, [("sidx", "<i4"), ("loss", "<f4")]).tobytes()
    with open(descriptor, "wb", closefd=False) as out:
        out.write(STREAM[:8] + np.array([1, 1], "<i4").tobytes())
        for _ in range(LARGE // 100_000):
            out.write(pairs)
        out.write(bytes(8))


def large_by_chunks(descriptor: int) -> int:
    with evstream.open(descriptor) as stream:
        return sum(len(chunk.columns.entry[0]) for chunk in stream.chunks())


def large_by_callbacks(descriptor: int) -> int:
    total = np.zeros(2)
    assert list(SumReader(total).read(descriptor)) == [1]
    return int(total[1])


def large_by_validating(descriptor: int) -> int:
    return evstream.validate(descriptor).records


def large_by_events(descriptor: int) -> int:
    with evstream.open(descriptor) as stream:
        return sum(len(event.loss) for event in stream)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is measured on Linux")
@pytest.mark.parametrize(
    ("read", "megabytes"),
    [
        (large_by_chunks, 30),
        (large_by_callbacks, 30),
        (large_by_validating, 60),
        (large_by_events, 2 * 80 + 30),
    ],
)
def test_a_block_of_ten_million_entries_takes_bounded_memory(
    read: Callable[[int], int], megabytes: int
) -> None:
    def work() -> int:
        before = resident()
        count = read(reader)
        grown = most_resident() - before
        os.write(said, json.dumps([count, grown >> 20]).encode())
        return 0

    hears, said = os.pipe()
    with pipe() as (reader, writer), child(lambda: write_large(writer)):
        os.close(writer)
        with child(work) as pid:
            assert exit_status(pid) == 0
        count, grown = json.loads(os.read(hears, 100))
    os.close(hears)
    os.close(said)
    print(json.dumps({"entries": count, "megabytes": grown}))
    assert count == LARGE
    assert grown < megabytes


class EndlessGzip(io.RawIOBase):
    """A gzip stream of 1 GB and more: a stream header, and events over and over."""

    def __init__(self, entries: int) -> None:
        packer = zlib.compressobj(wbits=31)
        pairs = np.ones(entries, [("sidx", "<i4"), ("loss", "<f4")]).tobytes()
        head = np.array([1, 1], "<i4").tobytes()
        end = zlib.Z_FULL_FLUSH
        first = packer.compress(STREAM[:8]) + packer.flush(end)
        again = packer.compress(head + pairs + bytes(8)) + packer.flush(end)
        self.data, self.again, self.given = first, again, 0

    def readable(self) -> bool:
        return True

    def readinto(self, view: Any) -> int:
        if not self.data:
            self.data = self.again
        size = min(len(view), len(self.data))
        view[:size] = self.data[:size]
        self.data = self.data[size:]
        self.given += size
        return size


def test_compressed_data_that_expands_without_end_takes_bounded_memory() -> None:
    source = EndlessGzip(100_000)
    with EventStream(source) as stream:
        chunks = stream.chunks()
        next(chunks)
        before, most = resident(), 0
        while stream.offset < 1 << 30:
            next(chunks)
            most = max(most, resident())
        assert source.given < 10 << 20
        grown = most - before
    print(json.dumps({"expanded_megabytes": 1024, "grown_megabytes": grown >> 20}))
    assert grown < 60 << 20


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
def test_a_bomb_of_zeros_takes_bounded_memory(kind: str) -> None:
    """512 MB in half a megabyte of gzip, or 16 kB of zstd."""
    zeros = bytes(1 << 20)
    if kind == "gzip":
        packer: Any = zlib.compressobj(wbits=31)
    else:
        packer = pytest.importorskip("zstandard").ZstdCompressor().compressobj()
    packed = io.BytesIO(b"".join(packer.compress(zeros) for _ in range(512)) + packer.flush())
    expander = Expander(kind, packed.read, "bomb")
    view = memoryview(bytearray(1 << 20))
    before, most, total = resident(), 0, 0
    while size := expander.readinto(view):
        total += size
        most = max(most, resident())
    grown = most - before
    print(json.dumps({"kind": kind, "packed": packed.tell(), "grown_megabytes": grown >> 20}))
    assert total == 512 << 20
    assert grown < 150 << 20


def test_a_zstd_window_of_a_gigabyte_is_refused() -> None:
    zstandard = pytest.importorskip("zstandard")
    parameters = zstandard.ZstdCompressionParameters(window_log=30)
    packer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    data = packer.compress(STREAM) + packer.flush()
    with pytest.raises(evstream.CorruptStreamError, match="a window above 128 MiB"):
        list(evstream.open(io.BytesIO(data)))


def test_an_event_larger_than_any_buffer_is_read_through_a_pipe_as_it_was_written() -> None:
    with pipe() as (reader, writer):
        losses = np.arange(3_000_000, dtype=np.float32).reshape(3, -1) + 1

        def work() -> None:
            with evstream.create(writer, "loss", len_sample=1_000_000) as out:
                out.write_event(9, [1, 2, 3], losses)

        with child(work) as pid:
            os.close(writer)
            with evstream.open(reader) as stream:
                [event] = stream
            assert exit_status(pid) == 0
    assert event.item_ids.tolist() == [1, 2, 3]
    assert np.array_equal(event.loss.reshape(3, -1), losses)


def test_the_reading_of_a_whole_stream_is_what_the_tests_above_compare_with() -> None:
    reading = read_all(io.BytesIO(STREAM))
    assert reading.clean_end
    assert len(reading.events) == 60


@pytest.mark.parametrize("to", ["csv", "jsonl", "parquet"])
def test_a_conversion_whose_reader_does_not_read_ends_when_it_is_told_to(
    tmp_path: Path, to: str
) -> None:
    path = tmp_path / "loss.bin"
    with evstream.create(path, "loss", len_sample=1000) as out:
        losses = np.random.default_rng(1).random((1000, 1000))
        for event in range(1, 5):
            out.write_event(event, range(1, 1001), losses)
    ours, theirs = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "evstream", "convert", str(path), "-", "--to", to],
        stdout=theirs, stderr=subprocess.PIPE, env=child_environment(),
    )  # fmt: skip
    os.close(theirs)
    assert process.stderr is not None
    with process, process.stderr, open(ours, "rb", 0):
        try:
            wait_for(lambda: bytes_in(ours))
            for _ in range(2):  # the second, should the first wait for the reader
                process.send_signal(signal.SIGTERM)
            assert process.wait(SECONDS) == 128 + signal.SIGTERM
            assert process.stderr.read() == b""
        finally:
            process.kill()


def bytes_in(pipe: int) -> int:
    """How many bytes wait to be read."""
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)
