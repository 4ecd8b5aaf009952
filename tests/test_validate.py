"""Validation: each rule finds what breaks it, says where, and nothing else."""

from __future__ import annotations

import io
import json
import random
import struct
import subprocess
import sys
import warnings
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import evstream
import oracle
from evstream._generated import layout
from evstream.checking.reports import Report
from evstream.checking.validated_sources import validate
from evstream.cli.program import main
from evstream.errors import EvstreamError, WriteError
from evstream.reading.stream import EventStream
from evstream.wire.rule_checks import CHECKS

GOLDEN = Path(__file__).parent / "golden"
GOOD = [(-3, 9.0), (-1, 1.5), (1, 2.0), (3, 4.0)]
CORPUS = Path(__file__).resolve().parents[2] / "shared" / "corpus"


def loss(*blocks: tuple[tuple[int, int], list[tuple[int, float]]], len_sample: int = 10) -> bytes:
    return oracle.encode("loss", {"len_sample": len_sample}, list(blocks))


def check(data: bytes, **options) -> Report:
    return validate(io.BytesIO(data), **options)


def test_a_good_stream_is_clean():
    report = check(loss(((1, 1), GOOD), ((1, 2), GOOD), ((2, 1), GOOD)))
    assert report.clean
    assert (report.events, report.blocks, report.records) == (2, 3, 12)
    assert report.bytes == 8 + 3 * (8 + 5 * 8)


BROKEN = {
    "event-id-positive": (loss(((0, 1), GOOD)), 8, None),
    "block-id-positive": (loss(((1, -2), GOOD)), 8, None),
    "events-contiguous": (loss(((1, 1), GOOD), ((2, 1), GOOD), ((1, 2), GOOD)), 104, None),
    "block-unique": (loss(((1, 1), GOOD), ((1, 2), GOOD), ((1, 1), GOOD)), 104, None),
    "sidx-known": (loss(((1, 1), [(-6, 1.0), *GOOD])), 16, -6),
    "sidx-in-range": (loss(((1, 1), [*GOOD, (11, 1.0)])), 48, 11),
    "sidx-ascending": (loss(((1, 1), [*GOOD, (2, 1.0)])), 48, 2),
    "specials-ascending": (loss(((1, 1), [(-1, 1.0), (-3, 5.0), *GOOD[2:]])), 24, -3),
    "sidx-unique": (loss(((1, 1), [*GOOD, (3, 1.0)])), 48, 3),
    "special-required": (loss(((1, 1), GOOD), ((1, 2), GOOD[1:])), 56, None),
    "loss-finite": (loss(((1, 1), [*GOOD, (4, float("nan"))])), 48, 4),
    "loss-not-negative": (loss(((1, 1), [*GOOD, (4, -1.0)])), 48, 4),
    "block-not-empty": (loss(((1, 1), GOOD), ((1, 2), [])), 56, None),
    "stream-not-deprecated": (
        oracle.encode("gul_item", {"len_sample": 10}, [((1, 1), GOOD)]), 0, None,
    ),
    "final-delimiter": (loss(((1, 1), GOOD))[:-8], 48, None),
    "prob-ascending": (
        oracle.encode("cdf", {}, [((1, 1, 1), [(0.5, 0.1), (0.4, 0.2), (1.0, 0.3)])]), 28, None,
    ),
    "prob-in-range": (
        oracle.encode("cdf", {}, [((1, 1, 1), [(0.5, 0.1), (1.0, 1.5)])]), 28, None,
    ),
    "chance-in-range": (loss(((1, 1), [(-4, 1.5), (-3, 9.0), *GOOD[1:]])), 16, -4),
    "prob-complete": (oracle.encode("cdf", {}, [((1, 1, 1), [(0.5, 0.1)])]), 4, None),
    "stream-single": (loss(((1, 1), GOOD)) + loss(((2, 1), GOOD)), 56, None),
    "stream-whole": (loss(((1, 1), GOOD))[:-12], 40, None),
}  # fmt: skip


def test_every_rule_of_the_spec_is_broken_here():
    # Not of a loss or cdf stream, or not of one stream alone.
    elsewhere = {"event-expected", "as-sealed", "event-once", "event-is-run", "event-occurs"}
    assert BROKEN.keys() | elsewhere == layout.RULES.keys()


@pytest.mark.parametrize("rule", BROKEN)
def test_what_breaks_a_rule_is_found_at_its_byte(rule):
    data, offset, sidx = BROKEN[rule]
    report = check(data)
    (finding,) = [f for f in report.findings if f.rule == rule]
    assert (finding.offset, finding.sidx) == (offset, sidx)
    assert report.counts[rule] == 1
    if finding.bytes:
        assert bytes.fromhex(finding.bytes) == data[offset : offset + 8]
    also = {"block-not-empty": {"special-required"}}.get(rule, set())
    assert report.counts.keys() - {rule} == also
    assert report.errors == sum(
        n for r, n in report.counts.items() if layout.RULES[r].severity == "error"
    )


@pytest.mark.parametrize("rule", sorted(BROKEN.keys() - {"stream-not-deprecated"}))
@pytest.mark.parametrize("chunk", [256, 257, 300])
def test_findings_do_not_depend_on_where_the_stretches_end(rule, chunk, monkeypatch):
    """The broken stream behind many good blocks, so that stretches end all through it."""
    broken, _, _ = BROKEN[rule]
    head = 4 if rule.startswith("prob-") else 8
    if head == 4:
        before = [((9, i, 1), [(0.1 * j, 0.5) for j in range(i % 4 + 1)]) for i in range(1, 40)]
        data = oracle.encode("cdf", {}, before) + broken[head:]
    else:
        before = [((9, i), GOOD[: 2 + i % 3]) for i in range(1, 40)]
        data = loss(*before) + broken[head:]
    whole = check(data)
    original = EventStream.__init__

    def small(self, *arguments, **options):
        original(self, *arguments, **options | {"chunk": chunk})

    monkeypatch.setattr(EventStream, "__init__", small)
    pieces = check(data)
    assert pieces.counts == whole.counts
    places = [[(f.rule, f.offset, f.ids, f.sidx) for f in r.findings] for r in (pieces, whole)]
    assert sorted(map(str, places[0])) == sorted(map(str, places[1]))


def test_an_event_that_comes_back_counts_once_in_any_stretches(monkeypatch):
    """Its blocks are in several stretches."""
    many = [((1, item), GOOD) for item in range(2, 30)]
    data = loss(((1, 1), GOOD), ((2, 1), GOOD), *many)
    original = EventStream.__init__

    def small(self, *arguments, **options):
        original(self, *arguments, **options | {"chunk": 256})

    monkeypatch.setattr(EventStream, "__init__", small)
    report = check(data)
    assert report.counts == {"events-contiguous": 1}
    assert [finding.offset for finding in report.findings] == [104]


@pytest.mark.parametrize("rule", [r for r in BROKEN if layout.RULES[r].check in CHECKS])
def test_a_rule_needs_no_other_rule(rule, monkeypatch):
    """A rule added to the spec, or left out of it, changes nothing about the others."""
    data, _, _ = BROKEN[rule]
    whole = check(data).counts[rule]
    whole_stream = {r: layout.RULES[r] for r in layout.RULES if not layout.RULES[r].fields}
    monkeypatch.setattr(layout, "RULES", whole_stream | {rule: layout.RULES[rule]})
    monkeypatch.setitem(EventStream.__init__.__kwdefaults__, "chunk", 256)
    assert check(data).counts[rule] == whole


@pytest.mark.parametrize("events", [[1, 1, 2], [5, *range(100, 300), 300, 300]])
def test_an_event_that_stands_twice_in_a_list_is_found(events, monkeypatch):
    data = struct.pack(f"<{len(events)}i", *events)
    report = validate(io.BytesIO(data), stream="event_ids")
    assert report.counts == {"event-once": 1}
    for chunk in (256, 300):
        monkeypatch.setitem(EventStream.__init__.__kwdefaults__, "chunk", chunk)
        assert validate(io.BytesIO(data), stream="event_ids").counts == report.counts
    out = evstream.create(io.BytesIO(), "event_ids")
    again = next(i for i in range(1, len(events)) if events[i] == events[i - 1])
    for event in events[:again]:
        out.write_columns(event)
    with pytest.raises(WriteError, match="event-once"):
        out.write_columns(events[again])


def test_expected_events_that_are_missing_are_named():
    report = check(loss(((1, 1), GOOD), ((3, 1), GOOD)), expect_events=[1, 2, 3, 4])
    assert [f.ids["event_id"] for f in report.findings] == [2, 4]
    assert report.counts == {"event-expected": 2}


def test_only_the_first_places_are_told_and_all_are_counted():
    data = loss(
        ((1, 1), [(-3, 1.0), (-1, 1.0)] + [(s, -1.0) for s in range(1, 900)]), len_sample=900
    )
    report = check(data, first=3)
    assert report.counts == {"loss-not-negative": 899}
    assert [f.sidx for f in report.findings] == [1, 2, 3]


def naive(decoded, len_sample: int) -> dict[str, int]:
    """How many places break the rules on entries and order, by plain loops."""
    counts: dict[str, int] = {}

    def add(rule: str, number: int = 1) -> None:
        if number:
            counts[rule] = counts.get(rule, 0) + number

    finished: set[int] = set()
    event, items = None, set()
    at = 0
    for _, event_id, item_id, entries in decoded.blocks:
        rows = decoded.records[at : at + entries]
        at += entries
        add("event-id-positive", event_id <= 0)
        add("block-id-positive", item_id <= 0)
        if event_id != event:
            add("events-contiguous", event_id in finished)
            finished.add(event)
            event, items = event_id, set()
        add("block-unique", item_id in items)
        items.add(item_id)
        sidx = [row[2] for row in rows]
        add("sidx-known", sum(s < -5 for s in sidx))
        add("sidx-in-range", sum(s > len_sample for s in sidx))
        add("sidx-ascending", sum(b < a and a > 0 for a, b in pairwise(sidx)))
        add("specials-ascending", sum(b < a and a < 0 for a, b in pairwise(sidx)))
        add("sidx-unique", len(sidx) - len(set(sidx)))
        add("special-required", not {-3, -1} <= set(sidx))
        add("loss-not-negative", sum(row[3] < 0 for row in rows))
        add("chance-in-range", sum(row[2] == -4 and not 0 <= row[3] <= 1 for row in rows))
        add("block-not-empty", entries == 0)
    return counts


ENTRIES = st.lists(
    st.tuples(st.integers(-7, 12).filter(bool), st.sampled_from([0.5, 2.0, -1.0])), max_size=8
)
BLOCKS = st.lists(
    st.tuples(st.tuples(st.integers(0, 4), st.integers(0, 3)), ENTRIES), min_size=1, max_size=12
)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(BLOCKS)
def test_counts_agree_with_plain_loops(blocks):
    data = loss(*blocks)
    assert check(data).counts == naive(oracle.decode(data), 10)


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("loss_i4_f4*.bin")), ids=lambda p: p.name)
def test_a_byte_changed_anywhere_ends_in_a_report(path):
    data = bytearray(path.read_bytes())
    rng = random.Random(path.name)
    for _ in range(300):
        changed = bytearray(data)
        changed[rng.randrange(8, len(data))] = rng.randrange(256)
        report = check(bytes(changed[: rng.randrange(8, len(data) + 1)]))
        assert all(f.offset is None or 0 <= f.offset <= len(data) for f in report.findings)


def test_the_command_tells_findings_and_how_to_mend_them(tmp_path, capsys):
    good, bad = tmp_path / "good.bin", tmp_path / "bad.bin"
    good.write_bytes(loss(((1, 1), GOOD)))
    bad.write_bytes(BROKEN["loss-finite"][0])
    assert main(["validate", str(good)]) == 0
    assert "clean: loss, 56 bytes, 1 event, 1 block, 4 records" in capsys.readouterr().out
    assert main(["validate", str(good), str(bad)]) == 1
    out = capsys.readouterr().out
    assert "error: byte 48, event_id 1, item_id 1, sidx 4: loss-finite: loss nan" in out
    assert "[04 00 00 00 00 00 c0 7f]" in out
    assert layout.RULES["loss-finite"].fix in out
    assert main(["validate", str(bad), str(tmp_path / "none.bin")]) == 2


def test_warnings_are_findings_only_under_strict(tmp_path, capsys):
    path = tmp_path / "ktools.bin"
    path.write_bytes(BROKEN["final-delimiter"][0])
    assert main(["validate", str(path)]) == 0
    assert "final-delimiter" in capsys.readouterr().out
    assert main(["validate", "--strict", str(path)]) == 1


def test_the_report_is_json_even_for_nan(tmp_path, capsys):
    path = tmp_path / "bad.bin"
    path.write_bytes(BROKEN["loss-finite"][0])
    main(["validate", "--json", str(path)])
    printed = json.loads(capsys.readouterr().out, parse_constant=None)
    assert printed["findings"][0]["value"] == "nan"
    assert printed["counts"] == {"loss-finite": 1}


@pytest.mark.parametrize("as_stream", [True, False])
def test_expected_events_come_from_a_list_or_a_stream(tmp_path, capsys, as_stream):
    path = tmp_path / "loss.bin"
    path.write_bytes(loss(((1, 1), GOOD), ((2, 1), GOOD)))
    events = tmp_path / ("events.bin" if as_stream else "events.csv")
    events.write_bytes(struct.pack("<iii", 1, 2, 5) if as_stream else b"event_id\n1\n2\n5\n")
    assert main(["validate", str(path), "--expect-events", str(events)]) == 1
    assert "event_id 5: event-expected: the event is missing" in capsys.readouterr().out


def test_a_pipe_is_validated_in_one_go():
    data = BROKEN["sidx-in-range"][0]
    command = [sys.executable, "-m", "evstream", "validate", "-"]
    result = subprocess.run(command, input=data, capture_output=True, check=False)
    assert result.returncode == 1
    assert b"<stdin>: findings" in result.stdout
    assert b"byte 48" in result.stdout


@pytest.mark.skipif(not CORPUS.exists(), reason="the shared corpus is not beside the project")
def test_real_streams_break_no_rule_but_these():
    """What real tools write: some without the final delimiter, some of a deprecated type,
    and the summaries of older versions with their specials in another order."""
    known = {"final-delimiter", "stream-not-deprecated", "specials-ascending"}
    for path in sorted(CORPUS.glob("*.bin")):
        if path.name.startswith(("gul", "fm_", "ktools", "summary", "cdf", "many", "big", "uns")):
            assert validate(path).counts.keys() <= known, path.name


def test_a_break_without_a_rule_of_the_spec_is_raised(monkeypatch):
    (rule,) = (name for name, rule in layout.RULES.items() if rule.check == "whole")
    monkeypatch.delitem(layout.RULES, rule)
    with pytest.raises(EvstreamError, match=r"after 4 of its 8 bytes.*no rule with check 'whole'"):
        check(loss(((1, 1), GOOD))[:-12])


def test_validation_leaves_the_warning_filters_alone():
    """They are of the whole process: another thread may be reading a stream meanwhile."""
    seen = []

    class Watching(io.BytesIO):
        def readinto1(self, view):
            seen.append(len(warnings.filters))
            return super().readinto1(view)

    with warnings.catch_warnings():
        warnings.resetwarnings()
        report = validate(Watching(loss(((1, 1), GOOD))[:-8]))
    assert report.counts == {"final-delimiter": 1}
    assert set(seen) == {0}


def test_the_command_line_leaves_warning_filters_alone(tmp_path, capsys):
    path = tmp_path / "loss.bin"
    path.write_bytes(loss(((1, 1), GOOD)))
    before, shown = list(warnings.filters), warnings.showwarning
    assert main(["info", str(path)]) == 0
    assert (list(warnings.filters), warnings.showwarning) == (before, shown)
