"""Everything that a stream can be read from gives the same events, and stays the caller's."""

from __future__ import annotations

import contextlib
import gzip
import io
import mmap
import os
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import evstream
from source_cases import LARGE, SMALL, as_file, as_path, as_pipe, expected, write_slowly
from support import PATIENCE, Trickle, read_all

pytestmark = pytest.mark.usefixtures("no_descriptor_is_left")

Opening = contextlib.AbstractContextManager[Any]


class OnlyRead:
    """The least that a source can be."""

    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)

    def read(self, size: int) -> bytes:
        return self._file.read(min(size, 1000))


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
def test_every_kind_of_source_gives_the_same_events(
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


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_bytes_are_refused_with_the_way_to_read_them(kind: type) -> None:
    with pytest.raises(TypeError, match=r"expected io\.BytesIO\(data\)"):
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


@pytest.mark.parametrize("source", [None, 1.5, object(), {}])
def test_an_object_that_cannot_be_read_is_refused(source: Any) -> None:
    with pytest.raises(TypeError, match=r"cannot read .* expected a path, descriptor or binary"):
        evstream.open(source)


def test_a_file_that_does_not_exist_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        evstream.open(tmp_path / "no.bin")


def test_an_unknown_stream_is_refused_before_anything_is_opened(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no stream type 'fn', expected cdf, gul_item"):
        evstream.open(tmp_path / "no.bin", "fn")
