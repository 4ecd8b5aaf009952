"""Several threads give the result of one, with its warnings and errors."""

from __future__ import annotations

import json
import random
import sys
import threading
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evstream
from evstream import EvstreamError
from evstream.cli.program import main
from evstream.partition import whole_file
from golden_files import ENTRIES, GOLDEN, file_name
from support import raw

sys.path.insert(0, str(Path(__file__).parent / "fuzz"))

import targets


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small files in small parts, as if they were large."""
    monkeypatch.setattr(whole_file, "SMALL", 1)
    monkeypatch.setattr(whole_file, "PART", 150)


def outcome(source: Any, **options: Any) -> Any:
    """Columns or error, and warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            rows = evstream.read_columns(source, **options)
            found: Any = {name: (c.dtype, c.tolist() if c.dtype == object else raw(c))
                          for name, c in rows.items()}  # fmt: skip
        except EvstreamError as error:
            found = type(error), str(error)
    return found, [(w.category, str(w.message)) for w in caught]


def check(source: Any, **options: Any) -> None:
    assert outcome(source, threads=2, **options) == outcome(source, threads=1, **options)


@pytest.mark.parametrize("entry", ENTRIES, ids=file_name)
def test_rows_of_golden_files_do_not_depend_on_threads(entry):
    stream = "event_ids" if entry["stream"] == "event_ids" else None
    path = GOLDEN / file_name(entry)
    if path.stat().st_size > 10_000:
        whole_file.PART = path.stat().st_size // 5  # restored by the fixture
    check(path, stream=stream, widths=entry["widths"])
    if entry["file"].startswith("loss_zero"):
        check(path, stream=stream, widths=entry["widths"], strict=True)


def test_rows_of_damaged_files_do_not_depend_on_threads(tmp_path: Path):
    names = ["loss_i4_f4", "loss_empty_blocks_between", "loss_item_repeated", "loss_zero_ids"]
    seeds = [bytes(3) + (GOLDEN / f"{name}.bin").read_bytes() for name in names]
    for number in range(60):
        chance = random.Random(number)
        data = targets.mutated(chance, chance.choice(seeds)[3:], seeds)
        if chance.random() < 0.3:
            at = 8 + 8 * chance.randrange(len(data) // 8)
            data = data[:at] + bytes(160) + data[at:]
        path = tmp_path / "a.bin"
        path.write_bytes(data)
        check(path, strict=chance.random() < 0.3)


def make(path: Path, events: range) -> Path:
    with evstream.create(path, "loss", len_sample=4, durable=False) as out:
        for event_id in events:
            out.write_event(event_id, np.arange(1, 4), np.ones((3, 4)), mean=1.0, tiv=1e6)
    return path


def test_rows_of_several_files_do_not_depend_on_threads(tmp_path: Path):
    make(tmp_path / "a.bin", range(1, 30))
    make(tmp_path / "b.bin", range(30, 32))
    (tmp_path / "c.bin").write_bytes((tmp_path / "a.bin").read_bytes()[:-8])
    (tmp_path / "d.bin").write_bytes((tmp_path / "a.bin").read_bytes()[:8])
    check(tmp_path)
    check(tmp_path, file=True)
    check([tmp_path / "c.bin", tmp_path / "a.bin"], file="source")
    check(tmp_path, strict=True)


def test_rows_that_are_few_leave_no_gap(tmp_path: Path):
    """Blocks of one entry: a third of the rows that the bytes could hold."""
    with evstream.create(tmp_path / "a.bin", "loss", len_sample=1, durable=False) as out:
        for event_id in range(1, 300):
            out.write_event(event_id, [1], [[float(event_id)]])
    check(tmp_path / "a.bin")
    rows = evstream.read_columns(tmp_path / "a.bin", threads=3)
    assert rows["loss"].tolist() == list(map(float, range(1, 300)))


def test_threads_read_large_files_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    make(tmp_path / "a.bin", range(1, 30))
    used = []
    monkeypatch.setattr(
        "evstream.tables.rows.threaded_rows", lambda *a: used.append(a) or {"event_id": np.ones(1)}
    )
    evstream.read_columns(tmp_path / "a.bin", threads=2)
    assert len(used) == 1
    whole_file.SMALL = 10_000_000
    evstream.read_columns(tmp_path / "a.bin", threads=2)
    whole_file.SMALL = 1
    with (tmp_path / "a.bin").open("rb") as file:
        evstream.read_columns(file, threads=2)
    evstream.read_columns(GOLDEN / "summary_i4_f4.bin", threads=2)
    evstream.read_columns(tmp_path / "a.bin", threads=1)
    assert len(used) == 1
    with pytest.raises(ValueError, match="threads is 0"):
        evstream.read_columns(tmp_path / "a.bin", threads=0)


def info_of(capsys: pytest.CaptureFixture[str], path: Path, jobs: int) -> Any:
    status = main(["info", "--json", "--jobs", str(jobs), str(path)])
    said = capsys.readouterr()
    return status, json.loads(said.out), said.err


def test_info_does_not_depend_on_threads(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    names = ["loss_i4_f4", "loss_event_interleaved", "loss_no_final_delimiter", "loss_zero_ids"]
    seeds = [bytes(3) + (GOLDEN / f"{name}.bin").read_bytes() for name in names]
    path = tmp_path / "a.bin"
    for number in range(24):
        chance = random.Random(number)
        data = chance.choice(seeds)[3:]
        path.write_bytes(targets.mutated(chance, data, seeds) if number > 8 else data)
        whole_file.SMALL = 1 << 26
        alone = info_of(capsys, path, 1)
        whole_file.SMALL = 1
        assert info_of(capsys, path, 1) == info_of(capsys, path, 3)
        status, found, said = info_of(capsys, path, 3)
        assert (status, said) == (alone[0], alone[2])
        sums = [{n: e.pop("sum") for n, e in x["losses"].items()} for x in (found, alone[1])]
        assert repr(sums[0]) == repr(sums[1]) or sums[0] == pytest.approx(sums[1], nan_ok=True)
        assert found == alone[1]


def test_a_report_of_several_files_stops_its_threads(tmp_path: Path):
    make(tmp_path / "a.bin", range(1, 30))
    (tmp_path / "b.bin").write_bytes(b"no stream")
    make(tmp_path / "c.bin", range(1, 30))
    with pytest.raises(EvstreamError, match=r"b\.bin"):
        evstream.validate(tmp_path, threads=2)
    assert not [t for t in threading.enumerate() if t.name.startswith("evstream")]


def reported(path: Path, threads: int, **options: Any) -> Any:
    """The report of `validate` or its error, and warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            found: Any = repr(evstream.validate(path, threads=threads, **options).to_json())
        except EvstreamError as error:
            found = type(error), str(error)
    return found, [(w.category, str(w.message)) for w in caught]


def check_report(path: Path, **options: Any) -> Any:
    alone = reported(path, 1, **options)
    assert reported(path, 3, **options) == alone
    return alone[0]


@pytest.mark.parametrize("entry", ENTRIES, ids=file_name)
def test_reports_of_golden_files_do_not_depend_on_threads(entry):
    stream = "event_ids" if entry["stream"] == "event_ids" else None
    path = GOLDEN / file_name(entry)
    if path.stat().st_size > 10_000:
        whole_file.PART = path.stat().st_size // 5  # restored by the fixture
    for first in (0, 2, 10):
        check_report(path, stream=stream, widths=entry["widths"], first=first)


def test_reports_of_damaged_files_do_not_depend_on_threads(tmp_path: Path):
    names = ["loss_i4_f4", "loss_event_interleaved", "loss_item_repeated", "loss_zero_ids",
             "loss_no_final_delimiter"]  # fmt: skip
    seeds = [bytes(3) + (GOLDEN / f"{name}.bin").read_bytes() for name in names]
    path = tmp_path / "a.bin"
    reports = set()
    for number in range(80):
        chance = random.Random(number)
        whole_file.PART = chance.choice([60, 150, 400])
        data = targets.mutated(chance, chance.choice(seeds)[3:], seeds)
        path.write_bytes(data)
        reports.add(check_report(path, first=chance.choice([1, 3, 10])))
    assert len(reports) > 40


def test_rules_between_events_hold_across_parts(tmp_path: Path):
    """An event that comes back, and an item that is twice in an event, in parts that are good by
    themselves."""
    path = tmp_path / "a.bin"
    for events, items in [
        ([1, 2, 3, 4, 1], [1, 1, 1, 1, 1]),
        ([1, 1, 1, 1, 1], [1, 2, 3, 4, 1]),
        ([1, 1, 1, 1, 1], [5, 4, 3, 2, 1]),
        ([1, 1, 1, 2, 2], [1, 2, 2, 1, 1]),
        ([3, 3, 2, 2, 1], [1, 2, 2, 1, 1]),
        ([3, 3, 2, 3, 3], [1, 2, 2, 3, 1]),
    ]:
        with evstream.create(path, "loss", len_sample=1, durable=False, validate=False) as out:
            for event, item in zip(events, items, strict=True):
                out.write_event(event, [item], [[1.0]], mean=1.0, tiv=1.0)
        assert path.stat().st_size == 8 + 5 * 40
        for size in (1, 40, 80, 120):
            whole_file.PART = size
            check_report(path)


@pytest.mark.parametrize("damage", ["none", "flip", "cut", "append", "other event"])
def test_a_seal_is_compared_alike_by_threads(tmp_path: Path, monkeypatch, damage: str):
    monkeypatch.setattr("evstream.checking.seal.RANGE", 256)
    monkeypatch.setattr("evstream.checking.in_parts.RANGE", 256)
    path = make(tmp_path / "a.bin", range(1, 60))
    sealed = [seal_by(path, jobs) for jobs in (1, 3)]
    assert sealed[0] == sealed[1]
    data = bytearray(path.read_bytes())
    if damage == "flip":
        data[1003] ^= 64
    elif damage == "cut":
        del data[-5:]
    elif damage == "append":
        data += data[8:400]
    elif damage == "other event":
        data[8] = 60
    path.write_bytes(data)
    found = check_report(path)
    assert ("sealed" in found) == (damage != "none")


def seal_by(path: Path, jobs: int) -> bytes:
    assert main(["seal", "--no-fsync", "--jobs", str(jobs), str(path)]) == 0
    return Path(f"{path}.seal").read_bytes()


def test_a_file_is_sealed_alike_by_threads(tmp_path: Path, capsys, monkeypatch):
    monkeypatch.setattr("evstream.checking.seal.RANGE", 256)
    monkeypatch.setattr("evstream.checking.in_parts.RANGE", 256)
    names = ["loss_i4_f4", "loss_event_interleaved", "loss_no_final_delimiter", "loss_zero_ids",
             "loss_empty_blocks_between"]  # fmt: skip
    seeds = [bytes(3) + (GOLDEN / f"{name}.bin").read_bytes() for name in names]
    path = tmp_path / "a.bin"
    sealed = 0
    for number in range(40):
        chance = random.Random(number)
        data = chance.choice(seeds)[3:]
        path.write_bytes(targets.mutated(chance, data, seeds) if number > 12 else data)
        found = []
        for jobs in ("1", "3"):
            strict = ["--strict"] * (number % 3 == 0)
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                status = main(["seal", "--no-fsync", *strict, "--jobs", jobs, str(path)])
            seal = Path(f"{path}.seal")
            text = seal.read_bytes() if seal.exists() else None
            seal.unlink(missing_ok=True)
            found.append((status, capsys.readouterr(), text, [str(w.message) for w in caught]))
        assert found[0] == found[1]
        sealed += found[0][2] is not None
    assert 5 < sealed < 35


def test_an_index_lets_threads_check_other_streams(tmp_path: Path, monkeypatch):
    path = tmp_path / "a.bin"
    data = (GOLDEN / "summary_i4_f4.bin").read_bytes()
    path.write_bytes(data)
    whole = check_report(path)
    monkeypatch.setattr("evstream.indexing.builder.STRETCH", 64)
    evstream.build_index(path)
    read = []
    monkeypatch.setattr(
        "evstream.checking.in_parts.read_parts",
        lambda planned, *a, **k: (
            read.append(len(planned)) or whole_file.read_parts(planned, *a, **k)
        ),
    )
    assert check_report(path) == whole
    assert read[0] > 1
    path.write_bytes(data[:200] + data[190:])  # the index is stale: one pass says what is wrong
    check_report(path)


@pytest.mark.parametrize("command", ["validate", "seal"])
def test_commands_read_several_files_at_a_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch, command: str
):
    monkeypatch.setattr("evstream.partition.whole_file.SMALL", 1)
    names = [make(tmp_path / f"{number}.bin", range(1, 20)) for number in range(5)]
    names[1].write_bytes(b"no stream")
    names[3].write_bytes(names[0].read_bytes()[:-3])
    files = list(map(str, names))
    said = []
    for jobs in ("1", "3"):
        status = main([command, "--jobs", jobs, *files])
        out = capsys.readouterr()
        seals = sorted(path.name for path in tmp_path.glob("*.seal"))
        said.append((status, out.out, out.err, seals))
        for path in tmp_path.glob("*.seal"):
            path.unlink()
    assert said[0] == said[1]
    assert said[0][0] == 2
    assert len(said[0][3]) == (3 if command == "seal" else 0)
