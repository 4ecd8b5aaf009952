"""Files whose blocks an index file places: footprints and vulnerability functions."""

from __future__ import annotations

import io
import itertools
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import evstream
from evstream.cli.program import main

EVENTS = {
    3: [(10, 1, 0.5), (10, 2, 0.5)],
    1: [(11, 3, 1.0)],
    9: [(10, 1, 0.25), (10, 2, 0.75), (12, 2, 1.0)],
}
ROWS = [(event, *row) for event, rows in EVENTS.items() for row in rows]
FUNCTIONS = {2: [(1, 1, 0.5), (1, 2, 0.5)], 5: [(1, 3, 1.0)]}

LAYOUTS = list(itertools.product(range(4), ["footprint.bin", "footprint.bin.z"]))
layouts = pytest.mark.parametrize(("options", "name"), LAYOUTS)


def index_of(path: Path) -> Path:
    return path.with_name(path.name.replace(".bin", ".idx"))


Rows = list[tuple[int, int, float]]


def write_pair(path: Path, options: int, events: dict[int, Rows] = EVENTS) -> bytes:
    """A footprint and its index file, by hand; returns the index."""
    data, index = struct.pack("<ii", 4, options), b""
    for event, rows in events.items():
        plain = b"".join(struct.pack("<Iif", *row) for row in rows)
        stored = zlib.compress(plain) if path.name.endswith(".z") else plain
        index += struct.pack("<iqq", event, len(data), len(stored))
        index += struct.pack("<q", len(plain)) if options & 2 else b""
        data += stored
    path.write_bytes(data)
    index_of(path).write_bytes(index)
    return index


def rows_of(columns: dict[str, np.ndarray]) -> list[tuple[float, ...]]:
    return list(zip(*(column.tolist() for column in columns.values()), strict=True))


@layouts
def test_a_footprint_is_read_by_its_index(options: int, name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    write_pair(path, options)
    assert rows_of(evstream.read_columns(path)) == ROWS
    with evstream.open(path) as stream:
        assert [event.event_id for event in stream] == list(EVENTS)
        assert stream.header.footprint_options == options
        assert stream.event(9).areaperil_id.tolist() == [10, 10, 12]
    assert evstream.validate(path).errors == 0
    assert evstream.read_polars(path).rows() == ROWS
    lazy = evstream.scan_polars(path).filter(pl.col("event_id") == 1)
    assert lazy.collect().rows() == [(1, 11, 3, 1.0)]
    assert len(evstream.read_columns(path, events=[9, 1])["event_id"]) == 4
    assert evstream.compare(path, path).equal


@layouts
def test_both_files_come_back_from_tables(options: int, name: str, tmp_path: Path) -> None:
    path, back = tmp_path / name, tmp_path / "back" / name
    back.parent.mkdir()
    index = write_pair(path, options)
    given = {"no_of_intensity_bins": 4, "footprint_options": options}
    for end, header in (("csv", given), ("jsonl", given), ("parquet", {}), ("arrow", {})):
        evstream.convert(path, tmp_path / f"table.{end}")
        evstream.convert(tmp_path / f"table.{end}", back, **header)
        assert (back.read_bytes(), index_of(back).read_bytes()) == (path.read_bytes(), index)
        back.unlink()
    evstream.convert(path, back)
    assert (back.read_bytes(), index_of(back).read_bytes()) == (path.read_bytes(), index)
    with evstream.create(back, **given) as out:
        for event, rows in EVENTS.items():
            out.write_columns(event, *zip(*rows, strict=True))
    assert (back.read_bytes(), index_of(back).read_bytes()) == (path.read_bytes(), index)


def test_csv_has_the_columns_of_the_field(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "footprint.bin"
    write_pair(path, 1)
    assert main(["cat", "--head", "2", str(path)]) == 0
    text = "event_id,areaperil_id,intensity_bin_id,probability\n3,10,1,0.5\n3,10,2,0.5\n"
    assert capsys.readouterr().out == text
    for command in ("info", "validate", "diff"):
        assert main([command, *[str(path)] * (2 if command == "diff" else 1)]) == 0


@pytest.mark.parametrize("name", ["vulnerability.bin", "vulnerability.bin.z"])
def test_vulnerability_functions_with_an_index(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    data, index, old = struct.pack("<i", 3), b"", b""
    for function, rows in FUNCTIONS.items():
        plain = b"".join(struct.pack("<iif", *row) for row in rows)
        stored = zlib.compress(plain) if name.endswith(".z") else plain
        place = struct.pack("<iqq", function, len(data), len(stored))
        index += place + struct.pack("<q", len(plain) if name.endswith(".z") else 0)
        old += place
        data += stored
    path.write_bytes(data)
    expected = [(function, *row) for function, rows in FUNCTIONS.items() for row in rows]
    for places in (index, old):  # older tools write no original size
        index_of(path).write_bytes(places)
        assert rows_of(evstream.read_columns(path)) == expected
    evstream.convert(path, tmp_path / "v.csv")
    back = tmp_path / "back" / name
    back.parent.mkdir()
    evstream.convert(tmp_path / "v.csv", back, stream="vulnerability_indexed", no_of_damage_bins=3)
    assert (back.read_bytes(), index_of(back).read_bytes()) == (data, index)


def test_vulnerability_functions_without_an_index(tmp_path: Path) -> None:
    path, text = tmp_path / "vulnerability.bin", tmp_path / "v.csv"
    rows = [(f, *row) for f, given in FUNCTIONS.items() for row in given]
    path.write_bytes(struct.pack("<i", 3) + b"".join(struct.pack("<iiif", *row) for row in rows))
    data = path.read_bytes()
    assert rows_of(evstream.read_columns(path)) == rows
    evstream.convert(path, text)
    evstream.convert(text, path, no_of_damage_bins=3)
    assert path.read_bytes() == data
    index_of(path).write_bytes(b"")
    with pytest.raises(evstream.EvstreamError, match="makes it a vulnerability_indexed file"):
        evstream.convert(text, path, no_of_damage_bins=3)
    assert path.read_bytes() == data


def test_a_bin_above_their_number_breaks_a_rule(tmp_path: Path) -> None:
    path = tmp_path / "footprint.bin"
    write_pair(path, 1, {1: [(10, 5, 1.0)], 2: [(10, 1, 1.5)]})
    found = evstream.validate(path).counts
    assert found == {"intensity-in-range": 1, "fraction-in-range": 1}
    write_pair(path, 1, {1: [(10, 1, 1.0)], 2: [(10, 1, 1.0)]})
    places = bytearray(index_of(path).read_bytes())
    again = places[:20] * 2
    index_of(path).write_bytes(again)
    with pytest.raises(evstream.CorruptStreamError, match="that no other block has"):
        evstream.read_columns(path)


# Where the index says something that cannot be: (record, field, value), and the error.
WRONG = [
    (0, "offset", 7, "byte 4, event_id 3: offset is 7, expected 8 to 80"),
    (2, "offset", 81, "byte 44, event_id 9: offset is 81, expected 8 to 80"),
    (1, "offset", -1, "byte 24, event_id 1: offset is -1"),
    (1, "offset", -(1 << 63), "byte 24, event_id 1: offset is -9223372036854775808"),
    (1, "size", -1, "byte 32, event_id 1: size is -1, expected bytes up to the end of the file"),
    (2, "size", 37, "byte 52, event_id 9: size is 37"),
    (2, "size", (1 << 63) - 1, "byte 52, event_id 9: size is 9223372036854775807"),
    (1, "offset", 20, "byte 24, event_id 1: offset is 20, expected bytes that no other block has"),
    (1, "size", 24, "byte 44, event_id 9: offset is 44, expected bytes that no other block has"),
]


@pytest.mark.parametrize(("record", "field", "value", "message"), WRONG)
def test_an_index_that_cannot_be_is_an_error(
    record: int, field: str, value: int, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "footprint.bin"
    index = bytearray(write_pair(path, 1))
    at = 20 * record + {"offset": 4, "size": 12}[field]
    index[at : at + 8] = struct.pack("<q", value)
    index_of(path).write_bytes(index)
    for read in (evstream.open, evstream.validate, evstream.read_columns):
        with pytest.raises(evstream.CorruptStreamError) as caught:
            read(path)
        assert str(caught.value).startswith(f"{index_of(path)}: {message}")


def test_a_cut_index_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "footprint.bin"
    index = write_pair(path, 1)
    for size in (1, 19, 21, 59):
        index_of(path).write_bytes(index[:size])
        with pytest.raises(evstream.TruncatedStreamError, match=r"footprint.idx: byte \d+"):
            evstream.open(path)


def test_bytes_of_no_block_are_reported(tmp_path: Path) -> None:
    """An index without its last events, or the index of another file."""
    path = tmp_path / "footprint.bin"
    index = write_pair(path, 1)
    index_of(path).write_bytes(index[:40])
    with pytest.warns(evstream.SuspectWarning, match="36 bytes belong to no block of"):
        assert len(evstream.read_columns(path)["event_id"]) == 3
    with pytest.raises(evstream.CorruptStreamError, match="byte 44: 36 bytes belong to no block"):
        evstream.read_columns(path, strict=True)


def test_a_cut_footprint_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "footprint.bin"
    write_pair(path, 1)
    data = path.read_bytes()
    for size in range(8, len(data)):
        path.write_bytes(data[:size])
        with pytest.raises(evstream.CorruptStreamError, match=r"footprint.idx: byte \d+, event"):
            evstream.open(path)
    path.write_bytes(data[:5])
    with pytest.raises(evstream.StreamHeaderError):
        evstream.open(path)


@pytest.mark.parametrize("options", [1, 3])
def test_damaged_compression_names_the_block(options: int, tmp_path: Path) -> None:
    path = tmp_path / "footprint.bin.z"
    write_pair(path, options)
    data = bytearray(path.read_bytes())
    data[-2] ^= 1
    path.write_bytes(data)
    with pytest.raises(evstream.CorruptStreamError) as caught:
        evstream.read_columns(path)
    assert "event_id 9: the block is not whole zlib data" in str(caught.value)


def test_sizes_before_compression_are_checked(tmp_path: Path) -> None:
    path = tmp_path / "footprint.bin.z"
    index = bytearray(write_pair(path, 3))
    for value, message in (
        (48, "event_id 3: the block has 24 bytes, expected 48"),
        (25, "event_id 3: expanded_size is 25, expected whole records of 12 bytes"),
        (-12, "event_id 3: expanded_size is -12"),
        (12 << 40, f"event_id 3: the block has 24 bytes, expected {12 << 40}"),
    ):
        index[20:28] = struct.pack("<q", value)
        index_of(path).write_bytes(index)
        with pytest.raises(evstream.CorruptStreamError, match=message):
            evstream.read_columns(path)


def test_a_missing_index_is_an_error_of_its_name(tmp_path: Path) -> None:
    path = tmp_path / "footprint.bin"
    write_pair(path, 1)
    index_of(path).unlink()
    with pytest.raises(FileNotFoundError) as caught:
        evstream.open(path)
    assert caught.value.filename == str(index_of(path))
    with pytest.raises(evstream.EvstreamError, match="this is not a path"):
        evstream.open(io.BytesIO(path.read_bytes()), "footprint")


def test_what_needs_one_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "footprint.bin"
    write_pair(path, 1)
    given = {"no_of_intensity_bins": 4}
    for refused in (
        lambda: evstream.parts(path),
        lambda: evstream.build_index(path),
        lambda: evstream.create(path, seal=True, **given),
        lambda: evstream.create(tmp_path / "footprint.bin.gz", **given),
        lambda: evstream.create(io.BytesIO(), "footprint", **given),
    ):
        with pytest.raises(evstream.EvstreamError, match=r"another file places|index file beside"):
            refused()
    for command in ("seal", "explain", "index"):
        assert main([command, str(path)]) != 0
    assert sorted(os.listdir(tmp_path)) == ["footprint.bin", "footprint.idx"]


def test_a_failed_write_leaves_both_old_files(tmp_path: Path) -> None:
    path = tmp_path / "footprint.bin"
    index, data = write_pair(path, 1), path.read_bytes()
    out = evstream.create(path, no_of_intensity_bins=4)
    out.write_columns(1, [10], [1], [1.0])
    with pytest.raises(evstream.WriteError, match="intensity-in-range"):
        out.write_columns(2, [10], [5], [1.0])
    out.abort()
    assert (path.read_bytes(), index_of(path).read_bytes()) == (data, index)
    assert sorted(os.listdir(tmp_path)) == ["footprint.bin", "footprint.idx"]


@pytest.mark.parametrize("name", ["footprint.bin", "footprint.bin.z"])
def test_large_events_and_many_events(name: str, tmp_path: Path) -> None:
    """Blocks larger than all buffers, and more of them than one piece holds."""
    path = tmp_path / name
    counts = [200_000, 0, *[3] * 20_000]
    events = np.repeat(np.arange(1, len(counts) + 1), counts)
    rows = {
        "event_id": events, "areaperil_id": np.arange(len(events)) % 1000 + 1,
        "intensity_bin_id": 1, "probability": np.arange(len(events)) % 8 / 8,
    }  # fmt: skip
    with evstream.create(path, no_of_intensity_bins=4) as out:
        out.write_columns(**rows)
    found = evstream.read_columns(path)
    assert all(np.array_equal(found[name], rows[name]) for name in ("event_id", "probability"))


def test_an_empty_footprint_has_no_events(tmp_path: Path) -> None:
    path = tmp_path / "footprint.bin"
    with evstream.create(path, no_of_intensity_bins=4):
        pass
    assert (path.stat().st_size, index_of(path).stat().st_size) == (8, 0)
    assert len(evstream.read_columns(path)["event_id"]) == 0


@pytest.mark.parametrize("name", ["footprint.bin", "footprint.bin.z"])
def test_findings_name_the_file_that_has_the_byte(name: str, tmp_path: Path) -> None:
    """Entries of the second event are in the footprint, its id is in the index."""
    path = tmp_path / name
    write_pair(path, 1, {1: [(10, 1, 1.0), (11, 2, 1.0)], 0: [(10, 1, 1.0), (11, 9, 1.0)]})
    places = {finding.rule: finding for finding in evstream.validate(path).findings}
    bin_found, id_found = places["intensity-in-range"], places["id-positive"]
    start = 8 + len(path.read_bytes()[8:]) // 2  # blocks of the same size, compressed too
    if name.endswith(".z"):
        start = struct.unpack_from("<q", index_of(path).read_bytes(), 20 + 4)[0]
        assert (bin_found.offset, bin_found.record) == (start, None)
    else:
        assert (bin_found.offset, bin_found.record) == (44, 4)
    assert bin_found.file == str(path)
    assert bin_found.bytes == "0b 00 00 00 09 00 00 00"
    assert (id_found.file, id_found.offset, id_found.record) == (str(index_of(path)), 20, 2)
    assert id_found.bytes == struct.pack("<iq", 0, start)[:8].hex(" ")
    assert f"byte 20 of {index_of(path)}, record 2, event_id 0" in id_found.text
    assert evstream.validate(path).bytes == path.stat().st_size
    with pytest.warns(
        evstream.errors.SuspectWarning, match=rf"{index_of(path)}: byte 20, event_id 0"
    ):
        evstream.read_columns(path)
    write_pair(path, 1, {1: [(10, 1, 1.0)], 0: []})
    with pytest.raises(evstream.CorruptStreamError) as caught:
        evstream.read_columns(path, strict=True)
    assert (caught.value.source, caught.value.offset) == (str(index_of(path)), 20)
