"""The binary files of a run folder: bytes, columns, names and faults, against a table by hand."""

from __future__ import annotations

import gzip
import io
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zstandard

import evstream
from evstream._support.known_formats import find_format
from evstream.checking.sealing import seal_of
from evstream.checking.tee import tee
from evstream.cli.program import main
from tests.file_types import FILES, letters, rows

BUILDS = {"narrow": {}, "wide": {"OASIS_FLOAT": "f8", "OASIS_AREAPERIL_TYPE": "u8"}}
BY_NAME = [(name, build) for name in FILES for build in BUILDS]


def packed(name: str, build: str) -> bytes:
    header, record, _, _ = FILES[name]
    start = struct.pack("<" + header, *(0 for _ in header))
    return start + b"".join(struct.pack(letters(record, build), *row) for row in rows(record))


@pytest.fixture
def build(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    for variable, width in BUILDS[request.param].items():
        monkeypatch.setenv(variable, width)
    return str(request.param)


@pytest.mark.parametrize(("name", "build"), BY_NAME, indirect=["build"])
def test_a_file_is_read_by_its_usual_name(name: str, build: str, tmp_path: Path) -> None:
    _, record, _, file = FILES[name]
    path = tmp_path / file
    path.write_bytes(packed(name, build))
    columns = evstream.read_columns(path)
    values = list(zip(*rows(record), strict=True))
    if len(columns) == len(values) + 1:
        values.insert(0, (1, 2, 3, 4, 5))
    assert [tuple(column.tolist()) for column in columns.values()] == values
    assert evstream.validate(path).errors == 0


@pytest.mark.parametrize(("name", "build"), BY_NAME, indirect=["build"])
def test_csv_has_the_columns_of_the_field(name: str, build: str, tmp_path: Path) -> None:
    header, _, columns, file = FILES[name]
    path, text, back = tmp_path / file, tmp_path / "table.csv", tmp_path / "back.bin"
    path.write_bytes(packed(name, build))
    evstream.convert(path, text)
    assert text.read_text().partition("\n")[0] == columns
    options = {"amplification_options": 0} if header else {}
    evstream.convert(text, back, stream=name, **options)
    assert back.read_bytes() == path.read_bytes()


def test_a_usual_name_of_the_target_names_the_type(tmp_path: Path) -> None:
    (tmp_path / "back").mkdir()
    for name, (_, _, _, file) in FILES.items():
        path, text, back = tmp_path / file, tmp_path / f"{name}.csv", tmp_path / "back" / file
        path.write_bytes(packed(name, "narrow"))
        evstream.convert(path, text)
        evstream.convert(text, back)
        assert back.read_bytes() == path.read_bytes(), name


def test_an_exposure_of_zero_stays_in_a_table(tmp_path: Path) -> None:
    """A summary stream has one exposure per block, and fills the gaps of a SELT; a table has its
    own in each row."""
    text = tmp_path / "selt.csv"
    text.write_text(f"{FILES['selt'][2]}\n1,1,1,0.0,0.0\n1,1,1,5.0,100.0\n")
    evstream.convert(text, tmp_path / "selt.bin")
    rows = evstream.read_columns(tmp_path / "selt.bin")
    assert rows["impacted_exposure"].tolist() == [0.0, 100.0]


def test_loss_factors_are_counted_blocks(tmp_path: Path) -> None:
    path = tmp_path / "lossfactors.bin"
    path.write_bytes(struct.pack("<iiiififiiif", 0, 1, 2, 3, 0.5, 4, 0.25, 7, 1, 5, 2.0))
    rows = evstream.read_columns(path)
    assert {name: column.tolist() for name, column in rows.items()} == {
        "event_id": [1, 1, 7],
        "amplification_id": [3, 4, 5],
        "factor": [0.5, 0.25, 2.0],
    }


def test_usual_names_differ_in_case_and_compression(tmp_path: Path) -> None:
    names = ("ITEMS.BIN", "items.bin.gz", "gulSummaryXref.bin.zst")
    found = [find_format(None, None, tmp_path / name)[1] for name in names]
    assert found == ["items", "items", "gul_summary_xref"]


def test_the_name_of_a_stream_goes_before_that_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "items.bin"
    with evstream.create(path, "loss", len_sample=1) as out:
        out.write_event(1, [1], [[5.0]])
    with evstream.open(path, "loss") as stream:
        assert [event.event_id for event in stream] == [1]


@pytest.mark.parametrize("file", [entry[3] for entry in FILES.values()])
def test_a_stream_with_the_name_of_a_file_is_refused(file: str, tmp_path: Path) -> None:
    """Any bytes are random numbers: no loss becomes one because of a name."""
    path = tmp_path / file
    with evstream.create(path, "loss", len_sample=4) as out:
        out.write_event(1, [1], [[1.0, 2.0, 3.0, 4.0]])
    for read in (evstream.read_columns, evstream.validate, evstream.parts):
        with pytest.raises(evstream.StreamMismatchError, match="begins as a loss stream"):
            read(path)
    assert evstream.read_columns(path, stream="loss")["loss"].tolist() == [1.0, 2.0, 3.0, 4.0]


@pytest.mark.parametrize("ending", ["gz", "zst"])
def test_compressed_data_is_not_read_as_values(ending: str, tmp_path: Path) -> None:
    """Any four bytes are a random number; only the name says that they are compressed."""
    data = np.linspace(0, 1, 400, dtype="<f4").tobytes()
    compressed = gzip.compress(data) if ending == "gz" else zstandard.compress(data)
    values = -(-len(compressed) // 4)
    path = tmp_path / "random.bin"
    path.write_bytes(compressed.ljust(4 * values, b"\0"))
    for read in (evstream.read_columns, evstream.parts):
        with pytest.raises(evstream.CorruptStreamError, match=f"expected a name .* in .{ending},"):
            read(path)
    assert evstream.validate(path).counts == {"file-whole": 1}
    assert len(evstream.read_columns(path, stream="random")["random_no"]) == values
    named = tmp_path / f"random.bin.{ending}"
    named.write_bytes(compressed)
    assert len(evstream.read_columns(named)["random_no"]) == 400


def test_a_part_keeps_the_stream_that_the_caller_named(tmp_path: Path) -> None:
    """Event ids may have the bytes of a type word; who names the stream type means it."""
    path = tmp_path / "ids.bin"
    ids = [*struct.unpack("<ii", bytes.fromhex("010000020a000000")), 3, 4]
    path.write_bytes(struct.pack("<4i", *ids))
    planned = evstream.parts(path, 8, stream="event_ids")
    assert len(planned) == 2
    for source, options in ((path, {"stream": "event_ids"}), (planned, {})):
        assert evstream.read_columns(source, **options)["event_id"].tolist() == ids


@pytest.mark.parametrize("missing", [1, 19])
def test_a_size_that_does_not_divide_is_an_error(missing: int, tmp_path: Path) -> None:
    path = tmp_path / "items.bin"
    path.write_bytes(packed("items", "narrow")[:-missing])
    with pytest.raises(evstream.TruncatedStreamError) as caught:
        evstream.read_columns(path)
    place = f"byte 100: the stream ends inside record item_record, after {20 - missing} of its 20"
    assert place.replace("100", "80") in str(caught.value)


def test_a_number_that_is_no_place_is_refused(tmp_path: Path) -> None:
    out = evstream.create(tmp_path / "coverages.bin", validate=False)
    out.write_columns([1, 2], [5.0, 6.0])
    with pytest.raises(evstream.WriteError, match="coverage_id is 4, expected 3, the number"):
        out.write_columns([4], [7.0])
    out.abort()


@pytest.mark.parametrize("given", [(1, 3), (2, 3), (1, 1)])
def test_damage_bins_are_numbered_without_gaps(given: tuple[int, int], tmp_path: Path) -> None:
    path = tmp_path / "damage_bin_dict.bin"
    path.write_bytes(b"".join(struct.pack("<ifffi", n, 0, 1, 0.5, 0) for n in given))
    report = evstream.validate(path)
    assert report.counts == {"ids-consecutive": 1}
    with pytest.raises(evstream.WriteError, match="ids-consecutive"), evstream.create(path) as out:
        out.write_columns(list(given), 0.0, 1.0, 0.5, 0)


def test_numbers_go_on_over_the_chunks_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "coverages.bin"
    np.zeros(600_000, "<f4").tofile(path)
    numbers = evstream.read_columns(path)["coverage_id"]
    assert np.array_equal(numbers, np.arange(1, 600_001))
    assert numbers.dtype == np.uint32


WITHOUT_IDS = {"coverages", "quantile", "random"}
"""Records of one float, for which 0 is legal."""


@pytest.mark.parametrize("name", [name for name in FILES if name not in WITHOUT_IDS])
def test_zero_bytes_in_a_file_of_ids_are_a_hole(name: str, tmp_path: Path) -> None:
    _, record, _, file = FILES[name]
    path, size = tmp_path / file, struct.calcsize(letters(record, "narrow"))
    data = bytearray(packed(name, "narrow"))
    start = len(data) - 4 * size
    data[start : start + 2 * size] = bytes(2 * size)
    path.write_bytes(data)
    said = f"{file}: byte {start}: blocks of zero bytes alone \\(2 in the stream\\)"
    with pytest.warns(evstream.HoleWarning, match=said):
        assert len(next(iter(evstream.read_columns(path).values()))) == 5
    with pytest.raises(evstream.CorruptStreamError, match=f"byte {start}: zero bytes where"):
        evstream.read_columns(path, strict=True)
    report = evstream.validate(path)
    assert report.counts.keys() & {
        "id-positive",
        "vulnerability-positive",
        "return-period-positive",
    }


def holed_items(folder: Path) -> Path:
    """Of 20 items, numbers 6 to 10 are lost."""
    path, record = folder / "items.bin", struct.Struct("<iIIiI")
    lines = [record.pack(*(n,) * 5) if not 6 <= n <= 10 else bytes(20) for n in range(1, 21)]
    path.write_bytes(b"".join(lines))
    return path


def test_every_reader_of_a_file_reports_a_hole(tmp_path: Path) -> None:
    path = holed_items(tmp_path)
    said = "items.bin: byte 100: blocks of zero bytes alone"
    readers = {
        "events": lambda: list(evstream.open(path)),
        "chunks": lambda: list(evstream.open(path).chunks()),
        "batches": lambda: list(evstream.iter_batches(path)),
        "dataframe": lambda: evstream.read_pandas(path),
        "query": lambda: evstream.scan_polars(path).collect(),
        "sums": lambda: evstream.aggregate(path, "coverage_id"),
        "parts": lambda: evstream.aggregate(evstream.parts(path, 60), "coverage_id"),
        "a part": lambda: [evstream.read_columns(part) for part in evstream.parts(path, 60)],
        "a comparison": lambda: evstream.compare(path, path),
        "a table": lambda: evstream.convert(path, tmp_path / "items.parquet"),
    }
    for read in readers.values():
        with pytest.warns(evstream.HoleWarning, match=said):
            read()


def test_commands_on_a_file_with_a_hole_end_with_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(holed_items(tmp_path))
    for command in (["info"], ["cat"], ["validate"], ["convert"]):
        more = [str(tmp_path / "items.csv")] if command == ["convert"] else []
        assert main([*command, path, *more]) == 1, command
        told = capsys.readouterr()
        assert "byte 100" in told.out + told.err, command
    for command in (["seal"], ["info", "--strict"], ["cat", "--strict"]):
        assert main([*command, path]) == 2, command
        assert "byte 100" in capsys.readouterr().err, command


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_info_of_a_folder_reports_a_hole_as_of_a_file(
    jobs: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evstream.partition.whole_file.SMALL", 1)
    monkeypatch.setattr("evstream.partition.whole_file.PART", 60)
    holed_items(tmp_path)
    assert main(["info", "--jobs", jobs, str(tmp_path)]) == 1
    assert "5 blocks of zero bytes alone, 5 x id-positive" in capsys.readouterr().out
    assert main(["validate", "--json", "--jobs", jobs, str(tmp_path)]) == 1
    report = json.loads(capsys.readouterr().out)
    assert (report["holes"], report["files"][0]["holes"]) == (5, 5)


def test_a_row_of_ids_0_with_a_loss_is_no_hole(tmp_path: Path) -> None:
    path = tmp_path / "selt.bin"
    path.write_bytes(struct.pack("<iiiff", 0, 0, 0, 5.0, 0.0) * 2)
    with pytest.warns(evstream.SuspectWarning, match="byte 0, event_id 0, summary_id 0"):
        assert evstream.read_columns(path)["loss"].tolist() == [5.0, 5.0]


def test_zero_bytes_among_loss_factors_are_a_hole(tmp_path: Path) -> None:
    path = tmp_path / "lossfactors.bin"
    path.write_bytes(struct.pack("<iiiif", 0, 1, 1, 3, 0.5) + bytes(16))
    with pytest.warns(evstream.HoleWarning, match=r"byte 20: .* \(2 in the stream\)"):
        assert [event.event_id for event in evstream.open(path)] == [1, 0]
    assert evstream.validate(path).counts["id-positive"] == 2


def test_commands_know_files_by_their_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "coverages.bin"
    path.write_bytes(packed("coverages", "narrow"))
    assert main(["cat", str(path)]) == 0
    assert capsys.readouterr().out.splitlines()[:2] == ["coverage_id,tiv", "1,0.25"]
    assert main(["info", str(path)]) == 0
    assert "coverages (no type word)" in capsys.readouterr().out


def test_an_unknown_type_lists_those_of_files(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="oasis_files: items, coverages, "):
        evstream.open(tmp_path / "items.bin", "itemz")


SOURCES = [(n, 1, 0.5, n, 0.25, max(n - 1, 0) if n % 2 else 0) for n in range(1, 12)]


@pytest.mark.parametrize("count", [1, 2, 5, 10, 11])
def test_correlations_are_of_either_length(count: int, tmp_path: Path) -> None:
    """Releases of the reference differ in a column, and a file does not say whose it is."""
    path = tmp_path / "correlations.bin"
    for letters_of_one, size in (("<iififi", 6), ("<iifif", 5)):
        rows_of_one = [row[:size] for row in SOURCES[:count]]
        path.write_bytes(b"".join(struct.pack(letters_of_one, *row) for row in rows_of_one))
        for source in (path, evstream.parts(path, 24)):
            columns = evstream.read_columns(source)
            assert list(zip(*(c.tolist() for c in columns.values()), strict=True)) == rows_of_one
        assert evstream.validate(path).clean


@pytest.mark.parametrize("count", [1, 5])
def test_correlations_in_a_pipe_are_of_either_length(count: int) -> None:
    data = b"".join(struct.pack("<iififi", *row) for row in SOURCES[:count])
    with evstream.open(io.BytesIO(data), "correlations") as stream:
        assert stream.header.stream == "correlations_source"
        assert sum(len(chunk.columns.block[0]) for chunk in stream.chunks()) == count


@pytest.mark.parametrize("count", [0, 1, 5, 10, 11, 800])
def test_seals_and_indexes_are_of_either_length(count: int, tmp_path: Path) -> None:
    """240 bytes are 12 records or 10: what follows the bytes decides as a reader does."""
    path = tmp_path / "correlations.bin"
    places = str(tmp_path / "a.seal"), str(tmp_path / "a.evx")
    for letters_of_one, size in (("<iififi", 6), ("<iifif", 5)):
        rows_of_one = [(*SOURCES[1][:3], n, 0.25, 1)[:size] for n in range(1, count + 1)]
        rows_of_one = [(n, *row[1:]) for n, row in enumerate(rows_of_one, 1)]
        data = b"".join(struct.pack(letters_of_one, *row) for row in rows_of_one)
        path.write_bytes(data)
        for options in ({}, {"validate": True}):
            target = io.BytesIO()
            passed = tee(
                io.BytesIO(data), target, seal=places[0], index=places[1], stream="correlations",
                **options,
            )  # fmt: skip
            assert (passed.problem, passed.uncertified, target.getvalue()) == (None, None, data)
            assert (passed.seal.records, passed.seal.complete) == (count, True)
        seal_of(str(path), 1).write(f"{path}.seal")
        assert evstream.validate(path).clean
        index = evstream.build_index(path)
        assert int(index.stretches.blocks.sum()) == count
        assert index.header.stream == passed.seal.stream
        Path(places[1]).replace(f"{path}.evx")  # that of the tee serves as well
        if count:
            columns = evstream.read_columns(path, events=[count])
            assert [column[0].item() for column in columns.values()] == list(rows_of_one[-1])


def test_a_tee_that_waits_for_records_passes_all_on() -> None:
    """Until the length of a record is known, no byte is passed on: it might end between two."""

    class Stalling(io.RawIOBase):
        def __init__(self) -> None:
            self.pieces = [struct.pack("<iififi", *row) for row in SOURCES[:3]]

        def readable(self) -> bool:
            return True

        def readinto(self, view: Any) -> int:
            if not self.pieces:
                raise evstream.StallError("no data")
            view[:24] = self.pieces.pop(0)
            return 24

    target = io.BytesIO()
    with pytest.raises(evstream.StallError):
        tee(Stalling(), target, stream="correlations")
    with pytest.raises(evstream.TruncatedStreamError):
        evstream.read_columns(io.BytesIO(target.getvalue()), stream="correlations")


def test_a_table_tells_which_correlations_it_has(tmp_path: Path) -> None:
    path, text, back = (tmp_path / n for n in ("correlations.bin", "c.csv", "back.bin"))
    path.write_bytes(b"".join(struct.pack("<iififi", *row) for row in SOURCES))
    evstream.convert(path, text)
    evstream.convert(text, back, stream="correlations")
    assert back.read_bytes() == path.read_bytes()


ORD = [name for name, (_, _, columns, _) in FILES.items() if "SummaryId" in columns]


@pytest.mark.parametrize("name", ORD)
def test_parquet_of_results_has_the_columns_of_the_field(name: str, tmp_path: Path) -> None:
    """Open results data names its columns; tables of other tools need no metadata of ours."""
    pq = pytest.importorskip("pyarrow.parquet")
    _, _, columns, file = FILES[name]
    path, table, foreign, back = (tmp_path / n for n in (file, "a.parquet", "b.parquet", "c.bin"))
    path.write_bytes(packed(name, "narrow"))
    evstream.convert(path, table)
    assert pq.read_schema(table).names == columns.split(",")
    pq.write_table(pq.read_table(table).replace_schema_metadata(None), foreign)
    for source, options in ((table, {}), (foreign, {"stream": name})):
        evstream.convert(source, back, **options)
        assert back.read_bytes() == path.read_bytes()


def test_parquet_of_summaries_keeps_its_columns(tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    with evstream.create(tmp_path / "s.bin", "summary", len_sample=1, summary_set_id=1) as out:
        out.write_event(1, [1], [[5.0]], exposure_values=[10.0])
    evstream.convert(tmp_path / "s.bin", tmp_path / "s.parquet")
    assert "event_id" in pq.read_schema(tmp_path / "s.parquet").names


def test_runs_of_an_id_are_blocks_without_an_index(tmp_path: Path) -> None:
    """As the field has loss factors in CSV: the rows of an event are those that follow one
    another, over the ends of batches too."""
    text, path, back = tmp_path / "a.csv", tmp_path / "lossfactors.bin", tmp_path / "b.csv"
    rows = [(event, n, 0.5) for event in (3, 1, 2) for n in range(1, 60_000)] + [(3, 1, 2.0)]
    lines = "".join(f"{event},{n},{factor}\n" for event, n, factor in rows)
    text.write_text("event_id,amplification_id,factor\n" + lines)
    evstream.convert(text, path, factor_options=0)
    counts = [(event.event_id, len(event.factor)) for event in evstream.open(path)]
    assert counts == [(3, 59_999), (1, 59_999), (2, 59_999), (3, 1)]
    evstream.convert(path, back)
    assert back.read_text() == text.read_text()
    assert evstream.compare(path, path).equal


def test_blocks_that_rows_merge_are_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "lossfactors.bin"
    path.write_bytes(struct.pack("<iiiifiiif", 0, 7, 1, 5, 2.0, 7, 1, 6, 3.0))
    with pytest.warns(evstream.errors.RowsWarning, match="1 block"):
        assert evstream.read_columns(path)["event_id"].tolist() == [7, 7]
