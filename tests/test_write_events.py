"""An array of events x items x samples gives the bytes of its events written one by one."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import polars as pl
import pytest

import evstream
from evstream import WriteError
from golden_files import GOLDEN

EVENTS, ITEMS = [3, 5, 9], [2, 4]
rng = np.random.default_rng(3)
LOSSES = rng.integers(0, 3, (3, 2, 4)).astype(float)
MEAN = LOSSES.mean(axis=2)


def written(*arguments: Any, stream: str = "loss", **columns: Any) -> bytes:
    target = io.BytesIO()
    more = {"summary_set_id": 1} if stream == "summary" else {}
    with evstream.create(target, stream, len_sample=4, **more) as out:
        out.write_events(*arguments, **columns)
    return target.getvalue()


def one_by_one(items: Any = ITEMS, stream: str = "loss", **columns: Any) -> bytes:
    target = io.BytesIO()
    more = {"summary_set_id": 1} if stream == "summary" else {}
    with evstream.create(target, stream, len_sample=4, **more) as out:
        for number, event in enumerate(EVENTS):
            of_event = {n: c[number] if np.ndim(c) == 2 else c for n, c in columns.items()}
            ids = items[number] if np.ndim(items) == 2 else items
            out.write_event(event, ids, LOSSES[number], **of_event)
    return target.getvalue()


@pytest.mark.parametrize(
    "columns", [{}, {"mean": MEAN}, {"mean": [1, 2], "tiv": 7}, {"mean": MEAN.tolist()}]
)
@pytest.mark.parametrize("items", [ITEMS, [[2, 4], [1, 9], [7, 8]]])
def test_events_of_an_array_are_those_written_one_by_one(items: Any, columns: Any) -> None:
    assert written(EVENTS, items, LOSSES, **columns) == one_by_one(items, **columns)
    assert written(np.array(EVENTS), items, LOSSES.tolist(), **columns) == one_by_one(
        items, **columns
    )


def test_keywords_may_be_those_of_the_stream() -> None:
    exposure = np.arange(6).reshape(3, 2)
    columns = {"event_ids": EVENTS, "summary_ids": ITEMS, "loss": LOSSES}
    found = written(stream="summary", exposure_values=exposure, mean=0, **columns)
    assert found == one_by_one(stream="summary", exposure_values=exposure, mean=0)
    with pytest.raises(TypeError, match="item_ids and summary_ids are the same"):
        written(item_ids=ITEMS, stream="summary", exposure_values=1, **columns)
    with pytest.raises(TypeError, match="a summary stream needs exposure_values"):
        written(stream="summary", **columns)


def spoiled(at: tuple[int, int, int], value: float) -> Any:
    losses: Any = LOSSES.copy()
    losses[at] = value
    return losses


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((EVENTS, ITEMS, LOSSES[:2]), r"losses has shape \(2, 2, 4\), expected \(3, 2, 4\)"),
        ((EVENTS, [1, 2, 3], LOSSES), r"losses has shape \(3, 2, 4\), expected \(3, 3, 4\)"),
        ((EVENTS, [ITEMS, ITEMS], LOSSES), r"item_id has shape \(2, 2\), expected \(3, 2\) or"),
        (([EVENTS], ITEMS, LOSSES), r"event_id has shape \(1, 3\), expected \(events,\)"),
        (([3, 5, 3], ITEMS, LOSSES + 1), "event_id 3"),
        ((EVENTS, [2, 0], LOSSES + 1), "event_id 3, item_id 0: item_id 0 breaks block-id-positive"),
        ((EVENTS, [2, 2], LOSSES + 1), "event_id 3, item_id 2"),
        ((EVENTS, ITEMS, spoiled((2, 1, 3), np.nan)), "event_id 9, item_id 4, sidx 4: loss nan"),
        ((EVENTS, ITEMS, spoiled((1, 0, 2), 1e300)), "event_id 5, item_id 2, sidx 3: losses 1e"),
        (([3, 5, 2**31], ITEMS, LOSSES), "event_id 2147483648 does not fit"),
        ((EVENTS, ITEMS, np.ma.masked_equal(LOSSES, LOSSES[1, 1, 1])), "is masked"),
    ],
)
def test_nothing_is_written_of_an_array_with_a_mistake(arguments: Any, text: str) -> None:
    target = io.BytesIO()
    with evstream.create(target, "loss", len_sample=4) as out:
        out.write_event(1, ITEMS, LOSSES[0] + 1)
        before = out.offset
        with pytest.raises(WriteError, match=text):
            out.write_events(*arguments)
        assert out.offset == before
        out.write_events(EVENTS, ITEMS, LOSSES + 1)
    target.seek(0)
    with evstream.open(target) as stream:
        assert [event.event_id for event in stream] == [1, *EVENTS]


def test_rules_hold_between_two_arrays() -> None:
    with evstream.create(io.BytesIO(), len_sample=4) as out:
        out.write_events([1, 2], ITEMS, LOSSES[:2] + 1)
        with pytest.raises(WriteError, match="event_id 2"):
            out.write_events([3, 2], ITEMS, LOSSES[:2] + 1)
        out.write_events([], ITEMS, np.zeros((0, 2, 4)))
        out.write_events([7], [], np.zeros((1, 0, 4)))


def test_an_array_larger_than_the_buffer_is_written() -> None:
    losses = np.ones((40, 50, 100), np.float32)
    target = io.BytesIO()
    with evstream.create(target, len_sample=100) as out:
        out.write_events(range(1, 41), range(1, 51), losses, mean=1)
    target.seek(0)
    dense = evstream.read_dense(target)
    assert dense.losses.shape == (2000, 100)
    assert dense.losses.all()


@pytest.mark.parametrize("name", ["loss_i4_f4.bin", "summary_i4_f4.bin", "cdf_i4_f4_u4.bin"])
def test_an_event_is_a_dataframe(name: str) -> None:
    whole = evstream.read_polars(GOLDEN / name)
    with evstream.open(GOLDEN / name) as stream:
        events = list(stream)
    frames = [event.to_polars() for event in events]
    assert pl.concat(frames).equals(whole)
    assert all(frame.schema == whole.schema for frame in frames)
    assert events[0].to_pandas().equals(frames[0].to_pandas())
