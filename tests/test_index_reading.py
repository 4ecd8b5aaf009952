"""Events that are read by an index are those of the file; a stale index is an error, not a row."""

from __future__ import annotations

import os
import random
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evstream
from evstream import AbsentEventError, ChangedSourceError, EventStream, StaleIndexError
from evstream.cli.program import main
from evstream.indexing import builder, indexed_file, span_buffer
from evstream.indexing.indexed_file import IndexedFile
from evstream.indexing.range_reader import RangeReader
from evstream.reading.section import Section
from evstream.transport import range_file
from golden_files import LEGAL, golden_bytes
from odd_files import a_dangling_link, a_device, a_fifo, a_folder
from oracle import encode

polars = pytest.importorskip("polars")

pytestmark = [
    pytest.mark.filterwarnings("ignore::evstream.MissingDelimiterWarning"),
    pytest.mark.filterwarnings("ignore::evstream.AbsentEventWarning"),
    pytest.mark.filterwarnings("ignore::evstream.SuspectWarning"),
    pytest.mark.filterwarnings("ignore::evstream.RowsWarning"),
]

PAIRS = [(-1, 1.5), (1, 2.0), (2, 1.0)]


def blocks_of(events: list[int], factor: float = 1.0) -> list[Any]:
    pairs = [(sidx, loss * factor) for sidx, loss in PAIRS]
    return [((event, item), pairs) for event in events for item in (1, 2, 3)]


EVENTS = [3, 1, 7, 9, 2, 40, 41, 42, 43, 44, 45, 46, 60, 61, 62, 64]
STREAM = encode("loss", {"len_sample": 2}, blocks_of(EVENTS))
EVENT = (len(STREAM) - 8) // len(EVENTS)

LISTED = pytest.mark.parametrize("listed", [True, False], ids=["events", "stretches"])


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Small stretches, and an index that lists events or does not."""

    def choose(listed: bool, stretch: int = 200) -> None:
        monkeypatch.setattr(builder, "STRETCH", stretch)
        monkeypatch.setattr(builder, "most_runs", lambda *_: 1 << 20 if listed else -1)

    return choose


@pytest.fixture
def no_scan(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every scan an error."""

    def scan(self: EventStream) -> None:
        raise AssertionError("the file was scanned")

    monkeypatch.setattr(EventStream, "chunks", scan)


def indexed(folder: Path, data: bytes = STREAM, **options: Any) -> Path:
    path = folder / "a.bin"
    path.write_bytes(data)
    evstream.build_index(path, durable=False, **options)
    return path


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(
        one[name].dtype == other[name].dtype and one[name].tobytes() == other[name].tobytes()
        for name in one
    )


@pytest.mark.parametrize("entry", LEGAL, ids=lambda entry: entry["file"])
@LISTED
def test_an_index_gives_the_rows_of_a_scan(entry, listed, small, tmp_path, monkeypatch):
    small(listed)
    data = golden_bytes(entry)
    options: dict[str, Any] = {"stream": entry["stream"], "widths": entry["widths"]}
    path = indexed(tmp_path, data, **options)
    plain = tmp_path / "plain.bin"
    plain.write_bytes(data)
    events = np.unique(evstream.read_columns(plain, **options)["event_id"]).tolist()
    chosen = random.Random(1)
    trials = [[], [999_999], events[:1], events[-1:], events, events[::2]]
    trials += [sorted(chosen.sample(events, len(events) // 3)) for _ in range(3)]
    scans = [evstream.read_columns(plain, trial, **options) for trial in trials]
    with monkeypatch.context() as patch:
        patch.setattr(EventStream, "chunks", None)
        for trial, expected in zip(trials, scans, strict=True):
            for verify in (False, True):
                found = evstream.read_columns(path, trial, verify=verify, **options)
                assert same(found, expected)
        with evstream.open(path, **options) as stream:
            for event in events[:3]:
                found_event = stream.event(event)
                assert found_event.event_key == event
                expected = scans[4]["event_id"] == event
                entries = stream.header.block.entry is not None
                counts = np.diff(found_event.own_columns().offsets).sum() if entries else None
                assert counts in (None, expected.sum())


def read_nothing(section: Section, view: memoryview) -> int:
    assert section.size == 0, "the part was scanned"
    return 0


def rows_of_parts(planned: Any, **options: Any) -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a part has some of the events
        found = [evstream.read_columns(part, **options) for part in planned]
    return {name: np.concatenate([rows[name] for rows in found]) for name in found[0]}


@pytest.mark.parametrize("entry", LEGAL[::6], ids=lambda entry: entry["file"])
@LISTED
def test_an_index_gives_the_rows_of_parts(entry, listed, small, tmp_path, monkeypatch):
    small(listed)
    data = golden_bytes(entry)
    options: dict[str, Any] = {"stream": entry["stream"], "widths": entry["widths"]}
    path = indexed(tmp_path, data, **options)
    plain = tmp_path / "plain.bin"
    plain.write_bytes(data)
    events = np.unique(evstream.read_columns(plain, **options)["event_id"]).tolist()
    for size, whole in [(len(data) // 3 + 1, "block"), (len(data) // 7 + 1, "event")]:
        for wanted in ([], events[1::2], events):
            expected = evstream.read_columns(plain, wanted, **options)
            planned = evstream.parts(path, size, whole=whole, **options)
            some = evstream.parts(path, size, whole=whole, events=wanted, **options)
            with monkeypatch.context() as patch:
                patch.setattr(Section, "readinto", read_nothing)
                assert same(rows_of_parts(planned, events=wanted), expected)
                assert same(rows_of_parts(some), expected)
                assert same(rows_of_parts(some, events=events), expected)


@LISTED
def test_parts_of_one_event_read_its_stretches_alone(listed, small, tmp_path):
    """A giant event in many parts: each reads its own bytes, and a stretch at its edges."""
    small(listed)
    blocks = [((7, item), PAIRS) for item in range(1, 200)]
    path = indexed(tmp_path, encode("loss", {"len_sample": 2}, blocks))
    read = []
    with pytest.MonkeyPatch.context() as patch:
        plain = RangeReader.readinto
        patch.setattr(
            RangeReader, "readinto", lambda *a: read.append(plain(*a)) or read[-1]
        )  # fmt: skip
        planned = evstream.parts(path, 500)
        rows = rows_of_parts(planned, events=[7])
    assert rows["item_id"].tolist() == np.repeat(np.arange(1, 200), len(PAIRS)).tolist()
    assert sum(read) < path.stat().st_size + len(planned) * 2 * 300


def test_a_stale_index_of_a_part_is_an_error(small, tmp_path):
    small(True)
    path = indexed(tmp_path)
    other = blocks_of(EVENTS)
    other[4:7] = blocks_of([8])
    path.write_bytes(encode("loss", {"len_sample": 2}, other))
    (part, *_) = evstream.parts(path)
    with pytest.raises(evstream.StaleIndexError, match=r"a\.bin: the index is stale"):
        evstream.read_columns(part, events=[8])


@LISTED
def test_every_reader_uses_the_index(listed, small, tmp_path, capsys, no_scan):
    small(listed)
    path = indexed(tmp_path)
    assert evstream.read_columns(path, [41, 3])["event_id"].tolist() == [3] * 9 + [41] * 9
    assert evstream.read_columns(path, 41, -1)["sidx"].tolist() == [-1] * 3
    assert evstream.read_arrow(path, 41).num_rows == 9
    assert evstream.read_polars(path, [41, 42]).height == 18
    assert evstream.read_pandas(path, 41)["event_id"].tolist() == [41] * 9
    assert evstream.read_dense(path, 41).losses.shape == (3, 2)
    assert sum(batch.num_rows for batch in evstream.iter_batches(path, 41)) == 9
    assert evstream.arrow_reader(path, 41).read_all().num_rows == 9
    frame = evstream.scan_polars(path)
    event = polars.col("event_id")
    assert frame.filter(event == 41).collect().height == 9
    some = frame.filter(event.is_in([3, 44]) & (polars.col("sidx") > 0)).collect()
    assert some["event_id"].to_list() == [3] * 6 + [44] * 6
    assert frame.filter((event > 60) & (polars.col("item_id") == 2)).collect().height == 9
    assert frame.filter(event == 12345).collect().height == 0
    with evstream.open(path) as stream:
        assert stream.event(64).item_ids.tolist() == [1, 2, 3]
        assert stream.event(3).loss.tolist() == [1.5, 2.0, 1.0] * 3
        with pytest.raises(AbsentEventError, match="event_id 4: the event is not in the stream"):
            stream.event(4)
    assert main(["cat", "--event", "41", str(path)]) == 0
    assert capsys.readouterr().out.splitlines()[1] == "41,1,-1,1.5"
    with pytest.warns(evstream.AbsentEventWarning):
        evstream.read_columns(path, [4, 41])


class ObjectFile:
    """A file whose reads count, as those of an object do."""

    def __init__(self, path: Path) -> None:
        self._file = range_file.LocalFile(path)
        self.name, self.size, self.tag = self._file.name, self._file.size, self._file.tag
        self.reads: list[tuple[int, int]] = []

    def read_at(self, offset: int, view: memoryview) -> None:
        self.reads.append((offset, len(view)))
        self._file.read_at(offset, view)

    def close(self) -> None:
        self._file.close()


@LISTED
@pytest.mark.parametrize(("gap", "span"), [(0, 1), (0, 1 << 20), (EVENT, 1000), (1 << 20, 1 << 20)])
def test_ranges_of_an_object_are_read_together(listed, gap, span, small, tmp_path, monkeypatch):
    small(listed)
    monkeypatch.setattr(span_buffer, "GAP", gap)
    monkeypatch.setattr(span_buffer, "SPAN", span)
    path = indexed(tmp_path)
    index = evstream.build_index(path)
    file = ObjectFile(path)
    monkeypatch.setattr(indexed_file, "open_range_file", lambda *_: file)
    wanted = np.array([2, 3, 7, 41, 42, 64])
    with IndexedFile(str(path), index, index.header) as opened:
        file.reads.clear()
        found = [event for chunk in opened.chunks(wanted) for event in chunk.columns.block[0]]
    assert sorted({*found} & {*wanted.tolist()}) == wanted.tolist()
    if gap == span == 1 << 20:
        assert len(file.reads) == 1
    if listed and (gap, span) == (0, 1 << 20):
        assert len(file.reads) <= 5
        assert sum(size for _, size in file.reads) <= 6 * EVENT + 5 * 8


def test_an_event_is_found_without_an_index(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(STREAM)
    with evstream.open(path) as stream:
        first = next(iter(stream))
        assert stream.event(41).item_ids.tolist() == [1, 2, 3]
        assert stream.event(first.event_id).loss.tolist() == first.loss.tolist()
        assert [event.event_id for event in stream] == EVENTS[1:]
    with evstream.open([path]) as stream:
        assert stream.event(64).event_id == 64
    with evstream.open(evstream.parts(path, 100)[0]) as stream:
        assert stream.event(3).event_id == 3
        with pytest.raises(AbsentEventError):
            stream.event(64)


@pytest.mark.parametrize("event", ["x", 1.5, None, [1], True])
def test_what_is_not_an_id_has_no_event(event, tmp_path):
    path = indexed(tmp_path)
    with evstream.open(path) as stream, pytest.raises(TypeError, match="event_id is"):
        stream.event(event)


def test_an_id_that_does_not_fit_is_absent(tmp_path):
    with evstream.open(indexed(tmp_path)) as stream, pytest.raises(AbsentEventError, match="int32"):
        stream.event(1 << 40)


def test_a_pipe_has_no_events_by_id(tmp_path):
    with open(indexed(tmp_path), "rb") as file, evstream.open(file) as stream:  # noqa: SIM117
        with pytest.raises(evstream.EvstreamError, match="looked up in a file"):
            stream.event(3)


@LISTED
def test_an_event_in_several_places_is_whole(listed, small, tmp_path):
    small(listed)
    path = indexed(tmp_path, encode("loss", {"len_sample": 2}, blocks_of([5, 6, 5, 7, 5])))
    assert len(evstream.read_columns(path, 5)["loss"]) == 27
    with evstream.open(path) as stream:
        assert stream.event(5).item_ids.tolist() == [1, 2, 3] * 3


@LISTED
def test_a_missing_last_delimiter_is_reported(listed, small, tmp_path):
    small(listed)
    path = indexed(tmp_path, encode("loss", {"len_sample": 2}, blocks_of(EVENTS), None, False))
    for event in (3, 64):  # wherever it lies
        with pytest.warns(evstream.MissingDelimiterWarning, match=f"byte {len(STREAM) - 8}"):
            assert len(evstream.read_columns(path, event)["loss"]) == 9
        with pytest.raises(evstream.TruncatedStreamError):
            evstream.read_columns(path, event, strict=True)


def keep_times(path: Path, change: Callable[[Path], None]) -> None:
    """Change a file so that nothing but its bytes shows it."""
    before = os.stat(path)
    change(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def flip(at: int, bit: int) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        with open(path, "r+b") as file:
            file.seek(at)
            byte = file.read(1)[0]
            file.seek(at)
            file.write(bytes([byte ^ 1 << bit]))

    return change


def read_or_refuse(path: Path, events: list[int], verify: bool = False) -> dict[str, Any] | None:
    """The rows, or None after an error that says that the index is stale."""
    try:
        return evstream.read_columns(path, events, verify=verify)
    except StaleIndexError as error:
        if error.source != str(path) or "evstream index" not in str(error):
            raise
        return None


@LISTED
@pytest.mark.parametrize("verify", [False, True])
def test_a_flipped_bit_gives_no_wrong_row(listed, verify, small, tmp_path):
    """Of a file whose times do not show it: what is read is of the events asked for, as a scan
    finds them in these ranges, or an error. Checksums find every bit."""
    small(listed)
    path = indexed(tmp_path)
    wanted = [1, 7, 44]
    chosen = random.Random(7)
    starts = [8 + EVENTS.index(event) * EVENT for event in wanted]
    places = [start + chosen.randrange(EVENT) for start in starts for _ in range(60)]
    data = path.read_bytes()
    for at in places:
        keep_times(path, flip(at, chosen.randrange(8)))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            (tmp_path / "plain.bin").write_bytes(path.read_bytes())
            try:
                expected = evstream.read_columns(tmp_path / "plain.bin", wanted)
            except evstream.EvstreamError:
                expected = None
            found = read_or_refuse(path, wanted, verify)
        assert not (verify and found is not None)
        assert found is None or (expected is not None and same(found, expected))
        keep_times(path, lambda path: path.write_bytes(data) and None)
    assert read_or_refuse(path, wanted, verify) is not None


@LISTED
@pytest.mark.parametrize(
    "data",
    [STREAM + STREAM[8 : 8 + EVENT], STREAM[:-EVENT], STREAM[:-3], b"", STREAM[:8], b"x" * 50],
    ids=["append", "truncate", "cut", "empty", "header", "other"],
)
def test_another_size_is_stale(listed, data, small, tmp_path, no_scan):
    small(listed)
    path = indexed(tmp_path)
    path.write_bytes(data)
    with pytest.raises(evstream.EvstreamError) as caught:
        evstream.read_columns(path, 3)
    if len(data) >= 8 and data[0] == STREAM[0]:
        assert isinstance(caught.value, StaleIndexError)


@LISTED
@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize(
    "events",
    [[*EVENTS[1:], 3], [*EVENTS[:-1], 3], [*EVENTS[:-1], 99], [9] * len(EVENTS), EVENTS],
    ids=["swapped", "twice", "new", "one", "same shape"],
)
def test_another_file_of_the_same_size_is_stale(listed, in_place, events, small, tmp_path, no_scan):
    """Also one that has an event elsewhere which the index does not know of."""
    small(listed)
    path = indexed(tmp_path)
    data = encode("loss", {"len_sample": 2}, blocks_of(events, 2.0))
    assert len(data) == len(STREAM)
    if in_place:
        os.utime(path, ns=(1, 1))
        evstream.build_index(path)
        path.write_bytes(data)
    else:
        (tmp_path / "new").write_bytes(data)
        os.replace(tmp_path / "new", path)
    for wanted in ([3], [99], [64], [12345], []):
        with pytest.raises(StaleIndexError):
            evstream.read_columns(path, wanted)
        if wanted:  # else Polars asks for no event by its id
            ids = polars.col("event_id").is_in(wanted)
            with pytest.raises(StaleIndexError):
                evstream.scan_polars(path).filter(ids).collect()
    with evstream.open(path) as stream, pytest.raises(StaleIndexError):
        stream.event(3)


@LISTED
def test_another_header_is_stale(listed, small, tmp_path):
    small(listed)
    path = indexed(tmp_path)
    keep_times(path, flip(4, 0))  # len_sample
    with pytest.raises(StaleIndexError, match="stream header is"):
        evstream.read_columns(path, 3)
    path = indexed(tmp_path, STREAM[:8] + bytes(0))
    with pytest.raises(StaleIndexError, match="widths"):
        evstream.read_columns(path, 3, widths={"oasis_float": "f8"})


@LISTED
def test_a_file_that_was_touched_is_stale(listed, small, tmp_path):
    small(listed)
    path = indexed(tmp_path)
    os.utime(path, ns=(5, 5))
    with pytest.raises(StaleIndexError, match="written to since"):
        evstream.read_columns(path, 3)
    evstream.build_index(path)
    assert len(evstream.read_columns(path, 3)["loss"]) == 9


@LISTED
def test_copies_of_file_and_index_fit(listed, small, tmp_path, no_scan):
    small(listed)
    indexed(tmp_path)
    folder = tmp_path / "copy"
    folder.mkdir()
    for name in ("a.bin", "a.bin.evx"):
        shutil.copyfile(tmp_path / name, folder / name)
    assert len(evstream.read_columns(folder / "a.bin", 3)["loss"]) == 9
    flip(len(STREAM) - EVENT + 9, 0)(folder / "a.bin")  # far from what is read
    with pytest.raises(StaleIndexError, match="not those that were indexed"):
        evstream.read_columns(folder / "a.bin", 3)


@LISTED
def test_a_file_overwritten_while_it_is_read_is_an_error(listed, small, tmp_path, monkeypatch):
    small(listed)
    path = indexed(tmp_path)
    read_at = range_file.LocalFile.read_at

    def slow(self: Any, offset: int, view: memoryview) -> None:
        if offset > 8 and self.name == str(path):
            os.utime(path, ns=(9, 9))
        read_at(self, offset, view)

    monkeypatch.setattr(range_file.LocalFile, "read_at", slow)
    with pytest.raises(ChangedSourceError):
        evstream.read_columns(path, [64])


@pytest.mark.parametrize("facts", ["runs", "offset", "ids", "counts", "first"])
def test_an_index_with_wrong_facts_gives_no_row(facts, small, tmp_path):
    """One whose checksums are right, as of another file."""
    small(facts == "runs")
    path = indexed(tmp_path)
    index = evstream.build_index(path)
    s = index.stretches
    if facts == "runs":
        assert index.runs is not None
        index.runs[:] = np.roll(index.runs, 1)
    elif facts == "offset":
        s.offset[1:] += 16
    elif facts == "ids":
        s.ids[:] ^= 1
    elif facts == "counts":
        s.blocks[:] += 1
    else:
        s.first[:] += 1
    index.write(f"{path}.evx")
    with pytest.raises(StaleIndexError):
        evstream.read_columns(path, EVENTS)
    with IndexedFile(str(path), index, index.header) as file, pytest.raises(StaleIndexError):
        list(file.chunks(np.sort(EVENTS)))


def a_huge_file(path: Path) -> None:
    path.touch()
    os.truncate(path, 1 << 40)


@pytest.mark.parametrize("make", [a_fifo, a_device, a_folder, a_dangling_link, a_huge_file])
def test_what_lies_in_place_of_an_index_is_an_error(make, tmp_path, no_scan, capsys):
    path = tmp_path / "a.bin"
    path.write_bytes(STREAM)
    make(tmp_path / "a.bin.evx")
    with pytest.raises(StaleIndexError):
        evstream.read_columns(path, 3)
    assert main(["cat", "--event", "3", str(path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    if make in (a_fifo, a_device, a_folder):
        with pytest.raises(StaleIndexError, match="not a regular file"):
            evstream.build_index(path)
        with pytest.raises(StaleIndexError, match="not a regular file"):
            evstream.create(path, len_sample=2, index=True)
