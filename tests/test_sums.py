"""Samples and special sidx are summed apart, compiled or plain."""

from __future__ import annotations

import numpy as np
import pytest

from evstream.wire import sum_kernels, sums

SPECIALS = [-1, -3]
PLAIN = getattr(sum_kernels.sum_by_kind, "py_func", sum_kernels.sum_by_kind)


@pytest.mark.parametrize("count", [0, 1, 3, 4, 5, 64, 257])
@pytest.mark.parametrize("kernel", ["compiled", "plain", "numpy"])
def test_each_kind_of_sidx_has_a_sum(count, kernel, monkeypatch):
    monkeypatch.setattr("evstream.wire.sums.is_enabled", lambda: kernel != "numpy")
    if kernel == "plain":
        monkeypatch.setattr(sum_kernels, "sum_by_kind", PLAIN)
    random = np.random.default_rng(count)
    sidx = random.choice(np.array([-7, -3, -1, 0, *range(1, 20)], "i4"), count)
    values = random.integers(1000, size=count).astype("f4")
    counts, found = sums.sums_by_kind(sidx, values, SPECIALS)
    chosen = [sidx > 0, sidx == -1, sidx == -3, sidx == -7]
    assert counts.tolist() == [int(one.sum()) for one in chosen]
    assert found.tolist() == [float(values[one].sum(dtype=float)) for one in chosen]
