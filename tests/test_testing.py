"""`evstream.testing`: streams for tests, valid and broken, and what a test says of two of them."""

from __future__ import annotations

import io
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import evstream
from evstream._support.format import bound_format
from evstream.testing import (
    BrokenStream,
    StreamBytes,
    assert_equal,
    broken_versions,
    make_stream,
)
from evstream.testing.strategies import broken_streams, events, headers, streams
from oracle import decode
from support import child_environment

STREAMS = list(bound_format().streams)
WIDE = {"oasis_int": "i8", "oasis_float": "f8", "areaperil_int": "u8"}
QUICK = settings(max_examples=25)


def findings(data: StreamBytes) -> set[str]:
    """Rules that a stream breaks, but for the one that its type is old."""
    reading = {name: data.reading[name] for name in ("stream", "widths")}
    return evstream.validate(io.BytesIO(data), **reading).counts.keys() - {"stream-not-deprecated"}


def fails_as_said(broken: BrokenStream) -> None:
    """Reading raises the error that is said, after as many events."""
    read = []
    with pytest.raises(broken.error) as caught, broken.data.open() as stream:
        read.extend(stream)  # takes what comes before the error
    assert (type(caught.value), len(read)) == (broken.error, broken.events), broken


# Streams


@pytest.mark.parametrize("widths", [{}, WIDE], ids=["narrow", "wide"])
@pytest.mark.parametrize("stream", STREAMS)
def test_made_streams_are_valid(stream: str, widths: dict[str, str]) -> None:
    data = make_stream(stream, events=3, items=2, widths=widths)
    assert findings(data) == set()
    decoded = decode(bytes(data), stream, {**dict(data.header.widths)})
    assert (decoded.error, decoded.final_delimiter in {True, None}) == (None, True)
    assert [event.event_id for event in data.events()] == [1, 2, 3]
    assert make_stream(stream, events=3, items=2, widths=widths) == data
    if stream != "event_ids":
        assert make_stream(stream, seed=1, widths=widths) != data


@pytest.mark.parametrize("kind", ["items", "occurrence", "quantile", "returnperiods", "ept"])
def test_files_of_a_run_folder(kind: str) -> None:
    assert findings(make_stream(kind)) == set()


def test_losses_are_those_that_are_given() -> None:
    data = make_stream("loss", {7: {1: [100, 20], 4: [0, 3]}, 2: {1: [0, 0]}})
    assert data.header.len_sample == 2
    first, second = data.events()
    assert (first.event_id, first.item_ids.tolist()) == (7, [1, 4])
    assert first.to_dense().losses.tolist() == [[100, 20], [0, 3]]
    assert first.to_dense().specials["mean"].tolist() == [60, 1.5]
    assert first.to_dense().specials["tiv"].tolist() == [100, 3]
    assert second.event_id == 2
    columns = {"exposure_values": {3: 40}, "std_dev": 0.5}
    summary = make_stream("summary", {1: {3: [5]}}, columns=columns, header={"summary_set_id": 9})
    assert summary.events()[0].to_dense().specials["std_dev"].tolist() == [0.5]
    assert summary.events()[0].exposure_values.tolist() == [40]
    assert summary.header.summary_set_id == 9
    assert summary.events()[0].summary_ids.tolist() == [3]


def test_ids_and_bytes(tmp_path: Path) -> None:
    data = make_stream(events=[5, 3], items=[9])
    assert [(e.event_id, e.item_ids.tolist()) for e in data.events()] == [(5, [9]), (3, [9])]
    assert isinstance(data, bytes)
    assert pickle.loads(pickle.dumps(data)).header == data.header
    assert Path(data.save(tmp_path / "gul.bin")).read_bytes() == data
    assert repr(data).startswith("<loss stream oasis_int=i4")
    assert make_stream(events=0).events() == []


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"stream": "lost"}, ValueError),
        ({"stream": "cdf", "losses": {1: {1: [1]}}}, TypeError),
        ({"losses": {1: [1]}}, TypeError),
        ({"losses": {1: {1: [1], 2: [1, 2]}}}, ValueError),
        ({"losses": {0: {1: [1]}}}, evstream.WriteError),
        ({"samples": -1}, ValueError),
        ({"columns": {"tiv": 1}}, TypeError),
        ({"events": [1, 2, 1]}, evstream.WriteError),
    ],
)
def test_wrong_arguments_are_refused(arguments: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        make_stream(**arguments)


@pytest.mark.parametrize("stream", STREAMS)
def test_broken_streams_fail_as_said(stream: str) -> None:
    versions = broken_versions(make_stream(stream, events=2, items=2, samples=2))
    for broken in versions:
        fails_as_said(broken)
    assert len(versions) >= 6
    kinds = {broken.what for broken in versions}
    expected = {"cut"}
    if stream != "event_ids":
        expected |= {"type word", "second stream"}
        expected |= {"count"} if stream == "cdf" else {"stream header"}
    assert kinds == expected


@QUICK
@given(st.sampled_from([{}, WIDE]).flatmap(lambda widths: streams(widths=widths)))
def test_drawn_streams_are_valid(data: StreamBytes) -> None:
    assert findings(data) == set()
    assert_equal(data, data.events() or data)


@QUICK
@given(broken_streams(max_items=2))
def test_drawn_broken_streams_fail_as_said(broken: BrokenStream) -> None:
    fails_as_said(broken)


@QUICK
@given(events("summary"), headers("summary", any_widths=True), st.data())
def test_drawn_events_and_headers(
    event: evstream.Event, header: evstream.StreamHeader, data: st.DataObject
) -> None:
    assert (event.event_id, len(event) > 0) == (1, True)
    assert header.summary_set_id == 1
    again = evstream.StreamHeader(header.stream, header.values, header.widths)
    assert again.to_bytes() == header.to_bytes()
    two = data.draw(streams("loss", min_events=2, max_events=2, widths={"oasis_float": "f8"}))
    assert [len(two.events()), two.header.widths["oasis_float"]] == [2, "f8"]


# Equality

LOSSES = {7: {1: [100.0, 20.0], 2: [3.0, 4.0]}, 8: {1: [1.0, 2.0]}}
OTHER = {7: {1: [100.0, 25.0], 2: [3.0, 4.0]}, 9: {1: [1.0, 2.0]}}


def message(a: Any, b: Any, **options: Any) -> str:
    with pytest.raises(AssertionError) as caught:
        assert_equal(a, b, **options)
    return str(caught.value)


def test_a_difference_names_ids_values_and_totals() -> None:
    assert message(make_stream(losses=LOSSES), make_stream(losses=OTHER)).splitlines() == [
        "the streams have 4 differences, in 3 of 3 events, 1 of 2 items, 2 of 8 records",
        "  event_id 7, item_id 1, sidx -1: loss 60.0 in A, 62.5 in B",
        "A: 2 events, 3 items, 12 records, loss of samples 130",
        "B: 2 events, 3 items, 12 records, loss of samples 135",
        "values differ by up to 5, relative 0.2",
        "  event_id 7, item_id 1, sidx 2: loss 20.0 in A, 25.0 in B",
        "  event_id 8: only in A (items 1)",
        "  event_id 9: only in B (items 1)",
    ]


def test_all_kinds_of_streams_can_be_equal(tmp_path: Path) -> None:
    data = make_stream(losses=LOSSES)
    path = Path(data.save(tmp_path / "gul.bin"))
    wide = make_stream(losses=LOSSES, widths=WIDE)
    sides = [data, bytes(data), bytearray(data), path, str(path), data.events(), io.BytesIO(data)]
    for side in sides:
        assert_equal(data, side)
    with evstream.open(path) as stream:
        assert_equal(stream, data.events())
    assert_equal(wide.events(), wide)
    assert_equal(bytes(wide), wide, widths=WIDE)
    assert_equal(data.events()[1], make_stream(losses={8: LOSSES[8]}))
    assert_equal([], [])
    assert "event_id 7: only in B" in message([], data)
    assert "B (" in message(data.events()[:1], path)
    with pytest.raises(evstream.TruncatedStreamError, match=r"^A: byte"):
        assert_equal(bytes(data[:-3]), data)
    with pytest.raises(TypeError, match="not a list of events"):
        assert_equal([1], data)


def test_options_of_equality() -> None:
    data = make_stream(losses={1: {1: [100.0, 0.0], 2: [3.0, 4.0]}})
    near = make_stream(losses={1: {1: [100.001, 0.0], 2: [3.0, 4.0]}})
    moved = make_stream(losses={1: {2: [3.0, 4.0], 1: [100.0, 0.0]}})
    assert_equal(data, near, rtol=1e-4)
    assert_equal(data, near, atol=0.01)
    assert_equal(data, moved, ignore_order=True)
    assert "another order" in message(data, moved)
    lines = message(data, near, first=1).splitlines()
    assert (lines[1][:13], lines[-1]) == ("  event_id 1,", "  and 2 more")
    rows = {"event_id": 1, "item_id": 1, "sidx": [-3, -1, 1, 2], "loss": [5.0, 2.5, 5.0, 0.0]}
    target = io.BytesIO()
    with evstream.create(target, "loss", len_sample=2) as out:
        out.write_columns(**{n: v if isinstance(v, int) else np.array(v) for n, v in rows.items()})
    assert_equal(target.getvalue(), make_stream(losses={1: {1: [5.0, 0.0]}}), zeros=True)


# The plugin

TESTS = """
import sys

def test_start():
    assert not {"numpy", "numba", "hypothesis"} & sys.modules.keys()

def test_bytes(make_stream):
    assert make_stream(losses={1: {2: [3.0]}}) == make_stream(losses={1: {2: [4.0]}})

def test_files(stream_file):
    a = stream_file("a.bin", losses={1: {2: [3.0]}})
    b = stream_file("b.bin", "loss", {1: {2: [3.0], 5: [1.0]}})
    assert a.read_bytes() == b.read_bytes()

def test_events(make_stream):
    data = make_stream(events=1)
    assert data.events()[0] == data.events()[0]

def test_other():
    assert b"\\x01\\x00\\x00\\x02abcdefgh" == b"\\x01\\x00\\x00\\x02abcdefgi"
"""


def test_pytest_says_how_streams_differ(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(TESTS)
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "evstream.testing.plugin",
         "-p", "no:cacheprovider", str(tmp_path)],
        cwd=tmp_path, env=child_environment(PYTEST_DISABLE_PLUGIN_AUTOLOAD="1"),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    out = result.stdout
    assert "4 failed, 1 passed" in out, out + result.stderr
    assert "event_id 1, item_id 2, sidx 1: loss 3.0 in A, 4.0 in B" in out
    assert "event_id 1, item_id 5: only in B (records 3)" in out
    assert "the events have the same values; use evstream.testing.assert_equal" in out
    assert "At index 11 diff: b'h' != b'i'" in out
