"""Everything that a stream can be read from gives the same events, and stays the caller's.

What evstream opened it closes, whatever happens; what was passed in stays open.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import gc
import gzip
import io
import mmap
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import warnings
import weakref
import zlib
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evstream
from evstream import (
    CorruptStreamError,
    MissingExtraError,
    StreamHeaderError,
    StreamMismatchError,
    TruncatedStreamError,
)
from golden_files import GOLDEN
from oracle import encode
from support import PATIENCE, ROOT, Reading, Trickle, child_environment, read_all

SMALL = (GOLDEN / "loss_i4_f4.bin").read_bytes()
LARGE = (GOLDEN / "loss_item_larger_than_65536.bin").read_bytes()

Opening = contextlib.AbstractContextManager[Any]


def expected(data: bytes) -> Reading:
    reading = read_all(io.BytesIO(data))
    assert reading.error is None
    assert reading.events
    return reading


def open_descriptors() -> int:
    return len(os.listdir("/dev/fd"))


@pytest.fixture(autouse=True)
def no_descriptor_is_left() -> Iterator[None]:
    """No test leaves a descriptor open that it did not have before."""
    before = open_descriptors()
    yield
    assert open_descriptors() == before


# Kinds of source


class OnlyRead:
    """The least that a source can be."""

    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)

    def read(self, size: int) -> bytes:
        return self._file.read(min(size, 1000))


@contextlib.contextmanager
def as_path(data: bytes, folder: Path) -> Iterator[Path]:
    path = folder / "stream.bin"
    path.write_bytes(data)
    yield path


@contextlib.contextmanager
def as_str(data: bytes, folder: Path) -> Iterator[str]:
    with as_path(data, folder) as path:
        yield str(path)


@contextlib.contextmanager
def as_descriptor(data: bytes, folder: Path) -> Iterator[int]:
    with as_path(data, folder) as path:
        descriptor = os.open(path, os.O_RDONLY)
        yield descriptor
        os.close(descriptor)  # fails if evstream has closed it


@contextlib.contextmanager
def as_file(data: bytes, folder: Path, mode: str = "rb", buffering: int = -1) -> Iterator[Any]:
    with as_path(data, folder) as path, open(path, mode, buffering) as file:
        yield file
        assert not file.closed


def as_unbuffered_file(data: bytes, folder: Path) -> Opening:
    return as_file(data, folder, buffering=0)


def as_file_for_update(data: bytes, folder: Path) -> Opening:
    return as_file(data, folder, mode="r+b")


@contextlib.contextmanager
def as_bytes_io(data: bytes, folder: Path) -> Iterator[io.BytesIO]:
    file = io.BytesIO(data)
    yield file
    assert not file.closed


@contextlib.contextmanager
def as_object_with_read(data: bytes, folder: Path) -> Iterator[OnlyRead]:
    yield OnlyRead(data)


@contextlib.contextmanager
def as_object_with_readinto(data: bytes, folder: Path) -> Iterator[Trickle]:
    yield Trickle(data, 777)


@contextlib.contextmanager
def as_mapped_file(data: bytes, folder: Path) -> Iterator[mmap.mmap]:
    with as_file(data, folder) as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped:
        yield mapped
        assert not mapped.closed


@contextlib.contextmanager
def as_temporary_file(data: bytes, folder: Path) -> Iterator[Any]:
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        file.write(data)
        file.seek(0)
        yield file
        assert not file.closed


@contextlib.contextmanager
def as_gzip_file(data: bytes, folder: Path) -> Iterator[gzip.GzipFile]:
    with as_path(gzip.compress(data), folder) as path, gzip.open(path) as file:
        yield file
        assert not file.closed


def write_slowly(descriptor: int, data: bytes, pause: float = 0.01) -> threading.Thread:
    """Write the data in a few pieces, each after a pause, and close."""

    def write() -> None:
        step = len(data) // 3 + 1
        for start in range(0, len(data), step):
            time.sleep(pause)
            view = memoryview(data)[start : start + step]
            while view:
                view = view[os.write(descriptor, view) :]
        os.close(descriptor)

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    return thread


@contextlib.contextmanager
def as_pipe(data: bytes, folder: Path, blocking: bool = True) -> Iterator[int]:
    reader, writer = os.pipe()
    os.set_blocking(reader, blocking)
    thread = write_slowly(writer, data)
    yield reader
    thread.join(PATIENCE)
    os.close(reader)


def as_pipe_without_data_yet(data: bytes, folder: Path) -> Opening:
    return as_pipe(data, folder, blocking=False)


@contextlib.contextmanager
def as_pipe_file(
    data: bytes, folder: Path, blocking: bool = True, buffering: int = -1
) -> Iterator[Any]:
    with (
        as_pipe(data, folder, blocking) as reader,
        os.fdopen(reader, "rb", buffering, closefd=False) as file,
    ):
        yield file
        assert not file.closed


def as_unbuffered_pipe_file(data: bytes, folder: Path) -> Opening:
    return as_pipe_file(data, folder, buffering=0)


def as_pipe_file_without_data_yet(data: bytes, folder: Path) -> Opening:
    return as_pipe_file(data, folder, blocking=False)


def as_unbuffered_pipe_file_without_data_yet(data: bytes, folder: Path) -> Opening:
    return as_pipe_file(data, folder, blocking=False, buffering=0)


@contextlib.contextmanager
def as_fifo(data: bytes, folder: Path) -> Iterator[Path]:
    path = folder / "fifo"
    os.mkfifo(path)

    def write() -> None:
        write_slowly(os.open(path, os.O_WRONLY), data).join(PATIENCE)

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    yield path
    thread.join(PATIENCE)


@contextlib.contextmanager
def as_socket(data: bytes, folder: Path, blocking: bool = True) -> Iterator[socket.socket]:
    ours, theirs = socket.socketpair()
    with ours:
        ours.setblocking(blocking)
        thread = write_slowly(theirs.detach(), data)
        yield ours
        thread.join(PATIENCE)
        assert ours.fileno() >= 0


def as_socket_without_data_yet(data: bytes, folder: Path) -> Opening:
    return as_socket(data, folder, blocking=False)


@contextlib.contextmanager
def as_socket_file(data: bytes, folder: Path) -> Iterator[Any]:
    with as_socket(data, folder) as ours, ours.makefile("rb") as file:
        yield file
        assert not file.closed


KINDS: list[Callable[[bytes, Path], Opening]] = [
    as_path, as_str, as_descriptor, as_file, as_unbuffered_file, as_file_for_update, as_bytes_io,
    as_object_with_read, as_object_with_readinto, as_mapped_file, as_temporary_file, as_gzip_file,
    as_pipe, as_pipe_without_data_yet, as_pipe_file, as_unbuffered_pipe_file,
    as_pipe_file_without_data_yet, as_unbuffered_pipe_file_without_data_yet, as_fifo,
    as_socket, as_socket_without_data_yet, as_socket_file,
]  # fmt: skip


@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_source_gives_the_same_events_and_stays_open(
    kind: Callable[[bytes, Path], Opening], data: bytes, tmp_path: Path
) -> None:
    with kind(data, tmp_path) as source:
        assert read_all(source) == expected(data)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind is not as_gzip_file])
def test_every_kind_of_source_may_be_compressed(
    kind: Callable[[bytes, Path], Opening], tmp_path: Path
) -> None:
    with kind(gzip.compress(LARGE), tmp_path) as source:
        assert read_all(source) == expected(LARGE)


def test_a_source_is_read_from_where_it_stands(tmp_path: Path) -> None:
    in_memory = io.BytesIO(b"before" + SMALL)
    in_memory.seek(6)
    assert read_all(in_memory) == expected(SMALL)
    with as_file(b"before" + SMALL, tmp_path) as file:
        assert file.read(6) == b"before"
        assert read_all(file) == expected(SMALL)


# Names and sizes


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (as_path, "{folder}/stream.bin"),
        (as_str, "{folder}/stream.bin"),
        (as_file, "{folder}/stream.bin"),
        (as_fifo, "{folder}/fifo"),
        (as_descriptor, "<fd {source}>"),
        (as_pipe, "<fd {source}>"),
        (as_pipe_file, "<fd {source.name}>"),
        (as_bytes_io, "<BytesIO>"),
        (as_socket, "<socket>"),
        (as_object_with_read, "<OnlyRead>"),
    ],
)
def test_a_source_has_a_name_for_messages(
    kind: Callable[[bytes, Path], Opening], name: str, tmp_path: Path
) -> None:
    with kind(SMALL, tmp_path) as source:
        expected_name = name.format(folder=tmp_path, source=source)
        with evstream.open(source) as stream:
            assert stream.name == expected_name
            list(stream)
    with kind(
        SMALL[:-1], tmp_path / "." if kind is not as_fifo else new_folder(tmp_path)
    ) as source:
        error = read_all(source).error
    assert error is not None
    assert error.source is not None
    assert str(error).startswith(f"{error.source}: byte {len(SMALL) - 8}, event_id 5, item_id 1: ")


def new_folder(parent: Path) -> Path:
    folder = parent / "new"
    folder.mkdir()
    return folder


@pytest.mark.parametrize(
    ("kind", "size"),
    [
        (as_path, len(SMALL)),
        (as_descriptor, len(SMALL)),
        (as_file, len(SMALL)),
        (as_unbuffered_file, len(SMALL)),
        (as_pipe, None),
        (as_fifo, None),
        (as_socket, None),
        (as_bytes_io, None),
        (as_gzip_file, None),
        (as_object_with_read, None),
    ],
)
def test_the_size_of_a_regular_file_is_known_beforehand(
    kind: Callable[[bytes, Path], Opening], size: int | None, tmp_path: Path
) -> None:
    with kind(SMALL, tmp_path) as source, evstream.open(source) as stream:
        assert stream.size == size
        list(stream)
        assert stream.offset == len(SMALL)


def test_the_size_of_a_compressed_file_is_not_known(tmp_path: Path) -> None:
    with as_path(gzip.compress(SMALL), tmp_path) as path, evstream.open(path) as stream:
        assert stream.size is None


# Standard input


def read_stdin_in_child(code: str, stdin: Any, **options: Any) -> str:
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=child_environment(),
        stdin=stdin, capture_output=True, text=True, check=False, **options,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return result.stdout


PRINT_STDIN = """if True:
    import evstream, sys
    with evstream.open("-") as stream:
        print(stream.name, [(event.event_id, len(event)) for event in stream])
    print(sys.stdin.closed, repr(sys.stdin.read()))
"""


def test_stdin_is_read_as_a_pipe(tmp_path: Path) -> None:
    with as_pipe(SMALL, tmp_path) as reader:
        found = read_stdin_in_child(PRINT_STDIN, reader)
    assert found == "<stdin> [(1, 2), (5, 1)]\nFalse ''\n"


def test_stdin_is_read_as_a_file(tmp_path: Path) -> None:
    with as_file(SMALL, tmp_path) as file:
        found = read_stdin_in_child(PRINT_STDIN, file)
    assert found == "<stdin> [(1, 2), (5, 1)]\nFalse ''\n"


def test_a_stand_in_for_stdin_needs_a_buffer_only(monkeypatch: pytest.MonkeyPatch) -> None:
    class StandIn:
        buffer = io.BytesIO(SMALL)

    monkeypatch.setattr(sys, "stdin", StandIn())
    reading = read_all("-")
    assert reading == expected(SMALL)
    assert not StandIn.buffer.closed


def test_a_binary_stand_in_for_stdin_is_read_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.BytesIO(SMALL))
    assert read_all("-") == expected(SMALL)


# As soon as it is there


class Demanded:
    """Gives its pieces one by one, and says so when it is asked for more."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = list(pieces)

    def readinto(self, view: memoryview) -> int:
        assert self.pieces, "asked for more than is needed"
        piece = self.pieces.pop(0)
        given = piece[: len(view)]
        view[: len(given)] = given
        if piece[len(view) :]:
            self.pieces.insert(0, piece[len(view) :])
        return len(given)


def test_the_stream_header_is_there_before_any_event_is() -> None:
    with evstream.open(Demanded(SMALL[:8])) as stream:
        assert stream.header.len_sample == 10


def test_an_event_is_given_as_soon_as_the_next_begins() -> None:
    blocks = [((event, 1), [(1, 5.0)]) for event in (1, 2, 3)]
    data = encode("loss", {"len_sample": 1}, blocks)
    header, block = 8, 8 + 8 + 8
    first = data[: header + block + 8]
    with evstream.open(Demanded(first, data[len(first) : header + 2 * block + 8])) as stream:
        events = iter(stream)
        assert next(events).event_id == 1
        assert next(events).event_id == 2


def test_descriptors_above_1024_can_be_waited_for(tmp_path: Path) -> None:
    with as_pipe(SMALL, tmp_path, blocking=False) as reader:
        try:
            high = fcntl.fcntl(reader, fcntl.F_DUPFD, 1500)
        except OSError:
            pytest.skip("no descriptors above 1024 here")
        try:
            assert high >= 1500
            assert read_all(high) == expected(SMALL)
        finally:
            os.close(high)


@pytest.mark.parametrize("blocking", [True, False])
def test_waiting_for_data_takes_no_processor_time(blocking: bool) -> None:
    reader, writer = os.pipe()
    os.set_blocking(reader, blocking)
    thread = write_slowly(writer, SMALL, pause=0.2)
    start, began = time.thread_time(), time.monotonic()
    assert read_all(reader) == expected(SMALL)
    assert time.thread_time() - start < (time.monotonic() - began) / 2
    thread.join(PATIENCE)
    os.close(reader)


def test_an_object_without_data_and_descriptor_is_an_error() -> None:
    class Empty:
        def readinto(self, view: memoryview) -> None:
            return None

    with pytest.raises(BlockingIOError, match="<Empty> has no data and nothing to wait on"):
        evstream.open(Empty())


# Compressed


def test_a_compressed_stream_may_come_byte_by_byte() -> None:
    assert read_all(Trickle(gzip.compress(SMALL), 1)) == expected(SMALL)


@pytest.mark.parametrize("cuts", [(0,), (8,), (100,), (0, 0, 60, 60), (50, 100, 150), (192,)])
def test_gzip_members_that_follow_one_another_are_one_stream(cuts: tuple[int, ...]) -> None:
    places = [0, *cuts, len(SMALL)]
    members = [SMALL[first:last] for first, last in pairwise(places)]
    data = b"".join(gzip.compress(member) for member in members)
    assert read_all(io.BytesIO(data)) == expected(SMALL)
    assert read_all(Trickle(data, 7)) == expected(SMALL)


def test_a_gzip_stream_of_zeros_expands_piece_by_piece() -> None:
    """5 MB in 5 KB: more than one window, from one piece of the input."""
    pairs = np.zeros(640_000, [("sidx", "<i4"), ("loss", "<f4")])
    pairs["sidx"] = 1
    data = SMALL[:8] + struct.pack("<ii", 1, 1) + pairs.tobytes() + bytes(8)
    with evstream.open(io.BytesIO(gzip.compress(data))) as stream:
        assert [len(event.to_rows()["sidx"]) for event in stream] == [640_000]


def assert_cut_is_noticed(compressed: bytes, magic: int) -> None:
    whole = expected(SMALL).events
    for length in range(len(compressed)):
        reading = read_all(io.BytesIO(compressed[:length]))
        kind = StreamHeaderError if length < magic else TruncatedStreamError
        assert type(reading.error) is kind, length
        assert reading.events == whole[: len(reading.events)]
        assert len(reading.events) < len(whole)


def assert_change_is_noticed(compressed: bytes) -> None:
    """Any flipped bit is an error, or in a place that means nothing (such as a time)."""
    whole = expected(SMALL)
    harmless = 0
    for at in range(len(compressed)):
        changed = bytearray(compressed)
        changed[at] ^= 0x41
        reading = read_all(io.BytesIO(bytes(changed)))
        if reading.error is None:
            assert reading == whole
            harmless += 1
        else:
            assert reading.events == whole.events[: len(reading.events)]
            kinds = (CorruptStreamError, TruncatedStreamError, StreamHeaderError)
            assert type(reading.error) in kinds, at
            assert reading.error.source == "<BytesIO>"
    assert harmless < 10


def test_a_gzip_stream_that_is_cut_anywhere_is_an_error() -> None:
    assert_cut_is_noticed(gzip.compress(SMALL), magic=2)


def test_a_gzip_stream_that_is_changed_anywhere_is_an_error() -> None:
    assert_change_is_noticed(gzip.compress(SMALL, mtime=0))


def test_an_event_that_compressed_data_breaks_off_in_is_not_given() -> None:
    """What cannot be expanded has no ids: the event before it may go on there."""
    with evstream.create(data := io.BytesIO(), "loss", len_sample=100) as out:
        out.write_event(1, [1], np.ones((1, 100)))
        out.write_event(2, range(1, 1001), np.random.default_rng(1).random((1000, 100)))
    whole = expected(data.getvalue()).events
    for part in (100_000, 500_000):
        compressor = zlib.compressobj(wbits=31)
        compressed = compressor.compress(data.getvalue()[:part])
        compressed += compressor.flush(zlib.Z_FULL_FLUSH) + b"\x07"  # a block of no known type
        reading = read_all(io.BytesIO(compressed), chunk=1 << 15)
        assert type(reading.error) is CorruptStreamError
        assert reading.events == whole[:1]


@pytest.mark.parametrize("cut", [1, 50, 100, 191])
def test_a_gzip_stream_of_a_cut_stream_is_cut(cut: int) -> None:
    data = gzip.compress(SMALL[:-cut])
    error, plain = read_all(io.BytesIO(data)).error, read_all(io.BytesIO(SMALL[:-cut])).error
    assert (type(error), str(error)) == (type(plain), str(plain))


def test_broken_gzip_data_names_the_source(tmp_path: Path) -> None:
    with (
        as_path(b"\x1f\x8b\x08" + SMALL, tmp_path) as path,
        pytest.raises(CorruptStreamError, match=rf"^{path}: broken gzip data \("),
    ):
        evstream.open(path)


def zstd(*parts: bytes) -> bytes:
    zstandard = pytest.importorskip("zstandard", reason="zstandard is not installed")
    compressor = zstandard.ZstdCompressor(write_checksum=True)
    return b"".join(compressor.compress(part) for part in parts)


def test_zstd_is_read(tmp_path: Path) -> None:
    for data in (SMALL, LARGE):
        with as_path(zstd(data), tmp_path) as path:
            assert read_all(path) == expected(data)
    assert read_all(Trickle(zstd(SMALL), 1)) == expected(SMALL)


def test_zstd_frames_that_follow_one_another_are_one_stream() -> None:
    data = zstd(SMALL[:50], b"", SMALL[50:100], SMALL[100:])
    assert read_all(io.BytesIO(data)) == expected(SMALL)
    assert read_all(Trickle(data, 7)) == expected(SMALL)


def test_a_zstd_stream_that_is_cut_anywhere_is_an_error() -> None:
    assert_cut_is_noticed(zstd(SMALL), magic=4)


def test_a_zstd_stream_that_is_changed_anywhere_is_an_error() -> None:
    assert_change_is_noticed(zstd(SMALL))


def test_zstd_without_zstandard_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'evstream\[zstd\]'"):
        evstream.open(io.BytesIO(b"\x28\xb5\x2f\xfd" + SMALL))


@pytest.mark.parametrize(
    ("first", "width"),
    [(0x00088B1F, "i4"), (0x12088B1F, "i4"), (-0x2D04AD8, "i4"), (0x1_0008_8B1F, "i8")],
)
def test_event_ids_that_look_compressed_are_event_ids(
    first: int, width: str, tmp_path: Path
) -> None:
    """A stream without a header may begin with any bytes, and so is never expanded."""
    size = int(width[1])
    data = first.to_bytes(size, "little", signed=True) + (7).to_bytes(size, "little")
    assert data.startswith((b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd"))
    with as_path(data, tmp_path) as path:
        for source in (path, io.BytesIO(data), Trickle(data, 1)):
            with evstream.open(source, "event_ids", widths={"oasis_int": width}) as stream:
                assert [event.event_id for event in stream] == [first, 7]


# What is refused


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_bytes_are_refused_with_the_way_to_read_them(kind: type) -> None:
    with pytest.raises(TypeError, match=r"a source of bytes in memory is io\.BytesIO\(data\)"):
        evstream.open(kind(SMALL))


def test_text_is_refused(tmp_path: Path) -> None:
    with (
        as_file(SMALL, tmp_path, mode="r") as file,
        pytest.raises(TypeError, match="is a text file, expected one open in binary mode"),
    ):
        evstream.open(file)
    with pytest.raises(TypeError, match="is a text file, expected one open in binary mode"):
        evstream.open(io.StringIO("1,1,1"))

    class ReadsText:
        def read(self, size: int) -> str:
            return "1,1,1"

    with pytest.raises(TypeError, match="reads str, expected bytes"):
        evstream.open(ReadsText())


@pytest.mark.parametrize("source", [None, 1.5, object(), []])
def test_what_cannot_be_read_is_refused(source: Any) -> None:
    with pytest.raises(TypeError, match=r"cannot read .* expected a path, descriptor or binary"):
        evstream.open(source)


def test_a_file_that_does_not_exist_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        evstream.open(tmp_path / "no.bin")


def test_an_unknown_stream_is_refused_before_anything_is_opened(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no stream type 'fn', expected cdf, gul_item"):
        evstream.open(tmp_path / "no.bin", "fn")


# Closing


def test_a_file_is_closed_when_its_stream_is(tmp_path: Path) -> None:
    with as_path(SMALL, tmp_path) as path:
        before = open_descriptors()
        stream = evstream.open(path)
        assert open_descriptors() == before + 1
        next(iter(stream))
        stream.close()
        assert open_descriptors() == before
        stream.close()
        with pytest.raises(ValueError, match="is closed"):
            iter(stream)


@pytest.mark.parametrize(
    ("data", "stream", "error"),
    [
        (b"", None, StreamHeaderError),
        (SMALL[:5], None, StreamHeaderError),
        (b"text", None, StreamHeaderError),
        (SMALL, "cdf", StreamMismatchError),
        (gzip.compress(SMALL, mtime=0)[:12], None, TruncatedStreamError),
        (b"\x1f\x8b\x08" + SMALL, None, CorruptStreamError),
        (b"\x28\xb5\x2f\xfd" + SMALL, None, MissingExtraError),
    ],
)  # fmt: skip
def test_a_file_that_is_refused_is_closed(
    data: bytes,
    stream: str | None,
    error: type[Exception],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with as_path(data, tmp_path) as path:
        before = open_descriptors()
        with pytest.raises(error) as caught:
            evstream.open(path, stream)
        left = open_descriptors() - before
        # Close what may be left, for the tests after this one.
        for entry in caught.traceback:
            source = entry.frame.f_locals.get("self")
            if hasattr(source, "_close") and callable(source._close):
                source._close()
        assert left == 0


def test_a_bad_width_leaves_nothing_open(tmp_path: Path) -> None:
    with as_path(SMALL, tmp_path) as path:
        before = open_descriptors()
        with pytest.raises(ValueError, match="expected i4 or i8") as caught:
            evstream.open(path, widths={"oasis_int": "i2"})
        assert open_descriptors() == before
        del caught


def test_a_file_is_closed_when_reading_fails(tmp_path: Path) -> None:
    with as_path(SMALL[:-1], tmp_path) as path:
        before = open_descriptors()

        def read() -> None:
            with evstream.open(path) as stream:
                list(stream)

        with pytest.raises(TruncatedStreamError):
            read()
        assert open_descriptors() == before


def test_each_stream_that_misses_its_end_is_told_at_the_line_that_reads_it() -> None:
    """Streams without a name have the same warning, which Python would show but once."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(3):
            list(evstream.open(io.BytesIO(SMALL[:-8])))
    assert [warning.category for warning in caught] == [evstream.MissingDelimiterWarning] * 3
    assert {warning.filename for warning in caught} == {__file__}


def test_a_stream_that_is_over_is_not_one_without_events() -> None:
    with evstream.open(io.BytesIO(SMALL)) as stream:
        assert len(list(stream)) == 2
        for again in (iter, lambda s: s.chunks()):
            with pytest.raises(evstream.EvstreamError, match="has been read to its end"):
                again(stream)
    with pytest.raises(evstream.EvstreamError, match="has been read to its end"):
        iter(stream)
    stream = evstream.open(io.BytesIO(SMALL))
    stream.close()
    with pytest.raises(ValueError, match="is closed"):
        iter(stream)
    stream = evstream.open(io.BytesIO(SMALL))
    assert len(list(stream.chunks())) == 1
    with pytest.raises(evstream.EvstreamError, match="has been read to its end"):
        iter(stream)


def test_iterating_goes_on_where_it_was_left() -> None:
    stream = evstream.open(io.BytesIO(SMALL))
    ids = [event.event_id for event, _ in zip(stream, range(1), strict=False)]
    assert ids == [1]
    assert len(list(evstream.open(io.BytesIO(SMALL)))) == 2
    assert [next(iter(evstream.open(io.BytesIO(SMALL)))).event_id] == ids


def test_an_error_that_ended_a_stream_comes_again() -> None:
    stream = evstream.open(io.BytesIO(SMALL[:-12]))
    with pytest.raises(TruncatedStreamError) as first:
        list(stream)
    with pytest.raises(TruncatedStreamError) as second:
        list(stream)
    assert str(second.value) == str(first.value)


@pytest.mark.parametrize("cut", [0, 12])
def test_a_stream_is_gone_when_nobody_has_it(cut: int) -> None:
    """Not when the garbage collector comes by: a window is a megabyte."""
    stream = evstream.open(io.BytesIO(SMALL[: len(SMALL) - cut]))
    with contextlib.suppress(TruncatedStreamError):
        list(stream)
    gone = weakref.ref(stream)
    gc.disable()
    try:
        del stream
        assert gone() is None
    finally:
        gc.enable()


def test_an_error_of_the_system_names_the_source_and_the_byte() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(SMALL[:50])
        ours.settimeout(0.05)
        with pytest.raises(evstream.StallError, match="byte 50: no data received: timed out"):
            list(evstream.open(ours))

    class Failing(io.BytesIO):
        def readinto1(self, view: Any) -> int:
            if self.tell() > 100:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return super().readinto1(memoryview(view)[:60])

    with pytest.raises(OSError, match=r"'<Failing>: byte 124'"):
        list(evstream.open(Failing(SMALL)))
