"""The package of another format: the spec with fields, a stream and a special sidx more.

The package is generated into a folder of its own and used there by other processes, as one
would use it after an edit of the spec and `make generate`.
"""

from __future__ import annotations

import compileall
import json
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from codegen.__main__ import main
from support import ROOT

PACKAGE = ROOT / "src" / "evstream"

ADDED = {
    "      SUMMARY: {value: 3,": """\
      CLAIM: {value: 9, constant: CLAIM_STREAM_ID, doc: Claims.}
      TINY: {value: 10, constant: TINY_STREAM_ID, doc: Losses with a narrow sidx.}
      MARK: {value: 11, constant: MARK_STREAM_ID, doc: Samples that are marked.}
      TOTAL: {value: 12, constant: TOTAL_STREAM_ID, doc: Losses of whole events.}
""",
    "      MAX_LOSS: {value: -5,": """\
      MEDIAN: {value: -9, constant: MEDIAN_IDX, parameter: median, doc: Median loss.}
""",
    "  sample_count:\n": """\
  small_int:
    doc: A narrow number.
    widths: [i1]
""",
    "  summary_stream_header:\n": """\
      - {name: portfolio_id, type: oasis_int, minimum: 2, doc: Portfolio of the losses.}
      - {name: timeout, type: sample_count, doc: Called as an option of the command line is.}
  total_stream_header:
    doc: Follows the type word.
    fields:
      - {name: len_sample, type: sample_count, minimum: 0, doc: Number of samples.}
      - {name: rate, type: oasis_float, doc: Rate of exchange.}
""",
    "  coverage_header:\n": """\
      - {name: currency_id, type: oasis_int, plural: currency_ids, doc: Currency of the losses.}
""",
    "  damage_bin:\n": """\
  sidx_day_loss:
    doc: What a day of a sample costs.
    fields:
      - {name: sidx, type: oasis_int, doc: Sample index.}
      - {name: day, type: oasis_int, doc: Day of the year.}
      - {name: gross, type: oasis_float, doc: Loss before the terms.}
      - {name: net, type: oasis_float, doc: Loss after the terms.}
  mark_header:
    doc: Opens a block of marked samples.
    fields:
      - {name: event_id, type: oasis_int, plural: event_ids, reserved: [0], doc: The event.}
      - {name: no_of_marks, type: oasis_int, minimum: 0, doc: Number of samples that follow.}
  only_sidx:
    doc: A sample index.
    fields:
      - {name: sidx, type: oasis_int, doc: Sample index.}
  tiny_loss:
    doc: A narrow sample index and its loss.
    fields:
      - {name: sidx, type: small_int, doc: Sample index.}
      - {name: amount, type: oasis_float, doc: Loss.}
""",
    "\nblocks:\n": """\
  last_day:
    doc: Closes a block.
    record: sidx_day_loss
    match: {sidx: 0}
    write: {sidx: 0, day: 0, gross: 0, net: 0}
  last_tiny:
    doc: Closes a block.
    record: tiny_loss
    match: {sidx: 0}
    write: {sidx: 0, amount: 0}
""",
    "  cdf:\n    doc: The damage distribution": """\
  claim:
    doc: The claims of one item.
    header: item_header
    entry: sidx_day_loss
    end: {delimiter: last_day}
  mark:
    doc: The marked samples of one event.
    header: mark_header
    entry: only_sidx
    end: {count: no_of_marks}
    index: mark_index
  total:
    doc: Losses of one event.
    header: event_header
    entry: sidx_loss
    end: {delimiter: delimiter}
  tiny:
    doc: Losses of one item.
    header: item_header
    entry: tiny_loss
    end: {delimiter: last_tiny}
""",
    "  loss:\n    doc: Losses per item, ground-up": """\
  claim:
    doc: Claims per item.
    source: CLAIM
    aggregation: ITEM
    header: sample_stream_header
    block: claim
    special_sidx:
      MEAN: {doc: Mean.}
  mark:
    doc: Marked samples per event.
    source: MARK
    aggregation: ITEM
    header: sample_stream_header
    block: mark
  total:
    doc: Losses per event.
    source: TOTAL
    aggregation: ITEM
    header: total_stream_header
    block: total
  tiny:
    doc: Losses per item.
    source: TINY
    aggregation: ITEM
    header: sample_stream_header
    block: tiny
    special_sidx:
      MEDIAN: {doc: Median.}
""",
}
"""What is added to the spec, by what it stands before."""


@dataclass
class Package:
    """The folder with a package in src, and a process that runs programs with it."""

    folder: Path
    process: subprocess.Popen[str]


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Package]:
    """A copy of the package of the changed spec."""
    folder = tmp_path_factory.mktemp("other")
    text = (ROOT / "spec" / "oasis.yaml").read_text()
    for before, added in ADDED.items():
        assert text.count(before) == 1, before
        text = text.replace(before, added + before)
    loss = "      TIV: {required: true, doc: Total insured value of the item.}\n"
    assert text.count(loss) == 1
    text = text.replace(loss, "      MEDIAN: {doc: Median loss of the item.}\n" + loss)
    (folder / "spec.yaml").write_text(text)
    ignore = shutil.ignore_patterns("_generated", "__pycache__")
    shutil.copytree(PACKAGE, folder / "src" / "evstream", ignore=ignore)
    assert main(["--spec", str(folder / "spec.yaml"), "--root", str(folder)]) == 0
    compileall.compile_dir(folder / "src", quiet=2)  # once, for all programs below
    with subprocess.Popen(
        [sys.executable, "-c", FORKS], env=environment(folder), cwd=folder, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        yield Package(folder, process)


def environment(folder: Path, **changes: str) -> dict[str, str]:
    """Plain Python with the package in a folder."""
    plain = {"PYTHONPATH": str(folder / "src"), "NUMBA_DISABLE_JIT": "1", "EVSTREAM_CACHE": "0"}
    return os.environ | plain | changes


def run(package: Package, code: str | None, *arguments: str) -> tuple[int, str, str]:
    """Exit status, stdout and stderr of a program, or of `evstream ...`."""
    assert package.process.stdin is not None
    assert package.process.stdout is not None
    print(json.dumps([code, arguments]), file=package.process.stdin, flush=True)
    status = int(package.process.stdout.readline())
    return status, *((package.folder / name).read_text() for name in ("stdout", "stderr"))


def python(package: Package, code: str) -> str:
    status, printed, reported = run(package, IMPORTS + code)
    assert status == 0, reported
    return printed


def command(package: Package, *arguments: str, status: int = 0) -> str:
    """What `evstream ...` prints; its one line on stderr where it fails."""
    found, printed, reported = run(package, None, *arguments)
    assert found == status, reported
    return reported if status == 2 else printed


FORKS = """
import json, os, runpy, sys
import evstream.cli.program, pyarrow.parquet

for line in iter(sys.stdin.readline, ""):
    code, arguments = json.loads(line)
    child = os.fork()
    if child:
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
        continue
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    if code is not None:
        exec(code, {"__name__": "__main__"})
    else:
        sys.argv[1:] = arguments
        runpy.run_module("evstream", run_name="__main__")
    sys.exit()
"""
"""Runs each program in a fork: to import the package takes longer than most of them."""


IMPORTS = """
import io
import numpy as np
import evstream
assert evstream.__file__.startswith(__import__("os").environ["PYTHONPATH"])
HEADER = {"len_sample": 2, "portfolio_id": 7, "timeout": 9}

def shows(write, *arguments, **named):
    try:
        write(*arguments, **named)
    except (TypeError, evstream.EvstreamError) as error:
        print(type(error).__name__ + ":", error)
"""

LOSSES = """\
event_id,item_id,currency_id,sidx,loss
1,1,5,-9,3.0
1,1,5,-3,9.0
1,1,5,-1,0.0
1,1,5,1,1.0
1,2,6,-9,3.0
1,2,6,-3,8.0
1,2,6,-1,4.0
1,2,6,1,2.0
1,2,6,2,3.0
2,3,7,-9,1.5
2,3,7,-3,2.0
2,3,7,-1,2.0
2,3,7,1,2.5
"""

CLAIMS = """\
event_id,item_id,currency_id,sidx,day,gross,net
1,3,8,-1,5,10.0,1.0
1,3,8,1,6,20.0,2.0
1,3,8,2,7,30.0,3.0
2,3,8,1,8,40.0,4.0
"""

TABLES = {"loss": LOSSES, "claim": CLAIMS}
FIELDS = ("--portfolio-id", "7", "--header-timeout", "9")


@pytest.fixture(scope="module")
def streams(package: Package) -> dict[str, str]:
    """Streams of both tables, written as a program does it; stream -> name of its file."""
    python(
        package,
        """
with evstream.create("loss.bin", "loss", **HEADER) as out:
    out.write_event(1, [1, 2], [[1, 0], [2, 3]], tiv=[9, 8], mean=[0, 4], currency_ids=[5, 6],
                    median=3.0)
    out.write_columns([2] * 4, 3, 7, [-9, -3, -1, 1], [1.5, 2, 2, 2.5])
with evstream.create("claim.bin", "claim", **HEADER) as out:
    out.write_columns([1, 1, 1, 2], 3, 8, [-1, 1, 2, 1], [5, 6, 7, 8], [10, 20, 30, 40],
                      net=[1, 2, 3, 4])
""",
    )
    return {"loss": "loss.bin", "claim": "claim.bin"}


def test_the_bytes_are_those_of_the_spec(package: Package, streams: dict[str, str]) -> None:
    expected = struct.pack("<BBBBiii", 1, 0, 0, 9, 2, 7, 9)
    blocks = {(1, 3, 8): [(-1, 5, 10, 1), (1, 6, 20, 2), (2, 7, 30, 3)], (2, 3, 8): [(1, 8, 40, 4)]}
    for ids, entries in blocks.items():
        expected += struct.pack("<iii", *ids)
        expected += b"".join(struct.pack("<iiff", *e) for e in [*entries, (0, 0, 0, 0)])
    assert (package.folder / streams["claim"]).read_bytes() == expected


def test_new_columns_and_specials_are_in_events_and_matrices(
    package: Package, streams: dict[str, str]
) -> None:
    printed = python(
        package,
        """
with evstream.open("loss.bin") as stream:
    print(stream.header.values)
    (first, _) = stream
    print(first.currency_ids, first.to_dense().columns, first.to_dense().specials["median"])
print(evstream.read_dense("loss.bin").columns)
(first, _) = evstream.open("claim.bin")
print(first.currency_ids, first.sidx, first.day, first.gross, first.net)
""",
    )
    assert printed == (
        "{'len_sample': 2, 'portfolio_id': 7, 'timeout': 9}\n"
        "[5 6] {'currency_ids': array([5, 6], dtype=int32)} [3. 3.]\n"
        "{'currency_ids': array([5, 6, 7], dtype=int32)}\n"
        "[8] [-1  1  2] [5 6 7] [10. 20. 30.] [1. 2. 3.]\n"
    )


def test_errors_have_the_names_of_the_spec(package: Package, streams: dict[str, str]) -> None:
    printed = python(
        package,
        """
new = lambda stream, **changes: evstream.create(io.BytesIO(), stream, **(HEADER | changes))
event = (1, [1, 2], [[1, 2], [3, 4]])
shows(new, "loss", portfolio_id=None)
shows(new, "loss", portfolio_id=1)
shows(new, "loss", portfolio=1)
shows(new("loss").write_event, *event)
shows(new("loss").write_event, *event, currency_ids=1, exposure_values=1)
shows(new("loss").write_event, *event, currency_ids=1, mode=1)
shows(new("claim").write_event, *event, currency_ids=1)
shows(new("tiny").write_event, *event, currency_ids=1, mean=1)
shows(new("tiny").write_event, *event, currency_ids=[1, 2**31])
shows(new("tiny").write_columns, 1, 1, 1, [1, 200], 1.0)
shows(new("tiny", len_sample=200).write_event, 1, [1], np.ones(200), currency_ids=1)
shows(next(iter(evstream.open("claim.bin"))).to_dense)
shows(evstream.read_dense, "claim.bin")
""",
    )
    values = (
        "a matrix needs one value per sidx, an entry of a claim stream is sidx, day, gross, net"
    )
    legal = "expected currency_ids, median, max_loss, chance_of_loss, tiv, std_dev, mean"
    whole = 'expected a whole number from -2147483648 to 2147483647, or widths={"oasis_int": "i8"}'
    assert printed.splitlines() == [
        "TypeError: a loss stream needs portfolio_id",
        "WriteError: portfolio_id is 1, expected 2 to 2147483647",
        "TypeError: a loss stream has no portfolio, expected len_sample, portfolio_id, timeout",
        "TypeError: a loss stream needs currency_ids",
        f"TypeError: a loss stream has no exposure_values, {legal}",
        f"TypeError: no column or special sidx 'mode', {legal}",
        f"TypeError: {values}: use write_columns",
        "TypeError: a tiny stream has no mean, expected currency_ids, median",
        f"WriteError: <BytesIO>: event_id 1, item_id 2: currency_id 2147483648 does not fit into "
        f"i4, {whole}",
        "WriteError: <BytesIO>: sidx 200 does not fit into i1, expected a whole number from "
        "-128 to 127",
        "WriteError: <BytesIO>: sidx 200 does not fit into i1, expected a len_sample of 127 or "
        "less",
        f"TypeError: {values}",
        f"TypeError: {values}",
    ]


def test_the_highest_sidx_of_a_width_is_written(package: Package) -> None:
    printed = python(
        package,
        """
target = io.BytesIO()
with evstream.create(target, "tiny", **(HEADER | {"len_sample": 127})) as out:
    out.write_event(1, [1], np.ones(127), currency_ids=1, median=2)
target.seek(0)
(event,) = evstream.open(target)
print(event.sidx.tolist() == [-9, *range(1, 128)], event.to_dense().losses.sum())
""",
    )
    assert printed == "True 127.0\n"


@pytest.mark.parametrize("stream", TABLES)
def test_cat_and_validate(package: Package, streams: dict[str, str], stream: str) -> None:
    assert command(package, "cat", streams[stream]) == TABLES[stream]
    assert "clean" in command(package, "validate", streams[stream])


def test_info_sums_each_value_of_a_sidx(package: Package, streams: dict[str, str]) -> None:
    loss, claim = command(package, "info", "--json", *streams.values()).splitlines()
    assert json.loads(loss)["header"] == {"len_sample": 2, "portfolio_id": 7, "timeout": 9}
    assert json.loads(loss)["losses"]["median"] == {"records": 3, "sum": 7.5}
    assert json.loads(claim)["losses"] == {
        "samples gross": {"records": 3, "sum": 90.0},
        "mean gross": {"records": 1, "sum": 10.0},
        "samples net": {"records": 3, "sum": 9.0},
        "mean net": {"records": 1, "sum": 1.0},
    }


@pytest.mark.parametrize("extension", ["csv", "parquet"])
@pytest.mark.parametrize("stream", TABLES)
def test_convert_there_and_back(
    package: Package, streams: dict[str, str], stream: str, extension: str
) -> None:
    table, again = f"{stream}.{extension}", f"{stream}_{extension}.bin"
    command(package, "convert", streams[stream], table)
    given = ("--len-sample", "2", *FIELDS) if extension == "csv" else ()
    command(package, "convert", table, again, *given)
    assert "equal" in command(package, "diff", streams[stream], again)
    folder = package.folder
    assert (folder / again).read_bytes() == (folder / streams[stream]).read_bytes()


def test_a_missing_header_field_is_asked_for(package: Package) -> None:
    (package.folder / "bare.csv").write_text(CLAIMS)
    error = command(package, "convert", "bare.csv", "bare.bin", *FIELDS[:2], status=2)
    assert error.splitlines()[-1] == (
        "evstream: bare.csv: the stream header needs timeout, expected --timeout, or a file "
        "that carries the header"
    )
    assert not (package.folder / "bare.bin").exists()
    command(package, "convert", "bare.csv", "bare.bin", *FIELDS)


def test_tables_become_streams_with_the_fields_of_the_header(
    package: Package, streams: dict[str, str]
) -> None:
    printed = python(
        package,
        """
table = evstream.read_arrow("claim.bin").replace_schema_metadata()
shows(evstream.write_arrow, table, "table.bin", "claim", len_sample=2, timeout=9)
evstream.write_arrow(table, "table.bin", "claim", **HEADER)
print(open("table.bin", "rb").read() == open("claim.bin", "rb").read())
""",
    )
    assert printed == "TypeError: a claim stream needs portfolio_id\nTrue\n"


def test_entries_may_have_no_value_and_blocks_no_second_id(package: Package) -> None:
    printed = python(
        package,
        """
with evstream.create("mark.bin", "mark", **HEADER) as out:
    shows(out.write_event, 1, [1], [[1, 2]])
    out.write_columns([1, 2], 1, [1, 2])
with evstream.create("total.bin", "total", len_sample=2, rate=0.1) as out:
    shows(out.write_event, 1, [1], [[1, 2]])
    out.write_columns([1, 1], [1, 2], [5, 6])
shows(evstream.read_dense, "total.bin")
shows(evstream.create, "new.bin", "total", len_sample=2, rate="0.1")
shows(evstream.create, "new.bin", "total", len_sample=2, rate=1e39)
shows(evstream.create, "new.bin", "total", len_sample=2, rate=1e-60)
with evstream.open("total.bin") as stream:
    print(stream.header.values == out.header.values, stream.header.values)
""",
    )
    no_id = "TypeError: a matrix needs an id per row, a total stream has only event_id"
    assert printed.splitlines() == [
        "TypeError: a matrix needs one value per sidx, an entry of a mark stream is sidx: "
        "use write_columns",
        f"{no_id}: use write_columns",
        no_id,
        "TypeError: rate is '0.1', expected a number",
        "WriteError: rate is 1e+39, expected a finite number",
        "WriteError: rate is 1e-60, expected a number that f4 holds",
        "True {'len_sample': 2, 'rate': 0.10000000149011612}",
    ]
    mark, total = command(package, "info", "--json", "mark.bin", "total.bin").splitlines()
    assert json.loads(mark)["records"] == 2
    assert json.loads(mark)["losses"] == {}
    assert json.loads(total)["items"] == 0
    assert json.loads(total)["losses"] == {"samples": {"records": 2, "sum": 11.0}}
    command(package, "convert", "total.bin", "total.csv")
    command(package, "convert", "total.csv", "again.bin", "--len-sample", "2", "--rate", "0.1")
    assert "equal" in command(package, "diff", "total.bin", "again.bin")


def test_diff_finds_a_value_and_a_header_field(package: Package, streams: dict[str, str]) -> None:
    python(
        package,
        """
rows = evstream.read_columns("claim.bin")
rows["net"][2] = 99
with evstream.create("other.bin", "claim", **(HEADER | {"portfolio_id": 8})) as out:
    out.write_columns(**rows)
""",
    )
    report = json.loads(command(package, "diff", "--json", "claim.bin", "other.bin", status=1))
    assert [d["field"] for d in report["differences"]] == ["portfolio_id", "net"]


def test_warmup_compiles_the_kernels_of_new_streams(package: Package) -> None:
    """All streams in plain Python, of which nothing can be kept on disk; with numba, which takes
    less, those that differ most."""
    status, _, reported = run(package, None, "warmup")
    assert "stream types ready" in reported
    assert "nothing is kept on disk: NUMBA_DISABLE_JIT=1" in reported
    assert status == 1
    code = """
from unittest.mock import Mock
from evstream.aggregation import aggregate
from evstream.text import row_parser, rows
# Their kernels are the same for any format.
aggregate.partial_aggregate = rows.RowPrinter = row_parser.RowParser = Mock()
from evstream.cli.warmup import warm_up
from evstream.wire.kernels import block_kernels
from evstream._generated import layout
for stream in ("claim", "tiny"):
    warm_up(stream, {})
header = evstream.create(io.BytesIO(), "tiny", **HEADER).header
print(block_kernels(header).encode_dense.signatures != [])
"""
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS + code], cwd=package.folder, capture_output=True, text=True,
        env=environment(package.folder, NUMBA_DISABLE_JIT="0"), check=False,
    )  # fmt: skip
    assert (done.stdout, done.returncode) == ("True\n", 0), done.stderr
