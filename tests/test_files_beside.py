"""Files next to a stream are not trusted: a seal and a list of events may be anything.

Every test ends in an error line; one that hung would be ended by the timeout of its process.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import evstream
from evstream import EvstreamError, SealError, StallError
from evstream.checking.event_list import LONGEST_LINE, read_event_list
from evstream.checking.seal import LONGEST, Seal
from evstream.cli.program import main
from golden_files import GOLDEN
from odd_files import (
    a_dangling_link,
    a_deep_file,
    a_device,
    a_fifo,
    a_folder,
    a_link_to_itself,
    an_empty_file,
)
from oracle import encode
from support import child_environment

DATA = (GOLDEN / "loss_i4_f4.bin").read_bytes()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "a.bin").write_bytes(DATA)
    return tmp_path / "a.bin"


def a_huge_file(path: Path) -> None:
    path.touch()
    os.truncate(path, LONGEST + 1)


def random_bytes(path: Path) -> None:
    path.write_bytes(bytes(range(256)))


KINDS = {
    a_fifo: "not a regular file", a_device: "not a regular file", a_folder: "not a regular file",
    a_dangling_link: "a link that leads nowhere", a_link_to_itself: "Too many levels",
    an_empty_file: "not a seal", a_huge_file: "more than", a_deep_file: "not a seal",
    random_bytes: "not a seal",
}  # fmt: skip


def evstream_command(*arguments: str | Path) -> tuple[int, str]:
    """Exit status and stderr, of a process with bounded memory."""
    code = (
        "import resource, sys; from evstream.cli.program import main;"
        "resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30)); sys.exit(main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], env=child_environment(),
        capture_output=True, text=True, check=False, timeout=100,
    )  # fmt: skip
    return done.returncode, done.stderr


@pytest.mark.parametrize("make", KINDS)
def test_a_seal_that_cannot_be_read_is_not_none(make: Callable[[Path], None], file: Path) -> None:
    seal = file.with_name("a.bin.seal")
    make(seal)
    with pytest.raises((SealError, OSError)) as caught:
        evstream.validate(file)
    assert KINDS[make] in str(caught.value)
    status, line = evstream_command("validate", file)
    assert status == 2
    assert line.startswith(f"evstream: {seal}: ")
    assert line.count("\n") == 1
    assert KINDS[make] in line


def test_a_file_without_a_seal_has_none(file: Path) -> None:
    assert Seal.beside(str(file)) is None
    long = file.with_name("a" * 251 + ".bin")
    long.write_bytes(DATA)
    assert evstream.validate(long).clean
    assert main(["seal", str(file)]) == 0
    assert Seal.beside(str(file)) is not None


@pytest.mark.parametrize("make", [a_fifo, a_device, a_folder])
def test_nothing_is_sealed_into_a_fifo_or_device(make: Callable[[Path], None], file: Path) -> None:
    make(file.with_name("a.bin.seal"))
    status, line = evstream_command("seal", file)
    assert status == 2
    assert "the seal is not a regular file" in line
    with pytest.raises(SealError, match="not a regular file"):
        evstream.create(file, "loss", len_sample=1, seal=True)
    assert file.read_bytes() == DATA


def test_a_seal_that_was_asked_for_may_be_a_pipe(file: Path) -> None:
    assert main(["seal", str(file)]) == 0
    fifo = file.with_name("fifo")
    os.mkfifo(fifo)
    text = file.with_name("a.bin.seal").read_text()
    writer = threading.Thread(target=fifo.write_text, args=(text,))
    writer.start()
    assert evstream.validate(file, seal=str(fifo), timeout=60).clean
    writer.join()
    with pytest.raises(StallError):
        evstream.validate(file, seal=str(fifo), timeout=0.05)


LISTS = {
    a_fifo: "no data received for 0.05 s", a_device: "line 1", a_folder: "Is a directory",
    a_dangling_link: "No such file", a_link_to_itself: "Too many levels",
    an_empty_file: "there are no events", a_huge_file: "line 1", a_deep_file: "line 1",
    random_bytes: "line 1",
}  # fmt: skip


@pytest.mark.parametrize("make", LISTS)
def test_a_list_of_events_may_be_anything(make: Callable[[Path], None], file: Path) -> None:
    path = file.with_name("list")
    make(path)
    status, line = evstream_command("validate", "--timeout", "0.05", "--expect-events", path, file)
    assert status == 2
    assert line.startswith(f"evstream: {path}: ")
    assert line.count("\n") == 1
    assert LISTS[make] in line


@pytest.mark.parametrize("make", [a_fifo, a_device, a_folder, a_huge_file])
def test_a_stream_of_event_ids_may_be_anything(make: Callable[[Path], None], file: Path) -> None:
    path = file.with_name("list.bin")
    make(path)
    status, line = evstream_command("validate", "--timeout", "0.05", "--expect-events", path, file)
    assert status == 2
    assert line.startswith(f"evstream: {path}: ")
    assert line.count("\n") == 1


def test_a_list_of_events_may_come_from_a_pipe(tmp_path: Path) -> None:
    """As from `--expect-events <(sort ids)`."""
    receive, send = os.pipe()
    os.write(send, b"event_id\n3\n1\n2")
    os.close(send)
    assert read_event_list(f"/dev/fd/{receive}", 60) == [3, 1, 2]
    os.close(receive)


def test_event_ids_of_a_list_are_read_across_pieces(tmp_path: Path) -> None:
    ids = list(range(1, 400_000))
    text, stream = tmp_path / "list.csv", tmp_path / "list.bin"
    text.write_text("".join(f"{i}\r\n" for i in ids))
    stream.write_bytes(encode("event_ids", {}, [((i,), []) for i in ids], {}))
    assert read_event_list(str(text)) == ids
    assert read_event_list(str(stream)) == ids


@pytest.mark.parametrize("text", [b"1\n0\n", b"-5\n", b"7" * (LONGEST_LINE + 1), b"9" * 19])
def test_what_is_no_event_id_is_refused(text: bytes, tmp_path: Path) -> None:
    (tmp_path / "list").write_bytes(text)
    with pytest.raises(EvstreamError) as caught:
        read_event_list(str(tmp_path / "list"))
    assert len(str(caught.value)) < 300
