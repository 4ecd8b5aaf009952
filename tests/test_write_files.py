"""A file appears under its name when it is complete, and replaces the one before it."""

from __future__ import annotations

import io
import resource
import stat
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import evstream
from evstream import WriteError, Writer
from support import run_python
from writer_cases import SOMETHING, OnPurposeError, new_writer, write_something


@pytest.mark.parametrize("kind", [str, Path])
def test_a_file_appears_under_its_name_when_it_is_complete(kind: type, tmp_path: Path) -> None:
    path = tmp_path / "losses.bin"
    with new_writer(kind(path), "loss") as out:
        write_something(out)
        out.flush()
        assert not path.exists()
        assert out.name == str(path)
    assert path.read_bytes() == SOMETHING
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [OnPurposeError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("flushed", [True, False])
def test_after_an_exception_there_is_no_file(
    error: type[BaseException], flushed: bool, tmp_path: Path
) -> None:
    def stopped() -> None:
        with new_writer(tmp_path / "losses.bin", "loss") as out:
            write_something(out)
            if flushed:
                out.flush()
            raise error

    with pytest.raises(error):
        stopped()
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_stays_until_the_new_one_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "losses.bin"
    path.write_bytes(b"old")

    def stopped() -> None:
        with new_writer(path, "loss") as out:
            write_something(out)
            out.flush()
            assert path.read_bytes() == b"old"
            raise OnPurposeError

    with pytest.raises(OnPurposeError):
        stopped()
    assert path.read_bytes() == b"old"
    with new_writer(path, "loss") as out:
        write_something(out)
    assert path.read_bytes() == SOMETHING
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o666, 0o755])
def test_an_existing_file_keeps_its_permissions(mode: int, tmp_path: Path) -> None:
    path = tmp_path / "losses.bin"
    path.write_bytes(b"old")
    path.chmod(mode)
    with new_writer(path, "loss") as out:
        write_something(out)
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_a_new_file_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "other").touch()
    with new_writer(tmp_path / "losses.bin", "loss") as out:
        write_something(out)
    assert (tmp_path / "losses.bin").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_the_target_of_a_symbolic_link_is_replaced_not_the_link(tmp_path: Path) -> None:
    folder = tmp_path / "results"
    folder.mkdir()
    (folder / "losses.bin").write_bytes(b"old")
    link = tmp_path / "latest.bin"
    link.symlink_to(Path("results") / "losses.bin")
    with new_writer(link, "loss") as out:
        write_something(out)
    assert link.is_symlink()
    assert (folder / "losses.bin").read_bytes() == SOMETHING
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["latest.bin", "losses.bin", "results"]


def test_a_symbolic_link_to_nothing_gets_its_target(tmp_path: Path) -> None:
    link = tmp_path / "latest.bin"
    link.symlink_to("losses.bin")
    with new_writer(link, "loss") as out:
        write_something(out)
    assert link.is_symlink()
    assert (tmp_path / "losses.bin").read_bytes() == SOMETHING


def test_a_file_name_without_a_folder_is_in_the_current_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with new_writer("losses.bin", "loss") as out:
        write_something(out)
    assert (tmp_path / "losses.bin").read_bytes() == SOMETHING


def test_a_folder_that_does_not_exist_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        new_writer(tmp_path / "no" / "losses.bin", "loss")


def test_closing_or_aborting_twice_does_nothing_more(tmp_path: Path) -> None:
    path = tmp_path / "losses.bin"
    out = new_writer(path, "loss")
    write_something(out)
    out.close()
    out.close()
    out.abort()
    assert path.read_bytes() == SOMETHING
    aborted = new_writer(tmp_path / "other.bin", "loss")
    aborted.abort()
    aborted.abort()
    aborted.close()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("end", [Writer.close, Writer.abort])
@pytest.mark.parametrize(
    "write",
    [
        lambda out: out.write_columns(5, 1, 1, 5.0),
        lambda out: out.write_event(5, [1], [[1, 2, 3]]),
    ],
)
def test_writing_after_the_end_is_refused(
    write: Callable[[Writer], None], end: Callable[[Writer], None], tmp_path: Path
) -> None:
    out = new_writer(tmp_path / "losses.bin", "loss")
    end(out)
    with pytest.raises((ValueError, WriteError)):
        write(out)


def test_a_file_above_the_size_limit_is_a_write_error(tmp_path: Path) -> None:
    code = """if True:
        import evstream, numpy as np, os, resource, signal, sys
        with evstream.create(sys.argv[1], "loss", len_sample=1) as out:
            out.write_columns(1, 1, np.arange(1, 2), 5.0)  # its kernel is kept while there is room
        os.unlink(sys.argv[1])
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        try:
            with evstream.create(sys.argv[1], "loss", len_sample=300_000) as out:
                out.write_columns(1, 1, np.arange(1, 300_001), 5.0)
        except evstream.WriteError as error:
            print(error)
    """
    path = tmp_path / "losses.bin"
    result = run_python("-c", code, str(path), PYTHONDONTWRITEBYTECODE="1")
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith(f"{path}: byte ")
    assert "could not write: File too large" in result.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "magic"), [("a.bin.gz", "1f8b08"), ("a.bin.ZST", "28b52ffd")])
def test_the_file_name_chooses_the_compression(tmp_path: Path, name: str, magic: str) -> None:
    pytest.importorskip("zstandard")
    path = tmp_path / name
    plain = io.BytesIO()
    for target in (path, plain):
        with evstream.create(target, "loss", len_sample=3, seal=target is path) as out:
            for event in range(1, 3000):
                out.write_event(event, [1, 2], [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
            assert out.offset == 8 + 2999 * 80
            out.flush()
    assert path.read_bytes().startswith(bytes.fromhex(magic))
    assert path.stat().st_size < len(plain.getvalue()) / 4
    assert len(list(evstream.open(path))) == 2999
    assert "as-sealed" not in evstream.validate(path).counts
    with pytest.raises(KeyError), evstream.create(path, "loss", len_sample=3):
        raise KeyError
    assert len(list(tmp_path.iterdir())) == 2


def test_a_seal_stays_when_its_new_stream_fails(tmp_path: Path) -> None:
    path = tmp_path / "a.bin.gz"
    losses = np.random.default_rng(1).random((400, 100))
    with evstream.create(path, "loss", len_sample=100, seal=True) as out:
        out.write_event(1, [1], np.ones((1, 100)), mean=1.0, tiv=1.0)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
        out = evstream.create(path, "loss", len_sample=100, seal=True)
        with pytest.raises(WriteError, match="could not write"):  # noqa: PT012
            out.write_event(1, range(1, 401), losses)
            out.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert evstream.validate(path).clean
    with pytest.raises(ValueError, match="would take the place of the stream"):
        evstream.create("a.bin", "loss", len_sample=1, seal="a.bin")


def test_every_changed_bit_of_a_compressed_file_is_noticed(tmp_path: Path) -> None:
    pytest.importorskip("zstandard")
    for name in ("a.bin.gz", "a.bin.zst"):
        path = tmp_path / name
        with evstream.create(path, "loss", len_sample=50) as out:
            out.write_event(1, range(1, 101), np.random.default_rng(1).random((100, 50)))
        data = path.read_bytes()
        for at in range(20, len(data), 487):
            changed = bytearray(data)
            changed[at] ^= 4
            with pytest.raises(evstream.EvstreamError):
                list(evstream.open(io.BytesIO(bytes(changed))))
