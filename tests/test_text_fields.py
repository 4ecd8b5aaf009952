"""Text of a fixed size in block headers, entries and stream headers, by bytes made with struct."""

from __future__ import annotations

import importlib
import io
import json
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest
import yaml

from evstream.cli.warmup import warm_up
from evstream.errors import (
    StreamHeaderError,
    TableError,
    TruncatedStreamError,
    WriteError,
)
from generated_packages import imported_package, run_package

SPEC = Path(__file__).parent / "text_fields_spec.yaml"
NAME = "flights_with_text"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("flights")


@pytest.fixture(scope="module")
def flights(folder: Path) -> Iterator[Any]:
    """The generated package."""
    with imported_package(SPEC, folder, NAME) as package:
        yield package


def word(source: int) -> bytes:
    return struct.pack("<I", source << 24 | 1)


def delay_bytes(run: bytes = b"march", mark: bytes = b"") -> bytes:
    """Two flights; the second has two legs, of which only the airport differs."""
    data = word(7) + struct.pack("<8si", run, 4)
    for flight, airport, entries in (
        (1, b"AMS", [(1, b"fog", 2.5), (3, b"overload", 4.0)]),
        (2, b"LHR", [(1, b"", 0.25)]),
        (2, b"OR", [(2, mark or b'a "b", c', 8.0)]),
    ):
        data += struct.pack("<i3s", flight, airport)
        data += b"".join(struct.pack("<i8sf", *entry) for entry in entries)
        data += struct.pack("<i8sf", 0, b"", 0)
    return data


def crew_bytes() -> bytes:
    data = word(8)
    for flight, people in ((1, [(b"cpt", b"Ann"), (b"fo", b"Bob")]), (2, [(b"cpt", b"Eve Long")])):
        data += struct.pack("<ii", flight, len(people))
        data += b"".join(struct.pack("<3s8s", *person) for person in people)
    return data


def note_bytes() -> bytes:
    notes = ((1, b"late"), (2, b"x" * 255), (3, b""))
    return word(9) + b"".join(struct.pack("<i255s", *note) for note in notes)


STREAMS = {"delay": delay_bytes(), "crew": crew_bytes(), "note": note_bytes()}

ROWS = {
    "flight": [1, 1, 2, 2],
    "airport": [b"AMS", b"AMS", b"LHR", b"OR"],
    "sidx": [1, 3, 1, 2],
    "cause": [b"fog", b"overload", b"", b'a "b", c'],
    "delay": [2.5, 4.0, 0.25, 8.0],
}


def test_columns_of_text_hold_its_bytes(flights: Any) -> None:
    rows = flights.read_columns(io.BytesIO(delay_bytes()))
    assert {name: column.tolist() for name, column in rows.items()} == ROWS
    assert (rows["airport"].dtype, rows["cause"].dtype) == (np.dtype("S3"), np.dtype("S8"))
    rows = flights.read_columns(io.BytesIO(crew_bytes()))
    assert rows["who"].tolist() == [b"Ann", b"Bob", b"Eve Long"]
    rows = flights.read_columns(io.BytesIO(note_bytes()))
    assert rows["note"].tolist() == [b"late", b"x" * 255, b""]


def test_events_have_text_in_header_and_entry(flights: Any) -> None:
    with flights.open(io.BytesIO(delay_bytes())) as stream:
        assert dict(stream.header.values) == {"run": "march", "samples": 4}
        first, second = list(stream)
    assert second.flight == 2
    assert second.airports.tolist() == [b"LHR", b"OR"]
    assert first.cause.tolist() == [b"fog", b"overload"]


def test_kernels_of_text_are_warmed_up(flights: Any) -> None:
    for stream in STREAMS:
        warm_up(stream, {}, flights.FORMAT)


@numba.njit
def on_leg(state, flight, airport):  # type: ignore[no-untyped-def]
    airports, _, n = state
    airports[n[0]] = airport
    n[0] += 1


@numba.njit
def on_delay(state, sidx, cause, delay):  # type: ignore[no-untyped-def]
    _, causes, n = state
    causes[n[1]] = cause
    n[1] += cause == b"fog" or delay > 3


def test_callbacks_get_text_as_bytes(flights: Any) -> None:
    """A cause is kept for fog, and for delays of more than 3 minutes."""
    state = (np.zeros(5, "S3"), np.zeros(5, "S8"), np.zeros(2, np.int64))
    reader = flights.reader_class("delay", on_leg, on_delay)(state)
    assert list(reader.read(io.BytesIO(delay_bytes()))) == [1, 2]
    airports, causes, (blocks, kept) = state
    assert airports[:blocks].tolist() == [b"AMS", b"LHR", b"OR"]
    assert causes[:kept].tolist() == [b"fog", b"overload", b'a "b", c']


@pytest.mark.parametrize("stream", STREAMS)
def test_events_write_the_same_bytes(flights: Any, stream: str) -> None:
    target = io.BytesIO()
    with (
        flights.open(io.BytesIO(STREAMS[stream])) as opened,
        flights.create(target, stream, **opened.header.values) as out,
    ):
        for event in opened:
            out.write(event)
    assert target.getvalue() == STREAMS[stream]


@pytest.mark.parametrize("stream", STREAMS)
def test_columns_write_the_same_bytes(flights: Any, stream: str) -> None:
    header = {"run": "march", "samples": 4} if stream == "delay" else {}
    rows = flights.read_columns(io.BytesIO(STREAMS[stream]))
    target = io.BytesIO()
    with flights.create(target, stream, **header) as out:
        out.write_columns(**rows)
    assert target.getvalue() == STREAMS[stream]


def test_text_is_given_as_str_or_bytes(flights: Any) -> None:
    for airports, causes in (
        (["AMS", "AMS", "LHR", "OR"], ["fog", "overload", "", 'a "b", c']),
        (np.array(["AMS", "AMS", "LHR", "OR"]), np.array(ROWS["cause"])),
        (np.array(["AMS", b"AMS", "LHR", "OR"], object), ROWS["cause"]),
    ):
        target = io.BytesIO()
        with flights.create(target, "delay", run=b"march", samples=4) as out:
            out.write_columns(ROWS["flight"], airports, ROWS["sidx"], causes, ROWS["delay"])
        assert target.getvalue() == delay_bytes()


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("AMST", "is 'AMST', 4 characters, expected 3 or fewer"),
        ("A\0S", r"is 'A\\x00S', expected ASCII text without zero bytes"),
        (b"A\0S", r"is b'A\\x00S', expected ASCII text without zero bytes"),
        ("Aé", "is 'Aé', expected ASCII text without zero bytes"),
        (b"A\xe9", r"is b'A\\xe9', expected ASCII text without zero bytes"),
        (7, "is 7, expected text"),
        (None, "is None, expected text"),
    ],
)
def test_a_writer_refuses_what_is_not_text(flights: Any, value: Any, problem: str) -> None:
    target = io.BytesIO()
    with flights.create(target, "delay", run="march", samples=4) as out:
        with pytest.raises(WriteError, match=f"airport {problem}") as caught:
            out.write_columns([1, 2], ["AMS", value], [1, 1], ["", ""], [0.5, 0.5])
        assert caught.value.row == 1
        out.write_columns([1], ["AMS"], [1], ["fog"], [0.5])


def test_a_stream_header_refuses_other_text(flights: Any) -> None:
    for run, error in (("nine bytes", WriteError), ("é", WriteError), (3, TypeError)):
        with pytest.raises(error, match="run"):
            flights.create(io.BytesIO(), "delay", run=run, samples=4)
    with pytest.raises(StreamHeaderError, match="byte 4: run is"):
        flights.open(io.BytesIO(delay_bytes(run=b"\xff")))


def test_a_key_of_text_divides_blocks(flights: Any) -> None:
    with flights.open(io.BytesIO(delay_bytes())) as stream:
        assert list(stream.header.key_columns) == ["flight", "airport"]
    data = delay_bytes().replace(b"OR\0", b"LHR")
    (finding,) = flights.validate(io.BytesIO(data)).findings
    assert (finding.rule, finding.value) == ("once", "LHR")
    assert flights.validate(io.BytesIO(delay_bytes())).clean
    with flights.create(io.BytesIO(), "delay", run="march", samples=4) as out:
        with pytest.raises(WriteError, match="airport AMS breaks once"):
            out.write_columns([1, 1, 1], ["AMS", "LHR", "AMS"], [1, 1, 1], "fog", 0.5)
        out.write_columns([1, 1], ["AMS", "LHR"], [1, 1], "fog", 0.5)


def test_every_cut_is_detected(flights: Any) -> None:
    data = delay_bytes()
    ends = {16, 16 + 7 + 48, 16 + 7 + 48 + 7 + 32, len(data)}
    for size in range(16, len(data)):
        with flights.open(io.BytesIO(data[:size]), strict=True) as stream:
            if size in ends:
                list(stream)
                continue
            with pytest.raises(TruncatedStreamError):
                list(stream)


def test_tables_bring_back_the_same_bytes(flights: Any, tmp_path: Path) -> None:
    for stream, data in STREAMS.items():
        source = tmp_path / f"{stream}.bin"
        source.write_bytes(data)
        header = {"run": "march", "samples": 4} if stream == "delay" else {}
        for kind in ("csv", "jsonl", "parquet", "arrow"):
            table, back = tmp_path / f"{stream}.{kind}", tmp_path / f"{stream}_{kind}.bin"
            flights.convert(source, table)
            flights.convert(table, back, stream=stream, **header)
            assert back.read_bytes() == data, (stream, kind)


def test_csv_quotes_where_it_has_to(flights: Any, tmp_path: Path) -> None:
    (tmp_path / "delay.bin").write_bytes(delay_bytes())
    flights.convert(tmp_path / "delay.bin", tmp_path / "delay.csv")
    assert (tmp_path / "delay.csv").read_text().splitlines() == [
        "flight,airport,sidx,cause,delay",
        "1,AMS,1,fog,2.5",
        "1,AMS,3,overload,4.0",
        "2,LHR,1,,0.25",
        '2,OR,2,"a ""b"", c",8.0',
    ]


def test_json_lines_have_strings(flights: Any, folder: Path) -> None:
    (folder / "delay.bin").write_bytes(delay_bytes())
    printed = command(folder, "cat", "--format", "jsonl", "delay.bin")
    first = json.loads(printed.splitlines()[0])
    assert first == {"flight": 1, "airport": "AMS", "sidx": 1, "cause": "fog", "delay": 2.5}


def test_tables_refuse_text_that_does_not_fit(flights: Any, tmp_path: Path) -> None:
    head = "flight,airport,sidx,cause,delay\n1,AMS,1,fog,2.5\n"
    for line, problem in (
        ("1,AMST,1,fog,2.5", "line 3, column airport: is 'AMST', 4 characters"),
        ("1,AMS,1,ébène,2.5", "line 3, column cause: is 'ébène', expected ASCII"),
    ):
        (tmp_path / "bad.csv").write_text(head + line + "\n", encoding="utf-8")
        with pytest.raises(TableError, match=problem):
            flights.convert(tmp_path / "bad.csv", tmp_path / "bad.bin", run="march", samples=4)
    assert not (tmp_path / "bad.bin").exists()


def test_bytes_that_are_not_ascii_are_no_table(flights: Any, tmp_path: Path) -> None:
    data = delay_bytes(mark=b"caf\xe9")
    assert flights.read_columns(io.BytesIO(data))["cause"][3] == b"caf\xe9"
    source = tmp_path / "delay.bin"
    source.write_bytes(data)
    for kind in ("csv", "jsonl", "parquet", "arrow"):
        with pytest.raises(TableError, match=r"bin: column cause: b'caf\\xe9', expected ASCII"):
            flights.convert(source, tmp_path / f"delay.{kind}")
        assert not (tmp_path / f"delay.{kind}").exists()
    source.write_bytes(delay_bytes(mark=b"a\nb"))
    with pytest.raises(TableError, match=r"bin: column cause: .* expected text of one line"):
        flights.convert(source, tmp_path / "delay.csv")


def test_dataframes_hold_strings(flights: Any, tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    causes = [cause.decode() for cause in ROWS["cause"]]
    table = flights.read_arrow(io.BytesIO(delay_bytes()))
    assert table.schema.field("cause").type == pa.string()
    assert table.column("cause").to_pylist() == causes
    assert flights.read_pandas(io.BytesIO(delay_bytes()))["cause"].tolist() == causes
    frame = flights.read_polars(io.BytesIO(delay_bytes()))
    assert frame["cause"].to_list() == causes
    path = tmp_path / "delay.bin"
    path.write_bytes(delay_bytes())
    scanned = flights.scan_polars(path)
    import polars as pl

    found = scanned.filter((pl.col("airport") == "AMS") & (pl.col("cause") == "fog")).collect()
    assert found["delay"].to_list() == [2.5]
    for given in (table, frame, flights.read_pandas(io.BytesIO(delay_bytes()))):
        target = io.BytesIO()
        flights.write_arrow(given, target, "delay", run="march", samples=4)
        assert target.getvalue() == delay_bytes()
    long = table.to_pydict() | {"airport": ["AMS", "LHRX", "AMS", "AMS"]}
    with pytest.raises(TableError, match="row 1, column airport: is 'LHRX', 4 characters"):
        flights.write_arrow(long, io.BytesIO(), "delay", run="march", samples=4)


def test_text_that_differs_makes_a_difference(flights: Any) -> None:
    other = delay_bytes().replace(b"fog", b"ice")
    report = flights.compare(io.BytesIO(delay_bytes()), io.BytesIO(other))
    (found,) = report.differences
    assert (found.field, found.a, found.b) == ("cause", "fog", "ice")
    assert flights.compare(io.BytesIO(delay_bytes()), io.BytesIO(delay_bytes())).equal


def command(folder: Path, *arguments: str, status: int = 0) -> str:
    return run_package(NAME, folder, *arguments, status=status)


def test_commands_take_streams_with_text(flights: Any, folder: Path) -> None:
    (folder / "in.bin").write_bytes(delay_bytes())
    (folder / "other.bin").write_bytes(delay_bytes().replace(b"fog", b"ice"))
    assert "run              march" in command(folder, "info", "in.bin")
    assert "1,AMS,1,fog,2.5" in command(folder, "cat", "in.bin")
    printed = command(folder, "diff", "--json", "in.bin", "other.bin", status=1)
    assert '"fog"' in printed
    assert '"ice"' in printed
    command(folder, "seal", "in.bin")
    command(folder, "validate", "in.bin")
    command(folder, "convert", "in.bin", "in.csv")
    command(folder, "convert", "in.csv", "back.bin", "--run", "march", "--samples", "4")
    assert (folder / "back.bin").read_bytes() == delay_bytes()


def test_records_are_read_and_written_one_by_one(flights: Any) -> None:
    records = importlib.import_module(f"{NAME}._generated.records_i4")
    data = np.frombuffer(struct.pack("<i8sf", 1, b"fog", 2.5), np.uint8)
    assert records.mv_read_delay(data, 0) == (1, b"fog", 2.5, 16)
    copy = np.full(16, 255, np.uint8)
    assert records.mv_write_delay(copy, 0, 1, b"fog", 2.5) == 16
    assert copy.tobytes() == data.tobytes()
    records.mv_write_last(copy, 0)
    assert copy.tobytes() == bytes(16)


def test_plain_python_reads_and_writes_the_same(flights: Any, folder: Path) -> None:
    program = (
        f"import io, sys, {NAME} as f\n"
        "data = open('plain.bin', 'rb').read()\n"
        "target = io.BytesIO()\n"
        "rows = f.read_columns(io.BytesIO(data))\n"
        "with f.create(target, 'delay', run='march', samples=4) as out:\n"
        "    out.write_columns(**rows)\n"
        "with f.open(io.BytesIO(data)) as opened:\n"
        "    print(len(list(opened)), f.validate(io.BytesIO(data)).clean)\n"
        "sys.exit(target.getvalue() != data)\n"
    )
    (folder / "plain.bin").write_bytes(delay_bytes())
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert result.stdout == "2 True\n"


C_PROGRAM = r"""
#include <stdio.h>
#include "flights_with_text.h"

/* Copies a delay stream from stdin to stdout and prints its texts to stderr. */
int main(void)
{
    unsigned char in[4096], out[4096];
    size_t n, size = 0;
    evs_reader reader;
    evs_run_header_i4 run;
    evs_leg_header_i4 leg;
    evs_delay_i4 delay;
    evs_status status;
    uint32_t type;
    n = fread(in, 1, sizeof in, stdin);
    evs_begin(&reader, EVS_AT_TYPE);
    evs_feed(&reader, in, n);
    if (evs_next_type(&reader, &type) != EVS_OK || evs_next_run_header_i4(&reader, &run) != EVS_OK)
        return 1;
    fprintf(stderr, "%.*s\n", (int)sizeof run.run, run.run);
    size += evs_write_type(out, type);
    size += evs_write_run_header_i4(out + size, &run);
    while ((status = evs_next_leg_i4(&reader, &leg, &delay)) < EVS_NEED_INPUT) {
        if (status == EVS_BLOCK)
            size += evs_write_leg_header_i4(out + size, &leg);
        else if (status == EVS_ENTRY) {
            fprintf(stderr, "%.3s %.8s\n", leg.airport, delay.cause);
            size += evs_write_delay_i4(out + size, &delay);
        } else
            size += evs_write_last_i4(out + size);
    }
    fwrite(out, 1, size, stdout);
    return evs_finish(&reader) == EVS_END ? 0 : 2;
}
"""


def test_c_copies_a_stream_with_text(flights: Any, folder: Path, tmp_path: Path) -> None:
    compiler = shutil.which("gcc") or shutil.which("cc")
    assert compiler is not None
    program = C_PROGRAM.replace("evs_", f"{NAME}_").replace("EVS_", f"{NAME.upper()}_")
    (tmp_path / "copy.c").write_text(program)
    (header,) = folder.glob("**/*.h")
    subprocess.run(
        [compiler, "-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic",
         f"-I{header.parent}", "-o", str(tmp_path / "copy"), str(tmp_path / "copy.c")],
        check=True, capture_output=True,
    )  # fmt: skip
    run = subprocess.run([tmp_path / "copy"], input=delay_bytes(), capture_output=True, check=False)
    assert run.returncode == 0
    assert run.stdout == delay_bytes()
    assert run.stderr.decode().splitlines() == [
        "march", "AMS fog", "AMS overload", "LHR ", 'OR a "b", c',
    ]  # fmt: skip


def test_kaitai_describes_text(flights: Any, folder: Path) -> None:
    (path,) = folder.glob("**/delay_i4.ksy")
    described = yaml.safe_load(path.read_text())
    cause = described["types"]["delay"]["seq"][1]
    assert {k: cause[k] for k in ("type", "size", "pad-right", "encoding")} == {
        "type": "str", "size": 8, "pad-right": 0, "encoding": "ASCII",
    }  # fmt: skip
