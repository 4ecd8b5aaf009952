"""A function over parts: results in order, few parts ahead, errors in their place."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import evstream
from evstream import TruncatedStreamError
from evstream.partition import threads as threads_module
from evstream.partition.threads import AHEAD, usable_cores


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("map") / "a.bin"
    with evstream.create(path, "loss", len_sample=4, durable=False) as out:
        for event_id in range(1, 200):
            out.write_event(event_id, np.arange(1, 4), np.ones((3, 4)), mean=1.0, tiv=1e6)
    return path


def events_of(part: evstream.Part) -> list[int]:
    with evstream.open(part) as stream:
        return [event.event_id for event in stream]


@pytest.mark.parametrize("threads", [1, 2, 5, None])
def test_results_come_in_the_order_of_the_parts(file: Path, threads: int | None):
    planned = evstream.parts(file, 500, whole="event")
    assert len(planned) > 20
    found = list(evstream.map_parts(events_of, planned, threads=threads))
    assert [event for events in found for event in events] == list(range(1, 200))
    assert found == [events_of(part) for part in planned]


def test_a_path_is_one_way_to_say_parts(file: Path):
    expected = [list(range(1, 200))]
    for files in (file, [file], file.parent):
        assert list(evstream.map_parts(events_of, files)) == expected
    some = evstream.parts(file, 500)[2:4]
    for parts in (some, iter(some)):
        assert list(evstream.map_parts(events_of, parts)) == [events_of(part) for part in some]


def test_few_parts_are_ahead_of_the_consumer(file: Path):
    planned = evstream.parts(file, 500)
    begun = []

    def work(part: evstream.Part) -> int:
        begun.append(part.start)
        return part.start

    results = evstream.map_parts(work, planned, threads=2)
    assert not begun
    for taken, _ in enumerate(results, 1):
        assert len(begun) <= taken + 2 * AHEAD
    assert sorted(begun) == [part.start for part in planned]


def test_threads_stop_when_the_consumer_leaves(file: Path):
    planned = evstream.parts(file, 500)
    begun = []
    results = evstream.map_parts(lambda part: begun.append(part.start), planned, threads=2)
    next(results)
    results.close()
    assert len(begun) <= 1 + 2 * AHEAD
    assert not [t for t in threading.enumerate() if t.name.startswith("evstream")]


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_comes_after_the_results_before_it(file: Path, threads: int):
    planned = evstream.parts(file, 500)

    def work(part: evstream.Part) -> int:
        if part.start >= 2000:
            raise RuntimeError("no")
        return part.start

    found = []
    with pytest.raises(RuntimeError, match="no") as caught:
        found += iter_into(evstream.map_parts(work, planned, threads=threads), found)
    assert found == [0, 500, 1000, 1500]
    if sys.version_info >= (3, 11):
        assert caught.value.__notes__ == [f"in {planned[4]!r}"]


def iter_into(results, found: list[int]) -> list[int]:
    for result in results:
        found.append(result)
    return []


def test_an_error_of_a_stream_names_its_byte(file: Path, tmp_path: Path):
    path = tmp_path / "cut.bin"
    path.write_bytes(file.read_bytes()[:-3])
    planned = evstream.parts(path, 500)
    with pytest.raises(TruncatedStreamError, match=r"cut\.bin: byte \d+"):
        list(evstream.map_parts(events_of, planned, threads=2))


@pytest.mark.parametrize("threads", [0, -1])
def test_no_thread_is_too_few(file: Path, threads: int):
    with pytest.raises(ValueError, match="threads"):
        evstream.map_parts(events_of, file, threads=threads)


def test_a_process_uses_the_cores_that_it_may(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    quota = tmp_path / "cpu.max"

    def fake_open(path: str):
        assert path == "/sys/fs/cgroup/cpu.max"
        return quota.open()

    monkeypatch.setattr(threads_module, "open", fake_open, raising=False)
    monkeypatch.setattr(threads_module.os, "sched_getaffinity", lambda _: {0, 1, 2, 5})
    for text, cores in [("max 100000", 4), ("150000 100000", 2), ("1000 100000", 1), ("", 4)]:
        quota.write_text(text)
        assert usable_cores() == cores
    quota.unlink()
    assert usable_cores() == 4
