"""`explain` shows each byte as what it is, good or broken."""

from __future__ import annotations

import gzip
import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evstream
from evstream import EvstreamError
from evstream.cli.program import main
from evstream.explaining.records import Gap, Line
from golden_files import GOLDEN, LEGAL
from support import ROOT


def blocks(*items: tuple[int, int, list[tuple[int, float]]]) -> bytes:
    data = struct.pack("<Ii", 0x02000001, 3)
    for event, item, entries in items:
        data += struct.pack("<ii", event, item)
        for sidx, loss in [*entries, (0, 0.0)]:
            data += struct.pack("<if", sidx, loss)
    return data


@pytest.fixture
def gul(tmp_path: Path) -> Path:
    path = tmp_path / "gul.bin"
    items = (
        (1, 1, [(-3, 9.5), (-1, 2.0), (1, 2.5)]), (1, 2, [(-3, 9.5), (-1, 66.833336)]),
        (2, 1, [(-3, 9.5), (-1, 4.0)]),
    )  # fmt: skip
    path.write_bytes(blocks(*items))
    return path


def fields(found: evstream.Explanation) -> list[tuple[object, ...]]:
    return [
        (one.offset, one.field, one.value) if isinstance(one, Line) else (one.offset, one.size)
        for one in found.lines
    ]


def test_a_good_stream_is_shown_from_its_beginning(gul: Path) -> None:
    found = evstream.explain(gul, records=3)
    assert fields(found)[:7] == [
        (0, "aggregation", 1), (3, "source", 2), (4, "len_sample", 3),
        (8, "event_id", 1), (12, "item_id", 1), (16, "sidx", -3), (20, "loss", 9.5),
    ]  # fmt: skip
    assert found.problems == []
    tiv = found.lines[5]
    assert isinstance(tiv, Line)
    assert (tiv.record, tiv.begins, tiv.meaning) == (
        "sidx_loss", True, "Total insured value of the item.",
    )  # fmt: skip


def test_every_byte_of_a_stream_is_in_one_line() -> None:
    """Of all stream types and widths."""
    for entry in LEGAL:
        path = GOLDEN / entry["file"]
        data = path.read_bytes()
        if len(data) > 4096:
            continue
        found = evstream.explain(
            path, at=0, records=4096, stream=entry["stream"], widths=entry["widths"]
        )
        assert b"".join(one.data for one in found.lines if isinstance(one, Line)) == data, path
        at = 0
        for one in found.lines:
            assert one.offset == at, path
            at += len(one.data) if isinstance(one, Line) else one.size


def test_a_cut_stream_is_shown_where_it_is_cut(gul: Path) -> None:
    gul.write_bytes(gul.read_bytes()[:54])
    found = evstream.explain(gul)
    assert fields(found)[-2:] == [(48, "event_id", 1), (52, "item_id", None)]
    assert found.problems == [
        "error: byte 48: stream-whole: the stream ends inside record item_header, after 6 of its"
        " 8 bytes, expected 2 more bytes"
    ]
    assert "(cut)" in str(found)


def test_the_first_broken_rule_is_the_place(tmp_path: Path) -> None:
    path = tmp_path / "gul.bin"
    many = [(number, 1.0) for number in range(1, 4)] * 100
    path.write_bytes(blocks((1, 1, [(1, 1.0)]), (1, 2, [*many[:299], (9, 1.0)]), (2, 1, [])))
    found = evstream.explain(path, records=2)
    place = 32 + 8 + 299 * 8
    assert found.place == 32 + 8 + 3 * 8  # sidx 1 comes again
    found = evstream.explain(path, at=place + 3, records=2)
    gaps = [one for one in found.lines if isinstance(one, Gap)]
    assert [(one.offset, one.size) for one in gaps] == [(8, 24), (40, 8 * 295)]
    assert any("sidx 9" in problem for problem in found.problems)
    shown = [one for one in found.lines if isinstance(one, Line) and one.offset >= place]
    assert [(one.offset, one.value) for one in shown[:2]] == [(place, 9), (place + 4, 1.0)]


def test_an_event_is_shown_from_its_first_block(gul: Path) -> None:
    found = evstream.explain(gul, event=2)
    assert fields(found)[3:6] == [(8, 72), (80, "event_id", 2), (84, "item_id", 1)]
    with pytest.raises(evstream.AbsentEventError, match="event_id 7 is not in the stream"):
        evstream.explain(gul, event=7)


def test_a_compressed_stream_and_a_pipe_are_shown_as_the_file(gul: Path, tmp_path: Path) -> None:
    packed = tmp_path / "gul.bin.gz"
    packed.write_bytes(gzip.compress(gul.read_bytes()))
    expected = fields(evstream.explain(gul, at=60))
    assert fields(evstream.explain(packed, at=60)) == expected
    assert fields(evstream.explain(io.BytesIO(gul.read_bytes()), at=60)) == expected


def test_what_is_no_stream_is_shown_as_bytes(tmp_path: Path) -> None:
    path = tmp_path / "gul.bin"
    path.write_bytes(b"event_id,item_id")
    found = evstream.explain(path)
    assert found.header is None
    assert [one.text for one in found.lines[:2] if isinstance(one, Line)] == [
        "'event_id'", "',item_id'",
    ]  # fmt: skip
    assert "not a stream" in found.problems[0] or "expected" in found.problems[0]


def test_a_counted_block_has_as_many_entries_as_it_says(tmp_path: Path) -> None:
    path = tmp_path / "cdf.bin"
    path.write_bytes((GOLDEN / "cdf_i4_f4_u4.bin").read_bytes())
    found = evstream.explain(path)
    names = [one.record for one in found.lines if isinstance(one, Line) and one.begins]
    assert "delimiter" not in names
    assert len(set(names)) > 2


def test_the_command_prints_text_and_html(gul: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", str(gul), "--event", "2", "--records", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"{gul}: loss, oasis_int i4")
    assert lines[6].split()[:8] == ["80", "02", "00", "00", "00", "item_header", "event_id", "2"]
    assert main(["explain", str(gul), "--color", "always"]) == 0
    assert "\x1b[" in capsys.readouterr().out
    assert main(["explain", str(gul), "--format", "html"]) == 0
    page = capsys.readouterr().out
    assert page.startswith("<!DOCTYPE html>")
    assert ">2.5<" in page
    assert main(["explain", str(gul), "--event", "9"]) == 2
    assert "event_id 9 is not in the stream" in capsys.readouterr().err


def test_hostile_text_is_escaped_in_html(tmp_path: Path) -> None:
    path = tmp_path / "<b>.bin"
    path.write_bytes(b"<script>" * 3)
    page = evstream.explain(path).to_html()
    assert "<script>" not in page
    assert "<b>" not in page


@pytest.mark.parametrize("options", [{"at": 1, "event": 2}, {"at": -1}, {"records": 0}])
def test_places_out_of_range_are_refused(gul: Path, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected"):
        evstream.explain(gul, **options)


def test_a_missing_file_has_its_name(tmp_path: Path) -> None:
    with pytest.raises((OSError, EvstreamError), match=r"none\.bin"):
        evstream.explain(tmp_path / "none.bin")


def test_the_example_of_the_documentation_is_true(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    losses = np.array([[0.0, 120.5, 80.0], [15.0, 0.0, 0.0]])
    with evstream.create("gul.bin", "loss", len_sample=3) as out:
        out.write_event(1, [1, 2], losses, mean=losses.mean(axis=1), tiv=[1000.0, 500.0])
    Path("cut.bin").write_bytes(Path("gul.bin").read_bytes()[:76])
    assert main(["explain", "cut.bin"]) == 0
    page = (ROOT / "docs" / "reliability.md").read_text()
    assert f"$ evstream explain cut.bin\n{capsys.readouterr().out}```" in page
