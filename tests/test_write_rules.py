"""The writer refuses rows that break a rule of the spec.

A refused call leaves no trace: the stream goes on as if it had not been made.
"""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest

import evstream
from evstream import WriteError, Writer
from evstream._generated import layout
from evstream.wire.header import StreamHeader
from evstream.wire.rules import Checker
from evstream.wire.screen import Screen
from golden_files import GOLDEN
from oracle import decode
from writer_cases import (
    BLOCK_ID,
    HEADERS,
    SAMPLE_STREAMS,
    WIDE,
    Columns,
    changed,
    expected_bytes,
    good_rows,
    later_rows,
    matrix,
    new_writer,
    sample_rows,
    with_exposure,
)

# (stream, rule, field) -> rows that break it, to be written after the good rows.
BROKEN: dict[tuple[str, str, str], list[Columns]] = {}


def breaks(stream: str, rule: str, field: str, *rows: Columns) -> None:
    BROKEN.setdefault((stream, rule, field), []).extend(rows)


for _stream in HEADERS:
    for _value in (0, -1, -(2**31)):
        breaks(_stream, "event-id-positive", "event_id", changed(_stream, "event_id", _value))
    breaks(_stream, "events-contiguous", "event_id", changed(_stream, "event_id", 1))
    breaks(_stream, "events-contiguous", "event_id", changed(_stream, "event_id", 3, 4, 3)
           if _stream != "event_ids" else {"event_id": [3, 4, 3]})  # fmt: skip

for _repeated in ([3, 3], [3, 4, 4]):
    breaks("event_ids", "event-once", "event_id", {"event_id": _repeated})

for _stream, _id in BLOCK_ID.items():
    for _value in (0, -1, -(2**31)):
        breaks(_stream, "block-id-positive", _id, changed(_stream, _id, _value))
    breaks(
        _stream, "block-unique", _id,
        sample_rows(_stream, [(3, 1, 1, 5.0), (3, 2, 1, 5.0), (3, 1, 2, 5.0)]),
    )  # fmt: skip
    for _value in (-6, -(2**31)):
        breaks(_stream, "sidx-known", "sidx", sample_rows(_stream, [(3, 1, _value, 5.0)]))
    for _value in (4, 2**31 - 1):
        breaks(_stream, "sidx-in-range", "sidx", sample_rows(_stream, [(3, 1, _value, 5.0)]))
    for _first, _second in ((1, 1), (2, 1), (1, -1), (-1, -1)):
        breaks(
            _stream, "sidx-unique" if _first == _second else "sidx-ascending", "sidx",
            sample_rows(_stream, [(3, 1, _first, 5.0), (3, 1, _second, 6.0)]),
        )  # fmt: skip
    for _value in (np.nan, np.inf, -np.inf):
        breaks(_stream, "loss-finite", "loss", changed(_stream, "loss", _value))

for _value in (np.nan, np.inf, -np.inf):
    breaks("summary", "loss-finite", "exposure_value", changed("summary", "exposure_value", _value))
    breaks("cdf", "loss-finite", "prob_to", changed("cdf", "prob_to", _value))
    breaks("cdf", "loss-finite", "bin_mean", changed("cdf", "bin_mean", _value))

breaks("cdf", "block-id-positive", "areaperil_id", changed("cdf", "areaperil_id", 0))

for _value in (0, -1):
    breaks(
        "cdf", "block-id-positive", "vulnerability_id", changed("cdf", "vulnerability_id", _value)
    )

BROKEN_CASES = [
    pytest.param(stream, rule, rows, id=f"{stream}-{rule}-{field}-{number}")
    for (stream, rule, field), cases in BROKEN.items()
    for number, rows in enumerate(cases)
]


def test_every_error_rule_is_broken_in_each_field() -> None:
    expected = set()
    for stream in layout.STREAMS:
        header = StreamHeader(stream, HEADERS[stream])
        columns = {*header.block_columns, *header.entry_columns}
        for rule in layout.RULES.values():
            has_entries = header.block.entry is not None
            is_other = rule.check == "refers" or (rule.check == "once_in_list" and has_entries)
            if rule.severity == "error" and not is_other:
                expected |= {(stream, rule.id, field) for field in rule.fields if field in columns}
    assert BROKEN.keys() == expected


@pytest.mark.parametrize(("stream", "rule", "rows"), BROKEN_CASES)
def test_rows_that_break_a_rule_leave_no_trace(stream: str, rule: str, rows: Columns) -> None:
    target = io.BytesIO()
    with new_writer(target, stream) as out:
        out.write_columns(**good_rows(stream))
        with pytest.raises(WriteError, match=f" breaks {rule}: ") as caught:
            out.write_columns(**rows)
        assert caught.value.source == "<BytesIO>"
        assert caught.value.event_id in rows["event_id"]
        out.write_columns(**later_rows(stream))
    assert target.getvalue() == expected_bytes(stream, good_rows(stream), later_rows(stream))


@pytest.mark.parametrize("validate", [True, False])
@pytest.mark.parametrize("stream", BLOCK_ID)
def test_an_entry_that_would_end_its_block_is_refused_always(stream: str, validate: bool) -> None:
    """What comes after it would be read as blocks that nobody wrote."""
    with new_writer(io.BytesIO(), stream, validate=validate) as out:
        rows = sample_rows(stream, [(3, 1, 1, 5.0), (3, 1, 0, 5.0), (3, 1, 2, 5.0)])
        with pytest.raises(WriteError, match="sidx is 0, expected anything but 0, which ends"):
            out.write_columns(**rows)


@pytest.mark.parametrize(("stream", "rule", "rows"), BROKEN_CASES)
def test_without_validation_every_row_is_written(stream: str, rule: str, rows: Columns) -> None:
    target = io.BytesIO()
    with new_writer(target, stream, validate=False) as out:
        out.write_columns(**rows)
    assert target.getvalue() == expected_bytes(stream, rows)


@pytest.mark.parametrize("stream", SAMPLE_STREAMS)
@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        ("event-id-positive", {"event_id": 0}),
        ("event-id-positive", {"event_id": -1}),
        ("block-id-positive", {"item_ids": [1, 0]}),
        ("block-id-positive", {"item_ids": [-7, 1]}),
        ("block-unique", {"item_ids": [5, 5]}),
        ("events-contiguous", {"event_id": 1}),
        ("loss-finite", {"losses": [[1.0, 2.0, 3.0], [4.0, np.nan, 6.0]]}),
        ("loss-finite", {"losses": [[1.0, 2.0, np.inf], [4.0, 5.0, 6.0]]}),
        ("loss-finite", {"mean": [1.0, np.nan]}),
        ("loss-finite", {"tiv": -np.inf}),
    ],
)
def test_a_matrix_that_breaks_a_rule_leaves_no_trace(
    stream: str, rule: str, changes: dict[str, Any]
) -> None:
    plain, disturbed = io.BytesIO(), io.BytesIO()
    for target in (plain, disturbed):
        with new_writer(target, stream) as out:
            out.write_columns(**good_rows(stream))
            if target is disturbed:
                with pytest.raises(WriteError, match=f" breaks {rule}: ") as caught:
                    out.write_event(**with_exposure(stream, matrix(**changes)))
                assert caught.value.event_id == changes.get("event_id", 3)
                assert caught.value.item_id in changes.get("item_ids", [1, 2])
            out.write_event(**with_exposure(stream, matrix()))
    assert disturbed.getvalue() == plain.getvalue()
    assert [block[1:3] for block in decode(plain.getvalue()).blocks][-2:] == [(3, 1), (3, 2)]


def test_a_matrix_keeps_every_rule_on_values(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the spec makes an error, write_event refuses as write_columns does."""
    strict = dataclasses.replace(layout.RULES["loss-not-negative"], severity="error")
    monkeypatch.setitem(layout.RULES, "loss-not-negative", strict)
    out = new_writer(io.BytesIO(), "loss")
    with pytest.raises(WriteError, match=r"item_id 1, sidx 3: loss -3.0 breaks loss-not-negative"):
        out.write_event(**matrix(losses=[[1, 2, -3], [4, 5, 6]]))


def test_a_matrix_keeps_rules_of_one_special_sidx(monkeypatch: pytest.MonkeyPatch) -> None:
    strict = dataclasses.replace(layout.RULES["chance-in-range"], severity="error")
    monkeypatch.setitem(layout.RULES, "chance-in-range", strict)
    out = new_writer(io.BytesIO(), "loss")
    out.write_event(**matrix(chance_of_loss=[0.5, 1.0]))
    with pytest.raises(WriteError, match=r"item_id 2, sidx -4: loss 1.5 breaks chance-in-range"):
        out.write_event(**matrix(event_id=4, chance_of_loss=[0.5, 1.5], mean=2.0))
    with pytest.raises(WriteError, match=r"item_id 1: loss 1.5 breaks chance-in-range"):
        out.write_columns(4, 1, [-4, 1], [1.5, 20.0])
    summary = new_writer(io.BytesIO(), "summary")  # where it is the number of affected risks
    summary.write_event(**with_exposure("summary", matrix(chance_of_loss=7.0)))


def test_the_finite_error_names_item_and_sidx() -> None:
    out = new_writer(io.BytesIO(), "loss")
    with pytest.raises(WriteError, match=r"item_id 2, sidx 2: loss nan breaks loss-finite"):
        out.write_event(**matrix(losses=[[1, 2, 3], [4, np.nan, 6]]))
    with pytest.raises(WriteError, match=r"item_id 2, sidx -1: loss inf breaks loss-finite"):
        out.write_event(**matrix(mean=[1, np.inf], tiv=1.0))


def test_specials_of_an_open_block_come_in_any_order_once() -> None:
    target = io.BytesIO()
    with new_writer(target, "loss") as out:
        out.write_columns(1, 1, [-1, -3], 5.0)
        with pytest.raises(WriteError, match=" breaks sidx-unique: "):
            out.write_columns(1, 1, -1, 5.0)
        out.write_columns(1, 1, [-5, 1], 5.0)
        out.write_columns(1, [1, 2], [2, -1], 5.0)
    assert [row[1:3] for row in decode(target.getvalue()).records] == [
        (1, -1), (1, -3), (1, -5), (1, 1), (1, 2), (2, -1),
    ]  # fmt: skip


@pytest.mark.parametrize("exposure", [np.nan, np.inf])
def test_a_summary_needs_finite_exposures(exposure: float) -> None:
    out = new_writer(io.BytesIO(), "summary")
    with pytest.raises(WriteError, match=r"exposure_value .* breaks loss-finite"):
        out.write_event(**matrix(), exposure_values=[1.0, exposure])


@pytest.mark.parametrize(
    ("rule", "rows"),
    [
        ("sidx-unique", (1, 1, 2, 5.0)),
        ("sidx-ascending", (1, 1, 1, 5.0)),
        ("sidx-ascending", (1, 1, -2, 5.0)),
        ("sidx-in-range", (1, 1, 4, 5.0)),
        ("block-unique", ([1, 1], [2, 1], [1, 3], 5.0)),
        ("events-contiguous", ([1, 2, 1], [2, 1, 3], 1, 5.0)),
    ],
)
def test_a_block_that_stays_open_is_checked_over_calls(rule: str, rows: tuple[Any, ...]) -> None:
    target = io.BytesIO()
    with new_writer(target, "loss") as out:
        out.write_columns(1, 1, [-1, 2], 5.0)
        with pytest.raises(WriteError, match=f" breaks {rule}: "):
            out.write_columns(*rows)
        out.write_columns([1, 1, 2], [1, 2, 1], [3, 1, 1], 6.0)
    assert [row[:3] for row in decode(target.getvalue()).records] == [
        (1, 1, -1), (1, 1, 2), (1, 1, 3), (1, 2, 1), (2, 1, 1),
    ]  # fmt: skip
    assert [block[1:] for block in decode(target.getvalue()).blocks] == [
        (1, 1, 3),
        (1, 2, 1),
        (2, 1, 1),
    ]


@pytest.mark.parametrize(
    "again",
    [
        lambda out: out.write_columns(1, 1, 3, 5.0),
        lambda out: out.write_event(1, [1], [[5, 0, 0]]),
        lambda out: out.write_event(1, [3, 1], [[5, 0, 0], [5, 0, 0]]),
    ],
)
@pytest.mark.parametrize(
    "before",
    [
        lambda out: out.write_columns([1, 1], [1, 2], 1, 5.0),
        lambda out: out.write_event(1, [1, 2], [[5, 0, 0], [5, 0, 0]]),
        lambda out: (out.write_event(1, [1], [[5, 0, 0]]), out.write_event(1, [2], [[5, 0, 0]])),
    ],
)
def test_an_item_is_not_written_twice_in_an_event(
    before: Callable[[Writer], object], again: Callable[[Writer], object]
) -> None:
    target = io.BytesIO()
    with new_writer(target, "loss") as out:
        before(out)
        with pytest.raises(WriteError, match=" breaks block-unique: "):
            again(out)
        out.write_event(2, [1], [[5, 0, 0]])
    assert [block[1:3] for block in decode(target.getvalue()).blocks] == [(1, 1), (1, 2), (2, 1)]


def test_a_matrix_closes_the_open_block_even_of_the_same_item() -> None:
    out = new_writer(io.BytesIO(), "loss")
    out.write_columns(1, 1, 1, 5.0)
    with pytest.raises(WriteError, match=" breaks block-unique: "):
        out.write_event(1, [1], [[0, 5, 0]])
    out.write_columns(1, 1, 2, 5.0)


@pytest.mark.parametrize(
    "again",
    [
        lambda out: out.write_columns(1, 9, 3, 5.0),
        lambda out: out.write_event(1, [9], [[5, 0, 0]]),
    ],
)
@pytest.mark.parametrize("events_between", [1, 3])
def test_an_event_is_not_taken_up_again(
    events_between: int, again: Callable[[Writer], object]
) -> None:
    target = io.BytesIO()
    with new_writer(target, "loss") as out:
        out.write_event(1, [1], [[5, 0, 0]])
        for event in range(2, 2 + events_between):
            out.write_columns(event, 1, 1, 5.0)
        with pytest.raises(WriteError, match=r"event_id 1, item_id 9: .* breaks events-contiguous"):
            again(out)
    assert len(decode(target.getvalue()).blocks) == 1 + events_between


def test_a_refused_event_may_be_written_later() -> None:
    """What a refused call had would be remembered wrongly as an event of the stream."""
    out = new_writer(io.BytesIO(), "loss")
    with pytest.raises(WriteError):
        out.write_columns([5, 6], 1, [1, 9], 5.0)
    out.write_columns([1, 6, 5], 1, 1, 5.0)
    with pytest.raises(WriteError, match="events-contiguous"):
        out.write_columns(6, 2, 1, 5.0)


BAD_GOLDEN = {
    "loss_sidx_duplicate.bin": "sidx-unique",
    "loss_sidx_not_ascending.bin": "sidx-ascending",
    "loss_specials_last.bin": "sidx-ascending",
    "loss_sidx_above_len_sample.bin": "sidx-in-range",
    "loss_sidx_minus_6.bin": "sidx-known",
    "loss_nan.bin": "loss-finite",
    "loss_nan_payload.bin": "loss-finite",
    "loss_inf.bin": "loss-finite",
    "loss_zero_ids.bin": "(event|block)-id-positive",
    "loss_negative_ids.bin": "(event|block)-id-positive",
    "loss_item_repeated.bin": "block-unique",
    "loss_event_interleaved.bin": "events-contiguous",
    "summary_exposure_nan.bin": "loss-finite",
    "cdf_event_interleaved.bin": "events-contiguous",
}


def write_events(source: Iterable[evstream.Event], out: Writer) -> None:
    for event in source:
        out.write(event)


@pytest.mark.parametrize("name", BAD_GOLDEN)
def test_an_event_that_breaks_a_rule_is_not_written_again(name: str) -> None:
    with evstream.open(GOLDEN / name) as source:
        out = evstream.create(io.BytesIO(), source.header.stream, **source.header.values)
        with pytest.raises(WriteError, match=f" breaks {BAD_GOLDEN[name]}: "):
            write_events(source, out)


def test_an_event_of_another_layout_is_refused() -> None:
    out = new_writer(io.BytesIO(), "loss")
    for name, widths in (("summary_i4_f4.bin", {}), ("loss_i8_f8.bin", WIDE)):
        with evstream.open(GOLDEN / name, widths=widths) as source, pytest.raises(
            WriteError, match="expected one of a loss stream at the same widths"
        ):  # fmt: skip
            out.write(next(iter(source)))


@pytest.mark.parametrize("indices", [[2, 3], [1, 3], [1, 2, 2], [0], [1, 0]])
def test_bins_count_from_1(indices: list[int]) -> None:
    target = io.BytesIO()
    with new_writer(target, "cdf") as out:
        out.write_columns(**good_rows("cdf"))
        with pytest.raises(WriteError, match=r"bin_index is .* expected counting from 1"):
            out.write_columns(3, 1, 1, indices, 0.5, 0.5)
    assert target.getvalue() == expected_bytes("cdf", good_rows("cdf"))


def test_a_block_has_one_exposure() -> None:
    out = new_writer(io.BytesIO(), "summary")
    message = r"event_id 1, summary_id 1: .*exposure_value is 2\.0, expected the same in all rows"
    with pytest.raises(WriteError, match=message):
        out.write_columns(1, 1, [1.0, 2.0], [1, 2], 5.0)


def test_a_block_has_one_exposure_over_calls() -> None:
    out = new_writer(io.BytesIO(), "summary")
    out.write_columns(1, 1, 1.0, 1, 5.0)
    with pytest.raises(WriteError, match="exposure_value"):
        out.write_columns(1, 1, 2.0, 2, 5.0)


def outcomes(events: list[tuple[int, list[int], float]]) -> list[str | None]:
    """Write events in order; the rule that each breaks, or None, and the bytes at the end."""
    target, found = io.BytesIO(), []
    with evstream.create(target, "loss", len_sample=1) as out:
        for event, items, loss in events:
            try:
                out.write_event(event, items, np.full((len(items), 1), loss), mean=1.0)
                found.append(None)
            except WriteError as error:
                found.append(error.rule)
    return [*found, target.getvalue().hex()]


def test_a_quick_look_at_an_event_judges_as_the_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    calls = []
    for _ in range(150):
        size = int(rng.integers(1, 4))
        items = rng.integers(0 if rng.random() < 0.1 else 1, 6, size)
        items = np.sort(items) if rng.random() < 0.7 else items
        event = len(calls) // 3 + int(rng.integers(-1, 2))
        calls.append((event, items.tolist(), -1.0 if rng.random() < 0.1 else 1.0))
    quick = outcomes(calls)
    assert len(set(quick)) >= 4
    monkeypatch.setattr(Screen, "event_passes", lambda *_: False)
    assert outcomes(calls) == quick


def test_ascending_events_need_no_check_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Checker, "broken", lambda *_: pytest.fail("checked"))
    events = [(event, [1, 2], 1.0) for event in range(1, 9)]
    assert outcomes(events)[:-1] == [None] * 8
