"""What the writer writes, what it refuses, and what is left when writing fails.

A refused call leaves no trace: the stream goes on as if it had not been made. A stream
that was not completed is never taken for a complete one: a file does not appear, and
anything else ends in bytes that a reader refuses.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import io
import os
import resource
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evstream
from evstream import StreamHeaderError, TruncatedStreamError, WriteError, Writer
from evstream._generated import layout
from evstream.blocks import block_columns, entry_columns
from evstream.header import StreamHeader
from oracle import decode, encode
from support import PATIENCE, ROOT, child_environment, read_all, rows_to_blocks, run_python
from test_oracle import GOLDEN

Columns = dict[str, list[Any]]

HEADERS: dict[str, dict[str, int]] = {
    "cdf": {},
    "gul_item": {"len_sample": 3},
    "gul_coverage": {"len_sample": 3},
    "loss": {"len_sample": 3},
    "summary": {"len_sample": 3, "summary_set_id": 7},
    "event_ids": {},
}
BLOCK_ID = {
    "gul_item": "item_id",
    "gul_coverage": "coverage_id",
    "loss": "item_id",
    "summary": "summary_id",
}
SAMPLE_STREAMS = list(BLOCK_ID)
WIDE = {"oasis_int": "i8", "oasis_float": "f8", "areaperil_int": "u8"}


def sample_rows(stream: str, rows: list[tuple[int, int, int, float]]) -> Columns:
    """(event, item, sidx, loss) as the columns of a stream with samples."""
    events, items, sidx, losses = (list(column) for column in zip(*rows, strict=True))
    columns: Columns = {"event_id": events, BLOCK_ID[stream]: items}
    if stream == "summary":
        columns["exposure_value"] = [100.0 * item for item in items]
    return columns | {"sidx": sidx, "loss": losses}


def good_rows(stream: str) -> Columns:
    """Two events: the first with two blocks, the second with one."""
    if stream == "event_ids":
        return {"event_id": [1, 2]}
    if stream == "cdf":
        return {
            "event_id": [1, 1, 1, 2],
            "areaperil_id": [1, 1, 2, 1],
            "vulnerability_id": [1, 1, 1, 1],
            "bin_index": [1, 2, 1, 1],
            "prob_to": [0.5, 1.0, 1.0, 1.0],
            "bin_mean": [0.0, 0.25, 0.5, 0.125],
        }
    return sample_rows(
        stream, [(1, 1, -1, 4.0), (1, 1, 1, 5.0), (1, 2, -1, 6.0), (1, 2, 3, 7.0), (2, 1, 2, 8.0)]
    )


def later_rows(stream: str) -> Columns:
    """Events 3 and 4, with the values of the good rows."""
    columns = good_rows(stream)
    return columns | {"event_id": [event + 2 for event in columns["event_id"]]}


def expected_bytes(stream: str, *parts: Columns, **options: Any) -> bytes:
    """What the oracle writes for rows."""
    rows = {name: [*chain.from_iterable(part[name] for part in parts)] for name in parts[0]}
    return encode(stream, HEADERS[stream], rows_to_blocks(stream, rows), **options)


def changed(stream: str, field: str, *values: Any) -> Columns:
    """The good rows with other values at the end of a column."""
    columns = later_rows(stream)
    column = columns[field]
    return columns | {field: column[: len(column) - len(values)] + list(values)}


def new_writer(target: Any, stream: str, **options: Any) -> Writer:
    return evstream.create(target, stream, **HEADERS[stream], **options)


# What is written


@pytest.mark.parametrize("widths", [{}, WIDE], ids=["narrow", "wide"])
@pytest.mark.parametrize("stream", HEADERS)
def test_rows_are_written_as_the_oracle_writes_them(stream: str, widths: dict[str, str]) -> None:
    target = io.BytesIO()
    with new_writer(target, stream, widths=widths) as out:
        out.write_columns(**good_rows(stream))
        out.write_columns(*later_rows(stream).values())
    expected = expected_bytes(stream, good_rows(stream), later_rows(stream), widths=widths)
    assert target.getvalue() == expected


@pytest.mark.parametrize("stream", HEADERS)
def test_a_stream_may_have_no_event(stream: str) -> None:
    target = io.BytesIO()
    with new_writer(target, stream):
        pass
    assert target.getvalue() == encode(stream, HEADERS[stream], [])


@pytest.mark.parametrize("stream", SAMPLE_STREAMS)
def test_a_matrix_is_written_with_specials_first_and_without_zero_losses(stream: str) -> None:
    exposure = {"exposure_values": [10.0, 20.0]} if stream == "summary" else {}
    target = io.BytesIO()
    with new_writer(target, stream) as out:
        out.write_event(
            4, [9, 5], [[1.5, 0.0, 2.5], [0.0, 0.0, 0.0]],
            mean=[0.0, 8.0], tiv=3.0, max_loss=[6.0, 7.0], **exposure,
        )  # fmt: skip
    header = [(10.0,), (20.0,)] if stream == "summary" else [(), ()]
    if stream == "summary":
        assert decode(target.getvalue()).header == HEADERS["summary"]
    assert target.getvalue() == encode(
        stream,
        HEADERS[stream],
        [
            ((4, 9, *header[0]), [(-5, 6.0), (-3, 3.0), (-1, 0.0), (1, 1.5), (3, 2.5)]),
            ((4, 5, *header[1]), [(-5, 7.0), (-3, 3.0), (-1, 8.0)]),
        ],
    )


def test_an_item_without_specials_and_losses_is_left_out() -> None:
    target = io.BytesIO()
    with new_writer(target, "loss") as out:
        out.write_event(1, [1, 2, 3], [[0, 0, 0], [0, 5, 0], [0, 0, -0.0]])
    assert (
        decode(target.getvalue()).block_entries()
        == decode(encode("loss", HEADERS["loss"], [((1, 2), [(2, 5.0)])])).block_entries()
    )


def test_a_loss_below_zero_is_written() -> None:
    target = io.BytesIO()
    with new_writer(target, "loss") as out:
        out.write_event(1, [1], [[0, -5, 0]])
    assert decode(target.getvalue()).records == [(1, 1, 2, -5.0)]


def test_a_stream_of_len_sample_0_needs_no_losses() -> None:
    target = io.BytesIO()
    with evstream.create(target, "loss", len_sample=0) as out:
        out.write_event(1, [1, 2], mean=[3.0, 4.0])
    assert decode(target.getvalue()).records == [(1, 1, -1, 3.0), (1, 2, -1, 4.0)]


def test_an_event_may_be_written_in_several_calls() -> None:
    target = io.BytesIO()
    with new_writer(target, "loss") as out:
        out.write_event(1, [1], [[1, 2, 3]])
        out.write_event(1, [2], [[4, 5, 6]])
        out.write_columns(1, 3, [1, 2], 7.0)
        out.write_columns(1, 3, 3, 8.0)
        out.write_event(1, [4], [[9, 0, 0]])
    blocks = decode(target.getvalue()).block_entries()
    assert [(ids, len(entries)) for ids, entries in blocks] == [
        ((1, 1), 3),
        ((1, 2), 3),
        ((1, 3), 3),
        ((1, 4), 1),
    ]


def test_bins_that_start_again_at_1_are_a_block_of_their_own() -> None:
    target = io.BytesIO()
    with new_writer(target, "cdf") as out:
        out.write_columns(1, 1, 1, [1, 2, 1], [0.5, 1.0, 1.0], 0.0)
    assert [block[-1] for block in decode(target.getvalue()).blocks] == [2, 1]


def test_no_rows_write_nothing() -> None:
    target = io.BytesIO()
    with new_writer(target, "loss") as out:
        out.write_columns([], [], [], [])
        out.write_columns(1, 1, [], [])
        out.write_event(1, [], np.empty((0, 3)))
    assert target.getvalue() == encode("loss", HEADERS["loss"], [])


@pytest.mark.parametrize("other", ["gul_item", "loss"])
def test_an_event_is_written_to_another_stream_of_the_same_block(other: str) -> None:
    target = io.BytesIO()
    with (
        evstream.open(GOLDEN / "loss_i4_f4.bin") as source,
        evstream.create(target, other, len_sample=10) as out,
    ):
        for event in source:
            out.write(event)
    found = decode(target.getvalue())
    assert found.stream == other
    assert found.raw_records == decode((GOLDEN / "loss_i4_f4.bin").read_bytes()).raw_records


def test_only_the_columns_of_the_block_are_asked_for() -> None:
    out = new_writer(io.BytesIO(), "loss")
    with pytest.raises(TypeError, match="got event_id, item_id, sidx, expected event_id, item_id"):
        out.write_columns(1, 1, 1)
    with pytest.raises(TypeError, match="got event_id, item_id, sidx, loss, tiv, expected"):
        out.write_columns(1, 1, 1, 1.0, tiv=1.0)
    with pytest.raises(TypeError, match="takes each of event_id, item_id, sidx, loss once"):
        out.write_columns(1, 1, 1, 1.0, loss=1.0)
    with pytest.raises(TypeError, match="takes each of event_id, item_id, sidx, loss once"):
        out.write_columns(1, 1, 1, 1.0, 1.0)


# Rules

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


def test_every_rule_of_severity_error_is_broken_here_in_every_field_of_every_stream() -> None:
    expected = set()
    for stream in layout.STREAMS:
        header = StreamHeader(stream, HEADERS[stream])
        columns = {*block_columns(header), *entry_columns(header)}
        for rule in layout.RULES.values():
            has_entries = header.block.entry is not None
            if rule.severity == "error" and not (rule.check == "once_in_list" and has_entries):
                expected |= {(stream, rule.id, field) for field in rule.fields if field in columns}
    assert BROKEN.keys() == expected


@pytest.mark.parametrize(("stream", "rule", "rows"), BROKEN_CASES)
def test_rows_that_break_a_rule_are_refused_and_leave_no_trace(
    stream: str, rule: str, rows: Columns
) -> None:
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


def matrix(**changes: Any) -> dict[str, Any]:
    """Arguments of write_event for a good event of two items."""
    arguments = {"event_id": 3, "item_ids": [1, 2], "losses": [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]}
    return arguments | changes


def with_exposure(stream: str, arguments: dict[str, Any]) -> dict[str, Any]:
    return {"exposure_values": 1.0, **arguments} if stream == "summary" else arguments


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
def test_a_matrix_that_breaks_a_rule_is_refused_and_leaves_no_trace(
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


def test_the_finite_error_names_item_and_sidx() -> None:
    out = new_writer(io.BytesIO(), "loss")
    with pytest.raises(WriteError, match=r"item_id 2, sidx 2: loss nan breaks loss-finite"):
        out.write_event(**matrix(losses=[[1, 2, 3], [4, np.nan, 6]]))
    with pytest.raises(WriteError, match=r"item_id 2, sidx -1: loss inf breaks loss-finite"):
        out.write_event(**matrix(mean=[1, np.inf], tiv=1.0))


def test_specials_of_a_block_that_stays_open_come_in_any_order_but_once() -> None:
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


def test_an_event_of_another_block_or_of_other_widths_is_not_written() -> None:
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


# Types and ranges


@pytest.mark.parametrize("widths", [{}, WIDE], ids=["narrow", "wide"])
@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u4", "i8", "u8", "f2", "f4", "f8", ">i4"])
def test_ids_of_any_number_type_are_taken(dtype: str, widths: dict[str, str]) -> None:
    target = io.BytesIO()
    ids = np.array([1, 2], dtype)
    with new_writer(target, "loss", widths=widths) as out:
        out.write_columns(ids, ids, ids, np.array([1, 2], dtype))
        out.write_event(np.array(3, dtype)[()], ids, np.ones((2, 3), dtype), mean=ids)
    records = decode(target.getvalue(), widths=widths).records
    assert records[:2] == [(1, 1, 1, 1.0), (2, 2, 2, 2.0)]
    assert records[2:4] == [(3, 1, -1, 1.0), (3, 1, 1, 1.0)]


def test_columns_that_are_not_contiguous_are_taken() -> None:
    target = io.BytesIO()
    rows = np.array([[1, 1, 1, 5], [1, 1, 2, 6], [1, 2, 3, 7]])
    with new_writer(target, "loss") as out:
        out.write_columns(*rows.T)
        out.write_event(2, [1, 2], np.asfortranarray(np.arange(1, 7).reshape(2, 3)))
        out.write_event(3, np.arange(8)[2::4], np.arange(12).reshape(2, 6)[:, ::-2])
    records = decode(target.getvalue()).records
    assert records[:3] == [(1, 1, 1, 5.0), (1, 1, 2, 6.0), (1, 2, 3, 7.0)]
    assert records[3:9] == [
        (2, item, sidx, 3.0 * item + sidx - 3) for item in (1, 2) for sidx in (1, 2, 3)
    ]
    assert records[9:] == [
        (3, item, sidx, float(loss))
        for item, losses in ((2, (5, 3, 1)), (6, (11, 9, 7)))
        for sidx, loss in enumerate(losses, start=1)
    ]


@pytest.mark.parametrize(
    ("stream", "field", "value"),
    [
        ("loss", "event_id", 2**31),
        ("loss", "event_id", 2**32 + 1),
        ("loss", "event_id", np.uint64(2**63 + 5)),
        ("loss", "item_id", 1.5),
        ("loss", "item_id", np.nan),
        ("loss", "item_id", np.inf),
        ("loss", "item_id", 1e300),
        ("loss", "sidx", -(2**31) - 1),
        ("loss", "loss", 1e39),
        ("loss", "loss", -1e39),
        ("summary", "exposure_value", 1e39),
        ("cdf", "areaperil_id", -1),
        ("cdf", "areaperil_id", 2**32),
        ("cdf", "vulnerability_id", 2**31),
        ("cdf", "bin_index", 1.5),
        ("cdf", "prob_to", 1e300),
    ],
)
@pytest.mark.parametrize("validate", [True, False])
def test_a_value_that_would_change_is_refused(
    stream: str, field: str, value: Any, validate: bool
) -> None:
    target = io.BytesIO()
    with new_writer(target, stream, validate=validate) as out:
        out.write_columns(**good_rows(stream))
        with pytest.raises(WriteError, match=f"{field} .* does not fit into"):
            out.write_columns(**changed(stream, field, value))
        out.write_columns(**later_rows(stream))
    assert target.getvalue() == expected_bytes(stream, good_rows(stream), later_rows(stream))


@pytest.mark.parametrize("value", [1e39, -1e39])
def test_a_loss_of_a_matrix_never_becomes_infinite(value: float) -> None:
    out = new_writer(io.BytesIO(), "loss")
    with pytest.raises(WriteError, match=r"losses .* does not fit into f4"):
        out.write_event(1, [1], [[1, 2, value]])
    with pytest.raises(WriteError, match=r"mean .* does not fit into f4"):
        out.write_event(1, [1], [[1, 2, 3]], mean=value)


def test_a_value_that_does_not_fit_is_told_with_its_place_and_the_width_that_holds_it() -> None:
    loss, summary = new_writer(io.BytesIO(), "loss"), new_writer(io.BytesIO(), "summary")
    wider = r'expected a number within 3.4e\+38, or widths={"oasis_float": "f8"}'
    place = "event_id 3, item_id 2, sidx 3: "
    with pytest.raises(WriteError, match=f"{place}losses 1e\\+39 does not fit into f4, {wider}"):
        loss.write_event(**matrix(losses=[[1, 2, 3], [4, 5, 1e39]]))
    with pytest.raises(WriteError, match=f"event_id 3, item_id 2: mean 1e\\+39 .*{wider}"):
        loss.write_event(**matrix(mean=[1.0, 1e39]))
    with pytest.raises(WriteError, match=r"event_id 3, summary_id 2: exposure_value 1e\+39 "):
        summary.write_event(**matrix(exposure_values=[1.0, 1e39]))
    with pytest.raises(WriteError, match=f"loss 1e\\+39 .*{wider}") as caught:
        loss.write_columns(1, 1, [1, 2, 3], [1.0, 1e39, 1e39])
    assert caught.value.row == 1
    with pytest.raises(WriteError, match=r'from -2147483648 to 2147483647, or widths={"oasis_int'):
        loss.write_columns(1, 2**40, [1, 2, 3], 1.0)


@pytest.mark.parametrize("value", [1.5, np.nan, 2**64 - 1])
def test_no_width_is_named_that_does_not_hold_the_value_either(value: float) -> None:
    out = new_writer(io.BytesIO(), "loss")
    with pytest.raises(WriteError, match=r"item_id .* does not fit into i4") as caught:
        out.write_columns(1, [1, value], 1, 1.0)
    assert "widths" not in str(caught.value)
    assert caught.value.row == 1


def test_one_number_for_all_rows_is_in_no_row() -> None:
    out = new_writer(io.BytesIO(), "loss")
    with pytest.raises(WriteError, match="item_id") as caught:
        out.write_columns(1, 1.5, [1, 2], 1.0)
    assert caught.value.row is None


MASKED = np.ma.masked_array([1, 2], [False, True])


@pytest.mark.parametrize("masked", [MASKED, list(MASKED), np.ma.masked_array(MASKED, dtype="f4")])
@pytest.mark.filterwarnings("ignore:.*converting a masked element:UserWarning")
def test_a_masked_value_is_not_written(masked: Any) -> None:
    target = io.BytesIO()
    out = new_writer(target, "loss")
    for name in ("event_id", "item_id", "sidx", "loss"):
        columns = {"event_id": 1, "item_id": 1, "sidx": [1, 2], "loss": 1.0, name: masked}
        with pytest.raises(WriteError, match=f"{name} is masked, expected a value") as caught:
            out.write_columns(**columns)
        assert caught.value.row == 1
    place = "event_id 3, item_id 2"
    with pytest.raises(WriteError, match=f"{place}: mean is masked"):
        out.write_event(**matrix(mean=masked))
    with pytest.raises(WriteError, match="event_id 3: item_id is masked"):
        out.write_event(**matrix(item_ids=masked))
    with pytest.raises(WriteError, match="event_id is masked"):
        out.write_event(**matrix(event_id=np.ma.masked))
    hidden = np.ma.masked_array([[1.0, 2.0, 3.0], [10.0, -9999.0, 1.0]], [[0, 0, 0], [0, 1, 0]])
    for losses in (hidden, list(hidden)):
        with pytest.raises(WriteError, match=f"{place}, sidx 2: losses is masked"):
            out.write_event(**matrix(losses=losses))
    out.close()
    assert target.getvalue() == encode("loss", HEADERS["loss"], [])


def test_a_masked_array_that_hides_nothing_is_written() -> None:
    target = io.BytesIO()
    with new_writer(target, "loss") as out:
        ids = np.ma.masked_array([1, 2], [False, False])
        out.write_event(1, ids, np.ma.masked_array(np.eye(2, 3)), mean=ids)
        out.write_columns(2, ids, 1, ids)
    assert [record[2:] for record in decode(target.getvalue()).records] == [
        (-1, 1.0), (1, 1.0), (-1, 2.0), (2, 1.0), (1, 1.0), (1, 2.0),
    ]  # fmt: skip


def test_integers_on_both_sides_of_2_to_the_63_keep_their_last_digit() -> None:
    target = io.BytesIO()
    with evstream.create(target, "cdf", widths=WIDE) as out:
        out.write_columns(1, [2**63 + 1, 1], 1, 1, 0.5, 0.5)
    assert [r[1] for r in decode(target.getvalue(), widths=WIDE).records] == [2**63 + 1, 1]
    out = new_writer(io.BytesIO(), "loss", widths=WIDE)
    with pytest.raises(WriteError, match=r"item_id 9.*e.18 does not fit into i8"):
        out.write_columns(1, [2**63 + 1, -1], 1, 1.0)


@pytest.mark.parametrize(
    ("dtype", "last"), [("f8", 2**53), ("f4", 2**24), ("f2", 2**11)], ids=["f8", "f4", "f2"]
)
def test_a_float_that_may_have_been_rounded_is_no_id(dtype: str, last: int) -> None:
    target = io.BytesIO()
    with new_writer(target, "loss", widths=WIDE) as out:
        out.write_columns(1, np.array([1, last - 1], dtype), 1, 1.0)
        message = f"item_id {last}.* may have been rounded, expected integers.* from {last} on"
        with pytest.raises(WriteError, match=message) as caught:
            out.write_columns(2, np.array([1, last], dtype), 1, 1.0)
        assert caught.value.row == 1
    assert decode(target.getvalue(), widths=WIDE).records[-1][1] == last - 1


def test_the_largest_values_of_each_width_are_written() -> None:
    for widths, float_width, bits in (({}, "f4", 31), (WIDE, "f8", 63)):
        target = io.BytesIO()
        largest = float(np.finfo(float_width).max)
        with evstream.create(target, "loss", len_sample=2**31 - 1, widths=widths) as out:
            out.write_columns(2**bits - 1, 2**bits - 1, 2**31 - 1, largest)
        decoded = decode(target.getvalue(), widths=widths)
        assert decoded.records == [(2**bits - 1, 2**bits - 1, 2**31 - 1, largest)]
        target = io.BytesIO()
        with evstream.create(target, "cdf", widths=widths) as out:
            out.write_columns(1, 2 ** (bits + 1) - 1, 1, 1, 0.5, 0.5)
        assert decode(target.getvalue(), widths=widths).records[0][1] == 2 ** (bits + 1) - 1


@pytest.mark.parametrize(
    "value", [["1"], [None], [1j], np.array(["2020-01-01"], "M8[D]"), [b"1"], [2**70]]
)
def test_what_is_no_number_is_refused(value: Any) -> None:
    out = new_writer(io.BytesIO(), "loss")
    for columns in ((value, 1, 1, 5.0), (1, 1, 1, value)):
        with pytest.raises(WriteError, match=r"of dtype .* expected numbers"):
            out.write_columns(*columns)
    with pytest.raises(WriteError, match=r"item_id is of dtype .* expected numbers"):
        out.write_event(1, value, [[1, 2, 3]])


@pytest.mark.parametrize(
    "columns",
    [
        ([1, 1, 1], [1], 1, 5.0),
        ([[1, 1]], 1, 1, 5.0),
        ([1, 1, 1], [1, 2], 1, 5.0),
    ],
)
def test_columns_of_different_lengths_are_refused(columns: tuple[Any, ...]) -> None:
    out = new_writer(io.BytesIO(), "loss")
    with pytest.raises(WriteError, match="shape"):
        out.write_columns(*columns)


@pytest.mark.parametrize(
    "changes",
    [
        {"losses": [[1.0, 2.0], [3.0, 4.0]]},
        {"losses": [[1.0, 2.0, 3.0]]},
        {"losses": [1.0, 2.0, 3.0]},
        {"item_ids": [[1, 2]]},
        {"mean": [1.0]},
        {"mean": [[1.0, 2.0]]},
        {"event_id": [3, 4]},
    ],
)
def test_a_matrix_of_another_shape_is_refused(changes: dict[str, Any]) -> None:
    out = new_writer(io.BytesIO(), "loss")
    with pytest.raises(WriteError, match=r"shape|event_id"):
        out.write_event(**matrix(**changes))


def test_one_item_may_come_without_a_second_dimension() -> None:
    target = io.BytesIO()
    with new_writer(target, "loss") as out:
        out.write_event(1, 7, [1.0, 0.0, 2.0], mean=3.0)
    assert decode(target.getvalue()).records == [(1, 7, -1, 3.0), (1, 7, 1, 1.0), (1, 7, 3, 2.0)]


def test_arguments_that_do_not_belong_are_type_errors() -> None:
    loss, summary, cdf = (new_writer(io.BytesIO(), s) for s in ("loss", "summary", "cdf"))
    with pytest.raises(TypeError, match="a loss stream has no exposure_values"):
        loss.write_event(**matrix(exposure_values=1.0))
    with pytest.raises(TypeError, match="a summary stream needs exposure_values"):
        summary.write_event(**matrix())
    with pytest.raises(TypeError, match="no special sidx 'median', expected max_loss"):
        loss.write_event(**matrix(median=1.0))
    with pytest.raises(
        TypeError, match=r"a loss stream has no summary_ids, expected max_loss, .*n$"
    ):
        loss.write_event(**matrix(summary_ids=[1, 2]))
    with pytest.raises(
        TypeError, match="no column or special sidx 'exposure', expected exposure_v"
    ):
        summary.write_event(**matrix(exposure=1.0))
    loss.write_event(**matrix(exposure_values=None, mean=None))
    with pytest.raises(TypeError, match="losses are needed: len_sample is 3"):
        loss.write_event(1, [1])
    with pytest.raises(TypeError, match="a cdf stream has no samples: use write_columns"):
        cdf.write_event(**matrix())


@pytest.mark.parametrize(
    ("error", "message", "arguments"),
    [
        (TypeError, "a loss stream needs len_sample", {"stream": "loss"}),
        (TypeError, "needs summary_set_id", {"stream": "summary", "len_sample": 1}),
        (TypeError, "a cdf stream has no len_sample", {"stream": "cdf", "len_sample": 1}),
        (TypeError, "a loss stream has no summary_set_id",
         {"stream": "loss", "len_sample": 1, "summary_set_id": 1}),
        (WriteError, "len_sample is -1, expected 0 to 2147483647",
         {"stream": "loss", "len_sample": -1}),
        (WriteError, "len_sample is 2147483648",
         {"stream": "loss", "len_sample": 2**31, "widths": WIDE}),
        (WriteError, "summary_set_id is 2147483648",
         {"stream": "summary", "len_sample": 1, "summary_set_id": 2**31}),
        (TypeError, "a loss stream has no samples, expected len_sample",
         {"stream": "loss", "len_sample": 1, "samples": 1}),
        (TypeError, "a loss stream has no samples", {"stream": "loss", "samples": None}),
        (TypeError, "len_sample is 2.7, expected a whole number",
         {"stream": "loss", "len_sample": 2.7}),
        (TypeError, "len_sample is True, expected", {"stream": "loss", "len_sample": True}),
        (TypeError, "len_sample is '3', expected", {"stream": "loss", "len_sample": "3"}),
        (TypeError, "summary_set_id is array", {"stream": "summary", "len_sample": 1,
                                                "summary_set_id": np.array([1, 2])}),
        (ValueError, "no stream type 'fm', expected cdf, gul_item", {"stream": "fm"}),
        (ValueError, "is 'f2', expected f4 or f8",
         {"stream": "loss", "len_sample": 1, "widths": {"oasis_float": "f2"}}),
        (ValueError, "no scalar type 'float'",
         {"stream": "loss", "len_sample": 1, "widths": {"float": "f4"}}),
    ],
)  # fmt: skip
def test_a_stream_header_that_cannot_be_is_refused_and_makes_no_file(
    error: type[Exception], message: str, arguments: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(error, match=message):
        evstream.create(tmp_path / "new.bin", **arguments)
    assert list(tmp_path.iterdir()) == []


# Files


def write_something(out: Writer) -> None:
    out.write_columns(**good_rows("loss"))


SOMETHING = expected_bytes("loss", good_rows("loss"))


class OnPurposeError(Exception):
    pass


@pytest.mark.parametrize("kind", [str, Path])
def test_a_file_appears_under_its_name_when_it_is_complete(kind: type, tmp_path: Path) -> None:
    path = tmp_path / "losses.bin"
    with new_writer(kind(path), "loss") as out:
        write_something(out)
        out.flush()
        assert not path.exists()
        assert out.name == str(path)
    assert path.read_bytes() == SOMETHING
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [OnPurposeError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("flushed", [True, False])
def test_after_an_exception_there_is_no_file(
    error: type[BaseException], flushed: bool, tmp_path: Path
) -> None:
    def stopped() -> None:
        with new_writer(tmp_path / "losses.bin", "loss") as out:
            write_something(out)
            if flushed:
                out.flush()
            raise error

    with pytest.raises(error):
        stopped()
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_stays_as_it_is_until_the_new_one_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "losses.bin"
    path.write_bytes(b"old")

    def stopped() -> None:
        with new_writer(path, "loss") as out:
            write_something(out)
            out.flush()
            assert path.read_bytes() == b"old"
            raise OnPurposeError

    with pytest.raises(OnPurposeError):
        stopped()
    assert path.read_bytes() == b"old"
    with new_writer(path, "loss") as out:
        write_something(out)
    assert path.read_bytes() == SOMETHING
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o666, 0o755])
def test_an_existing_file_keeps_its_permissions(mode: int, tmp_path: Path) -> None:
    path = tmp_path / "losses.bin"
    path.write_bytes(b"old")
    path.chmod(mode)
    with new_writer(path, "loss") as out:
        write_something(out)
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_a_new_file_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "other").touch()
    with new_writer(tmp_path / "losses.bin", "loss") as out:
        write_something(out)
    assert (tmp_path / "losses.bin").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_the_target_of_a_symbolic_link_is_replaced_not_the_link(tmp_path: Path) -> None:
    folder = tmp_path / "results"
    folder.mkdir()
    (folder / "losses.bin").write_bytes(b"old")
    link = tmp_path / "latest.bin"
    link.symlink_to(Path("results") / "losses.bin")
    with new_writer(link, "loss") as out:
        write_something(out)
    assert link.is_symlink()
    assert (folder / "losses.bin").read_bytes() == SOMETHING
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["latest.bin", "losses.bin", "results"]


def test_a_symbolic_link_to_nothing_gets_its_target(tmp_path: Path) -> None:
    link = tmp_path / "latest.bin"
    link.symlink_to("losses.bin")
    with new_writer(link, "loss") as out:
        write_something(out)
    assert link.is_symlink()
    assert (tmp_path / "losses.bin").read_bytes() == SOMETHING


def test_a_file_name_without_a_folder_is_in_the_current_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with new_writer("losses.bin", "loss") as out:
        write_something(out)
    assert (tmp_path / "losses.bin").read_bytes() == SOMETHING


def test_a_folder_that_does_not_exist_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        new_writer(tmp_path / "no" / "losses.bin", "loss")


def test_closing_or_aborting_twice_does_nothing_more(tmp_path: Path) -> None:
    path = tmp_path / "losses.bin"
    out = new_writer(path, "loss")
    write_something(out)
    out.close()
    out.close()
    out.abort()
    assert path.read_bytes() == SOMETHING
    aborted = new_writer(tmp_path / "other.bin", "loss")
    aborted.abort()
    aborted.abort()
    aborted.close()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("end", [Writer.close, Writer.abort])
@pytest.mark.parametrize(
    "write",
    [
        lambda out: out.write_columns(5, 1, 1, 5.0),
        lambda out: out.write_event(5, [1], [[1, 2, 3]]),
    ],
)
def test_writing_after_the_end_is_refused(
    write: Callable[[Writer], None], end: Callable[[Writer], None], tmp_path: Path
) -> None:
    out = new_writer(tmp_path / "losses.bin", "loss")
    end(out)
    with pytest.raises((ValueError, WriteError)):
        write(out)


# Other targets

LARGE_ROWS = 300_000


def write_much(out: Writer) -> None:
    """2.4 MB, more than any pipe holds."""
    sidx = np.arange(1, LARGE_ROWS + 1)
    out.write_columns(1, 1, sidx, sidx)


def much() -> bytes:
    target = io.BytesIO()
    with evstream.create(target, "loss", len_sample=LARGE_ROWS) as out:
        write_much(out)
    assert len(target.getvalue()) == 8 + 8 + 8 * (LARGE_ROWS + 1)
    return target.getvalue()


class SlowReader(threading.Thread):
    """Reads a descriptor to its end, with pauses, in odd pieces."""

    def __init__(self, descriptor: int, pause: float = 0.0005) -> None:
        super().__init__(daemon=True)
        self.descriptor = descriptor
        self.pause = pause
        self.pieces: list[bytes] = []
        self.start()

    def run(self) -> None:
        while piece := os.read(self.descriptor, 50_001):
            self.pieces.append(piece)
            time.sleep(self.pause)

    def result(self) -> bytes:
        self.join(PATIENCE)
        assert not self.is_alive()
        return b"".join(self.pieces)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    yield reader, writer
    for descriptor in (reader, writer):
        with contextlib.suppress(OSError):  # closed by the test
            os.close(descriptor)


@pytest.mark.parametrize("blocking", [True, False])
def test_a_pipe_gets_every_byte_however_slow_its_reader(
    pipe: tuple[int, int], blocking: bool
) -> None:
    reader, writer = pipe
    os.set_blocking(writer, blocking)
    slow = SlowReader(reader)
    with evstream.create(writer, "loss", len_sample=LARGE_ROWS) as out:
        assert out.name == f"<fd {writer}>"
        write_much(out)
    os.fstat(writer)  # the caller's descriptor is still open
    os.close(writer)
    assert slow.result() == much()


@pytest.mark.parametrize("blocking", [True, False])
@pytest.mark.parametrize("buffering", [0, 100, 65536])
def test_a_file_object_over_a_pipe_gets_every_byte(
    pipe: tuple[int, int], blocking: bool, buffering: int
) -> None:
    reader, writer = pipe
    os.set_blocking(writer, blocking)
    slow = SlowReader(reader)
    with os.fdopen(writer, "wb", buffering=buffering) as file:
        with evstream.create(file, "loss", len_sample=LARGE_ROWS) as out:
            write_much(out)
        assert not file.closed
    assert slow.result() == much()


@pytest.mark.parametrize("blocking", [True, False])
def test_waiting_for_a_slow_reader_takes_no_processor_time(
    pipe: tuple[int, int], blocking: bool
) -> None:
    reader, writer = pipe
    os.set_blocking(writer, blocking)
    slow = SlowReader(reader, pause=0.02)
    start, began = time.thread_time(), time.monotonic()
    with evstream.create(writer, "loss", len_sample=LARGE_ROWS) as out:
        write_much(out)
    os.close(writer)
    assert time.thread_time() - start < (time.monotonic() - began) / 2
    assert slow.result() == much()


@pytest.mark.parametrize("blocking", [True, False])
def test_a_socket_gets_every_byte(blocking: bool) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(blocking)
        slow = SlowReader(theirs.fileno())
        with evstream.create(ours, "loss", len_sample=LARGE_ROWS) as out:
            write_much(out)
        ours.shutdown(socket.SHUT_WR)
        assert slow.result() == much()


def test_a_fifo_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with new_writer(path, "loss") as out:
        write_something(out)
    assert os.read(reader, 1000) == SOMETHING
    assert os.read(reader, 1000) == b""  # closed, since evstream opened it
    os.close(reader)
    assert stat.S_ISFIFO(path.stat().st_mode)
    assert list(tmp_path.iterdir()) == [path]


class Choosy:
    """Takes a few bytes at a time, and now and then None, as raw files may."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.data = bytearray()

    def write(self, view: memoryview) -> int:
        self.data += view[: self.size]
        return min(len(view), self.size)


@pytest.mark.parametrize("size", [1, 3, 7, 8, 100])
def test_a_target_that_takes_a_part_is_asked_again(size: int) -> None:
    target = Choosy(size)
    with new_writer(target, "loss") as out:
        write_something(out)
    assert bytes(target.data) == SOMETHING


def test_a_target_that_takes_nothing_and_cannot_be_waited_for_is_an_error() -> None:
    class Full:
        def write(self, view: memoryview) -> int:
            return 0

    out = new_writer(Full(), "loss")
    with pytest.raises(WriteError, match=r"<Full>.*could not write.*nothing to wait on"):
        out.close()


def test_an_object_that_was_passed_in_stays_open() -> None:
    target = io.BytesIO(b"")
    with new_writer(target, "loss") as out:
        write_something(out)
    assert not target.closed
    with pytest.raises(OnPurposeError), new_writer(target, "loss"):
        raise OnPurposeError
    assert not target.closed


def test_a_stream_is_written_behind_what_is_there() -> None:
    target = io.BytesIO()
    target.write(b"before")
    with new_writer(target, "loss") as out:
        write_something(out)
    assert target.getvalue() == b"before" + SOMETHING


def test_stdout_is_a_target() -> None:
    code = (
        "import evstream, sys; print('text first')\n"
        "with evstream.create('-', 'loss', len_sample=3) as out:\n"
        "    assert out.name == '<stdout>'\n"
        "    out.write_event(1, [1], [[1, 2, 3]])\n"
        "print('text after')"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT, env=child_environment(), capture_output=True, check=True,
    )  # fmt: skip
    stream = encode("loss", HEADERS["loss"], [((1, 1), [(1, 1.0), (2, 2.0), (3, 3.0)])])
    assert result.stdout == b"text first\n" + stream + b"text after\n"


def test_text_files_and_other_objects_are_refused(tmp_path: Path) -> None:
    with open(tmp_path / "text", "w") as file:
        with pytest.raises(TypeError, match="text file, expected one open in binary mode"):
            new_writer(file, "loss")
        with pytest.raises(TypeError, match="text file, expected one open in binary mode"):
            new_writer(io.StringIO(), "loss")
    with pytest.raises(TypeError, match="cannot write to None: expected a path or binary file"):
        new_writer(None, "loss")
    with pytest.raises(TypeError, match="cannot write to b'': expected a path or binary file"):
        new_writer(b"", "loss")


def test_flush_hands_over_what_is_written_and_leaves_the_block_open(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    with new_writer(writer, "loss") as out:
        out.write_columns(1, 1, 1, 5.0)
        out.flush()
        whole = encode("loss", HEADERS["loss"], [((1, 1), [(1, 5.0), (2, 6.0)])])
        handed_over = os.read(reader, 1000)
        assert handed_over == whole[:23]  # all but the last byte of the entry
        out.write_columns(1, 1, 2, 6.0)
    assert handed_over + os.read(reader, 1000) == whole


def test_a_pipe_does_not_wait_for_a_full_buffer(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    os.set_blocking(reader, False)
    with new_writer(writer, "loss") as out:
        out.write_event(1, [1], [[1, 2, 3]])
        time.sleep(0.15)
        out.write_event(2, [1], [[1, 2, 3]])
        assert len(decode(os.read(reader, 1000)).blocks) == 2


# Failures


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
@pytest.mark.parametrize("rows", [1, LARGE_ROWS])
def test_a_full_device_is_a_write_error_that_names_it(rows: int) -> None:
    def write() -> None:
        with evstream.create("/dev/full", "loss", len_sample=LARGE_ROWS) as out:
            out.write_columns(1, 1, np.arange(1, rows + 1), 5.0)

    with pytest.raises(WriteError, match="/dev/full: byte 0: could not write: No space left"):
        write()


def test_a_file_that_grows_too_large_is_a_write_error_and_no_file(tmp_path: Path) -> None:
    code = """if True:
        import evstream, numpy as np, resource, signal, sys
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        try:
            with evstream.create(sys.argv[1], "loss", len_sample=300_000) as out:
                out.write_columns(1, 1, np.arange(1, 300_001), 5.0)
        except evstream.WriteError as error:
            print(error)
    """
    path = tmp_path / "losses.bin"
    result = run_python("-c", code, str(path), EVSTREAM_CACHE="0")
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith(f"{path}: byte ")
    assert "could not write: File too large" in result.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_went_away_is_a_broken_pipe(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    os.close(reader)
    out = evstream.create(writer, "loss", len_sample=LARGE_ROWS)
    with pytest.raises(BrokenPipeError):
        write_much(out)
    out.abort()


def test_the_first_error_is_the_one_that_is_raised(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    os.close(reader)
    with pytest.raises(OnPurposeError), new_writer(writer, "loss"):
        raise OnPurposeError


Stopping = Callable[[Writer, str], None]


def stop_at_once(out: Writer, stream: str) -> None:
    pass


def stop_after_the_header(out: Writer, stream: str) -> None:
    out.flush()


def stop_with_rows(out: Writer, stream: str) -> None:
    out.write_columns(**good_rows(stream))


def stop_after_rows(out: Writer, stream: str) -> None:
    out.write_columns(**good_rows(stream))
    out.flush()


def stop_after_each(out: Writer, stream: str) -> None:
    for rows in (good_rows(stream), later_rows(stream)):
        out.flush()
        out.write_columns(**rows)


def stop_after_a_matrix(out: Writer, stream: str) -> None:
    if stream in SAMPLE_STREAMS:
        out.write_event(**with_exposure(stream, matrix()))
    out.flush()


NARROW_AND_WIDE = [
    {"oasis_int": i, "oasis_float": f, "areaperil_int": u}
    for i, f, u in [
        ("i4", "f4", "u4"),
        ("i4", "f8", "u4"),
        ("i8", "f4", "u4"),
        ("i8", "f8", "u8"),
        ("i4", "f4", "u8"),
    ]
]


@pytest.mark.parametrize("widths", NARROW_AND_WIDE, ids=lambda w: "_".join(w.values()))
@pytest.mark.parametrize("stream", HEADERS)
@pytest.mark.parametrize(
    "stop",
    [stop_at_once, stop_after_the_header, stop_with_rows, stop_after_rows, stop_after_each,
     stop_after_a_matrix],
)  # fmt: skip
def test_an_aborted_stream_is_refused_by_a_reader(
    stop: Stopping, stream: str, widths: dict[str, str]
) -> None:
    target = io.BytesIO()

    def stopped() -> None:
        with new_writer(target, stream, widths=widths) as out:
            stop(out, stream)
            raise OnPurposeError

    with pytest.raises(OnPurposeError):
        stopped()
    reading = read_all(io.BytesIO(target.getvalue()), stream, widths)
    assert isinstance(reading.error, (TruncatedStreamError, StreamHeaderError))
    assert decode(target.getvalue(), stream, widths).error in (
        "truncated",
        "short_header",
        "unknown_type",
    )


def test_an_aborted_pipe_is_refused_by_a_reader(pipe: tuple[int, int]) -> None:
    reader, writer = pipe

    def stopped() -> None:
        with new_writer(writer, "loss") as out:
            stop_after_rows(out, "loss")
            raise OnPurposeError

    with pytest.raises(OnPurposeError):
        stopped()
    os.close(writer)
    reading = read_all(reader)
    assert type(reading.error) is TruncatedStreamError
    assert len(reading.events) == 1


class Interrupted:
    """Takes `size` bytes; then Ctrl-C is pressed once while it waits for its reader."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.data = bytearray()
        self.was_interrupted = False

    def write(self, view: memoryview) -> int:
        if self.was_interrupted:
            self.data += view
            return len(view)
        if len(self.data) == self.size:
            self.was_interrupted = True
            raise KeyboardInterrupt
        taken = view[: self.size - len(self.data)]
        self.data += taken
        return len(taken)


def test_a_stream_interrupted_at_any_byte_of_a_write_is_refused_by_a_reader() -> None:
    accepted = []
    for size in range(len(SOMETHING)):
        target = Interrupted(size)

        def stopped(target: Interrupted = target) -> None:
            with new_writer(target, "loss") as out:
                write_something(out)
                out.flush()

        with pytest.raises(KeyboardInterrupt):
            stopped()
        if read_all(io.BytesIO(bytes(target.data))).error is None:
            accepted.append(size)
    assert accepted == []


class FailsOnce:
    """Refuses one write, as a disk does that is full for a moment."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.has_failed = False

    def write(self, view: memoryview) -> int:
        if not self.has_failed:
            self.has_failed = True
            raise OSError(errno.ENOSPC, "No space left on device")
        self.data += view
        return len(view)


def test_a_writer_that_has_lost_bytes_does_not_go_on() -> None:
    target = FailsOnce()
    with new_writer(target, "loss") as out:
        write_something(out)
        with pytest.raises(WriteError, match="No space left"):
            out.flush()
        with pytest.raises(ValueError, match="closed"):
            out.write_event(9, [1], [[1.0, 2.0, 3.0]])
    assert read_all(io.BytesIO(bytes(target.data))).error is not None


@pytest.mark.filterwarnings("always::ResourceWarning")
def test_a_writer_that_is_thrown_away_leaves_no_whole_stream(tmp_path: Path) -> None:
    """What it has collected is lost, so what it has written must not look whole."""
    target = io.BytesIO()
    for kept in (target, tmp_path / "loss.bin"):
        out = evstream.create(kept, "loss", len_sample=3)
        out.write_event(1, [1], [[1.0, 2.0, 3.0]])
        out.flush()
        out.write_event(2, [1], [[1.0, 2.0, 3.0]])
        with pytest.warns(ResourceWarning, match="was not closed, and is given up"):
            del out
    assert not list(tmp_path.iterdir())
    with pytest.raises(evstream.TruncatedStreamError):
        list(evstream.open(io.BytesIO(target.getvalue())))


def test_a_program_that_ends_without_closing_leaves_no_whole_stream() -> None:
    code = """if True:
        import evstream
        out = evstream.create("-", "loss", len_sample=3)
        out.write_event(1, [1], [[1.0, 2.0, 3.0]])
        out.flush()
        out.write_event(2, [1], [[1.0, 2.0, 3.0]])
    """
    ended = subprocess.run(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        env=child_environment(),
        timeout=PATIENCE,
        check=True,
    )
    with pytest.raises(evstream.TruncatedStreamError):
        list(evstream.open(io.BytesIO(ended.stdout)))


@pytest.mark.parametrize("name", ["loss.bin", "loss.bin.gz", "loss.bin.zst"])
def test_a_forked_process_leaves_its_parents_stream_alone(tmp_path: Path, name: str) -> None:
    code = """if True:
        import os, sys, evstream
        with evstream.create(sys.argv[1], "loss", len_sample=3) as out:
            out.write_event(1, [1], [[1.0, 2.0, 3.0]])
            out.flush()
            child = os.fork()
            if child == 0:
                try:
                    out.write_event(7, [1], [[1.0, 2.0, 3.0]])
                except ValueError as error:
                    print(error, flush=True)
                sys.exit(0)
            os.waitpid(child, 0)
            out.write_event(2, [1], [[1.0, 2.0, 3.0]])
    """
    path = tmp_path / name
    ended = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", code, str(path)],
        capture_output=True, text=True, env=child_environment(), timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "this one was forked" in ended.stdout
    assert [event.event_id for event in evstream.open(path, strict=True)] == [1, 2]


@pytest.mark.parametrize(("name", "magic"), [("a.bin.gz", "1f8b08"), ("a.bin.ZST", "28b52ffd")])
def test_a_name_that_says_so_makes_a_compressed_file(tmp_path: Path, name: str, magic: str) -> None:
    pytest.importorskip("zstandard")
    path = tmp_path / name
    plain = io.BytesIO()
    for target in (path, plain):
        with evstream.create(target, "loss", len_sample=3, seal=target is path) as out:
            for event in range(1, 3000):
                out.write_event(event, [1, 2], [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
            assert out.offset == 8 + 2999 * 80
            out.flush()
    assert path.read_bytes().startswith(bytes.fromhex(magic))
    assert path.stat().st_size < len(plain.getvalue()) / 4
    assert len(list(evstream.open(path))) == 2999
    assert "as-sealed" not in evstream.validate(path).counts
    with pytest.raises(KeyError), evstream.create(path, "loss", len_sample=3):
        raise KeyError
    assert len(list(tmp_path.iterdir())) == 2


def test_threads_write_whole_events() -> None:
    target = io.BytesIO()
    losses = np.ones((50, 3))
    with evstream.create(target, "loss", len_sample=3) as out:

        def write(first: int) -> None:
            for event in range(first, first + 200):
                out.write_event(event, range(1, 51), losses * event)

        threads = [threading.Thread(target=write, args=(1 + 200 * i,)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    target.seek(0)
    read = {event.event_id: event for event in evstream.open(target)}
    assert sorted(read) == list(range(1, 801))
    for number, event in read.items():
        assert event.loss.tolist() == [number] * 150


@pytest.mark.parametrize("name", ["a.bin", "a.bin.gz", "a.bin.zst"])
def test_a_flush_that_fails_gives_the_stream_up(tmp_path: Path, name: str) -> None:
    pytest.importorskip("zstandard")
    losses = np.random.default_rng(1).random((40, 100))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    out = evstream.create(tmp_path / name, "loss", len_sample=100)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
        with pytest.raises(WriteError, match="could not write"):  # noqa: PT012
            for event in range(1, 30):
                out.write_event(event, range(1, 41), losses)
                out.flush()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    with pytest.raises(ValueError, match="is closed"):
        out.write_event(99, range(1, 41), losses)
    out.close()
    assert not list(tmp_path.iterdir())


def test_a_seal_stays_when_the_stream_that_would_replace_it_fails(tmp_path: Path) -> None:
    path = tmp_path / "a.bin.gz"
    losses = np.random.default_rng(1).random((400, 100))
    with evstream.create(path, "loss", len_sample=100, seal=True) as out:
        out.write_event(1, [1], np.ones((1, 100)), mean=1.0, tiv=1.0)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
        out = evstream.create(path, "loss", len_sample=100, seal=True)
        with pytest.raises(WriteError, match="could not write"):  # noqa: PT012
            out.write_event(1, range(1, 401), losses)
            out.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert evstream.validate(path).clean
    with pytest.raises(ValueError, match="would take the place of the stream"):
        evstream.create("a.bin", "loss", len_sample=1, seal="a.bin")


def test_every_changed_bit_of_a_compressed_file_is_noticed(tmp_path: Path) -> None:
    pytest.importorskip("zstandard")
    for name in ("a.bin.gz", "a.bin.zst"):
        path = tmp_path / name
        with evstream.create(path, "loss", len_sample=50) as out:
            out.write_event(1, range(1, 101), np.random.default_rng(1).random((100, 50)))
        data = path.read_bytes()
        for at in range(20, len(data), 487):
            changed = bytearray(data)
            changed[at] ^= 4
            with pytest.raises(evstream.EvstreamError):
                list(evstream.open(io.BytesIO(bytes(changed))))


def test_what_gives_up_raises_what_the_program_raised() -> None:
    class Odd(io.BytesIO):
        def write(self, data: Any) -> int:
            raise RuntimeError("not the first")

    with pytest.raises(KeyError, match="mine"), evstream.create(Odd(), "loss", len_sample=1):
        raise KeyError("mine")


def test_a_program_that_ends_without_closing_does_not_wait_for_a_reader() -> None:
    code = """if True:
        import os, evstream
        readable, writable = os.pipe()
        out = evstream.create(writable, "loss", len_sample=3)
        out.flush()
        os.set_blocking(writable, False)
        try:
            while True:
                os.write(writable, bytes(4096))
        except BlockingIOError:
            os.set_blocking(writable, True)
    """
    subprocess.run(
        [sys.executable, "-c", code], env=child_environment(), timeout=PATIENCE, check=True
    )
