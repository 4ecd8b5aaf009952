"""The parts of a file, one after the other, are the file: each block once, and no other."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import random
import sys
import threading
import tracemalloc
import warnings
from pathlib import Path

import numpy as np
import pytest

import evstream
from evstream import (
    ChangedSourceError,
    LargeEventWarning,
    SecondStreamError,
    StreamHeaderError,
    StreamMismatchError,
    TruncatedStreamError,
)
from evstream.partition import cuts
from evstream.partition import parts as parts_module
from evstream.reading.window import Window
from evstream.transport.range_file import LocalFile
from evstream.transport.source import Source
from golden_files import ENTRIES, GOLDEN, file_name
from part_cases import check_union, read
from support import raw

sys.path.insert(0, str(Path(__file__).parent / "fuzz"))

import targets

OLD = (1_000_000_000, 1_000_000_000)


def make(path: Path, events: int = 40, items: int = 3, samples: int = 4, first: int = 1) -> Path:
    with evstream.create(path, "loss", len_sample=samples, durable=False) as out:
        for event_id in range(first, first + events):
            losses = np.arange(items * samples).reshape(items, samples) + event_id
            out.write_event(event_id, np.arange(1, items + 1), losses, mean=1.0, tiv=1e6)
    os.utime(path, OLD)
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return make(tmp_path / "a.bin")


@pytest.mark.parametrize("entry", ENTRIES, ids=file_name)
def test_parts_of_golden_files_are_the_file(entry):
    path = GOLDEN / file_name(entry)
    stream = "event_ids" if entry["stream"] == "event_ids" else None
    size = path.stat().st_size
    sizes = [16, 100] if size < 300 else [size // 7 + 1, size // 3]
    for part_size in sizes:
        check_union(path, part_size, stream, widths=entry["widths"])


def test_parts_of_cut_files_are_the_file(tmp_path: Path):
    data = (GOLDEN / "loss_i4_f4.bin").read_bytes()
    path = tmp_path / "cut.bin"
    for length in range(0, len(data) + 1, 5):
        path.write_bytes(data[:length])
        check_union(path, 40)


def test_parts_of_damaged_files_are_the_file(tmp_path: Path):
    path, seeds = tmp_path / "x.bin", [bytes([0, 0, 0]) + b for b in sources()]
    for number in range(80):
        chance = random.Random(number)
        data = targets.mutated(chance, chance.choice(seeds)[3:], seeds)
        path.write_bytes(data)
        check_union(path, chance.choice([24, 50, 100, 300, 1000]))


def sources() -> list[bytes]:
    names = ["loss_i4_f4", "loss_empty_blocks_between", "loss_event_interleaved", "gul_item_i4_f4"]
    return [(GOLDEN / f"{name}.bin").read_bytes() for name in names]


@pytest.mark.parametrize("width", ["i4 f4", "i8 f8"])
def test_a_second_stream_at_a_border_is_seen(tmp_path: Path, width: str):
    integer, real = width.split()
    widths = {"oasis_int": integer, "oasis_float": real}
    name = f"loss_{integer}_{real}.bin"
    data = (GOLDEN / name).read_bytes()
    path = tmp_path / "two.bin"
    path.write_bytes(data + data)
    for size in {len(data), len(data) - 1, len(data) + 1, 8, 16, 24}:
        check_union(path, size, widths=widths)
    planned = evstream.parts(path, len(data), widths=widths)
    with pytest.raises(SecondStreamError) as caught:
        list(evstream.open(planned[1]))
    assert caught.value.offset == len(data)


@pytest.mark.parametrize("blocks", [1, 2])
def test_short_blocks_like_a_stream_are_read_alike(tmp_path: Path, blocks: int):
    one = np.array([[7, 1], [1, 0], [0, 0]], np.int32)
    word = np.array([[0x02000001, 9], [0, 0]], np.int32)
    path = tmp_path / "a.bin"
    head = evstream.StreamHeader("loss", {"len_sample": 9}).to_bytes()
    for tail in ([1, 0], [0, 0], [-1, 0], [5, 1 << 30]):
        rest = np.array([tail, [0, 0]], np.int32)
        path.write_bytes(head + b"".join(x.tobytes() for x in [*[one] * blocks, word, rest]))
        for size in (8, 24, 40):
            check_union(path, size)


def test_checks_at_the_end_of_a_part_look_at_the_bytes_after_it(file: Path):
    section = evstream.parts(file, 700)[1].open_section()
    window = Window(section, 1000)
    window.ahead = 24
    while window.fill():
        window.cursor = window.valid - 8
    data = file.read_bytes()
    assert window.known.tobytes() == data[section.stop - 8 : section.stop + 24]
    assert (window.valid, window.offset) == (8, section.stop - 8)
    section.close()


def test_a_hole_at_a_border_is_seen(tmp_path: Path):
    data = (GOLDEN / "loss_i4_f4.bin").read_bytes()
    path = tmp_path / "hole.bin"
    path.write_bytes(data + bytes(160) + data[8:])
    for size in (len(data), len(data) + 80, 30):
        check_union(path, size)
        check_union(path, size, strict=True)
        with pytest.warns(evstream.HoleWarning, match=rf"byte {len(data)}: blocks of zero"):
            [list(evstream.open(part)) for part in evstream.parts(path, size)]


def test_offsets_are_those_of_the_file(file: Path):
    data = bytearray(file.read_bytes())
    file.write_bytes(data[:-3])
    planned = evstream.parts(file, 500)
    with pytest.raises(TruncatedStreamError) as caught:
        list(evstream.open(planned[-1]))
    assert (caught.value.source, caught.value.offset) == (str(file), len(data) - 8)
    with evstream.open(planned[2]) as stream:
        list(stream)
        assert 1500 <= stream.offset < 1700


def test_only_the_part_at_the_end_judges_the_end(file: Path):
    file.write_bytes(file.read_bytes()[:-8])
    planned = evstream.parts(file, 500)
    for part in planned[:-1]:
        assert read([part]).unclosed == []
    assert len(read([planned[-1]]).unclosed) == 1
    with evstream.open(planned[-1], strict=True) as stream, pytest.raises(TruncatedStreamError):
        list(stream)


@pytest.mark.parametrize("whole", ["block", "event"])
def test_a_part_goes_to_another_process(file: Path, whole: str):
    planned = evstream.parts(file, 700, whole=whole)
    for part in planned:
        copy = pickle.loads(pickle.dumps(part))
        assert copy == part
        assert read([copy]) == read([part])


def test_a_pickled_part_is_small(file: Path):
    path = "/mnt/project/run-0123456789/output/losses/"
    part = evstream.parts(file, 700)[3]
    for stored in (file.name, path + "gul_part_000017.bin"):
        named = evstream.Part(
            stored, part.start, 1 << 40, 1 << 41, part.tag, part.header, "event",
            like=path + "gul_part_000000.bin",
        )  # fmt: skip
        assert len(pickle.dumps(named)) < 300
    assert len(pickle.dumps(evstream.parts(file, 700))) < 1000


CHANGES = {
    "grown": lambda path: path.write_bytes(path.read_bytes() + b"more"),
    "cut": lambda path: os.truncate(path, 900),
    "touched": lambda path: os.utime(path, (2e9, 2e9)),
    "replaced": lambda path: make(path, first=100),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_file_that_changed_since_planning_is_refused(file: Path, change: str):
    planned = evstream.parts(file, 700)
    CHANGES[change](file)
    for part in (planned[0], planned[1]):
        with pytest.raises(ChangedSourceError, match=r"a\.bin"):
            evstream.open(part)


def test_a_part_that_does_not_end_with_a_block_is_refused(file: Path, monkeypatch):
    """As where a file is overwritten within one tick of the clock, after the cut was found."""
    part = evstream.parts(file, 700)[1]
    section = part.open_section()
    section.stop += 8
    section.size += 8
    monkeypatch.setattr(evstream.Part, "open_section", lambda self, timeout=None: section)
    with pytest.raises(ChangedSourceError, match="a part ends inside a block") as caught:
        list(evstream.open(part))
    assert (caught.value.source, caught.value.offset) == (str(file), section.stop - 8)


def test_files_with_other_headers_are_refused(tmp_path: Path):
    first, other = make(tmp_path / "a.bin"), make(tmp_path / "b.bin", samples=5)
    text = rf"{other}: byte 4: len_sample is 5, expected 4, as in {first}"
    planned = evstream.parts(tmp_path, 100_000)
    for read_it in (lambda: evstream.open(planned[1]), lambda: list(evstream.open(tmp_path))):
        with pytest.raises(StreamMismatchError, match=text):
            read_it()


def test_a_file_that_is_no_stream_is_named(tmp_path: Path):
    make(tmp_path / "a.bin")
    (tmp_path / "b.bin").write_text("event_id,item_id\n")
    planned = evstream.parts(tmp_path)
    with pytest.raises(StreamHeaderError, match=r"b\.bin"):
        evstream.open(planned[1])


def test_a_part_is_read_as_it_was_planned(file: Path):
    part = evstream.parts(file)[0]
    assert evstream.open(part, "gul").header.stream == "loss"
    with pytest.raises(StreamMismatchError, match="the part is of a loss stream"):
        evstream.open(part, "summary")
    with pytest.raises(StreamMismatchError, match="planned with oasis_float f4"):
        evstream.open(part, widths={"oasis_float": "f8"})


def test_events_are_filtered(file: Path):
    for events in (7, [3, 7, 40, 99], range(5, 12)):
        planned = evstream.parts(file, 700, events=events)
        found = [event.event_id for part in planned for event in evstream.open(part)]
        wanted = [events] if isinstance(events, int) else events
        assert sorted(set(found)) == [e for e in wanted if e <= 40]
        rows = evstream.read_columns(planned)
        assert sorted(set(rows["event_id"].tolist())) == [e for e in wanted if e <= 40]
        assert pickle.loads(pickle.dumps(planned[0])) == planned[0]


def giant(path: Path, items: int = 4000) -> Path:
    with evstream.create(path, "loss", len_sample=4, durable=False) as out:
        for event_id, n in ((1, 2), (2, items), (3, 2)):
            out.write_event(event_id, np.arange(1, n + 1), np.ones((n, 4)), mean=1.0, tiv=1e6)
    return path


def test_a_giant_event_is_one_part_and_named(tmp_path: Path):
    path = giant(tmp_path / "a.bin", 400)
    planned = evstream.parts(path, 1000, whole="event")
    with pytest.warns(LargeEventWarning, match=r"a\.bin: byte \d+, event_id 2: .* of 1,000"):
        found = [[event.event_id for event in evstream.open(part)] for part in planned]
    assert [events for events in found if events] == [[1, 2], [3]]
    assert len(planned) > 20


def test_the_search_in_a_giant_event_is_linear(tmp_path: Path, monkeypatch):
    path = giant(tmp_path / "a.bin")
    monkeypatch.setattr(cuts, "FIRST_READ", 512)
    monkeypatch.setattr(cuts, "LARGEST_READ", 512)
    monkeypatch.setattr("evstream.partition.part.FIRST", 64)
    count = 0
    read_at = LocalFile.read_at

    def counted(self: LocalFile, offset: int, view: memoryview) -> None:
        nonlocal count
        count += len(view)
        read_at(self, offset, view)

    monkeypatch.setattr(LocalFile, "read_at", counted)
    planned = evstream.parts(path, 2000, whole="event")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for part in planned:
            evstream.open(part).close()
    assert count < 4 * path.stat().st_size
    assert len(planned) > 100


@pytest.mark.parametrize("ending", [".bin.gz", ".bin"])
def test_a_compressed_file_is_one_part(file: Path, tmp_path: Path, ending: str):
    packed = tmp_path / f"packed{ending}"
    packed.write_bytes(gzip.compress(file.read_bytes()))
    planned = evstream.parts(packed, 200)
    seen = read(planned)
    assert seen.blocks == read([file]).blocks
    assert [len(read([part]).blocks) > 0 for part in planned] == [True] + [False] * (
        len(planned) - 1
    )


def test_a_fifo_is_opened_once(file: Path, tmp_path: Path):
    os.mkfifo(tmp_path / "fifo")
    writer = threading.Thread(target=lambda: (tmp_path / "fifo").write_bytes(file.read_bytes()))
    writer.start()
    planned = evstream.parts(tmp_path / "fifo", 100)
    assert len(planned) == 1
    with pytest.raises(TypeError, match="fifo: a pipe can be read by this process only"):
        pickle.dumps(planned[0])
    assert read(planned).blocks == read([file]).blocks
    writer.join()


def test_a_file_object_is_one_part(file: Path):
    planned = evstream.parts([io.BytesIO(file.read_bytes()), str(file)], 700)
    assert planned[0].length is None
    assert len(planned) == 1 + len(evstream.parts(file, 700))
    assert read(planned).blocks == 2 * read([file]).blocks


def test_summary_streams_are_not_guessed_at():
    planned = evstream.parts(GOLDEN / "summary_i4_f4.bin", 20)
    assert len(planned) == 1
    assert read(planned) == read([GOLDEN / "summary_i4_f4.bin"])


@pytest.mark.parametrize(
    ("size", "number"),
    [(7, 7), ("7", 7), ("2 KiB", 2048), ("1.5MB", 1_500_000), ("256 MiB", 1 << 28), ("1gb", 10**9)],
)
def test_a_size_is_a_number_or_a_text(file: Path, size, number: int):
    assert evstream.parts(file, size)[0].stop == min(number, file.stat().st_size)


@pytest.mark.parametrize("size", [0, -1, "", "MiB", "3 apples", "0.1", None, True, float("nan")])
def test_a_size_of_nothing_is_refused(file: Path, size):
    with pytest.raises(ValueError, match="size is"):
        evstream.parts(file, size)


def test_what_parts_do_not_take_is_refused(file: Path):
    with pytest.raises(ValueError, match="whole is 'item', expected 'block' or 'event'"):
        evstream.parts(file, whole="item")
    with pytest.raises(ValueError, match="index is"):
        evstream.parts(file, index="always")
    with pytest.raises(TypeError, match="parts already"):
        evstream.parts(evstream.parts(file))
    with pytest.raises(FileNotFoundError, match="absent"):
        evstream.parts([file, file.with_name("absent.bin")])


def test_parts_are_a_sequence(file: Path):
    planned = evstream.parts(file, 700)
    assert planned[-1] == planned[len(planned) - 1] == list(planned)[-1]
    assert planned[1:3] == [planned[1], planned[2]]
    assert [part.stop for part in planned][:-1] == [part.start for part in planned][1:]
    assert (planned.size, planned.files) == (file.stat().st_size, [str(file)])
    with pytest.raises(IndexError):
        planned[len(planned)]
    assert repr(planned[1]).startswith("<Part bytes 700 to 1400 of ")


def test_neighbours_are_read_as_one(file: Path):
    planned = evstream.parts(file, 100)
    assert [event.event_id for event in evstream.open(planned)] == list(range(1, 41))
    backwards = list(reversed(planned))
    rows = evstream.read_columns(backwards)
    assert len(rows["loss"]) == len(evstream.read_columns(file)["loss"])


def test_ten_thousand_files_are_planned_without_opening_them(tmp_path: Path, monkeypatch):
    data = make(tmp_path / "0.bin", 1, 1).read_bytes()
    for number in range(1, 10_000):
        (tmp_path / f"{number}.bin").symlink_to("0.bin")
    assert len(data) < 100
    opened = []
    monkeypatch.setattr(parts_module, "Source", lambda *a, **k: opened.append(a) or Source(*a, **k))
    tracemalloc.start()
    planned = evstream.parts(tmp_path)
    memory = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert (len(planned), len(opened)) == (10_000, 1)
    assert memory < 5e6


def test_values_of_parts_are_those_of_the_file(file: Path):
    whole = evstream.read_columns(file)
    pieces = [evstream.read_columns(part) for part in evstream.parts(file, 300)]
    for name, column in whole.items():
        assert raw(np.concatenate([piece[name] for piece in pieces])) == raw(column)


def test_parts_of_different_streams_are_not_read_as_one(tmp_path: Path):
    """Else losses of summaries would be added to those of items, and f8 rounded to f4."""
    first = make(tmp_path / "first.bin")
    samples = make(tmp_path / "samples.bin", samples=9)
    with evstream.create(tmp_path / "wide.bin", "loss", len_sample=4, widths=WIDE) as out:
        out.write_event(1, [1], [[1.0, 2.0, 3.0, 4.0]])
    with evstream.create(tmp_path / "gul.bin", "gul_item", len_sample=4) as out:
        out.write_event(1, [1], [[1.0, 2.0, 3.0, 4.0]])
    others = {
        "samples.bin: byte 4: len_sample is 9, expected 4, as in": evstream.parts(samples),
        "gul.bin: byte 0: this is a gul_item stream, expected": evstream.parts(
            tmp_path / "gul.bin"
        ),
        "wide.bin: oasis_float is read as f8, expected f4, as in": evstream.parts(
            tmp_path / "wide.bin", widths=WIDE
        ),
    }
    for expected, parts in others.items():
        for function in (
            evstream.dask.read,
            evstream.read_columns,
            lambda several: evstream.aggregate(several, "event_id"),
            lambda several: evstream.convert(several, tmp_path / "out.csv"),
        ):
            with pytest.raises(StreamMismatchError, match=expected):
                function([*evstream.parts(first), *parts])
    with pytest.raises(StreamMismatchError, match="len_sample is 9"):
        evstream.aggregate([*evstream.parts(first), samples], "event_id")


WIDE = {"oasis_float": "f8"}
