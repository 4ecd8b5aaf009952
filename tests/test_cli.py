"""The command line, as a user sees it: output, errors and exit status."""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import evstream
import oracle
from evstream.cli.program import main
from support import PATIENCE, child_environment, run_main

GOLDEN = Path(__file__).parent / "golden"
LOSS = GOLDEN / "loss_i4_f4.bin"
CORPUS = Path(__file__).resolve().parents[2] / "shared" / "corpus"
MANIFEST = json.loads((GOLDEN / "manifest.json").read_text())


def run(*arguments: object, stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    """In a process of its own, as a user does it."""
    command = [sys.executable, "-m", "evstream", *map(str, arguments)]
    return subprocess.run(command, input=stdin, capture_output=True, check=False)


def test_help_names_every_command():
    result = run("--help")
    assert result.returncode == 0
    for command in (b"info", b"cat", b"demo"):
        assert command in result.stdout


def test_the_version_is_that_of_the_package(capsys):
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"evstream {evstream.__version__}\n"


def test_options_may_stand_between_files(tmp_path, capsys, monkeypatch):
    assert main(["info", str(LOSS), "--json", str(LOSS)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    merged = tmp_path / "all.bin"
    assert main(["merge", str(LOSS), "--same-event", "refuse", str(LOSS), str(merged)]) == 2
    assert "this event is in" in capsys.readouterr().err
    assert main(["merge", "--no-fsync", "--", str(LOSS), str(merged)]) == 0
    assert merged.read_bytes() == LOSS.read_bytes()
    monkeypatch.chdir(tmp_path)
    os.rename(merged, "-all.bin")
    assert main(["info", "--json", "--", "-all.bin", str(LOSS)]) == 0
    assert main(["convert", str(LOSS), "--to", "csv", str(tmp_path / "loss.txt")]) == 0
    with pytest.raises(SystemExit):
        main(["info", str(LOSS), "--jsn", str(LOSS)])
    assert "unrecognized arguments: --jsn; did you mean --json?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["convert", "a.csv", "a.bin", "--len-sample", "x"], "--len-sample: 'x', expected a whole"),
        (["convert", "a.csv", "a.bin", "--max-line", "1e6"], "--max-line: '1e6', expected a whole"),
        (["validate", "a.bin", "--first", "all"], "--first: 'all', expected a whole number"),
        (["info", "a.bin", "--timeout", "1s"], "--timeout: '1s', expected a number"),
        (["demo", "--events", "ten"], "--events: 'ten', expected a whole number"),
    ],
)
def test_an_option_says_which_number_it_expects(arguments, expected, capsys):
    with pytest.raises(SystemExit):
        main(arguments)
    assert expected in capsys.readouterr().err


LEGAL = [f for f in MANIFEST["files"] if f["error"] is None and f["stream"] != "event_ids"]


def width_arguments(entry) -> list[str]:
    return [f"--width={name}={width}" for name, width in entry["widths"].items()]


@pytest.mark.parametrize("entry", LEGAL, ids=lambda e: e["file"])
def test_info_tells_what_the_file_holds(entry, capsys):
    path = GOLDEN / entry["file"]
    assert main(["info", "--json", str(path), *width_arguments(entry)]) == 0
    facts = json.loads(capsys.readouterr().out)
    for name in ("stream", "source", "aggregation", "header", "bytes", "blocks", "records"):
        assert facts[name] == entry[name], name
    assert facts["event_runs"] == entry["events"]
    assert facts["events"] == entry["distinct_events"]
    assert facts["clean_end"] is (entry["final_delimiter"] is not False)
    decoded = oracle.decode(path.read_bytes(), widths=entry["widths"])
    assert facts["items"] == len({block[2] for block in decoded.blocks})
    if entry["stream"] != "cdf":
        samples = [row[-1] for row in decoded.records if row[-2] > 0]
        wanted = math.fsum(samples) if all(map(math.isfinite, samples)) else None
        if samples and wanted is not None:
            assert facts["losses"]["samples"]["records"] == len(samples)
            assert facts["losses"]["samples"]["sum"] == pytest.approx(wanted, rel=1e-12)


def test_info_sums_per_class_of_sidx(tmp_path, capsys):
    pairs = [(-5, 9.0), (-3, 8.0), (-1, 1.5), (1, 2.0), (2, 0.5)]
    data = oracle.encode("loss", {"len_sample": 2}, [((1, 1), pairs), ((1, 2), pairs[2:])])
    path = tmp_path / "loss.bin"
    path.write_bytes(data)
    main(["info", "--json", str(path)])
    assert json.loads(capsys.readouterr().out)["losses"] == {
        "samples": {"records": 4, "sum": 5.0},
        "max_loss": {"records": 1, "sum": 9.0},
        "tiv": {"records": 1, "sum": 8.0},
        "mean": {"records": 2, "sum": 3.0},
    }
    main(["info", str(path)])
    text = capsys.readouterr().out
    for line in (
        "stream           loss (2/1)",
        "len_sample       2",
        "items            2 in 2 blocks",
    ):
        assert line in text
    assert "end              clean" in text


def test_info_goes_on_after_a_broken_file_and_fails_at_the_end(tmp_path):
    cut = tmp_path / "cut.bin"
    cut.write_bytes(LOSS.read_bytes()[:-4])
    result = run("info", cut, LOSS, tmp_path / "missing.bin")
    assert result.returncode == 2
    assert result.stdout.count(b"end              ") == 2
    errors = result.stderr.decode().splitlines()
    assert errors[2:] == ["evstream: 3 files: 1 whole, 2 not readable to the end"]
    assert errors[0].startswith(f"evstream: {cut}: byte ")
    assert "event_id" in errors[0]
    assert errors[1] == f"evstream: {tmp_path / 'missing.bin'}: No such file or directory"


def test_a_missing_delimiter_is_a_warning_or_a_strict_error(tmp_path):
    path = tmp_path / "ktools.bin"
    path.write_bytes(LOSS.read_bytes()[:-8])
    result = run_main("info", path)
    assert result.returncode == 0
    assert result.stderr.startswith(b"evstream: warning: ")
    assert b"without the final delimiter" in result.stdout
    assert run_main("info", "--strict", path).returncode == 2


COLUMNS = {
    "loss": "event_id,item_id,sidx,loss",
    "gul_item": "event_id,item_id,sidx,loss",
    "gul_coverage": "event_id,coverage_id,sidx,loss",
    "summary": "EventId,ImpactedExposure,SummaryId,SampleId,Loss",
    "cdf": "event_id,areaperil_id,vulnerability_id,bin_index,prob_to,bin_mean",
}


@pytest.mark.parametrize("entry", LEGAL, ids=lambda e: e["file"])
def test_cat_prints_every_record_so_that_it_reads_back(entry, capsys):
    path = GOLDEN / entry["file"]
    assert main(["cat", str(path), *width_arguments(entry)]) == 0
    header, *rows = csv.reader(io.StringIO(capsys.readouterr().out))
    assert ",".join(header) == COLUMNS[entry["stream"]]
    records = oracle.decode(path.read_bytes(), widths=entry["widths"]).records
    assert len(rows) == len(records)
    as_float = np.dtype(entry["widths"]["oasis_float"]).type
    if entry["stream"] == "summary":  # the exposure comes before the summary id
        records = [(record[0], record[2], record[1], *record[3:]) for record in records]
    for row, record in zip(rows, records, strict=True):
        for text, value in zip(row, record, strict=True):
            if isinstance(value, int):
                assert text == str(value)
            else:
                assert as_float(text) == as_float(value) or math.isnan(value)
                assert math.copysign(1, float(text)) == math.copysign(1, value) or text == "nan"
                assert len(text) <= len(repr(as_float(value).item())) + 12


@pytest.mark.parametrize(
    ("value", "text"),
    [(1000000.0, "1000000.0"), (0.1, "0.1"), (-0.0, "-0.0"), (1e30, "1e+30"),
     (16777216.0, "16777216.0"),
     (0.5, "0.5"), (math.inf, "inf"), (math.nan, "nan"), (1e-30, "1e-30")],
)  # fmt: skip
def test_cat_prints_floats_shortest(tmp_path, capsys, value, text):
    path = tmp_path / "loss.bin"
    path.write_bytes(oracle.encode("loss", {"len_sample": 1}, [((1, 1), [(1, value)])]))
    main(["cat", str(path)])
    assert capsys.readouterr().out.splitlines()[1] == f"1,1,1,{text}"


def test_cat_as_json_lines_is_json_even_for_nan(tmp_path, capsys):
    path = tmp_path / "loss.bin"
    pairs = [(1, math.nan), (2, -math.inf), (3, 0.5)]
    path.write_bytes(oracle.encode("loss", {"len_sample": 3}, [((1, 2), pairs)]))
    main(["cat", "--format", "jsonl", str(path)])
    rows = [json.loads(line, parse_constant=None) for line in capsys.readouterr().out.splitlines()]
    assert [row["loss"] for row in rows] == ["nan", "-inf", 0.5]
    assert list(rows[0]) == ["event_id", "item_id", "sidx", "loss"]


def test_cat_takes_ids_that_no_stream_has(capsys):
    main(["cat", "--event", str(2**70), "--event", str(2**63), "--event", "-1", str(LOSS)])
    out, err = capsys.readouterr()
    assert out == "event_id,item_id,sidx,loss\n"
    assert err.count(" is not in the stream\n") == 3


def test_cat_prints_what_came_before_a_cut(tmp_path, capsys):
    path = tmp_path / "cut.bin"
    path.write_bytes(TWO_EVENTS[:-17])  # inside the last record
    assert main(["cat", str(path)]) == 2
    out, err = capsys.readouterr()
    assert out == "event_id,item_id,sidx,loss\n1,1,1,2.5\n"
    assert err.startswith(f"evstream: {path}: byte ")


def test_cat_picks_events_and_the_head(capsys):
    main(["cat", str(LOSS)])
    header, *rows = capsys.readouterr().out.splitlines()
    events = sorted({int(row.split(",")[0]) for row in rows})
    main(["cat", "--event", str(events[-1]), str(LOSS)])
    of_last = [row for row in rows if row.startswith(f"{events[-1]},")]
    assert capsys.readouterr().out.splitlines() == [header, *of_last]
    main(["cat", "--head", "3", str(LOSS)])
    assert capsys.readouterr().out.splitlines() == [header, *rows[:3]]


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_dash_is_stdin(pack):
    result = run("cat", "-", stdin=pack(LOSS.read_bytes()))
    assert result.returncode == 0
    assert result.stdout == run_main("cat", LOSS).stdout
    assert run_main("info", "-", stdin=pack(LOSS.read_bytes())).stdout.startswith(b"<stdin>\n")


def test_an_event_id_list_has_to_be_named():
    path = GOLDEN / "event_ids_i4.bin"
    result = run_main("cat", "--stream", "event_ids", path)
    ids = [row[0] for row in oracle.decode(path.read_bytes(), "event_ids").records]
    assert result.stdout.decode().split() == ["event_id", *map(str, ids)]


def test_a_closed_pipe_ends_quietly(tmp_path):
    path = tmp_path / "long.bin"
    with evstream.create(path, "loss", len_sample=1) as out:
        for event_id in range(1, 200):
            out.write_event(event_id, np.arange(1, 501), np.ones((500, 1)))
    process = subprocess.Popen(
        [sys.executable, "-m", "evstream", "cat", str(path)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(PATIENCE) == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["cat", "nothing.bin"], "nothing.bin: No such file or directory"),
        (["cat", "--stream", "losses", LOSS], "no stream type 'losses', expected cdf, gul_item"),
        (["cat", "--stream", "summary", LOSS], "this is a loss stream, expected a summary stream"),
        (["cat", "--width", "oasis_float=f2", LOSS], "is 'f2', expected f4 or f8"),
        (["cat", "--width", "f8", LOSS], "expected TYPE=WIDTH"),
        (["cat", GOLDEN.parent], "the folder has no streams, expected files *.bin"),
        (["cat", __file__], "unknown stream type"),
    ],
)
def test_errors_are_one_line_and_exit_status_2(arguments, words):
    result = run_main(*arguments)
    assert result.returncode == 2
    line = result.stderr.decode().splitlines()[-1]
    assert words in line
    assert line.startswith(("evstream: ", "evstream cat: error: "))
    assert b"Traceback" not in result.stderr


def test_info_prints_no_progress_to_a_file(tmp_path):
    with open(tmp_path / "err", "wb") as err:
        subprocess.run([sys.executable, "-m", "evstream", "info", LOSS], stderr=err, check=True)
    assert os.path.getsize(tmp_path / "err") == 0


@pytest.mark.skipif(not CORPUS.exists(), reason="the shared corpus is not beside the project")
@pytest.mark.parametrize(
    "name", ["gul_converters", "ktools_gultobin_t1", "fm_ktools_ri1", "cdf_converters"]
)
@pytest.mark.filterwarnings("ignore::evstream.MissingDelimiterWarning")
def test_cat_agrees_with_the_reference_converter(name, capsys):
    main(["cat", str(CORPUS / f"{name}.bin")])
    ours = list(csv.reader(io.StringIO(capsys.readouterr().out)))[1:]
    theirs = list(csv.reader((CORPUS / f"{name}.csv").read_text().splitlines()))[1:]
    assert len(ours) == len(theirs)
    for our_row, their_row in zip(ours, theirs, strict=True):
        ours_in_float = [float(v) for v in our_row]
        assert ours_in_float == pytest.approx([float(v) for v in their_row], abs=0.0051)


# The standard streams


TWO_EVENTS = oracle.encode("loss", {"len_sample": 2}, [((1, 1), [(1, 2.5)]), ((2, 1), [(2, 1.0)])])


@pytest.fixture(scope="module")
def large(tmp_path_factory) -> Path:
    """A stream of 300,000 records, in one event."""
    path = tmp_path_factory.mktemp("large") / "large.bin"
    with evstream.create(path, "loss", len_sample=1000) as out:
        out.write_event(1, np.arange(1, 301), np.full((300, 1000), 1.25))
    return path


def shell(command: str, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a line of bash in which "$E" is evstream and $1, $2 ... are the arguments."""
    line = f'E="{sys.executable} -m evstream"; {command}'
    return subprocess.run(
        ["bash", "-c", line, "bash", *map(str, arguments)], capture_output=True, text=True,
        check=False, timeout=PATIENCE, env=child_environment(**environment),
    )  # fmt: skip


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_cat_onto_a_full_disk_is_an_error(large, tmp_path, unbuffered):
    assert run_main("cat", large).returncode == 0  # leaves its kernels on disk, with room
    result = shell(
        'ulimit -f 100; $E cat "$1" > "$2"', large, tmp_path / "out",
        PYTHONUNBUFFERED=unbuffered, PYTHONDONTWRITEBYTECODE="1",
    )  # fmt: skip
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith("evstream: <stdout>: byte ")
    assert line.endswith("could not write: File too large")


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_cat_loses_no_row_in_a_slow_or_non_blocking_pipe(large, unbuffered):
    ours, theirs = os.pipe()
    os.set_blocking(theirs, False)
    process = subprocess.Popen(
        [sys.executable, "-m", "evstream", "cat", str(large)],
        stdout=theirs, env=child_environment(PYTHONUNBUFFERED=unbuffered),
    )  # fmt: skip
    os.close(theirs)
    received = bytearray()
    while piece := os.read(ours, 1 << 16):
        received += piece
        if len(received) % 7 == 0:
            process.send_signal(signal.SIGSTOP)
            process.send_signal(signal.SIGCONT)
    os.close(ours)
    assert process.wait(PATIENCE) == 0
    rows = [f"1,{item},{sidx},1.25" for item in range(1, 301) for sidx in range(1, 1001)]
    assert received.decode().splitlines() == ["event_id,item_id,sidx,loss", *rows]


def test_cat_of_a_large_event_takes_bounded_memory(tmp_path):
    path = tmp_path / "block.bin"
    pairs = np.empty(2_000_000, np.dtype([("sidx", "<i4"), ("loss", "<f4")]))
    pairs["sidx"], pairs["loss"] = np.arange(1, len(pairs) + 1), 0.5
    head = oracle.encode("loss", {"len_sample": len(pairs)}, [((1, 1), [])])[:-8]
    path.write_bytes(head + pairs.tobytes() + bytes(8))
    code = (
        "import resource, sys; from evstream.cli.program import main; main(['info', sys.argv[1]])\n"
        "def most(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024\n"
        "before = most(); main(['cat', sys.argv[1]]); print(most() - before, file=sys.stderr)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=child_environment(),
    ) as process:  # fmt: skip
        assert process.stderr is not None
        grown = int(process.stderr.read())
    assert grown < 250  # MB, where the text of all rows at once takes 700


def test_the_head_of_a_large_event_is_cut_at_the_row(large, capsys):
    main(["cat", "--head", "40000", str(large)])
    rows = capsys.readouterr().out.splitlines()
    assert (len(rows), rows[-1]) == (40_001, "1,40,1000,1.25")


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ('$E cat - <&- > "$2"', "<stdin>: it is closed"),
        ('$E validate - <&- > "$2"', "<stdin>: it is closed"),
        ('$E tee --seal "$2" <&-', "<stdin>: it is closed"),
        ('$E convert - "$2" --from bin --to csv <&-', "<stdin>: it is closed"),
        ('$E info "$1" >&-', "<stdout>: it is closed"),
        ('$E cat "$1" >&-', "<stdout>: it is closed"),
        ('$E diff "$1" "$1" >&-', "<stdout>: it is closed"),
        ('$E validate --json "$1" >&-', "<stdout>: it is closed"),
        ('$E tee --seal "$2" < "$1" >&-', "<stdout>: byte 0: could not write: it is closed"),
    ],
)
def test_a_closed_standard_stream_is_one_line_where_needed(tmp_path, line, error):
    result = shell(line, LOSS, tmp_path / "out")
    assert (result.returncode, result.stderr) == (2, f"evstream: {error}\n")


def test_commands_work_without_stderr(tmp_path):
    # The first file that is opened would take the number of stderr, and get the warning.
    path, out = tmp_path / "ktools.bin", tmp_path / "out.bin"
    path.write_bytes(TWO_EVENTS[:-8])
    for line in ('$E info "$1" 2>&-', '$E validate "$1" 2>&-', '$E seal "$1" 2>&-'):
        assert shell(line, path).returncode == 0, line
    tee = '$E tee --seal "$2" --output "$3" < "$1" 2>&- >&-'
    assert shell(tee, path, tmp_path / "out.seal", out).returncode == 0
    assert out.read_bytes() == path.read_bytes()
    assert shell('$E info "$1" <&- >&- 2>&-', path).returncode == 2


def test_a_file_name_that_cannot_be_printed_stops_nothing(tmp_path):
    strange = tmp_path / "stürm\n.bin"
    strange.write_bytes(TWO_EVENTS)
    cut = tmp_path / "n\ncut.bin"
    cut.write_bytes(TWO_EVENTS[:-3])
    result = shell('$E info "$1" "$2" "$3"', strange, cut, LOSS, PYTHONIOENCODING="ascii")
    assert result.returncode == 2
    assert "st\\xfcrm" in result.stdout
    assert result.stdout.count("stream           loss") == 3
    error, summary = result.stderr.splitlines()
    assert error.startswith(f"evstream: {tmp_path}/n\\ncut.bin: byte ")
    assert summary == "evstream: 3 files: 2 whole, 1 not readable to the end"


# A reader that goes away


def test_the_exit_status_is_right_when_nobody_reads_stdout(tmp_path):
    bad, other = tmp_path / "bad.bin", tmp_path / "other.bin"
    bad.write_bytes(oracle.encode("loss", {"len_sample": 1}, [((1, 1), [(2, 1.0)])]))
    other.write_bytes(oracle.encode("loss", {"len_sample": 1}, [((1, 1), [(1, 1.0)])]))
    gone = '| true; exit "${PIPESTATUS[0]}"'
    for line, status in [
        ('$E validate "$1"', 1), ('$E validate "$2"', 0),
        ('$E validate --quiet --json "$1" "$1"', 1),
        ('$E diff "$1" "$2"', 1), ('$E diff "$1" "$1"', 0), ('$E info "$1"', 0),
        ('$E cat "$1"', 0),
    ]:  # fmt: skip
        result = shell(f"(sleep 0.2; exec {line}) {gone}", bad, other)
        assert (result.returncode, result.stderr) == (status, ""), line


@pytest.mark.parametrize("name", ["stdout", "fifo"])
def test_a_tee_or_conversion_that_loses_its_reader_says_so(large, tmp_path, name):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    seal = tmp_path / "large.seal"
    target = fifo if name == "fifo" else "-"
    reader = f"head -c 100 {fifo} > {tmp_path}/head &" if name == "fifo" else ""
    end = "" if name == "fifo" else '| head -c 100 > /dev/null; exit "${PIPESTATUS[0]}"'
    for line in (
        f'$E tee --seal {seal} --output {target} < "$1"',
        f'$E convert "$1" {target} --to csv --from bin',
    ):
        result = shell(f"{reader} {line} {end}", large)
        named = fifo if name == "fifo" else "<stdout>"
        assert result.returncode == 1
        assert result.stderr == f"evstream: {named}: its reader went away before the end\n"
    assert not seal.exists()
