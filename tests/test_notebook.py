"""What notebooks show of streams, headers, events and reports: small, escaped, nothing is read."""

from __future__ import annotations

import io
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evstream
from evstream._support.html import ROWS, table
from golden_files import GOLDEN
from oracle import encode

LOSS = GOLDEN / "loss_i4_f4.bin"
LARGEST = 6000
"""Bytes of what is shown, whatever the stream."""


class Reader(HTMLParser):
    """The cells of tables; refuses tags that do not close."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.cells: list[str] = []
        self.rows = 0
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        assert tag in {"style", "table", "caption", "thead", "tbody", "tr", "th", "td"}
        self._open.append(tag)
        self.rows += tag == "tr"
        if tag in {"th", "td", "caption"}:
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] in {"th", "td", "caption"}:
            self.cells[-1] += data


def shown(value: Any) -> list[str]:
    text = value._repr_html_()
    assert len(text) < LARGEST
    return Reader(text).cells


def test_a_stream_is_shown_without_being_read() -> None:
    expected = [event.event_id for event in evstream.open(LOSS)]
    with evstream.open(LOSS) as stream:
        cells = shown(stream)
        assert {"loss", "len_sample", f"{LOSS.stat().st_size:,}", "not read yet"} <= set(cells)
        assert repr(stream).endswith("len_sample=10, not read yet>")
        events = iter(stream)
        first = next(events)
        assert "decoded up to byte" in repr(stream)
        shown(stream)
        assert [first.event_id, *(event.event_id for event in events)] == expected
        assert "read to its end" in shown(stream)
    with evstream.open(io.BytesIO(LOSS.read_bytes())) as stream:
        assert "not known before the end" in shown(stream)
    assert "closed" in repr(stream)
    with evstream.open([LOSS]) as several:
        shown(several)
        assert len(list(several)) == len(expected)


def test_an_event_is_shown_by_its_first_rows() -> None:
    pairs = [(sidx, float(sidx)) for sidx in range(1, 100_001)]
    data = encode("loss", {"len_sample": 100_000}, [((7, 1), pairs[:3]), ((7, 2), pairs)])
    (event,) = evstream.open(io.BytesIO(data))
    cells = shown(event)
    assert cells[0] == "event_id 7: 2 blocks, 100,003 entries"
    assert cells[1:5] == ["event_id", "item_id", "sidx", "loss"]
    rows = [f"7 1 {n} {n}.0" for n in (1, 2, 3)] + [f"7 2 {n} {n}.0" for n in range(1, 8)]
    assert " ".join(cells[5:-1]) == " ".join(rows)
    assert cells[-1] == f"{100_003 - ROWS:,} more"


@pytest.mark.parametrize(
    "name", ["loss_i4_f4", "summary_i4_f4", "cdf_i4_f4_u4", "gul_coverage_i4_f4", "event_ids_i4"]
)
def test_events_and_headers_of_every_stream_are_shown(name: str) -> None:
    listed = "event_ids" if name.startswith("event_ids") else None
    with evstream.open(GOLDEN / f"{name}.bin", listed) as stream:
        assert {*stream.header.row_columns} <= set(shown(stream.header))
        for event in stream:
            cells = shown(event)
            rows = event.to_rows()
            names = list(rows)
            count = min(ROWS, len(rows[names[0]]))
            body = cells[1 + len(names) : 1 + len(names) * (count + 1)]
            expected = [str(rows[name][row]) for row in range(count) for name in names]
            assert body == expected


def test_reports_and_results_are_shown(tmp_path: Path) -> None:
    bad = GOLDEN / "loss_i4_f4.bin"
    report = evstream.validate(bad)
    cells = shown(report)
    assert f"{report.events:,}" in cells
    broken = encode("loss", {"len_sample": 1}, [((7, n), [(1, np.nan)]) for n in range(1, 40)])
    found = evstream.validate(io.BytesIO(broken))
    cells = shown(found)
    assert {"special-required", f"{sum(found.counts.values()):,} places"} <= set(cells)
    table = evstream.elt(GOLDEN / "summary_i4_f4.bin", "melt")
    assert {"melt: " + f"{table.rows:,} rows", *table} <= set(shown(table))


def test_names_and_values_are_escaped(tmp_path: Path) -> None:
    path = tmp_path / "<script>alert('x')&.bin"
    shutil.copy(LOSS, path)
    with evstream.open(path) as stream:
        assert str(path) in shown(stream)
    assert str(path) in shown(evstream.validate(path))
    made = table("<b>", ["<i>"], [("<u>&\"'",), (b"\xff<",), ("x" * 10_000,), ("\ud800",)])
    cells = Reader(made).cells
    assert cells[:4] == ["<b>", "<i>", "<u>&\"'", "\\xff<"]
    assert len(cells[4]) < 300
    made.encode()
