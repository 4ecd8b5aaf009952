"""An event travels by itself: to another process, or into a copy."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import evstream
from golden_files import GOLDEN

STREAMS = {
    "loss_i4_f4.bin": None, "loss_empty_blocks_between.bin": None, "cdf_i4_f4_u4.bin": None,
    "gul_coverage_i8_f8.bin": {"oasis_int": "i8", "oasis_float": "f8"},
    "summary_i4_f4.bin": None, "event_ids_i4.bin": None,
}  # fmt: skip


def same_columns(one: Any, other: Any) -> bool:
    columns = [(*e.columns.block, e.columns.offsets, *e.columns.entry) for e in (one, other)]
    return all(
        a.dtype == b.dtype and np.array_equal(a, b) for a, b in zip(*columns, strict=True)
    ) and (one.header, one.event_id) == (other.header, other.event_id)


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize(
    "carry",
    [*(lambda e, p=p: pickle.loads(pickle.dumps(e, p)) for p in range(2, 6)), copy.deepcopy],
)
def test_a_pickled_event_is_the_same_event(name: str, carry: Callable[[Any], Any]) -> None:
    stream = "event_ids" if name.startswith("event_ids") else None
    for event in evstream.open(GOLDEN / name, stream, widths=STREAMS[name]):
        again = carry(event)
        assert type(again) is type(event)
        assert repr(again) == repr(event)
        own = type(event)(event.header, event.own_columns(), 0, len(event))
        assert same_columns(again, own)
        assert np.array_equal(again.offsets, event.offsets)


def test_an_event_pickles_to_its_own_size() -> None:
    out = io.BytesIO()
    with evstream.create(out, "loss", len_sample=10) as writer:
        for event_id in range(1, 1001):
            writer.write_event(event_id, [1, 2], np.ones((2, 10)), mean=1.0, tiv=9.0)
    out.seek(0)
    sizes = {len(pickle.dumps(event)) for event in evstream.open(out)}
    one = 2 * (8 + 12 * 8)  # bytes of each event in the stream
    assert max(sizes) < one + 1500  # and the names of classes, columns, widths
    assert min(sizes) > one
