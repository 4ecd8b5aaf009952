"""Occurrences: three layouts of one file, which its header tells apart, and numbers that are dates.

The calendar is held against the rule of the format: days are counted from 0000-03-01, so that the
leap day is the last of a year.
"""

from __future__ import annotations

import datetime
import struct
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

import evstream
from evstream._support.schema import Date
from evstream.cli.program import main
from evstream.wire.dates import dates_of

DAYS = struct.pack("<8i", 1, 9, 1, 2, 738_000, 5, 9, 719_468)
MINUTES = struct.pack("<iiiiqiiq", 3, 9, 1, 2, 738_000 * 1440 + 61, 5, 9, 719_468 * 1440)
NUMBERS = struct.pack("<8i", 0, 9, 1, 2, 17, 5, 9, -3)

DAY = "event_id,period_no,occ_year,occ_month,occ_day"
LAYOUTS = {
    "occurrence": (DAYS, f"{DAY}\n1,2,2020,9,27\n5,9,1970,1,1\n"),
    "occurrence_minutes": (
        MINUTES,
        f"{DAY},occ_hour,occ_minute\n1,2,2020,9,27,1,1\n5,9,1970,1,1,0,0\n",
    ),
    "occurrence_numbers": (NUMBERS, "event_id,period_no,occ_date_id\n1,2,17\n5,9,-3\n"),
}
"""Name of a layout -> bytes of a file, and its CSV."""

layouts = pytest.mark.parametrize("name", LAYOUTS)


@pytest.fixture
def path(name: str, tmp_path: Path) -> Path:
    path = tmp_path / "occurrence.bin"
    path.write_bytes(LAYOUTS[name][0])
    return path


def days_of(year: int) -> int:
    """Days from March to the end of February, which is in the next year of the calendar."""
    after = year + 1
    return 366 if after % 4 == 0 and (after % 100 or after % 400 == 0) else 365


def calendar(days: int) -> tuple[int, int, int]:
    """Year, month and day by counting: months from March on, leap days at the end."""
    year, rest = 400 * (days // 146_097), days % 146_097
    while rest >= days_of(year):
        year, rest = year + 1, rest - days_of(year)
    month = 3
    for length in (31, 30, 31, 30, 31, 31, 30, 31, 30, 31, 31, 29):
        if rest < length:
            break
        month, rest = month + 1, rest - length
    return (year, month, rest + 1) if month <= 12 else (year + 1, month - 12, rest + 1)


@layouts
def test_the_header_tells_the_layout(name: str, path: Path) -> None:
    with evstream.open(path) as stream:
        assert (stream.header.stream, stream.header.no_of_periods) == (name, 9)
    assert evstream.validate(path).errors == 0


@layouts
def test_csv_has_dates_both_ways(name: str, path: Path, tmp_path: Path) -> None:
    text, back = tmp_path / "occurrence.csv", tmp_path / "back.bin"
    evstream.convert(path, text)
    assert text.read_text() == LAYOUTS[name][1]
    evstream.convert(text, back, stream="occurrence", no_of_periods=9)
    assert back.read_bytes() == path.read_bytes()


@layouts
def test_cat_prints_the_dates(name: str, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cat", str(path)]) == 0
    assert capsys.readouterr().out == LAYOUTS[name][1]


@layouts
@pytest.mark.parametrize("end", ["parquet", "arrow", "jsonl"])
def test_tables_give_the_file_back(name: str, path: Path, end: str, tmp_path: Path) -> None:
    table, back = tmp_path / f"table.{end}", tmp_path / "occurrence_back.bin"
    evstream.convert(path, table)
    options = {}
    if end == "jsonl":
        options = {"no_of_periods": 9, "date_options": path.read_bytes()[0]}
    evstream.convert(table, back, stream="occurrence", **options)
    assert back.read_bytes() == path.read_bytes()


@pytest.mark.parametrize("name", ["occurrence", "occurrence_minutes"])
@pytest.mark.parametrize("end", ["parquet", "arrow"])
def test_dates_of_a_foreign_table_choose_the_layout(
    name: str, path: Path, end: str, tmp_path: Path
) -> None:
    table, back = tmp_path / f"table.{end}", tmp_path / "back.bin"
    frame = evstream.read_polars(path)
    frame.write_parquet(table) if end == "parquet" else frame.write_ipc(table)
    evstream.convert(table, back, stream="occurrence", no_of_periods=9)
    assert back.read_bytes() == path.read_bytes()


def test_frames_have_dates(tmp_path: Path) -> None:
    path = tmp_path / "occurrence.bin"
    for data, kind, first in (
        (DAYS, pl.Date, datetime.date(2020, 9, 27)),
        (MINUTES, pl.Datetime("ms"), datetime.datetime(2020, 9, 27, 1, 1)),
    ):
        path.write_bytes(data)
        for frame in (evstream.read_polars(path), evstream.scan_polars(path).collect()):
            assert (frame.schema["occ_date_id"], frame["occ_date_id"][0]) == (kind, first)
        later = evstream.scan_polars(path).filter(pl.col("occ_date_id") > pl.date(2000, 1, 1))
        assert later.collect()["event_id"].to_list() == [1]
        pandas = evstream.read_pandas(path)["occ_date_id"]
        assert str(pandas.dtype).startswith("datetime64")
        assert str(pandas[0]).startswith(str(first))
        assert evstream.read_columns(path)["occ_date_id"].dtype.kind == "i"


@pytest.mark.parametrize("make", [evstream.read_arrow, evstream.read_polars, evstream.read_pandas])
def test_frames_of_dates_are_written_back(make: object, tmp_path: Path) -> None:
    for stream, (data, _) in LAYOUTS.items():
        path, back = tmp_path / "occurrence.bin", tmp_path / "back.bin"
        path.write_bytes(data)
        evstream.write_arrow(make(path), back, stream, no_of_periods=9)  # type: ignore[operator]
        assert back.read_bytes() == data


def test_days_are_those_of_the_calendar(tmp_path: Path) -> None:
    """All days of 400 years, after which the calendar repeats; and some before year 0."""
    days = np.append(np.arange(146_097), [-1, -366, 2_000_000_000, -2_000_000_000])
    path, text = tmp_path / "occurrence.bin", tmp_path / "occurrence.csv"
    rows = np.zeros(len(days), "<i4,<i4,<i4")
    rows["f0"], rows["f1"], rows["f2"] = 1, 1, days
    path.write_bytes(struct.pack("<ii", 1, 1) + rows.tobytes())
    evstream.convert(path, text)
    table = np.loadtxt(text, np.int64, delimiter=",", skiprows=1)[:, 2:]
    sample = [*range(0, 1500), *range(36_000, 37_000), *range(145_000, len(days))]
    assert [tuple(table[i].tolist()) for i in sample] == [calendar(int(days[i])) for i in sample]
    assert (np.diff(table[:146_097] @ [10_000, 100, 1]) > 0).all()
    evstream.convert(text, tmp_path / "back.bin", stream="occurrence", no_of_periods=1)
    assert (tmp_path / "back.bin").read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("1,1,2021,2,29", "line 3, column occ_day: 29, expected a day of the month"),
        ("1,1,1900,2,29", "line 3, column occ_day: 29, expected a day of the month"),
        ("1,1,2021,13,1", "line 3, column occ_month: 13, expected 1 to 12"),
        ("1,1,2021,0,1", "line 3, column occ_month: 0, expected 1 to 12"),
        ("1,1,2021,4,31", "line 3, column occ_day: 31, expected a day of the month"),
        ("1,1,99999999,4,3", "line 3, column occ_year: 99999999, expected -5883516 to 5883516"),
        ("1,1,5883000,1,1", "line 3, column occ_year: 5883000, expected a date that int32 holds"),
        ("1,1,2021,4", "line 3, column occ_day: a value is missing"),
        ("1,1,2021,4,1.5", "line 3, column occ_day: '1.5', expected a whole number"),
        ("1,10,2021,4,1", "line 3: event_id 1, period_no 10"),
    ],
)
def test_a_day_that_there_is_not_is_an_error(row: str, message: str, tmp_path: Path) -> None:
    text = tmp_path / "occurrence.csv"
    text.write_text(f"event_id,period_no,occ_year,occ_month,occ_day\n1,1,2020,2,29\n{row}\n")
    with pytest.raises(evstream.TableError) as caught:
        evstream.convert(text, tmp_path / "occurrence.bin", no_of_periods=9)
    assert message in str(caught.value)
    assert not (tmp_path / "occurrence.bin").exists()


@pytest.mark.parametrize("options", [2, -1, 4, 5, 1 << 30])
def test_unknown_date_options_are_an_error(options: int, tmp_path: Path) -> None:
    path = tmp_path / "occurrence.bin"
    path.write_bytes(struct.pack("<ii", options, 9))
    with pytest.raises(evstream.StreamHeaderError) as caught:
        evstream.open(path)
    assert f"byte 0: date_options is {options}, expected date_options 1 (occurrence) or" in str(
        caught.value
    )
    with pytest.raises(evstream.WriteError, match="date_options 3 \\(occurrence_minutes\\)"):
        evstream.create(path, date_options=options, no_of_periods=9)


def test_a_caller_names_one_layout_or_any(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    with evstream.create(path, "occurrence", no_of_periods=9, date_options=3) as out:
        out.write_columns([1], [2], [1 << 40])
    with evstream.open(path, "occurrence") as stream:
        assert stream.header.stream == "occurrence_minutes"
    with pytest.raises(evstream.StreamHeaderError, match="expected date_options 0"):
        evstream.open(path, "occurrence_numbers")
    (part,) = evstream.parts(path, stream="occurrence")
    assert evstream.read_columns(part, stream="occurrence")["occ_date_id"].tolist() == [1 << 40]


def test_a_minute_beyond_all_tables_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "occurrence.bin"
    path.write_bytes(struct.pack("<iiiiq", 3, 9, 1, 2, (1 << 63) - 1))
    with pytest.raises(evstream.TableError, match="row 0, column occ_date_id: 92233720368547758"):
        evstream.read_arrow(path)
    assert evstream.read_columns(path)["occ_date_id"].tolist() == [(1 << 63) - 1]


def test_a_period_above_their_number_breaks_a_rule(tmp_path: Path) -> None:
    path = tmp_path / "occurrence.bin"
    path.write_bytes(struct.pack("<8i", 1, 9, 1, 10, 1, 1, 9, 1))
    assert evstream.validate(path).counts == {"period-in-range": 1}
    with (
        pytest.raises(evstream.WriteError, match="period-in-range"),
        evstream.create(path, no_of_periods=1) as out,
    ):
        out.write_columns([1], [2], [3])


@pytest.mark.parametrize("kind", [pa.timestamp("us", "UTC"), pa.timestamp("us"), pa.string()])
def test_dates_that_do_not_fit_are_refused(kind: pa.DataType, tmp_path: Path) -> None:
    when = pa.array([datetime.datetime(2021, 4, 5, 6, 7, 8)]).cast(kind)
    table = pa.table({"event_id": [1], "period_no": [1], "occ_date_id": when})
    with pytest.raises(evstream.TableError, match="occ_date_id"):
        evstream.write_arrow(table, tmp_path / "occurrence.bin", no_of_periods=9)


def test_dates_outside_of_tables_name_the_row() -> None:
    values = np.array([0, -(1 << 31)], np.int32)
    with pytest.raises(evstream.TableError, match="row 1, column day: -2147483648"):
        dates_of(values, Date("day", "0000-03-01"), "day")
