"""Settings of all tests, and what each of them must leave as it was."""

from __future__ import annotations

import compileall
import contextlib
import gc
import os

# Thousands of small files need not survive a power cut; test_whole_file.py has its own setting.
os.environ["EVSTREAM_FSYNC"] = "0"
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from open_files import of_tests, open_descriptors, open_files

if TYPE_CHECKING:
    from object_store import S3, Web

# Before the tests are imported: they, numba and what it compiles are some 500,000 objects, which
# the collector would look through again and again, for an eighth of the time.
gc.set_threshold(50_000, 20, 20)

# pytest rewrites the assertions of 30,000 lines, for as long as a hundred tests take; also where
# PYTHONDONTWRITEBYTECODE is set, what it made is kept for the next run.
sys.dont_write_bytecode = False

with contextlib.suppress(ImportError):  # where only the interop tests run there is none
    from hypothesis import settings

    # A slow or busy machine is not a failure. CI tries the same examples each time, so that a
    # change is judged by what it changes; other runs look for new ones.
    settings.register_profile("any machine", deadline=None, derandomize="CI" in os.environ)
    settings.load_profile("any machine")


# What nohup or a shell starts in the background ignores some signals, and so would the programs
# that tests start and then stop.
for _number, _handler in (
    (signal.SIGHUP, signal.SIG_DFL),
    (signal.SIGQUIT, signal.SIG_DFL),
    (signal.SIGTERM, signal.SIG_DFL),
    (signal.SIGINT, signal.default_int_handler),
):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _handler)


def pytest_configure(config: pytest.Config) -> None:
    """Compile the package's sources once, also where PYTHONDONTWRITEBYTECODE is set: each of the
    hundreds of programs that tests start would compile them for itself."""
    source = Path(__file__).parents[1] / "src"
    if not hasattr(config, "workerinput") and source.is_dir():
        compileall.compile_dir(source, quiet=2)


def pytest_collection_finish() -> None:
    """Nothing of what is there now goes away before the end."""
    gc.collect()
    gc.freeze()


PATIENCE = 20
"""Seconds; a test that leaks takes that long."""


@pytest.fixture(autouse=True)
def nothing_is_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test that leaves a descriptor open, the environment or the folder changed, fails itself,
    and not the one after it."""
    files, environment, folder = open_files(), settings_of_process(), os.getcwd()
    yield
    assert os.getcwd() == folder
    assert settings_of_process() == environment
    if request.node.get_closest_marker("keeps_files_open"):
        return
    end = time.monotonic() + PATIENCE
    while left := of_tests(open_files().items() - files.items()):
        gc.collect()  # what is not held is closed now, with a ResourceWarning
        assert time.monotonic() < end, f"left open: {left}"
        time.sleep(0.01)  # a library's thread may be about to close it


def settings_of_process() -> dict[str, str]:
    """The environment variables that matter here; libraries set some of their own."""
    prefixes = ("EVSTREAM", "NUMBA", "OASIS", "PATH", "PYTHON")
    return {name: value for name, value in os.environ.items() if name.startswith(prefixes)}


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """The descriptors of a pipe: to read from, to write to."""
    reader, writer = os.pipe()
    yield reader, writer
    for descriptor in (reader, writer):
        with contextlib.suppress(OSError):  # closed by the test
            os.close(descriptor)


@pytest.fixture(scope="session")
def gul(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A loss stream in a file, for tests that leave it as it is."""
    from frame_cases import loss_file

    return loss_file(tmp_path_factory.mktemp("frames") / "gul.bin")


@pytest.fixture
def no_descriptor_is_left() -> Iterator[None]:
    """No test leaves a descriptor open that it did not have before."""
    before = open_descriptors()
    yield
    assert open_descriptors() == before


@pytest.fixture(scope="session")
def kernels_are_loaded() -> None:
    """The kernels that tests of faults run, in this process and in its children."""
    from fault_cases import load_kernels

    load_kernels()


@pytest.fixture(scope="session")
def big_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stream of 6 MB, for tests that leave it as it is."""
    from fault_cases import write_big

    path = tmp_path_factory.mktemp("big") / "big.bin"
    write_big(path)
    return path


@pytest.fixture(scope="session")
def object_store() -> Iterator[S3]:
    """An object store on the loopback."""
    from object_store import S3

    server = S3()
    yield server
    server.close()


@pytest.fixture
def store(object_store: S3, monkeypatch: pytest.MonkeyPatch) -> S3:
    """The store with an empty bucket, "data"; the environment has the credentials."""
    for name in ("access_key_id", "secret_access_key", "region"):
        monkeypatch.setenv(f"AWS_{name.upper()}", object_store.options[name])
    monkeypatch.setenv("AWS_ENDPOINT_URL", object_store.url)
    object_store.clear()
    return object_store


@pytest.fixture
def web() -> Iterator[Web]:
    """A web server on the loopback."""
    from object_store import Web

    web = Web()
    yield web
    web.close()
