"""A source that changes hands while it is read is an error, and never another stream.

Files get an old modification time when they are made: a write within the same tick of the clock
cannot be seen, and no test depends on it.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest

import evstream
from evstream import ChangedSourceError
from evstream.event_stream import EventReader, init_streams_in
from golden_files import GOLDEN
from support import Trickle

EVENTS = 300
CHUNK = 1 << 20


def make(path: Path, factor: float = 1.0, events: int = EVENTS) -> bytes:
    """A stream of 12 MB in which each loss is the event id times `factor`."""
    with evstream.create(path, "loss", len_sample=100) as out:
        for event_id in range(1, events + 1):
            losses = np.full((50, 100), event_id * factor)
            out.write_event(event_id, np.arange(1, 51), losses, mean=event_id * factor, tiv=1e6)
    os.utime(path, (1_000_000_000, 1_000_000_000))
    return path.read_bytes()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return make(tmp_path_factory.mktemp("changed") / "a.bin")


@pytest.fixture
def file(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "a.bin"
    path.write_bytes(data)
    os.utime(path, (1_000_000_000, 1_000_000_000))
    return path


# What happens to a file, and what is said of it


def overwrite(path: Path) -> None:
    data = path.read_bytes()
    with open(path, "r+b") as file:
        file.write(data[::-1])


def replace_in_place(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data)


def append_itself(path: Path) -> None:
    data = path.read_bytes()
    with open(path, "ab") as file:
        file.write(data)


def cut(path: Path) -> None:
    os.truncate(path, 2 * CHUNK)


def empty(path: Path) -> None:
    os.truncate(path, 0)


CHANGES = {
    overwrite: "the file was written to",
    replace_in_place: "the file was written to",
    append_itself: "the file grew from",
    cut: "the file was cut from",
    empty: "the file was cut from",
}


@contextlib.contextmanager
def by_path(path: Path) -> Iterator[Any]:
    yield path


@contextlib.contextmanager
def by_descriptor(path: Path) -> Iterator[Any]:
    descriptor = os.open(path, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


@contextlib.contextmanager
def by_object(path: Path) -> Iterator[Any]:
    with open(path, "rb") as file:
        yield file


@contextlib.contextmanager
def by_raw_object(path: Path) -> Iterator[Any]:
    with open(path, "rb", 0) as file:
        yield file


@contextlib.contextmanager
def by_object_for_update(path: Path) -> Iterator[Any]:
    with open(path, "r+b") as file:
        yield file


@contextlib.contextmanager
def by_stdin(path: Path) -> Iterator[Any]:
    before = sys.stdin
    with open(path) as file:
        sys.stdin = file
        try:
            yield "-"
        finally:
            sys.stdin = before


OPENINGS = [by_path, by_descriptor, by_object, by_raw_object, by_object_for_update, by_stdin]
Opening = Callable[[Path], contextlib.AbstractContextManager[Any]]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("opening", OPENINGS)
def test_a_file_that_changes_while_read_is_an_error(
    opening: Opening, change: Callable[[Path], None], file: Path
) -> None:
    """And the losses before it are those of the file that was opened."""
    with opening(file) as source, evstream.open(source) as stream:
        events = iter(stream)
        got = [next(events) for _ in range(60)]
        change(file)
        with pytest.raises(ChangedSourceError, match=CHANGES[change]):
            got.extend(events)
        assert [event.event_id for event in got] == list(range(1, len(got) + 1))
        for event in got:
            assert set(event.loss[event.sidx > 0].tolist()) == {float(event.event_id)}
        with pytest.raises(ChangedSourceError):
            list(stream)


@pytest.mark.parametrize("change", [overwrite, append_itself, cut])
def test_a_compressed_file_that_changes_is_an_error(
    change: Callable[[Path], None], tmp_path: Path
) -> None:
    path = tmp_path / "a.bin.gz"
    rng = np.random.default_rng(1)
    ids = rng.integers(1, 2**31, 2_000_000, np.int32)  # which do not compress
    path.write_bytes(gzip.compress(ids.tobytes(), 1))
    os.utime(path, (1_000_000_000, 1_000_000_000))
    stream = evstream.open(path, "event_ids")
    chunks = stream.chunks()
    next(chunks)
    change(path)
    with pytest.raises(ChangedSourceError, match=CHANGES[change]):
        list(chunks)


def test_the_end_of_a_file_is_compared_too(tmp_path: Path) -> None:
    """One read takes all of a small file; what is appended afterwards is more of the stream."""
    path = tmp_path / "a.bin"
    make(path, events=1)
    stream = evstream.open(path)
    chunks = stream.chunks()
    next(chunks)
    append_itself(path)
    with pytest.raises(ChangedSourceError, match="the file grew"):
        list(chunks)
    assert stream.clean_end is None


class ChangesItself(io.FileIO):
    """A file to which somebody appends when it has been read for a while."""

    reads = 0

    def readinto1(self, view: Any) -> int:
        self.reads += 1
        if self.reads == 3:
            with open(str(self.name), "ab") as file:
                file.write(b"\0" * 8)
        return super().readinto(view) or 0


@pytest.mark.parametrize(
    "read", [evstream.read_columns, evstream.validate, lambda f: list(evstream.open(f))]
)
def test_every_reader_reports_a_change(read: Callable[[Any], Any], file: Path) -> None:
    with ChangesItself(file) as source, pytest.raises(ChangedSourceError, match="the file grew"):
        read(source)


@pytest.mark.parametrize("target", ["out.bin", "out.csv", "out.parquet"])
def test_convert_leaves_no_output_of_a_changed_file(target: str, file: Path) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    out = file.with_name(target)
    with ChangesItself(file) as source, pytest.raises(ChangedSourceError):
        evstream.convert(source, out, from_="bin")
    assert not out.exists()


@pytest.mark.parametrize("kind", ["parquet", "arrow"])
def test_a_changed_table_is_an_error(kind: str, tmp_path: Path) -> None:
    """Libraries read these formats themselves; the file is compared at the end."""
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    make(tmp_path / "a.bin", events=3)
    table = tmp_path / f"a.{kind}"
    evstream.convert(tmp_path / "a.bin", table)
    os.utime(table, (1_000_000_000, 1_000_000_000))

    def change(_: int) -> None:
        os.utime(table, (1_100_000_000, 1_100_000_000))

    with pytest.raises(ChangedSourceError, match="was written to"):
        evstream.convert(table, tmp_path / "b.bin", progress=change)
    assert not (tmp_path / "b.bin").exists()


def test_a_file_renamed_over_is_read_to_its_end(file: Path, data: bytes) -> None:
    """The file that was opened is still whole, under no name."""
    stream = evstream.open(file)
    events = iter(stream)
    next(events)
    make(file.with_name("b.bin"), 1000.0, events=1)
    os.replace(file.with_name("b.bin"), file)
    assert len(list(events)) == EVENTS - 1
    assert stream.clean_end


def test_a_descriptor_that_becomes_another_file_is_an_error(file: Path) -> None:
    make(file.with_name("b.bin"), 1000.0)
    with by_descriptor(file) as descriptor, by_descriptor(file.with_name("b.bin")) as other:
        events = iter(evstream.open(descriptor))
        next(events)
        os.dup2(other, descriptor)
        with pytest.raises(ChangedSourceError, match="another file"):
            list(events)


@pytest.mark.skipif(not os.path.exists("/proc/self/auxv"), reason="this system has no /proc")
def test_a_file_of_size_zero_that_has_bytes_is_read() -> None:
    assert os.stat("/proc/self/auxv").st_size == 0
    ids = np.frombuffer(Path("/proc/self/auxv").read_bytes(), np.int64)
    columns = evstream.read_columns(
        "/proc/self/auxv", stream="event_ids", widths={"oasis_int": "i8"}
    )
    assert columns["event_id"].tolist() == ids.tolist()


# One position of a file for several readers


@pytest.mark.parametrize("opening", [by_descriptor, by_object, by_raw_object, by_stdin])
def test_a_moved_position_does_not_move_the_stream(opening: Opening, file: Path) -> None:
    """A process that inherits a descriptor moves its position, as a copy of it does here."""
    with opening(file) as source:
        descriptor = source if isinstance(source, int) else None
        if descriptor is None:
            descriptor = (sys.stdin if source == "-" else source).fileno()
        shared = os.dup(descriptor)
        got = []
        for event in evstream.open(source):
            os.read(shared, 1000)
            got.append((event.event_id, *set(event.loss[event.sidx > 0].tolist())))
        os.close(shared)
    assert got == [(event_id, float(event_id)) for event_id in range(1, EVENTS + 1)]


@pytest.mark.parametrize("opening", [by_descriptor, by_object, by_raw_object])
def test_a_file_that_was_passed_in_moves_as_it_is_read(
    opening: Opening, file: Path, data: bytes
) -> None:
    with opening(file) as source:
        assert len(list(evstream.open(source))) == EVENTS
        at = source.tell() if not isinstance(source, int) else os.lseek(source, 0, os.SEEK_CUR)
        assert at == len(data)


def test_a_file_is_read_from_where_it_stands(file: Path) -> None:
    file.write_bytes(b"before" + file.read_bytes())
    for buffering in (0, -1):
        with open(file, "rb", buffering) as source:
            assert source.read(6) == b"before"
            assert len(list(evstream.open(source))) == EVENTS


def in_child(work: Callable[[], None]) -> str:
    """What the work raises in a forked process: the class and text of the error, "" for none."""
    receive, send = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException as error:
            os.write(send, f"{type(error).__name__}: {error}".encode())
        finally:
            os._exit(0)
    os.close(send)
    with open(receive, "rb") as said:
        text = said.read().decode()
    os.waitpid(child, 0)
    return text


@pytest.mark.parametrize("opening", OPENINGS)
def test_a_forked_process_cannot_read_its_parents_stream(opening: Opening, file: Path) -> None:
    with opening(file) as source:
        stream = evstream.open(source)
        events = iter(stream)
        got = [next(events) for _ in range(60)]
        for work in (lambda: next(events), lambda: next(iter(stream)), stream.chunks):
            text = in_child(work)
            assert text.startswith("ChangedSourceError")
            assert "opened before this process was forked" in text
            assert "\n" not in text
        got.extend(events)
    assert [event.event_id for event in got] == list(range(1, EVENTS + 1))
    assert all(set(e.loss[e.sidx > 0].tolist()) == {float(e.event_id)} for e in got)


def test_a_forked_process_cannot_read_its_parents_pipe() -> None:
    receive, send = os.pipe()
    os.write(send, (GOLDEN / "loss_i4_f4.bin").read_bytes())
    stream = evstream.open(receive)
    assert in_child(lambda: list(stream.chunks())).startswith("ChangedSourceError")
    os.close(send)
    whole = [repr(event) for event in evstream.open(GOLDEN / "loss_i4_f4.bin")]
    assert [repr(event) for event in stream] == whole
    os.close(receive)


def test_what_lies_in_memory_is_each_processs_own(data: bytes) -> None:
    stream = evstream.open(io.BytesIO(data))
    assert in_child(lambda: list(stream.chunks())) == ""
    assert len(list(stream)) == EVENTS


def test_events_in_memory_go_on_in_both_processes(data: bytes) -> None:
    events = iter(evstream.open(io.BytesIO(data)))
    next(events)

    def read_rest() -> None:
        raise ValueError(f"{len(list(events))} events")

    assert in_child(read_rest) == f"ValueError: {EVENTS - 1} events"
    assert len(list(events)) == EVENTS - 1


ITERATORS: dict[str, Any] = {
    "events": lambda source: iter(evstream.open(source)),
    "chunks": lambda source: evstream.open(source).chunks(),
    "callbacks": lambda source: evstream.reader_class("loss")(np.zeros(1)).read(source),
    "batches": lambda source: evstream.iter_batches(source, rows=100),
}


@pytest.mark.parametrize("by", ITERATORS)
def test_two_threads_at_once_are_an_error(by: str, data: bytes) -> None:
    """The second one begins where the first waits for bytes."""

    class Waiting(io.BytesIO):
        def readinto1(self, view: Any) -> int:
            if self.tell() > 8:
                with pytest.raises(evstream.EvstreamError, match=r"^<Waiting>: two threads read"):
                    next(rows)
            return super().readinto1(view[:4096])

    if by == "batches":
        pytest.importorskip("pyarrow")
    rows: Iterator[Any] = ITERATORS[by](Waiting(data))
    assert sum(1 for _ in rows) > 1


# The documented reader


class Ids(EventReader):
    """Reads the event ids of a loss stream, a block at a time."""

    def __init__(self) -> None:
        self.logger = logging.getLogger()

    def read_buffer(
        self, byte_mv: Any, cursor: int, valid_buff: int, event_id: int, item_id: int, **_: Any
    ) -> tuple[int, int, int, int]:
        words = byte_mv[cursor : valid_buff - (valid_buff - cursor) % 8].view(np.int32)
        at = 0
        while at + 2 <= len(words):
            first, second = words[at], words[at + 1]
            if item_id == 0:
                if event_id not in {0, first}:
                    return cursor + 4 * at, event_id, 0, 1
                event_id, item_id = first, second
            elif first == 0:
                item_id = 0
            at += 2
        return cursor + 4 * at, event_id, item_id, 0


def read_ids(streams: list[Any]) -> Iterator[int]:
    for event_id in Ids().read_streams(streams):
        yield int(event_id)


def test_an_event_reader_reports_a_file_that_changes(file: Path) -> None:
    for change, text in CHANGES.items():
        make(file)
        with ExitStack() as stack:
            streams, _ = init_streams_in(str(file), stack)
            ids = read_ids(streams)
            assert next(ids) == 1
            change(file)
            with pytest.raises(ChangedSourceError, match=text):
                list(ids)


def test_an_event_reader_reports_a_file_that_is_moved(file: Path) -> None:
    with ExitStack() as stack:
        streams, _ = init_streams_in(str(file), stack)
        ids = read_ids(streams)
        assert next(ids) == 1
        shared = os.dup(streams[0].fileno())
        os.lseek(shared, 1000, os.SEEK_CUR)
        os.close(shared)
        with pytest.raises(ChangedSourceError, match="another reader moved the file"):
            list(ids)


def test_an_event_reader_reports_a_body_that_others_read(file: Path) -> None:
    """A process reads the header and forks, and both read the body."""
    with ExitStack() as stack:
        streams, _ = init_streams_in(str(file), stack)
        assert in_child(lambda: list(read_ids(streams))) == ""
        with pytest.raises(ChangedSourceError, match="after its stream header"):
            list(read_ids(streams))


def test_an_event_reader_is_not_read_on_by_a_fork(file: Path) -> None:
    with ExitStack() as stack:
        streams, _ = init_streams_in(str(file), stack)
        ids = read_ids(streams)
        assert next(ids) == 1
        assert "opened before this process was forked" in in_child(lambda: next(ids))
        assert list(ids) == list(range(2, EVENTS + 1))


def test_a_file_that_was_read_to_its_end_has_no_more_events(file: Path) -> None:
    with ExitStack() as stack:
        streams, _ = init_streams_in(str(file), stack)
        assert list(read_ids(streams)) == list(range(1, EVENTS + 1))
        assert list(read_ids(streams)) == []


def test_a_fork_cannot_go_on_with_a_callback_reader(file: Path) -> None:
    @numba.njit  # type: ignore[untyped-decorator]
    def on_header(state: Any, event_id: int, item_id: int) -> None:
        pass

    @numba.njit  # type: ignore[untyped-decorator]
    def on_record(state: Any, sidx: int, loss: float) -> None:
        pass

    @numba.njit  # type: ignore[untyped-decorator]
    def on_block_end(state: Any) -> int:
        return 0

    reader_class = evstream.reader_class("loss", on_header, on_record, on_block_end)
    ids = reader_class(np.zeros(1)).read(file)
    assert next(ids) == 1
    assert "opened before this process was forked" in in_child(lambda: next(ids))
    assert list(ids) == list(range(2, EVENTS + 1))


def test_an_object_without_a_file_is_read_as_before(data: bytes) -> None:
    assert len(list(evstream.open(Trickle(data, 100_001)))) == EVENTS
