"""Lines of text files: how long they may be, and a last one that may be cut."""

from __future__ import annotations

import gzip
import io
import subprocess
import sys
import tracemalloc
import warnings
from pathlib import Path
from typing import Any

import pytest

import evstream
from evstream.conversion.convert import convert
from evstream.conversion.line_guard import MAX_LINE, LineGuard
from evstream.conversion.text_file import read_blocks
from evstream.errors import CutLineWarning, TableError
from support import child_environment

HEAD = b"event_id,item_id,sidx,loss\n"
CSV = HEAD + b"1,2,1,15\n1,2,2,25\n"
JSON = b'{"event_id": 1, "item_id": 2, "sidx": 1, "loss": 15}\n'


def converted(data: bytes, kind: str = "csv", **options: Any) -> bytes:
    out = io.BytesIO()
    convert(io.BytesIO(data), out, from_=kind, to="bin", stream="loss", len_sample=2, **options)
    return out.getvalue()


def test_a_last_line_without_newline_is_reported() -> None:
    with pytest.warns(CutLineWarning, match="line 3: the last line has no newline: the file may"):
        assert converted(CSV[:-1]) == converted(CSV)


@pytest.mark.parametrize("cut", range(1, 9))
def test_a_cut_inside_the_last_line_is_never_silent(cut: int) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            converted(CSV[:-cut])
            reported = [warning.category for warning in caught]
        except TableError as error:
            reported = [error.line]
    assert reported in ([CutLineWarning], [3])


def test_a_last_line_without_newline_is_an_error_if_strict() -> None:
    with pytest.raises(TableError, match=r"^<BytesIO>: line 3: the last line has no newline"):
        converted(CSV[:-1], strict=True)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\n\n", b"\r\n\r\n"])
def test_a_last_line_with_its_end_is_whole(end: bytes) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert converted(CSV[:-1] + end, strict=True) == converted(CSV)


def test_an_object_of_json_needs_no_newline() -> None:
    """Its closing brace shows that it is whole."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert converted(JSON[:-1], "jsonl", strict=True) == converted(JSON, "jsonl")


def test_convert_prints_one_line_for_a_cut_csv(tmp_path: Path) -> None:
    (tmp_path / "cut.csv").write_bytes(CSV[:-1])

    def run(*more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "evstream", "convert", "cut.csv", "out.bin"]
        command += ["--stream", "loss", "--len-sample", "2", *more]
        return subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, check=False,
            env=child_environment(),
        )  # fmt: skip

    done = run()
    assert (done.returncode, done.stdout) == (0, "")
    [line] = done.stderr.splitlines()
    assert "cut.csv: line 3: the last line has no newline" in line
    assert run("--strict").returncode == 2


class Pieces:
    """A source that gives its bytes a few at a time."""

    name = "pieces"

    def __init__(self, data: bytes, size: int) -> None:
        self._file, self._size = io.BytesIO(data), size

    def readinto(self, view: memoryview) -> int:
        return self._file.readinto(view[: self._size])


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize(
    ("data", "line"),
    [(b"12345\n123456\n", 2), (b"123456", 1), (b"12345\n\n123456", 3), (b"1\n2\n1234567\n", 3)],
)
def test_a_long_line_is_found_in_pieces_of_any_size(data: bytes, line: int, size: int) -> None:
    guard = LineGuard(Pieces(data, size), max_line=5)  # type: ignore[arg-type]
    with pytest.raises(TableError, match="a line of more than 5 bytes") as caught:
        list(read_blocks(guard))
    assert caught.value.line == line


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_a_line_may_be_as_long_as_the_maximum(size: int) -> None:
    data = b"12345\n\n12345\n12345"
    guard = LineGuard(Pieces(data, size), max_line=5)  # type: ignore[arg-type]
    assert b"".join(block.text for block in read_blocks(guard)) == data + b"\n"


@pytest.mark.parametrize("size", [1, 63, 64, 65, 200, 1000])
def test_lines_are_measured_in_pieces_of_any_size(size: int) -> None:
    lengths = [0, 3, 64, 70, 1, 70, 71, 2]
    data = b"".join(b"x" * n + b"\n" for n in lengths)
    for number, most in ((7, 70), (4, 69), (4, 64), (3, 63), (0, 71)):
        guard = LineGuard(Pieces(data, size), max_line=most)  # type: ignore[arg-type]
        found = 0
        try:
            assert b"".join(block.text for block in read_blocks(guard)) == data
            assert (guard.lines, guard.open) == (len(lengths), 0)
        except TableError as error:
            found = error.line or 0
        assert found == number


@pytest.mark.parametrize(
    ("kind", "start"), [("csv", b""), ("csv", CSV), ("jsonl", b""), ("jsonl", JSON)]
)
def test_memory_is_bounded_on_a_line_without_end(kind: str, start: bytes) -> None:
    """64 MiB of text in a few KiB of gzip: the line is refused at its beginning."""
    bomb = io.BytesIO()
    with gzip.GzipFile(fileobj=bomb, mode="wb", compresslevel=1) as out:
        out.write(start)
        for _ in range(64):
            out.write(b"1" * (1 << 20))
    tracemalloc.start()
    try:
        with pytest.raises(TableError, match=r"line \d: a line of more than"):
            converted(bomb.getvalue(), kind)
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


def test_a_longer_line_may_be_allowed() -> None:
    data = CSV + b"1,2,2," + b"0" * MAX_LINE + b"5\n"
    with pytest.raises(TableError, match=r"line 4: a line of more than 1,048,576 bytes"):
        converted(data)
    data = HEAD + b"1,2,2," + b"0" * MAX_LINE + b"5\n"
    assert evstream.read_columns(io.BytesIO(converted(data, max_line=1 << 21)))["loss"] == [5.0]
