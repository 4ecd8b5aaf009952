"""A stream that does not split itself is cut where its index says, or not at all."""

from __future__ import annotations

import os
import pickle
import shutil
from pathlib import Path

import pytest

import evstream
from evstream import StaleIndexError
from evstream.indexing.indexed_file import IndexedFile
from evstream.reading.section import Section
from golden_files import GOLDEN, LEGAL, file_name
from oracle import encode
from part_cases import check_union, read

NAMES = ("cdf_", "summary_", "loss_i4_f8", "loss_i8_f4", "gul_coverage_i4_f8")

CASES = [e for e in LEGAL if file_name(e).startswith(NAMES) and e["final_delimiter"] is not False]


@pytest.fixture(autouse=True)
def short_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("builder", "index"):
        monkeypatch.setattr(f"evstream.indexing.{module}.STRETCH", 60)


def indexed(folder: Path, entry) -> Path:
    path = folder / file_name(entry)
    shutil.copy(GOLDEN / file_name(entry), path)
    evstream.build_index(path, widths=entry["widths"], durable=False)
    return path


@pytest.mark.parametrize("entry", CASES, ids=file_name)
def test_parts_by_an_index_are_the_file(tmp_path: Path, entry):
    path = indexed(tmp_path, entry)
    size = path.stat().st_size
    for part_size in (70, 200) if size < 5000 else (size // 6,):
        check_union(path, part_size, widths=entry["widths"])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return indexed(tmp_path, next(e for e in LEGAL if file_name(e) == "summary_i4_f4.bin"))


def test_an_index_makes_parts_of_a_summary_stream(path: Path):
    planned = evstream.parts(path, 60)
    assert len(planned) == 3
    assert [len(read([part]).blocks) > 0 for part in planned].count(True) > 1
    copies = [pickle.loads(pickle.dumps(part)) for part in planned]
    assert copies == list(planned)
    assert read(copies) == read([path])
    assert len(evstream.parts(path, 60, index=None)) == 1


def damage(path: Path, at: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


def test_an_index_of_another_file_is_refused(path: Path):
    """Of the same size, with another event where a part begins."""
    planned = evstream.parts(path, 60)
    start = next(s for part in planned if (s := part.open_section().start) > 12)
    damage(path, start, b"\x63")
    for part in evstream.parts(path, 60):
        section_error = None
        try:
            part.open_section().close()
        except StaleIndexError as error:
            section_error = error
        if part.start < start <= part.stop:
            assert section_error is not None
            assert section_error.offset == start


def test_an_index_that_is_gone_or_of_another_size_is_refused(path: Path):
    planned = evstream.parts(path, 60)
    os.remove(f"{path}.evx")
    with pytest.raises(StaleIndexError, match="the index is gone"):
        evstream.open(planned[0])
    evstream.build_index(path, durable=False)
    with path.open("ab") as file:
        file.write(path.read_bytes()[12:])
    with pytest.raises(StaleIndexError):
        evstream.open(evstream.parts(path, 60)[0])


def test_a_part_that_ends_inside_a_block_is_refused(path: Path):
    """The delimiter before a cut was overwritten: the block goes on into the next part."""
    planned = evstream.parts(path, 60)
    start = next(s for part in planned if (s := part.open_section().start) > 12)
    damage(path, start - 8, b"\x05")
    seen = read(evstream.parts(path, 60))
    assert seen.error is not None
    assert seen.error[0] is StaleIndexError
    assert "a part ends inside a block" in seen.error[1]


@pytest.fixture
def of_events(tmp_path: Path) -> Path:
    """Events 1 to 20, three items of two entries each, with an index."""
    path = tmp_path / "a.bin"
    blocks = [((e, item), [(-1, 1.5), (1, 2.0)]) for e in range(1, 21) for item in (1, 2, 3)]
    path.write_bytes(encode("loss", {"len_sample": 2}, blocks))
    evstream.build_index(path, durable=False)
    return path


@pytest.mark.filterwarnings("ignore::evstream.AbsentEventWarning")  # of a part
def test_readers_in_batches_use_the_index_of_parts(of_events: Path, monkeypatch):
    """Also where a query has a filter of its own."""
    pl = pytest.importorskip("polars")

    def read_nothing(section: Section, view: memoryview) -> int:
        assert section.size == 0, "the part was scanned"
        return 0

    monkeypatch.setattr(Section, "readinto", read_nothing)
    planned = evstream.parts(of_events, 500, events=[3, 17])
    assert len(planned) > 2
    expected = [3] * 6 + [17] * 6
    for rows in (4, 100):
        batches = [batch for part in planned for batch in evstream.iter_batches(part, rows=rows)]
        assert [i for batch in batches for i in batch["event_id"].to_pylist()] == expected
    assert evstream.arrow_reader(planned, rows=5).read_all()["event_id"].to_pylist() == expected
    assert evstream.read_arrow(planned)["event_id"].to_pylist() == expected
    scan = evstream.scan_polars(planned)
    assert scan.collect()["event_id"].to_list() == expected
    for query, found in (
        (pl.col("event_id").is_in([8, 17]), [17] * 6),
        (pl.col("item_id") == 2, [3] * 2 + [17] * 2),
    ):
        assert scan.filter(query).collect()["event_id"].to_list() == found


def test_an_index_of_no_use_to_a_scan_is_closed(of_events: Path, monkeypatch):
    """Where too many events could be in its stretches, all is read."""
    pl = pytest.importorskip("polars")
    closed = []
    close = IndexedFile.close
    monkeypatch.setattr(IndexedFile, "close", lambda self: closed.append(close(self)))
    monkeypatch.setattr("evstream.tables.scan.candidates", lambda index: None)
    scan = evstream.scan_polars(of_events).filter(pl.col("event_id") == 3)
    assert scan.collect()["event_id"].to_list() == [3] * 6
    assert len(closed) == 1
