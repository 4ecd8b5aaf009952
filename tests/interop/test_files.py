"""The flat files of a run folder: the reference's converters and ours make the same of them."""

from __future__ import annotations

import csv
import shutil
import struct
from pathlib import Path

import pytest

import evstream
from file_types import FILES, letters, rows
from interop.test_streams import reference

pytestmark = pytest.mark.skipif(shutil.which("bintocsv") is None, reason="2.3 has no bintocsv")

OF_2_5_8 = {"correlations": "correlations_source"}
"""Types that oasislmf 2.5.8 has with one more column."""


def numbers(path: Path) -> list[list[float]]:
    with path.open() as file:
        return [[float(cell) for cell in row] for row in list(csv.reader(file))[1:]]


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_the_same_by_both_converters(name: str, tmp_path: Path) -> None:
    header, record, columns, _ = FILES[name]
    stream = OF_2_5_8.get(name, name)
    record, columns = (
        (record, columns) if stream == name else (record + "i", columns + ",source_item_id")
    )
    ours = tmp_path / "ours.bin"
    packed = b"".join(struct.pack(letters(record, "narrow"), *row) for row in rows(record))
    ours.write_bytes(struct.pack("<" + header, *(0 for _ in header)) + packed)
    evstream.convert(ours, tmp_path / "ours.csv", stream=stream)
    reference(f"bintocsv {name} -i ours.bin -o theirs.csv", tmp_path, "f4")
    assert (tmp_path / "theirs.csv").read_text().partition("\n")[0].strip() == columns
    assert numbers(tmp_path / "theirs.csv") == numbers(tmp_path / "ours.csv")

    reference(f"csvtobin {name} -i ours.csv -o theirs.bin", tmp_path, "f4")
    assert (tmp_path / "theirs.bin").read_bytes() == ours.read_bytes()


@pytest.mark.parametrize(
    ("options", "layout"),
    [(1, "<iii"), (3, "<iiq"), (0, "<iii")],
    ids=["days", "minutes", "numbers"],
)
def test_occurrences_have_the_same_dates(options: int, layout: str, tmp_path: Path) -> None:
    """All days of four centuries but a few, every 11th; the calendar repeats after them."""
    unit = 1440 if options == 3 else 1
    days = range(700_000, 846_200, 11)
    rows = [(1 + n % 5, 1 + n % 9, day * unit + n % unit) for n, day in enumerate(days)]
    ours = tmp_path / "ours.bin"
    packed = b"".join(struct.pack(layout, *row) for row in rows)
    ours.write_bytes(struct.pack("<ii", options, 9) + packed)
    evstream.convert(ours, tmp_path / "ours.csv", stream="occurrence")
    reference("bintocsv occurrence -i ours.bin -o theirs.csv", tmp_path, "f4")
    assert (tmp_path / "theirs.csv").read_bytes() == (tmp_path / "ours.csv").read_bytes()

    flag = {1: "", 3: "-G", 0: "-D"}[options]
    reference(f"csvtobin occurrence -P 9 {flag} -i ours.csv -o theirs.bin", tmp_path, "f4")
    assert (tmp_path / "theirs.bin").read_bytes() == ours.read_bytes()
    evstream.convert(
        tmp_path / "theirs.csv", tmp_path / "back.bin", stream="occurrence", no_of_periods=9
    )
    assert (tmp_path / "back.bin").read_bytes() == ours.read_bytes()


ORD = [name for name, (_, _, columns, _) in FILES.items() if "SummaryId" in columns]


@pytest.mark.parametrize("name", ORD)
def test_parquet_is_the_same_by_both_converters(name: str, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    _, record, _, _ = FILES[name]
    ours = tmp_path / "ours.bin"
    ours.write_bytes(b"".join(struct.pack(letters(record, "narrow"), *row) for row in rows(record)))
    evstream.convert(ours, tmp_path / "ours.parquet", stream=name)
    reference(f"bintoparquet {name} -i ours.bin -o theirs.parquet", tmp_path, "f4")
    one, two = (parquet.read_table(tmp_path / f"{who}.parquet") for who in ("ours", "theirs"))
    assert [(f.name, f.type) for f in one.schema] == [(f.name, f.type) for f in two.schema]
    assert one.to_pylist() == two.to_pylist()

    evstream.convert(tmp_path / "theirs.parquet", tmp_path / "back.bin", stream=name)
    assert (tmp_path / "back.bin").read_bytes() == ours.read_bytes()
    reference(f"parquettobin {name} -i ours.parquet -o theirs.bin", tmp_path, "f4")
    assert (tmp_path / "theirs.bin").read_bytes() == ours.read_bytes()
