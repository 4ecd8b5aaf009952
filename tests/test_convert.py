"""`evstream convert`: what comes through unchanged, what is refused and how it is said."""

from __future__ import annotations

import contextlib
import csv
import fcntl
import gc
import gzip
import io
import json
import os
import pty
import re
import resource
import struct
import subprocess
import sys
import termios
import threading
import time
import warnings
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import evstream
import oracle
from evstream import EvstreamError, RowsWarning, TableError
from evstream.cli.program import main
from evstream.conversion.formats import Options
from golden_files import (
    CORPUS,
    GOLDEN,
    LEGAL,
    Entry,
    corpus_entries,
    decode_golden,
    encode_again,
    file_name,
)
from support import PATIENCE, child_environment

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
pytest.importorskip("zstandard")

from evstream.conversion.convert import convert  # noqa: E402

LOSS = GOLDEN / "loss_i4_f4.bin"
needs_corpus = pytest.mark.skipif(not corpus_entries(), reason="no corpus beside the project")


def run(*arguments: object, **options: Any) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "evstream", "convert", *map(str, arguments)]
    return subprocess.run(
        command,
        capture_output=True,
        check=False,
        env=child_environment(),
        timeout=PATIENCE,
        **options,
    )


def refused(
    tmp_path: Path, name: str, data: bytes, *, to: str = "out.bin", **options: Any
) -> TableError:
    """The error that a file of this content meets; nothing is left of the output."""
    source, target = tmp_path / name, tmp_path / to
    source.write_bytes(data)
    with pytest.raises(EvstreamError) as caught:
        convert(str(source), str(target), **options)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"{source}: ")
    assert os.listdir(tmp_path) == [name]
    source.unlink()
    return caught.value  # type: ignore[return-value]


def converted(
    tmp_path: Path, name: str, data: bytes, *, to: str = "out.bin", **options: Any
) -> bytes:
    source, target = tmp_path / name, tmp_path / to
    source.write_bytes(data)
    convert(str(source), str(target), **options)
    return target.read_bytes()


def header_of(path: object) -> evstream.StreamHeader:
    with evstream.open(str(path)) as stream:
        return stream.header


# There and back

CARRY = ["parquet", "arrow", "feather", "bin"]
TEXT = ["csv", "jsonl"]
NAMES = [*CARRY, *TEXT, *(f"{x}.{c}" for x in ("bin", "csv", "jsonl") for c in ("gz", "zst"))]
NAMES += ["parquet.gz", "arrow.zst"]


def options_of(stream: str, header: dict[str, int], widths: dict[str, str], name: str) -> Options:
    """What has to be said to read the stream back from a file of this name."""
    if name.split(".", maxsplit=1)[0] in TEXT:
        return Options(stream=stream, values=header, widths=widths)
    return Options(stream=stream if stream == "event_ids" else None, widths=widths)


def there_and_back(source: Path, folder: Path, name: str, first: Options, back: Options) -> bytes:
    middle, end = folder / f"middle.{name}", folder / "back.bin"
    convert(str(source), str(middle), options=first)
    convert(str(middle), str(end), options=back)
    return end.read_bytes()


def unsaid(decoded: oracle.Decoded, data: bytes) -> set[str]:
    """What of a stream its rows do not say."""
    found = set()
    blocks = decoded.block_entries()
    has_entries = decoded.stream != "event_ids"
    if has_entries and any(not entries for _, entries in blocks):
        found.add("blocks without entries")
    ids = [block[:2] for block, _ in blocks]
    if decoded.stream not in ("cdf", "event_ids") and any(a == b for a, b in pairwise(ids)):
        found.add("the same block twice running")
    if encode_again(decoded) != data:
        found.add("a loss in a delimiter")
    return found


# Rows of these break a rule of severity error, so that a format without a header, whose rows
# are checked, does not take them.
BREAKS_A_RULE = {
    "cdf_event_interleaved.bin", "cdf_odd_values.bin", "cdf_zero_and_negative_ids.bin",
    "event_ids_odd.bin", "loss_event_interleaved.bin", "loss_ids_i8.bin", "loss_inf.bin",
    "loss_item_repeated.bin", "loss_nan.bin", "loss_nan_payload.bin", "loss_negative_ids.bin",
    "loss_sidx_above_len_sample.bin", "loss_sidx_duplicate.bin", "loss_sidx_minus_6.bin",
    "loss_sidx_not_ascending.bin", "loss_specials_last.bin", "loss_values_f8.bin",
    "loss_zero_ids.bin", "summary_exposure_nan.bin", "summary_zero_ids.bin",
    # of the corpus
    "e06_interleaved_events.bin", "e08_items_descending_and_double.bin",
    "e10_nan_inf_negative_zero.bin", "e12_duplicate_sidx.bin",
    "e20_summary_expval_zero_and_nan.bin", "e27_sidx_minus_6.bin",
}  # fmt: skip


def check_there_and_back(path: Path, decoded: oracle.Decoded, folder: Path, name: str) -> None:
    assert decoded.stream is not None
    data = path.read_bytes()
    is_text = name.split(".", maxsplit=1)[0] in TEXT
    first = Options(
        stream="event_ids" if decoded.stream == "event_ids" else None, widths=decoded.widths
    )
    back = options_of(decoded.stream, decoded.header, decoded.widths, name)
    lost = set() if name.startswith("bin") else unsaid(decoded, data)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if is_text and path.name in BREAKS_A_RULE:
            with pytest.raises(TableError, match=r"line \d+: .* breaks "):
                there_and_back(path, folder, name, first, back)
            return
        result = there_and_back(path, folder, name, first, back)
    said = {w.category for w in caught}
    if lost:
        assert result != data
        assert RowsWarning in said or lost == {"a loss in a delimiter"}
    elif is_text and decoded.final_delimiter is False:
        assert evstream.MissingDelimiterWarning in said
        pair = 2 * int(decoded.widths["oasis_int"][1])  # the widths of these files are alike
        assert result == data + bytes(pair)
    else:
        assert result == data
        goes_on = path.name in BREAKS_A_RULE and not name.startswith("bin")
        assert (RowsWarning in said) == goes_on


@pytest.mark.parametrize("name", NAMES)
def test_every_golden_stream_comes_back_byte_for_byte(name: str, tmp_path: Path) -> None:
    """The exceptions are what rows cannot say (blocks without entries, a block twice running,
    which a RowsWarning says; a loss in a delimiter) and, for text formats, the missing final
    delimiter and rows that break a rule."""
    small = name in CARRY + TEXT
    for entry in LEGAL:
        if small or entry["bytes"] < 2000:
            check_there_and_back(GOLDEN / file_name(entry), decode_golden(entry), tmp_path, name)


@needs_corpus
@pytest.mark.parametrize("name", ["parquet", "arrow", "bin.gz", "csv", "jsonl.zst"])
def test_every_stream_of_the_corpus_comes_back_byte_for_byte(name: str, tmp_path: Path) -> None:
    for entry in corpus_entries():
        if entry["error"] is None:
            path = CORPUS / entry["file"]
            decoded = oracle.decode(path.read_bytes())
            check_there_and_back(path, decoded, tmp_path, name)


@pytest.mark.parametrize("name", ["csv", "jsonl", "parquet", "arrow"])
def test_blocks_that_lie_across_batches_stay_whole(name: str, tmp_path: Path) -> None:
    """A cdf block says in its header how many bins it has, so a cut one would be two."""
    path = tmp_path / "large.bin"
    bins = 70_001
    with evstream.create(str(path), "cdf") as out:
        for event in (1, 2):
            out.write_columns(
                event_id=event, areaperil_id=np.repeat([3, 5, 8], bins), vulnerability_id=1,
                bin_index=np.tile(np.arange(1, bins + 1), 3), prob_to=0.5, bin_mean=0.25,
            )  # fmt: skip
    back = options_of("cdf", {}, {}, name)
    assert there_and_back(path, tmp_path, name, Options(), back) == path.read_bytes()


# CSV of the existing tools


@needs_corpus
@pytest.mark.parametrize(
    ("name", "stream", "sort"),
    [("gul_converters", "loss", False), ("ktools_gultobin_t1", "gul_item", False),
     ("fm_ktools_ri1", "loss", False), ("cdf_converters", None, False),
     ("summary_converters", "summary", True)],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore::evstream.MissingDelimiterWarning")
def test_tables_of_the_existing_tools_become_the_stream_beside_them(
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


# Rows that are refused

CSV = b"event_id,item_id,sidx,loss\n1,1,-1,2.5\n1,1,1,3\n"
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
    (b'1,1,2,"77.25', "line 4: this is no CSV (unexpected end of data)"),
    (b'1,1,2,"7\n1,1,3,"8\n', "line 4: this is no CSV (unexpected end of data)"),
    (b'1,1,"1"2,3\n', "line 4: this is no CSV (',' expected after '\"')"),
    (b"1,1\r,2,3\n", "line 4: a carriage return inside the line, expected lines that end"),
    (b"1,1,2," + bytes(200_000), "line 4: this is no CSV ("),
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
    (bytes(200_000), "line 1: this is no text, expected UTF-8"),
    (LOSS.read_bytes(), "line 1: this is no text, expected UTF-8"),
    (b"event_id,\xe9\n", "line 1: this is no text, expected UTF-8"),
    (CSV.replace(b"\n", b"\r"), "line 1: a carriage return inside the line, expected lines that"),
    (b'"event_id,item_id,sidx,loss\n', "line 1: this is no CSV (unexpected end of data)"),
    (b"event_id,item_id,sidx,loss,name\n", "the columns are event_id, item_id, sidx, loss, name"),
]


@pytest.mark.parametrize(("data", "message"), BAD_FILES, ids=lambda v: repr(v)[:40])
def test_a_csv_that_is_none_of_a_stream_is_refused(
    data: bytes, message: str, tmp_path: Path
) -> None:
    assert message in str(refused(tmp_path, "in.csv", data))


@pytest.mark.filterwarnings("ignore::evstream.errors.CutLineWarning")
def test_a_header_alone_is_a_stream_without_events(tmp_path: Path) -> None:
    for end in (b"", b"\n", b"\r\n", b"\n\n"):
        data = converted(tmp_path, "in.csv", b"event_id,item_id,sidx,loss" + end)
        assert data == oracle.encode("loss", {"len_sample": 0}, [])


JSON = b'{"event_id": 1, "item_id": 1, "sidx": -1, "loss": 2.5}\n'
BAD_JSON = [
    (b"x\n", "line 2: this is no JSON (Expecting value"),
    (b"\n" + JSON, "line 2: this is no JSON"),
    (b"[1]\n", "line 2: this is no JSON object"),
    (JSON.replace(b"2.5", b'"x"'), "line 2, column loss: 'x', expected a number"),
    (JSON.replace(b"2.5", b"null"), "line 2, column loss: None, expected a number"),
    (JSON.replace(b"2.5", b"true"), "line 2, column loss: True, expected a number"),
    (JSON.replace(b"2.5", b"[]"), "line 2, column loss: [], expected a number"),
    (JSON.replace(b"-1", b"1.0"), "line 2, column sidx: 1.0, expected a whole number"),
    (JSON.replace(b"-1", b"3000000000"), "line 2, column sidx: 3000000000, expected -21474"),
    (JSON.replace(b', "loss": 2.5', b""), "line 2, column loss: a value is missing"),
    (JSON.replace(b"}", b', "more": 1}'), "line 2, column more: there is 1, expected the columns"),
    (JSON.replace(b"}", b', "loss": 1}'), "line 2: this is no JSON (a name comes twice)"),
    (
        JSON.replace(b"2.5", b'"nan"').replace(b"-1", b"1"),
        "line 2: event_id 1, item_id 1: loss nan",
    ),
    (JSON.replace(b"2.5", b"NaN").replace(b"-1", b"1"), "line 2: event_id 1, item_id 1: loss nan"),
    (JSON.replace(b"2.5", b"1e39"), "line 2, column loss: 1e+39, expected a number within"),
    (JSON.replace(b"}\n", b"\n"), "line 2: this is no JSON"),
    (b"[" * 100_000, "line 2: this is no JSON object of numbers, but deeply nested"),
    (b'{"event_id":' * 50_000, "line 2: this is no JSON object of numbers, but deeply nested"),
    (JSON.replace(b"2.5", b"1" * 4000), "line 2, column loss: 111"),
    (JSON.replace(b"-1", b"1" * 5000), "line 2: this is no JSON (Exceeds the limit"),
]


@pytest.mark.parametrize(("line", "message"), BAD_JSON, ids=lambda v: repr(v)[:60])
def test_a_bad_line_of_json_is_named(line: bytes, message: str, tmp_path: Path) -> None:
    error = refused(tmp_path, "in.jsonl", JSON + line)
    assert message in str(error)
    assert error.line == 2


@pytest.mark.parametrize(
    ("data", "message"),
    [(b"", "the file is empty, expected an object, or --stream"),
     (b'{"event_id": 1}\n[', "line 2: "), (b"\xff", "line 1: this is no text"),
     (b"[" * 100_000, "line 1: this is no JSON object of numbers"),
     (JSON.decode().encode("utf-16"), "line 1: this looks like UTF-16, expected UTF-8"),
     (b'{"a": 1}\n', "the columns are a, expected")],
)  # fmt: skip
def test_json_lines_that_are_none_of_a_stream_are_refused(
    data: bytes, message: str, tmp_path: Path
) -> None:
    assert message in str(refused(tmp_path, "in.jsonl", data))


@pytest.mark.parametrize(
    "text",
    ['{"event_id":1,"item_id":2,"sidx":3,"loss":4.5}', '{ "loss": 4.5, "sidx" : 3, '
     '"item_id": 2, "event_id": 1 }', '{"sidx":3,"event_id":1,"loss":"4.5","item_id":2}\r\n'],
)  # fmt: skip
def test_json_of_any_style_is_understood(text: str, tmp_path: Path) -> None:
    second = '\n{"event_id": 1, "item_id": 2, "sidx": 4, "loss": 5}\n'
    data = converted(tmp_path, "in.jsonl", (text.rstrip("\n") + second).encode())
    assert oracle.decode(data).records == [(1, 2, 3, 4.5), (1, 2, 4, 5.0)]


def test_json_has_the_columns_of_cat(tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "out.jsonl"
    convert(str(LOSS), str(out))
    main(["cat", "--format", "jsonl", str(LOSS)])
    assert rows_of_json(out.read_text()) == rows_of_json(capsys.readouterr().out)


def rows_of_json(text: str) -> list[dict[str, float]]:
    return [json.loads(line) for line in text.splitlines()]


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


# Sorting


@pytest.mark.parametrize("stream", ["loss", "summary", "cdf"])
@pytest.mark.parametrize("name", ["csv", "jsonl", "parquet"])
def test_sort_brings_rows_into_the_order_of_a_stream(
    stream: str, name: str, tmp_path: Path
) -> None:
    path = GOLDEN / {"cdf": "cdf_i4_f4_u4.bin"}.get(stream, f"{stream}_i4_f4.bin")
    ordered, mixed, back = tmp_path / "a.bin", tmp_path / f"b.{name}", tmp_path / "c.bin"
    header = header_of(path)
    said = Options(stream=stream, values=dict(header.values))
    convert(str(path), str(ordered), sort=True)
    table = evstream.read_arrow(str(path))
    shuffled = table.take(np.random.default_rng(5).permutation(len(table)))
    if name == "parquet":
        pq.write_table(shuffled.replace_schema_metadata(None), mixed)
    else:
        to_text(shuffled, mixed)
    with pytest.raises(TableError, match=r"breaks|counting from 1|as in the rows|the same in all"):
        convert(str(mixed), str(back), options=said)
    assert not back.exists()
    convert(str(mixed), str(back), options=said, sort=True)
    assert back.read_bytes() == ordered.read_bytes()
    got, wanted = evstream.read_columns(str(back)), evstream.read_columns(str(path))
    assert sorted(zip(*got.values(), strict=True)) == sorted(zip(*wanted.values(), strict=True))


def to_text(table: Any, path: Path) -> None:
    with open(path, "w", newline="") as file:
        if path.suffix == ".csv":
            writer = csv.writer(file)
            writer.writerow(table.column_names)
            writer.writerows(zip(*(column.to_pylist() for column in table.columns), strict=True))
        else:
            file.writelines(json.dumps(row) + "\n" for row in table.to_pylist())


def test_sort_does_not_make_duplicates_good(tmp_path: Path) -> None:
    error = refused(tmp_path, "in.csv", CSV + b"1,1,1,4\n", sort=True)
    assert "event_id 1, item_id 1: sidx 1 breaks sidx-unique" in str(error)
    assert error.line is None
    assert "--sort" not in str(error)


# Parquet and Arrow files of others

LOSS_TABLE = {"event_id": [1, 1, 2], "item_id": [1, 1, 3], "sidx": [-1, 1, 2], "loss": [1.5, 2, 3]}


def write_table(table: Any, path: Path) -> None:
    if path.suffix == ".parquet":
        pq.write_table(table, path)
    elif path.suffix == ".arrow":
        with pa.ipc.new_file(path, table.schema) as writer:
            writer.write_table(table)
    else:
        with pa.ipc.new_stream(path, table.schema) as writer:
            writer.write_table(table)


FOREIGN = ["in.parquet", "in.arrow", "in.ipc"]


@pytest.mark.parametrize("name", FOREIGN)
@pytest.mark.parametrize(
    "change",
    [
        lambda t: t,
        lambda t: t.select(["loss", "sidx", "item_id", "event_id"]),
        lambda t: t.set_column(0, "event_id", t["event_id"].cast(pa.uint8())),
        lambda t: t.set_column(1, "item_id", t["item_id"].cast(pa.float64())),
        lambda t: t.set_column(3, "loss", t["loss"].cast(pa.int64())),
        lambda t: t.set_column(0, "event_id", t["event_id"].dictionary_encode()),
    ],
)
def test_tables_of_others_are_taken_by_their_columns(
    name: str, change: Any, tmp_path: Path
) -> None:
    columns = {**LOSS_TABLE, "loss": [1.0, 2.0, 3.0]}
    table = change(pa.table(columns))
    source, target = tmp_path / name, tmp_path / "out.bin"
    write_table(table, source)
    said: list[str] = []
    convert(str(source), str(target), say=said.append)
    decoded = oracle.decode(target.read_bytes())
    assert decoded.records == [(1, 1, -1, 1.0), (1, 1, 1, 2.0), (2, 3, 2, 3.0)]
    assert said == [
        "a stream of type loss, by its columns",
        "len_sample 2, the highest sidx (--len-sample)",
    ]


@pytest.mark.parametrize("name", FOREIGN)
@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("event_id", [1, 1, None], "row 2, column event_id: a value is missing"),
        ("loss", [1.5, None, 2.5], "row 1, column loss: a value is missing"),
        ("event_id", [1, 1, 2**31], "row 2, column event_id: 2147483648, expected a whole number"),
        ("event_id", pa.array([1, 1, 2**63], pa.uint64()), "row 2, column event_id: 92233720368"),
        ("item_id", [1, 1, 2.5], "row 2, column item_id: 2.5, expected a whole number from -2147"),
        ("item_id", [1, 1, float("nan")], "row 2, column item_id: nan, expected a whole number"),
        ("loss", [1.5, 1e39, 2], "row 1, column loss: 1e+39, expected a number within 3.4e+38"),
        ("loss", ["1", "2", "3"], "column loss: the column is of type string, expected float"),
        ("loss", [True, False, True], "column loss: the column is of type bool, expected float"),
        ("loss", [1.5, float("nan"), 2], "row 1: event_id 1, item_id 1: loss nan breaks loss-fin"),
        ("more", [1, 2, 3], "the columns are event_id, item_id, sidx, loss, more, expected"),
    ],
)
def test_values_that_a_stream_cannot_hold_are_refused(
    name: str, column: str, values: Any, message: str, tmp_path: Path
) -> None:
    write_table(pa.table({**LOSS_TABLE, column: values}), tmp_path / name)
    data = (tmp_path / name).read_bytes()
    for to in ("out.bin", "out.csv"):
        assert message in str(refused(tmp_path, name, data, to=to))


@pytest.mark.parametrize("name", FOREIGN)
def test_a_file_that_lost_or_won_a_column_is_refused(name: str, tmp_path: Path) -> None:
    """Though it carries the header of a stream."""
    table = evstream.read_arrow(str(LOSS))
    for changed in (table.drop_columns(["sidx"]), table.append_column("more", table["loss"])):
        write_table(changed, tmp_path / name)
        error = refused(tmp_path, name, (tmp_path / name).read_bytes())
        assert f"the columns are {', '.join(changed.column_names)}, expected event_id" in str(error)
    broken = table.replace_schema_metadata({b"evstream": b"{"})
    write_table(broken, tmp_path / name)
    error = refused(tmp_path, name, (tmp_path / name).read_bytes())
    assert "the evstream metadata is broken" in str(error)


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow", "a.bin"])
def test_an_option_that_contradicts_the_file_is_refused(name: str, tmp_path: Path) -> None:
    convert(str(LOSS), str(tmp_path / name))
    data = (tmp_path / name).read_bytes()
    header = header_of(LOSS)
    converted(tmp_path, name, data, to="out.csv", options=Options(values=dict(header.values)))
    for other in tmp_path.iterdir():
        other.unlink()
    error = refused(tmp_path, name, data, to="out.csv", options=Options(values={"len_sample": 77}))
    assert f"says len_sample {header.len_sample}, expected 77" in str(error)
    error = refused(tmp_path, name, data, to="out.csv", options=Options(stream="summary"))
    assert "loss" in str(error)
    assert "expected " in str(error)


# Parquet as it should be


def losses(path: Path, events: int, items: int, samples: int) -> None:
    rng = np.random.default_rng(1)
    with evstream.create(str(path), "loss", len_sample=samples) as out:
        for event in range(1, events + 1):
            values = rng.random((items, samples)).round(3) + 0.001
            out.write_event(event, np.arange(1, items + 1), values, mean=values.mean(1), tiv=9.0)


def test_row_groups_end_with_events_and_statistics_skip_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evstream.conversion.parquet_file.GROUP_ROWS", 10_000)
    monkeypatch.setattr("evstream.conversion.stream_file.BATCH_ROWS", 1_000)
    source, target = tmp_path / "a.bin", tmp_path / "a.parquet"
    losses(source, 100, 50, 10)  # 600 rows per event
    convert(str(source), str(target))
    metadata = pq.ParquetFile(target).metadata
    spans = []
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        event = group.column(0).statistics
        spans.append((event.min, event.max, group.num_rows))
        assert all(group.column(c).statistics.has_min_max for c in range(3))
        assert group.column(3).statistics is None  # those of floats leave NaN out
    assert len(spans) > 5
    for (_, before, _), (first, _, _) in pairwise(spans):
        assert first == before + 1
    assert all(rows % 600 == 0 and rows >= 9_000 for *_, rows in spans[:-1])
    one = pq.read_table(target, filters=[("event_id", "=", 42)])
    assert len(one) == 600
    encodings = [set(metadata.row_group(0).column(c).encodings) for c in range(4)]
    assert "RLE_DICTIONARY" in encodings[0] & encodings[1]
    assert "DELTA_BINARY_PACKED" in encodings[2]
    assert target.stat().st_size < source.stat().st_size
    assert metadata.row_group(0).column(3).compression == "ZSTD"


def test_an_event_larger_than_a_row_group_is_divided(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evstream.conversion.parquet_file.GROUP_ROWS", 1_000)
    monkeypatch.setattr("evstream.conversion.parquet_file.LARGEST_GROUP_ROWS", 4_000)
    monkeypatch.setattr("evstream.conversion.stream_file.BATCH_ROWS", 700)
    source, target = tmp_path / "a.bin", tmp_path / "a.parquet"
    losses(source, 2, 1000, 10)
    convert(str(source), str(target))
    metadata = pq.ParquetFile(target).metadata
    sizes = [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)]
    assert max(sizes) < 5_000
    assert sum(sizes) == 24_000
    convert(str(target), str(tmp_path / "b.bin"))
    assert (tmp_path / "b.bin").read_bytes() == source.read_bytes()


@pytest.mark.parametrize("name", ["zstd", "lz4", "snappy", "gzip", "none"])
def test_compression_of_parquet_is_an_option(name: str, tmp_path: Path) -> None:
    out = tmp_path / "a.parquet"
    assert main(["convert", str(LOSS), str(out), "--compression", name]) == 0
    column = pq.ParquetFile(out).metadata.row_group(0).column(3)
    assert column.compression.lower() == {"none": "uncompressed"}.get(name, name)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["a.arrow", "--compression", "gzip"], "no gzip compression, expected zstd, lz4, none"),
        (["a.csv", "--compression", "zstd"], "a compression of pages does not go with csv"),
        (["a.parquet", "--precision", "2"], "a precision does not go with parquet"),
        (["a.csv", "--precision", "-1"], "'-1', expected a number of decimals"),
        (["a.xlsx"], "a.xlsx: the extension does not tell the format, expected .bin, .csv"),
        (["a"], "a: the extension does not tell the format"),
        (["-"], "-: the extension does not tell the format"),
        (["a.csv", "--to", "xlsx"], "invalid choice: 'xlsx'"),
        (["nowhere/a.csv"], "nowhere/"),
    ],
)
def test_what_cannot_be_is_one_line(arguments: list[str], words: str, tmp_path: Path) -> None:
    result = run(LOSS, *arguments, cwd=tmp_path)
    assert result.returncode == 2
    line = result.stderr.decode().splitlines()[-1]
    assert words in line
    assert b"Traceback" not in result.stderr
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--len-sample", "-1"], "len_sample is -1, expected 0 to 2147483647"),
        (["--summary-set-id", "3"], "a loss stream has no summary_set_id"),
        (["--stream", "losses"], "no stream type 'losses', expected cdf"),
        (["--stream", "summary"], "the columns are event_id, item_id, sidx, loss, expected event_"),
        (["--width", "oasis_float=f2"], "is 'f2', expected f4 or f8"),
    ],
)
def test_options_that_do_not_go_with_a_table_are_one_line(
    arguments: list[str], words: str, tmp_path: Path, capsys: Any
) -> None:
    (tmp_path / "in.csv").write_bytes(CSV)
    with contextlib.suppress(SystemExit):
        assert main(["convert", str(tmp_path / "in.csv"), str(tmp_path / "o.bin"), *arguments]) == 2
    assert words in capsys.readouterr().err.splitlines()[-1]
    assert os.listdir(tmp_path) == ["in.csv"]


# Broken files


def broken_files() -> Iterator[tuple[str, bytes]]:
    table = evstream.read_arrow(str(LOSS))
    for name in FOREIGN:
        file = io.BytesIO()
        if name == "in.parquet":
            pq.write_table(table, file)
        else:
            kind = pa.ipc.new_file if name == "in.arrow" else pa.ipc.new_stream
            with kind(file, table.schema) as writer:
                writer.write_table(table)
        data = file.getvalue()
        yield name, data[: len(data) // 2]
        yield name, data[:7]
        yield name, b""
        yield name, b"nothing of the sort, but long enough to be a file\n" * 4
        if name != "in.ipc":
            yield name, data[:-9] + b"\xff" * 9
        middle = len(data) // 3
        yield f"{name}.gz", gzip.compress(data)[:-12]
        if name == "in.parquet":
            yield name, data[:40] + b"\xff" * 40 + data[80:]
            yield name, data[:middle] + bytes(64) + data[middle + 64 :]
    yield "in.csv.gz", gzip.compress(CSV)[:-9]
    yield "in.csv.gz", gzip.compress(CSV)[:15] + bytes(20)
    yield "in.bin", LOSS.read_bytes()[:-12]
    yield "in.bin", LOSS.read_bytes()[:6]
    yield "in.bin", CSV
    yield "in.bin.gz", gzip.compress(LOSS.read_bytes())[:-9]


BROKEN = list(broken_files())


@pytest.mark.parametrize(
    ("name", "data"), BROKEN, ids=[f"{name}-{i}" for i, (name, _) in enumerate(BROKEN)]
)
def test_a_broken_file_is_one_line_that_names_it(name: str, data: bytes, tmp_path: Path) -> None:
    for to in ("out.bin", "out.csv", "out.parquet"):
        try:
            refused(tmp_path, name, data, to=to)
        except pytest.fail.Exception:
            # Damage inside a page without a checksum may be other losses, nothing more.
            assert name == "in.parquet"
            assert data[:4] == b"PAR1"
            (tmp_path / to).unlink()


def test_the_command_line_says_so_with_exit_status_2(tmp_path: Path) -> None:
    for name, data in [("a.parquet", b"x"), ("a.arrow", b"x"), ("a.csv", b"x\n"), ("a.bin", b"x")]:
        (tmp_path / name).write_bytes(data)
        result = run(tmp_path / name, tmp_path / "out.csv")
        assert result.returncode == 2
        (line,) = result.stderr.decode().splitlines()
        assert line.startswith(f"evstream: {tmp_path / name}: ")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        ("ModuleNotFoundError('not here')", "this needs pyarrow: pip install 'evstream[arrow]'"),
        ("ImportError('no symbol')", "pyarrow cannot be loaded (no symbol): install it again"),
    ],
)
def test_a_missing_extra_is_named(tmp_path: Path, error: str, line: str) -> None:
    (tmp_path / "pyarrow.py").write_text(f"raise {error}\n")
    environment = child_environment()
    environment["PYTHONPATH"] = f"{tmp_path}{os.pathsep}{environment['PYTHONPATH']}"
    result = subprocess.run(
        [sys.executable, "-m", "evstream", "convert", LOSS, tmp_path / "a.parquet"],
        capture_output=True, check=False, env=environment,
    )  # fmt: skip
    assert result.returncode == 2
    assert result.stderr.decode() == f"evstream: {line}\n"
    assert "a.parquet" not in os.listdir(tmp_path)


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


# All or nothing


@pytest.mark.parametrize("name", ["out.bin", "out.csv", "out.parquet", "out.arrow", "out.csv.gz"])
def test_a_full_disk_leaves_what_was_there(name: str, tmp_path: Path) -> None:
    """Here a limit on the size of files, which Python meets as an error."""
    source, target = tmp_path / "in.bin", tmp_path / name
    losses(source, 20, 200, 20)
    target.write_bytes(b"before")
    limit = 20_000

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    environment = child_environment(EVSTREAM_CACHE="0", PYTHONDONTWRITEBYTECODE="1")
    result = subprocess.run(
        [sys.executable, "-m", "evstream", "convert", source, target],
        capture_output=True, check=False, env=environment, preexec_fn=limited,
    )  # fmt: skip
    assert result.returncode == 2, result.stderr
    (line,) = result.stderr.decode().splitlines()
    assert line.startswith(f"evstream: {target}: byte ")
    assert line.endswith("could not write: File too large")
    assert target.read_bytes() == b"before"
    assert sorted(os.listdir(tmp_path)) == sorted(["in.bin", name])


@pytest.mark.parametrize("to", ["bin", "csv", "jsonl", "parquet", "arrow"])
def test_a_device_that_is_full_is_one_line(to: str) -> None:
    result = run(LOSS, "/dev/full", "--to", to)
    assert result.returncode == 2
    (line,) = result.stderr.decode().splitlines()
    assert line.startswith("evstream: /dev/full: byte ")
    assert line.endswith("could not write: No space left on device")


@pytest.mark.parametrize("to", ["out.bin", "out.csv", "out.parquet", "out.jsonl.gz", "out.arrow"])
def test_an_exception_in_the_middle_leaves_no_file(to: str, tmp_path: Path) -> None:
    source = tmp_path / "in.bin"
    losses(source, 40, 500, 10)

    def stop(offset: int) -> None:
        raise KeyboardInterrupt

    threads = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        convert(str(source), str(tmp_path / to), progress=stop)
    assert os.listdir(tmp_path) == ["in.bin"]
    deadline = time.monotonic() + 60
    while threading.active_count() > threads:  # the last one may still be on its way out
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("to", ["out.bin", "out.csv", "out.parquet", "out.jsonl", "out.arrow"])
def test_a_stream_that_is_cut_leaves_no_file(to: str, tmp_path: Path) -> None:
    source = tmp_path / "in.bin"
    losses(source, 40, 500, 10)
    os.truncate(source, source.stat().st_size - 20_003)
    with pytest.raises(evstream.TruncatedStreamError):
        convert(str(source), str(tmp_path / to))
    assert os.listdir(tmp_path) == ["in.bin"]


# Pipes


def test_both_sides_may_be_pipes() -> None:
    formats = ["bin", "csv", "parquet", "arrow", "jsonl"]
    data = LOSS.read_bytes()
    for name in formats[1:]:
        there = run("-", "-", "--from", "bin", "--to", name, input=data)
        assert (there.returncode, there.stderr) == (0, b"")
        back = run("-", "-", "--from", name, "--to", "bin", input=there.stdout)
        assert back.returncode == 0
        said = back.stderr.decode().splitlines()
        if name in TEXT:
            assert said[0] == "evstream: <stdin>: a stream of type loss, by its columns"
            assert re.fullmatch(
                r"evstream: <stdin>: len_sample \d+, the highest sidx \(--len-sample\)", said[1]
            )
            assert back.stdout[8:] == data[8:]
        else:
            assert said == []
            assert back.stdout == data


def test_a_chain_of_pipes_is_the_stream_again(tmp_path: Path) -> None:
    source = tmp_path / "a.bin"
    losses(source, 30, 300, 20)
    python = f"{sys.executable} -m evstream convert - - --from"
    steps = [f"{python} bin --to csv", f"{python} csv --to jsonl", f"{python} jsonl --to parquet",
             f"{python} parquet --to arrow --len-sample 20",
             f"{python} arrow --to bin --len-sample 20"]  # fmt: skip
    line = f"cat {source} | {' | '.join(steps)}"
    result = subprocess.run(
        line, shell=True, capture_output=True, check=True, env=child_environment()
    )
    assert result.stdout == source.read_bytes()


def test_a_reader_that_goes_away_is_one_line(tmp_path: Path) -> None:
    source = tmp_path / "a.bin"
    losses(source, 100, 500, 10)
    for to in ("csv", "jsonl", "bin", "parquet"):
        with subprocess.Popen(
            [sys.executable, "-m", "evstream", "convert", source, "-", "--to", to],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=child_environment(),
        ) as process:  # fmt: skip
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.read(10)
            process.stdout.close()
            line = b"evstream: <stdout>: its reader went away before the end\n"
            assert process.stderr.read() == line
            assert process.wait(PATIENCE) == 1


def test_what_is_given_is_not_said(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "in.csv").write_text(
        "EventId,SummaryId,SampleId,Loss,ImpactedExposure\n1,1,-1,2,3\n"
    )
    source, target = str(tmp_path / "in.csv"), str(tmp_path / "out.bin")
    main(["convert", source, target])
    assert capsys.readouterr().err.splitlines() == [
        f"evstream: {source}: a stream of type summary, by its columns",
        f"evstream: {source}: summary_set_id 1, as nothing tells it (--summary-set-id)",
        f"evstream: {source}: len_sample 0, the highest sidx (--len-sample)",
    ]
    main(["convert", source, target, "--stream=summary", "--len-sample=5", "--summary-set-id=3"])
    assert capsys.readouterr().err == ""
    header = header_of(target)
    assert (header.len_sample, header.summary_set_id) == (5, 3)
    main(["convert", source, str(tmp_path / "out.jsonl"), "--stream=summary"])
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("module", "name"), [("polars", "a.jsonl"), ("pyarrow", "a.parquet")])
def test_a_missing_extra_is_named_and_leaves_no_file(
    module: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(evstream.MissingExtraError, match=f"this needs {module}: pip install"):
        convert(str(LOSS), str(tmp_path / name))
    assert list(tmp_path.iterdir()) == []


def test_a_summary_table_of_the_reference_keeps_its_order_of_specials(
    tmp_path: Path, capsys: Any
) -> None:
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


def test_what_rows_do_not_say_is_said(tmp_path: Path, capsys: Any) -> None:
    main(["convert", str(GOLDEN / "loss_empty_block.bin"), str(tmp_path / "out.csv")])
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("evstream: warning: ")
    assert "1 blocks without entries, which have no row" in line


def test_an_event_id_that_looks_like_gzip_is_one(tmp_path: Path) -> None:
    """A list of event ids has no header, so its first bytes are anybody's."""
    ids = np.array([0x00088B1F, 5], "<i4").tobytes()
    out = converted(tmp_path, "a.bin", ids, to="a.csv", options=Options(stream="event_ids"))
    assert out.split() == [b"event_id", b"559903", b"5"]
    packed = gzip.compress(ids)
    out = converted(tmp_path, "a.bin.gz", packed, to="a.csv", options=Options(stream="event_ids"))
    assert out.split() == [b"event_id", b"559903", b"5"]


# Decimals


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


# Progress


def on_terminal(*arguments: object) -> str:
    """What a conversion shows on a terminal that has its stdout and stderr."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 120, 0, 0))
    code = (
        "import sys, evstream.cli.progress as p; p._FIRST_AFTER = p._EVERY = 0.0; "
        "from evstream.cli.program import main; sys.exit(main(sys.argv[1:]))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, "convert", *map(str, arguments)],
        stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, env=child_environment(),
    ) as process:  # fmt: skip
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):
            while piece := os.read(ours, 1 << 16):
                shown += piece
        os.close(ours)
        assert process.wait(PATIENCE) == 0
    return shown.decode()


def test_progress_on_a_terminal_has_a_bar_rate_and_time_left(tmp_path: Path) -> None:
    source = tmp_path / "a.bin"
    losses(source, 100, 500, 10)
    for to in ("a.csv", "a.parquet"):
        shown = on_terminal(source, tmp_path / to)
        lines = shown.split("\r\x1b[K")
        pattern = rf"{source}: \d+ MB, \d+ MB/s \[#*\.*\] \d+%, \d+ s left"
        assert re.fullmatch(pattern, lines[1]), shown
        assert lines[-1] == ""  # it is wiped at the end
    assert on_terminal(tmp_path / "a.csv", tmp_path / "b.bin").count("len_sample 10") == 1
    assert "MB/s" not in on_terminal(LOSS, "-", "--to", "csv")


@pytest.mark.parametrize("name", ["parquet", "arrow", "bin", "bin.gz", "csv.gz", "jsonl.zst"])
def test_what_is_left_of_a_failed_conversion_is_not_a_whole_file(tmp_path: Path, name: str) -> None:
    """A library that is thrown away may complete its file: then it would look whole."""
    source = io.BytesIO()
    with evstream.create(source, "loss", len_sample=1) as out:
        out.write_columns(np.arange(1, 300_001), 1, 1, 1.0)
    cut = source.getvalue()[: 8 + 24 * 250_000]  # between two events

    class Stops(io.BytesIO):
        def readinto1(self, view: Any) -> int:
            size = super().readinto1(view)
            if not size:
                raise OSError("the line went dead")
            return size

    fifo, left = tmp_path / f"fifo.{name}", tmp_path / f"left.{name}"
    os.mkfifo(fifo)
    reader = threading.Thread(target=lambda: left.write_bytes(fifo.read_bytes()))
    reader.start()
    with pytest.raises(OSError, match="went dead"):
        convert(Stops(cut), fifo, from_="bin")
    gc.collect()
    reader.join()
    with pytest.raises(evstream.EvstreamError):
        convert(left, io.BytesIO(), to="csv")


def test_what_the_files_do_not_say_is_said_by_name(tmp_path: Path) -> None:
    table, stream = tmp_path / "a.csv", tmp_path / "a.bin"
    table.write_text("event_id,item_id,sidx,loss\n1,1,1,2.5\n")
    evstream.convert(table, stream, stream="gul_item", len_sample=7, widths={"oasis_float": "f8"})
    with evstream.open(stream, widths={"oasis_float": "f8"}) as opened:
        assert (opened.header.stream, opened.header.len_sample) == ("gul_item", 7)
        assert [event.loss.tolist() for event in opened] == [[2.5]]
    with pytest.raises(TypeError, match="convert takes no length"):
        evstream.convert(table, stream, length=7)
