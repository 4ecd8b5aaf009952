"""A file appears under its name whole and durable, or the old one stays: whatever fails."""

from __future__ import annotations

import builtins
import errno
import gc
import io
import os
import stat
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import evstream
from evstream.checking.seal import Seal
from evstream.checking.tee import tee
from evstream.transport import whole_file, writeback
from evstream.transport.whole_file import WholeFile
from open_files import of_tests, open_files
from oracle import encode

OLD = b"the old file"
STREAM = encode("loss", {"len_sample": 2}, [((1, 1), [(1, 5.0), (2, 6.0)])])
OTHER = encode("loss", {"len_sample": 2}, [((2, 1), [(1, 5.0), (2, 6.0)])])
CALLS = [
    "open", "write", "fsync", "fchmod", "fchown", "fstat", "stat", "lstat", "access", "link",
    "replace", "unlink", "close",
]  # fmt: skip

Work = Callable[[Path], None]


@pytest.fixture(autouse=True)
def durable_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EVSTREAM_FSYNC", raising=False)


def create(folder: Path) -> None:
    with evstream.create(folder / "out.bin", "loss", len_sample=2) as out:
        out.write_columns([1, 1], 1, [1, 2], [5.0, 6.0])


def create_sealed(folder: Path) -> None:
    with evstream.create(folder / "out.bin", "loss", len_sample=2, seal=True) as out:
        out.write_columns([1, 1], 1, [1, 2], [5.0, 6.0])


def create_compressed(folder: Path) -> None:
    with evstream.create(folder / "out.bin.gz", "loss", len_sample=2) as out:
        out.write_columns([1, 1], 1, [1, 2], [5.0, 6.0])


def convert_to(name: str) -> Work:
    def convert(folder: Path) -> None:
        evstream.convert(io.BytesIO(STREAM), folder / name, from_="bin")

    return convert


def tee_sealed(folder: Path) -> None:
    tee(io.BytesIO(STREAM), folder / "out.bin", seal=str(folder / "out.bin.seal"))


def merge_sealed(folder: Path) -> None:
    evstream.merge([io.BytesIO(STREAM), io.BytesIO(OTHER)], folder / "out.bin", seal=True)


def seal(folder: Path) -> None:
    Seal("loss", {"len_sample": 2}, {}, complete=True).write(folder / "out.bin.seal")


WORK = {
    "create": (create, ["out.bin"]),
    "create with a seal": (create_sealed, ["out.bin", "out.bin.seal"]),
    "create compressed": (create_compressed, ["out.bin.gz"]),
    "tee": (tee_sealed, ["out.bin", "out.bin.seal"]),
    "merge": (merge_sealed, ["out.bin", "out.bin.seal"]),
    "seal": (seal, ["out.bin.seal"]),
    **{
        f"convert to {kind}": (convert_to(f"out.{kind}"), [f"out.{kind}"])
        for kind in ("bin", "csv", "jsonl", "parquet", "arrow")
    },
}


class Calls:
    """Counts the system calls of evstream, and lets one of them fail."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.made: list[tuple[str, Any]] = []
        self.failing = -1
        for name in CALLS:
            monkeypatch.setattr(os, name, self._wrapped(name, getattr(os, name)))
        monkeypatch.setattr(builtins, "open", self._wrapped("open", builtins.open))

    def _wrapped(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **named: Any) -> Any:
            caller = sys._getframe(1).f_globals.get("__name__", "")
            if not caller.startswith(("evstream", "posixpath")):
                return call(*arguments, **named)
            self.made.append((name, arguments[0] if arguments else None))
            if len(self.made) - 1 != self.failing:
                return call(*arguments, **named)
            if name == "close":
                call(*arguments, **named)  # the descriptor is gone after an error, too
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        return wrapped


def names(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(params=["without a name", "hidden"])
def kind_of_file(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "hidden":
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)


def attempts(folder: Path, work: Work, files: list[str], *, replaces: bool) -> Iterator[int]:
    """Number the attempts; after each, demand the old files or the new ones and no other."""
    if "convert" in getattr(work, "__name__", ""):
        pytest.importorskip("polars")
    (folder / "wanted").mkdir()
    work(folder / "wanted")
    new = names(folder / "wanted")
    old = dict.fromkeys(files, OLD) if replaces else {}
    place = folder / "place"
    place.mkdir()
    for number in range(100_000):
        for path in place.iterdir():
            path.unlink()
        for name, data in old.items():
            (place / name).write_bytes(data)
        yield number
        assert names(place) in (old, new), number


def problem_of(work: Callable[[], None]) -> str:
    try:
        work()
    except (OSError, evstream.EvstreamError) as error:
        return str(error)
    return ""


@pytest.mark.parametrize("replaces", [True, False], ids=["replaces", "new"])
@pytest.mark.parametrize("name", WORK)
def test_any_failing_system_call_leaves_old_or_new(
    name: str, replaces: bool, kind_of_file: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work, files = WORK[name]
    failed = set()
    for number in attempts(tmp_path, work, files, replaces=replaces):
        with monkeypatch.context() as patch:
            calls = Calls(patch)
            calls.failing = number
            before = open_files()
            line = problem_of(lambda: work(tmp_path / "place"))
            if line:
                failed.add(calls.made[number][0])
            assert "\n" not in line
            assert ".part" not in line
            assert not of_tests(open_files().items() ^ before.items()), number
        if number >= len(calls.made):
            break
    assert {"open", "write", "fsync", "replace", "close"} <= failed


@pytest.mark.parametrize("name", WORK)
def test_any_failing_allocation_leaves_old_or_new(
    name: str, kind_of_file: None, tmp_path: Path
) -> None:
    """A line of evstream is a place where memory may run out; of many lines some are tried."""
    work, files = WORK[name]
    lines = count_lines(lambda: work(tmp_path))
    for path in tmp_path.iterdir():
        path.unlink()
    step = max(1, lines // 60)
    failed = 0
    for number in attempts(tmp_path, work, files, replaces=True):
        if number * step >= lines:
            break
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ResourceWarning)  # of a writer thrown away
                count_lines(lambda: work(tmp_path / "place"), number * step)
        except MemoryError as error:
            failed += 1
            error.__traceback__ = None
            gc.collect(0)
    assert failed > lines // step // 2


def count_lines(work: Callable[[], None], failing: int = -1) -> int:
    """How many lines of evstream `work` runs; at one of them memory runs out."""
    package = os.path.dirname(evstream.__file__)
    count = 0

    def trace(frame: Any, event: str, _: Any) -> Any:
        nonlocal count
        path = frame.f_code.co_filename
        if not path.startswith(package) or "_generated" in path:
            return None
        if event == "call" and "__del__" in callers(frame):
            return None  # nobody would hear of it
        if event == "line":
            count += 1
            if count - 1 == failing:
                raise MemoryError
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def callers(frame: Any) -> set[str]:
    found = set()
    while frame is not None:
        found.add(frame.f_code.co_name)
        frame = frame.f_back
    return found


def test_an_uncommitted_file_has_no_name(tmp_path: Path) -> None:
    file = WholeFile(str(tmp_path / "out.bin"))
    file.write(memoryview(b"data"))
    has_nameless = hasattr(os, "O_TMPFILE") and os.path.isdir("/proc/self/fd")
    assert len(list(tmp_path.iterdir())) == (0 if has_nameless else 1)
    file.abort()
    assert list(tmp_path.iterdir()) == []


# Durability


@pytest.mark.parametrize("name", WORK)
def test_a_file_is_on_disk_before_it_has_its_name(
    name: str, kind_of_file: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work, files = WORK[name]
    with monkeypatch.context() as patch:
        calls = Calls(patch)
        kinds = []
        fsync = os.fsync

        def traced(descriptor: int) -> None:
            is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
            kinds.append("fsync folder" if is_folder else "fsync file")
            fsync(descriptor)

        replace = os.replace

        def replaced(source: str, target: str) -> None:
            kinds.append("rename")
            replace(source, target)

        patch.setattr(os, "fsync", traced)
        patch.setattr(os, "replace", replaced)
        work(tmp_path)
    assert kinds == ["fsync file", "rename", "fsync folder"] * len(files)
    last_write = max(i for i, (call, _) in enumerate(calls.made) if call == "write")
    assert calls.made[last_write][1] is not None


def test_no_write_comes_between_fsync_and_rename(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        calls = Calls(patch)
        create(tmp_path)
    order = [call for call, _ in calls.made if call in {"write", "fsync", "link", "replace"}]
    start = order.index("fsync")
    assert set(order[:start]) == {"write"}
    assert [call for call in order[start:] if call != "link"] == ["fsync", "replace", "fsync"]


@pytest.mark.parametrize("durable", [True, False])
def test_a_large_file_is_on_its_way_before_its_end(
    durable: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = []

    def start(descriptor: int, first: int, size: int) -> None:
        sent.append((first, size, os.fstat(descriptor).st_size))
        writeback.start_writeback(descriptor, first, size)

    monkeypatch.setattr(whole_file, "STRETCH", 1000)
    monkeypatch.setattr(whole_file, "start_writeback", start)
    file = WholeFile(str(tmp_path / "large"), durable=durable)
    for size in (10, 989, 2, 5000, 1, 999, 3):
        assert file.write(memoryview(bytes(size))) == size
    file.commit()
    assert (tmp_path / "large").stat().st_size == 7004
    assert sent == ([(0, 1001, 1001), (1001, 5000, 6001), (6001, 1000, 7001)] if durable else [])


@pytest.mark.parametrize("how", ["argument", "environment"])
def test_durability_can_be_switched_off(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"durable": False} if how == "argument" else {}
    if how == "environment":
        monkeypatch.setenv("EVSTREAM_FSYNC", "0")
    with monkeypatch.context() as patch:
        calls = Calls(patch)
        with evstream.create(tmp_path / "a.bin", len_sample=1, seal=True, **options) as out:
            out.write_columns(1, 1, 1, 5.0)
        evstream.convert(tmp_path / "a.bin", tmp_path / "b.bin", **options)
        tee(io.BytesIO(STREAM), tmp_path / "c.bin", **options)
    assert "replace" in {call for call, _ in calls.made}
    assert "fsync" not in {call for call, _ in calls.made}
    monkeypatch.setenv("EVSTREAM_FSYNC", "perhaps")
    with pytest.raises(ValueError, match="EVSTREAM_FSYNC is 'perhaps', expected 1 or 0"):
        evstream.create(tmp_path / "d.bin", len_sample=1)
    assert not (tmp_path / "d.bin").exists()


# Owner and permissions


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444 | 0o200, 0o666, 0o755])
def test_a_new_file_has_the_permissions_of_the_old(mode: int, tmp_path: Path) -> None:
    (tmp_path / "out.bin").write_bytes(OLD)
    os.chmod(tmp_path / "out.bin", mode)
    create(tmp_path)
    assert stat.S_IMODE(os.stat(tmp_path / "out.bin").st_mode) == mode


@pytest.mark.parametrize("extra", [stat.S_ISUID, stat.S_ISGID, stat.S_ISUID | stat.S_ISGID])
def test_a_new_file_has_no_setuid_or_setgid_bit(extra: int, tmp_path: Path) -> None:
    (tmp_path / "out.bin").write_bytes(OLD)
    os.chmod(tmp_path / "out.bin", 0o755 | extra)
    create(tmp_path)
    assert stat.S_IMODE(os.stat(tmp_path / "out.bin").st_mode) == 0o755


def with_owner(
    patch: pytest.MonkeyPatch, path: Path, *, allowed: set[str]
) -> list[tuple[int, int]]:
    """Let the file look as if it were another user's and group's; the changes that are made."""
    real, made = os.stat, []
    found = real(path)

    def other(place: Any, **named: Any) -> os.stat_result:
        result = real(place, **named)
        if str(place) != str(path):
            return result
        fields = list(result)
        fields[stat.ST_UID], fields[stat.ST_GID] = found.st_uid + 1, found.st_gid + 1
        return os.stat_result(fields)

    def fchown(descriptor: int, user: int, group: int) -> None:
        what = "owner" if user != -1 else "group"
        if what not in allowed:
            raise PermissionError(errno.EPERM, "not permitted")
        made.append((user, group))

    patch.setattr(os, "stat", other)
    patch.setattr(os, "fchown", fchown)
    return made


@pytest.mark.parametrize("allowed", [{"owner", "group"}, {"group"}, {"owner"}, set()])
def test_a_new_file_has_the_owner_of_the_old_where_allowed(
    allowed: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out.bin"
    path.write_bytes(OLD)
    os.chmod(path, 0o664)
    found = os.stat(path)
    with monkeypatch.context() as patch:
        made = with_owner(patch, path, allowed=allowed)
        create(tmp_path)
    wanted = [(found.st_uid + 1, -1)] if "owner" in allowed else []
    assert made == wanted + ([(-1, found.st_gid + 1)] if "group" in allowed else [])
    # A group that is another one than before gets no more than all others.
    mode = 0o664 if "group" in allowed else 0o644
    assert stat.S_IMODE(os.stat(path).st_mode) == mode


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_root_keeps_the_owner_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "out.bin"
    path.write_bytes(OLD)
    os.chown(path, 12345, 54321)
    os.chmod(path, 0o4640)
    create(tmp_path)
    found = os.stat(path)
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (12345, 54321, 0o640)
