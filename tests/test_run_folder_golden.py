"""The golden files of a run folder, which tests/golden/run_folder.py put down by hand: every reader
finds the rows of the manifest, and writing gives the same bytes."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import evstream
from evstream._generated.files.layout import STREAMS
from golden_files import GOLDEN

FOLDER = GOLDEN / "run_folder"
ENTRIES: list[dict[str, Any]] = json.loads((FOLDER / "manifest.json").read_text())["files"]

# Blocks without entries are in the golden footprints, and rows do not show them.
pytestmark = pytest.mark.filterwarnings("ignore::evstream.RowsWarning")

WITHOUT_FILES = {
    "vulnerability_index", "sized_vulnerability_index", "footprint_index", "sized_footprint_index",
    "summary_index",
}  # fmt: skip
"""Types that are not golden files by themselves: indexes of others."""


DAY_1970 = 719468
"""Days from 0000-03-01 to 1970-01-01."""


def path_of(entry: dict[str, Any]) -> Path:
    return FOLDER / entry["folder"] / entry["files"][0]["name"]


def rows_of(columns: dict[str, Any]) -> list[list[Any]]:
    return [list(row) for row in zip(*(c.tolist() for c in columns.values()), strict=True)]


def has_empty_blocks(entry: dict[str, Any]) -> bool:
    return any(count == 0 for _, count in entry["blocks"] or [])


def same_bytes(entry: dict[str, Any], folder: Path) -> bool:
    """Whether files are those of the entry; of compressed blocks, whether what they say is. Only
    zlib itself writes them twice in the same way."""
    names = [file["name"] for file in entry["files"]]
    golden, written = (
        [(there / name).read_bytes() for name in names] for there in (path_of(entry).parent, folder)
    )
    if entry["is_packed"]:
        return plain_blocks(*golden, entry) == plain_blocks(*written, entry)
    return golden == written


def plain_blocks(data: bytes, index: bytes, entry: dict[str, Any]) -> list[Any]:
    """The header and the blocks of a file with an index: id, size before compression, entries."""
    sized = entry["type"] not in ("footprint", "footprint_certain")
    fields = [("id", "<i4"), ("offset", "<i8"), ("size", "<i8"), ("plain", "<i8")][: 3 + sized]
    places = np.frombuffer(index, fields)
    blocks = []
    for place in places:
        block = zlib.decompress(data[place["offset"] : place["offset"] + place["size"]])
        assert not sized or place["plain"] == len(block)
        blocks.append((int(place["id"]), block))
    return [data[: int(places["offset"].min())], *blocks]


def test_each_type_has_golden_files() -> None:
    assert {entry["type"] for entry in ENTRIES} == set(STREAMS) - WITHOUT_FILES


def test_every_reader_finds_the_rows_of_the_manifest() -> None:
    for entry in ENTRIES:
        path, options = path_of(entry), {"widths": entry["widths"]}
        columns = evstream.read_columns(path, **options)
        assert (list(columns), rows_of(columns)) == (entry["columns"], entry["rows"]), path
        with evstream.open(path, **options) as stream:
            header = {name: getattr(stream.header, name) for name in entry["header"]}
            assert (stream.header.stream, header) == (entry["type"], entry["header"]), path
            blocks = [
                [event.event_key, int(count)]
                for event in stream
                for count in np.diff(event.offsets)
            ]
        assert blocks == (entry["blocks"] or blocks), path
        assert rows_of_arrow(evstream.read_arrow(path, **options)) == entry["rows"], path
        report = evstream.validate(path, **options)
        assert list(report.findings) == [], path


def rows_of_arrow(table: Any) -> list[list[Any]]:
    """The rows of a table, dates as days or minutes since 0000-03-01."""
    columns = []
    for field, column in zip(table.schema, table.columns, strict=True):
        values = column
        if pa.types.is_date(field.type):
            values = pc.add(column.cast("int32"), DAY_1970)
        elif pa.types.is_timestamp(field.type):
            values = pc.add(pc.divide(column.cast("int64"), 60_000), DAY_1970 * 1440)
        columns.append(values.to_pylist())
    return [list(row) for row in zip(*columns, strict=True)]


def test_events_are_written_to_the_same_bytes(tmp_path: Path) -> None:
    for entry in ENTRIES:
        path, folder = path_of(entry), tmp_path / entry["folder"]
        folder.mkdir(exist_ok=True)
        options = {"widths": entry["widths"], **entry["header"]}
        with (
            evstream.open(path, widths=entry["widths"]) as stream,
            evstream.create(folder / path.name, entry["type"], **options) as out,
        ):
            for event in stream:
                out.write(event)
        assert same_bytes(entry, folder), path


def test_rows_of_csv_are_written_to_the_same_bytes(tmp_path: Path) -> None:
    for entry in ENTRIES:
        path, folder = path_of(entry), tmp_path / entry["folder"]
        folder.mkdir(exist_ok=True)
        text = folder / "table.csv"
        evstream.convert(path, text, widths=entry["widths"], threads=1)
        options = {"widths": entry["widths"], "threads": 1, **entry["header"]}
        evstream.convert(text, folder / path.name, stream=entry["type"], **options)
        if has_empty_blocks(entry):
            back = evstream.read_columns(folder / path.name, widths=entry["widths"])
            assert rows_of(back) == entry["rows"], path
        else:
            assert same_bytes(entry, folder), path
