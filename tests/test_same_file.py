"""No command or function writes to the file that it reads, by whatever name."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import evstream
from evstream import EvstreamError
from evstream.transport.same_file import refuse_same_file
from golden_files import GOLDEN
from support import child_environment

DATA = (GOLDEN / "loss_i4_f4.bin").read_bytes()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "a.bin").write_bytes(DATA)
    return tmp_path / "a.bin"


def itself(path: Path) -> Path:
    return path


def symbolic_link(path: Path) -> Path:
    (path.parent / "link.bin").symlink_to(path.name)
    return path.parent / "link.bin"


def link_to_link(path: Path) -> Path:
    (path.parent / "second.bin").symlink_to(symbolic_link(path))
    return path.parent / "second.bin"


def hard_link(path: Path) -> Path:
    os.link(path, path.parent / "hard.bin")
    return path.parent / "hard.bin"


def other_spelling(path: Path) -> Path:
    return path.parent / ".." / path.parent.name / path.name


def linked_folder(path: Path) -> Path:
    (path.parent / "folder").symlink_to(path.parent)
    return path.parent / "folder" / path.name


NAMES = [itself, symbolic_link, link_to_link, hard_link, other_spelling, linked_folder]
Naming = Callable[[Path], Path]


def evstream_command(*arguments: str | Path, **files: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "evstream", *map(str, arguments)], env=child_environment(),
        stderr=subprocess.PIPE, text=True, check=False, timeout=100, **files,  # type: ignore[call-overload]
    )  # fmt: skip


def refuses(done: subprocess.CompletedProcess[str]) -> bool:
    line = "the output would overwrite this input"
    return done.returncode == 2 and line in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize("naming", NAMES)
def test_convert_refuses_its_own_input(naming: Naming, file: Path) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    other = naming(file)
    for source, target in ((file, other), (other, file)):
        with pytest.raises(EvstreamError, match="the output would overwrite this input") as caught:
            evstream.convert(source, target)
        assert str(source) in str(caught.value)
    assert file.read_bytes() == DATA
    assert not list(file.parent.glob(".*"))


def test_convert_refuses_its_own_input_as_an_object(file: Path) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    with open(file, "r+b") as both, open(file, "rb", 0) as source:
        for one, other in ((source, both), (source.fileno(), file), (file, both.fileno())):
            with pytest.raises(EvstreamError, match="would overwrite"):
                evstream.convert(one, other, from_="bin", to="bin")
    assert file.read_bytes() == DATA


def test_convert_to_another_file_is_not_refused(file: Path) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    copy, out = file.with_name("copy.bin"), io.BytesIO()
    shutil.copyfile(file, copy)
    evstream.convert(file, copy)
    evstream.convert(io.BytesIO(DATA), out, from_="bin", to="bin")
    assert copy.read_bytes() == out.getvalue() == DATA


@pytest.mark.parametrize(
    "command",
    [
        ["cat"], ["info"], ["info", "--json"], ["validate"], ["diff", GOLDEN / "loss_i4_f4.bin"],
        ["convert", "-", "--to", "csv"], ["convert", "-", "--to", "bin"], ["merge", "-"],
    ],
    ids=str,
)  # fmt: skip
def test_a_command_refuses_stdout_that_is_its_input(command: list[str], file: Path) -> None:
    """`evstream cat a.bin >> a.bin` would read what it prints."""
    name, *rest = command
    with open(file, "ab") as stdout:
        assert refuses(evstream_command(name, file, *rest, stdout=stdout))
    assert file.read_bytes() == DATA


@pytest.mark.parametrize(
    "arguments",
    [["cat", "-"], ["cat", "/dev/stdin"], ["cat", "/dev/fd/0"], ["tee", "--seal", "{new}"],
     ["convert", "-", "-", "--from", "bin", "--to", "csv"]],
    ids=" ".join,
)  # fmt: skip
def test_stdin_and_stdout_that_are_one_file_are_refused(arguments: list[str], file: Path) -> None:
    given = [argument.format(new=file.with_name("new.seal")) for argument in arguments]
    with open(file, "rb") as stdin, open(file, "ab") as stdout:
        assert refuses(evstream_command(*given, stdin=stdin, stdout=stdout))
    assert file.read_bytes() == DATA
    assert not file.with_name("new.seal").exists()


@pytest.mark.parametrize("naming", [itself, symbolic_link, hard_link])
def test_tee_refuses_its_own_input(naming: Naming, file: Path) -> None:
    other, seal = naming(file), file.with_name("new.seal")
    for options in (["--seal", seal, "--output", other], ["--seal", other]):
        with open(file, "rb") as stdin:
            done = evstream_command("tee", *options, stdin=stdin, stdout=subprocess.DEVNULL)
        assert refuses(done)
    assert file.read_bytes() == DATA


def test_a_seal_never_takes_the_place_of_its_stream(file: Path) -> None:
    file.with_name("a.bin.seal").symlink_to(file.name)
    assert refuses(evstream_command("seal", file, stdout=subprocess.DEVNULL))
    assert file.read_bytes() == DATA
    link = file.with_name("later.seal")
    link.symlink_to("b.bin")
    for target in (file.with_name("b.bin"), file):
        with pytest.raises(ValueError, match="the seal would take the place of the stream"):
            evstream.create(target, "loss", len_sample=1, seal=str(link))
        target.touch()
        link.unlink()
        os.link(file, link)
    assert file.read_bytes() == DATA


def test_a_device_may_be_both_input_and_output() -> None:
    refuse_same_file(["/dev/null"], ["/dev/null", "-"])


def test_an_object_has_several_urls() -> None:
    same = ["memory://q/a.bin", "memory:///q/a.bin", "MEMORY://q/a.bin"]
    for source in same:
        for target in same:
            with pytest.raises(EvstreamError, match="would overwrite this input"):
                refuse_same_file([source], [target])
    refuse_same_file(["memory://q/a.bin"], ["memory://q/b.bin"])
