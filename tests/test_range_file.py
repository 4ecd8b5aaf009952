"""A file that is read at any offset is the file that was opened, or an error."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest

from evstream import ChangedSourceError, EvstreamError, TruncatedStreamError
from evstream.transport.range_file import LocalFile, is_url, open_range_file

OLD = (1_000_000_000, 1_000_000_000)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(range(100)))
    os.utime(path, OLD)
    return path


def read(file: LocalFile, offset: int, size: int) -> bytes:
    buffer = bytearray(size)
    file.read_at(offset, memoryview(buffer))
    return bytes(buffer)


def test_any_range_of_a_file_is_read(path: Path):
    file = open_range_file(path)
    assert (file.name, file.size) == (str(path), 100)
    assert read(file, 0, 100) == bytes(range(100))
    assert read(file, 97, 3) == b"abc"
    assert read(file, 100, 0) == b""
    file.close()
    file.close()
    with pytest.raises(ValueError, match="closed"):
        read(file, 0, 1)


def test_bytes_beyond_the_end_are_missing(path: Path):
    file = LocalFile(path)
    with pytest.raises(TruncatedStreamError, match="ends here, expected 5 more bytes") as caught:
        read(file, 90, 15)
    assert (caught.value.source, caught.value.offset) == (str(path), 100)


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def cut(path: Path) -> None:
    os.truncate(path, 50)


def overwrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"other")


def replace(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(bytes(100))
    os.utime(other, OLD)
    other.replace(path)


CHANGES = [grow, cut, overwrite, replace]


@pytest.mark.parametrize("change", CHANGES[:3])
def test_a_change_of_an_open_file_is_detected(path: Path, change):
    file = LocalFile(path)
    change(path)
    with pytest.raises(ChangedSourceError) as caught:
        read(file, 10, 60)
    assert (caught.value.source, caught.value.offset) == (str(path), 10)


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_before_unpickling_is_detected(path: Path, change):
    data = pickle.dumps(LocalFile(path))
    assert read(pickle.loads(data), 10, 2) == bytes([10, 11])
    change(path)
    with pytest.raises(ChangedSourceError, match=r"a\.bin"):
        pickle.loads(data)


def test_what_has_no_ranges_is_refused(tmp_path: Path):
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(EvstreamError, match="fifo: this is not a regular file"):
        open_range_file(tmp_path / "fifo")
    with pytest.raises(IsADirectoryError, match=tmp_path.name):
        open_range_file(tmp_path)
    with pytest.raises(FileNotFoundError, match="absent"):
        open_range_file(tmp_path / "absent")


@pytest.mark.parametrize("text", ["s3://b/k.bin", "https://host/gul.bin?x=1", "memory://a"])
def test_a_url_has_a_scheme(text: str):
    assert is_url(text)


@pytest.mark.parametrize("text", ["gul.bin", "/a//b", "c:/x", "://x", "1a://x", Path("s3://b")])
def test_a_path_is_no_url(text: str):
    assert not is_url(text)
