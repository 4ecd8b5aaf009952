"""The flat files of a run folder: the reference's converters and ours make the same of them."""

from __future__ import annotations

import contextlib
import csv
import importlib
import os
import shutil
import struct
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

import evstream
from file_types import FILES, letters, rows
from interop.cells import DOCUMENT, NONE, SAME, cell, table

pytestmark = pytest.mark.skipif(shutil.which("bintocsv") is None, reason="2.3 has no bintocsv")

OF_2_5_8 = {"correlations": "correlations_source"}
"""Types that oasislmf 2.5.8 has with one more column."""


def converter(program: str) -> Callable[[], object]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = importlib.import_module(f"oasislmf.pytools.converters.{program}.cli")
    main: Callable[[], object] = module.main
    return main


def reference(command: str, folder: Path) -> None:
    """Run a converter of the reference, as its command does, in this process: most of the time of a
    command is its start."""
    program, *arguments = command.split()
    here, given = os.getcwd(), sys.argv
    try:
        os.chdir(folder)
        sys.argv = [program, *arguments]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert not converter(program)()
    finally:
        os.chdir(here)
        sys.argv = given


def usage(program: str, capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.MonkeyPatch.context() as patch, contextlib.suppress(SystemExit):
        patch.setattr(sys, "argv", [program, "--help"])
        converter(program)()
    return capsys.readouterr().out


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
    reference(f"bintocsv {name} -i ours.bin -o theirs.csv", tmp_path)
    with cell(stream, "rows"):
        assert (tmp_path / "theirs.csv").read_text().partition("\n")[0].strip() == columns
        assert numbers(tmp_path / "theirs.csv") == numbers(tmp_path / "ours.csv")

    reference(f"csvtobin {name} -i ours.csv -o theirs.bin", tmp_path)
    with cell(stream, "bytes"):
        assert (tmp_path / "theirs.bin").read_bytes() == ours.read_bytes()
        evstream.convert(
            tmp_path / "theirs.csv", tmp_path / "back.bin", stream=stream,
            **({"amplification_options": 0} if header else {}),
        )  # fmt: skip
        assert (tmp_path / "back.bin").read_bytes() == ours.read_bytes()


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
    reference("bintocsv occurrence -i ours.bin -o theirs.csv", tmp_path)
    stream = "occurrence" + {1: "", 3: "_minutes", 0: "_numbers"}[options]
    with cell(stream, "rows"):
        assert (tmp_path / "theirs.csv").read_bytes() == (tmp_path / "ours.csv").read_bytes()

    flag = {1: "", 3: "-G", 0: "-D"}[options]
    reference(f"csvtobin occurrence -P 9 {flag} -i ours.csv -o theirs.bin", tmp_path)
    assert (tmp_path / "theirs.bin").read_bytes() == ours.read_bytes()
    evstream.convert(
        tmp_path / "theirs.csv", tmp_path / "back.bin", stream="occurrence", no_of_periods=9
    )
    with cell(stream, "bytes"):
        assert (tmp_path / "back.bin").read_bytes() == ours.read_bytes()


OTHERS = [
    "occurrence", "occurrence_minutes", "occurrence_numbers", "lossfactors", "footprint",
    "footprint_certain", "footprint_sized", "footprint_certain_sized", "vulnerability",
    "vulnerability_indexed", "conditionalvulnerability", "complex_items",
]  # fmt: skip
"""Types that have tests of their own here."""

ORD = [name for name, (_, _, columns, _) in FILES.items() if "SummaryId" in columns]


@pytest.mark.parametrize("name", ORD)
def test_parquet_is_the_same_by_both_converters(name: str, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    _, record, _, _ = FILES[name]
    ours = tmp_path / "ours.bin"
    ours.write_bytes(b"".join(struct.pack(letters(record, "narrow"), *row) for row in rows(record)))
    evstream.convert(ours, tmp_path / "ours.parquet", stream=name)
    reference(f"bintoparquet {name} -i ours.bin -o theirs.parquet", tmp_path)
    one, two = (parquet.read_table(tmp_path / f"{who}.parquet") for who in ("ours", "theirs"))
    with cell(name, "parquet"):
        assert [(f.name, f.type) for f in one.schema] == [(f.name, f.type) for f in two.schema]
        assert one.to_pylist() == two.to_pylist()

    evstream.convert(tmp_path / "theirs.parquet", tmp_path / "back.bin", stream=name)
    reference(f"parquettobin {name} -i ours.parquet -o theirs.bin", tmp_path)
    with cell(name, "back"):
        assert (tmp_path / "back.bin").read_bytes() == ours.read_bytes()
        assert (tmp_path / "theirs.bin").read_bytes() == ours.read_bytes()


def test_other_types_have_no_parquet_in_the_reference(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """And the document has a row for each type that these tests compare."""
    others = [OF_2_5_8.get(name, name) for name in FILES if name not in ORD] + OTHERS
    for column, program in (("parquet", "bintoparquet"), ("back", "parquettobin")):
        known = set(usage(program, capsys).partition("{")[2].partition("}")[0].split(","))
        assert known == set(ORD)
        for name in others:
            with cell(name, column, NONE):
                assert name.partition("_")[0] not in known
    assert set(table(DOCUMENT.read_text())) == {*others, *ORD}


def test_loss_factors_have_the_same_rows(tmp_path: Path) -> None:
    ours = tmp_path / "lossfactors.bin"
    packed = struct.pack("<iiiififiiif", 0, 1, 2, 3, 0.5, 4, 0.25, 7, 1, 5, 2.0)
    ours.write_bytes(packed)
    evstream.convert(ours, tmp_path / "ours.csv")
    reference("bintocsv lossfactors -i lossfactors.bin -o theirs.csv", tmp_path)
    title = (tmp_path / "theirs.csv").read_text().partition("\n")[0].strip()
    with cell("lossfactors", "rows"):
        assert title == (tmp_path / "ours.csv").read_text().partition("\n")[0]
        assert numbers(tmp_path / "theirs.csv") == numbers(tmp_path / "ours.csv")
    reference("csvtobin lossfactors -i ours.csv -o theirs.bin", tmp_path)
    assert (tmp_path / "theirs.bin").read_bytes() == packed
    back = tmp_path / "back.bin"
    evstream.convert(tmp_path / "theirs.csv", back, stream="lossfactors", factor_options=0)
    with cell("lossfactors", "bytes"):
        assert back.read_bytes() == packed


def test_items_with_model_data_have_the_same_rows(tmp_path: Path) -> None:
    """A map, which both print as Python does, and text, of which both make the same bytes."""
    items = [(1, 1, 7, b"\x82\xa1a\x01\xa1b\xcb?\xe0" + bytes(6)), (2, 2**32 - 1, 0, b"\xa4a, b")]
    packed = [struct.pack("<iIII", *ids, len(data)) + data for *ids, data in items]
    (tmp_path / "complex_items.bin").write_bytes(b"".join(packed))
    with pytest.warns(evstream.RowsWarning, match="1 of 2 values of model_data are not text"):
        evstream.convert(tmp_path / "complex_items.bin", tmp_path / "ours.csv")
    reference("bintocsv complex_items -i complex_items.bin -o theirs.csv", tmp_path)
    with cell("complex_items", "rows"):
        assert (tmp_path / "theirs.csv").read_text() == (tmp_path / "ours.csv").read_text()
    reference("csvtobin complex_items -i ours.csv -o theirs.bin", tmp_path)
    evstream.convert(tmp_path / "theirs.csv", tmp_path / "back.bin", stream="complex_items")
    with cell("complex_items", "bytes"):
        assert (tmp_path / "theirs.bin").read_bytes() == (tmp_path / "back.bin").read_bytes()


FOOTPRINT = "event_id,areaperil_id,intensity_bin_id,probability\n" + "".join(
    f"{event},{area},{bin},{0.25 + 0.5 * (bin - 1)}\n"
    for event in (1, 4, 9)
    for area in range(1, 40 * event)
    for bin in (1, 2)
)
VULNERABILITY = "".join(
    f"{function},{intensity},{damage},0.5\n"
    for function in (1, 2, 7)
    for intensity in (1, 2, 3)
    for damage in (1, 2)
)


@pytest.mark.parametrize("flags", ["", "-n", "-d", "-d -n"])
@pytest.mark.parametrize("end", ["", ".z"])
def test_footprints_are_the_same(flags: str, end: str, tmp_path: Path) -> None:
    """Bytes of both files by csvtobin and by evstream, and rows by bintocsv."""
    (tmp_path / "a.csv").write_text(FOOTPRINT)
    packed = "-z" if end else ""
    names = f"theirs.bin{end}", f"theirs.idx{end}"
    reference(
        f"csvtobin footprint -m 3 -x {names[1]} {packed} {flags} -i a.csv -o {names[0]}",
        tmp_path,
    )  # fmt: skip
    options = ("-n" not in flags) + 2 * ("-d" in flags)
    evstream.convert(
        tmp_path / "a.csv", tmp_path / f"footprint.bin{end}", no_of_intensity_bins=3,
        footprint_options=options,
    )  # fmt: skip
    stream = "footprint" + ("_certain" if "-n" in flags else "") + ("_sized" * ("-d" in flags))
    with cell(stream, "bytes"):
        for name, kind in zip(names, ("bin", "idx"), strict=True):
            ours = tmp_path / f"footprint.{kind}{end}"
            assert ours.read_bytes() == (tmp_path / name).read_bytes()
    evstream.convert(tmp_path / names[0], tmp_path / "ours.csv", stream="footprint")
    if packed or "-d" not in flags:  # bintocsv reads original sizes of compressed files alone
        reference(
            f"bintocsv footprint -x {names[1]} {packed} -i {names[0]} -o theirs.csv", tmp_path
        )
        with cell(stream, "rows", SAME if "-d" not in flags else f"{SAME} with `-z`"):
            assert numbers(tmp_path / "theirs.csv") == numbers(tmp_path / "ours.csv")
    assert numbers(tmp_path / "a.csv") == numbers(tmp_path / "ours.csv")


@pytest.mark.parametrize("kind", ["flat", "index", "zip", "conditional"])
def test_vulnerability_functions_are_the_same(kind: str, tmp_path: Path) -> None:
    is_conditional, end = kind == "conditional", ".z" if kind == "zip" else ""
    axes = "source_damage_bin,damage_bin" if is_conditional else "intensity_bin_id,damage_bin_id"
    (tmp_path / "a.csv").write_text(f"vulnerability_id,{axes},probability\n{VULNERABILITY}")
    program = "conditionalvulnerability" if is_conditional else "vulnerability"
    index = {"index": "-x theirs.idx", "zip": "-z -x theirs.idx.z"}.get(kind, "")
    reference(f"csvtobin {program} -d 3 {index} -i a.csv -o theirs.bin{end}", tmp_path)
    stream = program + ("_indexed" if index else "")
    ours = tmp_path / f"ours.bin{end}"
    evstream.convert(tmp_path / "a.csv", ours, stream=stream, no_of_damage_bins=3)
    with cell(stream, "bytes"):
        assert ours.read_bytes() == (tmp_path / f"theirs.bin{end}").read_bytes()
        if index:
            theirs = (tmp_path / f"theirs.idx{end}").read_bytes()
            assert (tmp_path / f"ours.idx{end}").read_bytes() == theirs
    evstream.convert(ours, tmp_path / "ours.csv", stream=program)
    reference(f"bintocsv {program} {index} -i theirs.bin{end} -o theirs.csv", tmp_path)
    with cell(stream, "rows"):
        assert numbers(tmp_path / "theirs.csv") == numbers(tmp_path / "ours.csv")
