"""`evstream.show_progress`: a bar for all that is read, and what it counts."""

from __future__ import annotations

import gzip
import io
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import evstream
from evstream.transport import watching
from result_cases import made_blocks, occurrence_file, stream_of


class Bar:
    """A bar of tqdm that is not drawn."""

    made: list[Bar]

    def __init__(self, total: int | None = None, desc: str = "", **_: Any) -> None:
        self.total, self.desc, self.n, self.is_open = total, desc, 0, True
        self.totals = [total]
        self.made.append(self)

    def set_description_str(self, desc: str, refresh: bool = True) -> None:
        self.desc = desc

    def update(self, more: int) -> None:
        assert self.is_open
        self.n += more

    def refresh(self) -> None:
        assert self.is_open
        self.totals.append(self.total)

    def close(self) -> None:
        self.is_open = False


@pytest.fixture
def bars(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Bar]]:
    Bar.made = []
    monkeypatch.setattr("tqdm.auto.tqdm", Bar)
    yield Bar.made
    assert watching.current() is None
    assert not any(bar.is_open for bar in Bar.made)


SUMMARY = stream_of(made_blocks())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("out").mkdir()
    for number in range(2):
        with evstream.create(f"out/{number}.bin", "gul_item", len_sample=3) as out:
            for event in range(1, 90):
                out.write_event(1000 * number + event, [1, 2], [[1.0, 2.0, 3.0]] * 2)
    shutil.copy("out/0.bin", "a.bin")
    Path("s.bin").write_bytes(SUMMARY)
    occurrence_file(tmp_path, [(event, 1) for event in range(1, 10)])
    return tmp_path


def read(source: Any) -> int:
    with evstream.open(source) as stream:
        return sum(1 for _ in stream)


OUT = "out/*.bin"
FUNCTIONS: dict[str, tuple[str, Callable[[], object]]] = {
    "events": (OUT, lambda: read(OUT)),
    "chunks": ("a.bin", lambda: list(evstream.open("a.bin").chunks())),
    "read_columns": (OUT, lambda: evstream.read_columns(OUT)),
    "read_columns, threads": (OUT, lambda: evstream.read_columns(OUT, threads=2)),
    "read_dense": (OUT, lambda: evstream.read_dense(OUT)),
    "read_arrow": (OUT, lambda: evstream.read_arrow(OUT)),
    "read_pandas": (OUT, lambda: evstream.read_pandas(OUT)),
    "read_polars": (OUT, lambda: evstream.read_polars(OUT)),
    "iter_batches": (OUT, lambda: list(evstream.iter_batches(OUT, rows=50))),
    "arrow_reader": (OUT, lambda: evstream.arrow_reader(OUT).read_all()),
    "scan_polars": (OUT, lambda: evstream.scan_polars(OUT).select("loss").collect()),
    "aggregate": (OUT, lambda: evstream.aggregate(OUT, by="item_id")),
    "map_parts": (OUT, lambda: list(evstream.map_parts(read, evstream.parts(OUT, 999)))),
    "convert": (OUT, lambda: evstream.convert(OUT, "made.parquet")),
    "copy": ("a.bin", lambda: evstream.convert("a.bin", "made.bin")),
    "validate": (OUT, lambda: evstream.validate(OUT)),
    "compare": (OUT, lambda: evstream.compare("out/0.bin", "out/1.bin")),
    "merge": (OUT, lambda: evstream.merge(["out/0.bin", "out/1.bin"], "made.bin")),
    "build_index": ("a.bin", lambda: evstream.build_index("a.bin")),
    "elt": ("s.bin", lambda: evstream.elt("s.bin")),
    "aal": ("s.bin", lambda: evstream.aal("s.bin", "occurrence.bin")),
    "ept": ("s.bin", lambda: evstream.ept("s.bin", "occurrence.bin")),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.usefixtures("folder")
def test_a_bar_ends_at_the_bytes_that_were_read(bars: list[Bar], name: str):
    files, function = FUNCTIONS[name]
    with evstream.show_progress(delay=0):
        function()
    size = sum(path.stat().st_size for path in Path().glob(files))
    if name == "merge":  # which looks at the order of the events first
        size *= 2
    if name in {"aal", "ept"}:
        size += Path("occurrence.bin").stat().st_size
    bar = bars[-1]  # before it, a plan of parts or a schema may read a header
    assert bar.n == bar.total
    assert size - 40 <= bar.n <= size  # with headers or without
    assert bar.desc == ("2 files" if files == OUT or name in {"aal", "ept"} else files)
    assert all(other.n < size for other in bars[:-1])
    if name in {"events", "read_polars", "validate", "merge"}:
        assert len(bars) == 1
        assert set(bar.totals) == {size}  # from the beginning


@pytest.mark.usefixtures("folder")
def test_compressed_files_and_tables_count_as_they_are(bars: list[Bar]):
    Path("a.bin.gz").write_bytes(gzip.compress(Path("a.bin").read_bytes()))
    for name in ("a.parquet", "a.csv"):
        evstream.convert("a.bin", name)
    with evstream.show_progress(delay=0):
        read("a.bin.gz")
        for name in ("a.parquet", "a.csv"):
            evstream.convert(name, "made.bin", stream="gul_item", len_sample=3)
    assert [bar.desc for bar in bars] == ["a.bin.gz", "a.parquet", "a.csv"]
    for bar in bars:
        assert bar.n == os.path.getsize(bar.desc)
        assert set(bar.totals) == {bar.n}


@pytest.mark.usefixtures("folder")
def test_nothing_is_drawn_outside_or_before_the_delay(bars: list[Bar]):
    read("a.bin")
    with evstream.show_progress(delay=float("inf")):
        read("a.bin")
    read("a.bin")
    assert not bars


@pytest.mark.usefixtures("folder")
def test_a_notebook_switches_it_on_and_off(bars: list[Bar]):
    assert repr(evstream.show_progress(delay=0)) == "<progress is shown>"
    read("a.bin")
    with evstream.show_progress(False):
        read("a.bin")
    read("a.bin")
    assert repr(evstream.show_progress(False)) == "<progress is not shown>"
    read("a.bin")
    assert len(bars) == 2


@pytest.mark.usefixtures("folder")
def test_nested_blocks_draw_one_bar_each_time(bars: list[Bar]):
    with evstream.show_progress(delay=0):
        with evstream.show_progress(delay=0):
            read("a.bin")
        read("a.bin")
    assert [bar.n for bar in bars] == [os.path.getsize("a.bin")] * 2


@pytest.mark.usefixtures("folder")
def test_streams_read_at_the_same_time_share_a_bar(bars: list[Bar]):
    with (
        evstream.show_progress(delay=0),
        evstream.open("out/0.bin") as one,
        evstream.open("out/1.bin") as other,
    ):
        for _ in zip(one, other, strict=True):
            pass
        thread = threading.Thread(target=read, args=("a.bin",))
        thread.start()
        thread.join()
    size = sum(map(os.path.getsize, ["out/0.bin", "out/1.bin", "a.bin"]))
    # Streams at their end are closed, so the thread's has a bar of its own.
    assert sum(bar.n for bar in bars) == size
    assert [bar.desc for bar in bars] == ["2 files", "a.bin"]


@pytest.mark.usefixtures("folder")
def test_a_stream_that_is_left_keeps_what_was_read(bars: list[Bar]):
    with evstream.show_progress(delay=0):
        stream = evstream.open(OUT)
        next(iter(stream))
        assert bars[0].is_open
    (bar,) = bars
    assert not bar.is_open
    assert bar.n == os.path.getsize("out/0.bin") == bar.total / 2
    stream.close()


@pytest.mark.usefixtures("folder")
def test_an_error_closes_the_bar_and_stays_the_same(bars: list[Bar]):
    Path("cut.bin").write_bytes(Path("a.bin").read_bytes()[:-100])
    with pytest.raises(evstream.TruncatedStreamError) as plain:
        evstream.read_columns(["cut.bin", "a.bin"])
    with (
        evstream.show_progress(delay=0),
        pytest.raises(evstream.TruncatedStreamError) as error,
    ):
        evstream.read_columns(["cut.bin", "a.bin"])
    assert str(error.value) == str(plain.value)
    (bar,) = bars
    assert bar.n == os.path.getsize("cut.bin") < bar.total
    with evstream.show_progress(delay=0), pytest.raises(FileNotFoundError):
        read("missing.bin")
    assert len(bars) == 1


@pytest.mark.usefixtures("folder")
def test_the_total_of_a_pipe_is_not_known(bars: list[Bar]):
    with evstream.show_progress(delay=0):
        read(io.BytesIO(Path("a.bin").read_bytes()))
    (bar,) = bars
    assert (bar.n, set(bar.totals)) == (os.path.getsize("a.bin"), {None})


@pytest.mark.usefixtures("folder")
def test_an_index_makes_the_total_small(bars: list[Bar]):
    with evstream.create("a.bin", "loss", len_sample=100, index=True) as out:
        for event in range(1, 100):
            out.write_event(event, range(1, 61), [[1.0] * 100] * 60)
    with evstream.show_progress(delay=0):
        evstream.read_columns("a.bin", events=[2, 90])
    (bar,) = bars
    assert bar.totals[-1] == bar.n
    assert 0 < bar.n < os.path.getsize("a.bin") / 2


@pytest.mark.usefixtures("folder")
def test_a_forked_process_draws_nothing(bars: list[Bar], monkeypatch: pytest.MonkeyPatch):
    with evstream.show_progress(delay=0):
        monkeypatch.setattr(watching, "_process", os.getpid() + 1)
        read("a.bin")
        monkeypatch.undo()
    assert not bars
    watching.watch(None)


@pytest.mark.usefixtures("folder")
def test_a_bar_that_fails_disturbs_nothing(monkeypatch: pytest.MonkeyPatch):
    def broken(**options: Any) -> None:
        raise RuntimeError("no screen")

    monkeypatch.setattr("tqdm.auto.tqdm", broken)
    with evstream.show_progress(delay=0):
        assert read("a.bin") == 89


@pytest.mark.usefixtures("folder")
def test_tqdm_draws_the_name_and_the_end(capsys: pytest.CaptureFixture[str]):
    with evstream.show_progress(delay=0):
        read("a.bin")
    out, drawn = capsys.readouterr()
    assert not out
    assert drawn.endswith("\n")
    assert drawn.splitlines()[-1].startswith("a.bin: 100%")


def test_a_missing_library_names_the_extra(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(__import__("sys").modules, "tqdm.auto", None)
    with pytest.raises(evstream.MissingExtraError, match=r"evstream\[progress\]"):
        evstream.show_progress()
    assert watching.current() is None
    evstream.show_progress(False)


@pytest.mark.parametrize("delay", [-1, float("nan"), "1", True])
def test_a_delay_is_a_number_of_seconds(delay: Any):
    with pytest.raises((TypeError, ValueError), match=r"^delay is "):
        evstream.show_progress(delay=delay)
