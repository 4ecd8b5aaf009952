"""Commands on many files: tables, results in order, one broken file, the summary at the end."""

from __future__ import annotations

import csv
import io
import json
import re
import threading
import warnings
from pathlib import Path
from typing import Any

import pytest

import evstream
from evstream.cli import many_files
from evstream.cli.program import main
from golden_files import GOLDEN

LOSS = (GOLDEN / "loss_i4_f4.bin").read_bytes()
SUMMARY = (GOLDEN / "summary_i4_f4.bin").read_bytes()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Streams of two types: whole, without the final delimiter, and cut."""
    monkeypatch.chdir(tmp_path)
    for name, data in {
        "a.bin": LOSS, "b.bin": LOSS[:100], "c.bin": LOSS[:-8], "d.bin": SUMMARY,
    }.items():  # fmt: skip
        (tmp_path / name).write_bytes(data)
    return tmp_path


def table_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, list[str]]:
    status = main(list(arguments))
    out, err = capsys.readouterr()
    return status, out, err.splitlines()


def test_a_table_has_a_row_per_file(folder, capsys):
    status, out, err = table_of(capsys, "info", "--table", "*.bin", "none.bin")
    assert status == 2
    head, *rows = [re.split(r"  +", line.strip()) for line in out.splitlines()]
    assert head == ["file", "stream", "events", "items", "records", "sum", "bytes", "whole",
                    "problem"]  # fmt: skip
    assert rows[0] == ["a.bin", "loss", "2", "2", "17", "180.38", "192", "yes"]
    assert rows[1][:8] == ["b.bin", "loss", "1", "2", "8", "79.88", "96", "no"]
    assert rows[1][8].startswith("byte 96, event_id 1, item_id 2: the stream ends inside")
    assert rows[2][7:] == ["no", "without the final delimiter"]
    assert rows[3][1] == "summary"
    assert rows[4] == ["none.bin", "no", "No such file or directory"]
    assert err[-1] == "evstream: 5 files: 2 whole, 1 not whole, 2 not readable to the end"


def test_a_table_as_csv_or_json_has_plain_values(folder, capsys):
    status, out, _ = table_of(capsys, "info", "--table", "--format", "csv", ".")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert status == 2
    assert [row["file"] for row in rows] == ["./a.bin", "./b.bin", "./c.bin", "./d.bin"]
    assert (rows[0]["sum"], rows[0]["whole"], rows[0]["problem"]) == ("180.375", "1", "")
    _, out, _ = table_of(capsys, "info", "--table", "--json", "a.bin", "c.bin")
    first, second = map(json.loads, out.splitlines())
    assert first == {
        "file": "a.bin", "stream": "loss", "events": 2, "items": 2, "records": 17, "sum": 180.375,
        "bytes": 192, "whole": True, "problem": None,
    }  # fmt: skip
    assert second["whole"] is False


def test_the_table_of_validate_counts_what_breaks_rules(folder, capsys):
    status, out, err = table_of(capsys, "validate", "--table", "--format=json", "*.bin", "none.bin")
    rows = {row["file"]: row for row in map(json.loads, out.splitlines())}
    assert status == 2
    assert [rows[name]["clean"] for name in ("a.bin", "b.bin", "c.bin")] == [True, False, False]
    assert [(rows[n]["errors"], rows[n]["warnings"]) for n in ("b.bin", "c.bin")] == [
        (1, 0),
        (0, 1),
    ]
    assert rows["b.bin"]["problem"] == "1 x stream-whole"
    assert rows["none.bin"]["problem"] == "No such file or directory"
    assert err[-1] == "evstream: 5 files: 2 clean, 2 with findings, 1 not readable"


def test_files_of_a_run_folder_are_rows(folder, capsys):
    run = folder / "run"
    run.mkdir()
    (run / "events.bin").write_bytes(bytes([1, 0, 0, 0]))
    (run / "gul.bin").write_bytes(LOSS)
    (run / "notes.txt").touch()
    for command, expected in (("info", 0), ("validate", 1)):  # the list lacks an event
        status, out, err = table_of(capsys, command, "--table", "--json", "run")
        rows = [json.loads(line) for line in out.splitlines()]
        assert {Path(row["file"]).name for row in rows} == {"events.bin", "gul.bin"}
        assert status == expected
    status, out, err = table_of(capsys, "info", "--table", "--json", "run")
    assert err[0] == "evstream: run: not in the table: notes.txt (not known)"


def test_a_format_without_a_table_is_refused(capsys):
    assert main(["info", "a.bin", "--format", "csv"]) == 2
    assert capsys.readouterr().err == "evstream: --format without --table\n"


def test_seals_and_indexes_go_on_after_a_broken_file(folder, capsys):
    for command, done, ending in (("seal", "sealed", ".seal"), ("index", "indexed", ".evx")):
        status, _, err = table_of(capsys, command, "--jobs", "2", "b.bin", "a.bin", "d.bin")
        assert status == 2
        assert err[-1] == f"evstream: 3 files: 2 {done}, 1 not {done}"
        assert sorted(path.name for path in folder.glob(f"*{ending}")) == [
            f"a.bin{ending}", f"d.bin{ending}",
        ]  # fmt: skip


def test_results_have_the_order_of_the_arguments():
    """The first file is ready last, and its warning comes with it."""
    second = threading.Event()

    def work(file: str, stopped: Any) -> str:
        if file == "first":
            assert second.wait(60)
            warnings.warn(evstream.HoleWarning("of the first"), stacklevel=1)
            return file
        second.set()
        raise evstream.EvstreamError("broken", source=file)

    shown = []
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = _holding(shown)
        found = many_files.each(["first", "second"], work, 2)
        one = next(found)
        assert (one.file, one.value, shown) == ("first", "first", ["of the first"])
        assert str(next(found).error) == "second: broken"


def _holding(shown: list[str]) -> Any:
    from evstream.cli import log

    def show(message: Any, category: type[Warning], *_: Any) -> None:
        if not log.holds(message, category):
            shown.append(str(message))

    return show


def test_small_files_and_pipes_are_read_one_at_a_time(folder, monkeypatch):
    assert many_files.jobs_for(["a.bin", "b.bin"], 4) == (1, 4)
    assert many_files.jobs_for(["a.bin", "-"], 4) == (1, 4)
    assert many_files.jobs_for(["s3://x/a.bin"] * 20, None)[0] == 8
    assert many_files.jobs_for(["s3://x/a.bin"] * 20, 2) == (2, 1)
    monkeypatch.setattr("evstream.partition.whole_file.SMALL", 1)
    assert many_files.jobs_for(["a.bin", "b.bin"], 4) == (2, 2)
    large = ["a.bin", "b.bin", "c.bin", "d.bin"]
    assert many_files.jobs_for(large, 2) == (2, 1)


def test_threads_change_nothing_that_info_prints(folder, monkeypatch, capsys):
    one = table_of(capsys, "info", "--jobs", "1", "*.bin")
    monkeypatch.setattr("evstream.partition.whole_file.SMALL", 1)
    assert table_of(capsys, "info", "--jobs", "3", "*.bin") == one


def test_quiet_drops_the_summary(folder, capsys):
    assert main(["info", "--quiet", "a.bin", "d.bin"]) == 0
    assert capsys.readouterr().err == ""
