"""CSV of any style is read; a bad row is named with its line."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import evstream
import oracle
from evstream.cli.program import main
from evstream.conversion.formats import Options
from golden_files import (
    CORPUS,
    GOLDEN,
    LEGAL,
    Entry,
    file_name,
)
from support import child_environment

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
pytest.importorskip("zstandard")

from convert_cases import CSV, LOSS, converted, header_of, needs_corpus, refused  # noqa: E402
from evstream.conversion.convert import convert  # noqa: E402


@needs_corpus
@pytest.mark.parametrize(
    ("name", "stream", "sort"),
    [("gul_converters", "loss", False), ("ktools_gultobin_t1", "gul_item", False),
     ("fm_ktools_ri1", "loss", False), ("cdf_converters", None, False),
     ("summary_converters", "summary", True)],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore::evstream.MissingDelimiterWarning")
def test_tables_of_the_existing_tools_become_their_stream(
    name: str, stream: str | None, sort: bool, tmp_path: Path
) -> None:
    """Within the rounding. Their summary streams have sidx -1 before -4, which breaks a rule
    of the spec, so that the table needs --sort."""
    ours, theirs = tmp_path / "ours.bin", CORPUS / f"{name}.bin"
    header = header_of(theirs)
    assert stream in (None, header.stream)
    options = Options(stream=header.stream, values=dict(header.values))
    convert(str(CORPUS / f"{name}.csv"), str(ours), options=options, sort=sort)
    got, wanted = evstream.read_columns(str(ours)), evstream.read_columns(str(theirs))
    assert header_of(ours) == header
    if sort:
        order = np.lexsort((wanted["sidx"], wanted["summary_id"], wanted["event_id"]))
        wanted = {n: c[order] for n, c in wanted.items()}
    for column in wanted:
        if wanted[column].dtype.kind == "f":
            assert np.allclose(got[column], wanted[column], rtol=1e-7, atol=0.00501), column
        else:
            assert np.array_equal(got[column], wanted[column]), column


@needs_corpus
@pytest.mark.parametrize("name", ["gul_converters", "ktools_gultobin_t1", "fm_ktools_ri1"])
@pytest.mark.filterwarnings("ignore::evstream.MissingDelimiterWarning")
def test_precision_2_prints_what_the_existing_tools_print(name: str, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    convert(str(CORPUS / f"{name}.bin"), str(out), options=Options(precision=2))
    assert out.read_text().splitlines()[1:] == (CORPUS / f"{name}.csv").read_text().splitlines()[1:]


HEADERS = [
    ("EventId,SummaryId,SampleId,Loss,ImpactedExposure", "1,2,3,4.5,6", "summary"),
    ("event_id, item_id, sidx, loss", "1,2,3,4.5", "loss"),
    ("Event_ID,ITEM_ID,SIDX,LOSS", "1,2,3,4.5", "loss"),
    ("event_id,output_id,sidx,loss", "1,2,3,4.5", "loss"),
    ('"event_id","item_id","sidx","loss"', "1,2,3,4.5", "loss"),
    ("loss,sidx,item_id,event_id", "4.5,3,2,1", "loss"),
    ("EventId,CoverageId,SampleId,Loss", "1,2,3,4.5", "gul_coverage"),
    ("\ufeffevent_id,item_id,sidx,loss", "1,2,3,4.5", "loss"),
]


@pytest.mark.parametrize(("header", "row", "stream"), HEADERS, ids=lambda v: str(v)[:20])
@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
@pytest.mark.filterwarnings("ignore::evstream.errors.CutLineWarning")
def test_headers_of_any_style_are_understood(
    header: str, row: str, stream: str, end: str, tmp_path: Path
) -> None:
    newline = end or "\n"
    data = converted(tmp_path, "in.csv", f"{header}{newline}{row}{end}".encode())
    decoded = oracle.decode(data)
    assert decoded.stream == stream
    (record,) = decoded.records
    assert (record[0], record[1], record[-2], record[-1]) == (1, 2, 3, 4.5)
    assert decoded.header["len_sample"] == 3
    if stream == "summary":
        assert record[2] == 6
        assert decoded.header["summary_set_id"] == 1


@pytest.mark.parametrize(
    ("rows", "losses"),
    [(b"1,1,1,2.5\n\n\n", [2.5]), (b" 1, 1 ,1,  2.5 \n", [2.5]), (b'"1","1","1","2.5"\n', [2.5]),
     (b"+1,1,1,2.5e0\n", [2.5]), (b"1,1,1,1e-3\n1,1,2,.5\n1,1,3,5.\n", [0.001, 0.5, 5]),
     (b"1,1,1,0.1000000000000000000000001\n", [0.1]), (b"01,1,1,00.5\r\n1,1,2,2\n", [0.5, 2]),
     (b"1,1,1,-1.5\n", [-1.5]), (b"1,1,1,16777217\n1,1,2,16777219\n", [16777216, 16777220]),
     (b"1,1,1,33554434.00000001\n1,1,2,3\n", [33554436, 3])],
)  # fmt: skip
def test_numbers_of_any_style_are_read_to_the_nearest_float(
    rows: bytes, losses: list[float], tmp_path: Path
) -> None:
    data = converted(tmp_path, "in.csv", b"event_id,item_id,sidx,loss\n" + rows)
    read = [record[3] for record in oracle.decode(data).records]
    assert read == [float(np.float32(value)) for value in losses]


BAD_ROWS = [
    (b"1,1,2,x\n", "line 4, column loss: 'x', expected a number"),
    (b"1,1,2,\n", "line 4, column loss: '', expected a number"),
    (b"1,1,2.0,3\n", "line 4, column sidx: '2.0', expected a whole number"),
    (b"1,0x10,2,3\n", "line 4, column item_id: '0x10', expected a whole number"),
    (b"1,0X1F,2,3\n", "line 4, column item_id: '0X1F', expected a whole number"),
    (b"1,1,2,0x1p3\n", "line 4, column loss: '0x1p3', expected a number"),
    (b"1,1_0,2,3\n", "line 4, column item_id: '1_0', expected a whole number"),
    (b"1,1,2,1_0\n", "line 4, column loss: '1_0', expected a number"),
    (b"1,1,2,1.5.5\n", "line 4, column loss: '1.5.5', expected a number"),
    (b"1,1,2,--3\n", "line 4, column loss: '--3', expected a number"),
    ("1,1,2,\u0663\n".encode(), "line 4, column loss: '\u0663', expected a number"),
    (b"1,1,2,\xff\n", "line 4, column loss: '\ufffd', expected a number"),
    (b'1,1,2,"1,000.5"\n', "line 4, column loss: '1,000.5', expected a number"),
    (b"1,1,2\n", "line 4, column loss: a value is missing, expected the columns event_id, "),
    (b"1,1,2,3,4\n", "line 4, column 5: there is '4', expected the columns event_id, item_id"),
    (b"1,1,2,3,\n", "line 4, column 5: there is '', expected"),
    (b"\n1,1,2,3\n", "line 4, column event_id: a value is missing"),
    (b"   \n1,1,2,3\n", "line 4, column item_id: a value is missing"),
    (b"3000000000,1,2,3\n", "column event_id: '3000000000', expected -2147483648 to 2147483647"),
    (b"99999999999999999999,1,2,3\n", "line 4, column event_id: '99999999999999999999', expected"),
    (b"1,1,2,1e39\n", "line 4, column loss: '1e39', expected a number within 3.4e+38"),
    (b"1,1,2,3" + b"0" * 60 + b"\n", "line 4, column loss: '30000"),
    (b'1,1,2,"77.25', "line 4: not valid CSV (unexpected end of data)"),
    (b'1,1,2,"7\n1,1,3,"8\n', "line 4: not valid CSV (unexpected end of data)"),
    (b'1,1,"1"2,3\n', "line 4: not valid CSV (',' expected after '\"')"),
    (b"1,1\r,2,3\n", "line 4: a carriage return inside the line, expected lines that end"),
    (b"1,1,2," + bytes(200_000), "line 4: not valid CSV ("),
    (b"1,1,2," + b"3" * 5000, "line 4, column loss: '333"),
    (b"3" * 5000 + b",1,2,3", "line 4, column event_id: '333"),
    (b"2,3000000000,1,3", "expected -2147483648 to 2147483647 (--width oasis_int=i8)"),
    (b"2,1,1,1e39", "expected a number within 3.4e+38 (--width oasis_float=f8)"),
    (b"1,1,2,nan\n", "line 4: event_id 1, item_id 1: loss nan breaks loss-finite"),
    (b"1,1,2,-inf\n", "line 4: event_id 1, item_id 1: loss -inf breaks loss-finite"),
    (b"1,1,0,3\n", "line 4: event_id 1, item_id 1: sidx is 0, expected anything but 0"),
    (b"1,1,-9,3\n", "line 4: event_id 1, item_id 1: sidx -9 breaks sidx-known"),
    (b"1,0,1,3\n", "line 4: event_id 1, item_id 0: item_id 0 breaks block-id-positive"),
    (b"1,1,1,3\n", "line 4: event_id 1, item_id 1: sidx 1 breaks sidx-unique"),
    (b"1,1,-3,3\n", "line 4: event_id 1, item_id 1: sidx -3 breaks sidx-ascending"),
    (b"1,1,-1,3\n", "line 4: event_id 1, item_id 1: sidx -1 breaks sidx-"),
    (b"1,2,1,3\n1,1,2,3\n", "line 5: event_id 1, item_id 1: item_id 1 breaks block-unique"),
    (b"2,1,1,3\n1,2,2,3\n", "line 5: event_id 1, item_id 2: event_id 1 breaks events-contiguous"),
]


@pytest.mark.parametrize(("row", "message"), BAD_ROWS, ids=lambda v: repr(v)[:30])
@pytest.mark.parametrize("to", ["out.bin", "out.parquet", "out.csv"])
def test_a_bad_row_is_named_with_its_line(
    row: bytes, message: str, to: str, tmp_path: Path
) -> None:
    """Whatever the rows become: what evstream writes of them would be taken as it is later."""
    error = refused(tmp_path, "in.csv", CSV + row, to=to)
    assert message in str(error)
    assert error.line == 4 + row.startswith((b"1,2,", b"2,1,1,3\n"))


def test_a_bad_row_far_into_a_file_is_named_with_its_line(tmp_path: Path) -> None:
    rows = b"".join(b"%d,1,1,%d.25\n" % (i, i) for i in range(1, 200_001))
    data = b"event_id,item_id,sidx,loss\r\n" + rows.replace(b"\n", b"\r\n")
    good = converted(tmp_path, "good.csv", data)
    assert len(oracle.decode(good).records) == 200_000
    for name in os.listdir(tmp_path):
        (tmp_path / name).unlink()
    bad = data.replace(b"\r\n150000,1,1,", b"\r\n150000,1,1,x")
    assert "line 150001, column loss: 'x150000.25'" in str(refused(tmp_path, "in.csv", bad))
    # Not ordinary before the bad row: an exponent, quotes.
    bad = bad.replace(b"\r\n2,1,1,2.25", b'\r\n"2",1,1,2.25e0')
    assert "line 150001, column loss: 'x150000.25'" in str(refused(tmp_path, "in.csv", bad))
    unsorted = data.replace(b"\r\n150000,1,1,", b"\r\n7,1,1,")
    error = refused(tmp_path, "in.csv", unsorted)
    assert "line 150001: event_id 7, item_id 1: event_id 7 breaks events-contiguous" in str(error)
    assert "(--sort sorts the rows)" in str(error)


def test_a_sidx_above_the_len_sample_that_is_given_is_refused(tmp_path: Path) -> None:
    error = refused(
        tmp_path, "in.csv", CSV + b"1,1,7,3\n", options=Options(values={"len_sample": 6})
    )
    assert "line 4: event_id 1, item_id 1: sidx 7 breaks sidx-in-range" in str(error)


BAD_FILES = [
    (b"", "the file is empty, expected a header line"),
    (b"\n\n", "the file is empty, expected a header line"),
    (b"1,1,-1,2.5\n", "the columns are 1, 1, -1, 2.5, expected "),
    (b"event_id,item_id,sidx\n", "the columns are event_id, item_id, sidx, expected "),
    (b"event_id,item_id,sidx,loss,loss\n", "the columns are event_id, item_id, sidx, loss, loss"),
    (b"event_id,item_id,sidx,loss,\n", "the columns are event_id, item_id, sidx, loss, '', expe"),
    (b"event_id;item_id;sidx;loss\n", "line 1: the columns are separated by semicolons, expected"),
    (b"event_id\titem_id\tsidx\tloss\n", "line 1: the columns are separated by tabs, expected co"),
    (CSV.decode().encode("utf-16"), "line 1: this looks like UTF-16, expected UTF-8"),
    (CSV.decode().encode("utf-16-le"), "line 1: this looks like UTF-16, expected UTF-8"),
    (bytes(200_000), "line 1: not text, expected UTF-8"),
    (LOSS.read_bytes(), "line 1: not text, expected UTF-8"),
    (b"event_id,\xe9\n", "line 1: not text, expected UTF-8"),
    (CSV.replace(b"\n", b"\r"), "line 1: a carriage return inside the line, expected lines that"),
    (b'"event_id,item_id,sidx,loss\n', "line 1: not valid CSV (unexpected end of data)"),
    (b"event_id,item_id,sidx,loss,name\n", "the columns are event_id, item_id, sidx, loss, name"),
]


@pytest.mark.parametrize(("data", "message"), BAD_FILES, ids=lambda v: repr(v)[:40])
def test_a_csv_of_another_subject_is_refused(data: bytes, message: str, tmp_path: Path) -> None:
    assert message in str(refused(tmp_path, "in.csv", data))


@pytest.mark.filterwarnings("ignore::evstream.errors.CutLineWarning")
def test_a_header_alone_is_a_stream_without_events(tmp_path: Path) -> None:
    for end in (b"", b"\n", b"\r\n", b"\n\n"):
        data = converted(tmp_path, "in.csv", b"event_id,item_id,sidx,loss" + end)
        assert data == oracle.encode("loss", {"len_sample": 0}, [])


@pytest.mark.parametrize("entry", LEGAL, ids=file_name)
@pytest.mark.filterwarnings("ignore")
def test_csv_is_what_cat_prints(entry: Entry, tmp_path: Path, capsys: Any) -> None:
    out, path = tmp_path / "out.csv", GOLDEN / file_name(entry)
    arguments = [f"--width={name}={width}" for name, width in entry["widths"].items()]
    arguments += ["--stream=event_ids"] if entry["stream"] == "event_ids" else []
    status = main(["convert", str(path), str(out), *arguments])
    assert main(["cat", str(path), *arguments]) == status
    assert out.read_text() == capsys.readouterr().out


@pytest.mark.parametrize("precision", [None, 2])
def test_whole_losses_look_like_floats_to_others(precision: int | None, tmp_path: Path) -> None:
    """Readers that guess a type from the first rows would fail at the first fraction."""
    pl, duckdb = pytest.importorskip("polars"), pytest.importorskip("duckdb")
    values = np.append(np.full(30_000, 1000.0, np.float32), np.float32(0.5))
    source, out = tmp_path / "in.bin", tmp_path / "out.csv"
    with evstream.create(source, "loss", len_sample=len(values)) as stream:
        stream.write_columns(1, 1, np.arange(1, len(values) + 1), values)
    convert(source, out, options=Options(precision=precision))
    assert pl.read_csv(out)["loss"].to_list() == values.tolist()
    assert duckdb.sql(f"SELECT sum(loss) FROM '{out}'").fetchall() == [(30_000_000.5,)]


def test_csv_needs_numpy_and_numba_alone(tmp_path: Path) -> None:
    for module in ("pyarrow", "polars", "pandas"):
        (tmp_path / f"{module}.py").write_text("raise ImportError('not here')\n")
    environment = child_environment()
    environment["PYTHONPATH"] = f"{tmp_path}{os.pathsep}{environment['PYTHONPATH']}"
    text, back = tmp_path / "a.csv.gz", tmp_path / "a.bin"
    header = ["--stream=loss", f"--len-sample={header_of(LOSS).len_sample}"]
    for arguments in ([LOSS, text], [text, back, "--sort", *header]):
        result = subprocess.run(
            [sys.executable, "-m", "evstream", "convert", *arguments],
            capture_output=True, check=False, env=environment,
        )  # fmt: skip
        assert (result.returncode, result.stderr) == (0, b"")
    assert back.read_bytes() == LOSS.read_bytes()


def test_a_summary_table_keeps_its_order_of_specials(tmp_path: Path, capsys: Any) -> None:
    rows = [(7, 2, sidx, 0.5 * place, 900.0) for place, sidx in enumerate((-1, -4, -5, 1, 3))]
    lines = [",".join(map(str, row)) for row in rows]
    source, target = tmp_path / "summary.csv", tmp_path / "summary.bin"
    source.write_text("\n".join(["EventId,SummaryId,SampleId,Loss,ImpactedExposure", *lines]))
    options = ["--len-sample=3", "--summary-set-id=1"]
    assert main(["convert", str(source), str(target), *options]) == 0
    assert [
        (e, s, sidx, x, v) for e, s, v, sidx, x in oracle.decode(target.read_bytes()).records
    ] == rows
    assert main(["validate", str(target)]) == 0
    assert "specials-ascending" in capsys.readouterr().out


def test_an_event_id_that_looks_like_gzip_is_an_event_id(tmp_path: Path) -> None:
    """A list of event ids has no header, so its first bytes are anybody's."""
    ids = np.array([0x00088B1F, 5], "<i4").tobytes()
    out = converted(tmp_path, "a.bin", ids, to="a.csv", options=Options(stream="event_ids"))
    assert out.split() == [b"event_id", b"559903", b"5"]
    packed = gzip.compress(ids)
    out = converted(tmp_path, "a.bin.gz", packed, to="a.csv", options=Options(stream="event_ids"))
    assert out.split() == [b"event_id", b"559903", b"5"]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.one_of(st.floats(width=32), st.integers(-(10**7), 10**7).map(lambda n: n / 2**10)),
        min_size=1,
    ),
    st.integers(0, 8),
)
def test_decimals_are_rounded_as_printf_does(values: list[float], precision: int) -> None:
    """Ties to even, and a minus before what was below zero."""
    for width, dtype in (("f4", np.float32), ("f8", np.float64)):
        column = np.array(values, dtype)
        wanted = [f"{value:.{precision}f}" for value in column.tolist()]
        assert printed(column, width, precision) == wanted


@pytest.mark.parametrize("precision", range(8))
def test_many_decimals_are_rounded_as_printf_does(precision: int) -> None:
    rng = np.random.default_rng(precision)
    for scale in (1e-6, 1.0, 1e3, 1e8):
        for width, dtype in (("f4", np.float32), ("f8", np.float64)):
            column = (rng.random(10_000) * scale + scale / 1000).astype(dtype)
            wanted = [f"{value:.{precision}f}" for value in column.tolist()]
            assert printed(column, width, precision) == wanted


def printed(losses: Any, width: str, precision: int) -> list[str]:
    """Losses as a conversion to CSV prints them."""
    widths = {"oasis_float": width}
    stream, text = io.BytesIO(), io.BytesIO()
    with evstream.create(
        stream, "loss", len_sample=len(losses), widths=widths, validate=False
    ) as out:
        out.write_columns(1, 1, np.arange(len(losses)) + 1, losses)
    stream.seek(0)
    options = Options(precision=precision, widths=widths)
    convert(stream, text, from_="bin", to="csv", options=options)
    return [line.rpartition(",")[2].lower() for line in text.getvalue().decode().splitlines()[1:]]
