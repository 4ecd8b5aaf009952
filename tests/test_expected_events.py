"""`validate --expect-events`: a list of events that a stream has to have."""

from __future__ import annotations

import pytest

import oracle
from evstream.cli.program import main
from golden_files import GOLDEN

LOSS = GOLDEN / "loss_i4_f4.bin"
TWO_EVENTS = oracle.encode("loss", {"len_sample": 2}, [((1, 1), [(1, 2.5)]), ((2, 1), [(2, 1.0)])])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"999.0\n998\n", "line 1: '999.0'"),
        (b'"999"\n', "line 1: '\"999\"'"),
        (b"997,998,999\n", "line 1: '997,998,999'"),
        (b"event_id,year\n1,2\n", "line 1: 'event_id,year'"),
        (b"event_id\nevent_id\n1\n", "line 2: 'event_id'"),
        (b"\n1\n\nx\n", "line 4: 'x'"),
        (b"1\n2e3\n", "line 2: '2e3'"),
        (b"", "there are no events in this list"),
        (b"event_id\n", "there are no events in this list"),
        (TWO_EVENTS + b"\xff", "not a text file, expected event ids, one per line"),
    ],
)
def test_a_list_of_expected_events_that_is_none_is_refused(tmp_path, capsys, text, problem):
    events = tmp_path / "events.csv"
    events.write_bytes(text)
    assert main(["validate", str(LOSS), "--expect-events", str(events)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"evstream: {events}: {problem}")


def test_an_empty_stream_of_expected_events_is_refused(tmp_path, capsys):
    events = tmp_path / "events.bin"
    events.write_bytes(b"")
    assert main(["validate", str(LOSS), "--expect-events", str(events)]) == 2
    assert capsys.readouterr().err == f"evstream: {events}: there are no events in this list\n"


@pytest.mark.parametrize("text", [b"\xef\xbb\xbf999\n", b"+999\n", b"Event ID\r\n999\r\n", b"999"])
def test_every_expected_event_is_looked_for(tmp_path, capsys, text):
    events = tmp_path / "events.csv"
    events.write_bytes(text)
    assert main(["validate", str(LOSS), "--expect-events", str(events)]) == 1
    assert "event_id 999: event-expected: the event is missing" in capsys.readouterr().out
