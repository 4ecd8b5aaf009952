"""An event that is asked for by its id, and that a stream does not have, is a warning."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest

import evstream
from evstream import AbsentEventWarning
from evstream.cli.program import main
from golden_files import GOLDEN

LOSS = GOLDEN / "loss_i4_f4.bin"
PRESENT = sorted({event.event_id for event in evstream.open(LOSS)})


@pytest.mark.parametrize("read", [evstream.read_columns, evstream.read_dense])
def test_absent_events_are_named(read: Callable[..., Any]) -> None:
    with pytest.warns(AbsentEventWarning) as caught:
        read(LOSS, events=[PRESENT[0], 998, 997, 998])
    (warning,) = caught
    text = f"{LOSS}: 2 of 3 wanted events are not in the stream: 997, 998"
    assert str(warning.message) == text
    assert warning.filename == __file__
    with pytest.warns(AbsentEventWarning, match="1 of 1 wanted events are not in the stream: 999"):
        read(LOSS, events=999)
    with pytest.warns(AbsentEventWarning, match=r"stream: 901, 902, 903, 904, 905, \.\.\.$"):
        read(LOSS, events=list(range(901, 1000)))


@pytest.mark.parametrize(
    "events", [None, PRESENT, PRESENT[0], range(PRESENT[0], 1000), [], range(0)], ids=str
)
def test_events_that_are_there_give_no_warning(events: Any) -> None:
    """A range means those of its ids that there are."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        evstream.read_columns(LOSS, events=events)


def test_a_range_without_any_event_is_a_warning() -> None:
    with pytest.warns(AbsentEventWarning, match="99 of 99 wanted events"):
        evstream.read_columns(LOSS, events=range(901, 1000))


def test_sums_of_absent_events_are_a_warning() -> None:
    """Of parts, only those that none of them has."""
    wanted = [PRESENT[0], PRESENT[-1], 998]
    whole = evstream.aggregate(LOSS, "event_id", events=wanted[:2])
    for source in (LOSS, evstream.parts(LOSS, 60), [LOSS]):
        with pytest.warns(AbsentEventWarning, match="1 of 3 wanted events.*: 998") as caught:
            sums = evstream.aggregate(source, "event_id", events=wanted)
        assert str(caught[0].message).startswith(f"{LOSS}: ")
        assert {k: v.tolist() for k, v in sums.items()} == {k: v.tolist() for k, v in whole.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        evstream.aggregate(evstream.parts(LOSS, 60), "event_id", events=wanted[:2])
        evstream.partial_aggregate(LOSS, "event_id", events=wanted)


def test_cat_names_absent_events(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cat", str(LOSS), "--event", "998", "--event", str(PRESENT[0])]) == 0
    assert capsys.readouterr().err == f"evstream: warning: {LOSS}: event 998 is not in the stream\n"


def test_a_word_is_not_an_event_id(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["cat", str(LOSS), "--event", "first"])
    assert "argument --event: 'first', expected an event id" in capsys.readouterr().err
