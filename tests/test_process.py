"""How a command's process ends: by signals, and when memory or threads run out."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from evstream import process
from support import ROOT, child_environment

GOLDEN = Path(__file__).parent / "golden" / "loss_i4_f4.bin"

COMMAND = """
import os, signal, sys, time
import evstream.cli.info
from evstream.console import console
def raise_signals(*names):
    for name in names:
        signal.raise_signal(getattr(signal, name))
def run(options):
{body}
evstream.cli.info.run = run
sys.argv = ["evstream", "info", "file"]
{before}
sys.exit(console())
"""


def run_command(
    body: str, before: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own, with `body` as the work of a command."""
    indented = "\n".join(f"    {line}" for line in body.strip().split("\n"))
    return subprocess.run(
        [sys.executable, "-c", COMMAND.format(body=indented, before=before)], cwd=ROOT,
        env=child_environment(**environment), capture_output=True, text=True, check=False,
        timeout=120,
    )  # fmt: skip


def end_of(done: subprocess.CompletedProcess[str]) -> tuple[int, str, str]:
    return done.returncode, done.stdout, done.stderr


SIGNALS = ["SIGHUP", "SIGINT", "SIGTERM"]


@pytest.mark.parametrize("second", SIGNALS)
@pytest.mark.parametrize("first", SIGNALS)
def test_a_second_signal_raises_nothing_inside_the_clean_up(first: str, second: str) -> None:
    body = f"""
try:
    raise_signals("{first}")
    time.sleep(100)
finally:
    raise_signals("{second}", "{first}", "{second}")
    print("cleaned up", flush=True)
"""
    status = 128 + getattr(signal, first)
    assert end_of(run_command(body)) == (status, "cleaned up\n", "")


@pytest.mark.parametrize("name", ["SIGALRM", "SIGUSR1", "SIGUSR2", "SIGXCPU"])
def test_signals_of_batch_systems_clean_up_too(name: str) -> None:
    body = f"""
try:
    raise_signals("{name}")
finally:
    raise_signals("{name}")
    print("cleaned up", flush=True)
"""
    assert end_of(run_command(body)) == (128 + getattr(signal, name), "cleaned up\n", "")


def test_signals_that_come_at_once_end_with_the_status_of_one() -> None:
    body = """
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
for name in ("SIGTERM", "SIGINT", "SIGHUP"):
    os.kill(os.getpid(), getattr(signal, name))
signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
time.sleep(100)
"""
    status, *output = end_of(run_command(body))
    assert status in {129, 130, 143}
    assert output == ["", ""]


@pytest.mark.parametrize(
    ("seen", "first"),
    [
        ([(5.0, signal.SIGTERM), (5.5, signal.SIGHUP)], signal.SIGTERM),
        ([(5.0, signal.SIGHUP), (5.5, signal.SIGTERM)], signal.SIGHUP),
        ([(5.0, signal.SIGTERM), (5.0001, signal.SIGHUP)], signal.SIGHUP),  # no order is kept
        ([], signal.SIGINT),  # no thread watches
    ],
)
def test_the_first_of_several_signals_counts(
    seen: list[tuple[float, int]], first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python calls the handler of the lowest number first, whichever came first."""
    monkeypatch.setattr(process, "_seen", seen)
    monkeypatch.setattr(process, "_watches", bool(seen))
    assert process._first_seen(min((number for _, number in seen), default=signal.SIGINT)) == first


@pytest.mark.parametrize("wait", ["time.sleep(100)", "import threading; threading.Event().wait()"])
def test_a_clean_up_that_waits_is_ended_by_a_second_signal(wait: str, tmp_path: Path) -> None:
    body = f"""
from evstream.transport.sink import Sink
os.__dict__.pop("O_TMPFILE", None)  # so that the file has a hidden name
sink = Sink("{tmp_path / "out.bin"}")
sink.write(memoryview(b"text"))
print(len(os.listdir("{tmp_path}")), flush=True)
try:
    raise_signals("SIGTERM")
finally:
    raise_signals("SIGHUP")
    {wait}
"""
    assert end_of(run_command(body)) == (143, "1\n", "")
    assert os.listdir(tmp_path) == []


def test_a_signal_in_a_finalizer_is_not_lost() -> None:
    """Where Python drops what is raised."""
    body = """
class Loud:
    def __del__(self):
        raise_signals("SIGTERM")
loud = Loud()
del loud
time.sleep(100)
"""
    assert end_of(run_command(body)) == (143, "", "")


def test_an_error_while_a_signal_cleans_up_is_not_reported() -> None:
    body = """
try:
    raise_signals("SIGINT")
finally:
    raise RuntimeError("a library lost its file")
"""
    assert end_of(run_command(body)) == (130, "", "")


def test_a_file_that_no_object_owns_yet_is_removed(tmp_path: Path) -> None:
    body = f"""
from evstream.transport.sink import Sink
os.__dict__.pop("O_TMPFILE", None)  # so that the file has a hidden name
def opened(path, flags, *arguments, real=os.open):
    descriptor = real(path, flags, *arguments)
    if flags & os.O_CREAT:
        print(len(os.listdir("{tmp_path}")), flush=True)
        raise_signals("SIGTERM")
    return descriptor
os.open = opened
Sink("{tmp_path / "out.bin"}")
"""
    assert end_of(run_command(body)) == (143, "1\n", "")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", SIGNALS)
@pytest.mark.parametrize("module", ["evstream.cli", "numpy", "evstream.reading.stream", "numba"])
def test_a_signal_during_imports_is_a_status_and_no_traceback(name: str, module: str) -> None:
    code = f"""
import signal, sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "{module}":
            signal.raise_signal(signal.{name})
sys.meta_path.insert(0, Finder())
sys.argv = ["evstream", "warmup"]
from evstream.console import console
sys.exit(console())
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=child_environment(), check=False,
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert end_of(done) == (128 + getattr(signal, name), "", "")


def test_a_signal_after_the_work_changes_no_status() -> None:
    body = """
import atexit
atexit.register(raise_signals, "SIGTERM", "SIGINT")
print("done")
return 1
"""
    assert end_of(run_command(body)) == (1, "done\n", "")


def test_an_ignored_signal_stays_ignored() -> None:
    body = """
raise_signals("SIGHUP")
print("goes on")
return 0
"""
    before = "signal.signal(signal.SIGHUP, signal.SIG_IGN)"
    assert end_of(run_command(body, before)) == (0, "goes on\n", "")


FAILURES = [
    ("MemoryError()", "out of memory"),
    ("MemoryError('Unable to\\nallocate 9 GiB')", "out of memory: Unable to allocate 9 GiB"),
    ("OSError(12, 'Cannot allocate memory')", "out of memory: [Errno 12] Cannot allocate memory"),
    ("ImportError('x.so: failed to map segment from shared object')",
     "out of memory: x.so: failed to map segment from shared object"),
    ("RuntimeError(\"can't start new thread\")", "the system allows no more threads"),
    ("RecursionError('too deep')", "unexpected RecursionError: too deep"),
    ("KeyError('name')", "unexpected KeyError: 'name'"),
    ("type('PanicException', (BaseException,), {})('no unit')",
     "unexpected PanicException: no unit"),
]  # fmt: skip


@pytest.mark.parametrize(("error", "line"), FAILURES)
def test_a_failure_of_the_process_is_status_70(error: str, line: str) -> None:
    hint = " (EVSTREAM_TRACEBACK=1 prints where)" if line.startswith("unexpected") else ""
    assert end_of(run_command(f"raise {error}")) == (70, "", f"evstream: {line}{hint}\n")


def test_a_traceback_comes_on_demand() -> None:
    done = run_command("raise KeyError('name')", EVSTREAM_TRACEBACK="1")
    assert done.returncode == 70
    assert done.stderr.startswith("Traceback (most recent call last):\n")
    assert done.stderr.splitlines()[-1].startswith("evstream: unexpected KeyError: 'name'")


def test_main_returns_the_exit_status_of_the_command() -> None:
    code = COMMAND.replace("{body}", "    raise MemoryError").replace("{before}", "")
    code = code.replace("console()", "__import__('evstream.cli.program').cli.program.main()")
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=child_environment(), check=False,
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert end_of(done) == (70, "", "evstream: out of memory\n")


@pytest.fixture(scope="module")
def event_ids(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import numpy as np

    path = tmp_path_factory.mktemp("ids") / "ids.bin"
    np.arange(1, 20_000_001, dtype="<i4").tofile(path)
    return path


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="RLIMIT_AS works on Linux")
@pytest.mark.parametrize(
    ("command", "megabytes"),
    [
        *(("info", megabytes) for megabytes in (50, 120, 170, 450)),
        ("validate", 250),
        ("convert --sort", 250),
        ("convert --sort", 700),
    ],
)
def test_memory_that_runs_out_is_status_70(
    event_ids: Path, tmp_path: Path, command: str, megabytes: int
) -> None:
    arguments = [*command.split(), "--stream", "event_ids", str(event_ids)]
    if command.startswith("convert"):
        pytest.importorskip("pyarrow")
        arguments.append(str(tmp_path / "ids.parquet"))
    room = megabytes * 1_000_000
    done = subprocess.run(
        [sys.executable, "-m", "evstream", *arguments], cwd=ROOT, env=child_environment(),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (room, room)),
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 70, done.stderr
    assert done.stderr.startswith("evstream: ")
    assert done.stderr.count("\n") == 1
    assert os.listdir(tmp_path) == []


def test_threads_that_cannot_start_are_status_70(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    body = f"""
import threading
import evstream
def start(thread):
    raise RuntimeError("can't start new thread")
threading.Thread.start = start
evstream.convert("{GOLDEN}", "{tmp_path / "out.csv"}")
"""
    line = "evstream: the system allows no more threads\n"
    assert end_of(run_command(body)) == (70, "", line)
    assert os.listdir(tmp_path) == []


DROPIN = """
import signal, sys
from evstream.dropin import launcher
def install(*arguments, **named):
    {body}
launcher.install = install
sys.argv = ["dropin", "--", "{program}"]
launcher.run_as_process()
"""


def run_dropin(body: str, program: str) -> tuple[int, str, str]:
    code = DROPIN.format(body=body, program=program)
    return end_of(subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=child_environment(), check=False,
        capture_output=True, text=True, timeout=120,
    ))  # fmt: skip


def test_dropin_has_the_same_statuses_before_its_program_runs() -> None:
    line = "evstream.dropin: out of memory\n"
    assert run_dropin("raise MemoryError", "true") == (70, "", line)
    line = "evstream.dropin: unexpected RecursionError (EVSTREAM_TRACEBACK=1 prints where)\n"
    assert run_dropin("raise RecursionError", "true") == (70, "", line)
    for name in SIGNALS:
        ended = run_dropin(f"signal.raise_signal(signal.{name})", "true")
        assert ended == (128 + getattr(signal, name), "", "")


def test_a_program_under_the_switch_gets_its_own_signals(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import signal\n"
        "for name in ('SIGHUP', 'SIGINT', 'SIGTERM'):\n"
        "    print(signal.getsignal(getattr(signal, name)) in\n"
        "          (signal.SIG_DFL, signal.default_int_handler))\n"
    )
    assert run_dropin("pass", str(program)) == (0, "True\n" * 3, "")
